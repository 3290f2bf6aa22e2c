-- Question: Who came within one criterion of being marked, and by how much?
-- Reading: Of people outside the cohort for one criterion alone: which one, and the median of what was lacking, in the criterion's own unit. `FROM why_not WHERE near_miss` names them with value and bound; a near miss is a reason to measure again, not a mark.
-- Picture: bar x=criterion y=people
SELECT criterion, any_value(asks) AS asks, count(*) AS people,
    round(median(margin), 3) AS median_margin, any_value(unit) AS unit
FROM why_not WHERE cohort = 'climbing_unseen' AND near_miss AND NOT holds
GROUP BY criterion ORDER BY people DESC, criterion
