-- One row per execution of a night up to this one.
-- Key: run_id
-- Example: SELECT night, state FROM run ORDER BY started_at DESC;
SELECT run_id, night, started_at, finished_at, state, code_version
FROM store.run
