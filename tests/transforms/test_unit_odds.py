"""The unit detective: odds for a person, from the patient's and the laboratory's other results."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

from transforms.unit_odds import SUSPECT, proposals

STATED = {"file_id": pl.Int32, "line": pl.Int64, "part": pl.Int32}
STATED |= {"candidate": pl.String, "rows": pl.Int64}


def proposed(
    analyte: str,
    number: float,
    own: list[float] | None = None,
    lab: tuple[float, float, int] | None = None,
    stated: dict[str, int] | None = None,
) -> dict[str, Any] | None:
    place = {"file_id": 1, "line": 2, "part": 0}
    suspect = place | {
        "analyte": analyte,
        "number": number,
        "own_mean": sum(math.log(v) for v in own) / len(own) if own else None,
        "own_n": len(own) if own else None,
        "lab_mean": math.log(lab[0]) if lab else None,
        "lab_sd": lab[1] if lab else None,
        "lab_n": lab[2] if lab else None,
    }
    types = {"own_mean": pl.Float64, "lab_mean": pl.Float64, "lab_sd": pl.Float64}
    types |= {"own_n": pl.Int64, "lab_n": pl.Int64, "file_id": pl.Int32, "part": pl.Int32}
    rows = [place | {"candidate": unit, "rows": n} for unit, n in (stated or {}).items()]
    found = proposals(
        pl.LazyFrame([suspect], schema_overrides=types), pl.LazyFrame(rows, schema=STATED)
    ).collect()
    return found.row(0, named=True) if found.height else None


@pytest.mark.parametrize(
    ("analyte", "number", "own", "unit"),
    [
        ("glucose", 5.2, [91.0, 95.0], "mmol/L"),
        ("glucose", 94.0, [91.0, 95.0], "mg/dL"),
        ("insulin", 54.0, [8.0, 9.5, 9.0], "pmol/L"),
        ("insulin", 9.0, [8.0, 9.5, 9.0], "u[IU]/mL"),
        ("insulin", 0.33, [8.0, 9.5, 9.0], "ng/mL"),
        ("hba1c", 38.0, [5.6], "mmol/mol"),
        ("hba1c", 5.6, [5.6], "%"),
        ("triglyceride", 130.0, [120.0], "mg/dL"),
    ],
)
def test_the_patients_other_results_tell_the_unit(
    analyte: str, number: float, own: list[float], unit: str
) -> None:
    found = proposed(analyte, number, own)
    assert found is not None
    same = {"ng/mL": ("ng/mL", "ug/L"), "u[IU]/mL": ("u[IU]/mL", "m[IU]/L")}
    assert found["proposed_unit"] in same.get(unit, (unit,))
    assert found["odds"] > 3


def test_what_a_laboratory_states_elsewhere_decides_where_the_patient_is_new() -> None:
    lab = (9.0, 0.6, 400)
    usual = proposed("insulin", 30.0, lab=lab, stated={"pmol/L": 400})
    other = proposed("insulin", 30.0, lab=lab, stated={"u[IU]/mL": 400})
    assert usual is not None
    assert usual["proposed_unit"] == "pmol/L"
    assert other is not None
    assert other["proposed_unit"] == "u[IU]/mL"


@pytest.mark.parametrize(
    ("analyte", "number", "own"), [("triglyceride", 1.3, 120.0), ("insulin", 22.0, 9.0)]
)
def test_what_nobody_can_tell_has_low_odds(analyte: str, number: float, own: float) -> None:
    found = proposed(analyte, number, own=[own])  # 1.3 g/L or mmol/L; 22 uIU/mL or pmol/L
    assert found is not None
    assert found["odds"] < 3


def test_more_evidence_makes_higher_odds() -> None:
    alone = proposed("glucose", 5.2)
    known = proposed("glucose", 5.2, own=[92.0, 95.0], lab=(95.0, 0.1, 50), stated={"mmol/L": 50})
    assert alone is not None
    assert known is not None
    assert known["odds"] > alone["odds"]


def test_a_number_that_no_unit_makes_possible_has_no_proposal() -> None:
    assert proposed("glucose", 1e7) is None
    assert proposed("glucose", -4.0) is None
    assert proposed("hba1c", 5.4) is not None


def test_a_proposal_says_what_it_rests_on_and_where() -> None:
    found = proposed("glucose", 5.2, own=[92.0, 95.0], lab=(95.0, 0.1, 50))
    assert found is not None
    assert [found[name] for name in SUSPECT] == [1, 2, 0]
    assert found["odds_basis"] == "2 other results of the patient, 50 of the laboratory"
    assert found["proposed_value"] == pytest.approx(5.2 * 18.016)
