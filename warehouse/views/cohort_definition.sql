-- One row per cohort and version that was ever accepted: what makes a member, what must not be claimed, the source, what is known of its errors. accepted is in force; deprecated is kept; drafts are not here.
-- Key: cohort, definition_version
-- Example: SELECT cohort, definition_version, sentence, not_claimed FROM cohort_definition WHERE state = 'accepted';
SELECT cohort, definition_version, sentence, not_claimed, citation, measured, alerts, reviewed, next_review,
    state, accepted_on, rule_version, fingerprint
FROM store.cohort_definition
