-- One row per patient, sensor and 14 local dates: the consensus metrics, context and never the flag. Consensus targets are for diabetes; sensors differ, so compare within one.
-- Key: patient_id, device, window_end
-- Example: SELECT window_end, mean_mg_dl, pct_above_140, mage_mg_dl FROM cgm_window WHERE is_sufficient AND is_main;
SELECT * FROM store.cgm_window
