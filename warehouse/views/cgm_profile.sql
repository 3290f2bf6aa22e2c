-- One row per sufficient window of a main sensor and half hour of the local day: the ambulatory glucose profile.
-- Key: patient_id, device, window_end, begins_min
-- Example: SELECT begins_min / 60 AS hour, p50_mg_dl FROM cgm_profile WHERE patient_id = 'P0001' ORDER BY ALL;
SELECT * FROM store.cgm_profile
