-- One row per patient, cohort in force and criterion tonight: the deciding value, the bound, by how much it is on the right side, and whether it holds. A member of a cohort meets them all. Ask by patient or by cohort: there are as many rows as patients times criteria.
-- Key: patient_id, cohort, criterion
-- Example: SELECT criterion, count(*) AS fail FROM criterion_value WHERE cohort = 'climbing_unseen' AND NOT holds GROUP BY criterion;
WITH person AS NOT MATERIALIZED (
    SELECT d.patient_id, d.drawn_on, d.age_years, d.n_exclusions, d.raised_before,
        d.lower_glucose_mg_dl, d.decompensation_signs, coalesce(n_pairs, 0) AS n_pairs,
        last_on - first_on AS span_days, as_of - d.drawn_on AS days_old, p_climbing_unseen,
        p_insulin_climbing, p_glucose_fine, p_insulin_high, p_glucose_rising, p_without_one,
        p_bad_newest, as_of
    FROM store.deciding_draw d LEFT JOIN store.trend USING (patient_id)
        CROSS JOIN (SELECT max(as_of) AS as_of FROM store.tonight)
),
valued AS NOT MATERIALIZED (
    SELECT patient_id, c.*, bound AS beside, drawn_on AS decided_on,
        CASE value_column
            WHEN 'age_years' THEN age_years WHEN 'n_exclusions' THEN n_exclusions
            WHEN 'n_pairs' THEN n_pairs WHEN 'span_days' THEN span_days
            WHEN 'days_old' THEN days_old WHEN 'p_climbing_unseen' THEN p_climbing_unseen
            WHEN 'p_insulin_high' THEN p_insulin_high WHEN 'p_glucose_fine' THEN p_glucose_fine
            WHEN 'decompensation_signs' THEN decompensation_signs
            WHEN 'raised_before' THEN raised_before
            WHEN 'lower_glucose_mg_dl' THEN lower_glucose_mg_dl
            WHEN 'p_glucose_rising' THEN p_glucose_rising
            WHEN 'p_insulin_climbing' THEN p_insulin_climbing
            WHEN 'p_without_one' THEN p_without_one WHEN 'p_bad_newest' THEN p_bad_newest
        END::DOUBLE AS value
    FROM person CROSS JOIN (FROM store.criterion WHERE decided_by = 'draws') c
    UNION ALL
    SELECT p.patient_id, c.*, coalesce(bound, evidence_limit) AS beside,
        coalesce(s.observed_on, drawn_on) AS decided_on,
        CASE value_column
            WHEN 'age_years' THEN coalesce(s.age_years, p.age_years)
            WHEN 'n_exclusions' THEN coalesce(s.n_exclusions, p.n_exclusions)
            WHEN 'n_pairs' THEN n_pairs WHEN 'span_days' THEN span_days
            WHEN 'days_old' THEN days_old WHEN 'p_glucose_fine' THEN p_glucose_fine
            WHEN 'evidence_value' THEN evidence_value
            WHEN 'evidence_days_old' THEN as_of - evidence_on
            WHEN 'n_worsening' THEN coalesce(n_worsening, 0)
            WHEN 'n_others_known' THEN coalesce(n_others_known, 0)
            WHEN 'n_others_worsening' THEN coalesce(n_others_worsening, 0)
        END::DOUBLE AS value
    FROM (SELECT DISTINCT cohort FROM store.criterion WHERE decided_by = 'signs') each
        CROSS JOIN person p LEFT JOIN store.deciding_sign s USING (patient_id, cohort)
        JOIN store.criterion c ON c.cohort = each.cohort
)
SELECT patient_id, cohort, definition_version, place, criterion, value, must_be,
    beside AS bound, unit,
    CASE must_be WHEN '>=' THEN value - beside ELSE beside - value END AS margin,
    coalesce(CASE must_be WHEN '>=' THEN value >= beside WHEN '<=' THEN value <= beside
        ELSE value < beside END, holds_unknown) AS holds,
    decided_on, asks, settled_by, any_of
FROM valued
