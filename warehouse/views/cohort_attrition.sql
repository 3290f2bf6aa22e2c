-- One row per cohort and step: who was left out on the way, and why.
-- Key: cohort, step
-- Example: SELECT * FROM cohort_attrition WHERE cohort = 'climbing_unseen' ORDER BY step;
SELECT cohort, step, reason, n_before, n_excluded, n_after
FROM store.cohort_attrition
