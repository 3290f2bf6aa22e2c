-- One row per patient, index and draw day.
-- Example: SELECT * FROM index_value WHERE index = 'homa_ir' ORDER BY value DESC LIMIT 10;
SELECT patient_id, "index", observed_on, value, unit
FROM store.index_value
