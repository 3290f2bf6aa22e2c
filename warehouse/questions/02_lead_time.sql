-- Question: How long before glucose reaches 100 mg/dL does the mark come?
-- Reading: One row per tier of the mark's episode. ahead: people whose glucose was still fine at the mark and reached 100 mg/dL later. not_yet: those in whom it has not; their lead can only grow, so the median of those who reached it is short of the truth.
-- Picture: bar x=tier y=ahead,not_yet
WITH crossing AS (
    SELECT e.patient_id, e.rule, e.began_on, min(p.drawn_on) AS crossed_on
    FROM episode e JOIN fasting_pair p ON p.patient_id = e.patient_id
        AND p.drawn_on > e.began_on AND p.used AND p.glucose_mg_dl >= 100
    GROUP BY ALL
)
SELECT coalesce(tier, 'none') AS tier, count(*) AS marks, count(crossed_on) AS ahead,
    count(*) - count(crossed_on) AS not_yet,
    round(median((crossed_on - began_on) / 365.25), 1) AS median_lead_years
FROM episode LEFT JOIN crossing USING (patient_id, rule, began_on)
WHERE rule = 'climbing_unseen' GROUP BY ALL ORDER BY tier
