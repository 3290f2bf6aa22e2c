-- One row per night: its list of marked people (tiers A and B) against chance, and whether it was held back.
-- Key: night
-- Example: SELECT night, n_listed, false_claimed, false_shuffled, is_held FROM list_check_night ORDER BY night;
SELECT * FROM store.list_check_night
