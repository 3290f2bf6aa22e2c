"""Read the published warehouse: connect as an analyst does, and a few lists for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from flows.home import Home
from warehouse.pseudonyms import is_pseudonymous
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


def published_file(home: Home, *, for_analysts: bool = False) -> Path | None:
    """The newest published file for whom it is; None before the first publish.

    The care team's names people. Where pseudonyms are in force it lies in ``care/``, and analysts
    have another one in ``warehouse/``; else one file in ``warehouse/`` is for both.
    """
    if for_analysts:
        return current(home.warehouse)
    found = (current(home.care), current(home.warehouse))
    return next((path for path in found if path and not is_pseudonymous(path)), None)


def naming(home: Home) -> list[Path]:
    """The kept published files that name people, newest first."""
    found = [*versions(home.care), *versions(home.warehouse)]
    kept = [path for path in found if not is_pseudonymous(path)]
    return sorted(kept, key=lambda path: path.stat().st_mtime_ns, reverse=True)


@contextmanager
def published(
    home: Home,
    night: date | None = None,
    memory_limit: str = "",
    spill_limit: str = "",
    *,
    for_analysts: bool = False,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to the newest published file (:func:`published_file`), or to that of a
    past night, shut off from other files (:func:`warehouse.reading.connect`).

    Raises:
        NothingPublishedError: nothing is published.
        NotKeptError: the file of that night is gone, or there never was one.
    """
    newest = published_file(home, for_analysts=for_analysts)
    path = _file_of(home, night, for_analysts=for_analysts) if night else newest
    if path is None:
        raise NothingPublishedError(
            f"nothing is published in {home.root}: run `undertow run` first"
        )
    with connect(path, memory_limit=memory_limit, spill_limit=spill_limit) as con:
        yield con


def kept_file(home: Home, name: str) -> Path | None:
    """The published file of that name, with patients as sources name them, if it is still kept."""
    places = (home.care / name, home.warehouse / name)
    return next((path for path in places if name and path.is_file()), None)


def _file_of(home: Home, night: date, *, for_analysts: bool) -> Path:
    """The newest kept file of a night."""
    kept = versions(home.warehouse) if for_analysts else naming(home)
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
