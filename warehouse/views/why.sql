-- One row per member of a cohort tonight and criterion: the value, the bound, and by how much it is met. Of criteria with the same any_of one suffices.
-- Key: patient_id, cohort, criterion
-- Example: SELECT asks, value, must_be, bound, unit, margin, holds, decided_on FROM why WHERE patient_id = 'P0001' AND cohort = 'climbing_unseen' ORDER BY place;
SELECT v.*
FROM criterion_value v
SEMI JOIN (SELECT patient_id, cohort FROM store.cohort WHERE left_on IS NULL) c USING (patient_id, cohort)
