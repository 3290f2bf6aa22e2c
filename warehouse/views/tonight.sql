-- One row: which night this file shows and how whole it is.
-- Example: SELECT * FROM tonight;
SELECT as_of, (SELECT count(*) FROM store.person) AS patients,
    (SELECT count(*) FROM store.source_file WHERE known_at = as_of) AS files,
    (SELECT count(*) FROM store.quarantine WHERE state = 'waiting') AS waiting
FROM store.tonight
