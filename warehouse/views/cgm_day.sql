-- One row per patient, local day and sensor: context, never the flag.
-- Key: patient_id, local_date, device
-- Example: SELECT local_date, mean_mg_dl, pct_above_140 FROM cgm_day WHERE is_sufficient;
SELECT * FROM store.cgm_day
