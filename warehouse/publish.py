"""Publish: an immutable versioned file, verified, then one atomic symlink swap.

Readers that hold the old file keep it; new ones get the new. The published file is never opened
for writing, so a stale write-ahead log can never lie beside it.
"""

from __future__ import annotations

import os
import re
import shutil
from functools import cache
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from transforms.catalog.fields import FIELDS
from transforms.catalog.tables import TABLES
from warehouse.landed import sync_folder
from warehouse.store import append, create_tables, quoted, table_digests
from warehouse.store import digest as digest_of

LINK = "undertow.duckdb"


class NotWholeError(RuntimeError):
    """The built file does not hold what it should; the old one stays published."""


def current(folder: Path) -> Path | None:
    """The published version's file, None before the first publish."""
    link = folder / LINK
    return link.resolve() if link.exists() else None


def begin_build(start: Path | None, build: Path) -> None:
    """Lay the build's starting file: a copy of ``start``, or one without rows."""
    build.unlink(missing_ok=True)
    Path(f"{build}.wal").unlink(missing_ok=True)
    if start:
        shutil.copyfile(start, build)
    else:
        build.write_bytes(blank())
    build.chmod(0o600)


@cache
def blank() -> bytes:
    """A file with every table and view, commented, and no row.

    Made once per process: a thousand comments take longer than all that a small night computes.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "blank.duckdb"
        with duckdb.connect(str(path)) as con:
            create_tables(con)
            create_views(con)
        return path.read_bytes()


def view_names() -> tuple[str, ...]:
    """The analyst views, one file each under ``warehouse/views``, in the order to create them."""
    return _names("views")


def macro_names() -> tuple[str, ...]:
    """The analyst macros, one file each under ``warehouse/macros``."""
    return _names("macros")


def _names(kind: str) -> tuple[str, ...]:
    folder = resources.files("warehouse") / kind
    return tuple(
        sorted(Path(item.name).stem for item in folder.iterdir() if item.name.endswith(".sql"))
    )


def _text(kind: str, name: str) -> tuple[str, str]:
    """The SQL of a view or macro, and its header in one line."""
    sql = (resources.files("warehouse") / kind / f"{name}.sql").read_text(encoding="utf-8")
    lines = sql.splitlines()
    return sql, " ".join(line[2:].strip() for line in lines if line.startswith("--"))


_COLUMNS = (
    "SELECT table_name, column_name, data_type, column_index FROM duckdb_columns() "
    "WHERE schema_name = 'main' AND NOT internal AND database_name = current_database() "
    "ORDER BY table_name, column_index"
)
_TAKES = re.compile(r"Takes: ([a-z_, ]+?) Example:")
USE_FIRST = "USE an attached night before calling its macros (run {run_id})"
"""The name of a view that every macro reads. A macro that is called by the name of an attached
file looks for its tables in the file that is in use, and would answer from there without a word;
so it finds that this is missing, and the error says what to do."""


def create_views(con: duckdb.DuckDBPyConnection) -> None:
    """Create every view, and comment every table and column from the catalog."""
    con.execute("BEGIN")
    comments = []
    for name in view_names():
        sql, header = _text("views", name)
        con.execute(f'CREATE OR REPLACE VIEW main."{name}" AS\n{sql}')
        comments.append(f'COMMENT ON VIEW main."{name}" IS {quoted(header)}')
    columns = con.execute(_COLUMNS).fetchall()
    comments += [
        f'COMMENT ON COLUMN main."{view}"."{column}" IS {quoted(describe(column))}'
        for view, column, *_ in columns
    ]
    for table in TABLES.values():
        comments.append(f"COMMENT ON TABLE store.{table.name} IS {quoted(table.grain)}")
        comments += [
            f'COMMENT ON COLUMN store.{table.name}."{column}" IS {quoted(describe(column))}'
            for column in table.columns
        ]
    con.execute(";\n".join(comments))
    con.execute("DELETE FROM store.dictionary")
    _document(con, [(view, column, kind) for view, column, kind, _ in columns])
    con.execute("COMMIT")


def create_macros(con: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Create every macro anew for the file of ``run_id``, with its comment and columns."""
    views = "SELECT view_name FROM duckdb_views() WHERE schema_name = 'store'"
    for (old,) in con.execute(f"{views} AND database_name = current_database()").fetchall():
        con.execute(f'DROP VIEW store."{old}"')
    here = USE_FIRST.format(run_id=run_id)
    con.execute(f'CREATE VIEW store."{here}" AS SELECT true AS is_here')
    for name in macro_names():
        sql, header = _text("macros", name)
        takes = arguments(header)
        con.execute(
            f"CREATE OR REPLACE MACRO main.{name}({', '.join(takes)}) AS TABLE "
            f'SELECT answer.* FROM store."{here}", (\n{sql}) AS answer'
        )
        con.execute(f"COMMENT ON MACRO TABLE main.{name} IS {quoted(header)}")
        con.execute("DELETE FROM store.dictionary WHERE table_name = ?", [name])
        nothing = ", ".join(["NULL"] * len(takes))
        columns = con.execute(f"DESCRIBE FROM main.{name}({nothing})").fetchall()
        _document(con, [(name, column, kind) for column, kind, *_ in columns])


def arguments(header: str) -> tuple[str, ...]:
    """The names of a macro's arguments, by its header.

    >>> arguments("One row. Takes: known, observed Example: SELECT 1;")
    ('known', 'observed')
    """
    found = _TAKES.search(header)
    return tuple(name.strip() for name in found[1].split(",")) if found else ()


def _document(con: duckdb.DuckDBPyConnection, columns: list[tuple[str, str, str]]) -> None:
    """Put columns (table, name, type) into the dictionary, in their order."""
    rows = [
        (table, column, kind, FIELDS[column].unit, FIELDS[column].description)
        for table, column, kind in columns
    ]
    append(con, "store.dictionary", TABLES["dictionary"].columns, rows)


def describe(column: str) -> str:
    """A column's meaning with its unit in brackets at the end."""
    field = FIELDS[column]
    return f"{field.description} [{field.unit}]" if field.unit else field.description


def version_name(version: str) -> str:
    """The name of a published version's file."""
    return f"undertow-{version}.duckdb"


def night_of(version: Path) -> str:
    """The night of a published version, by its name: a run's number begins with its night."""
    return version.name.removeprefix("undertow-")[:10]


def publish(folder: Path, build: Path, version: str) -> Path:
    """Move a closed, verified build to its versioned name and swap the link to it."""
    if Path(f"{build}.wal").exists():
        raise NotWholeError("the build still has a write-ahead log; it was not closed")
    target = folder / version_name(version)
    with build.open("rb") as stream:
        os.fsync(stream.fileno())
    build.chmod(0o444)
    build.rename(target)
    swap(folder, target)
    sync_folder(folder)
    return target


def swap(folder: Path, target: Path) -> None:
    """Point the link to ``target``, in one step for every reader.

    A write-ahead log of somebody who opened a published version for writing is no part of it:
    beside the link it would lock every reader of the next version out.
    """
    for log in folder.glob("undertow*.duckdb.wal"):
        log.unlink()
    fresh = folder / f".{LINK}-{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target.name)
    fresh.rename(folder / LINK)


def verify(build: Path, digest: str) -> dict[str, int]:
    """Open a closed build as a reader would; return the rows of the kept tables that have some.

    A view is asked what it would answer, not for its rows: who asks for all of them at a million
    patients waits a minute, whatever came tonight.

    Raises:
        NotWholeError: a view cannot answer, or the digest is another.
    """
    with duckdb.connect(str(build), read_only=True) as con:
        if digest_of(con) != digest:
            raise NotWholeError("the built file's digest is not the night's")
        try:
            for name in view_names():
                con.execute(f'DESCRIBE FROM main."{name}"')
        except duckdb.Error as error:
            raise NotWholeError(f"a view cannot answer: {type(error).__name__}") from error
        return {name: n for name, (n, _) in table_digests(con).items()}


def versions(folder: Path) -> list[Path]:
    """The published versions that are kept, newest first."""
    found = folder.glob(version_name("*"))
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def logs_beside(version: Path) -> list[Path]:
    """Write-ahead logs of somebody who opened a published version for writing: beside it, or
    beside the link where that was the name it was opened by (DuckDB 1.4 does so)."""
    link = version.parent / LINK
    names = [version, link] if link.resolve() == version else [version]
    return [log for log in (Path(f"{name}.wal") for name in names) if log.exists()]


def prune(folder: Path, keep: int) -> int:
    """Unlink published versions older than the newest ``keep``; open ones live on for readers."""
    published = current(folder)
    old = [path for path in versions(folder)[keep:] if path != published] if keep else []
    for path in old:
        path.unlink()
    return len(old)
