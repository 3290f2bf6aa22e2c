"""The gate: rows that fail a rejecting expectation leave for quarantine with every reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from expectations.base import Severity, Suite
from expectations.checkpoint import GateError, Verdict


def reasons_sql(suite: Suite, level: Severity = "reject") -> str:
    """SQL list of the names of all expectations of one severity that a row fails."""
    cases = [
        f"CASE WHEN {item.fails_where} THEN '{item.label()}' END"
        for item in suite
        if item.level == level
    ]
    return f"list_filter([{', '.join(cases) or 'NULL::VARCHAR'}], lambda name: name IS NOT NULL)"


def divide(
    con: duckdb.DuckDBPyConnection, relation: str, rejected: str, table: str, suite: Suite
) -> int:
    """Move failing rows of ``relation`` out; return how many.

    Into ``rejected`` go the failing rows' places (file_id, line, part), with every rejecting
    reason, and beside them the warnings the row would have carried; what remains in
    ``relation`` has passed every rejecting expectation.
    """
    failing = (
        f"SELECT *, {reasons_sql(suite)} AS reasons, {reasons_sql(suite, 'warn')} AS warnings "
        f"FROM {relation}"
    )
    con.execute(
        f"INSERT INTO {rejected} BY NAME SELECT file_id, line, part, '{table}' AS table_name, "
        f"reasons, warnings, source_row FROM ({failing}) WHERE len(reasons) > 0"
    )
    moved = con.execute(f"DELETE FROM {relation} WHERE len({reasons_sql(suite)}) > 0").fetchone()
    return int(moved[0]) if moved else 0


def agree(
    con: duckdb.DuckDBPyConnection, rejected: str, table: str, verdicts: Sequence[Verdict]
) -> None:
    """Hold report and quarantine together.

    Raises:
        GateError: a rejecting expectation's count differs from the quarantine's.
    """
    rows = con.execute(
        f"SELECT reason, count(*) FROM (SELECT unnest(reasons) AS reason FROM {rejected} "
        "WHERE table_name = ?) GROUP BY ALL",
        [table],
    ).fetchall()
    quarantined: Mapping[str, int] = dict(rows)
    for verdict in verdicts:
        if verdict.table == table and verdict.severity == "reject":
            found = quarantined.get(verdict.expectation, 0)
            if found != verdict.rows_failed:
                raise GateError(f"{table}.{verdict.expectation}: report and quarantine disagree")
