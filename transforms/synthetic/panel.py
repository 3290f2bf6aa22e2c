"""What else the laboratory measures at a visit: liver enzymes, fat tissue, inflammation, C-peptide.

Body size and the older analytes are :mod:`transforms.synthetic.results`'s; here each further one
follows insulin and body mass, keeps to a person and varies from draw to draw. Variation is
that of the clinical reference, section 5 (Widjaja 1999 for NEFA and C-peptide); where it is
silent (AST, GGT, platelets, leptin, adiponectin), and for every level and every spread between
people, the numbers are judgements about adults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, log

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.synthetic.tissues import change

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STREAM = 7
"""Of the seed's random numbers, those drawn here: no other quantity moves with them."""


@dataclass(frozen=True, slots=True)
class Written:
    """How a result is written in one system of units; ``factor`` brings the value there."""

    code: str
    unit: str
    decimals: int = 0
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Listed:
    """A test of the laboratory's list: ending of its result's number, method, and its units."""

    ending: str
    method: str
    conventional: Written
    si: Written


def _listed(ending: str, method: str, conventional: Written, si: Written | None = None) -> Listed:
    return Listed(ending, method, conventional, si or conventional)


PANEL: Mapping[str, Listed] = {
    "hba1c": _listed("A1C", "HPLC", Written("4548-4", "%", 1)),
    "triglyceride": _listed("TRG", "enzymatic", Written("2571-8", "mg/dL")),
    "hdl": _listed("HDL", "enzymatic", Written("2085-9", "mg/dL")),
    "alt": _listed("ALT", "IFCC", Written("1742-6", "U/L")),
    "ast": _listed("AST", "IFCC", Written("1920-8", "U/L")),
    "ggt": _listed("GGT", "IFCC", Written("2324-2", "U/L")),
    "platelets": _listed(
        "PLT", "impedance", Written("777-3", "10*3/uL"), Written("777-3", "10*9/L")
    ),
    "c_peptide": _listed(
        "CPE", "ECLIA", Written("1986-9", "ng/mL", 2), Written("14633-2", "nmol/L", 2, 0.331)
    ),
    "nefa": _listed(
        "NEF", "enzymatic", Written("15066-4", "mmol/L", 2), Written("15066-4", "umol/L", 0, 1000)
    ),
    "hs_crp": _listed("CRP", "immunoturbidimetry", Written("30522-7", "mg/L", 2)),
    "leptin": _listed("LEP", "ELISA", Written("21365-2", "ng/mL", 1)),
    "adiponectin": _listed("ADN", "ELISA", Written("47828-9", "mg/L", 1)),
}
"""C-peptide: 1 ng/mL is 0.331 nmol/L (3,020 g/mol)."""

MEASURES: Mapping[str, Listed] = {
    "weight": _listed("WGT", "", Written("29463-7", "kg", 1)),
    "waist": _listed("WST", "", Written("8280-0", "cm")),
    "height": _listed("HGT", "", Written("8302-2", "cm")),
    "systolic": _listed("SBP", "", Written("8480-6", "mm[Hg]")),
    "diastolic": _listed("DBP", "", Written("8462-4", "mm[Hg]")),
}


@dataclass(frozen=True, slots=True)
class Law:
    """How an analyte is spread, in ln units.

    ``level``: the median, of men and of women, at insulin 8.7 uIU/mL and BMI 27; ``insulin`` and
    ``bmi``: change per ln unit of true insulin and per kg/m2; ``alt``: per ln unit of ALT, the
    enzymes being of one liver; ``own`` and ``within``: SD between people and between draws;
    ``liver`` and ``adipose``: share of the tissue's course; ``fed``: change after food;
    ``highest``: what noise does not lift it over.
    """

    level: tuple[float, float]
    insulin: float = 0.0
    bmi: float = 0.0
    alt: float = 0.0
    own: float = 0.0
    within: float = 0.0
    liver: float = 0.0
    adipose: float = 0.0
    fed: float = 0.0
    highest: float = inf


LAWS: Mapping[str, Law] = {
    # The course of ALT is inside ALT already: AST and GGT take what is missing to their own.
    "ast": Law((24, 20), insulin=0.02, alt=0.45, own=0.18, within=0.10, liver=0.05),
    "ggt": Law((28, 19), insulin=0.20, alt=0.55, own=0.45, within=0.10, liver=0.45),
    "platelets": Law((235, 260), bmi=0.004, own=0.19, within=0.08),
    "c_peptide": Law((2.1, 2.0), insulin=0.65, own=0.15, within=0.23, fed=log(2.0)),
    "nefa": Law(
        (0.40, 0.48), insulin=0.05, own=0.30, within=0.43, adipose=1.0, fed=log(0.4), highest=2.5
    ),
    "hs_crp": Law((1.2, 1.6), bmi=0.08, own=0.80, within=0.42, adipose=1.0),
    "leptin": Law((6.5, 17.0), insulin=0.20, bmi=0.09, own=0.35, within=0.15, adipose=0.5),
    "adiponectin": Law((6.0, 9.0), insulin=-0.20, bmi=-0.02, own=0.32, within=0.10, adipose=-0.5),
}
"""The liver's course in triglyceride is :mod:`transforms.synthetic.results`'s."""

ORDERED: Mapping[str, tuple[str, float, float]] = {
    "ast": ("ast", 1.0, 0.85),
    "ggt": ("ggt", 1.0, 0.85),
    "platelets": ("platelets", 1.0, 0.30),
    "c_peptide": ("c_peptide", 0.25, 0.80),
    "nefa": ("nefa", 0.08, 0.80),
    "hs_crp": ("hs_crp", 0.20, 0.80),
    "leptin": ("adipokines", 0.06, 0.80),
    "adiponectin": ("adipokines", 0.06, 0.80),
}
"""Analyte -> the order it comes with, share of people it is ordered for, share of their visits.

Rare tests are ordered for few people again and again, so that they make series. The two enzymes
come only with ALT.
"""
FULL, LIVER = frozenset(LAWS), frozenset({"ast", "ggt", "platelets"})
"""What is measured at every visit of people of a pattern, and of climbers whose liver worsens."""


def with_panel(visit: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Adds a column per analyte of :data:`LAWS`, null at the visits that lack it.

    Args:
        visit: a row per visit: ``person``, ``role``, ``sex``, ``true_insulin`` (uIU/mL),
            ``contamination``, ``years`` (since the person's first), ``bmi`` (kg/m2), ``alt`` (U/L,
            null where not measured), ``true_alt``, ``liver_slope``, ``adipose_slope`` (ln units a
            year).
        seed: everything follows from it.
    """
    rng = np.random.default_rng((seed, STREAM))
    person = visit["person"].to_numpy()
    people = int(person.max()) + 1
    own = dict(zip(LAWS, rng.standard_normal((len(LAWS), people)), strict=True))
    noise = dict(zip(LAWS, rng.standard_normal((len(LAWS), visit.height)), strict=True))
    is_taken = _taken(visit, rng, person, people)
    measured = []
    for name, law in LAWS.items():
        spread = np.exp(law.own * own[name][person] + law.within * noise[name])
        value = np.minimum(_level(visit, law) * spread, law.highest)
        measured.append(pl.Series(name, np.where(is_taken[name], value, np.nan)).fill_nan(None))
    return visit.with_columns(measured)


def _level(visit: pl.DataFrame, law: Law) -> Floats:
    """What is to be expected of the person that day."""
    column = {name: visit[name].to_numpy() for name in ("true_insulin", "bmi", "true_alt")}
    man, woman = law.level
    liver, adipose = (
        change(visit[f"{tissue}_slope"], visit["years"]) for tissue in ("liver", "adipose")
    )
    ate = (visit["contamination"] == "non_fasting").to_numpy()
    expected = (
        law.insulin * np.log(column["true_insulin"] / 8.7)
        + law.bmi * (column["bmi"] - 27)
        + law.alt * np.log(column["true_alt"] / 22)
        + law.liver * liver
        + law.adipose * adipose
        + law.fed * ate
    )
    level: Floats = np.where((visit["sex"] == "male").to_numpy(), man, woman) * np.exp(expected)
    return level


def _taken(
    visit: pl.DataFrame, rng: np.random.Generator, person: NDArray[np.int64], people: int
) -> dict[str, Bools]:
    """At which visits each is measured."""
    orders = list(dict.fromkeys(order for order, _, _ in ORDERED.values()))
    of_people = dict(zip(orders, rng.random((len(orders), people)), strict=True))
    of_visits = dict(zip(orders, rng.random((len(orders), visit.height)), strict=True))
    role = visit["role"].fill_null("")
    is_full = role.is_in(["liver", "adipose"]).to_numpy()
    is_liver = is_full | (visit["liver_slope"] > 0).to_numpy()
    has_alt = visit["alt"].is_not_null().to_numpy()
    taken = {}
    for name, (order, share, often) in ORDERED.items():
        chosen = (of_people[order][person] < share) & (of_visits[order] < often)
        if name in ("ast", "ggt"):
            chosen &= has_alt
        taken[name] = chosen | (is_liver if name in LIVER else is_full)
    return taken
