"""Units: how sources write them, and the factor from each to the analyte's canonical unit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl


@dataclass(frozen=True, slots=True)
class Factor:
    """``canonical = factor * value + offset`` for one analyte and one UCUM unit."""

    analyte: str
    unit: str
    factor: float
    citation: str
    reviewed: date
    example: tuple[float, float]
    offset: float = 0.0


ALIASES: dict[str, str] = {}
"""Folded unit text (see :func:`folded`) -> UCUM."""

FACTORS: tuple[Factor, ...] = ()


def folded(unit: pl.Expr) -> pl.Expr:
    """Unit text without case, blanks and the several micro signs, to look up in ``ALIASES``."""
    return (
        unit.str.to_lowercase()
        .str.replace_all("[µμ]", "u")
        .str.replace_all(r"[\s\u200b]", "")
    )


def alias_frame() -> pl.DataFrame:
    """Columns ``folded_unit``, ``ucum``."""
    return pl.DataFrame(
        list(ALIASES.items()), schema={"folded_unit": pl.String, "ucum": pl.String}, orient="row"
    )


def factor_frame() -> pl.DataFrame:
    """Columns ``analyte``, ``ucum``, ``factor``, ``offset``."""
    schema = {"analyte": pl.String, "ucum": pl.String, "factor": pl.Float64, "offset": pl.Float64}
    rows = [(f.analyte, f.unit, f.factor, f.offset) for f in FACTORS]
    return pl.DataFrame(rows, schema=schema, orient="row")
