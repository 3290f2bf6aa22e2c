-- One row per result that stood on a night: valid time and known time. Of all that is known today to have come by the night `known`, the version that stood then, observed up to the day `observed` (both dates). Merged records are under their survivor as merges stand today; what was withdrawn by then is left out.
-- Key: patient_id, source, analyte, timing, result_id, observed_at, source_code
-- Takes: known, observed
-- Example: SELECT analyte, count(*) AS results FROM observation_as_of(DATE '2026-03-01', DATE '2025-12-31') GROUP BY analyte ORDER BY analyte;
SELECT coalesce(survivor_id, o.patient_id) AS patient_id, analyte, observed_at, value, unit,
    comparator, fasting, lab, assay, status, source, result_id, known_at, observed_on, timing,
    reported_at, source_code, source_value, source_unit, unit_basis, file_id, line
FROM (
    /* no WITH: DuckDB 1.4.0 does not read one in a macro that a newer version wrote */
    SELECT * EXCLUDE (is_withdrawal, final_rank, effective_at, word_rank, is_withdrawn)
    FROM (
        SELECT *, NOT is_withdrawal AND coalesce(effective_at <= max(effective_at)
            FILTER (is_withdrawal) OVER (PARTITION BY k, patient_id), false) AS is_withdrawn
        FROM (  /* the rule of the merge, over what was known then */
            SELECT *, status IN ('deleted', 'wrong_patient', 'entered_in_error') AS is_withdrawal,
                CASE WHEN status = 'preliminary' THEN 0 ELSE 1 END AS final_rank,
                coalesce(reported_at, known_at) AS effective_at,
                CASE WHEN is_withdrawal THEN 5 WHEN status = 'cancelled' THEN 4
                    WHEN status IN ('corrected', 'amended') THEN 3 ELSE 2 END AS word_rank
            FROM (SELECT *, hash(source, analyte, timing, coalesce(result_id, ''),
                CASE WHEN result_id IS NULL THEN patient_id END,
                CASE WHEN result_id IS NULL THEN observed_at END,
                CASE WHEN result_id IS NULL THEN source_code END) AS k FROM store.observation)
            SEMI JOIN (  /* only results with a version that ended can have stood otherwise */
                SELECT hash(source, analyte, timing, coalesce(result_id, ''),
                    CASE WHEN result_id IS NULL THEN patient_id END,
                    CASE WHEN result_id IS NULL THEN observed_at END,
                    CASE WHEN result_id IS NULL THEN source_code END) AS k
                FROM store.observation WHERE superseded_at IS NOT NULL
            ) USING (k)
            WHERE known_at <= known::DATE
        )
    )
    QUALIFY row_number() OVER (PARTITION BY k ORDER BY final_rank DESC,
        NOT is_withdrawal AND NOT is_withdrawn DESC, effective_at DESC, word_rank DESC,
        known_at DESC, file_id DESC, line DESC, part DESC) = 1 AND NOT is_withdrawn
    UNION ALL
    SELECT * FROM (SELECT *, hash(source, analyte, timing, coalesce(result_id, ''),
        CASE WHEN result_id IS NULL THEN patient_id END,
        CASE WHEN result_id IS NULL THEN observed_at END,
        CASE WHEN result_id IS NULL THEN source_code END) AS k FROM store.observation)
    ANTI JOIN (
        SELECT hash(source, analyte, timing, coalesce(result_id, ''),
            CASE WHEN result_id IS NULL THEN patient_id END,
            CASE WHEN result_id IS NULL THEN observed_at END,
            CASE WHEN result_id IS NULL THEN source_code END) AS k
        FROM store.observation WHERE superseded_at IS NOT NULL
    ) USING (k)
    WHERE known_at <= known::DATE
) o LEFT JOIN store.patient_alias USING (patient_id)
    ANTI JOIN store.outlived USING (source, patient_id, analyte, timing, result_id)
WHERE observed_on <= observed::DATE
    AND status NOT IN ('cancelled', 'deleted', 'wrong_patient', 'entered_in_error')
