-- One row per patient, index and value: the series on that platform as it stood then, with the change that noise alone does not explain.
-- Key: patient_id, index, observed_on, platform
-- Example: SELECT * FROM index_trend WHERE index = 'homa_ir' AND change = 'rose' ORDER BY patient_id, observed_on;
SELECT patient_id, "index", observed_on, platform, previous_on, change_pct, rcv_fall_pct,
    rcv_rise_pct, change, n, first_on, slope_pct_year, slope_low, slope_high, trend
FROM store.index_trend
