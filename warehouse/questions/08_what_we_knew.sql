-- Question: What did the first kept night say, and what does tonight say of the same people?
-- Reading: Status as published then (`status_as_of`) against tonight's. Nobody's past is rewritten: a correction that came later changes tonight, and `undertow replay DATE` makes that night again to the same digest.
-- Picture: bar x=change y=people
WITH first_night AS (SELECT min(known_from) AS night FROM status_version)
SELECT CASE WHEN s.status IS NULL THEN 'new: ' || n.status
        WHEN s.status = n.status THEN 'as it was: ' || n.status
        ELSE s.status || ' -> ' || n.status END AS change, count(*) AS people
FROM patient_status n LEFT JOIN (
    FROM status_as_of((SELECT night FROM first_night))
) s USING (patient_id)
GROUP BY change ORDER BY change LIKE 'as it was%', people DESC, change
