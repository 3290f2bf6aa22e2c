-- One row per patient, cohort of which the patient is no member tonight, and criterion, with how near it came: near_miss where one criterion alone fails, is_nearest at the failing one that lacks least, and the measurement that would settle it. Not measured is not "does not hold". Ask by patient or by cohort.
-- Key: patient_id, cohort, criterion
-- Example: SELECT patient_id, criterion, value, bound, margin FROM why_not WHERE cohort = 'climbing_unseen' AND near_miss AND NOT holds ORDER BY margin DESC LIMIT 20;
WITH outside AS NOT MATERIALIZED (
    SELECT patient_id, cohort,
        count_if(NOT holds AND any_of = '')
            + (count_if(any_of <> '') > 0 AND count_if(holds AND any_of <> '') = 0)::BIGINT AS n_failing,
        arg_max(place, margin / coalesce(nullif(bound, 0), 1)) FILTER (NOT holds) AS nearest
    FROM criterion_value GROUP BY patient_id, cohort
)
SELECT v.*, n_failing, n_failing = 1 AS near_miss,
    NOT holds AND place IS NOT DISTINCT FROM nearest AS is_nearest,
    CASE WHEN NOT holds AND (value IS NULL OR criterion IN ('pairs', 'span', 'fresh', 'evidence_fresh'))
        THEN settled_by END AS missing_measurement
FROM criterion_value v JOIN (
    FROM outside ANTI JOIN (SELECT patient_id, cohort FROM store.cohort WHERE left_on IS NULL) USING (patient_id, cohort)
) USING (patient_id, cohort)
