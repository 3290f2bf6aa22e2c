-- One row per night, analyte and group: how the newest draws lay in the forecasts from the earlier ones.
-- Key: night, analyte, grouped_by, level
-- Example: SELECT night, n, coverage_90_pct FROM prediction_check_night WHERE analyte = 'insulin' AND grouped_by = 'all' ORDER BY night;
SELECT * FROM store.prediction_check_night
