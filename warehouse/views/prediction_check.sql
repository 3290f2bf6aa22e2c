-- One row per analyte and group: how the newest draws lay in the forecasts from the earlier ones; tenths are equal where the model is right.
-- Key: analyte, grouped_by, level
-- Example: SELECT level AS draws, n, coverage_90_pct FROM prediction_check WHERE analyte = 'insulin' AND grouped_by = 'draws';
SELECT analyte, grouped_by, level, n, coverage_50_pct, coverage_90_pct, pit_mean, pit_deciles
FROM store.prediction_check
