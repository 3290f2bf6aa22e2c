"""The variation catalog: one place for each number, and arithmetic that can be followed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp, log, log10, sqrt

import polars as pl
import pytest

from transforms.catalog.analytes import ANALYTES
from transforms.catalog.variations import (
    PROPAGATED,
    STATED,
    TYPICAL,
    VARIATIONS,
    Variation,
    propagated,
    variation_frame,
)

BY_SIGNAL = {each.signal: each for each in VARIATIONS}
Person = Mapping[str, float]

FORMULAS: dict[str, Callable[[Person], float]] = {
    "fgir": lambda p: p["glucose"] / p["insulin"],
    "revised_quicki": lambda p: 1 / log10(p["insulin"] * p["glucose"] * p["nefa"]),
    "adipo_ir": lambda p: p["nefa"] * p["insulin"],
    "tyg": lambda p: log(p["triglyceride"] * p["glucose"] / 2),
    "tyg_bmi": lambda p: log(p["triglyceride"] * p["glucose"] / 2) * p["bmi"],
    "tyg_wc": lambda p: log(p["triglyceride"] * p["glucose"] / 2) * p["waist"],
    "tg_hdl": lambda p: p["triglyceride"] / p["hdl"],
    "mcauley": lambda p: exp(2.63 - 0.28 * log(p["insulin"]) - 0.31 * log(p["triglyceride"])),
    "mets_ir": lambda p: log(2 * p["glucose"] + p["triglyceride"]) * p["bmi"] / log(p["hdl"]),
    "spise": lambda p: p["hdl"] ** 0.185 / (p["triglyceride"] ** 0.2 * p["bmi"] ** 1.338),
    "vai": lambda p: p["waist"] / (39.68 + 1.88 * p["bmi"]) * p["triglyceride"] / p["hdl"],
    "hsi": lambda p: 8 * p["alt"] / p["ast"] + p["bmi"],
    "fib_4": lambda p: p["ast"] / (p["platelets"] * sqrt(p["alt"])),
    "lar": lambda p: p["leptin"] / p["adiponectin"],
    "egdr": lambda p: 21.158 - 0.09 * p["waist"] - 0.551 * p["hba1c"],
    "c_peptide_insulin": lambda p: p["c_peptide"] / p["insulin"],
}


UNSTEADY: dict[str, Callable[[Person], float]] = {
    "homa_b": lambda p: 20 * p["insulin"] / (p["glucose"] / 18.016 - 3.5),
    "lap": lambda p: (p["waist"] - 65) * p["triglyceride"],
    "fli": lambda p: 1 / (1 + exp(-_fatty(p))),
}
"""Indices whose noise no one coefficient tells."""

REST = {"platelets": 240.0, "leptin": 10.0, "adiponectin": 8.0, "c_peptide": 2.0, "ggt": 25.0}
LEAN = {"insulin": 4.0, "glucose": 68.0, "triglyceride": 60.0, "hdl": 70.0, "nefa": 0.4}
LEAN |= {"alt": 15.0, "ast": 18.0, "bmi": 20.0, "waist": 68.0, "hba1c": 5.0, "ggt": 12.0}
HEAVY = {"insulin": 25.0, "glucose": 108.0, "triglyceride": 250.0, "hdl": 35.0, "nefa": 0.7}
HEAVY |= {"alt": 60.0, "ast": 40.0, "bmi": 40.0, "waist": 125.0, "hba1c": 5.6, "ggt": 80.0}


def _fatty(p: Person) -> float:
    lipid = 0.953 * log(p["triglyceride"]) + 0.718 * log(p["ggt"])
    return lipid + 0.139 * p["bmi"] + 0.053 * p["waist"] - 15.745


def elasticity(formula: Callable[[Person], float], name: str, person: Person) -> float:
    up, down = ({**person, name: person[name] * factor} for factor in (1 + 1e-6, 1 - 1e-6))
    return (log(formula(up)) - log(formula(down))) / (log(1 + 1e-6) - log(1 - 1e-6))


@pytest.mark.parametrize("each", PROPAGATED, ids=lambda each: each.signal)
def test_an_elasticity_is_the_slope_of_the_index_s_own_formula(each: Variation) -> None:
    person = REST | TYPICAL
    found = {name: elasticity(FORMULAS[each.signal], name, person) for name in person}
    moving = {name: slope for name, slope in found.items() if abs(slope) > 1e-6}
    assert moving == pytest.approx(dict(each.of), abs=6e-4)


def noise(formula: Callable[[Person], float], person: Person) -> float:
    """The coefficient of variation that an index inherits of its inputs in this person."""
    moved = {name: elasticity(formula, name, person) for name in person}
    return sqrt(sum((slope * BY_SIGNAL[name].cvi) ** 2 for name, slope in moved.items()))


def spread(formula: Callable[[Person], float]) -> float:
    """How far noise in lean and heavy people is from that of the typical one, as a factor."""
    lean, usual, heavy = (noise(formula, REST | person) for person in (LEAN, TYPICAL, HEAVY))
    return max(lean / usual, usual / lean, heavy / usual, usual / heavy)


@pytest.mark.parametrize("each", PROPAGATED, ids=lambda each: each.signal)
def test_a_recorded_variation_is_near_that_of_lean_and_heavy_people(each: Variation) -> None:
    assert spread(FORMULAS[each.signal]) < 2


@pytest.mark.parametrize("signal", UNSTEADY)
def test_an_index_whose_noise_is_not_constant_has_no_variation(signal: str) -> None:
    assert spread(UNSTEADY[signal]) > 2
    assert signal not in BY_SIGNAL


def test_what_an_index_inherits_is_the_sum_of_its_inputs_variances() -> None:
    adipo_ir = BY_SIGNAL["adipo_ir"]
    assert adipo_ir.cvi == pytest.approx(sqrt((1 + 0.45**2) * (1 + 0.26**2) - 1))
    assert adipo_ir.cva == pytest.approx(sqrt((1 + 0.05**2) * (1 + 0.05**2) - 1))


def test_a_ratio_inherits_as_much_as_a_product() -> None:
    ratio = propagated("ratio", "", triglyceride=1, hdl=-1)
    product = propagated("product", "", triglyceride=1, hdl=1)
    assert (ratio.cvi, ratio.cva) == (product.cvi, product.cva)
    assert ratio.cvi > BY_SIGNAL["triglyceride"].cvi


@pytest.mark.parametrize(
    ("signal", "of"),
    [
        ("homa_ir", {"insulin": 1.0, "glucose": 1.0}),
        ("quicki", {"insulin": -0.146, "glucose": -0.146}),
    ],
)
def test_what_is_inherited_is_near_what_was_measured(signal: str, of: dict[str, float]) -> None:
    inherited = propagated(signal, "", **of)
    assert inherited.cvi == pytest.approx(BY_SIGNAL[signal].cvi, rel=0.08)


def test_a_number_of_the_analyte_catalog_is_taken_from_there() -> None:
    known = {a.name: (a.cvi, a.cva) for a in ANALYTES if a.cvi is not None}
    assert len(known) >= 6
    assert {name: (BY_SIGNAL[name].cvi, BY_SIGNAL[name].cva) for name in known} == known


def test_every_signal_has_one_variation() -> None:
    frame = variation_frame()
    assert not frame["signal"].is_duplicated().any()
    assert frame.height == len(STATED) + len(PROPAGATED)
    assert frame.schema["cvi"] == frame.schema["cva"] == pl.Float64


@pytest.mark.parametrize("each", VARIATIONS, ids=lambda each: each.signal)
def test_every_variation_is_cited_reviewed_and_a_fraction(each: Variation) -> None:
    assert each.citation.strip()
    assert each.next_review > each.reviewed
    assert 0 < each.cvi < 1
    assert 0 <= each.cva < 0.2
    assert (each.basis == "propagated") == bool(each.of)
