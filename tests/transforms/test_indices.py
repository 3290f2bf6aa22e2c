"""Index values: every index on an ordinary day, and void, with its reason, outside its limits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from math import exp
from typing import Any

import polars as pl
import pytest

from transforms.catalog.index_cases import CASES
from transforms.catalog.indices import INDICES, INPUTS, MINUTES, PREGNANCY
from transforms.indices import index_values

DAY = date(2026, 1, 10)
TEXTS = {
    **{f"{item.column}_{end}": pl.String for item in INPUTS.values() for end in ("void", "lab")},
    **dict.fromkeys(("load_void", "insulin_platform", "bar", "pregnancy_bar"), pl.String),
}
FLAGS = dict.fromkeys(("is_female", "has_diabetes", "has_hypertension"), pl.Boolean)
SCHEMA = {
    "patient_id": pl.String,
    "observed_on": pl.Date,
    **{column: FLAGS.get(column, pl.Float64) for column in INPUTS},
    **{f"{item.column}_on": pl.Date for item in INPUTS.values() if item.kind == "body"},
    **TEXTS,
    "platform_effect": pl.Float64,
}
Row = Mapping[str, Any]
PERSON = {"patient_id": "p", "observed_on": DAY, "insulin_platform": "", "platform_effect": 0.0}
LOADED: Row = {**CASES["C"], **CASES["A"]}
"""One person with every input there is."""


def values(*rows: Row) -> pl.DataFrame:
    given = [{name: (PERSON | dict(row)).get(name) for name in SCHEMA} for row in rows]
    return index_values(pl.LazyFrame(given, schema=SCHEMA)).collect()


def one(name: str, **changed: Any) -> dict[str, Any]:
    """The row of an index for a person with every input, some of them changed."""
    found = values({**LOADED, **changed}).filter(pl.col("index") == name).to_dicts()
    assert len(found) == 1
    return found[0]


def test_a_day_with_every_input_has_every_index() -> None:
    found = values(LOADED)
    assert found["index"].to_list() == sorted(index.name for index in INDICES)
    assert found["reason"].to_list() == [None] * len(INDICES)
    assert found["value"].is_finite().all()


def test_a_row_says_what_its_value_is_of() -> None:
    row = one("homa_ir", insulin_platform="A")
    assert row == {
        "patient_id": "p",
        "index": "homa_ir",
        "observed_on": DAY,
        "value": pytest.approx(1.3333, rel=5e-4),
        "unit": "1",
        "reason": None,
        "platform": "A",
        "bridged_value": pytest.approx(1.3333, rel=5e-4),
        "inputs_from": DAY,
    }


@pytest.mark.parametrize("index", INDICES, ids=lambda index: index.name)
def test_an_index_of_which_an_input_was_not_measured_has_no_row(index: Any) -> None:
    for item in index.inputs:
        if item.kind != "person":
            found = values({**LOADED, item.column: None})["index"]
            assert index.name not in set(found), item.column


def test_the_order_of_days_does_not_matter_and_rows_come_sorted() -> None:
    days = [{**LOADED, "patient_id": p, "observed_on": DAY + timedelta(days=d)}
            for p in "qp" for d in (3, 1, 2)]  # fmt: skip
    found = values(*days)
    assert found.equals(values(*days[::-1]))
    assert found.equals(found.sort("patient_id", "index", "observed_on"))


def test_no_inputs_give_no_values() -> None:
    assert values().height == 0


# limits

VOID: list[tuple[str, Row, str]] = [
    ("tg_hdl", {"hdl_mg_dl": 0.0}, "HDL not above zero"),
    ("lar", {"adiponectin_mg_l": 0.0}, "adiponectin not above zero"),
    ("matsuda", {"insulin_60_uiu_ml": 0.0}, "insulin at 60 min not above zero"),
    ("homa_b", {"glucose_mg_dl": 3.5 * 18.016}, "glucose at or below 3.5 mmol/L"),
    ("lap", {"waist_cm": 58.0}, "waist at or below the constant of LAP"),
    ("lap", {"waist_cm": 65.0, "is_female": False}, "waist at or below the constant of LAP"),
    ("vai", {"bmi_kg_m2": 40.1}, "BMI above 40"),
    ("mets_ir", {"hdl_mg_dl": 1.0}, "HDL at or below 1 mg/dL"),
    ("quicki", {"insulin_uiu_ml": 0.011}, "insulin and glucose too low for their logarithms"),
    (
        "revised_quicki",
        {"nefa_mmol_l": 0.001},
        "insulin, glucose and NEFA too low for their logarithms",
    ),
    ("fib_4", {"age_years": 34.0}, "under 35 years"),
    ("fib_4", {"age_years": 66.0}, "over 65 years"),
    ("fib_4", {"age_years": None}, "birth date not known"),
    ("homa_ir", {"age_years": 19.0}, "under 20 years"),
    ("hsi", {"is_female": None}, "sex as female or male not known"),
    ("igi", {"glucose_30_mg_dl": 90.0}, "glucose does not rise from 0 to 30 min"),
    ("disposition", {"glucose_30_mg_dl": 90.0}, "glucose does not rise from 0 to 30 min"),
    ("misi", {"glucose_120_mg_dl": 141.0}, "glucose peaks at the last sample"),
    ("misi", {"glucose_0_mg_dl": 140.0}, "glucose does not rise after the load"),
    ("tyg", {"triglyceride_mg_dl_void": "triglyceride not fasting"}, "triglyceride not fasting"),
    ("homa_ir", {"insulin_uiu_ml_void": "insulin haemolysed"}, "insulin haemolysed"),
    ("matsuda", {"load_void": "draw not fasting"}, "draw not fasting"),
    ("homa_ir", {"bar": "metformin"}, "during metformin"),
    ("matsuda", {"bar": "metformin"}, "during metformin"),
    ("fib_4", {"pregnancy_bar": PREGNANCY[0]}, "during pregnancy"),
]


@pytest.mark.parametrize(("name", "changed", "reason"), VOID)
def test_outside_its_limits_an_index_is_void_and_says_why(
    name: str, changed: Row, reason: str
) -> None:
    row = one(name, **changed)
    assert (row["value"], row["bridged_value"], row["reason"]) == (None, None, reason)


INSIDE: list[tuple[str, Row]] = [
    ("tg_hdl", {"hdl_mg_dl": 4.0}),
    ("homa_b", {"glucose_mg_dl": 3.51 * 18.016}),
    ("lap", {"waist_cm": 58.1}),
    ("lap", {"waist_cm": 65.1, "is_female": False}),
    ("vai", {"bmi_kg_m2": 40.0}),
    ("quicki", {"insulin_uiu_ml": 0.012}),
    ("fib_4", {"age_years": 35.0}),
    ("fib_4", {"age_years": 65.0}),
    ("homa_ir", {"age_years": 20.0}),
    ("homa_ir", {"age_years": None}),
    ("homa_ir", {"is_female": None}),
    ("igi", {"glucose_30_mg_dl": 90.1}),
    ("misi", {"glucose_120_mg_dl": 139.0}),
    ("misi", {"glucose_0_mg_dl": 139.0}),
    ("tg_hdl", {"glucose_mg_dl_void": "glucose not fasting"}),
    ("matsuda", {"insulin_uiu_ml_void": "insulin haemolysed"}),
    ("homa_ir", {"load_void": "draw not fasting"}),
    ("fib_4", {"bar": "metformin"}),
    ("egdr", {"bar": "metformin"}),
    ("lar", {"bar": "diabetes"}),
]


@pytest.mark.parametrize(("name", "changed"), INSIDE)
def test_inside_its_limits_an_index_has_a_value(name: str, changed: Row) -> None:
    row = one(name, **changed)
    assert row["reason"] is None
    assert row["value"] is not None


def test_every_limit_of_the_catalog_is_tested() -> None:
    stated = {reason for index in INDICES for _, reason in index.checks}
    assert stated <= {reason for _, _, reason in VOID}


def test_a_number_too_large_to_be_one_is_void() -> None:
    row = one("homa_ir", insulin_uiu_ml=1e308, glucose_mg_dl=1e308)
    assert (row["value"], row["reason"]) == (None, "the formula gives no number")


def test_the_inputs_own_reason_comes_before_an_exclusion_and_that_before_a_limit() -> None:
    low = {"glucose_mg_dl": 60.0, "bar": "metformin"}
    assert one("homa_b", **low)["reason"] == "during metformin"
    assert one("homa_b", **low, glucose_mg_dl_void="copied")["reason"] == "copied"


# platforms


def test_bridging_takes_the_effect_off_insulin() -> None:
    plain = one("homa_ir")["value"]
    row = one("homa_ir", platform_effect=0.2)
    assert row["value"] == plain
    assert row["bridged_value"] == pytest.approx(plain * exp(-0.2))


def test_bridging_takes_the_effect_off_every_insulin_of_a_load() -> None:
    plain = one("matsuda")["value"]
    row = one("matsuda", platform_effect=0.2)
    assert row["bridged_value"] == pytest.approx(plain * exp(0.2))


def test_an_index_without_insulin_has_nothing_to_bridge() -> None:
    row = one("tyg", platform_effect=0.2)
    assert row["bridged_value"] == row["value"]


@pytest.mark.parametrize(
    ("name", "labs", "platform"),
    [
        ("homa_ir", {"insulin_platform": "A", "glucose_mg_dl_lab": "M"}, "A"),
        ("matsuda", {"insulin_platform": "A"}, "A"),
        ("c_peptide_insulin", {"insulin_platform": "A", "c_peptide_ng_ml_lab": "C"}, "A; C"),
        ("c_peptide_insulin", {"insulin_platform": "A", "c_peptide_ng_ml_lab": "A"}, "A"),
        ("lar", {"leptin_ng_ml_lab": "E", "adiponectin_mg_l_lab": "F"}, "E; F"),
        ("tg_hdl", {"triglyceride_mg_dl_lab": "L", "hdl_mg_dl_lab": "L"}, "L"),
        ("tg_hdl", {"triglyceride_mg_dl_lab": "L", "hdl_mg_dl_lab": "M"}, "L; M"),
        ("tg_hdl", {"hdl_mg_dl_lab": "M"}, "M"),
        ("tg_hdl", {}, ""),
    ],
)
def test_the_platform_is_that_of_insulin_and_hormones_else_of_the_blood(
    name: str, labs: Row, platform: str
) -> None:
    assert one(name, **labs)["platform"] == platform


# age of inputs


def test_a_value_is_as_old_as_its_oldest_input() -> None:
    early, late = DAY - timedelta(days=80), DAY + timedelta(days=10)
    assert one("tyg_wc", waist_cm_on=early)["inputs_from"] == early
    assert one("tyg_wc", waist_cm_on=late)["inputs_from"] == DAY
    assert one("tyg", waist_cm_on=early)["inputs_from"] == DAY
    assert one("vai", waist_cm_on=DAY, bmi_kg_m2_on=early)["inputs_from"] == early


def test_insulin_of_a_load_is_not_that_of_the_fasting_draw() -> None:
    times = [f"insulin_{minute}_uiu_ml" for minute in MINUTES]
    doubled = {column: 2 * float(LOADED[column]) for column in times}
    assert one("homa_ir", **doubled)["value"] == one("homa_ir")["value"]
    assert one("matsuda", **doubled)["value"] == pytest.approx(one("matsuda")["value"] / 2)
