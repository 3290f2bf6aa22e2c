-- One row per source and analyte: is it silent tonight, or does it send unusually few or many rows, by its own weekday rhythm?
-- Key: source, analyte
-- Example: SELECT * FROM feed_check WHERE alarm IS NOT NULL;
SELECT * FROM store.feed_check
