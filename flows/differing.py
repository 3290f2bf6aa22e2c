"""What differs between a night as it was and rebuilt: tables, rows, statuses, mails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from flows.mails_again import differing_mails, mails_said
from flows.night import Night
from warehouse.store import frame, table_digests

Tables = Mapping[str, tuple[int, int]]
Plain = dict[str, Any]
BEFORE = "before"
"""The database name of that night's published file, where it is attached."""


@dataclass(frozen=True, slots=True)
class Past:
    """A rebuilt night beside what is known of it as it was.

    ``night``: rebuilt, its connection open. ``run``: the ledger's row of the run. ``tables``: each
    table's rows and sum of hashes then; empty where that was not kept. ``is_kept``: whether that
    night's published file is attached as :data:`BEFORE`.
    """

    night: Night
    run: Mapping[str, Any]
    tables: Tables
    is_kept: bool


@dataclass(frozen=True, slots=True)
class Comparer:
    """One thing to compare: what it finds goes under ``name`` into the answer for machines;
    ``said`` makes lines for people of it."""

    name: str
    compare: Callable[[Past], Any]
    said: Callable[[Any], list[str]]


def differing_tables(past: Past) -> list[Plain] | None:
    """The tables whose rows are others: rows then and now, and of a kept file also how many are
    only there and only here. None where it is not known what was in them."""
    if not past.tables:
        return None
    now = table_digests(past.night.db)
    names = sorted(past.tables.keys() | now.keys())
    return [
        {
            "table": name,
            "rows_then": past.tables.get(name, (0, 0))[0],
            "rows_now": now.get(name, (0, 0))[0],
            **(_only(past.night.db, name) if past.is_kept else {}),
        }
        for name in names
        if past.tables.get(name, (0, 0)) != now.get(name, (0, 0))
    ]


def _only(con: duckdb.DuckDBPyConnection, table: str) -> Plain:
    """Rows only then and only now, by the columns that both have."""
    columns = [_columns(con, database, table) for database in (BEFORE, "current_database()")]
    both = ", ".join(f'"{name}"' for name in columns[1] if name in columns[0])
    if not both:
        return {}
    then, now = f"SELECT {both} FROM {BEFORE}.store.{table}", f"SELECT {both} FROM store.{table}"
    found = {
        "only_then": _count(con, f"{then} EXCEPT ALL {now}"),
        "only_now": _count(con, f"{now} EXCEPT ALL {then}"),
    }
    odd = sorted(set(columns[0]) ^ set(columns[1]))
    return found | ({"columns_changed": odd} if odd else {})


def _columns(con: duckdb.DuckDBPyConnection, database: str, table: str) -> list[str]:
    name = database if database.endswith("()") else f"'{database}'"
    rows = con.execute(
        "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'store' AND table_name = ? "
        f"AND database_name = {name} ORDER BY column_index",
        [table],
    ).fetchall()
    return [str(row[0]) for row in rows]


def _count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    found = con.execute(f"SELECT count(*) FROM ({query})").fetchone()
    return int(found[0]) if found else 0


def tables_said(found: list[Plain] | None) -> list[str]:
    """A line a table."""
    if found is None:
        return ["  which tables differ is not known: nothing of that night's tables was kept"]
    return [f"  {row['table']}: {_row_said(row)}" for row in found]


def _row_said(row: Plain) -> str:
    only = ""
    if "only_then" in row:
        only = f"; {row['only_then']} only then, {row['only_now']} only now"
    columns = row.get("columns_changed")
    odd = f"; columns of one only: {', '.join(columns)}" if columns else ""
    return f"{row['rows_then']} rows then, {row['rows_now']} now{only}{odd}"


def differing_statuses(past: Past) -> list[Plain] | None:
    """Patients whose status or tier is another one: for machines, since it names them. None where
    that night's file is not kept."""
    if not past.is_kept:
        return None
    return frame(
        past.night.db,
        "SELECT patient_id, b.status AS status_then, b.tier AS tier_then, n.status AS status_now, "
        f"n.tier AS tier_now FROM {BEFORE}.store.patient_status b FULL JOIN store.patient_status n "
        "USING (patient_id) WHERE b.status IS DISTINCT FROM n.status "
        "OR b.tier IS DISTINCT FROM n.tier ORDER BY patient_id",
    ).to_dicts()


def statuses_said(found: list[Plain] | None) -> list[str]:
    """How many patients went from which status to which; nobody by name."""
    counts = Counter(
        (_status(row["status_then"], row["tier_then"]), _status(row["status_now"], row["tier_now"]))
        for row in found or []
    )
    return [
        f"  {count} {'patient' if count == 1 else 'patients'}: {then} then, {now} now"
        for (then, now), count in sorted(counts.items())
    ]


def _status(status: str | None, tier: str | None) -> str:
    if status is None:
        return "not there"
    return status.replace("_", " ") + (f" {tier}" if tier else "")


COMPARERS: tuple[Comparer, ...] = (
    Comparer("tables", differing_tables, tables_said),
    Comparer("statuses", differing_statuses, statuses_said),
    Comparer("mails", lambda past: differing_mails(past.night, past.run["run_id"]), mails_said),
)
"""What a replay compares, in this order."""
