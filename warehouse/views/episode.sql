-- One row per patient, alert rule and draw from which there was ground for an alert. An episode goes on until a draw says clearly that the ground is gone; noise near the border neither ends nor begins one.
-- Key: patient_id, rule, began_on
-- Example: SELECT rule, tier, count(*) FROM episode WHERE ended_on IS NULL GROUP BY ALL ORDER BY ALL;
SELECT patient_id, rule, began_on, ended_on, tier, tier_on, tier_now, p, p_on, is_marked, is_excluded
FROM store.episode
