"""The night in numbers, none of them a person's: what mails and the page say of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import polars as pl

from warehouse.store import frame

Row = dict[str, Any]
MOST_CODES = 10
"""New codes that a mail names; the view ``unknown_code`` has all."""
_MODEL = (
    "SELECT m.model_version, m.in_force_from, m.people, c.n, c.coverage_90_pct FROM store.model m "
    "LEFT JOIN store.prediction_check c ON c.analyte = 'insulin' AND c.grouped_by = 'all' "
    "ORDER BY m.in_force_from DESC LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Account:
    """What a mail says of the night: rows by place, patients by status, checks that failed."""

    night: str
    files: list[Row]
    statuses: dict[str, int]
    waiting: int
    oldest_waiting: str
    silent: list[str]
    feeds: list[str]
    warnings: int
    evaluated: int
    checked: Row
    model: Row

    @property
    def not_evaluated(self) -> int:
        """Patients that keep what was found before, since nothing of theirs came or changed."""
        return sum(self.statuses.values()) - self.evaluated

    @property
    def list_said(self) -> str:
        """Tonight's list against chance, and whether it is held back."""
        c = self.checked
        if c["is_held"]:
            return (
                f"The list of {c['n_listed']} marked people does not agree with chance: "
                f"{c['held_because']}. Unless `hold = false` stands under [model] in "
                "undertow.toml, nobody is told of new marks; `undertow model` shows more."
            )
        said = f"Marked with tier A or B: {c['n_listed']} of {c['n_evaluated']} evaluated"
        if not c["n_listed"]:
            return f"{said}."
        return (
            f"{said}; {c['false_claimed']:.0%} of them falsely by the model, "
            f"{c['false_shuffled']:.0%} by shuffled draws."
        )

    @property
    def model_said(self) -> str:
        """The newest model, and how the newest draws lay in their forecasts."""
        m = self.model
        whom = (
            "simulated people" if m["model_version"].startswith("simulated") else "of your people"
        )
        said = f"Trend model {m['model_version']}, from {m['people']:,} {whom}"
        if not m["n"]:
            return f"{said}."
        return (
            f"{said}; {m['coverage_90_pct']:.0f} % of {m['n']:,} newest insulin values lay in "
            "their 90 % forecast."
        )


def account_of(
    con: duckdb.DuckDBPyConnection,
    as_of: date,
    warnings: int,
    evaluated: int,
) -> Account:
    """The night in numbers.

    Args:
        con: the warehouse, published or not.
        as_of: the night.
        warnings: expectations that failed.
        evaluated: patients computed anew.
    """
    files = frame(
        con,
        "SELECT source, count(*) AS files, sum(rows_in) AS rows_in, "
        "sum(rows_accepted) AS accepted, sum(rows_quarantined) AS quarantined, "
        "sum(rows_duplicate) AS duplicate, sum(rows_superseded) AS superseded "
        "FROM store.source_file WHERE known_at = ? GROUP BY source ORDER BY source",
        [as_of.isoformat()],
    ).to_dicts()
    statuses = frame(
        con,
        "SELECT status, count(*) AS n FROM store.patient_status GROUP BY status ORDER BY status",
    )
    waiting = frame(
        con,
        "SELECT count(*) AS n, min(first_seen_on) AS oldest FROM store.quarantine "
        "WHERE state = 'waiting'",
    ).row(0)
    return Account(
        night=as_of.isoformat(),
        files=files,
        statuses=dict(statuses.iter_rows()),
        waiting=int(waiting[0]),
        oldest_waiting=str(waiting[1] or ""),
        silent=_silent(con, as_of),
        feeds=_feeds(con, as_of),
        warnings=warnings,
        evaluated=evaluated,
        checked=frame(con, "SELECT * FROM store.list_check").to_dicts()[0],
        model=frame(con, _MODEL).to_dicts()[0],
    )


def _silent(con: duckdb.DuckDBPyConnection, as_of: date) -> list[str]:
    """Sources that have sent before and sent nothing tonight, unless their rhythm explains it."""
    rows = frame(
        con,
        "SELECT source FROM store.source_file GROUP BY source HAVING max(known_at) < ? "
        "AND source NOT IN (SELECT source FROM store.feed_check GROUP BY source "
        "HAVING bool_and(p_silence IS NOT NULL AND alarm IS NULL)) ORDER BY 1",
        [as_of.isoformat()],
    )
    return [str(name) for name in rows["source"]]


def _feeds(con: duckdb.DuckDBPyConnection, as_of: date) -> list[str]:
    """What is wrong with feeds tonight, in sentences: held, silent, too few or too many rows."""
    held = frame(
        con,
        "SELECT source, lab, analyte, likely_unit, known_at::DATE AS night, "
        "sum(n_rows)::BIGINT AS n FROM store.feed "
        "WHERE likely_unit IS NOT NULL AND known_at = ? GROUP BY ALL ORDER BY ALL",
        [as_of.isoformat()],
    ).to_dicts()
    checks = frame(
        con, "SELECT * FROM store.feed_check WHERE alarm IS NOT NULL ORDER BY source, analyte"
    ).to_dicts()
    alarms = [_ALARMS[row["alarm"]].format(**row) for row in checks]
    return [*map(_held, held), *alarms, *_new_codes(con, as_of)]


def _new_codes(con: duckdb.DuckDBPyConnection, as_of: date) -> list[str]:
    """Codes that came for the first time tonight and are not mapped: told once, with counts."""
    rows = frame(
        con,
        "SELECT source, source_code, sum(n_rows)::BIGINT AS n FROM store.unknown_code "
        "GROUP BY ALL HAVING min(known_at) = ? ORDER BY source, n DESC, source_code",
        [as_of.isoformat()],
    )
    return [
        _said_new(str(source[0]), codes)
        for source, codes in rows.group_by("source", maintain_order=True)
    ]


def _said_new(source: str, codes: pl.DataFrame) -> str:
    few = codes.head(MOST_CODES).select("source_code", "n").iter_rows()
    named = ", ".join(f"{code[:40]} ({n})" for code, n in few)
    more = " ..." if codes.height > MOST_CODES else ""
    return (
        f"{source}: {codes.height} new codes, not mapped, with {codes['n'].sum()} rows that wait: "
        f"{named}{more}"
    )


def _held(row: Row) -> str:
    lab = f" ({row['lab']})" if row["lab"] else ""
    only = f' --lab "{row["lab"]}"' if row["lab"] else ""
    return (
        f"{row['source']}{lab}: {row['n']} rows of {row['analyte']} are held, since the values "
        f"jumped as if {row['likely_unit']} were sent under another label. Ask the laboratory; if "
        f"so: undertow quarantine approve {row['source']} --analyte {row['analyte']}{only} "
        f"--unit {row['likely_unit']} --from {row['night']}"
    )


_ALARMS = {
    "silent": "{source}: no {analyte} since {last_on}, which is not its rhythm",
    "few": "{source}: rows of {analyte} are few, {rows_tonight} and usually {rows_usual:.0f}",
    "many": "{source}: rows of {analyte} are many, {rows_tonight} and usually {rows_usual:.0f}",
}
