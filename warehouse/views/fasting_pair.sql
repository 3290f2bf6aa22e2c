-- One row per patient and draw day with insulin or glucose: whether the trend uses it, and why not.
-- Key: patient_id, drawn_on
-- Example: SELECT reason, count(*) FROM fasting_pair WHERE NOT used GROUP BY reason;
SELECT patient_id, drawn_on, insulin_uiu_ml, glucose_mg_dl, lab, assay, used, reason,
    p_bad, likely, p_fasting, insulin_comparator, repeats, is_ill, platform, platform_effect, known_on, model_version
FROM store.fasting_pair
