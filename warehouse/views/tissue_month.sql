-- One row per patient, month, tissue and signal measured in that month: the month's newest value and its trend as it stood then; course is the trend turned by whether higher is worse.
-- Key: patient_id, month, tissue, signal
-- Example: SELECT month, signal, value, course FROM tissue_month WHERE patient_id = 'P0001' AND tissue = 'liver' ORDER BY month, signal;
SELECT patient_id, date_trunc('month', observed_on)::DATE AS month, tissue, signal, observed_on,
    value, unit, platform, n, trend, course
FROM store.tissue_value
QUALIFY row_number() OVER (
    PARTITION BY patient_id, month, tissue, signal ORDER BY observed_on DESC
) = 1
