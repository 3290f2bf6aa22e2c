"""Parquet and Arrow: every analyst view as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from flows.exports.base import Export

RAW = ("quarantine",)
"""Views that hold rows as they came, with whatever text was in them: they never leave."""


class TableWriter(Protocol):
    """What pyarrow's writers have in common."""

    def write_table(self, table: pa.Table) -> None:
        """Append."""

    def close(self) -> None:
        """Finish the file."""


def export_views(under_way: Export, suffix: str) -> None:
    """Each view in a file of its name."""
    query = (
        "SELECT view_name FROM duckdb_views() WHERE NOT internal AND schema_name = 'main' "
        "AND database_name = current_database() ORDER BY 1"
    )
    for (name,) in under_way.con.execute(query).fetchall():
        if name not in RAW:
            _write_view(under_way, name, suffix)


def _write_view(under_way: Export, name: str, suffix: str) -> None:
    found = under_way.con.execute(f'SELECT * FROM main."{name}"')
    batches = found.to_arrow_reader(under_way.shard_rows)
    rows = 0
    with _writer(under_way.path(f"{name}.{suffix}"), batches.schema) as writer:
        for batch in batches:
            writer.write_table(pa.Table.from_batches([batch]))
            rows += batch.num_rows
    under_way.count(name, rows)


@contextmanager
def _writer(path: Path, schema: pa.Schema) -> Iterator[TableWriter]:
    is_parquet = path.suffix == ".parquet"
    made = pq.ParquetWriter(path, schema) if is_parquet else pa.ipc.new_file(path, schema)
    try:
        yield made
    finally:
        made.close()
