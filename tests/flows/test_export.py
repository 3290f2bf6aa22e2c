"""Exports of a small warehouse under the real views, read back as their users would."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from fhir.resources.R4B.observation import Observation

from flows import export as exports
from flows.export import ExportError, export
from flows.home import Home, make
from tests.transforms.exports.observed import observed, people
from transforms.catalog.definitions import cohort_definition_frame
from transforms.catalog.fields import FIELDS
from transforms.catalog.tables import TABLES
from transforms.exports.tables import CDM, CODES, EVENT, definition_sql, departures

NAMES = ("ANN", "FLO", "NEW")
VIEWS = "patient observation cohort cohort_definition source_file tonight quarantine".split()
SQL = Path(__file__).resolve().parents[2] / "warehouse" / "views"
DAY = date(2026, 3, 1)
COHORT = "high_stable"


def frames() -> dict[str, pl.DataFrame]:
    """Rows of three people: nine results each, a stay for two of them, one row in quarantine."""
    rows = [{"patient_id": name, "line": line} for name in NAMES for line in range(9)]
    bound = {"patient_id": "ANN", "line": 9, "value": 2.0, "comparator": "<"}
    missing = {"patient_id": "ANN", "line": 10, "value": None, "unit": None}
    stays = [(COHORT, "ANN", DAY, None, "1"), (COHORT, "FLO", date(2025, 1, 1), DAY, "1")]
    names = TABLES["cohort"].columns
    return {
        "person": people(*NAMES).collect(),
        "observation": observed(*rows, bound, missing).collect(),
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


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_omop_loads_under_the_constraints_of_the_model(
    after: Published, tmp_path: Path, suffix: str
) -> None:
    counts = made(after, "omop", tmp_path / "out")["counts"]
    with duckdb.connect() as con:
        for shape in CDM:
            path = tmp_path / "out" / suffix / f"{shape.name}.{suffix}"
            con.execute(definition_sql(shape))
            con.execute(f"INSERT INTO {shape.name} FROM '{path}'")
            found = con.execute(f"SELECT count(*) FROM {shape.name}").fetchone()
            assert found == (counts[shape.name],), shape.name
        orphans = "SELECT count(*) FROM measurement ANTI JOIN person USING (person_id)"
        assert con.execute(orphans).fetchone() == (0,)
    assert (counts["person"], counts["measurement"], counts["cohort"]) == (3, 29, 2)


def test_the_model_refuses_a_measurement_twice(after: Published, tmp_path: Path) -> None:
    made(after, "omop", tmp_path / "out")
    measurement = next(shape for shape in CDM if shape.name == "measurement")
    path = tmp_path / "out" / "parquet" / "measurement.parquet"
    with duckdb.connect() as con:
        con.execute(definition_sql(measurement))
        con.execute(f"INSERT INTO measurement FROM '{path}'")
        with pytest.raises(duckdb.ConstraintException):
            con.execute(f"INSERT INTO measurement FROM '{path}'")


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


def test_fhir_has_one_valid_resource_a_line(after: Published, tmp_path: Path) -> None:
    counts = made(after, "fhir", tmp_path / "out")["counts"]
    lines = {
        name: (tmp_path / "out" / f"{name}.ndjson").read_text().splitlines()
        for name in ("Patient", "Observation", "Provenance", "Flag")
    }
    assert {name: len(found) for name, found in lines.items()} == counts
    observations = [json.loads(line) for line in lines["Observation"]]
    for found in observations:
        Observation.model_validate(found)
    ids = {found["id"] for found in observations}
    assert len(ids) == len(observations) == len(lines["Provenance"])


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_views_leave_as_they_are_but_the_quarantine(
    after: Published, tmp_path: Path, kind: str
) -> None:
    counts = made(after, kind, tmp_path / "out")["counts"]
    path = tmp_path / "out" / f"observation.{kind}"
    read = pl.read_parquet if kind == "parquet" else pl.read_ipc
    assert read(path).height == counts["observation"] > 0
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
    assert len(files) == 2 * len(CDM) + 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_an_export_that_fails_leaves_nothing(
    after: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "departures", lambda *_: ["a required value is missing"])
    with pytest.raises(ExportError, match="a required value is missing"):
        made(after, "omop", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
