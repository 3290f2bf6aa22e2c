-- One row per night, table and expectation, as the newest finished run of the night found it; nights on which nothing changed check nothing.
-- Key: night, table_name, expectation
-- Example: SELECT night, table_name, expectation, rows_failed / rows_checked AS share FROM validation_night WHERE NOT passed ORDER BY night DESC;
SELECT night, table_name, expectation, severity, rows_checked, rows_failed, passed, run_id
FROM store.validation_result JOIN store.run USING (run_id)
WHERE state = 'done'
QUALIFY row_number() OVER (PARTITION BY night, table_name, expectation ORDER BY started_at DESC) = 1
