-- One row per patient, kind (hba1c, cgm, glucose_1h, glucose_2h) and day: what stands beside "fasting glucose is fine", and never changes a status. says is empty where it may not be judged.
-- Key: patient_id, kind, observed_on
-- Example: SELECT kind, says, count(*) FROM corroboration GROUP BY ALL ORDER BY ALL;
SELECT patient_id, kind, observed_on, value, unit, "limit", says, sentence
FROM store.corroboration
WHERE observed_on <= (SELECT max(as_of) FROM store.tonight)
