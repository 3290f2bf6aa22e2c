-- One row per column of every view: type, unit, meaning.
-- Example: SELECT * FROM dictionary WHERE table_name = 'trend';
SELECT table_name, column_name, data_type AS type,
    regexp_extract(comment, ' \[(\S+)\]$', 1) AS unit,
    regexp_replace(comment, ' \[\S+\]$', '') AS description
FROM duckdb_columns()
WHERE schema_name = 'main' AND NOT internal AND database_name = current_database()
