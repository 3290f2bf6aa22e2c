-- One row per patient and month with a weight: its slope over the 180 days to the month's end, 90 % interval.
-- Key: patient_id, month
-- Example: SELECT * FROM weight_month WHERE low > 0;
SELECT * FROM store.weight_month
