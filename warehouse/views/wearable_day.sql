-- One row per patient and local day from phones and watches: context, never the flag.
-- Key: patient_id, local_date
-- Example: SELECT local_date, steps FROM wearable_day WHERE patient_id = 'P0001';
SELECT * FROM store.wearable_day
