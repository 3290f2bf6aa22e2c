"""Merge: which version of each thing stands, whatever order the files came in.

All rows of one natural key are versions of one thing. They are ordered by

1. preliminary before anything final,
2. when the source reported them (else the night we learned of them),
3. on a tie: a withdrawn row, a withdrawal, final, corrected, cancelled,
4. the later file, the later line,

and the last stands. A withdrawal (deleted, wrong patient, entered in error) takes back what was
reported of *that patient* under the key up to then, so a result moved to the right patient under
its old number survives. ``superseded_at`` of every version follows from the set of versions
alone, hence arrival order, batches and rebuilds do not matter.
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
    con.execute("INSERT INTO staging.touched SELECT DISTINCT file_id FROM version")
    con.execute("INSERT INTO staging.displaced SELECT DISTINCT patient_id FROM version")
    _settle(con, table, names)
    con.execute(
        f"INSERT INTO staging.duplicate SELECT file_id, line, part, '{table.name}' "
        "FROM settled WHERE is_duplicate"
    )
    columns = ", ".join(f'"{column}"' for column in table.columns)
    single = (
        "SELECT *, NULL::TIMESTAMP AS superseded_at, NULL::VARCHAR AS superseded_by FROM version "
        "WHERE kh NOT IN (SELECT kh FROM busy)"
    )
    written = replace(
        con,
        table,
        "rowid IN (SELECT row_id FROM version WHERE row_id >= 0)",
        f"SELECT {columns} FROM ({single}) UNION ALL "
        f"SELECT {columns} FROM settled WHERE NOT is_duplicate",
    )
    for temporary in ("version", "busy", "settled"):
        con.execute(f"DROP TABLE {temporary}")
    return written


def _has_rows(con: duckdb.DuckDBPyConnection, relation: str) -> bool:
    return con.execute(f"SELECT 1 FROM {relation} LIMIT 1").fetchone() is not None


def _settle(con: duckdb.DuckDBPyConnection, table: History, by: str) -> None:
    """Make ``settled``: versions that share a key, each with its end, duplicates told apart.

    ``kh``, a hash of the key, only finds keys with several versions cheaply; the windows
    partition by the key itself.
    """
    content = ", ".join(f'"{column}"' for column in table.content)
    reported = "coalesce(reported_at, known_at)" if "reported_at" in table.content else "known_at"
    ranked = (_RANKED if table.ranks else _UNRANKED).format(
        by=by, withdrawn=_WITHDRAWN, reported=reported
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE settled AS
        WITH keyed AS (SELECT * FROM version WHERE kh IN (SELECT kh FROM busy)),
        ranked AS ({ranked}),
        numbered AS (
            SELECT *, row_number() OVER (PARTITION BY {by} ORDER BY
                final_rank, effective_at, tie_rank, known_at, file_id, line, part) AS place
            FROM ranked),
        compared AS (
            SELECT *, coalesce(row({content}) IS NOT DISTINCT FROM
                lag(row({content})) OVER (PARTITION BY {by} ORDER BY place), false)
                AND place > 1 AS is_duplicate
            FROM numbered),
        ended AS (
            SELECT *,
                min(CASE WHEN NOT is_duplicate THEN known_at END) OVER higher AS higher_known_at,
                first(CASE WHEN NOT is_duplicate THEN successor END IGNORE NULLS) OVER higher
                    AS higher_kind
            FROM compared
            WINDOW higher AS (PARTITION BY {by} ORDER BY place
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


_RANKED = """
    SELECT *,
        CASE WHEN status = 'preliminary' THEN 0 ELSE 1 END AS final_rank,
        {reported} AS effective_at,
        CASE WHEN {withdrawn} THEN 1
             WHEN bool_or({withdrawn}) OVER same_time THEN 0
             WHEN status IN ('corrected', 'amended') THEN 3
             WHEN status = 'cancelled' THEN 4 ELSE 2 END AS tie_rank,
        CASE WHEN NOT {withdrawn} THEN
            min(CASE WHEN {withdrawn} THEN known_at END) OVER later_of_patient END
            AS withdrawn_known_at,
        CASE WHEN {withdrawn} THEN 'withdrawn'
             WHEN status IN ('corrected', 'amended') THEN 'corrected'
             WHEN status = 'final' THEN 'final' ELSE 'replaced' END AS successor
    FROM keyed
    WINDOW same_time AS (PARTITION BY {by}, patient_id, {reported}),
        later_of_patient AS (PARTITION BY {by}, patient_id ORDER BY {reported}
            RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
"""
_UNRANKED = """
    SELECT *, 1 AS final_rank, {reported} AS effective_at, 2 AS tie_rank,
        NULL::TIMESTAMP AS withdrawn_known_at, 'replaced' AS successor
    FROM keyed
"""
