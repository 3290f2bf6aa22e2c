-- One row per signal, platform, sex and band of age: how comparable people's newest values lie. Percentiles of tissue_profile are looked up here.
-- Key: signal, platform, sex, age_band
-- Example: SELECT signal, n, quantiles[51] AS median FROM signal_reference WHERE sex = 'female' AND age_band = '40-59';
SELECT * FROM store.signal_reference
