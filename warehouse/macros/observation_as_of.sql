-- One row per result that stood on a night: valid time and known time. Of all that is known today to have come by the night `known`, the version that stood then, observed up to the day `observed` (both dates). Merged records are under their survivor as merges stand today; what was withdrawn by then is left out.
-- Key: patient_id, source, analyte, timing, result_id, observed_at, source_code
-- Takes: known, observed
-- Example: SELECT analyte, count(*) AS results FROM observation_as_of(DATE '2026-03-01', DATE '2025-12-31') GROUP BY analyte ORDER BY analyte;
SELECT coalesce(survivor_id, o.patient_id) AS patient_id, analyte, observed_at, value, unit,
    comparator, fasting, lab, assay, status, source, result_id, known_at, observed_on, timing,
    reported_at, source_code, source_value, source_unit, unit_basis, file_id, line
FROM store.observation o LEFT JOIN store.patient_alias USING (patient_id)
    ANTI JOIN store.outlived USING (source, patient_id, analyte, timing, result_id)
WHERE o.known_at <= known::DATE
    AND (o.superseded_at IS NULL OR o.superseded_at > known::DATE)
    AND o.observed_on <= observed::DATE
    AND status NOT IN ('cancelled', 'deleted', 'wrong_patient', 'entered_in_error')
