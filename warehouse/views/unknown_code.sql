-- One row per source and code that no analyte has: its rows wait until the code is mapped (codes of the source in undertow.toml) and replayed.
-- Key: source, code_system, source_code, source_unit, lab
-- Example: SELECT * FROM unknown_code ORDER BY n_rows DESC;
SELECT source, code_system, source_code, source_unit, lab, sum(n_rows)::BIGINT AS n_rows,
    min(known_at) AS known_at
FROM store.unknown_code GROUP BY ALL
