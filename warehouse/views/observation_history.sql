-- One row per version of a result, with when we knew it and when and why it no longer stood.
-- Key: file_id, line, part
-- Example: SELECT * FROM observation_history WHERE result_id = 'R1' ORDER BY known_at;
SELECT patient_id, analyte, observed_at, value, unit, comparator, fasting, lab, assay,
    h.status, h.source, result_id, h.known_at, superseded_at, superseded_by AS reason, reported_at,
    source_code, source_value, source_unit, f.file, h.file_id, line, part
FROM store.observation h LEFT JOIN store.source_file f USING (file_id)
