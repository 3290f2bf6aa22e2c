-- Question: How long before glucose rises does insulin climb?
-- Reading: People whose fasting glucose reached 100 mg/dL in two draws running, and had not in their first three draws. Year 0 is the first of the two; values are shares of the person's own first three draws, so 1.5 is half again as much. Look at where insulin leaves 1 and where glucose does. Few people reach it within a few years of records: read the number of people first.
-- Picture: line x=years y=insulin_ratio,glucose_ratio
WITH risen AS (  /* few: only their draws are put in order */
    SELECT patient_id FROM fasting_pair WHERE used GROUP BY patient_id
    HAVING count_if(glucose_mg_dl >= 100) >= 2
),
pair AS (
    SELECT patient_id, drawn_on, insulin_uiu_ml, glucose_mg_dl,
        row_number() OVER one AS place, lead(glucose_mg_dl) OVER one AS next_glucose
    FROM fasting_pair SEMI JOIN risen USING (patient_id) WHERE used WINDOW one AS (PARTITION BY patient_id ORDER BY drawn_on)
),
crossing AS (
    SELECT patient_id, min(drawn_on) AS crossed_on FROM pair
    WHERE glucose_mg_dl >= 100 AND next_glucose >= 100 GROUP BY patient_id HAVING min(place) > 3
),
baseline AS (
    SELECT patient_id, avg(insulin_uiu_ml) AS insulin, avg(glucose_mg_dl) AS glucose
    FROM pair WHERE place <= 3 GROUP BY patient_id
)
SELECT floor((drawn_on - crossed_on) / 365.25)::INTEGER AS years,
    count(DISTINCT patient_id) AS people,
    round(median(insulin_uiu_ml / insulin), 2) AS insulin_ratio,
    round(median(glucose_mg_dl / glucose), 2) AS glucose_ratio
FROM pair JOIN crossing USING (patient_id) JOIN baseline USING (patient_id)
GROUP BY years HAVING people >= 2 ORDER BY years
