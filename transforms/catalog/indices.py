"""Indices: one record each, with its formula as an expression, its source and a worked example.

Inputs are columns of a fasting draw: ``insulin_uiu_ml``, ``glucose_mg_dl``, ``triglyceride_mg_dl``,
``hdl_mg_dl``. Examples are cases A and B of the clinical reference, computed there independently
(its 5.31 for FGIR comes of a rounded glucose; 5.3047 is exact).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

I0, GM = pl.col("insulin_uiu_ml"), pl.col("glucose_mg_dl")
TGM, HDLM = pl.col("triglyceride_mg_dl"), pl.col("hdl_mg_dl")
G = GM / 18.016
CASE_A = {
    "insulin_uiu_ml": 6.0,
    "glucose_mg_dl": 5.0 * 18.016,
    "triglyceride_mg_dl": 1.0 * 88.57,
    "hdl_mg_dl": 1.5 * 38.67,
}
CASE_B = {
    "insulin_uiu_ml": 18.0,
    "glucose_mg_dl": 5.3 * 18.016,
    "triglyceride_mg_dl": 2.2 * 88.57,
    "hdl_mg_dl": 0.95 * 38.67,
}


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """An index: its inputs are the columns its formula names; ``gives`` its value for cases A
    and B."""

    name: str
    unit: str
    formula: pl.Expr
    citation: str
    limits: str
    gives: tuple[float, float]
    reviewed: date = date(2026, 11, 22)
    next_review: date = date(2027, 11, 22)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns the formula needs."""
        return tuple(dict.fromkeys(self.formula.meta.root_names()))


INDICES: tuple[Index, ...] = (
    Index(
        "homa_ir",
        "1",
        I0 * G / 22.5,
        "Matthews 1985, PMID 3899825",
        "not on insulin",
        (1.3333, 4.2400),
    ),
    Index("quicki", "1", 1 / (I0.log10() + GM.log10()), "Katz 2000", "log10", (0.36593, 0.30910)),
    Index("firi", "1", I0 * G / 25, "Duncan 1995", "0.9 HOMA-IR", (1.200, 3.816)),
    Index(
        "fgir", "mg/dL/(u[IU]/mL)", GM / I0, "Legro 1998", "noisy at low insulin", (15.0133, 5.3047)
    ),
    Index(
        "tyg",
        "1",
        (TGM * GM / 2).log(),
        "Simental-Mendia 2008",
        "ln(TG*G/2) scale",
        (8.2913, 9.1381),
    ),
    Index(
        "tg_hdl",
        "1",
        TGM / HDLM,
        "McLaughlin 2003",
        "mass ratio; depends on ancestry",
        (1.527, 5.304),
    ),
)
