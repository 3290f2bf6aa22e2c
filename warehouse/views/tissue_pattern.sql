-- One row per patient with any signal of a tissue: what the newest signals of each tissue do together, beside glucose. A pattern of numbers, never which tissue is resistant. HOMA-IR, Adipo-IR, revised QUICKI and C-peptide/insulin share one insulin and move together: tissues that worsen by these alone are one piece of evidence, and is_selective is null.
-- Key: patient_id
-- Example: SELECT patient_id, sentence FROM tissue_pattern WHERE is_selective AND glucose_fine = 'throughout';
SELECT patient_id, liver, muscle, adipose, beta_cell, clearance, signals_measured,
    signals_with_course, is_selective, glucose_fine, sentence
FROM store.tissue_pattern
