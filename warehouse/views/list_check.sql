-- One row: tonight's list of marked people (tiers A and B), how much of it is false by the model and by shuffled draws, and whether it is held back.
-- Key: n_evaluated
-- Example: SELECT n_listed, false_claimed, false_shuffled, held_because FROM list_check;
SELECT n_evaluated, n_listed, false_claimed, n_shuffled, false_shuffled, is_held, held_because
FROM store.list_check
