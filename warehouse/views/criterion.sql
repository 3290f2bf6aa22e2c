-- One row per cohort in force and criterion: what a member must meet, the deciding value, and the bound it is compared with. Of criteria with the same any_of one suffices.
-- Key: cohort, criterion
-- Example: SELECT place, asks, value_column, must_be, bound, unit FROM criterion WHERE cohort = 'climbing_unseen' ORDER BY place;
SELECT cohort, definition_version, place, criterion, asks, value_column, must_be, bound, unit,
    settled_by, any_of, holds_unknown, decided_by
FROM store.criterion
