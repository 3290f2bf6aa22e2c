-- One row per result: the version that stands, canonical units (insulin u[IU]/mL at 6.00 pmol per uIU, glucose mg/dL). Withdrawn and cancelled results are in observation_history.
-- Key: patient_id, source, analyte, timing, result_id, observed_at, source_code
-- Example: SELECT * FROM observation WHERE analyte = 'insulin' AND patient_id = 'P0001' ORDER BY observed_at;
SELECT coalesce(survivor_id, o.patient_id) AS patient_id, analyte, observed_at, value, unit,
    comparator, fasting, lab, assay, status, source, result_id, known_at, observed_on,
    observed_precision, observed_local, observed_zone, observed_basis, timing, fasting_hours,
    fasting_basis, absent_reason, reported_at, source_code, source_value, source_unit, unit_basis,
    file_id, line, part
FROM store.observation o LEFT JOIN store.patient_alias USING (patient_id)
    ANTI JOIN store.outlived USING (source, patient_id, analyte, timing, result_id)
WHERE superseded_at IS NULL
    AND status NOT IN ('cancelled', 'deleted', 'wrong_patient', 'entered_in_error')
