"""Read the published warehouse: connect as an analyst does, and a few lists for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from flows.home import Home
from warehouse.publish import current, night_of, versions
from warehouse.reading import connect
from warehouse.store import frame

Rows = list[dict[str, Any]]


class NothingPublishedError(LookupError):
    """No night has been published yet."""


class UnknownAlertError(LookupError):
    """No alert has that number."""


class NotKeptError(LookupError):
    """No file of that night is kept."""


@contextmanager
def published(
    home: Home, night: date | None = None, memory_limit: str = "", spill_limit: str = ""
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to the newest published file, or to that of a past night, shut off
    from other files (:func:`warehouse.reading.connect`).

    Raises:
        NothingPublishedError: nothing is published.
        NotKeptError: the file of that night is gone, or there never was one.
    """
    path = _file_of(home, night) if night else current(home.warehouse)
    if path is None:
        raise NothingPublishedError(
            f"nothing is published in {home.root}: run `undertow run` first"
        )
    with connect(path, memory_limit=memory_limit, spill_limit=spill_limit) as con:
        yield con


def _file_of(home: Home, night: date) -> Path:
    """The newest kept file of a night."""
    kept = versions(home.warehouse)
    for path in kept:
        if night_of(path) == night.isoformat():
            return path
    nights = sorted({night_of(path) for path in kept})
    said = f"kept are {', '.join(nights)}" if nights else "none is"
    raise NotKeptError(
        f"no file of the night of {night} is kept; {said}. The newest file still tells what it "
        f"published: FROM status_as_of(DATE '{night}')"
    )


def quarantined(con: duckdb.DuckDBPyConnection, *, everything: bool) -> tuple[Rows, str]:
    """What waits, by source and reason."""
    rows = frame(
        con,
        "SELECT source, reason, count(*) AS rows, count(DISTINCT file) AS files, "
        "min(first_seen_on) AS since, any_value(what_to_do) AS what_to_do, state FROM "
        "(SELECT *, unnest(reasons) AS reason FROM quarantine) WHERE state = 'waiting' OR ? "
        "GROUP BY source, reason, state ORDER BY rows DESC, source, reason",
        [everything],
    ).to_dicts()
    lines = [
        f"{row['rows']:>8}  {row['source']}: {row['reason']} (since {row['since']}, "
        f"{row['files']} files{', set aside' if row['state'] == 'set_aside' else ''})\n"
        f"          {row['what_to_do']}"
        for row in rows
    ]
    return rows, "\n".join(lines) or "Nothing waits in quarantine."


def quarantined_rows(con: duckdb.DuckDBPyConnection, which: str, limit: int) -> tuple[Rows, str]:
    """Waiting rows by quarantine id, file or reason, as they came."""
    rows = frame(
        con,
        "SELECT quarantine_id, source, file, line, table_name, reasons, row, state, what_to_do, "
        "proposed_unit, odds, odds_basis "
        "FROM quarantine WHERE quarantine_id = $1 OR file = $1 OR list_contains(reasons, $1) "
        "ORDER BY source, file, line LIMIT $2",
        [which, limit],
    ).to_dicts()
    lines = [
        f"{row['quarantine_id']}  {row['source']}/{row['file']} line {row['line']}: "
        f"{', '.join(row['reasons'])}\n  {row['row']}\n  {row['what_to_do']}{_proposal(row)}"
        for row in rows
    ]
    return rows, "\n".join(lines) or "No such row waits."


def _proposal(row: Mapping[str, Any]) -> str:
    if row["proposed_unit"] is None:
        return ""
    odds = f"{row['odds']:,.0f} to 1" if row["odds"] >= 1.5 else "no better than even"
    return (
        f"\n  Likely {row['proposed_unit']}, odds {odds} ({row['odds_basis']}). To read it so: "
        f"undertow quarantine approve {row['quarantine_id']}"
    )


def alert_rows(con: duckdb.DuckDBPyConnection) -> tuple[Rows, str]:
    """Alerts without patients: number, rule, tier, opened, state."""
    rows = frame(
        con, "SELECT alert_id, rule, tier, opened_on, state FROM alert ORDER BY opened_on, alert_id"
    ).to_dicts()
    lines = [
        f"{row['alert_id']}  {row['rule'].replace('_', ' '):<18} "
        f"{'tier ' + row['tier'] if row['tier'] else '':<7} since {row['opened_on']}  "
        f"{row['state']}"
        for row in rows
    ]
    return rows, "\n".join(lines) or "No alert is open."


def patient_of(con: duckdb.DuckDBPyConnection, number: str) -> str:
    """The patient of an alert.

    Raises:
        UnknownAlertError: no such number.
    """
    found = con.execute("SELECT patient_id FROM alert WHERE alert_id = ?", [number]).fetchone()
    if found is None:
        raise UnknownAlertError("no alert has that number")
    return str(found[0])
