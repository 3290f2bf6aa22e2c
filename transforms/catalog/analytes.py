"""Analytes: what is measured, by which codes, in which unit, within which possible limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

import polars as pl

Timing = Literal["fasting", "any", "post_load", "baseline"]
Property = Literal["mass", "molar", "arbitrary", "other"]


@dataclass(frozen=True, slots=True)
class Code:
    """One code of an analyte: what it claims about the draw's timing and the unit's kind."""

    code: str
    timing: Timing = "any"
    property: Property = "other"
    system: str = "loinc"


@dataclass(frozen=True, slots=True)
class Analyte:
    """One analyte.

    ``low`` and ``high`` are limits of the *possible* in canonical units (outside: quarantine,
    probably a unit slip), not of the normal. ``cvi`` and ``cva`` are within-person and analytical
    coefficients of variation as fractions, None where no source was found.
    """

    name: str
    unit: str
    description: str
    codes: tuple[Code, ...]
    low: float
    high: float
    citation: str
    reviewed: date
    next_review: date
    cvi: float | None = None
    cva: float | None = None


ANALYTES: tuple[Analyte, ...] = ()

NEVER_INSULIN: tuple[str, ...] = ()


def code_frame() -> pl.DataFrame:
    """Columns ``code_system``, ``source_code``, ``analyte``, ``timing``, ``property``: one row a
    code."""
    rows = [(c.system, c.code, a.name, c.timing, c.property) for a in ANALYTES for c in a.codes]
    columns = ["code_system", "source_code", "analyte", "timing", "property"]
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")


def limit_frame() -> pl.DataFrame:
    """Columns ``analyte``, ``canonical_unit``, ``low``, ``high``: one row an analyte."""
    rows = [(a.name, a.unit, a.low, a.high) for a in ANALYTES]
    schema = {"analyte": pl.String, "canonical_unit": pl.String, "low": pl.Float64, "high": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
