-- One row per input row that waits, is set aside (nothing to do), or was replayed.
-- Example: SELECT reasons, count(*) FROM quarantine WHERE state = 'waiting' GROUP BY reasons;
SELECT quarantine_id, source, file, line, table_name, reasons, row, first_seen_on, state,
    what_to_do, part, warnings
FROM store.quarantine
