-- One row per patient with a usable pair: the trend as of tonight. low/high is a 90 % interval; p_climbing_unseen = P(insulin truly climbing AND glucose fine).
-- Key: patient_id
-- Example: SELECT * FROM trend WHERE p_climbing_unseen > .5 ORDER BY p_climbing_unseen DESC;
SELECT patient_id, (SELECT max(as_of) FROM store.tonight) AS as_of, * EXCLUDE (patient_id)
FROM store.trend
