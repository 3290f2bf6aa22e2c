-- One row per cohort: what makes a member, what must not be claimed, the source, and what is known of its errors.
-- Key: cohort
-- Example: SELECT cohort, sentence, not_claimed FROM cohort_definition;
SELECT cohort, definition_version, sentence, not_claimed, citation, measured, alerts, reviewed, next_review
FROM store.cohort_definition
