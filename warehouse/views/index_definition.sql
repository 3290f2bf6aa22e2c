-- One row per index of the catalog: formula, inputs, limits, evidence, source.
-- Key: index
-- Example: SELECT "index", formula, limits FROM index_definition WHERE evidence_grade = 'B';
SELECT "index", title, unit, formula, inputs, population, limits, direction, evidence_grade,
    citation, reviewed, next_review
FROM store.index_definition
