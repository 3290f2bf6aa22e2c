-- One row per cohort, stratum and step from everyone to its members tonight, in the columns of OHDSI CohortConstructor: records are draws, subjects are people. sex and age_band are 'all' where they do not divide; add up steps within one stratum only.
-- Key: cohort, sex, age_band, reason_id
-- Example: SELECT sex, reason, excluded_subjects, number_subjects FROM attrition WHERE cohort = 'climbing_unseen' AND age_band = 'all' ORDER BY sex, reason_id;
SELECT cohort, reason_id, reason, number_records, number_subjects, excluded_records,
    excluded_subjects, sex, age_band
FROM store.attrition
