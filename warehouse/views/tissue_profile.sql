-- One row per patient, tissue and signal, graded by evidence. Empty: not computed in this version.
-- Example: SELECT * FROM tissue_profile WHERE patient_id = 'P0001';
SELECT patient_id, tissue, signal, value, percentile, trend, evidence_grade, claim, missing
FROM store.tissue_profile
