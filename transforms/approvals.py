"""Approvals: the units a person decided on, for one row or for a feed from some night on.

An approval changes how a number is read, never the text that came. It is part of what a night is
a function of, like a source's settings, and it holds from the night on which it was given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import date

import polars as pl

from transforms.catalog import units


@dataclass(frozen=True, slots=True)
class Approval:
    """``unit`` (UCUM) for an analyte's rows of a source.

    With ``sha256``, ``line`` and ``part`` it is for that row alone. Else it is for all rows of
    ``lab`` (None: any) whose unit came as ``stated`` (None: any; empty: none came), in files
    known from ``from_on`` to ``to_on`` (None: open), or in the file ``sha256`` alone. ``number``
    tells decisions apart: 0 until one is kept.
    """

    source: str
    analyte: str
    unit: str
    known_on: date
    lab: str | None = None
    stated: str | None = None
    sha256: str | None = None
    line: int | None = None
    part: int | None = None
    from_on: date | None = None
    to_on: date | None = None
    number: int = 0

    def concerns(self, source: str, sha256: str, known_on: date) -> bool:
        """Whether it can hold in this file."""
        return (
            self.source == source
            and self.sha256 in (None, sha256)
            and (self.from_on is None or known_on >= self.from_on)
            and (self.to_on is None or known_on <= self.to_on)
        )


def mark(approvals: Sequence[Approval]) -> str:
    """A short text that differs where the approvals differ; empty where there are none."""
    if not approvals:
        return ""
    text = "|".join(repr(astuple(approval)) for approval in approvals)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def with_approved(rows: pl.LazyFrame, approvals: Sequence[Approval]) -> pl.LazyFrame:
    """``rows`` with the approved ``ucum``; where one applied, ``unit_basis`` is ``approved`` and
    ``approval`` its number.

    Args:
        rows: ``analyte``, ``lab``, ``folded_unit``, ``ucum``, ``line``, ``part``.
        approvals: those that concern the file; of several for a row the last holds.
    """
    which = pl.lit(None, dtype=pl.Int64)
    if not approvals:
        return rows.with_columns(approval=which, unit_basis=pl.lit(None, dtype=pl.String))
    for approval in approvals:
        which = pl.when(_holds(approval)).then(pl.lit(approval.number)).otherwise(which)
    units_of = {approval.number: approval.unit for approval in approvals}
    unit = pl.col("approval").replace_strict(units_of, default=None, return_dtype=pl.String)
    return rows.with_columns(approval=which).with_columns(
        ucum=pl.coalesce(unit, "ucum"),
        unit_basis=pl.when(pl.col("approval").is_not_null()).then(pl.lit("approved")),
    )


def _holds(approval: Approval) -> pl.Expr:
    holds = pl.col("analyte") == approval.analyte
    if approval.line is not None:
        return holds & (pl.col("line") == approval.line) & (pl.col("part") == approval.part)
    if approval.lab is not None:
        holds &= pl.col("lab") == approval.lab
    if approval.stated is not None:
        stated = units.folded(pl.lit(approval.stated))
        holds &= pl.col("folded_unit").fill_null("") == stated
    return holds.fill_null(value=False)
