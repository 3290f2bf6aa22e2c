-- One row per patient: climbing, high_stable, high_and_climbing, decompensating, not_flagged, unresolved or excluded, with the reason. Not evaluated is never normal.
-- Key: patient_id
-- Example: SELECT status, count(*) FROM patient_status GROUP BY status;
SELECT patient_id, as_of, status, reason, tier, evidence, rule_version
FROM store.patient_status
