-- Question: Which tissues' signals worsen together while glucose stays fine?
-- Reading: People whose glucose was fine throughout, by the course of the signals of each tissue. Several signals share one insulin and move together; a pattern is a pattern of numbers and never says which tissue is resistant.
-- Picture: bar x=tissues y=people
SELECT coalesce(nullif(concat_ws(', ',
        CASE WHEN liver = 'worsening' THEN 'liver' END,
        CASE WHEN muscle = 'worsening' THEN 'muscle' END,
        CASE WHEN adipose = 'worsening' THEN 'adipose' END,
        CASE WHEN beta_cell = 'worsening' THEN 'beta cell' END,
        CASE WHEN clearance = 'worsening' THEN 'clearance' END), ''), 'none worsens') AS tissues,
    count(*) AS people, count(*) FILTER (is_selective) AS selective
FROM tissue_pattern WHERE glucose_fine = 'throughout' AND signals_with_course > 0
GROUP BY tissues ORDER BY people DESC, tissues LIMIT 12
