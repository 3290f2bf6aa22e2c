"""The record of nights: what each published, kept beside what the newest one shows.

Status and cohorts are kept as versions (known from one night, to another), so that a night costs
the rows that changed; checks and counts are kept per night. A night that is run again replaces its
own record. Nothing here follows from files, so that a rebuild takes it over from an older file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from transforms.catalog.tables import DERIVED, NIGHT, RECORD, Table
from warehouse.store import append, quoted, replace

Kept = tuple[str, str, str | None, str, str]
"""A published file: run, night, time of publishing (UTC), name, digest."""
TAKEN_OVER = ("validation_result", *RECORD)
"""Tables of past nights that no landed file tells of."""


@dataclass(frozen=True, slots=True)
class Versions:
    """A table of versions: the kept one, tonight's, its key, and what makes another version."""

    name: str
    tonight: str
    key: str
    content: str


_VERSIONS = (
    Versions("status_version", "patient_status", "patient_id", "status, tier, rule_version"),
    Versions(
        "cohort_version", "cohort", "cohort, patient_id, entered_on", "left_on, definition_version"
    ),
)
"""The reason of a status has numbers that change with the night, and makes no version."""
_CHECKS = {name: DERIVED[name.removesuffix("_night")] for name in RECORD if "check" in name}
_SOURCES = """
    WITH newest AS (
        SELECT source, max(observed_on) AS newest_on FROM (
            SELECT source, observed_on FROM store.observation WHERE known_at >= {since}
            UNION ALL SELECT source, observed_on FROM store.sample WHERE known_at >= {since}
            UNION ALL SELECT source, newest_on FROM store.source_night WHERE night < {night})
        GROUP BY source)
    SELECT {night} AS night, source, count(*) FILTER (known_at = {night}) AS files,
        max(known_at)::DATE AS last_known_on, any_value(newest_on) AS newest_on, {counts}
    FROM store.source_file LEFT JOIN newest USING (source) GROUP BY source
"""
_PLACES = ("in", "accepted", "quarantined", "duplicate", "superseded")
_WAITING = """
    SELECT {night} AS night, source, split_part(reason, ':', 1) AS reason, count(*) AS waiting,
        min(first_seen_on) AS oldest_waiting_on
    FROM (SELECT source, first_seen_on, unnest(reasons) AS reason FROM store.quarantine
        WHERE state = 'waiting') GROUP BY ALL
"""


def record(con: duckdb.DuckDBPyConnection, night: date) -> dict[str, int]:
    """Keep what ``night`` publishes; return the rows written per table."""
    on = f"DATE '{night}'"
    counts = {versions.name: _keep_versions(con, versions, on) for versions in _VERSIONS}
    return counts | {
        "source_night": _keep(con, "source_night", on, _sources(con, on)),
        "waiting_night": _keep(con, "waiting_night", on, _WAITING.format(night=on)),
        **{
            name: _keep(con, name, on, f"SELECT {on} AS night, * FROM store.{table.name}")
            for name, table in _CHECKS.items()
        },
    }


def _keep(con: duckdb.DuckDBPyConnection, name: str, on: str, rows: str) -> int:
    columns = ", ".join(RECORD[name].columns)
    return replace(con, RECORD[name], f"night = {on}", f"SELECT {columns} FROM ({rows})")


def _sources(con: duckdb.DuckDBPyConnection, on: str) -> str:
    """Counts of what came tonight. Only rows that came since the last recorded night are read."""
    last = con.execute(f"SELECT max(night) FROM store.source_night WHERE night < {on}").fetchone()
    since = f"DATE '{last[0]}'" if last and last[0] else "DATE '0001-01-01'"
    counts = ", ".join(
        f"coalesce(sum(rows_{place}) FILTER (known_at = {on}), 0)::BIGINT AS rows_{place}"
        for place in _PLACES
    )
    return _SOURCES.format(night=on, since=since, counts=counts)


def _keep_versions(con: duckdb.DuckDBPyConnection, versions: Versions, on: str) -> int:
    """End the versions that tonight does not say again, begin those that are new; how many."""
    table, tonight, by = f"store.{versions.name}", f"store.{versions.tonight}", versions.key
    con.execute(f"DELETE FROM {table} WHERE known_from >= {on}")
    con.execute(f"UPDATE {table} SET known_to = NULL WHERE known_to >= {on}")
    said = f"SELECT {by}, hash({versions.content}) AS content FROM"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE moved AS SELECT {by} FROM "
        f"({said} {table} WHERE known_to IS NULL) v FULL JOIN ({said} {tonight}) t "
        f"USING ({by}) WHERE v.content IS DISTINCT FROM t.content"
    )
    is_moved = f"({by}) IN (SELECT ({by}) FROM moved)"
    kept = RECORD[versions.name].columns
    names = ", ".join(column for column in kept if not column.startswith("known_"))
    changes = (
        f"UPDATE {table} SET known_to = {on} WHERE known_to IS NULL AND {is_moved}",
        f"INSERT INTO {table} ({names}, known_from) SELECT {names}, {on} "
        f"FROM {tonight} WHERE {is_moved}",
    )
    rows = sum(_changed(con, change) for change in changes)
    con.execute("DROP TABLE moved")
    return rows


def _changed(con: duckdb.DuckDBPyConnection, statement: str) -> int:
    """Run a statement; how many rows it changed."""
    done = con.execute(statement).fetchone()
    return int(done[0]) if done else 0


def take_over(con: duckdb.DuckDBPyConnection, before: Path) -> int:
    """Bring the record of past nights from an older file into an empty one; return its rows.

    Columns that only one of the two files has are passed over, and so are tables.
    """
    con.execute(f"ATTACH {quoted(before)} AS before (READ_ONLY)")
    rows = sum(_take_over(con, ({**NIGHT, **RECORD})[name]) for name in TAKEN_OVER)
    con.execute("DETACH before")
    return rows


def _take_over(con: duckdb.DuckDBPyConnection, table: Table) -> int:
    there = con.execute(
        "SELECT column_name FROM duckdb_columns() WHERE database_name = 'before' "
        "AND schema_name = 'store' AND table_name = ?",
        [table.name],
    ).fetchall()
    names = ", ".join(f'"{name}"' for (name,) in there if name in table.columns)
    if not names:
        return 0
    return _changed(
        con,
        f"INSERT INTO store.{table.name} ({names}) SELECT {names} FROM before.store.{table.name}",
    )


def keep_published(con: duckdb.DuckDBPyConnection, files: Iterable[Kept]) -> None:
    """Replace the list of published files that are kept."""
    con.execute("DELETE FROM store.published_night")
    append(con, "store.published_night", NIGHT["published_night"].columns, list(files))
