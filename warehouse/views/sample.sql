-- One row per device sample as it stands: sensor glucose, heart rate, steps, sleep, canonical units. An interval has ended_at.
-- Key: patient_id, source, kind, device, method, observed_at, ended_at
-- Example: SELECT kind, device, count(*) AS samples FROM sample WHERE patient_id = 'P0001' GROUP BY ALL ORDER BY ALL;
SELECT coalesce(survivor_id, s.patient_id) AS patient_id, kind, value, unit, comparator, device,
    method, observed_at, ended_at, observed_local, observed_on, observed_precision, observed_zone, observed_basis,
    observed_doubt, source, source_code, source_value, source_unit, known_at, file_id, line
FROM store.sample s LEFT JOIN store.patient_alias USING (patient_id)
WHERE superseded_at IS NULL
