-- One row per patient and month from phones and watches, with how much of it a device saw: context, never the flag.
-- Key: patient_id, month
-- Example: SELECT month, steps_median, sleep_regularity FROM wearable_month WHERE patient_id = 'P0001';
SELECT * FROM store.wearable_month
