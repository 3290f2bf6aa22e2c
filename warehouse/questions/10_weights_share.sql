-- Question: How much of insulin's climb is weight?
-- Reading: Of people marked with a weight series: the yearly climb as it is, and as it would be had weight not moved (6 % of insulin per kg/m2, a coefficient between people). What remains is not explained by weight; it is not thereby explained by something else.
-- Picture: bar x=weight y=climb_pct_year,climb_at_weight_pct_year
SELECT CASE WHEN weight_change_kg < -2 THEN '1 lost more than 2 kg'
        WHEN weight_change_kg <= 2 THEN '2 within 2 kg' ELSE '3 gained more than 2 kg' END AS weight,
    count(*) AS people, round(median(insulin_slope_pct_year), 1) AS climb_pct_year,
    round(median(insulin_slope_at_weight_pct_year), 1) AS climb_at_weight_pct_year
FROM trend JOIN patient_status USING (patient_id)
WHERE status IN ('climbing', 'high_and_climbing')
    AND insulin_slope_at_weight_pct_year IS NOT NULL
GROUP BY weight ORDER BY weight
