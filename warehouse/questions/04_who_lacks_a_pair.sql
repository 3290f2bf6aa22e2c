-- Question: Which patients lack a paired draw, and what would settle it?
-- Reading: People to whom the rule applies and who were not evaluated, by what is missing. Not marked because not measured. `FROM not_measured` names them.
-- Picture: bar x=missing y=people
SELECT missing, count(*) AS people, round(median(n_draws), 0)::INTEGER AS draws_median,
    max(last_on) AS newest_draw_on
FROM not_measured GROUP BY missing ORDER BY people DESC, missing
