-- One row per draw and result of insulin or glucose of that day: from a status or a cohort to the draw, to the result, to the line of the file it came in, and from the value as it came to the canonical one. Where a day has several results, the draw takes those of the best-known fast and averages repeats.
-- Key: patient_id, drawn_on, analyte, file_id, line, part
-- Example: SELECT drawn_on, analyte, source_value, source_unit, value, unit, file, line, sha256 FROM lineage WHERE patient_id = 'P0001' AND used ORDER BY drawn_on, analyte;
SELECT d.patient_id, s.status, s.tier, c.cohorts, d.drawn_on, d.used, d.reason, o.analyte,
    CASE o.analyte WHEN 'insulin' THEN d.insulin_uiu_ml ELSE d.glucose_mg_dl END AS draw_value,
    o.value, o.unit, o.comparator, o.source_value, o.source_unit, o.unit_basis, o.source_code,
    o.fasting, o.fasting_basis, o.lab, o.assay, o.observed_at, o.known_at, o.result_id, o.source,
    f.file, o.line, o.part, f.sha256, f.reader, o.file_id
FROM store.fasting_pair d
JOIN (
    SELECT h.*, coalesce(survivor_id, h.patient_id) AS person
    FROM store.observation h LEFT JOIN store.patient_alias USING (patient_id)
        ANTI JOIN store.outlived USING (source, patient_id, analyte, timing, result_id)
    WHERE superseded_at IS NULL AND analyte IN ('insulin', 'glucose')
        AND status NOT IN ('cancelled', 'deleted', 'wrong_patient', 'entered_in_error')
) o ON o.person = d.patient_id AND o.observed_on = d.drawn_on
LEFT JOIN store.patient_status s ON s.patient_id = d.patient_id
LEFT JOIN (
    SELECT patient_id, list(cohort ORDER BY cohort) AS cohorts FROM store.cohort
    WHERE left_on IS NULL GROUP BY patient_id
) c ON c.patient_id = d.patient_id
LEFT JOIN store.source_file f ON f.file_id = o.file_id
