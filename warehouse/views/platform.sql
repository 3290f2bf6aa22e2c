-- One row per model, laboratory, assay and era: how much higher insulin reads than on the reference of its bridge.
-- Key: model_version, lab, assay, from_on
-- Example: SELECT lab, assay, effect_pct, effect_se FROM platform WHERE model_version = (SELECT max_by(model_version, in_force_from) FROM model);
SELECT model_version, lab, assay, from_on, bridge, effect_pct, effect_se, people, is_found
FROM store.platform
