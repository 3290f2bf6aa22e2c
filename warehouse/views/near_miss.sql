-- One row per patient and cohort that the patient misses by one criterion alone, with the value that decides, the bound and what is lacking. Of criteria of which one suffices, the nearest. A near miss is a reason to measure again, not a mark.
-- Key: patient_id, cohort
-- Example: SELECT patient_id, criterion, value, bound, margin FROM near_miss WHERE cohort = 'climbing_unseen' ORDER BY margin DESC NULLS LAST LIMIT 20;
SELECT patient_id, m.cohort, definition_version, place, criterion, asks, value, must_be,
    m.bound, unit, margin, decided_on, settled_by
FROM (
    SELECT patient_id, cohort, arg_max(place, nearness) AS place,
        arg_max_null(value, nearness) AS value, arg_max_null(bound, nearness) AS bound,
        arg_max_null(margin, nearness) AS margin, arg_max_null(decided_on, nearness) AS decided_on,
        count_if(any_of = '') AS n_alone, count_if(any_of <> '') AS n_either
    FROM (
        SELECT patient_id, cohort, place, value, bound, margin, decided_on, any_of,
            CASE any_of WHEN '' THEN 'infinity'::DOUBLE
                ELSE coalesce(margin / coalesce(nullif(bound, 0), 1), '-infinity'::DOUBLE) END AS nearness
        FROM criterion_value WHERE NOT holds
    ) GROUP BY patient_id, cohort HAVING n_alone <= 1
) m JOIN (
    SELECT *, count_if(any_of <> '') OVER (PARTITION BY cohort) AS n_any FROM store.criterion
) c USING (cohort, place)
    ANTI JOIN (SELECT patient_id, cohort FROM store.cohort WHERE left_on IS NULL) USING (patient_id, cohort)
WHERE n_alone + (n_either > 0 AND n_either = n_any)::BIGINT = 1
