-- One row: which night this file shows, how whole it is and how fresh. is_whole says that nothing is missing by what we know; rows that wait in quarantine are counted beside it.
-- Key: as_of
-- Example: SELECT as_of, is_whole, newest_draw_on, sources_silent, waiting FROM tonight;
SELECT as_of, (SELECT count(*) FROM store.person) AS patients,
    (SELECT count(*) FROM store.source_file WHERE known_at = as_of) AS files,
    (SELECT count(*) FROM store.quarantine WHERE state = 'waiting') AS waiting,
    (SELECT min(first_seen_on) FROM store.quarantine WHERE state = 'waiting') AS oldest_waiting_on,
    n_evaluated, newest_draw_on, sources_silent, is_held, checks, checks_failed,
    NOT is_held AND sources_silent = [] AND is_accounted AND is_complete AS is_whole,
    run_id, published_at, code_version
FROM store.tonight,
    (SELECT max(drawn_on) AS newest_draw_on FROM store.fasting_pair),
    (SELECT count(*) FILTER (status NOT IN ('excluded', 'unresolved')) AS n_evaluated,
        count(*) = (SELECT count(*) FROM store.person) AS is_complete FROM store.patient_status),
    (SELECT coalesce(bool_or(is_held), false) AS is_held FROM store.list_check),
    (SELECT coalesce(list(source ORDER BY source), []) AS sources_silent FROM (
        SELECT source FROM store.source_file GROUP BY source
        HAVING max(known_at) < (SELECT max(as_of) FROM store.tonight) AND source NOT IN (
            SELECT source FROM store.feed_check GROUP BY source
            HAVING bool_and(p_silence IS NOT NULL AND alarm IS NULL)))),
    (SELECT coalesce(bool_and(rows_in = rows_accepted + rows_quarantined + rows_duplicate
        + rows_superseded), true) AS is_accounted FROM store.source_file),
    (SELECT max_by(run_id, started_at) AS run_id, max_by(finished_at, started_at) AS published_at,
        max_by(code_version, started_at) AS code_version FROM store.run WHERE state = 'done'),
    (SELECT count(*) AS checks, count(*) FILTER (NOT passed) AS checks_failed
        FROM store.validation_result WHERE run_id = (
            SELECT max_by(run_id, started_at) FROM store.run WHERE state = 'done'))
