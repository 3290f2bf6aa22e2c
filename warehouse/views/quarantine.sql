-- One row per input row that waits, is set aside (nothing to do), or was replayed; with the likeliest unit where a unit is in doubt.
-- Key: quarantine_id
-- Example: SELECT reasons, count(*) FROM quarantine WHERE state = 'waiting' GROUP BY reasons;
SELECT quarantine_id, source, file, q.line, table_name, reasons, row, first_seen_on, state,
    what_to_do, q.part, warnings, analyte, number, proposed_unit, proposed_value, odds, odds_basis
FROM store.quarantine q
LEFT JOIN store.unit_proposal p ON q.file_id = p.file_id AND q.line = p.line AND q.part = p.part
    AND q.table_name = 'observation'
