-- One row per column of every view and macro: type, unit, meaning.
-- Key: table_name, column_name
-- Example: SELECT * FROM dictionary WHERE table_name = 'trend';
SELECT table_name, column_name, type, unit, description
FROM store.dictionary
