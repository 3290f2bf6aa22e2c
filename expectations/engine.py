"""Great Expectations over an open DuckDB connection.

Measured reasons for own code: GX 1.24 closes its connection before it fetches for any dialect
outside a private list, and then reports the engine's error as an empty failure instead of
raising. The subclass keeps one connection open, the caller's own, so that attached databases and
temporary tables are seen; :mod:`expectations.checkpoint` refuses every result that carries an
exception or lacks its count. GX also writes its whole configuration out as YAML for every table
named to it; nobody reads that, and it took a third of the gate's time on small files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import duckdb
import sqlalchemy as sa
from duckdb_sqlalchemy import ConnectionWrapper
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.data_context import EphemeralDataContext, set_context
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
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

    def close(self) -> None:
        """End the connection's transaction, which would otherwise hold up a checkpoint."""
        if self._connection:
            self._connection.close()
            self._connection = None
        self.engine.dispose()


class UnwrittenContext(EphemeralDataContext):
    """A context of one run, whose configuration is written nowhere."""

    def _save_project_config(self) -> None:
        pass


EngineType = type[SqlAlchemyExecutionEngine]
"""Named here, since a data source has a field called ``type``."""


class DuckDBDatasource(SQLDatasource):
    """A GX data source over DuckDB; registers itself as ``add_duckdb``."""

    type: Literal["duckdb"] = "duckdb"  # type: ignore[assignment]

    @property
    def execution_engine_type(self) -> EngineType:
        """The engine that keeps its connection."""
        return OpenConnectionEngine


@contextmanager
def batches(
    con: duckdb.DuckDBPyConnection, relations: dict[str, str]
) -> Iterator[dict[str, BatchDefinition[Any]]]:
    """A batch definition per relation, over a cursor of ``con`` that is closed afterwards.

    Args:
        con: the open connection.
        relations: name -> SQL table or parenthesised query.
    """
    context = UnwrittenContext(
        DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(),
            progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
        )
    )
    set_context(context)
    cursor = con.cursor()
    source = context.data_sources.add_duckdb(
        "undertow",
        connection_string="duckdb:///:memory:",
        kwargs={"creator": lambda: ConnectionWrapper(cursor), "poolclass": sa.StaticPool},
        create_temp_table=False,
    )
    try:
        yield {
            name: source.add_query_asset(
                name, f"SELECT * FROM {relation}"
            ).add_batch_definition_whole_table("all")
            for name, relation in relations.items()
        }
    finally:
        source.get_execution_engine().close()
        cursor.close()
