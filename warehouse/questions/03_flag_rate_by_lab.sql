-- Question: Does any laboratory or assay mark far more people than another?
-- Reading: People evaluated, by the laboratory and assay of their newest draw used. A rate that stands out is rather the assay than its people: look at `platform` and at the heartbeat before believing it. low and high: 95 % interval (Wilson).
-- Picture: bar x=platform y=marked_pct
WITH newest AS (
    SELECT patient_id, concat_ws(', ', coalesce(arg_max(lab, drawn_on), 'not stated'),
        arg_max(assay, drawn_on)) AS platform
    FROM fasting_pair WHERE used GROUP BY patient_id
),
counted AS (
    SELECT platform, count(*) AS evaluated, count(*) FILTER (tier IN ('A', 'B')) AS marked
    FROM patient_status JOIN newest USING (patient_id)
    WHERE status NOT IN ('excluded', 'unresolved') GROUP BY platform
)
SELECT platform, evaluated, marked, round(100.0 * marked / evaluated, 1) AS marked_pct,
    round(100 * (marked + 1.92 - 1.96 * sqrt(marked * (1 - marked / evaluated) + 0.96))
        / (evaluated + 3.84), 1) AS low,
    round(100 * (marked + 1.92 + 1.96 * sqrt(marked * (1 - marked / evaluated) + 0.96))
        / (evaluated + 3.84), 1) AS high
FROM counted WHERE evaluated >= 5 ORDER BY marked_pct DESC, platform
