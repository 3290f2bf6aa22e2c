-- One row per patient and stay in a cohort; left_on is null while the stay lasts.
-- Key: cohort, patient_id, entered_on
-- Example: SELECT cohort, count(*) FROM cohort WHERE left_on IS NULL GROUP BY cohort;
SELECT cohort, patient_id, entered_on, left_on, definition_version
FROM store.cohort
