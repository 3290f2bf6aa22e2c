-- One row per stay in a cohort and stretch of nights that published it so: from the night known_from up to, not including, known_to. A correction ends one version of a stay and begins another.
-- Key: cohort, patient_id, entered_on, known_from
-- Example: SELECT cohort, known_from, count(*) AS stays FROM cohort_version GROUP BY ALL ORDER BY ALL;
SELECT cohort, patient_id, entered_on, left_on, definition_version, known_from, known_to
FROM store.cohort_version
