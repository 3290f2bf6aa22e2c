-- One row per draw about whose fast something is known beside its label (sensor, sleep, clock, stated hours).
-- Key: patient_id, drawn_on
-- Example: SELECT * FROM fasting_evidence WHERE p_fasting < .5;
SELECT patient_id, drawn_on, p_fasting, evidence FROM store.fasting_evidence
