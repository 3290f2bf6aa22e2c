"""Exports of a small warehouse under the real views, read back as their users would."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import meds
import polars as pl
import pyarrow as pa
import pytest
from fhir.resources.R4B.flag import Flag
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.provenance import Provenance
from flexible_schema import SchemaValidationError, TableValidationError
from pyarrow import parquet

from flows.export import ExportError, export
from flows.exports import base
from flows.home import Home, make
from tests.transforms.exports.observed import AT, observed, people
from transforms.catalog.definitions import cohort_definition_frame
from transforms.catalog.fields import FIELDS
from transforms.catalog.tables import TABLES
from transforms.exports.tables import CDM, CODES, EVENT, departures

NAMES = ("ANN", "FLO", "NEW")
VIEWS = (
    "lineage patient observation cohort cohort_definition source_file tonight quarantine".split()
)
SQL = Path(__file__).resolve().parents[2] / "warehouse" / "views"
DAY = date(2026, 3, 1)
COHORT = "high_stable"


def frames() -> dict[str, pl.DataFrame]:
    """Rows of three people: nine results each, a stay for two of them, one row in quarantine."""
    rows = [{"patient_id": name, "line": line, "part": 0} for name in NAMES for line in range(9)]
    bound = {"patient_id": "ANN", "line": 9, "part": 0, "value": 2.0, "comparator": "<"}
    missing = {"patient_id": "ANN", "line": 10, "part": 0, "value": None, "unit": None}
    stays = [(COHORT, "ANN", DAY, None, "1"), (COHORT, "FLO", date(2025, 1, 1), DAY, "1")]
    drawn = [(name, AT.date(), True) for name in NAMES]
    names = TABLES["cohort"].columns
    return {
        "person": people(*NAMES).collect(),
        "observation": observed(*rows, bound, missing).collect(),
        "fasting_pair": pl.DataFrame(
            drawn, schema=["patient_id", "drawn_on", "used"], orient="row"
        ),
        "cohort": pl.DataFrame(stays, schema=names, orient="row"),
        "cohort_definition": cohort_definition_frame(),
        "source_file": pl.DataFrame({"file_id": [1], "sha256": ["ab" * 32]}),
        "tonight": pl.DataFrame({"as_of": [DAY]}),
        "quarantine": pl.DataFrame({"row": ["Ann Smith, 12 Mill Lane"]}),
    }


@dataclass(frozen=True)
class Published:
    """A home with a published file."""

    home: Home

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the published warehouse."""
        link = str(self.home.warehouse / "undertow.duckdb")
        with duckdb.connect(link, read_only=True) as con:
            return con.execute(query).fetchall()


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Rows in the store's own tables, under the analyst views' own SQL."""
    home = Home(tmp_path_factory.mktemp("after") / "home")
    make(home)
    with duckdb.connect(str(home.warehouse / "undertow.duckdb")) as con:
        con.execute("CREATE SCHEMA store")
        for table in TABLES.values():
            columns = ", ".join(f'"{name}" {FIELDS[name].type}' for name in table.columns)
            con.execute(f"CREATE TABLE store.{table.name} ({columns})")
        for name, rows in frames().items():
            con.register("given", rows.to_arrow())
            con.execute(f"INSERT INTO store.{name} BY NAME SELECT * FROM given")
        for view in VIEWS:
            con.execute(f"CREATE VIEW {view} AS {(SQL / f'{view}.sql').read_text()}")
    return Published(home)


def clock() -> datetime:
    return datetime(2026, 3, 3, tzinfo=UTC)


def made(scene: Published, kind: str, to: Path, shard_rows: int = 10) -> dict[str, Any]:
    return export(scene.home, kind, to, clock, shard_rows)


@contextmanager
def loaded(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database into which the export's own script loaded it, under the model's constraints."""
    with duckdb.connect() as con:
        script = (folder / "load.sql").read_text()
        con.execute(script.replace("'parquet/", f"'{folder}/parquet/"))
        yield con


def test_omop_loads_under_the_constraints_of_the_model(after: Published, tmp_path: Path) -> None:
    counts = made(after, "omop", tmp_path / "out")["counts"]
    with loaded(tmp_path / "out") as con:
        for shape in CDM:
            path = tmp_path / "out" / "csv" / f"{shape.name}.csv"
            con.execute(f"CREATE TEMP TABLE given AS SELECT * FROM {shape.name} LIMIT 0")
            con.execute(f"INSERT INTO temp.given FROM '{path}'")
            for one, other in (("given", shape.name), (shape.name, "given")):
                apart = f"SELECT count(*) FROM (FROM {one} EXCEPT ALL FROM {other})"
                assert con.execute(apart).fetchone() == (0,), shape.name
            con.execute("DROP TABLE temp.given")
            found = con.execute(f"SELECT count(*) FROM {shape.name}").fetchone()
            assert found == (counts[shape.name],), shape.name
    assert (counts["person"], counts["measurement"], counts["cohort"]) == (3, 29, 2)
    assert counts["cdm_source"] == 1


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("INSERT INTO measurement FROM measurement", "primary key"),
        ("UPDATE measurement SET person_id = 77", "foreign key"),
        ("UPDATE measurement SET measurement_concept_id = 77", "foreign key"),
        ("UPDATE measurement SET visit_occurrence_id = 1", "foreign key"),
        ("UPDATE person SET year_of_birth = NULL WHERE person_id = 3", "NOT NULL"),
    ],
)
def test_the_model_refuses_what_departs_from_it(
    after: Published, tmp_path: Path, statement: str, rule: str
) -> None:
    made(after, "omop", tmp_path / "out")
    with (
        loaded(tmp_path / "out") as con,
        pytest.raises(duckdb.ConstraintException, match=rf"(?i){rule}"),
    ):
        con.execute(statement)


def test_stays_are_of_people_and_cohorts_that_are_there(after: Published, tmp_path: Path) -> None:
    """The model states no foreign key of COHORT."""
    made(after, "omop", tmp_path / "out")
    with loaded(tmp_path / "out") as con:
        for orphans in (
            "cohort ANTI JOIN person ON person_id = subject_id",
            "cohort ANTI JOIN cohort_definition USING (cohort_definition_id)",
        ):
            assert con.execute(f"SELECT count(*) FROM {orphans}").fetchone() == (0,)


def test_omop_holds_every_standing_observation_once(after: Published, tmp_path: Path) -> None:
    made(after, "omop", tmp_path / "out")
    rows = pl.read_parquet(tmp_path / "out/parquet/measurement.parquet")
    [(count, total)] = after.rows(
        "SELECT count(*), sum(value) FILTER (comparator IS NULL) FROM observation"
    )
    assert rows.height == count
    assert rows["value_as_number"].sum() == pytest.approx(total)


def test_meds_has_each_subject_in_one_shard_sorted_in_time(
    after: Published, tmp_path: Path
) -> None:
    made(after, "meds", tmp_path / "out")
    shards = [pl.read_parquet(path) for path in sorted((tmp_path / "out/data").iterdir())]
    assert len(shards) > 1
    subjects = [set(shard["subject_id"]) for shard in shards]
    assert sum(map(len, subjects)) == len(set.union(*subjects)) == 3
    for shard in shards:
        assert departures(shard, EVENT) == []
        assert shard.equals(shard.sort("subject_id", "time", maintain_order=True))
    codes = pl.read_parquet(tmp_path / "out/metadata/codes.parquet")
    assert departures(codes, CODES) == []
    assert set(pl.concat(shards)["code"]) == set(codes["code"])
    told = json.loads((tmp_path / "out/metadata/dataset.json").read_text())
    assert told["meds_version"] == "0.4.0"
    beside = pl.read_parquet(tmp_path / "out/subject_code.parquet")
    assert beside["patient_id"].to_list() == list(NAMES)


def test_meds_is_what_the_package_of_the_standard_takes(after: Published, tmp_path: Path) -> None:
    made(after, "meds", tmp_path / "out")
    for path in sorted((tmp_path / "out" / meds.data_subdirectory).iterdir()):
        meds.DataSchema.validate(parquet.read_table(path))
    meds.CodeMetadataSchema.validate(
        parquet.read_table(tmp_path / "out" / meds.code_metadata_filepath)
    )
    told = json.loads((tmp_path / "out" / meds.dataset_metadata_filepath).read_text())
    meds.DatasetMetadataSchema.validate(told)


def test_the_package_of_the_standard_refuses_another_type(after: Published, tmp_path: Path) -> None:
    made(after, "meds", tmp_path / "out")
    path = next((tmp_path / "out" / meds.data_subdirectory).iterdir())
    events = parquet.read_table(path)
    wide = events.set_column(2, "code", events["code"].cast(pa.large_string()))
    with pytest.raises(SchemaValidationError, match="code"):
        meds.DataSchema.validate(wide)
    with pytest.raises(TableValidationError):
        meds.DatasetMetadataSchema.validate({"dataset_name": 7})


def test_every_line_of_fhir_is_a_valid_resource(after: Published, tmp_path: Path) -> None:
    counts = made(after, "fhir", tmp_path / "out")["counts"]
    lines = {
        kind.__name__: (tmp_path / "out" / f"{kind.__name__}.ndjson").read_text().splitlines()
        for kind in (Patient, Observation, Provenance, Flag)
    }
    assert {name: len(found) for name, found in lines.items()} == counts
    assert all(counts.values())
    for kind in (Patient, Observation, Provenance, Flag):
        for line in lines[kind.__name__]:
            kind.model_validate_json(line)


def test_every_reference_of_fhir_is_to_a_resource_that_is_there(
    after: Published, tmp_path: Path
) -> None:
    made(after, "fhir", tmp_path / "out")
    there = []
    told: dict[str, set[str]] = {}
    for path in (tmp_path / "out").glob("*.ndjson"):
        for resource in documents(path):
            there.append(f"{path.stem}/{resource['id']}")
            told.setdefault(path.stem, set()).update(references(resource))
    assert len(there) == len(set(there))
    assert set.union(*told.values()) <= set(there)
    kinds = {name: {ref.split("/")[0] for ref in refs} for name, refs in told.items()}
    assert kinds == {
        "Patient": set(),
        "Observation": {"Patient"},
        "Flag": {"Patient"},
        "Provenance": {"Observation", "Flag"},
    }


def documents(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def references(part: Any) -> Iterator[str]:
    """Every reference within a resource."""
    if isinstance(part, list):
        part = dict(enumerate(part))
    if isinstance(part, dict):
        if isinstance(told := part.get("reference"), str):
            yield told
        for inner in part.values():
            yield from references(inner)


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_views_leave_as_they_are_but_the_quarantine(
    after: Published, tmp_path: Path, kind: str
) -> None:
    counts = made(after, kind, tmp_path / "out")["counts"]
    for view in counts:
        path = tmp_path / "out" / f"{view}.{kind}"
        left = parquet.read_table(path) if kind == "parquet" else pa.ipc.open_file(path).read_all()
        with duckdb.connect(str(after.home.warehouse / "undertow.duckdb"), read_only=True) as con:
            own = con.execute(f'SELECT * FROM main."{view}"').to_arrow_table()
            con.register("given", left)
            for one, other in (("given", "own"), ("own", "given")):
                apart = f"SELECT count(*) FROM (FROM {one} EXCEPT ALL FROM {other})"
                assert con.execute(apart).fetchone() == (0,), view
        assert left.schema.equals(own.schema), view
        assert left.num_rows == counts[view]
    assert counts["observation"] == 29
    assert set(counts) == set(VIEWS) - {"quarantine"}
    assert after.rows("SELECT count(*) > 0 FROM quarantine") == [(True,)]
    assert not (tmp_path / "out" / f"quarantine.{kind}").exists()


@pytest.mark.parametrize("kind", ["omop", "meds", "fhir"])
def test_the_size_of_a_shard_changes_no_row(after: Published, tmp_path: Path, kind: str) -> None:
    one = made(after, kind, tmp_path / "one", 10)["counts"]
    assert one == made(after, kind, tmp_path / "two", 1000)["counts"]


def test_a_folder_that_holds_something_is_refused(after: Published, tmp_path: Path) -> None:
    kept = tmp_path / "out" / "mine.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    with pytest.raises(ExportError, match="not an empty folder"):
        made(after, "omop", kept.parent)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine.txt"]


def test_an_empty_folder_is_taken_and_every_file_is_the_owners_alone(
    after: Published, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    made(after, "omop", tmp_path / "out")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) == 2 * len(CDM) + 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_an_export_that_fails_leaves_nothing(
    after: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "departures", lambda *_: ["a required value is missing"])
    with pytest.raises(ExportError, match="a required value is missing"):
        made(after, "omop", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
