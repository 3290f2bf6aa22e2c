-- One row per alert, the mark of one episode, as of this night: new, sent, acknowledged, snoozed, escalated, resolved (its ground ended) or retracted (its ground fell away).
-- Key: alert_id
-- Example: SELECT rule, tier, state, count(*) FROM alert GROUP BY ALL ORDER BY ALL;
SELECT alert_id, patient_id, rule, opened_on, state, tier, episode, told_on, quiet_because, escalated,
    snoozed_until, ended_on, ended_because, is_useful
FROM store.alert
