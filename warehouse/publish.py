"""Publish: an immutable versioned file, verified, then one atomic symlink swap.

Readers that hold the old file keep it; new ones get the new. The published file is never opened
for writing, so a stale write-ahead log can never lie beside it.
"""

from __future__ import annotations

import os
import shutil
from importlib import resources
from pathlib import Path

import duckdb

from transforms.catalog.fields import FIELDS
from transforms.catalog.tables import TABLES
from warehouse.landed import sync_folder
from warehouse.store import digest as digest_of
from warehouse.store import quoted

LINK = "undertow.duckdb"


class NotWholeError(RuntimeError):
    """The built file does not hold what it should; the old one stays published."""


def current(folder: Path) -> Path | None:
    """The published version's file, None before the first publish."""
    link = folder / LINK
    return link.resolve() if link.exists() else None


def begin_build(start: Path | None, build: Path) -> None:
    """Lay the build's starting file: a copy of ``start``, or nothing."""
    build.unlink(missing_ok=True)
    Path(f"{build}.wal").unlink(missing_ok=True)
    if start:
        shutil.copyfile(start, build)
        build.chmod(0o600)


def view_names() -> tuple[str, ...]:
    """The analyst views, one file each under ``warehouse/views``, in the order to create them."""
    folder = resources.files("warehouse") / "views"
    return tuple(
        sorted(Path(item.name).stem for item in folder.iterdir() if item.name.endswith(".sql"))
    )


_COLUMNS = (
    "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'main' "
    "AND NOT internal AND database_name = current_database() ORDER BY table_name, column_index"
)


def create_views(con: duckdb.DuckDBPyConnection) -> None:
    """Create every view, and comment every table and column from the catalog."""
    con.execute("BEGIN")
    folder, comments = resources.files("warehouse") / "views", []
    for name in view_names():
        sql = (folder / f"{name}.sql").read_text(encoding="utf-8")
        con.execute(f'CREATE OR REPLACE VIEW main."{name}" AS\n{sql}')
        header = " ".join(line[2:].strip() for line in sql.splitlines() if line.startswith("--"))
        comments.append(f'COMMENT ON VIEW main."{name}" IS {quoted(header)}')
    comments += [
        f'COMMENT ON COLUMN main."{view}"."{column}" IS {quoted(describe(column))}'
        for view, column in con.execute(_COLUMNS).fetchall()
    ]
    for table in TABLES.values():
        comments.append(f"COMMENT ON TABLE store.{table.name} IS {quoted(table.grain)}")
        comments += [
            f'COMMENT ON COLUMN store.{table.name}."{column}" IS {quoted(describe(column))}'
            for column in table.columns
        ]
    con.execute(";\n".join([*comments, "COMMIT"]))


def describe(column: str) -> str:
    """A column's meaning with its unit in brackets at the end."""
    field = FIELDS[column]
    return f"{field.description} [{field.unit}]" if field.unit else field.description


def version_name(version: str) -> str:
    """The name of a published version's file."""
    return f"undertow-{version}.duckdb"


def publish(folder: Path, build: Path, version: str) -> Path:
    """Move a closed, verified build to its versioned name and swap the link to it."""
    if Path(f"{build}.wal").exists():
        raise NotWholeError("the build still has a write-ahead log; it was not closed")
    target = folder / version_name(version)
    with build.open("rb") as stream:
        os.fsync(stream.fileno())
    build.chmod(0o444)
    build.rename(target)
    fresh = folder / f".{LINK}-{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target.name)
    fresh.rename(folder / LINK)
    sync_folder(folder)
    return target


def verify(build: Path, digest: str) -> dict[str, int]:
    """Open a closed build as a reader would; return the rows of every view.

    Raises:
        NotWholeError: a view does not answer, or the digest is another.
    """
    with duckdb.connect(str(build), read_only=True) as con:
        if digest_of(con) != digest:
            raise NotWholeError("the built file's digest is not the night's")
        try:
            return {name: _count(con, name) for name in view_names()}
        except duckdb.Error as error:
            raise NotWholeError(f"a view does not answer: {type(error).__name__}") from error


def prune(folder: Path, keep: int) -> int:
    """Unlink published versions older than the newest ``keep``; open ones live on for readers."""
    versions = sorted(folder.glob("undertow-*.duckdb"), key=lambda path: path.stat().st_mtime_ns)
    published = current(folder)
    old = [path for path in versions[:-keep] if path != published] if keep else []
    for path in old:
        path.unlink()
    return len(old)


def _count(con: duckdb.DuckDBPyConnection, view: str) -> int:
    found = con.execute(f'SELECT count(*) FROM main."{view}"').fetchone()
    return int(found[0]) if found else 0
