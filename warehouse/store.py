"""The warehouse under construction: one DuckDB connection, one way to write, a running digest.

Every kept table is changed only by :func:`replace`, which also keeps the table's logical digest:
a sum of row hashes, so that a night pays for the rows it changes and not for those it keeps, and
so that order and file layout do not matter. ``undertow verify`` computes it again from nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import duckdb
import polars as pl

from transforms.catalog.fields import FIELDS
from transforms.catalog.tables import HISTORY, INCOMING, RECORD, TABLES, Table
from transforms.landing import REJECTS

UNDIGESTED = frozenset(
    {
        "run",
        "validation_result",
        "alert",
        "alert_event",
        "published_night",
        "dictionary",
        *RECORD,
    }
)
"""Tables that name runs, clock times or other nights; a replayed night has others."""


def connect(
    path: Path, scratch: Path, memory_limit: str = "", threads: int = 0
) -> duckdb.DuckDBPyConnection:
    """Open the file under construction, read-write, with a scratch database beside it.

    Args:
        path: the file; made if absent.
        scratch: a private directory for spilled and staged rows (DuckDB spills in clear text).
        memory_limit: DuckDB's, such as ``6GB``; empty for its default.
        threads: DuckDB's; 0 for its default.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": str(scratch / "spill"),
        "preserve_insertion_order": True,
    }
    if memory_limit:
        config["memory_limit"] = memory_limit
    if threads:
        config["threads"] = threads
    con = duckdb.connect(str(path), config=config)
    con.execute("SET TimeZone = 'UTC'")
    con.execute(f"ATTACH {quoted(scratch / 'staging.duckdb')} AS staging")
    return con


def quoted(text: object) -> str:
    """``text`` as an SQL string; ATTACH and COMMENT take no bound values."""
    return "'" + str(text).replace("'", "''") + "'"


def create(con: duckdb.DuckDBPyConnection) -> None:
    """Make the kept tables that do not exist yet, and the empty staging tables."""
    create_tables(con)
    stage(con)


def create_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Make the kept tables that do not exist yet."""
    con.begin()
    con.execute("CREATE SCHEMA IF NOT EXISTS store")
    for table in TABLES.values():
        columns = ", ".join(f'"{name}" {FIELDS[name].type}' for name in table.columns)
        con.execute(f"CREATE TABLE IF NOT EXISTS store.{table.name} ({columns})")
    con.execute(
        "CREATE TABLE IF NOT EXISTS store.digest (table_name VARCHAR PRIMARY KEY, n BIGINT, "
        "total HUGEINT)"
    )
    con.commit()


def stage(con: duckdb.DuckDBPyConnection) -> None:
    """Empty staging tables for arriving rows and for rejected ones."""
    con.begin()
    for name, extra in INCOMING.items():
        kept = [c for c in HISTORY[name].columns if not c.startswith("superseded")]
        types = {c: FIELDS[c].type for c in kept} | extra | {"source_row": "VARCHAR"}
        columns = ", ".join(f'"{column}" {kind}' for column, kind in types.items())
        con.execute(f"CREATE OR REPLACE TABLE staging.{name} ({columns})")
    con.execute(
        "CREATE OR REPLACE TABLE staging.rejected (file_id INTEGER, line BIGINT, part INTEGER, "
        "table_name VARCHAR, reasons VARCHAR[], warnings VARCHAR[], source_row VARCHAR)"
    )
    con.execute("CREATE OR REPLACE TABLE staging.touched (file_id INTEGER)")
    con.execute("CREATE OR REPLACE TABLE staging.displaced (patient_id VARCHAR)")
    con.execute(
        "CREATE OR REPLACE TABLE staging.file (file_id INTEGER, source VARCHAR, name VARCHAR, "
        "sha256 VARCHAR, known_at TIMESTAMP, reader VARCHAR, notes VARCHAR, rows_in BIGINT)"
    )
    con.execute(
        "CREATE OR REPLACE TABLE staging.duplicate (file_id INTEGER, line BIGINT, part INTEGER, "
        "table_name VARCHAR)"
    )
    con.commit()


def receive(
    con: duckdb.DuckDBPyConnection, table: str, rows: pl.LazyFrame, *, is_small: bool = False
) -> int:
    """Stream conformed rows into their staging table; return how many came.

    Rows pass in batches, so memory does not grow with the file. For a small file the streaming
    engine's own start costs more than the rows, so it is left out.
    """
    names = [row[0] for row in con.execute(f"DESCRIBE staging.{table}").fetchall()]
    known = rows.select(pl.col(name) for name in rows.collect_schema().names() if name in names)
    received = 0
    engine: Literal["in-memory", "streaming"] = "in-memory" if is_small else "streaming"
    for batch in known.collect_batches(chunk_size=250_000, maintain_order=True, engine=engine):
        con.register("batch", batch.to_arrow())
        con.execute(f"INSERT INTO staging.{table} BY NAME SELECT * FROM batch")
        con.unregister("batch")
        received += batch.height
    return received


def reject(con: duckdb.DuckDBPyConnection, file_id: int, rejects: pl.LazyFrame) -> int:
    """Put the rows a reader could not read among the rejected; return how many."""
    rows = rejects.cast(REJECTS).collect()  # type: ignore[arg-type]
    con.register("batch", rows.to_arrow())
    con.execute(
        "INSERT INTO staging.rejected "
        "SELECT ?, line, 0, 'file', [reason], []::VARCHAR[], source_row FROM batch",
        [file_id],
    )
    con.unregister("batch")
    return rows.height


def forget(con: duckdb.DuckDBPyConnection, file_id: int) -> None:
    """Take a half-read file's rows out of staging again."""
    for name in (*INCOMING, "rejected"):
        con.execute(f"DELETE FROM staging.{name} WHERE file_id = ?", [file_id])


def replace(con: duckdb.DuckDBPyConnection, table: Table, where: str, rows: str) -> int:
    """Replace the rows of ``table`` that satisfy ``where`` by the result of query ``rows``.

    The table's digest follows. Returns the number of rows inserted.
    """
    name, columns = f"store.{table.name}", ", ".join(f'"{c}"' for c in table.columns)
    typed = ", ".join(f'"{c}"::{FIELDS[c].type} AS "{c}"' for c in table.columns)
    con.execute(f"CREATE OR REPLACE TEMP TABLE coming AS SELECT {typed} FROM ({rows})")
    if table.name not in UNDIGESTED:
        _shift_digest(con, table, f"SELECT {columns} FROM {name} WHERE {where}")
    con.execute(f"DELETE FROM {name} WHERE {where}")
    inserted = con.execute(f"INSERT INTO {name} ({columns}) SELECT * FROM coming").fetchone()
    con.execute("DROP TABLE coming")
    return int(inserted[0]) if inserted else 0


def replace_frame(
    con: duckdb.DuckDBPyConnection, table: Table, where: str, rows: pl.DataFrame
) -> int:
    """:func:`replace` by a frame; its columns may come in any order."""
    con.register("frame", rows.to_arrow())
    count = replace(con, table, where, "SELECT * FROM frame")
    con.unregister("frame")
    return count


def append(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Iterable[str],
    rows: Sequence[Sequence[object]],
) -> None:
    """Insert rows of plain values by one statement; ``columns`` names them in their order."""
    if not rows:
        return
    names = ", ".join(f'"{name}"' for name in columns)
    places = ", ".join(f"unnest(${place + 1})" for place in range(len(rows[0])))
    values = [list(column) for column in zip(*rows, strict=True)]
    con.execute(f"INSERT INTO {relation} ({names}) SELECT {places}", values)


def digest(con: duckdb.DuckDBPyConnection, database: str = "") -> str:
    """The warehouse's logical digest: over its tables' running sums, by name; ``database``: of an
    attached file."""
    sums = table_digests(con, database).items()
    joined = ";".join(f"{name}:{n}:{total}" for name, (n, total) in sums)
    found = con.execute("SELECT md5(?)", [joined]).fetchone()
    return str(found[0]) if found else ""


def table_digests(con: duckdb.DuckDBPyConnection, database: str = "") -> dict[str, tuple[int, int]]:
    """Rows and sum of row hashes of every table that has rows, by name; ``database``: of an
    attached file."""
    at = f"{database}.store" if database else "store"
    rows = con.execute(
        f"SELECT table_name, n, total FROM {at}.digest WHERE n > 0 ORDER BY table_name"
    ).fetchall()
    return {str(name): (int(n), int(total)) for name, n, total in rows}


def wrong_digests(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables whose rows do not add up to their running digest."""
    kept = {
        name: (n, total)
        for name, n, total in con.execute(
            "SELECT table_name, n, total FROM store.digest"
        ).fetchall()
    }
    return [
        table.name
        for table in TABLES.values()
        if table.name not in UNDIGESTED
        and _sums(con, table, f"SELECT {_columns(table)} FROM store.{table.name}")
        != kept.get(table.name, (0, 0))
    ]


def _columns(table: Table) -> str:
    return ", ".join(f'"{column}"' for column in table.columns)


def _sums(con: duckdb.DuckDBPyConnection, table: Table, rows: str) -> tuple[int, int]:
    """Row count and sum of row hashes. DuckDB's own hash is ten times faster than MD5 of the row's
    text; it may differ between DuckDB versions, so the engine's version is part of a night's."""
    found = con.execute(
        f"SELECT count(*), coalesce(sum(hash({_columns(table)})::HUGEINT), 0) FROM ({rows})"
    ).fetchone()
    return (int(found[0]), int(found[1])) if found else (0, 0)


def _shift_digest(con: duckdb.DuckDBPyConnection, table: Table, leaving: str) -> None:
    gone, went = _sums(con, table, leaving)
    came, total = _sums(con, table, "SELECT * FROM coming")
    change = (came - gone, total - went)
    if change == (0, 0):
        return
    shift = "UPDATE store.digest SET n = n + ?, total = total + ? WHERE table_name = ?"
    shifted = con.execute(shift, [*change, table.name]).fetchone()
    if not shifted or not shifted[0]:
        con.execute("INSERT INTO store.digest VALUES (?, ?, ?)", [table.name, *change])


def frame(
    con: duckdb.DuckDBPyConnection, query: str, parameters: Iterable[object] = ()
) -> pl.DataFrame:
    """The result of ``query`` as a Polars frame."""
    return con.execute(query, list(parameters)).pl()
