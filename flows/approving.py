"""Approve a unit: a person's decision about rows that wait, kept in the ledger for every night."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import polars as pl

from flows.home import Home
from flows.night import Clock
from flows.reading import published
from transforms.approvals import Approval
from transforms.catalog.units import ALIASES, folded
from transforms.feeds import of_units
from warehouse.ledger import Ledger
from warehouse.store import frame

_WAITING = (
    "SELECT q.quarantine_id, q.source, q.file, f.sha256, f.known_at::DATE AS known_on, p.* "
    "FROM store.unit_proposal p JOIN store.quarantine q USING (file_id, line, part) "
    "JOIN store.source_file f USING (file_id) WHERE q.state = 'waiting'"
)


class ApprovalError(ValueError):
    """What was asked cannot be approved; says why and what would do."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks: which rows (a quarantine id, a file or a source), in which unit."""

    which: str
    unit: str = ""
    analyte: str = ""
    lab: str | None = None
    stated: str | None = None
    from_on: date | None = None
    to_on: date | None = None
    given_by: str = ""


def approve(home: Home, wish: Wish, clock: Clock) -> dict[str, Any]:
    """Note the decision; return what it concerns. It holds from the last completed night on.

    Raises:
        ApprovalError: no such row waits for a unit, or the unit is none of the analyte.
    """
    with published(home) as con:
        rows = _rows(con, wish)
    approval = _approval(rows[0], wish)
    ledger = Ledger(home.ledger)
    try:
        night = ledger.last_night() or clock().date()
        approval = Approval(**{**_facts(approval), "known_on": night})
        ledger.approve(approval, wish.given_by, clock())
    finally:
        ledger.close()
    return {"rows": len(rows), "given_by": wish.given_by, **_facts(approval)}


def as_text(done: Mapping[str, Any]) -> str:
    """The decision in two sentences."""
    count = f"{done['rows']} waiting row{'s are' if done['rows'] > 1 else ' is'}"
    return (
        f"{count} concerned: {done['analyte']} of {done['source']} is read in {done['unit']}.\n"
        "Run `undertow quarantine replay` to read what waits again."
    )


def _rows(con: duckdb.DuckDBPyConnection, wish: Wish) -> list[dict[str, Any]]:
    found = frame(
        con,
        f"{_WAITING} AND (q.quarantine_id = $1 OR q.file = $1 OR q.source = $1) "
        "AND ($2 = '' OR p.analyte = $2) ORDER BY file_id, line, part",
        [wish.which, wish.analyte],
    ).to_dicts()
    if not found:
        raise ApprovalError(
            "no row waits for a unit there: give a quarantine id, a file or a source, as "
            "`undertow quarantine show unit_is_stated` lists them"
        )
    analytes = sorted({row["analyte"] for row in found})
    if len(analytes) > 1:
        raise ApprovalError(f"several analytes wait there: add --analyte {'|'.join(analytes)}")
    return _alike(found, wish)


def _alike(found: list[dict[str, Any]], wish: Wish) -> list[dict[str, Any]]:
    """The rows that the wish is about, which state one unit: a decision is about a label, so that
    rows which state another are read as they state."""
    about = [row for row in found if _is_meant(row, wish)]
    labels = sorted({row["source_unit"] or "" for row in about})
    if len({row["source"] for row in about}) > 1:
        raise ApprovalError("files of several sources have that name: give the rows' ids")
    if len(labels) > 1:
        shown = ", ".join(repr(label) for label in labels)
        raise ApprovalError(f"the rows state several units: add --stated, one of {shown}")
    if not about:
        raise ApprovalError("no row that waits there is of that laboratory, label and night")
    return about


def _is_meant(row: Mapping[str, Any], wish: Wish) -> bool:
    return (
        (wish.lab is None or row["lab"] == wish.lab)
        and (wish.stated is None or (row["source_unit"] or "") == wish.stated)
        and (wish.from_on is None or row["known_on"] >= wish.from_on)
        and (wish.to_on is None or row["known_on"] <= wish.to_on)
    )


def _approval(row: Mapping[str, Any], wish: Wish) -> Approval:
    is_row, is_file = row["quarantine_id"] == wish.which, row["file"] == wish.which
    return Approval(
        source=row["source"],
        analyte=row["analyte"],
        unit=_unit(row, wish, is_row=is_row),
        known_on=row["known_on"],
        lab=None if is_row else wish.lab,
        stated=None if is_row else row["source_unit"] or "",
        sha256=row["sha256"] if is_row or is_file else None,
        line=row["line"] if is_row else None,
        part=row["part"] if is_row else None,
        from_on=None if is_row else wish.from_on,
        to_on=None if is_row else wish.to_on,
    )


def _unit(row: Mapping[str, Any], wish: Wish, *, is_row: bool) -> str:
    """The unit asked for as UCUM; for one row the proposed one where none is asked for."""
    if not wish.unit and is_row and row["proposed_unit"]:
        return str(row["proposed_unit"])
    unit = ALIASES.get(pl.select(folded(pl.lit(wish.unit))).item(), "")
    if unit not in of_units(row["analyte"], [unit]):
        known = ", ".join(sorted(of_units(row["analyte"], set(ALIASES.values()))))
        raise ApprovalError(f"--unit: {row['analyte']} is stated in one of {known}")
    return unit


def _facts(approval: Approval) -> dict[str, Any]:
    return {name: getattr(approval, name) for name in Approval.__slots__}
