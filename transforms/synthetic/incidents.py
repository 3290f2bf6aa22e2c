"""What goes wrong on the way from the laboratory, planted so that it can be counted.

Every incident is a function from the laboratory's rows to the rows that are delivered; the rows
it plants carry its name in ``planted``. Whom it befalls is the ``role`` of :mod:`people`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import polars as pl

from transforms.synthetic.physiology import MG_DL_PER_MMOL_L, PMOL_L_PER_UIU_ML
from transforms.synthetic.results import shown

Incident = Callable[[pl.DataFrame], pl.DataFrame]

MISTYPED = 1.6
"""A value that has to be corrected stands this many times too high."""
UNKNOWN_CODE, UNKNOWN_UNIT = "INS-F", "uIU/tube"
RECLAIMED_NIGHT = 4
"""The night on which a result filed under somebody else comes to its owner."""
EVENING, MAIN = "evening", "main"
OVERLAP_FROM, OVERLAP_ON = 2, 4
"""Rows of the one night that the other sends again, to the letter."""
EVENING_NIGHT = 3
"""The night whose second file is cut short."""

_NUMBER = pl.col("value").cast(pl.Float64, strict=False)
_NEWEST = pl.col("from_last") == 0


def befallen(rows: pl.DataFrame) -> pl.DataFrame:
    """``rows`` after everything that happens to them, with ``planted`` and ``batch``."""
    marked = rows.with_columns(planted=pl.lit(None, pl.String), batch=pl.lit(MAIN))
    for incident in INCIDENTS:
        marked = incident(marked)
    return marked


def _of(role: str, *also: pl.Expr) -> pl.Expr:
    return pl.all_horizontal(pl.col("role").eq_missing(pl.lit(role)), *also)


def _is(analyte: str) -> pl.Expr:
    return pl.col("analyte") == analyte


def _altered(rows: pl.DataFrame, where: pl.Expr, **columns: pl.Expr) -> pl.DataFrame:
    return rows.with_columns(
        pl.when(where).then(value).otherwise(pl.col(name)).alias(name)
        for name, value in columns.items()
    )


def _marked(rows: pl.DataFrame, where: pl.Expr, planted: str, **columns: pl.Expr) -> pl.DataFrame:
    return _altered(rows, where, planted=pl.lit(planted), **columns)


def _told(hour: int, days: int = 0) -> pl.Expr:
    """An hour of the day before the night of the person's role, or ``days`` later."""
    return pl.col("told_on").cast(pl.Datetime("us")) + timedelta(days=days, hours=hour)


def late(rows: pl.DataFrame) -> pl.DataFrame:
    """A visit made long ago is only now reported."""
    held = _of("late", pl.col("from_last") == 2)
    return _marked(rows, held, "late", reported_at=_told(17))


def corrected(rows: pl.DataFrame) -> pl.DataFrame:
    """An insulin value stood too high; the correction holds the right one."""
    wrong = _of("corrected", _NEWEST, _is("insulin"))
    right = rows.filter(wrong).with_columns(
        status=pl.lit("C"),
        night=pl.col("role_night"),
        reported_at=_told(15),
        planted=pl.lit("corrected"),
    )
    return pl.concat([_altered(rows, wrong, value=shown(_NUMBER * MISTYPED, 1)), right])


def deleted(rows: pl.DataFrame) -> pl.DataFrame:
    """A visit's insulin and glucose are taken back."""
    taken_back = rows.filter(
        _of("deleted", pl.col("from_last") == 1, _is("insulin") | _is("glucose"))
    ).with_columns(
        status=pl.lit("D"),
        value=pl.lit(None, pl.String),
        night=pl.col("role_night"),
        reported_at=_told(16),
        planted=pl.lit("deleted"),
    )
    return pl.concat([rows, taken_back])


def misfiled(rows: pl.DataFrame) -> pl.DataFrame:
    """A visit is filed under somebody else, withdrawn there, and filed under its owner."""
    to = dict(zip(_people(rows, "misfiled"), _people(rows, "mistaken_for"), strict=False))
    moved = _of("misfiled", _NEWEST, pl.col("patient_id").is_in(list(to)))
    holder = pl.col("patient_id").replace(to)
    own = rows.filter(moved).with_columns(
        night=pl.lit(RECLAIMED_NIGHT, pl.Int32), reported_at=_told(15, days=2)
    )
    withdrawn = own.with_columns(
        patient_id=holder, status=pl.lit("W"), planted=pl.lit("wrong_patient")
    )
    return pl.concat([_altered(rows, moved, patient_id=holder), withdrawn, own])


def _people(rows: pl.DataFrame, role: str) -> list[str]:
    return rows.filter(_of(role))["patient_id"].unique(maintain_order=True).to_list()


def preliminary(rows: pl.DataFrame) -> pl.DataFrame:
    """An insulin value comes before it is final, a little off; the final one a night later."""
    early = _of("preliminary", _NEWEST, _is("insulin"))
    final = rows.filter(early).with_columns(
        night=pl.col("night") + 1, reported_at=_told(12, days=1)
    )
    first = _marked(rows, early, "preliminary", status=pl.lit("P"), value=shown(_NUMBER * 0.97, 1))
    return pl.concat([first, final])


def cancelled(rows: pl.DataFrame) -> pl.DataFrame:
    """No insulin came of a visit."""
    none = pl.lit(None, pl.String)
    where = _of("cancelled", _NEWEST, _is("insulin"))
    return _marked(rows, where, "cancelled", status=pl.lit("X"), value=none, unit=none)


def slipped(rows: pl.DataFrame) -> pl.DataFrame:
    """A value in SI stands under the conventional unit."""
    mmol = shown(_NUMBER / MG_DL_PER_MMOL_L, 1)
    pmol = shown(_NUMBER * PMOL_L_PER_UIU_ML, 1)
    glucose = _of("glucose_slip", _NEWEST, _is("glucose"))
    insulin = _of("insulin_slip", _NEWEST, _is("insulin"))
    rows = _marked(rows, glucose, "unit_slip", value=mmol)
    return _marked(rows, insulin, "unit_slip", value=pmol)


def unknown(rows: pl.DataFrame) -> pl.DataFrame:
    """A code of the laboratory's own, a unit nobody knows."""
    code = _of("unknown_code", _NEWEST, _is("insulin"))
    unit = _of("unknown_unit", _NEWEST, _is("insulin"))
    rows = _marked(rows, code, "unknown_code", code=pl.lit(UNKNOWN_CODE))
    return _marked(rows, unit, "unknown_unit", unit=pl.lit(UNKNOWN_UNIT))


def sent_again(rows: pl.DataFrame) -> pl.DataFrame:
    """A night's export overlaps with that of an earlier one."""
    is_ordinary = _of("new", pl.col("source") == "clinic_csv", pl.col("night") == OVERLAP_FROM)
    again = rows.filter(is_ordinary).with_columns(
        night=pl.lit(OVERLAP_ON, pl.Int32), planted=pl.lit("duplicate_rows")
    )
    return pl.concat([rows, again])


def parted(rows: pl.DataFrame) -> pl.DataFrame:
    """One night's ordinary rows come in a second, evening file."""
    is_evening = _of("new", pl.col("source") == "clinic_csv", pl.col("night") == EVENING_NIGHT)
    return _altered(rows, is_evening, batch=pl.lit(EVENING))


INCIDENTS: tuple[Incident, ...] = (
    late,
    corrected,
    deleted,
    misfiled,
    preliminary,
    cancelled,
    slipped,
    unknown,
    parted,
    sent_again,
)
