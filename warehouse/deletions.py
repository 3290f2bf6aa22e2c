"""Deletions that name only a record: which standing rows they take back.

A Bulk Data ``deleted`` file says ``DELETE Observation/123`` and no more: no patient, no code. Such
a row is set apart before the gate and, after it, becomes a withdrawal of every key that a row of
that number had among the rows that landed before it; a number that no row had is set aside. Only
accepted rows are looked at, so that a rebuild takes back what the nights did.
"""

from __future__ import annotations

import duckdb

from transforms.catalog.tables import HISTORY, History
from transforms.catalog.words import WITHDRAWALS

NUMBER = {
    "observation": ("result_id", "source_code IS NULL"),
    "medication": ("record_id", "code IS NULL AND name IS NULL"),
    "condition": ("record_id", "code IS NULL AND name IS NULL"),
}
"""Table -> the source's number of a record, and what a row lacks that names only that."""


def set_apart(con: duckdb.DuckDBPyConnection) -> None:
    """Move the rows that name only a record out of staging, before the gate sees them."""
    for table, (number, is_bare) in NUMBER.items():
        which = f"coalesce(is_withdrawal, false) AND {is_bare} AND {number} IS NOT NULL"
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE deletion_{table} AS "
            f"SELECT * FROM staging.{table} WHERE {which}"
        )
        con.execute(f"DELETE FROM staging.{table} WHERE {which}")


def carry_out(con: duckdb.DuckDBPyConnection) -> int:
    """Stage a withdrawal for every key that was deleted; return how many. What deletes nothing
    that is known is set aside among the rejected."""
    return sum(_carry_out(con, HISTORY[table]) for table in NUMBER)


def _carry_out(con: duckdb.DuckDBPyConnection, table: History) -> int:
    number, is_bare = NUMBER[table.name]
    found = con.execute(f"SELECT count(*) FROM deletion_{table.name}").fetchone()
    if not found or not found[0]:
        return 0
    _find(con, table, number, is_bare)
    kept = [c for c in table.columns if not c.startswith("superseded")]
    things = ", ".join(["patient_id", number, *_thing(table)])
    own = {
        "file_id": "d_file_id",
        "line": "d_line",
        "part": f"row_number() OVER (PARTITION BY d_file_id, d_line ORDER BY {things}) - 1",
        "known_at": "d_known_at",
        "status": "d_status",
        "reported_at": "coalesce(d_reported_at, reported_at)",
    }
    columns = ", ".join(f'{own.get(c, chr(34) + c + chr(34))} AS "{c}"' for c in kept)
    con.execute(
        f"INSERT INTO staging.{table.name} BY NAME SELECT {columns}, true AS is_withdrawal FROM hit"
    )
    con.execute(
        "INSERT INTO staging.rejected BY NAME SELECT file_id, line, part, "
        f"'{table.name}' AS table_name, ['deletion_of_nothing'] AS reasons, "
        f"[]::VARCHAR[] AS warnings, source_row FROM deletion_{table.name} d "
        "WHERE NOT EXISTS (FROM hit WHERE d_file_id = d.file_id AND d_line = d.line)"
    )
    hits = con.execute("SELECT count(*) FROM hit").fetchone()
    return int(hits[0]) if hits else 0


def _thing(table: History) -> list[str]:
    """What beside its number tells a row of a deleted record from the others."""
    return ["analyte", "timing"] if "analyte" in table.columns else []


def _find(con: duckdb.DuckDBPyConnection, table: History, number: str, is_bare: str) -> None:
    """Make ``hit``: the newest row of every key with a deleted number, beside its deletion.

    The components of a result are numbered ``123#8480-6``.
    """
    kept = ", ".join(f'"{c}"' for c in table.columns if not c.startswith("superseded"))
    withdrawn = ", ".join(repr(word) for word in sorted(WITHDRAWALS))
    things = ", ".join(f"k.{column}" for column in ["patient_id", number, *_thing(table)])
    stem = f"split_part({number}, '#', 1)"
    known = " UNION ALL ".join(
        f"SELECT {kept} FROM {place}.{table.name} WHERE {stem} IN "
        f"(SELECT {number} FROM deletion_{table.name}) AND NOT ({is_bare}) "
        f"AND status NOT IN ({withdrawn})"
        for place in ("staging", "store")
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE hit AS SELECT k.*, d.file_id AS d_file_id, "
        "d.line AS d_line, d.known_at AS d_known_at, d.status AS d_status, "
        "d.reported_at AS d_reported_at "
        f"FROM ({known}) k JOIN deletion_{table.name} d ON k.source = d.source "
        f"AND split_part(k.{number}, '#', 1) = d.{number} "
        "AND (d.patient_id IS NULL OR d.patient_id = k.patient_id) "
        "AND (k.file_id, k.line) < (d.file_id, d.line) "
        "QUALIFY row_number() OVER "
        f"(PARTITION BY d.file_id, d.line, {things} "
        "ORDER BY k.reported_at DESC NULLS LAST, k.file_id DESC, k.line DESC, k.part DESC) = 1"
    )
