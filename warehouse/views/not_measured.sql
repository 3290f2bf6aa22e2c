-- One row per patient to whom the rule would apply and who was not evaluated: what was drawn, and what is missing. Not flagged because not measured.
-- Key: patient_id
-- Example: SELECT missing, count(*) FROM not_measured GROUP BY missing ORDER BY 2 DESC;
SELECT s.patient_id, sex, birth_date, coalesce(n_draws, 0) AS n_draws, coalesce(n_whole, 0) AS n_whole,
    coalesce(d.n_pairs, 0) AS n_pairs, last_on, reason,
    CASE WHEN n_draws IS NULL THEN 'any fasting insulin or glucose'
        WHEN n_whole = 0 AND n_insulin = 0 THEN 'insulin beside the glucose of one draw'
        WHEN n_whole = 0 AND n_glucose = 0 THEN 'glucose beside the insulin of one draw'
        WHEN n_whole = 0 THEN 'insulin and glucose of one draw'
        WHEN barred_on >= s.as_of - fresh THEN 'a draw when nothing that is on record bars it, such as a medicine'
        WHEN d.n_pairs = 0 AND n_bounds > 0 THEN 'an insulin within the range of the assay, not only a bound'
        WHEN d.n_pairs = 0 THEN 'a draw that can be used: fasting, and stated so'
        WHEN coalesce(t.n_pairs, d.n_pairs) < pairs THEN 'more fasting draws of insulin and glucose'
        WHEN t.last_on - t.first_on < span THEN 'a fasting draw a year or more after the first'
        ELSE 'a fasting draw of insulin and glucose of the last year' END AS missing
FROM store.patient_status s LEFT JOIN store.person USING (patient_id)
    LEFT JOIN (
        SELECT patient_id, count(*) AS n_draws, count_if(used) AS n_pairs,
            count_if(insulin_uiu_ml IS NOT NULL AND glucose_mg_dl IS NOT NULL) AS n_whole,
            count(insulin_uiu_ml) AS n_insulin, count(glucose_mg_dl) AS n_glucose,
            count_if(reason = 'censored') AS n_bounds,
            CASE WHEN arg_max(coalesce(reason, ''), drawn_on) LIKE 'during %' THEN max(drawn_on) END AS barred_on
        FROM store.fasting_pair GROUP BY patient_id
    ) d USING (patient_id)
    LEFT JOIN store.trend t USING (patient_id)
    CROSS JOIN (
        SELECT max(bound) FILTER (criterion = 'pairs') AS pairs, max(bound) FILTER (criterion = 'span') AS span,
            max(bound) FILTER (criterion = 'fresh')::INTEGER AS fresh
        FROM store.criterion WHERE cohort = 'climbing_unseen'
    )
WHERE status = 'unresolved'
