-- One row per trend model that was ever in force; a patient is judged by the one in force when the newest draw became known.
-- Key: model_version
-- Example: SELECT model_version, count(*) FROM trend GROUP BY model_version;
SELECT model_version, in_force_from, people, provenance, content
FROM store.model
