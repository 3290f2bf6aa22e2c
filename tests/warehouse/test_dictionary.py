"""The generated pages say what the catalogs and the database say."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean, linear_regression
from typing import Any

import pytest

from transforms.catalog import index_page
from transforms.catalog.index_cases import CASES, Case
from transforms.catalog.indices import INDICES, MINUTES, Index
from warehouse import dictionary
from warehouse.publish import view_names

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_the_dictionary_is_the_databases_own() -> None:
    text = dictionary.page()

    assert (DOCS / "dictionary.md").read_text(encoding="utf-8") == text
    assert [name for name in view_names() if f"\n## {name}\n" not in text] == []


def test_the_page_of_indices_is_the_catalogs_own() -> None:
    text = index_page.page()

    assert (DOCS / "indices.md").read_text(encoding="utf-8") == text
    assert [index.name for index in INDICES if f"(`{index.name}`, " not in text] == []


def fall(glucose: list[float]) -> float:
    """Least-squares fall from the peak to the lowest value after it, per minute."""
    peak = max(range(5), key=glucose.__getitem__)
    low = min(range(peak, 5), key=glucose.__getitem__)
    minutes = [30 * place for place in range(peak, low + 1)]
    return -linear_regression(minutes, glucose[peak : low + 1]).slope


def symbols(case: Case) -> dict[str, Any]:
    """What stands in a written formula, for one case."""
    mmol = {"glucose_mg_dl": 18.016, "triglyceride_mg_dl": 88.57, "hdl_mg_dl": 38.67}
    names = {
        "insulin_uiu_ml": "I0",
        "nefa_mmol_l": "NEFA",
        "c_peptide_ng_ml": "CP",
        "waist_cm": "WC",
        "bmi_kg_m2": "BMI",
        "alt_u_l": "ALT",
        "ast_u_l": "AST",
        "ggt_u_l": "GGT",
        "platelets_10e3_ul": "PLT",
        "hba1c_pct": "A1c",
        "leptin_ng_ml": "leptin",
        "adiponectin_mg_l": "adiponectin",
        "age_years": "age",
        "is_female": "female",
        "has_diabetes": "diabetes",
        "has_hypertension": "hypertension",
        "glucose_mg_dl": "Gm",
        "triglyceride_mg_dl": "TGm",
        "hdl_mg_dl": "HDLm",
    }
    found: dict[str, Any] = {names[k]: v for k, v in case.items() if k in names}
    found |= {names[k][:-1]: case[k] / factor for k, factor in mmol.items() if k in case}
    if "insulin_30_uiu_ml" in case:
        found["I"] = [case[f"insulin_{m}_uiu_ml"] for m in MINUTES]
        found["Gm"] = [case[f"glucose_{m}_mg_dl"] for m in MINUTES]
        found["G"] = [value / 18.016 for value in found["Gm"]]
        for letters in ("I", "Gm", "G"):
            found |= {f"{letters}{m}": v for m, v in zip(MINUTES, found[letters], strict=True)}
    return found


@pytest.mark.parametrize("index", INDICES, ids=lambda index: index.name)
def test_the_written_formula_gives_the_worked_examples(index: Index) -> None:
    words = {"ln": math.log, "log10": math.log10, "exp": math.exp, "sqrt": math.sqrt}
    for case, value in index.examples:
        said = words | {"mean": fmean, "fall": fall} | symbols(CASES[case])
        assert eval(index.written, {"__builtins__": {}}, said) == pytest.approx(value, rel=2e-3)  # noqa: S307


def test_every_index_has_a_row_with_what_it_needs() -> None:
    rows = index_page.definition_frame()

    assert rows["index"].to_list() == [index.name for index in INDICES]
    assert rows["inputs"].list.len().min() == 2
    assert rows.null_count().sum_horizontal().item() == 0
