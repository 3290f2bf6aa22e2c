-- Question: Are alerts answered, how soon, and were they useful?
-- Reading: By rule and tier. days_to_answer: from the night somebody was told to the first answer by hand. Kept quiet is not lost: the reason stands in `alert.quiet_because`.
-- Picture: bar x=which y=told,answered,quiet
WITH answer AS (
    SELECT alert_id, min(happened_at)::DATE AS answered_on FROM alert_event
    WHERE by_hand AND event IN ('acknowledged', 'snoozed', 'disposed') GROUP BY alert_id
)
SELECT concat_ws(' ', rule, tier) AS which, count(*) AS alerts, count(told_on) AS told,
    count(quiet_because) AS quiet, count(answered_on) AS answered,
    median(answered_on - told_on) AS days_to_answer,
    count(*) FILTER (escalated > 0) AS escalated, count(*) FILTER (state = 'retracted') AS taken_back,
    count(*) FILTER (is_useful) AS useful, count(is_useful) AS judged
FROM alert LEFT JOIN answer USING (alert_id) GROUP BY ALL ORDER BY which
