-- One row per patient, tissue and signal: its newest value, placed among comparable people of this clinic; and one row per tissue (signal is null) that names what was never measured and by what test it could be. Never which tissue is resistant.
-- Example: SELECT tissue, signal, value, percentile, course, claim, missing FROM tissue_profile WHERE patient_id = 'P0001';
WITH night AS (SELECT max(as_of) AS as_of FROM store.tonight),
people AS (
    SELECT patient_id, CASE WHEN sex IN ('male', 'female') THEN sex ELSE 'any' END AS sex,
        date_sub('year', birth_date, as_of) AS age,
        CASE WHEN age < 20 THEN NULL WHEN age < 40 THEN '20-39' WHEN age < 60 THEN '40-59'
            ELSE '60+' END AS age_band
    FROM store.person, night WHERE birth_date IS NOT NULL
),
newest AS (
    SELECT m.*, observed_on < as_of - 400 AS is_old FROM store.tissue_month m, night
    QUALIFY row_number() OVER (PARTITION BY patient_id, tissue, signal ORDER BY month DESC) = 1
),
never AS (
    SELECT patient_id, tissue, next_test, min(evidence_grade) AS grade,
        string_agg(title, ', ' ORDER BY evidence_grade, title) AS titles
    FROM (SELECT p.patient_id, s.* FROM store.person p CROSS JOIN store.tissue_signal s)
        ANTI JOIN store.tissue_month USING (patient_id, tissue, signal)
    GROUP BY ALL
),
measured AS (SELECT DISTINCT patient_id, tissue, true AS is_any FROM store.tissue_month)
SELECT n.patient_id, n.tissue, n.signal, n.value,
    CASE WHEN NOT is_old THEN
        (len(list_filter(quantiles, lambda q: q < n.value))
            + len(list_filter(quantiles, lambda q: q = n.value)) / 2) / len(quantiles) * 100
    END AS percentile,
    n.trend, s.evidence_grade, s.claim,
    CASE WHEN is_old THEN 'Older than 400 days: ' || s.next_test || '.' END AS missing,
    n.observed_on, n.unit, n.n, n.course,
    CASE WHEN NOT is_old THEN r.n END AS n_comparable,
    CASE WHEN is_old THEN 'nobody: the value is too old'
        ELSE coalesce(r.compared_with, 'nobody: too few comparable people') END AS compared_with,
    s.not_claimed, s.title, s.direction, n.platform
FROM newest n JOIN store.tissue_signal s USING (tissue, signal)
    LEFT JOIN people p USING (patient_id)
    LEFT JOIN store.signal_reference r ON r.signal = n.signal AND r.sex = p.sex
        AND r.age_band = p.age_band AND r.platform IS NOT DISTINCT FROM n.platform
UNION ALL BY NAME
SELECT patient_id, tissue, 'D' AS evidence_grade,
    CASE WHEN is_any THEN 'Seen only through what was measured.'
        ELSE 'Not evaluated: nothing was measured.' END AS claim,
    'Never measured: ' || string_agg(titles || ' (by ' || next_test || ')', '; ' ORDER BY grade, titles)
        || '.' AS missing,
    'That what was not measured is normal.' AS not_claimed
FROM never LEFT JOIN measured USING (patient_id, tissue)
GROUP BY patient_id, tissue, is_any
ORDER BY patient_id, tissue, signal NULLS LAST  /* unsorted, a fetch of 100,000 rows of this union was seen to hang in DuckDB 1.5.5 */
