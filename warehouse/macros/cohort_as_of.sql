-- One row per patient who was in a cohort on a day, by what the night `known` published (both dates). A cohort that is NULL stands for every cohort.
-- Key: cohort, patient_id
-- Takes: cohort, day, known
-- Example: SELECT patient_id, entered_on FROM cohort_as_of('climbing_unseen', DATE '2025-12-31', DATE '2026-03-01') ORDER BY patient_id;
SELECT v.cohort, v.patient_id, v.entered_on, v.left_on, v.definition_version, v.known_from
FROM store.cohort_version v
WHERE (cohort IS NULL OR v.cohort = cohort)
    AND v.entered_on <= day::DATE AND (v.left_on IS NULL OR v.left_on > day::DATE)
    AND v.known_from <= known::DATE AND (v.known_to IS NULL OR v.known_to > known::DATE)
