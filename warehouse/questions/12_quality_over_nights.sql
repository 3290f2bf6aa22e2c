-- Question: Is the quality of what comes in getting better or worse?
-- Reading: One row per night: what came, what went to quarantine, what waits and for how long, which expectations failed. A night without rows is no good night: look at sources_silent in `tonight`.
-- Picture: line x=night y=waiting,rows_quarantined
SELECT night, rows_in, rows_quarantined, round(100.0 * rows_quarantined / nullif(rows_in, 0), 2)
        AS quarantined_pct, waiting, oldest_waiting_days, alarms, checks_failed, n_evaluated
FROM quality_trend ORDER BY night
