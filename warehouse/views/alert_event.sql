-- One row per event of an alert's life, in order; what people wrote is not here.
-- Key: event_id
-- Example: SELECT event, count(*) FROM alert_event GROUP BY event ORDER BY event;
SELECT event_id, alert_id, event, night, happened_at, by_hand, tier, escalated, because
FROM store.alert_event
