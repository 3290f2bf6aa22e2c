"""Run a suite, and trust no result that is not whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import great_expectations as gx
from great_expectations.core.batch_definition import BatchDefinition

from expectations.base import Severity, Suite
from expectations.engine import batches


class GateError(RuntimeError):
    """An expectation could not be evaluated, or two ways of counting disagree: the night fails."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one expectation found on one table."""

    table: str
    expectation: str
    severity: Severity
    sentence: str
    rows_checked: int
    rows_failed: int

    @property
    def passed(self) -> bool:
        """No row failed."""
        return self.rows_failed == 0


def verdicts(
    con: duckdb.DuckDBPyConnection, relations: Mapping[str, str], suites: Mapping[str, Suite]
) -> list[Verdict]:
    """Run every suite that has a relation, inside DuckDB.

    Args:
        con: the open connection.
        relations: table -> qualified table (or parenthesised query) to check.
        suites: table -> expectations.

    Raises:
        GateError: GX reported an exception, or gave no count.
    """
    wanted = {name: relation for name, relation in relations.items() if suites.get(name)}
    with batches(con, wanted) as definitions:
        return [
            verdict
            for name, definition in definitions.items()
            for verdict in _run(con, name, wanted[name], definition, suites[name])
        ]


def _run(
    con: duckdb.DuckDBPyConnection,
    table: str,
    relation: str,
    definition: BatchDefinition[Any],
    suite: Suite,
) -> Iterator[Verdict]:
    counted = con.execute(f"SELECT count(*) FROM {relation}").fetchone()
    rows = int(counted[0]) if counted else 0
    stated = gx.ExpectationSuite(name=table, expectations=[item.stated() for item in suite])
    result = definition.get_batch().validate(stated, result_format="BASIC")
    found = {
        item.expectation_config.type: item for item in result.results if item.expectation_config
    }
    for item in suite:
        failed = _count(table, item.label(), found.get(item.label()))
        yield Verdict(table, item.label(), item.level, item.sentence, rows, failed)


def _count(table: str, label: str, result: object) -> int:
    """The number of failing rows, or a failure: GX reports engine errors as empty results."""
    info = getattr(result, "exception_info", None) or {}
    flat = [info] if "raised_exception" in info else list(info.values())
    count = (getattr(result, "result", None) or {}).get("observed_value")
    if any(item.get("raised_exception") for item in flat) or not isinstance(count, int):
        raise GateError(f"{table}.{label} could not be evaluated; the night is not to be trusted")
    return count
