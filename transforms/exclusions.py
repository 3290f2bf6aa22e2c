"""Exclusions: who the rule leaves out and when, and which days' draws it does not use.

Applies the records of :mod:`transforms.catalog.exclusions` to standing conditions and
medications. A start that is not stated counts from the beginning of the record.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from transforms.catalog.exclusions import EXCLUSIONS, Exclusion, matches

SPAN = {"patient_id": pl.String, "name": pl.String, "from_on": pl.Date, "to_on": pl.Date}


def holds_on(day: str) -> pl.Expr:
    """Whether a span, ``from_on`` (null: always) to ``to_on`` (null: still), both days included,
    holds on the day in the column ``day``. Boolean, never null where the day is not.

    >>> from datetime import date
    >>> span = {"from_on": [None, date(2026, 3, 2)], "to_on": [date(2026, 3, 1), None]}
    >>> days = pl.DataFrame({**span, "drawn_on": [date(2026, 3, 1)] * 2})
    >>> days.select(holds=holds_on("drawn_on"))["holds"].to_list()
    [True, False]
    """
    on = pl.col(day)
    has_begun = pl.col("from_on").is_null() | (pl.col("from_on") <= on)
    return has_begun & (pl.col("to_on").is_null() | (on <= pl.col("to_on")))


def barred_days(conditions: pl.LazyFrame, medications: pl.LazyFrame) -> pl.LazyFrame:
    """Days on which a patient's draws are not used: ``patient_id``, ``name``, ``from_on``
    (null: always), ``to_on`` (null: still)."""
    return _spans("draw", conditions, medications)


def excluded_spans(conditions: pl.LazyFrame, medications: pl.LazyFrame) -> pl.LazyFrame:
    """Days on which the rule does not apply to a patient; same columns."""
    return _spans("patient", conditions, medications)


def minor_spans(persons: pl.LazyFrame, adult_age: int) -> pl.LazyFrame:
    """Days on which a person of known birth is not of age yet (:data:`SPAN`).

    Args:
        persons: ``patient_id``, ``birth_date``.
        adult_age: in years.
    """
    return persons.filter(pl.col("birth_date").is_not_null()).select(
        "patient_id",
        name=pl.lit("minor"),
        from_on=pl.lit(None, dtype=pl.Date),
        to_on=pl.col("birth_date").dt.offset_by(f"{adult_age}y") - pl.duration(days=1),
    )


def _spans(
    effect: Literal["draw", "patient"], conditions: pl.LazyFrame, medications: pl.LazyFrame
) -> pl.LazyFrame:
    tables = {"condition": conditions, "medication": medications}
    found = [days_of(item, tables[item.table]) for item in EXCLUSIONS if item.effect == effect]
    return pl.concat([pl.LazyFrame(schema=SPAN), *found])


def days_of(item: Exclusion, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The days on which ``item`` holds (:data:`SPAN`), of standing ``rows`` of its table.

    Without ``after_days`` it holds for ever; an end that is not stated is open, unless the record
    says how long such a thing can last.
    """
    start, end = pl.col("start_on"), pl.col("end_on")
    if item.open_days is not None:
        end = pl.coalesce(end, start + pl.duration(days=item.open_days))
    last = (
        pl.lit(None, dtype=pl.Date)
        if item.after_days is None
        else end + pl.duration(days=item.after_days)
    )
    return rows.filter(matches(item)).select(
        "patient_id",
        name=pl.lit(item.name),
        from_on=(start - pl.duration(days=item.before_days)).cast(pl.Date),
        to_on=last.cast(pl.Date),
    )
