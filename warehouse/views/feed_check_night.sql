-- One row per night, source and analyte: was it silent, or did it send unusually few or many rows?
-- Key: night, source, analyte
-- Example: SELECT night, source, analyte, alarm FROM feed_check_night WHERE alarm IS NOT NULL ORDER BY night DESC;
SELECT * FROM store.feed_check_night
