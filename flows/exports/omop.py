"""OMOP CDM 5.4: tables as Parquet and CSV, and the script that loads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from importlib.metadata import version

import polars as pl
import pyarrow.parquet as pq

from flows.exports.base import Export, arrow_schema, checked
from transforms.exports import omop
from transforms.exports.tables import (
    CDM,
    CONCEPT,
    ELSEWHERE,
    Shape,
    definition_sql,
    person_codes,
)


class CdmTable:
    """One table of the CDM, written batch by batch as Parquet and as CSV."""

    def __init__(self, under_way: Export, shape: Shape) -> None:
        self.under_way, self.shape = under_way, shape
        self.parquet = pq.ParquetWriter(
            under_way.path(f"parquet/{shape.name}.parquet"), arrow_schema(shape)
        )
        self.csv = under_way.path(f"csv/{shape.name}.csv").open("wb")
        pl.DataFrame(schema=shape.schema).write_csv(self.csv)
        self.under_way.count(shape.name, 0)

    def write(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Check and append; returns the rows."""
        whole = checked(rows, self.shape)
        self.parquet.write_table(whole.to_arrow().cast(self.parquet.schema))
        whole.write_csv(self.csv, include_header=False, datetime_format="%Y-%m-%d %H:%M:%S")
        self.under_way.count(self.shape.name, whole.height)
        return whole.lazy()

    def close(self) -> None:
        """Finish both files."""
        self.parquet.close()
        self.csv.close()


def export_omop(under_way: Export) -> None:
    """Every table, the measurements shard by shard."""
    people = under_way.people()
    codes = person_codes(people).collect().lazy()
    with ExitStack() as stack:
        tables = {shape.name: CdmTable(under_way, shape) for shape in CDM}
        for table in tables.values():
            stack.callback(table.close)
        person = tables["person"].write(omop.persons(people, codes))
        known = codes.join(
            person.select(person_id=pl.col("person_id").cast(pl.Int64)), on="person_id"
        )
        known = known.collect().lazy()
        periods = list(_measured(under_way, tables["measurement"], known))
        if periods:
            tables["observation_period"].write(omop.joined_periods(pl.concat(periods)))
        _write_cohorts(under_way, tables, known)
        made_on, release = under_way.made_at.date(), version("undertow")
        tables["cdm_source"].write(omop.cdm_source(under_way.as_of, made_on, release))
    _write_load_script(under_way)
    total = under_way.con.execute("SELECT count(*) FROM patient").fetchone() or (0,)
    under_way.count("patients left out (no birth date)", total[0] - under_way.counts["person"])


def _write_load_script(under_way: Export) -> None:
    """SQL that loads the Parquet files under the model's constraints, beside a vocabulary."""
    beside = {
        table: column for table, column in (CONCEPT, *ELSEWHERE.values()) if table != "person"
    }
    lines = [
        f"CREATE TABLE IF NOT EXISTS {t} ({c} INTEGER PRIMARY KEY);" for t, c in beside.items()
    ]
    known = ", ".join(f"({concept})" for concept in omop.SAID)
    lines.append(f"INSERT INTO concept (concept_id) VALUES {known} ON CONFLICT DO NOTHING;")
    for shape in CDM:
        lines.append(f"{definition_sql(shape)};")
        lines.append(f"INSERT INTO {shape.name} BY NAME FROM 'parquet/{shape.name}.parquet';")
    under_way.path("load.sql").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _measured(under_way: Export, table: CdmTable, known: pl.LazyFrame) -> Iterator[pl.LazyFrame]:
    """Write the measurements of every shard; yields their periods."""
    for shard in under_way.shards():
        rows = under_way.observations(shard)
        after = under_way.counts["measurement"]
        written = table.write(omop.measurements(rows, known, after))
        yield omop.observation_periods(written).collect().lazy()


def _write_cohorts(under_way: Export, tables: dict[str, CdmTable], known: pl.LazyFrame) -> None:
    rows = omop.cohort_definitions(under_way.rows("SELECT * FROM cohort_definition"))
    defined = tables["cohort_definition"].write(rows)
    stays = under_way.rows("SELECT * FROM cohort")
    tables["cohort"].write(omop.cohorts(stays, defined, known, pl.lit(under_way.as_of)))
