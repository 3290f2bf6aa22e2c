-- One row per published file that was kept beside this one, this one included: ATTACH it to ask a past night, and USE it before calling its macros.
-- Key: run_id
-- Example: SELECT 'ATTACH ''warehouse/' || published_file || ''' AS then_ (READ_ONLY)' AS attach FROM published_night WHERE night = DATE '2026-03-01';
SELECT run_id, night, published_at, published_file, digest
FROM store.published_night
