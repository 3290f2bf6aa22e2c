-- One row per patient: the status as it was published on or before a night. The reason is in the words of the night `known_from`, the first that published this status.
-- Key: patient_id
-- Takes: night
-- Example: SELECT status, count(*) AS patients FROM status_as_of(DATE '2026-03-01') GROUP BY status ORDER BY status;
SELECT patient_id, status, tier, reason, rule_version, known_from
FROM store.status_version
WHERE known_from <= night::DATE AND (known_to IS NULL OR known_to > night::DATE)
