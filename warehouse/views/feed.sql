-- One row per file, laboratory, analyte, timing and unit: what came before the gate, and the unit that explains a jump (then its rows are held).
-- Key: file_id, lab, analyte, timing, ucum
-- Example: SELECT source, lab, known_at, n_rows, exp(mean_ln) AS centre, likely_unit FROM feed WHERE analyte = 'insulin' ORDER BY known_at;
SELECT * FROM store.feed
