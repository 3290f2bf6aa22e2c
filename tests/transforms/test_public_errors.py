"""Errors found in print and in public code (clinical reference, section 10) are not made here.

Each wrong variant is written out, shown to differ from the paper's arithmetic by more than a
twentieth, and shown not to be what the catalog gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import polars as pl
import pytest

from tests.transforms.index_frames import FLAGS, fasting_frame, loaded_frame
from tests.transforms.index_oracle import (
    CHOLESTEROL_MG_DL,
    FASTING,
    FIVE,
    GLUCOSE_MG_DL,
    LOADED,
    TRIGLYCERIDE_MG_DL,
    A,
    B,
    C,
    D,
    Ogtt,
    Person,
    area,
    mean,
)
from transforms.catalog.analytes import NEVER_INSULIN, code_frame
from transforms.catalog.indices import INDICES
from transforms.catalog.units import FACTORS

FORMULAS = {index.name: index.formula for index in INDICES}


def ours(name: str, someone: Person) -> float:
    """The catalog's value of a fasting draw."""
    flags = {flag: someone.get(flag, 0.0) for flag in FLAGS}
    value = fasting_frame([{**someone, **flags}]).select(FORMULAS[name]).item()
    return float(value)


def ours_loaded(name: str, test: Ogtt) -> float:
    """The catalog's value of a tolerance test."""
    return float(loaded_frame([test]).select(FORMULAS[name]).item())


def ln(person: Person, name: str) -> float:
    return math.log(person[name])


def bracket(p: Person, a: float, b: float, tg: float, hdl: float) -> float:
    """The visceral adiposity index with its bracket in the wrong place, as a page prints it."""
    tg_molar, hdl_molar = p["triglyceride"] / TRIGLYCERIDE_MG_DL, p["hdl"] / CHOLESTEROL_MG_DL
    return (p["waist"] / a + b * p["bmi"]) * tg_molar / tg * hdl / hdl_molar


WRONG: dict[str, tuple[str, Callable[[Person], float]]] = {
    "glucose in mg/dL into HOMA-IR": ("homa_ir", lambda p: p["insulin"] * p["glucose"] / 22.5),
    "glucose in mg/dL into FIRI": ("firi", lambda p: p["insulin"] * p["glucose"] / 25),
    "natural logarithms in QUICKI": ("quicki", lambda p: 1 / (ln(p, "insulin") + ln(p, "glucose"))),
    "triglyceride in mg/dL into McAuley": (
        "mcauley",
        lambda p: math.exp(2.63 - 0.28 * ln(p, "insulin") - 0.31 * ln(p, "triglyceride")),
    ),
    "insulin in pmol/L into McAuley": (
        "mcauley",
        lambda p: math.exp(
            2.63
            - 0.28 * math.log(6 * p["insulin"])
            - 0.31 * math.log(p["triglyceride"] / TRIGLYCERIDE_MG_DL)
        ),
    ),
    "lipids in mg/dL into VAI": (
        "vai",
        lambda p: (
            p["waist"]
            / (36.58 + 1.89 * p["bmi"] if p["female"] else 39.68 + 1.88 * p["bmi"])
            * (p["triglyceride"] / (0.81 if p["female"] else 1.03))
            * ((1.52 if p["female"] else 1.31) / p["hdl"])
        ),
    ),
    "the bracket of VAI after the waist": (
        "vai",
        lambda p: (
            bracket(p, 36.58, 1.89, 0.81, 1.52)
            if p["female"]
            else bracket(p, 39.68, 1.88, 1.03, 1.31)
        ),
    ),
    "triglyceride in mg/dL into LAP": (
        "lap",
        lambda p: (p["waist"] - (58 if p["female"] else 65)) * p["triglyceride"],
    ),
    "TyG halved outside the logarithm": (
        "tyg",
        lambda p: (ln(p, "triglyceride") + ln(p, "glucose")) / 2,
    ),
    "TyG of mmol/L": (
        "tyg",
        lambda p: math.log(
            p["triglyceride"] / TRIGLYCERIDE_MG_DL * p["glucose"] / GLUCOSE_MG_DL / 2
        ),
    ),
    "TG/HDL of mmol/L": (
        "tg_hdl",
        lambda p: p["triglyceride"] / TRIGLYCERIDE_MG_DL / (p["hdl"] / CHOLESTEROL_MG_DL),
    ),
    "insulin in pmol/L into Adipo-IR": ("adipo_ir", lambda p: p["nefa"] * p["insulin"] * 6),
    "FIB-4 without the root": (
        "fib_4",
        lambda p: p["age"] * p["ast"] / (p["platelets"] * p["alt"]),
    ),
    "natural logarithms in revised QUICKI": (
        "revised_quicki",
        lambda p: 1 / sum(ln(p, name) for name in ("insulin", "glucose", "nefa")),
    ),
    "insulin at 6.945 pmol per uIU into C-peptide over insulin": (
        "c_peptide_insulin",
        lambda p: p["c_peptide"] * 1000 / 3.02 / (p["insulin"] * 6.945),
    ),
}


@pytest.mark.parametrize("error", WRONG)
def test_an_error_of_a_fasting_index_is_not_made(error: str) -> None:
    name, wrong = WRONG[error]
    for someone in ({**A, "c_peptide": 1.5}, {**B, "c_peptide": 3.5}):
        right = FASTING[name](someone)
        assert ours(name, someone) == pytest.approx(right, rel=1e-9)
        assert wrong(someone) != pytest.approx(right, rel=0.05)


def composite(test: Ogtt, top: float, *, by_area: bool = False, divided: bool = True) -> float:
    """Matsuda's index in the variants that are printed."""
    g, i = (
        area(FIVE, values) / 120 if by_area else mean(values)
        for values in (test.glucose, test.insulin)
    )
    root = math.sqrt(test.g(0) * test.i(0) * g * i)
    return top / root if divided else top * root


WRONG_LOADED: dict[str, tuple[str, Callable[[Ogtt], float]]] = {
    "Matsuda with 1000": ("matsuda", lambda t: composite(t, 1000)),
    "Matsuda without its division": ("matsuda", lambda t: composite(t, 10_000, divided=False)),
    "Matsuda of pmol/L": ("matsuda", lambda t: composite(t, 10_000) / 6),
    "Stumvoll with uIU/mL": (
        "stumvoll_isi",
        lambda t: 0.226 - 0.0032 * t.bmi - 0.0000645 * t.i(120) - 0.00375 * t.mmol(90),
    ),
    "Stumvoll with mg/dL": (
        "stumvoll_isi",
        lambda t: 0.226 - 0.0032 * t.bmi - 0.0000645 * t.pmol(120) - 0.00375 * t.g(90),
    ),
    "first phase with uIU/mL": (
        "stumvoll_first",
        lambda t: 1283 + 1.829 * t.i(30) - 138.7 * t.mmol(30) + 3.772 * t.i(0),
    ),
    "insulinogenic index of mmol/L": (
        "igi",
        lambda t: (t.i(30) - t.i(0)) / (t.mmol(30) - t.mmol(0)),
    ),
    "MISI from the peak to the last draw by two points": (
        "misi",
        lambda t: -(t.mmol(120) - t.mmol(30)) / 90 / (mean(t.insulin)),
    ),
}


@pytest.mark.parametrize("error", WRONG_LOADED)
def test_an_error_of_a_tolerance_test_is_not_made(error: str) -> None:
    name, wrong = WRONG_LOADED[error]
    for test in (C, D):
        right = LOADED[name](test)
        assert ours_loaded(name, test) == pytest.approx(right, rel=1e-9)
        assert wrong(test) != pytest.approx(right, rel=0.05)


@pytest.mark.parametrize(("test", "right", "printed"), [(C, 10.18, 9.68), (D, 3.24, 2.74)])
def test_the_constant_of_stumvoll_s_clearance_is_the_paper_s(
    test: Ogtt, right: float, printed: float
) -> None:
    """18.8; a methods paper of 2018 prints 18.3, half a unit less for everybody."""
    assert ours_loaded("stumvoll_mcr", test) == pytest.approx(right, abs=0.01)
    assert ours_loaded("stumvoll_mcr", test) - 0.5 == pytest.approx(printed, abs=0.01)


def test_means_by_area_of_matsuda_are_another_number() -> None:
    """7 % less in the two cases: smaller than the index's noise, and still another definition."""
    for test in (C, D):
        ratio = composite(test, 10_000, by_area=True) / ours_loaded("matsuda", test)
        assert 0.91 < ratio < 0.95


# conversions


def test_insulin_is_six_pmol_a_unit_and_not_the_old_standard() -> None:
    """6.945 would make 50 pmol/L 7.2 uIU/mL, 13.6 % less than the 8.33 it is."""
    rows = {(row.analyte, row.unit): row.factor for row in FACTORS}
    factor = rows["insulin", "pmol/L"]
    assert factor == pytest.approx(1 / 6.00, rel=1e-12)
    assert 50 / 6.945 / (50 * factor) == pytest.approx(0.8639, abs=1e-4)


def test_a_logarithm_printed_as_insulin_is_below_what_an_assay_reads() -> None:
    """ ">= 4.358 pmol/L" in an abstract is ln 78.1 pmol/L, which is 13.0 uIU/mL."""
    assert math.exp(4.358) / 6 == pytest.approx(13.0, abs=0.05)
    assert 4.358 / 6 < 1


def test_the_molar_limit_of_a_ratio_is_not_its_limit_in_mg_dl() -> None:
    """3.0 of mg/dL is 1.31 molar; the abstract's 1.8 molar is 4.12 of mg/dL."""
    scale = TRIGLYCERIDE_MG_DL / CHOLESTEROL_MG_DL
    assert 3.0 / scale == pytest.approx(1.31, abs=0.005)
    assert 1.8 * scale == pytest.approx(4.12, abs=0.005)
    someone = {**A, "triglyceride": 3.0 * A["hdl"]}
    assert ours("tg_hdl", someone) == pytest.approx(3.0, rel=1e-12)


@pytest.mark.parametrize(
    ("uiu_ml", "printed", "exact"), [(13.14, 79.2, 78.8), (13.14, 78.8, 78.8), (13.30, 80.12, 79.8)]
)
def test_the_printed_pairs_of_one_paper_are_of_three_factors(
    uiu_ml: float, printed: float, exact: float
) -> None:
    assert 6.00 * uiu_ml == pytest.approx(exact, abs=0.05)
    assert printed / uiu_ml == pytest.approx(6.0, rel=0.005)


# codes


@pytest.mark.parametrize("code", NEVER_INSULIN)
def test_a_code_that_public_code_calls_insulin_is_not(code: str) -> None:
    found = code_frame().filter((pl.col("source_code") == code) & (pl.col("analyte") == "insulin"))
    assert found.is_empty()


def test_a_code_of_insulin_is() -> None:
    found = code_frame().filter(pl.col("source_code") == "27873-9")["analyte"].to_list()
    assert found == ["insulin"]
