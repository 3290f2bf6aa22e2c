-- One row per night and source known by then: the files that came that night, where their rows were, and how fresh the source was.
-- Key: night, source
-- Example: SELECT night, source, night - newest_on AS days_old FROM source_night ORDER BY night DESC, days_old DESC;
SELECT night, source, files, rows_in, rows_accepted, rows_quarantined, rows_duplicate,
    rows_superseded, last_known_on, newest_on
FROM store.source_night
