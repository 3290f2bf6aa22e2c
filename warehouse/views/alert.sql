-- One row per alert episode as of this night.
-- Key: alert_id
-- Example: SELECT * FROM alert WHERE state <> 'resolved';
SELECT alert_id, patient_id, rule, opened_on, state, tier, episode
FROM store.alert
