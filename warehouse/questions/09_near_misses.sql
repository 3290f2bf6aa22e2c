-- Question: Who came within one criterion of being marked, and by how much?
-- Reading: People outside the cohort for one criterion alone, by which and by how much was lacking in the criterion's own unit (of a probability: 0.1 means 0.4 where 0.5 is asked). `FROM near_miss` names them with value and bound. A near miss is a reason to measure again, not a mark.
-- Picture: bar x=lacking y=people
SELECT criterion || ', lacks up to ' || ceil(greatest(-margin, 0.001) * 10) / 10 AS lacking,
    any_value(asks) AS asks, count(*) AS people, any_value(unit) AS unit,
    round(max(value), 3) AS nearest_value, any_value(bound) AS bound
FROM near_miss WHERE cohort = 'climbing_unseen' AND margin IS NOT NULL
GROUP BY lacking, criterion ORDER BY max(margin) DESC, lacking LIMIT 12
