-- One row per night: how the quality of the data went. What came and where its rows went, what waited and how long, which feeds were out of rhythm, which expectations failed, and how the model fared.
-- Key: night
-- Example: SELECT night, rows_in, rows_quarantined, waiting, oldest_waiting_days, checks_failed FROM quality_trend ORDER BY night;
SELECT night, files, rows_in, rows_accepted, rows_quarantined, rows_duplicate, rows_superseded,
    coalesce(waiting, 0) AS waiting, oldest_waiting_days, newest_on, coalesce(alarms, 0) AS alarms,
    coalesce(checks, 0) AS checks, coalesce(checks_failed, 0) AS checks_failed, n_evaluated,
    n_listed, false_claimed, false_shuffled, is_held, coverage_90_pct
FROM (
    SELECT night, sum(files)::BIGINT AS files, sum(rows_in)::BIGINT AS rows_in,
        sum(rows_accepted)::BIGINT AS rows_accepted,
        sum(rows_quarantined)::BIGINT AS rows_quarantined,
        sum(rows_duplicate)::BIGINT AS rows_duplicate,
        sum(rows_superseded)::BIGINT AS rows_superseded, max(newest_on) AS newest_on
    FROM store.source_night GROUP BY night
)
FULL JOIN store.list_check_night USING (night)
LEFT JOIN (
    SELECT night, sum(waiting)::BIGINT AS waiting,
        max(night - oldest_waiting_on)::BIGINT AS oldest_waiting_days
    FROM store.waiting_night GROUP BY night
) USING (night)
LEFT JOIN (
    SELECT night, count(*) FILTER (alarm IS NOT NULL) AS alarms
    FROM store.feed_check_night GROUP BY night
) USING (night)
LEFT JOIN (
    SELECT night, count(*) AS checks, count(*) FILTER (NOT passed) AS checks_failed
    FROM (
        SELECT night, passed FROM store.validation_result JOIN store.run USING (run_id)
        WHERE state = 'done'
        QUALIFY row_number() OVER (
            PARTITION BY night, table_name, expectation ORDER BY started_at DESC) = 1
    ) GROUP BY night
) USING (night)
LEFT JOIN (
    SELECT night, coverage_90_pct FROM store.prediction_check_night
    WHERE analyte = 'insulin' AND grouped_by = 'all'
) USING (night)
