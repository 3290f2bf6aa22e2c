"""An export under way, and what every kind of it does alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.exports.tables import Shape, departures
from warehouse.store import frame

SHARD_ROWS = 250_000
"""About so many observations are in memory at once; one patient is never split. Judgement."""


class ExportError(RuntimeError):
    """The export was not made; nothing is left of it."""


ARROW: dict[str, pa.DataType] = {
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float64(),
    "real": pa.float32(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "text": pa.string(),
    "longtext": pa.large_string(),
    "texts": pa.list_(pa.string()),
}
"""Type of a column (:data:`transforms.exports.tables.TYPES`) -> as Arrow: readers that check types,
as that of MEDS, tell texts with offsets of 32 bits from those of 64."""


@dataclass
class Export:
    """One export under way: where it reads, where it writes, what it wrote."""

    con: duckdb.DuckDBPyConnection
    folder: Path
    as_of: date
    made_at: datetime
    shard_rows: int = SHARD_ROWS
    counts: dict[str, int] = field(default_factory=dict)

    def rows(self, query: str, *parameters: object) -> pl.LazyFrame:
        """The result of a query."""
        return frame(self.con, query, parameters).lazy()

    def count(self, name: str, rows: int) -> None:
        """Account for rows written, or left out."""
        self.counts[name] = self.counts.get(name, 0) + rows

    def path(self, name: str) -> Path:
        """A new file's place, its folder made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """A document for people and programs."""
        text = json.dumps(content, ensure_ascii=False, indent=2)
        self.path(name).write_text(text + "\n", encoding="utf-8")

    def people(self) -> pl.LazyFrame:
        """Everyone: ``patient_id``, ``birth_date``, ``sex``."""
        return self.rows("SELECT patient_id, birth_date, sex FROM patient")

    def shards(self) -> Iterator[tuple[str, str]]:
        """First and last patient of each shard, in order."""
        query = (
            "WITH of_patient AS (SELECT patient_id, count(observation.patient_id) AS n "
            "FROM patient LEFT JOIN observation USING (patient_id) GROUP BY patient_id), "
            "counted AS (SELECT patient_id, sum(n) OVER (ORDER BY patient_id) - n AS before "
            "FROM of_patient) SELECT min(patient_id), max(patient_id) FROM counted "
            "GROUP BY before // ? ORDER BY 1"
        )
        yield from self.con.execute(query, [self.shard_rows]).fetchall()

    def observations(self, shard: tuple[str, str]) -> pl.LazyFrame:
        """The standing results of a shard's patients."""
        return self.rows("SELECT * FROM observation WHERE patient_id BETWEEN ? AND ?", *shard)


def checked(rows: pl.LazyFrame, shape: Shape) -> pl.DataFrame:
    """The rows, which keep to the shape or are not written."""
    collected = rows.collect()
    if found := departures(collected, shape):
        raise ExportError("; ".join(found))
    return collected


def arrow_schema(shape: Shape) -> pa.Schema:
    """The shape in Arrow's types."""
    return pa.schema(
        [pa.field(c.name, ARROW[c.kind], nullable=not c.required) for c in shape.columns]
    )


def write_parquet(path: Path, rows: pl.DataFrame, shape: Shape) -> None:
    """A file of the shape's very types."""
    pq.write_table(rows.to_arrow().cast(arrow_schema(shape)), path)
