"""The analyst file: the night's file written afresh, with people by pseudonym, free text left out.

It is never a copy that is cleaned: freed pages would keep what was deleted. Every column passes by
:mod:`transforms.catalog.passages`, or nothing is published. Who is who stands in the crosswalk,
beside the care team's file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq

from transforms.catalog.passages import KINDS, PASSAGES, Passage, passage
from transforms.catalog.tables import DERIVED, TABLES, Table
from transforms.pseudonyms import DIGITS, NUMERIC, SAID, Pads, of_people, said
from warehouse.landed import sync_folder
from warehouse.publish import NotWholeError, create_macros, create_views, view_names
from warehouse.store import create_tables, frame, quoted

CROSSWALK = "crosswalk.parquet"
SUFFIX = "-pseudonymous"
"""Ends the name of an analyst file's version."""


class UndecidedColumnError(RuntimeError):
    """Nobody has decided whether a column may reach analysts."""


def undecided(tables: Mapping[str, Table] = TABLES) -> list[str]:
    """The columns of kept tables of which :data:`PASSAGES` says nothing, as ``table.column``."""
    return [
        f"{table.name}.{column}"
        for table in tables.values()
        for column in table.columns
        if passage(table.name, column) is None
    ]


def is_pseudonymous(version: Path) -> bool:
    """Whether a published file is an analyst file, by its name."""
    return version.stem.endswith(SUFFIX)


def write(
    con: duckdb.DuckDBPyConnection, care: Path, key: Pads, known: pl.DataFrame, run_id: str = ""
) -> pl.DataFrame:
    """Fill the empty database of ``con`` from the closed file ``care``, with views, macros and
    comments.

    Args:
        con: the analyst file under construction.
        care: the care team's file.
        key: of the pseudonyms.
        known: the crosswalk of earlier nights under the same key (``value``, ``said``).
        run_id: of the run that publishes it.

    Returns:
        The crosswalk as it is now.

    Raises:
        UndecidedColumnError: naming every column that is on no list.
        CollisionError: two people would have one pseudonym.
        NotWholeError: a row or a name got lost on the way, or a view does not answer.
    """
    if missing := undecided():
        raise UndecidedColumnError(
            "nothing was published: say in transforms/catalog/passages.py how analysts get "
            + ", ".join(missing)
        )
    con.execute(f"ATTACH {quoted(care)} AS care (READ_ONLY)")
    create_tables(con)
    people = of_people(key, _people(con), known)
    _keep_said(con, "person", people)
    for kind, how in _texts().items():
        _keep_said(con, kind, said(key, how, _shared(con, kind)))
    for table in TABLES.values():
        con.execute(*_copy(table, key))
        _check_counts(con, table)
    for kind in ("person", *_texts()):
        con.execute(f"DROP TABLE temp.said_{kind}")
    con.execute(
        "UPDATE store.published_night SET published_file = "
        f"replace(published_file, '.duckdb', '{SUFFIX}.duckdb')"
    )
    create_views(con)
    create_macros(con, run_id)
    con.execute("DETACH care")
    _check_views(con)
    return people


def crosswalk(folder: Path, key: Pads) -> pl.DataFrame:
    """Who is who by this key: ``value``, ``said``; empty where another key was used, or none."""
    path = folder / CROSSWALK
    if not is_of_key(folder, key):
        return pl.DataFrame(schema=SAID)
    return pl.read_parquet(path, columns=list(SAID))


def is_of_key(folder: Path, key: Pads) -> bool:
    """Whether the crosswalk of the folder was made under this key."""
    path = folder / CROSSWALK
    if not path.exists():
        return False
    return (pq.read_metadata(path).metadata or {}).get(b"key") == key.mark.encode()


def keep_crosswalk(folder: Path, people: pl.DataFrame, key: Pads) -> None:
    """Write the crosswalk, whole or not at all, for its owner alone."""
    path = folder / CROSSWALK
    partial = folder / f".{CROSSWALK}.part"
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    table = people.to_arrow().replace_schema_metadata({"key": key.mark})
    with os.fdopen(handle, "wb") as stream:
        os.fchmod(stream.fileno(), 0o600)
        pq.write_table(table, stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
    sync_folder(folder)


def _texts() -> dict[str, Passage]:
    """The kinds whose few distinct texts are decided once: kind -> how it passes."""
    ways = ("pseudonym", "shared")
    return {how.kind: how for how in PASSAGES.values() if how.way in ways}


def _columns_of(kind: str) -> Iterable[tuple[str, str, bool]]:
    """Table, column and whether the table names a patient, of every column of a kind."""
    for table in TABLES.values():
        for column in table.columns:
            how = passage(table.name, column)
            if how and how.kind == kind:
                yield table.name, column, "patient_id" in table.columns


def _people(con: duckdb.DuckDBPyConnection) -> pl.Series:
    parts = [
        f'SELECT DISTINCT "{column}" AS value FROM care.store."{table}"'
        for table, column, _ in _columns_of("person")
    ]
    return frame(con, " UNION ".join(parts))["value"]


def _shared(con: duckdb.DuckDBPyConnection, kind: str) -> pl.DataFrame:
    """Every text of a kind and how many people have it; rows that name nobody count for none."""
    parts = [
        f'SELECT DISTINCT "{column}" AS value, {"patient_id" if is_personal else "NULL"} AS person '
        f'FROM care.store."{table}" WHERE "{column}" IS NOT NULL'
        for table, column, is_personal in _columns_of(kind)
    ]
    rows = " UNION ALL ".join(parts)
    return frame(
        con, f"SELECT value, count(DISTINCT person) AS people FROM ({rows}) GROUP BY value"
    )


def _keep_said(con: duckdb.DuckDBPyConnection, kind: str, texts: pl.DataFrame) -> None:
    con.register("texts", texts.to_arrow())
    con.execute(f"CREATE TEMP TABLE said_{kind} AS SELECT value, said FROM texts")
    con.unregister("texts")


def _copy(table: Table, key: Pads) -> tuple[str, dict[str, bytes]]:
    """The statement that copies a table, and what it binds.

    Tables that keep no line are put in the order of pseudonyms: the order of names would tell.
    """
    told, joins, bound = [], [], {}
    for column in table.columns:
        how = passage(table.name, column) or Passage("withheld")
        told.append(f'{_told(column, how)} AS "{column}"')
        if how.way in ("person", "pseudonym", "shared"):
            joins.append(
                f'LEFT JOIN temp.said_{how.kind} "of {column}" '
                f'ON s."{column}" = "of {column}".value'
            )
        elif how.way == "each":
            bound = {"inner": key.inner, "outer": key.outer}
    is_sorted = table.name in DERIVED and "patient_id" in table.columns
    order = ' ORDER BY "of patient_id".said' if is_sorted else ""
    return (
        f'INSERT INTO store."{table.name}" SELECT {", ".join(told)} '
        f'FROM care.store."{table.name}" s {" ".join(joins)}{order}',
        bound,
    )


def _told(column: str, how: Passage) -> str:
    plain = f's."{column}"'
    if how.way == "each":
        message = f"encode('{how.kind}:' || {plain})"
        inside = f"unhex(sha256($inner::BLOB || {message}))"
        letter = KINDS[how.kind].letter
        return f"'{letter}' || left(sha256($outer::BLOB || {inside}), {DIGITS})"
    return {
        "open": plain,
        "number": f"CASE WHEN s.value IS NOT NULL AND regexp_matches({plain}, {quoted(NUMERIC)}) "
        f"THEN {plain} END",
        "first_word": f"list_transform({plain}, lambda entry: split_part(entry, ':', 1))",
        "withheld": "NULL",
    }.get(how.way, f'"of {column}".said')


def _check_counts(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Every row came, and every name got another."""
    ways = ("person", "each", "pseudonym")
    named = [c for c in table.columns if (how := passage(table.name, c)) and how.way in ways]
    counts = ", ".join(["count(*)", *(f'count("{column}")' for column in named)])
    before = con.execute(f'SELECT {counts} FROM care.store."{table.name}"').fetchone()
    if before != con.execute(f'SELECT {counts} FROM store."{table.name}"').fetchone():
        raise NotWholeError(f"the analyst file lacks rows or names of {table.name}")


def _check_views(con: duckdb.DuckDBPyConnection) -> None:
    for name in view_names():
        try:
            con.execute(f'EXPLAIN SELECT * FROM main."{name}"')
        except duckdb.Error as error:
            raise NotWholeError(f"a view does not answer: {type(error).__name__}") from error
