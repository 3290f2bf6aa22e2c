-- One row per patient, ground and span of days on which the status rule does not apply; start_on null: always, end_on null: still. Age is not here: see patient.birth_date.
-- Key: patient_id, exclusion, start_on, end_on
-- Example: SELECT exclusion, count(DISTINCT patient_id) FROM exclusion GROUP BY exclusion;
SELECT patient_id, exclusion, start_on, end_on
FROM store.exclusion
