"""Great Expectations over an open DuckDB connection.

Measured reasons for own code: GX 1.24 closes its connection before it fetches for any dialect
outside a private list, and then reports the engine's error as an empty failure instead of
raising. The subclass keeps one connection open, the caller's own, so that attached databases and
temporary tables are seen; :mod:`expectations.checkpoint` refuses every result that carries an
exception or lacks its count.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import duckdb
import great_expectations as gx
import sqlalchemy as sa
from duckdb_sqlalchemy import ConnectionWrapper
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.data_context import EphemeralDataContext
from great_expectations.datasource.fluent import SQLDatasource
from great_expectations.execution_engine import SqlAlchemyExecutionEngine


class OpenConnectionEngine(SqlAlchemyExecutionEngine):
    """GX's SQL engine with one connection that stays open."""

    @contextmanager
    def get_connection(self) -> Iterator[sa.Connection]:
        """The one connection."""
        if not self._connection:
            self._connection = self.engine.connect()
        yield self._connection


class DuckDBDatasource(SQLDatasource):
    """A GX data source over DuckDB; registers itself as ``add_duckdb``."""

    type: Literal["duckdb"] = "duckdb"  # type: ignore[assignment]

    @property
    def execution_engine_type(self) -> type[SqlAlchemyExecutionEngine]:
        """The engine that keeps its connection."""
        return OpenConnectionEngine


def batches(con: duckdb.DuckDBPyConnection, relations: dict[str, str]) -> dict[str, BatchDefinition]:
    """A batch definition per relation.

    Args:
        con: the open connection; a cursor of it is used.
        relations: name -> SQL query or table.
    """
    context = gx.get_context(mode="ephemeral")
    _quiet(context)
    source = context.data_sources.add_duckdb(  # type: ignore[attr-defined]
        "undertow",
        connection_string="duckdb:///:memory:",
        kwargs={"creator": lambda: ConnectionWrapper(con.cursor()), "poolclass": sa.StaticPool},
        create_temp_table=False,
    )
    return {
        name: source.add_query_asset(name, f"SELECT * FROM {relation}").add_batch_definition_whole_table(
            "all"
        )
        for name, relation in relations.items()
    }


def _quiet(context: EphemeralDataContext) -> None:
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
