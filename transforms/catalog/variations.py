"""Variations: how much a signal of a healthy, unchanging person differs from draw to draw.

One record a signal, as coefficients of variation: ``cvi`` within the person, ``cva`` of the
laboratory. Each number stands in one place: what :mod:`transforms.catalog.analytes` states is taken
from there, and what an index inherits from its inputs is computed here from theirs.

``basis`` says how far to trust it:

- ``measured``: repeated draws of real people, in the cited study;
- ``propagated``: the variances of the inputs' logarithms, each times the square of its elasticity
  (percent of index per percent of input; ``of``), added up. Exact for a product of powers, else
  true near :data:`TYPICAL`. Inputs are taken to vary independently; where they go together (insulin
  with C-peptide, ALT with AST) that is too much noise in a ratio and too little in a product. On
  HOMA-IR it gives 26.5 % where 26.7 % was measured, on QUICKI 3.8 % where 4.1 % was.
- ``judgement``: a number someone chose.

A signal without a record has no known variation: no change of it is ever called real. HOMA-%B, LAP
and the fatty liver index are without one on purpose. Their elasticities run away near 3.5 mmol/L of
glucose, near the constant of the waist, and at low scores; no one coefficient of variation holds
for them. That of a typical man calls noise a change in a lean person, and at a fatty liver index of
97, which cannot rise, it hides every change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import exp, log, sqrt
from typing import Literal

import polars as pl

from transforms.catalog.analytes import ANALYTES

Basis = Literal["measured", "propagated", "judgement"]

REVIEWED = date(2026, 11, 22)
NEXT_REVIEW = date(2027, 11, 22)

TYPICAL: dict[str, float] = {
    "insulin": 10.0,
    "glucose": 95.0,
    "triglyceride": 120.0,
    "hdl": 50.0,
    "nefa": 0.5,
    "alt": 25.0,
    "ast": 22.0,
    "bmi": 28.0,
    "waist": 95.0,
    "hba1c": 5.5,
}
"""The man at whom elasticities that are not constant were taken, in canonical units (judgement:
near the medians of US adults)."""


@dataclass(frozen=True, slots=True)
class Variation:
    """Within-person and analytical coefficient of variation of a signal, as fractions.

    ``of``: the inputs a propagated one comes from, each with its elasticity.
    """

    signal: str
    cvi: float
    cva: float
    basis: Basis
    citation: str
    of: tuple[tuple[str, float], ...] = ()
    reviewed: date = REVIEWED
    next_review: date = NEXT_REVIEW


def _of_analytes() -> tuple[Variation, ...]:
    return tuple(
        Variation(analyte.name, analyte.cvi, analyte.cva, "measured", analyte.citation)
        for analyte in ANALYTES
        if analyte.cvi is not None and analyte.cva is not None
    )


TOTAL = 0.0
"""The analytical part where a study gives only both together: it is inside ``cvi``."""

_LONG = (
    "median of the studies in Carobene 2013, Clin Chem Lab Med 51:1997; weekly draws of healthy"
    " people varied less ({}: Carobene 2017, EuBIVAS, Clin Chem 63:1141), but series here last"
    " years; CVa: judgement"
)

STATED: tuple[Variation, ...] = (
    *_of_analytes(),
    Variation("homa_ir", 0.267, 0.054, "measured", "EuBIVAS 2024, Clin Chem Lab Med 0672; n=90"),
    Variation("firi", 0.267, 0.054, "measured", "0.9 times HOMA-IR"),
    Variation("quicki", 0.041, 0.007, "measured", "EuBIVAS 2024, Clin Chem Lab Med 0672; n=90"),
    Variation("hdl", 0.082, TOTAL, "measured", "Poon 2018, PMID 29618016, total of older adults"),
    Variation("alt", 0.18, 0.03, "measured", _LONG.format("9.3 %")),
    Variation("ast", 0.119, 0.03, "measured", _LONG.format("9.5 %")),
    Variation("ggt", 0.138, 0.03, "measured", _LONG.format("8.9 %")),
    Variation(
        "platelets",
        0.086,
        0.03,
        "measured",
        "women over a year, men 6.7 %: Arch Pathol Lab Med 1992;116:825, PMID 1497462; CVa:"
        " judgement",
    ),
    Variation(
        "leptin",
        0.211,
        TOTAL,
        "measured",
        "Widjaja 2000, Exp Clin Endocrinol Diabetes 108:208: 27-41 about 33.3 pmol/L is one"
        " standard deviation either way, ln(41/27)/2; n=12",
    ),
    Variation(
        "adiponectin",
        0.188,
        0.088,
        "measured",
        "PMID 17032140: controls over 30 days, 12.2 % with metabolic syndrome; n=20",
    ),
    Variation("hs_crp", 0.45, 0.05, "judgement", "40-50 % in the clinical reference, from memory"),
    Variation("weight", 0.01, TOTAL, "judgement", "about 1 % in the clinical reference"),
    Variation("bmi", 0.01, TOTAL, "judgement", "weight's: an adult's height stays"),
    Variation(
        "waist",
        0.03,
        TOTAL,
        "judgement",
        "3 cm at 95 cm; published errors 0.7-15 cm: Verweij 2013, Public Health Nutr 16:281",
    ),
)
"""Measured or chosen, not computed."""

_STATED = {variation.signal: variation for variation in STATED}


def propagated(signal: str, citation: str, **elasticities: float) -> Variation:
    """The variation that ``signal`` inherits of its inputs by their ``elasticities``.

    >>> round(propagated("tg_hdl", "", triglyceride=1, hdl=-1).cvi, 3)
    0.226
    """
    inputs = tuple((_STATED[name], power) for name, power in elasticities.items())
    return Variation(
        signal,
        _joint([(each.cvi, power) for each, power in inputs]),
        _joint([(each.cva, power) for each, power in inputs]),
        "propagated",
        citation,
        tuple(elasticities.items()),
    )


def _joint(parts: list[tuple[float, float]]) -> float:
    variance = sum(power**2 * log(1 + cv**2) for cv, power in parts)
    return sqrt(exp(variance) - 1)


_POWERS = "product of powers: elasticities are its exponents"
_NEAR = "elasticities at the typical man"
_UNLIKE = (
    f"{_NEAR}, without hypertension; half as much noise in lean people, twice in heavy ones, more"
    " with hypertension"
)

PROPAGATED: tuple[Variation, ...] = (
    propagated("fgir", _POWERS, glucose=1, insulin=-1),
    propagated("revised_quicki", _NEAR, insulin=-0.162, glucose=-0.162, nefa=-0.162),
    propagated("adipo_ir", _POWERS, nefa=1, insulin=1),
    propagated("tyg", _NEAR, triglyceride=0.116, glucose=0.116),
    propagated("tyg_bmi", _NEAR, triglyceride=0.116, glucose=0.116, bmi=1),
    propagated("tyg_wc", _NEAR, triglyceride=0.116, glucose=0.116, waist=1),
    propagated("tg_hdl", _POWERS, triglyceride=1, hdl=-1),
    propagated("mcauley", _POWERS, insulin=-0.28, triglyceride=-0.31),
    propagated("mets_ir", _NEAR, glucose=0.107, triglyceride=0.067, bmi=1, hdl=-0.256),
    propagated("spise", _POWERS, hdl=0.185, triglyceride=-0.2, bmi=-1.338),
    propagated("vai", _NEAR, waist=1, bmi=-0.570, triglyceride=1, hdl=-1),
    propagated("hsi", _NEAR, alt=0.245, ast=-0.245, bmi=0.755),
    propagated("fib_4", _POWERS, ast=1, platelets=-1, alt=-0.5),
    propagated("lar", _POWERS, leptin=1, adiponectin=-1),
    propagated("egdr", _UNLIKE, waist=-0.893, hba1c=-0.316),
    propagated(
        "c_peptide_insulin", f"{_POWERS}; too wide: both move together", c_peptide=1, insulin=-1
    ),
)
"""Computed from the inputs'. Indices of a glucose load have none: no study of all their inputs."""

VARIATIONS: tuple[Variation, ...] = (*STATED, *PROPAGATED)


def variation_frame() -> pl.DataFrame:
    """One row a signal: ``signal``, ``cvi``, ``cva`` (fractions), ``basis``, ``citation``."""
    rows = [(each.signal, each.cvi, each.cva, each.basis, each.citation) for each in VARIATIONS]
    schema = {
        "signal": pl.String,
        "cvi": pl.Float64,
        "cva": pl.Float64,
        "basis": pl.String,
        "citation": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")
