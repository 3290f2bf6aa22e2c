-- One row per group of people (grouped_by all, sex, age_band, source, lab or draws_a_year, and the level within it): how many were known, drawn, paired, evaluated and marked. A group with few marks may be a group that nobody measured. source is where the person's record is from, lab that of the newest draw.
-- Key: grouped_by, level
-- Example: SELECT level, n_people, evaluated_pct, flagged_pct FROM measurement_equity WHERE grouped_by = 'age_band' ORDER BY level;
WITH drawn AS (
    SELECT patient_id, count_if(insulin_uiu_ml IS NOT NULL AND glucose_mg_dl IS NOT NULL) AS n_whole,
        count_if(used) AS n_pairs, arg_max(lab, drawn_on) AS lab, count(*) AS n_draws,
        max(drawn_on) - min(drawn_on) AS days
    FROM store.fasting_pair GROUP BY patient_id
),
origin AS (
    SELECT coalesce(survivor_id, p.patient_id) AS patient_id, min(source) AS source
    FROM store.patient p LEFT JOIN store.patient_alias USING (patient_id)
    WHERE superseded_at IS NULL GROUP BY ALL
),
person AS (
    SELECT coalesce(sex, 'unknown') AS sex,
        CASE WHEN birth_date IS NULL THEN 'unknown' WHEN age < 20 THEN 'under 20'
            WHEN age < 40 THEN '20-39' WHEN age < 60 THEN '40-59' ELSE '60+' END AS age_band,
        coalesce(source, 'no record') AS source,
        CASE WHEN n_draws IS NULL THEN 'no draw' ELSE coalesce(lab, 'not stated') END AS lab,
        CASE WHEN n_draws IS NULL THEN 'no draw' WHEN n_draws = 1 THEN 'one draw'
            WHEN n_draws - 1 < days / 730.5 THEN 'under 0.5' WHEN n_draws - 1 < days / 365.25 THEN '0.5 to 1'
            WHEN n_draws - 1 < days / 182.625 THEN '1 to 2' ELSE '2 or more' END AS draws_a_year,
        n_draws IS NOT NULL AS is_drawn, coalesce(n_whole > 0, false) AS is_paired,
        coalesce(n_pairs > 0, false) AS is_usable,
        status NOT IN ('excluded', 'unresolved') AS is_evaluated,
        status IN ('climbing', 'high_stable', 'high_and_climbing', 'decompensating') AS is_flagged
    FROM (SELECT *, date_sub('year', birth_date, (SELECT max(as_of) FROM store.tonight)) AS age FROM store.person)
        LEFT JOIN store.patient_status USING (patient_id)
        LEFT JOIN drawn USING (patient_id) LEFT JOIN origin USING (patient_id)
)
SELECT CASE WHEN grouping(sex) = 0 THEN 'sex' WHEN grouping(age_band) = 0 THEN 'age_band'
        WHEN grouping(source) = 0 THEN 'source' WHEN grouping(lab) = 0 THEN 'lab'
        WHEN grouping(draws_a_year) = 0 THEN 'draws_a_year' ELSE 'all' END AS grouped_by,
    coalesce(sex, age_band, source, lab, draws_a_year, 'all') AS level, count(*) AS n_people,
    count_if(is_drawn) AS n_drawn, count_if(is_paired) AS n_paired, count_if(is_usable) AS n_usable,
    count_if(is_evaluated) AS n_evaluated, count_if(is_flagged) AS n_flagged,
    100 * n_evaluated / n_people AS evaluated_pct,
    CASE WHEN n_evaluated > 0 THEN 100 * n_flagged / n_evaluated END AS flagged_pct
FROM person GROUP BY GROUPING SETS ((), (sex), (age_band), (source), (lab), (draws_a_year))
