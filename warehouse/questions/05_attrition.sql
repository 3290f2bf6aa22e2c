-- Question: From everyone to climbing unseen: who is left out at which step?
-- Reading: Subjects are people, records are draws (columns of OHDSI's CohortConstructor). The view has each step by sex and age band too: a step that leaves out far more of one group is a question about measurement.
-- Picture: bar x=reason y=number_subjects
SELECT reason_id, reason, number_subjects, excluded_subjects, number_records, excluded_records
FROM attrition WHERE cohort = 'climbing_unseen' AND sex = 'all' AND age_band = 'all'
ORDER BY reason_id
