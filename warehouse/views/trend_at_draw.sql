-- One row per used draw: the trend as it stood after that draw.
-- Key: patient_id, drawn_on
-- Example: SELECT drawn_on, p_climbing_unseen FROM trend_at_draw WHERE patient_id = 'P0001' ORDER BY drawn_on;
SELECT * FROM store.trend_at_draw
