"""Merge: which version of each thing stands, whatever order the files came in.

All rows of one natural key are versions of one thing. A row that says again what its neighbour
said is a duplicate and no version; rows that state when they were reported and rows that do not
are neighbours only among themselves. The versions are ordered by

1. preliminary before anything final,
2. withdrawn rows and withdrawals before all others,
3. when the source reported them (else the night we learned of them),
4. on a tie: final, corrected, cancelled, withdrawal,
5. the later file, the later line,

and the last stands. A withdrawal (deleted, wrong patient, entered in error) takes back what was
reported of *that patient* under the key up to then, so a result moved to the right patient under
its old number survives, whichever of the two was reported first. ``superseded_at`` of every
version follows from the set of versions alone, hence arrival order, batches and rebuilds do not
matter.
"""

from __future__ import annotations

import duckdb

from transforms.catalog.tables import HISTORY, History
from transforms.catalog.words import WITHDRAWALS
from warehouse.store import replace

_WITHDRAWN = f"status IN ({', '.join(repr(word) for word in sorted(WITHDRAWALS))})"


def merge(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Merge every staged table into its history; return versions written per table."""
    return {name: _merge(con, table) for name, table in HISTORY.items()}


def _merge(con: duckdb.DuckDBPyConnection, table: History) -> int:
    if not _has_rows(con, f"staging.{table.name}"):
        return 0
    con.begin()  # the row ids of one transaction: between two, a checkpoint may change them
    _gather(con, table)
    by = ", ".join(f"k{i}" for i in range(len(table.key)))
    _compare(con, table, by)
    _settle(con, by)
    columns = ", ".join(f'"{column}"' for column in table.columns)
    single = (
        "SELECT *, NULL::TIMESTAMP AS superseded_at, NULL::VARCHAR AS superseded_by FROM version "
        "WHERE kh NOT IN (SELECT kh FROM busy)"
    )
    written = replace(
        con,
        table,
        "rowid IN (SELECT row_id FROM version WHERE row_id >= 0)",
        f"SELECT {columns} FROM ({single}) UNION ALL SELECT {columns} FROM settled",
    )
    con.commit()
    _note(con, table)
    for temporary in ("version", "busy", "compared", "settled"):
        con.execute(f"DROP TABLE {temporary}")
    return written


def _gather(con: duckdb.DuckDBPyConnection, table: History) -> None:
    """Make ``version``, the arriving rows and the kept ones of their keys, and ``busy``, the keys
    with more than one."""
    kept = ", ".join(f'"{c}"' for c in table.columns if not c.startswith("superseded"))
    keys = ", ".join(f"{part} AS k{i}" for i, part in enumerate(table.key))
    names = ", ".join(f"k{i}" for i in range(len(table.key)))
    keyed = f"SELECT {kept}, {{row}} AS row_id, {keys} FROM {{relation}}"
    arriving = keyed.format(row="-1", relation=f"staging.{table.name}")
    standing = keyed.format(row="rowid", relation=f"store.{table.name}")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE version AS SELECT *, hash({names}) AS kh FROM ({arriving})"
    )
    if _has_rows(con, f"store.{table.name}"):
        con.execute(
            f"INSERT INTO version SELECT *, hash({names}) AS kh FROM ({standing}) "
            "WHERE kh IN (SELECT DISTINCT kh FROM version)"
        )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE busy AS "
        "SELECT kh FROM version GROUP BY kh HAVING count(*) > 1"
    )


def _note(con: duckdb.DuckDBPyConnection, table: History) -> None:
    """Note duplicates, and the files and patients whose rows changed place."""
    con.execute("INSERT INTO staging.touched SELECT DISTINCT file_id FROM version")
    con.execute("INSERT INTO staging.displaced SELECT DISTINCT patient_id FROM version")
    con.execute(
        f"INSERT INTO staging.duplicate SELECT file_id, line, part, '{table.name}' "
        "FROM compared WHERE is_duplicate"
    )


def _has_rows(con: duckdb.DuckDBPyConnection, relation: str) -> bool:
    return con.execute(f"SELECT 1 FROM {relation} LIMIT 1").fetchone() is not None


def _compare(con: duckdb.DuckDBPyConnection, table: History, by: str) -> None:
    """Make ``compared``: rows that share a key, each with its ranks, duplicates told apart.

    ``kh``, a hash of the key, only finds keys with several rows cheaply; the windows partition by
    the key itself. What is compared depends on no third row but the neighbour, so that a row that
    was a duplicate once stays one whatever comes later.
    """
    content = ", ".join(f'"{column}"' for column in table.content)
    is_stated = "reported_at" in table.content
    ranks = (_RANKS if table.ranks else _NO_RANKS).format(
        reported="coalesce(reported_at, known_at)" if is_stated else "known_at"
    )
    alike = "reported_at IS NULL" if is_stated else "true"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE compared AS
        SELECT *,
            coalesce(row({content}) IS NOT DISTINCT FROM lag(row({content})) OVER alike, false)
                AND row_number() OVER alike > 1 AS is_duplicate
        FROM (SELECT *, {ranks} FROM version WHERE kh IN (SELECT kh FROM busy))
        WINDOW alike AS (PARTITION BY {by}, {alike} ORDER BY
            final_rank, effective_at, word_rank, known_at, file_id, line, part)
        """
    )


def _settle(con: duckdb.DuckDBPyConnection, by: str) -> None:
    """Make ``settled``: the versions of ``compared``, each with its end."""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE settled AS
        WITH held AS (
            SELECT *, CASE WHEN NOT is_withdrawal THEN
                min(CASE WHEN is_withdrawal THEN known_at END) OVER later_of_patient END
                AS withdrawn_known_at
            FROM compared WHERE NOT is_duplicate
            WINDOW later_of_patient AS (PARTITION BY {by}, patient_id ORDER BY effective_at
                RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)),
        ended AS (
            SELECT *,
                min(known_at) OVER higher AS higher_known_at,
                first(successor) OVER higher AS higher_kind
            FROM held
            WINDOW higher AS (PARTITION BY {by} ORDER BY
                final_rank, NOT is_withdrawal AND withdrawn_known_at IS NULL, effective_at,
                word_rank, known_at, file_id, line, part
                ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)),
        dated AS (
            SELECT *, CASE WHEN higher_known_at IS NOT NULL OR withdrawn_known_at IS NOT NULL
                THEN greatest(known_at, least(coalesce(higher_known_at, withdrawn_known_at),
                                              coalesce(withdrawn_known_at, higher_known_at)))
                END AS superseded_at
            FROM ended)
        SELECT *, CASE
            WHEN superseded_at IS NULL THEN NULL
            WHEN coalesce(higher_known_at, known_at) < known_at THEN 'late'
            WHEN withdrawn_known_at <= coalesce(higher_known_at, withdrawn_known_at)
                THEN 'withdrawn'
            ELSE higher_kind END AS superseded_by
        FROM dated
        """
    )


_RANKS = f"""
    {_WITHDRAWN} AS is_withdrawal,
    CASE WHEN status = 'preliminary' THEN 0 ELSE 1 END AS final_rank,
    {{reported}} AS effective_at,
    CASE WHEN {_WITHDRAWN} THEN 5 WHEN status = 'cancelled' THEN 4
         WHEN status IN ('corrected', 'amended') THEN 3 ELSE 2 END AS word_rank,
    CASE WHEN {_WITHDRAWN} THEN 'withdrawn'
         WHEN status IN ('corrected', 'amended') THEN 'corrected'
         WHEN status = 'final' THEN 'final' ELSE 'replaced' END AS successor
"""
_NO_RANKS = (
    "false AS is_withdrawal, 1 AS final_rank, {reported} AS effective_at, 2 AS word_rank, "
    "'replaced' AS successor"
)
