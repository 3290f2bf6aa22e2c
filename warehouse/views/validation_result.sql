-- One row per run, table and expectation.
-- Key: run_id, table_name, expectation
-- Example: SELECT * FROM validation_result WHERE NOT passed;
SELECT run_id, table_name, expectation, severity, rows_checked, rows_failed, passed, sentence
FROM store.validation_result
