-- One row per patient and stretch of nights that published the same status, tier and rule: from the night known_from up to, not including, known_to. The reason is in the words of the first of these nights.
-- Key: patient_id, known_from
-- Example: SELECT known_from AS night, status, count(*) AS patients FROM status_version GROUP BY ALL ORDER BY ALL;
SELECT patient_id, status, tier, reason, rule_version, known_from, known_to
FROM store.status_version
