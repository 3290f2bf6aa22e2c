-- Question: Is everyone measured alike, before we say that some are marked less?
-- Reading: People known, with a usable pair, evaluated and marked, by sex and age band. A group with few marks may be a group that nobody measured.
-- Picture: bar x=who y=evaluated_pct,flagged_pct
SELECT level AS who, n_people, round(evaluated_pct, 1) AS evaluated_pct,
    round(flagged_pct, 1) AS flagged_pct
FROM measurement_equity WHERE grouped_by IN ('sex', 'age_band') ORDER BY grouped_by DESC, level
