-- One row per person, merged records under the survivor.
-- Key: patient_id
-- Example: SELECT sex, count(*) FROM patient GROUP BY sex;
SELECT patient_id, birth_date, sex, time_zone
FROM store.person
