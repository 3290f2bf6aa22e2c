-- One row per patient and index without a single value: what stands in the way. Newest reason where all was measured, else what it needs.
-- Key: patient_id, index
-- Example: SELECT * FROM index_missing WHERE patient_id = 'P0001';
SELECT p.patient_id, d."index", v.newest AS reason, d.inputs
FROM store.person p CROSS JOIN store.index_definition d
LEFT JOIN (
    SELECT patient_id, "index", count(value) AS n, arg_max(i.reason, observed_on) AS newest
    FROM store.index_value i GROUP BY patient_id, "index"
) v ON v.patient_id = p.patient_id AND v."index" = d."index"
WHERE coalesce(v.n, 0) = 0
