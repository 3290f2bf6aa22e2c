"""Exports: the published warehouse, written in the field's own shapes into a folder of its own.

Patients are taken in shards, in the order of their ids, so memory follows a shard and not the
warehouse. Everything is written beside the target and renamed at the end: a folder that is there
is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from flows.home import Home
from flows.reading import published
from transforms.exports import fhir, meds, omop
from transforms.exports.tables import (
    CDM,
    CODES,
    CONCEPT,
    ELSEWHERE,
    EVENT,
    Shape,
    definition_sql,
    departures,
    person_codes,
)
from transforms.exports.view_definitions import VIEWS, definition, statement
from warehouse.store import frame

SHARD_ROWS = 250_000
"""About so many observations are in memory at once; one patient is never split. Judgement."""

RAW = ("quarantine",)
"""Views that hold rows as they came, with whatever text was in them: they never leave."""


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


class TableWriter(Protocol):
    """What pyarrow's writers have in common."""

    def write_table(self, table: pa.Table) -> None:
        """Append."""

    def close(self) -> None:
        """Finish the file."""


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


def export(
    home: Home,
    kind: str,
    to: Path,
    clock: Callable[[], datetime],
    shard_rows: int = SHARD_ROWS,
    *,
    is_identified: bool = False,
) -> dict[str, Any]:
    """Write the published warehouse as ``kind`` into ``to``; return what was written.

    Args:
        home: whose warehouse.
        kind: one of ``KINDS``.
        to: a folder that is not there yet, or is empty.
        clock: the time, for the account.
        shard_rows: about how many observations are in memory at once.
        is_identified: from the care team's file, where analysts have another one.

    Raises:
        ExportError: ``to`` holds something, or what was written departs from its shape.
        NothingPublishedError: no night has been published.
    """
    target = to.expanduser().absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ExportError(f"{target} is there already and is not an empty folder")
    with (
        published(home, for_analysts=not is_identified) as con,
        _whole(target) as folder,
    ):
        as_of = frame(con, "SELECT as_of FROM tonight").item()
        under_way = Export(con, folder, as_of, clock(), shard_rows)
        KINDS[kind](under_way)
        account = _account(under_way, kind)
        _write_json(under_way, "export.json", account)
    return {**account, "folder": str(target)}


def as_text(account: dict[str, Any]) -> str:
    """The account for people."""
    lines = [f"{rows:>12,}  {name}" for name, rows in account["counts"].items()]
    return "\n".join([f"{account['kind']} as of {account['as_of']}: {account['folder']}", *lines])


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A private folder beside ``target`` that becomes it, or is gone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    try:
        yield part
        for path in part.rglob("*"):
            if path.is_file():
                _kept(path)
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _kept(path: Path) -> None:
    """On disk, and its owner's alone."""
    path.chmod(0o600)
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _account(under_way: Export, kind: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "as_of": under_way.as_of.isoformat(),
        "made_at": under_way.made_at.isoformat(timespec="seconds"),
        "version": version("undertow"),
        "counts": under_way.counts,
    }


def _write_json(under_way: Export, name: str, content: dict[str, Any]) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=2)
    under_way.path(name).write_text(text + "\n", encoding="utf-8")


# ------------------------------------------------------------ shards


def _shards(under_way: Export) -> Iterator[tuple[str, str]]:
    """First and last patient of each shard, in order."""
    query = (
        "WITH of_patient AS (SELECT patient_id, count(observation.patient_id) AS n FROM patient "
        "LEFT JOIN observation USING (patient_id) GROUP BY patient_id), counted AS (SELECT "
        "patient_id, sum(n) OVER (ORDER BY patient_id) - n AS before FROM of_patient) "
        "SELECT min(patient_id), max(patient_id) FROM counted GROUP BY before // ? ORDER BY 1"
    )
    yield from under_way.con.execute(query, [under_way.shard_rows]).fetchall()


def _observations(under_way: Export, shard: tuple[str, str]) -> pl.LazyFrame:
    query = "SELECT * FROM observation WHERE patient_id BETWEEN ? AND ?"
    return under_way.rows(query, *shard)


def _people(under_way: Export) -> pl.LazyFrame:
    return under_way.rows("SELECT patient_id, birth_date, sex FROM patient")


def _checked(rows: pl.LazyFrame, shape: Shape) -> pl.DataFrame:
    """The rows, which keep to the shape or are not written."""
    collected = rows.collect()
    if found := departures(collected, shape):
        raise ExportError("; ".join(found))
    return collected


def _arrow_schema(shape: Shape) -> pa.Schema:
    return pa.schema(
        [pa.field(c.name, ARROW[c.kind], nullable=not c.required) for c in shape.columns]
    )


def _write_parquet(path: Path, rows: pl.DataFrame, shape: Shape) -> None:
    pq.write_table(rows.to_arrow().cast(_arrow_schema(shape)), path)


# ------------------------------------------------------------ OMOP


class CdmTable:
    """One table of the CDM, written batch by batch as Parquet and as CSV."""

    def __init__(self, under_way: Export, shape: Shape) -> None:
        self.under_way, self.shape = under_way, shape
        self.parquet = pq.ParquetWriter(
            under_way.path(f"parquet/{shape.name}.parquet"), _arrow_schema(shape)
        )
        self.csv = under_way.path(f"csv/{shape.name}.csv").open("wb")
        pl.DataFrame(schema=shape.schema).write_csv(self.csv)
        self.under_way.count(shape.name, 0)

    def write(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Check and append; returns the rows."""
        checked = _checked(rows, self.shape)
        self.parquet.write_table(checked.to_arrow().cast(self.parquet.schema))
        checked.write_csv(self.csv, include_header=False, datetime_format="%Y-%m-%d %H:%M:%S")
        self.under_way.count(self.shape.name, checked.height)
        return checked.lazy()

    def close(self) -> None:
        """Finish both files."""
        self.parquet.close()
        self.csv.close()


def _export_omop(under_way: Export) -> None:
    people = _people(under_way)
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
    known = ", ".join(f"({concept})" for concept in (omop.NO_CONCEPT, *omop.CONCEPTS.values()))
    lines.append(f"INSERT INTO concept (concept_id) VALUES {known} ON CONFLICT DO NOTHING;")
    for shape in CDM:
        lines.append(f"{definition_sql(shape)};")
        lines.append(f"INSERT INTO {shape.name} BY NAME FROM 'parquet/{shape.name}.parquet';")
    under_way.path("load.sql").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _measured(under_way: Export, table: CdmTable, known: pl.LazyFrame) -> Iterator[pl.LazyFrame]:
    """Write the measurements of every shard; yields their periods."""
    for shard in _shards(under_way):
        rows = _observations(under_way, shard)
        after = under_way.counts["measurement"]
        written = table.write(omop.measurements(rows, known, after))
        yield omop.observation_periods(written).collect().lazy()


def _write_cohorts(under_way: Export, tables: dict[str, CdmTable], known: pl.LazyFrame) -> None:
    rows = omop.cohort_definitions(under_way.rows("SELECT * FROM cohort_definition"))
    defined = tables["cohort_definition"].write(rows)
    stays = under_way.rows("SELECT * FROM cohort")
    tables["cohort"].write(omop.cohorts(stays, defined, known, pl.lit(under_way.as_of)))


# ------------------------------------------------------------ MEDS


def _export_meds(under_way: Export) -> None:
    people = _people(under_way).collect().lazy()
    codes = person_codes(people).collect()
    codes.rename({"person_id": "subject_id"}).write_parquet(under_way.path("subject_code.parquet"))
    seen = pl.DataFrame(schema={"code": pl.String})
    for number, shard in enumerate(_shards(under_way)):
        own = people.filter(pl.col("patient_id").is_between(pl.lit(shard[0]), pl.lit(shard[1])))
        rows = meds.events(_observations(under_way, shard), own, codes.lazy())
        events = _checked(rows, EVENT)
        _write_parquet(under_way.path(f"data/{number:05}.parquet"), events, EVENT)
        seen = pl.concat([seen, events.select("code")]).unique()
        under_way.count("events", events.height)
    metadata = _checked(meds.code_metadata(seen.lazy()), CODES)
    _write_parquet(under_way.path("metadata/codes.parquet"), metadata, CODES)
    under_way.count("codes", metadata.height)
    told = meds.dataset_metadata(
        under_way.as_of.isoformat(), version("undertow"), under_way.made_at
    )
    _write_json(under_way, "metadata/dataset.json", told)


# ------------------------------------------------------------ FHIR


def _export_fhir(under_way: Export) -> None:
    people = _people(under_way)
    ids = fhir.patient_ids(person_codes(people)).collect().lazy()
    files = under_way.rows("SELECT file_id, sha256 FROM source_file")
    flags = fhir.numbered_flags(under_way.rows("SELECT * FROM cohort"), ids).collect().lazy()
    _write_lines(under_way, "Patient", fhir.patients(people, ids))
    _write_lines(under_way, "Flag", fhir.flags(flags))
    for shard in _shards(under_way):
        rows = _observations(under_way, shard)
        after = under_way.counts.get("Observation", 0)
        numbered = fhir.numbered_observations(rows, ids, after).collect().lazy()
        _write_lines(under_way, "Observation", fhir.observations(numbered))
        _write_lines(under_way, "Provenance", fhir.provenances(numbered, files))
        rests = fhir.flag_provenances(flags, _drawn(under_way, shard), numbered, under_way.made_at)
        _write_lines(under_way, "Provenance", rests)
    _write_view_definitions(under_way)


def _drawn(under_way: Export, shard: tuple[str, str]) -> pl.LazyFrame:
    """The results behind every used draw of a shard."""
    columns = ", ".join(fhir.DRAWN)
    query = f"SELECT {columns}, drawn_on FROM lineage WHERE used AND patient_id BETWEEN ? AND ?"
    return under_way.rows(query, *shard)


def _write_view_definitions(under_way: Export) -> None:
    """Tables out of the files: for runners of SQL on FHIR, and as SQL for DuckDB."""
    for view in VIEWS:
        name = f"ViewDefinition/{view.name}.json"
        _write_json(under_way, name, definition(view))
    statements = [statement(view, f"{view.resource}.ndjson") for view in VIEWS]
    under_way.path("views.sql").write_text("\n\n".join(statements) + "\n", encoding="utf-8")


def _write_lines(under_way: Export, resource: str, rows: pl.LazyFrame) -> None:
    """Append one JSON document a line; JSON text has no line break of its own."""
    lines = rows.collect()["resource"]
    with under_way.path(f"{resource}.ndjson").open("ab") as stream:
        if len(lines):
            stream.write(lines.str.join("\n").item().encode() + b"\n")
    under_way.count(resource, len(lines))


# ------------------------------------------------------------ views as they are


def _export_views(under_way: Export, suffix: str) -> None:
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


KINDS: dict[str, Callable[[Export], None]] = {
    "omop": _export_omop,
    "meds": _export_meds,
    "fhir": _export_fhir,
    "parquet": partial(_export_views, suffix="parquet"),
    "arrow": partial(_export_views, suffix="arrow"),
}
