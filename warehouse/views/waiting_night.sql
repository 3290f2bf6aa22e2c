-- One row per night, source and reason for which rows waited in quarantine; a row that waits for two reasons is in two.
-- Key: night, source, reason
-- Example: SELECT night, reason, sum(waiting) AS waiting FROM waiting_night GROUP BY ALL ORDER BY ALL;
SELECT night, source, reason, waiting, oldest_waiting_on,
    (night - oldest_waiting_on)::BIGINT AS oldest_waiting_days
FROM store.waiting_night
