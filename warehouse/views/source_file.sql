-- One row per landed file and where its rows are: rows_in = accepted + quarantined + duplicate + superseded.
-- Key: file_id
-- Example: SELECT * FROM source_file WHERE rows_quarantined > 0;
SELECT source, file, sha256, known_at, state, rows_in, rows_accepted, rows_quarantined,
    rows_duplicate, rows_superseded, reader, notes, file_id
FROM store.source_file
