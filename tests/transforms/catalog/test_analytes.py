"""The analyte catalog: codes that exist, limits that catch unit slips and no sick person."""

from __future__ import annotations

import polars as pl
import pytest

from transforms.catalog.analytes import (
    ANALYTES,
    NEVER_INSULIN,
    Analyte,
    code_frame,
    limit_frame,
)

BY_NAME = {analyte.name: analyte for analyte in ANALYTES}


def check_digit_holds(code: str) -> bool:
    digits = [int(digit) for digit in reversed(code.replace("-", ""))]
    doubled = [digit * (1 + place % 2) for place, digit in enumerate(digits)]
    return sum(each // 10 + each % 10 for each in doubled) % 10 == 0


def analytes_of(code: str) -> list[str]:
    return code_frame().filter(pl.col("source_code") == code)["analyte"].to_list()


@pytest.mark.parametrize("analyte", ANALYTES, ids=lambda a: a.name)
def test_every_loinc_code_has_a_valid_check_digit(analyte: Analyte) -> None:
    bad = [c.code for c in analyte.codes if c.system == "loinc" and not check_digit_holds(c.code)]
    assert bad == []


def test_a_wrong_check_digit_is_seen() -> None:
    assert not check_digit_holds("20448-4")
    assert check_digit_holds("20448-7")


def test_no_code_belongs_to_two_analytes() -> None:
    assert code_frame().select("code_system", "source_code").is_duplicated().sum() == 0


@pytest.mark.parametrize("code", NEVER_INSULIN)
def test_a_code_that_others_mislabel_is_never_insulin(code: str) -> None:
    assert "insulin" not in analytes_of(code)


@pytest.mark.parametrize("code", ["2492-2", "20448-4", "1989-4", "81576-7"])
def test_a_code_that_does_not_exist_maps_to_nothing(code: str) -> None:
    assert not check_digit_holds(code)
    assert analytes_of(code) == []


@pytest.mark.parametrize(
    ("code", "analyte", "timing", "kind"),
    [
        ("27873-9", "insulin", "fasting", "arbitrary"),
        ("59179-2", "insulin", "fasting", "molar"),
        ("1573-5", "insulin", "fasting", "mass"),
        ("20448-7", "insulin", "any", "arbitrary"),
        ("56482-3", "insulin", "baseline", "arbitrary"),
        ("27826-7", "insulin", "post_load", "arbitrary"),
        ("1558-6", "glucose", "fasting", "mass"),
        ("14771-0", "glucose", "fasting", "molar"),
        ("2339-0", "glucose", "any", "mass"),
        ("20436-2", "glucose", "post_load", "mass"),
        ("1986-9", "c_peptide", "any", "mass"),
        ("4548-4", "hba1c", "any", "other"),
    ],
)
def test_a_code_says_what_it_claims(code: str, analyte: str, timing: str, kind: str) -> None:
    row = code_frame().filter(pl.col("source_code") == code)
    assert row.select("analyte", "timing", "property").rows() == [(analyte, timing, kind)]


@pytest.mark.parametrize("code", ["41653-7", "2340-8", "32016-8"])
def test_finger_stick_glucose_is_not_laboratory_glucose(code: str) -> None:
    assert analytes_of(code) == ["capillary_glucose"]


@pytest.mark.parametrize("analyte", ANALYTES, ids=lambda a: a.name)
def test_every_analyte_is_reviewed_cited_and_due_again(analyte: Analyte) -> None:
    assert analyte.next_review > analyte.reviewed
    assert analyte.citation.strip()
    assert analyte.description.strip()
    assert analyte.low < analyte.high


def test_only_what_wearables_alone_measure_has_no_code() -> None:
    assert {analyte.name for analyte in ANALYTES if not analyte.codes} == {
        *("in_bed_duration", "workout_duration", "active_energy", "menstrual_flow", "symptom"),
        *("heart_rate_variability_sdnn", "heart_rate_variability_rmssd", "oxygen_saturation"),
    }


def test_every_analyte_is_named_once() -> None:
    assert limit_frame()["analyte"].is_duplicated().sum() == 0
    assert limit_frame().height == len(ANALYTES)


def is_possible(name: str, value: float) -> bool:
    return BY_NAME[name].low <= value <= BY_NAME[name].high


@pytest.mark.parametrize(
    ("name", "slipped"),
    [
        ("glucose", 5.3),  # mmol/L under an mg/dL label
        ("glucose", 85 * 18.016),  # mg/dL under a mmol/L label
        ("hba1c", 38.8),  # mmol/mol under a % label
        ("hba1c", 0.09148 * 5.7 + 2.152),  # % under a mmol/mol label
        ("triglyceride", 1.2),
        ("hdl", 1.4),
        ("ldl", 3.1),
        ("total_cholesterol", 5.2),
        ("creatinine", 78.0),
        ("urate", 320.0),
        ("calcium", 2.4),
        ("albumin", 42.0),
        ("haemoglobin", 142.0),
        ("haematocrit", 0.42),
        ("platelets", 250000.0),
        ("nefa", 400.0),
        ("adiponectin", 7500.0),
        ("c_peptide", 600.0),
        ("height", 1.72),
        ("waist", 34.0),
        ("body_temperature", 98.6),
        ("systolic_bp", 16.0),
        ("sleep_duration", 450.0),
        ("sensor_glucose", 6.1),
    ],
)
def test_a_common_unit_slip_falls_outside_the_possible(name: str, slipped: float) -> None:
    assert not is_possible(name, slipped)


@pytest.mark.parametrize(
    ("name", "extreme"),
    [
        ("glucose", 25.0),
        ("glucose", 1100.0),  # hyperosmolar state
        ("insulin", 0.2),
        ("insulin", 800.0),
        ("hba1c", 18.0),
        ("triglyceride", 6000.0),
        ("creatinine", 20.0),
        ("platelets", 3.0),
        ("platelets", 2500.0),
        ("leukocytes", 600.0),
        ("ast", 15000.0),
        ("potassium", 9.0),
        ("crp", 550.0),
        ("weight", 300.0),
        ("haemoglobin", 3.1),
    ],
)
def test_a_very_sick_person_stays_inside_the_possible(name: str, extreme: float) -> None:
    assert is_possible(name, extreme)


def test_variation_is_the_clinical_references() -> None:
    assert (BY_NAME["insulin"].cvi, BY_NAME["insulin"].cva) == (0.26, 0.05)
    assert (BY_NAME["glucose"].cvi, BY_NAME["glucose"].cva) == (0.05, 0.02)
    assert BY_NAME["nefa"].cvi == 0.45
