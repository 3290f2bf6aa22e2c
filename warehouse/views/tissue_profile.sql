-- One row per patient, tissue and signal: its newest value, placed among comparable people of this clinic; and one row per tissue (signal is null) that names what was never measured and by what test it could be. Never which tissue is resistant.
-- Key: patient_id, tissue, signal
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
    SELECT v.*, v.observed_on < as_of - 400 AS is_old FROM store.tissue_value v JOIN (
        SELECT patient_id, tissue, signal, max(observed_on) AS observed_on
        FROM store.tissue_value GROUP BY ALL) USING (patient_id, tissue, signal, observed_on), night
),
cell AS (
    SELECT *, row_number() OVER (ORDER BY signal, platform, sex, age_band) AS cell
    FROM store.signal_reference
),
place AS (  /* of each cell's quantiles, how many lie below each value and how many equal it */
    SELECT cell, q, equal, sum(equal) OVER (PARTITION BY cell ORDER BY q) - equal AS below,
        sum(equal) OVER (PARTITION BY cell) AS ranks
    FROM (SELECT cell, q, count(*) AS equal
        FROM (SELECT cell, unnest(quantiles) AS q FROM cell) GROUP BY ALL)
),
numbered AS (
    SELECT *, 1::BIGINT << (row_number() OVER (PARTITION BY tissue ORDER BY signal) - 1) AS bit
    FROM store.tissue_signal
),
measured AS (  /* which signals of a tissue, as the sum of their bits */
    SELECT patient_id, tissue, bit_or(bit) AS bits
    FROM store.tissue_value JOIN numbered USING (tissue, signal) GROUP BY ALL
),
never AS (
    SELECT patient_id, tissue, coalesce(bits, 0) AS bits
    FROM store.person CROSS JOIN (SELECT tissue, bit_or(bit) AS every FROM numbered GROUP BY tissue)
        LEFT JOIN measured USING (patient_id, tissue)
    WHERE coalesce(bits, 0) <> every
)
SELECT n.patient_id, n.tissue, n.signal, n.value,
    CASE WHEN is_old OR r.cell IS NULL THEN NULL WHEN q IS NULL THEN 0
        ELSE (below + CASE WHEN q = n.value THEN equal / 2 ELSE equal END) / ranks * 100
    END AS percentile,
    CASE WHEN NOT is_old THEN n.trend END AS trend, s.evidence_grade, s.claim,
    CASE WHEN is_old THEN 'Older than 400 days: ' || s.next_test || '.' END AS missing,
    n.observed_on, n.unit, n.n, CASE WHEN NOT is_old THEN n.course END AS course,
    CASE WHEN NOT is_old THEN r.n END AS n_comparable,
    CASE WHEN is_old THEN 'nobody: the value is too old'
        ELSE coalesce(r.compared_with, 'nobody: too few comparable people') END AS compared_with,
    s.not_claimed, s.title, s.direction, n.platform
FROM newest n JOIN store.tissue_signal s USING (tissue, signal)
    LEFT JOIN people p USING (patient_id)
    LEFT JOIN cell r ON r.signal = n.signal AND r.sex = p.sex
        AND r.age_band = p.age_band AND r.platform IS NOT DISTINCT FROM n.platform
    ASOF LEFT JOIN place ON place.cell = r.cell AND n.value >= q  /* the greatest not above it */
UNION ALL BY NAME
SELECT patient_id, tissue, 'D' AS evidence_grade,
    CASE WHEN bits = 0 THEN 'Not evaluated: nothing was measured.'
        ELSE 'Seen only through what was measured.' END AS claim,
    (   /* correlated by tissue and bits alone: DuckDB works it out once per distinct set */
        SELECT 'Never measured: '
            || string_agg(titles || ' (by ' || next_test || ')', '; ' ORDER BY grade, titles) || '.'
        FROM (
            SELECT next_test, min(evidence_grade) AS grade,
                string_agg(title, ', ' ORDER BY evidence_grade, title) AS titles
            FROM numbered s WHERE s.tissue = never.tissue AND s.bit & never.bits = 0
            GROUP BY next_test
        )
    ) AS missing,
    'That what was not measured is normal.' AS not_claimed
FROM never
ORDER BY patient_id, tissue, signal NULLS LAST  /* unsorted, a fetch of 100,000 rows of this union was seen to hang in DuckDB 1.5.5 */
