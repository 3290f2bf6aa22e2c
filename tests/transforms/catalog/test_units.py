"""Units: every spelling is understood, every factor is right on its worked example."""

from __future__ import annotations

import polars as pl
import pytest

from transforms.catalog.analytes import ANALYTES
from transforms.catalog.units import (
    ALIASES,
    FACTORS,
    INSULIN_FACTOR_DOUBT,
    INSULIN_PMOL_PER_UIU,
    SPELLINGS,
    Factor,
    alias_frame,
    factor_frame,
    folded,
)


def ucum_of(text: str) -> str | None:
    frame = pl.DataFrame({"unit": [text]}).select(folded_unit=folded(pl.col("unit")))
    found: str | None = frame.join(alias_frame(), on="folded_unit", how="left")["ucum"].item()
    return found


def canonical(analyte: str, value: float, unit: str) -> float:
    factor = next(f for f in FACTORS if (f.analyte, f.unit) == (analyte, unit))
    return value * factor.factor + factor.offset


@pytest.mark.parametrize("factor", FACTORS, ids=lambda f: f"{f.analyte}-{f.unit}")
def test_every_factor_meets_its_worked_example(factor: Factor) -> None:
    given, expected = factor.example
    assert given * factor.factor + factor.offset == pytest.approx(expected, rel=1e-6)
    assert (expected - factor.offset) / factor.factor == pytest.approx(given, rel=1e-6)
    assert factor.citation.strip()


def test_every_analyte_takes_its_canonical_unit_as_it_is() -> None:
    taken = {(f.analyte, f.unit) for f in FACTORS if f.factor == 1.0 and f.offset == 0.0}
    assert {(a.name, a.unit) for a in ANALYTES} <= taken


def test_no_analyte_has_two_factors_for_one_unit() -> None:
    assert factor_frame().select("analyte", "ucum").is_duplicated().sum() == 0


def test_every_factor_is_for_a_known_analyte_and_a_unit_with_a_spelling() -> None:
    assert {f.analyte for f in FACTORS} <= {a.name for a in ANALYTES}
    assert {f.unit for f in FACTORS} <= set(ALIASES.values())


def test_every_alias_is_written_folded() -> None:
    frame = alias_frame().with_columns(again=folded(pl.col("folded_unit")))
    assert frame.filter(pl.col("again") != pl.col("folded_unit")).rows() == []


def test_no_spelling_stands_for_two_units() -> None:
    texts = [text for ucum, listed in SPELLINGS.items() for text in {ucum.lower(), *listed.split()}]
    assert len(texts) == len(set(texts)) == len(ALIASES)


@pytest.mark.parametrize(
    ("text", "ucum"),
    [
        ("uU/mL", "u[IU]/mL"),
        ("uIU/mL", "u[IU]/mL"),
        ("\u00b5IU/ml", "u[IU]/mL"),  # micro sign
        ("\u03bcIU/mL", "u[IU]/mL"),  # Greek mu
        ("u[IU]/mL", "u[IU]/mL"),
        (" \u00b5U / mL ", "u[IU]/mL"),
        ("mIU/L", "m[IU]/L"),
        ("mU/l", "m[IU]/L"),
        ("m[IU]/L", "m[IU]/L"),
        ("mIU/mL", "m[IU]/mL"),
        ("PMOL/L", "pmol/L"),
        ("mcmol/l", "umol/L"),
        ("\u00b5g/L", "ug/L"),
        ("MG/DL", "mg/dL"),
        ("mg/100 mL", "mg/dL"),
        ("mmol/L", "mmol/L"),
        ("mmol/mol Hb", "mmol/mol"),
        ("% (NGSP)", "%"),
        ("%{HbA1c}", "%"),
        ("IE/L", "[IU]/L"),
        ("UI/L", "[IU]/L"),
        ("x10E3/uL", "10*3/uL"),
        ("K/uL", "10*3/uL"),
        ("x1000/mm³", "10*3/uL"),
        ("10^9/L", "10*9/L"),
        ("giga.l-1", "10*9/L"),
        ("x10S9/l", "10*9/L"),
        ("T/l", "10*12/L"),
        ("lbs", "[lb_av]"),
        ("in", "[in_i]"),
        ("mmHg", "mm[Hg]"),
        ("{beats}/min", "/min"),
        ("°C", "Cel"),
        ("[degF]", "[degF]"),
        ("mEq/L", "meq/L"),
        ("kg/m²", "kg/m2"),
        ("mL/min/1.73m2", "mL/min/{1.73_m2}"),
        ("{#}/(24.h)", "{#}/d"),
    ],
)
def test_a_usual_spelling_is_understood(text: str, ucum: str) -> None:
    assert ucum_of(text) == ucum


@pytest.mark.parametrize("text", ["UI/mL", "U/mL", "?U/mL", "\ufffdU/mL", "mg", "pmol", "furlong"])
def test_a_text_that_could_mean_another_unit_is_not_guessed(text: str) -> None:
    assert ucum_of(text) is None


def test_insulin_converts_at_six_and_never_at_the_old_factor() -> None:
    assert INSULIN_PMOL_PER_UIU == 6.00
    assert canonical("insulin", 75.0, "pmol/L") == pytest.approx(12.5)
    used = [1 / f.factor for f in FACTORS if (f.analyte, f.unit) == ("insulin", "pmol/L")]
    assert INSULIN_FACTOR_DOUBT not in used


def test_insulin_in_milli_units_per_millilitre_waits_for_a_person() -> None:
    assert ("insulin", "m[IU]/mL") not in {(f.analyte, f.unit) for f in FACTORS}


def test_giga_per_litre_counts_cells_and_grams_per_litre_weigh_haemoglobin() -> None:
    assert ucum_of("G/l") == ucum_of("g/l") == "g/L"
    assert canonical("platelets", 250.0, "g/L") == 250.0
    assert canonical("haemoglobin", 142.0, "g/L") == pytest.approx(14.2)


def test_hba1c_cut_points_agree_between_its_two_scales() -> None:
    assert canonical("hba1c", 39.0, "mmol/mol") == pytest.approx(5.7, abs=0.05)
    assert canonical("hba1c", 48.0, "mmol/mol") == pytest.approx(6.5, abs=0.05)
