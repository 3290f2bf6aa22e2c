"""Cases A to D of the clinical reference, as the columns that indices read.

A and B are people at a fasting draw, C and D people at an oral glucose load. Glucose, triglyceride
and HDL are stated there in mmol/L and are brought to mg/dL by its own factors. C-peptide is not
part of them: 1.5 and 3.5 ng/mL are taken for the ratio that needs it.
"""

from __future__ import annotations

from itertools import chain

Case = dict[str, float | bool]

GLUCOSE_MG_MMOL, TRIGLYCERIDE_MG_MMOL, CHOLESTEROL_MG_MMOL = 18.016, 88.57, 38.67
"""mg/dL in one mmol/L (clinical reference, section 1)."""


def _load(glucose: tuple[float, ...], insulin: tuple[float, ...]) -> dict[str, float]:
    points = zip((0, 30, 60, 90, 120), glucose, insulin, strict=True)
    pairs = ([(f"glucose_{m}_mg_dl", g), (f"insulin_{m}_uiu_ml", i)] for m, g, i in points)
    return dict(chain.from_iterable(pairs))


CASES: dict[str, Case] = {
    "A": {
        "age_years": 35,
        "is_female": True,
        "has_diabetes": False,
        "has_hypertension": False,
        "insulin_uiu_ml": 6.0,
        "glucose_mg_dl": 5.0 * GLUCOSE_MG_MMOL,
        "triglyceride_mg_dl": 1.0 * TRIGLYCERIDE_MG_MMOL,
        "hdl_mg_dl": 1.5 * CHOLESTEROL_MG_MMOL,
        "nefa_mmol_l": 0.40,
        "c_peptide_ng_ml": 1.5,
        "hba1c_pct": 5.2,
        "alt_u_l": 18.0,
        "ast_u_l": 20.0,
        "ggt_u_l": 18.0,
        "platelets_10e3_ul": 250.0,
        "leptin_ng_ml": 8.0,
        "adiponectin_mg_l": 12.0,
        "bmi_kg_m2": 22.0,
        "waist_cm": 78.0,
    },
    "B": {
        "age_years": 50,
        "is_female": False,
        "has_diabetes": False,
        "has_hypertension": True,
        "insulin_uiu_ml": 18.0,
        "glucose_mg_dl": 5.3 * GLUCOSE_MG_MMOL,
        "triglyceride_mg_dl": 2.2 * TRIGLYCERIDE_MG_MMOL,
        "hdl_mg_dl": 0.95 * CHOLESTEROL_MG_MMOL,
        "nefa_mmol_l": 0.65,
        "c_peptide_ng_ml": 3.5,
        "hba1c_pct": 5.5,
        "alt_u_l": 48.0,
        "ast_u_l": 32.0,
        "ggt_u_l": 45.0,
        "platelets_10e3_ul": 230.0,
        "leptin_ng_ml": 22.0,
        "adiponectin_mg_l": 5.0,
        "bmi_kg_m2": 33.0,
        "waist_cm": 110.0,
    },
    "C": {
        "age_years": 35,
        "bmi_kg_m2": 22.0,
        **_load((90, 140, 130, 115, 100), (6, 50, 55, 45, 30)),
    },
    "D": {
        "age_years": 50,
        "bmi_kg_m2": 33.0,
        **_load((95, 160, 170, 150, 130), (18, 120, 180, 170, 140)),
    },
}
