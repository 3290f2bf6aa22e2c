-- Question: What do glucose sensors show of people whose fasting glucose is fine?
-- Reading: The newest sufficient fortnight of each person's main sensor, by status. Context, never the mark. A sensor and a laboratory are two methods: compare groups of one sensor kind, not values with a laboratory's.
-- Picture: bar x=status y=above_140_pct
WITH newest AS (
    SELECT patient_id, max_by(pct_above_140, window_end) AS above_140,
        max_by(mean_mg_dl, window_end) AS mean_mg_dl, max_by(cv_pct, window_end) AS cv
    FROM cgm_window WHERE is_main AND is_sufficient GROUP BY patient_id
)
SELECT status, count(*) AS people, round(median(above_140), 1) AS above_140_pct,
    round(median(mean_mg_dl)) AS mean_mg_dl, round(median(cv), 1) AS cv_pct
FROM newest JOIN patient_status USING (patient_id) GROUP BY status ORDER BY people DESC, status
