"""Nights with a key: what analysts open names nobody, and the care team's own file does."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pytest

from flows.home import Home
from flows.reading import published_file
from tests.flows import scene as scenes
from tests.flows.canaries import CANARIES, NAME, NUMBER, PLANTED, SETTINGS, drop_everywhere
from tests.flows.scene import Scene, labs, result
from transforms.catalog.tables import TABLES
from warehouse import pseudonyms
from warehouse.pseudonyms import CROSSWALK, is_pseudonymous

pytestmark = pytest.mark.slow

FIRST, SECOND, THIRD = date(2026, 4, 1), date(2026, 4, 2), date(2026, 4, 3)
LATER = result("ANN", date(2026, 3, 28), "1558-6", 88)


@dataclass(frozen=True)
class Keyed:
    """A home with two nights behind it, the second with a key, and what analysts could see while
    that one was being published."""

    scene: Scene
    key: Path
    seen: dict[str, bytes]


def new_key(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(os.urandom(32))
    path.chmod(0o600)
    return path


def set_key(scene: Scene, key: Path | None) -> None:
    text = f'[privacy]\npseudonym_key_file = "{key}"\n' if key else ""
    scene.set(SETTINGS + text)


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    folder = tmp_path_factory.mktemp("keyed")
    scene, key, seen = scenes.scene(folder / "home"), new_key(folder, "key"), {}
    set_key(scene, None)
    drop_everywhere(scene)
    scene.night(FIRST)
    set_key(scene, key)
    scene.drop("clinic_csv/labs-later.csv", labs(LATER))

    def look(folder: Path, *_: object) -> None:
        """Before the crosswalk is kept, the fresh file lies closed beside the old ones."""
        seen.update({p.name: p.read_bytes() for p in (folder.parent / "warehouse").glob(".*")})
        kept(folder, *_)

    kept = pseudonyms.keep_crosswalk
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pseudonyms, "keep_crosswalk", look)
        scene.night(SECOND)
    yield Keyed(scene, key, seen)


@pytest.fixture
def other(keyed: Keyed, tmp_path: Path) -> Scene:
    """A copy of that home, to go on with."""
    shutil.copytree(keyed.scene.home.root, tmp_path / "home", symlinks=True)
    return Scene(Home(tmp_path / "home"))


def canaries_in(file: Path) -> dict[str, int]:
    """Column -> rows with a canary, of every kept table and in every type."""
    found = {}
    with opened(file) as con:
        for table in TABLES.values():
            for column in table.columns:
                text = f'"{column}"::VARCHAR'
                holds = " OR ".join(f"contains({text}, '{canary}')" for canary in CANARIES)
                query = f'SELECT count(*) FROM store."{table.name}" WHERE {holds}'
                rows = con.execute(query).fetchone()
                if rows and rows[0]:
                    found[f"{table.name}.{column}"] = rows[0]
    return found


@contextmanager
def opened(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(file), read_only=True) as con:
        yield con


def of_analysts(scene: Scene) -> Path:
    found = published_file(scene.home, for_analysts=True)
    assert found
    return found


def of_care(scene: Scene) -> Path:
    found = published_file(scene.home)
    assert found
    return found


# who can see whom


def test_the_care_teams_file_holds_canaries_of_every_source(keyed: Keyed) -> None:
    found = canaries_in(of_care(keyed.scene))
    with opened(of_care(keyed.scene)) as con:
        sources = con.execute(
            "SELECT source FROM source_file WHERE rows_accepted > 0 AND file_id IN (SELECT file_id "
            "FROM store.observation WHERE patient_id = $1 UNION SELECT file_id FROM store.sample "
            "WHERE patient_id = $1)",
            [NUMBER],
        ).fetchall()

    assert {row[0] for row in sources} >= {*PLANTED, "clinic_csv"} - {
        "xpt"
    }  # its people are p1 to p3
    for column in (
        "observation.comment observation.lab observation.assay observation.result_id sample.device "
        "medication.name medication.class condition.code condition.name person.time_zone "
        "patient.merged_into patient_alias.survivor_id quarantine.row quarantine.file "
        "source_file.file fasting_pair.platform unknown_code.source_code feed.lab"
    ).split():
        assert found.get(column), column


def test_the_analyst_file_holds_no_canary_in_any_column(keyed: Keyed) -> None:
    assert canaries_in(of_analysts(keyed.scene)) == {}


def test_no_byte_of_what_analysts_can_open_holds_a_canary(keyed: Keyed) -> None:
    files = {path.name: path.read_bytes() for path in keyed.scene.home.warehouse.iterdir()}
    own = of_care(keyed.scene).read_bytes()

    assert ".analyst.duckdb" in keyed.seen
    for canary in CANARIES:
        assert canary.encode() in own
        for name, content in (files | keyed.seen).items():
            assert canary.encode() not in content, name
            assert canary not in name


def test_the_pages_of_the_night_before_are_not_among_them(keyed: Keyed) -> None:
    names = {path.name for path in keyed.scene.home.warehouse.iterdir()}
    versions = list(keyed.scene.home.care.glob("undertow-*.duckdb"))

    assert len(names) == 2
    assert len(versions) == 2
    assert not any(map(is_pseudonymous, versions))
    assert sum(bool(canaries_in(path)) for path in versions) == 2


def test_nobody_else_may_look_into_the_care_teams_folder(keyed: Keyed) -> None:
    care = keyed.scene.home.care

    assert care.stat().st_mode & 0o777 == 0o700
    assert (care / CROSSWALK).stat().st_mode & 0o777 == 0o600


# the same night in both


def test_both_files_show_the_same_night_and_the_same_people(keyed: Keyed) -> None:
    query = (
        "SELECT status, tier, s.as_of, birth_date, n_pairs, p_climbing_unseen "
        "FROM patient_status s JOIN patient USING (patient_id) "
        "LEFT JOIN trend USING (patient_id) ORDER BY ALL"
    )
    files = of_care(keyed.scene), of_analysts(keyed.scene)
    told = []
    for file in files:
        with opened(file) as con:
            told.append(con.execute(query).fetchall())

    assert told[0] == told[1]
    assert len(told[0]) > 3


def test_every_view_has_the_same_columns_in_both(keyed: Keyed) -> None:
    query = (
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE schema_name = 'main' AND NOT internal ORDER BY ALL"
    )
    with opened(of_care(keyed.scene)) as own, opened(of_analysts(keyed.scene)) as theirs:
        assert own.execute(query).fetchall() == theirs.execute(query).fetchall()


def test_the_commands_of_the_care_team_know_people_by_name(keyed: Keyed) -> None:
    run = keyed.scene.run
    number = run("alerts", "list", "--json").json[0]["alert_id"]

    assert run("explain", "ANN").out.startswith("ANN: ")
    assert run("alerts", "show", number).out.startswith("ANN: ")
    assert NAME in run("quarantine", "show", f"{NAME}.csv").out
    assert "names nobody" not in run("doctor").out
    assert "knows people by pseudonym" in run("doctor").out
    checks = {check["name"]: check["state"] for check in run("verify", "--json").json}
    assert checks["published file"] == checks["analyst file"] == "good"


def test_the_crosswalk_says_who_is_who_both_ways(keyed: Keyed) -> None:
    by_name = keyed.scene.run("crosswalk", "ANN", "--json").json
    back = keyed.scene.run("crosswalk", by_name["pseudonym"], "--json").json
    rows = keyed.scene.rows(
        "SELECT count(*) FROM patient WHERE patient_id = ?", by_name["pseudonym"]
    )

    assert by_name == back
    assert back["patient_id"] == "ANN"
    assert rows == [(1,)]
    assert keyed.scene.run("crosswalk", "nobody").code == 1


def test_an_export_is_of_the_analyst_file_unless_names_are_asked_for(
    keyed: Keyed, tmp_path: Path
) -> None:
    said = {}
    for name, options in (("theirs", ()), ("own", ("--identified",))):
        to = tmp_path / name
        assert keyed.scene.run("export", "fhir", "--to", str(to), *options).code == 0
        said[name] = "".join(path.read_text() for path in to.rglob("*") if path.is_file())

    assert NUMBER in said["own"]
    assert not any(canary in said["theirs"] for canary in CANARIES)


# night after night


def test_the_night_is_the_same_again_from_its_files(keyed: Keyed) -> None:
    said = keyed.scene.run("replay", str(SECOND), "--json")

    assert (said.code, said.json["same"]) == (0, True)


def test_nothing_is_published_again_while_nothing_changes(other: Scene) -> None:
    before = of_analysts(other)

    assert other.night(SECOND)["steps"]["publish"] == {"published": 0}
    assert of_analysts(other) == before


def test_another_key_gives_all_people_other_pseudonyms_though_a_night_died_between_the_swaps(
    other: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict(other.rows("SELECT patient_id, status FROM patient_status"))
    old = of_care(other), of_analysts(other)
    set_key(other, new_key(tmp_path, "another"))
    with monkeypatch.context() as patch:
        patch.setattr("flows.analyst.settle", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            other.night(SECOND)
    assert of_care(other) != old[0]
    assert of_analysts(other) == old[1]

    done = other.night(SECOND)
    after = dict(other.rows("SELECT patient_id, status FROM patient_status"))

    assert done["steps"]["publish"]["published"] == 1
    assert not before.keys() & after.keys()
    assert sorted(before.values()) == sorted(after.values())


def test_without_the_key_one_file_is_for_both_again(other: Scene) -> None:
    digest = other.digest()
    set_key(other, None)
    done = other.night(SECOND)

    assert done["steps"]["publish"]["published"] == 1
    assert done["digest"] == digest
    assert of_care(other) == of_analysts(other)
    assert other.rows("SELECT count(*) FROM patient WHERE patient_id = 'ANN'") == [(1,)]
    assert {path.name for path in other.home.care.iterdir()} == {CROSSWALK}


def test_a_column_nobody_decided_on_stops_the_publish_until_somebody_does(
    other: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = of_care(other), of_analysts(other)
    known = {row[0] for row in other.rows("SELECT patient_id FROM patient")}
    other.drop("clinic_csv/labs-new.csv", labs(result("NEW", date(2026, 3, 30), "1558-6", 90)))
    missing = {name: how for name, how in pseudonyms.PASSAGES.items() if name != "comment"}
    with monkeypatch.context() as patch:
        patch.setattr("transforms.catalog.passages.PASSAGES", missing)
        with pytest.raises(pseudonyms.UndecidedColumnError, match=r"observation\.comment"):
            other.night(THIRD)
    assert (of_care(other), of_analysts(other)) == before

    other.night(THIRD)
    people = {row[0] for row in other.rows("SELECT patient_id FROM patient")}
    assert known < people, "known people keep their pseudonyms"
    assert len(people) == len(known) + 1


def test_a_certificate_is_the_care_teams_and_verifies_by_the_landed_files(
    keyed: Keyed, tmp_path: Path
) -> None:
    told = keyed.scene.run("certificate", "ANN", "--to", str(tmp_path / "out"), "--json")
    assert told.code == 0
    (document,) = (tmp_path / "out").glob("*.json")
    assert json.loads(document.read_text())["person"]["id"] == "ANN"
    home = str(keyed.scene.home.root)
    assert scenes.undertow("verify", str(document), "--landed", home).code == 0
