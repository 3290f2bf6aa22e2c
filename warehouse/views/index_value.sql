-- One row per patient, index and day on which all its inputs were measured; outside its limits an index has a reason and no value. What was never measured is in index_missing.
-- Key: patient_id, index, observed_on
-- Example: SELECT * FROM index_value WHERE index = 'homa_ir' ORDER BY value DESC LIMIT 10;
SELECT patient_id, "index", observed_on, value, unit, reason, platform, bridged_value, inputs_from
FROM store.index_value
