"""Doctor before a night, verify after it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows import doctor
from tests.flows.scene import MARKED, NIGHT, Scene, undertow
from warehouse.heartbeats import from_json


def states(found: list[dict[str, str]]) -> dict[str, str]:
    return {check["name"]: check["state"] for check in found}


@pytest.fixture
def copy(after: Scene, tmp_path: Path) -> Scene:
    """The home of two nights, to be damaged."""
    shutil.copytree(after.home.root, tmp_path / "copy", symlinks=True)
    return Scene(type(after.home)(tmp_path / "copy"))


def test_a_home_in_order_is_good(scene: Scene) -> None:
    said = scene.run("doctor", "--json")

    assert said.code == 0
    assert states(said.json) == {
        "versions": "good", "home": "good", "settings": "good", "disk": "good", "mail": "note",
        "privacy": "good", "runner": "note",
    }  # fmt: skip


def test_no_home_is_bad(tmp_path: Path) -> None:
    said = undertow("doctor", "--home", str(tmp_path / "none"), "--json")

    assert (said.code, states(said.json)["home"]) == (1, "bad")


def test_a_home_that_others_may_look_into_is_noted(scene: Scene) -> None:
    scene.home.root.chmod(0o755)

    assert states(scene.run("doctor", "--json").json)["home"] == "note"


def test_wrong_settings_are_bad_and_named(scene: Scene) -> None:
    scene.set('[site]\ntime_zone = "Rome"\n')

    said = scene.run("doctor")

    assert said.code == 1
    assert "bad   settings: site.time_zone: 'Rome'" in said.out


def test_a_folder_without_a_reader_is_bad_until_it_is_named(scene: Scene) -> None:
    scene.drop("city_lab/labs.csv", "")
    (scene.home.inbox / ".sync").mkdir()
    assert "no reader for inbox/city_lab\n" in scene.run("doctor").out

    scene.set('[sources.city_lab]\nreader = "clinic_csv"\n')
    assert scene.run("doctor").code == 0


def test_little_free_disk_is_bad(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MIN_FREE_BYTES", 10**18)

    assert states(scene.run("doctor", "--json").json)["disk"] == "bad"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ('host = "smtp.clinic.example"', "good"),
        ('host = "smtp.clinic.example"\ndetail = "full"', "good"),
        ('host = "localhost"\nsecurity = "relay"', "good"),
        ('host = "localhost"\nsecurity = "relay"\ndetail = "full"', "bad"),
    ],
)
def test_mail_in_clear_with_details_is_bad(scene: Scene, text: str, state: str) -> None:
    scene.set(f"[mail]\n{text}\n")

    assert states(scene.run("doctor", "--json").json)["mail"] == state


def test_verify_finds_nothing_wrong_with_what_was_not_touched(after: Scene) -> None:
    said = after.run("verify", "--json")

    assert said.code == 0
    assert set(states(said.json).values()) == {"good"}


def test_a_whole_night_counts_itself(after: Scene) -> None:
    beat = from_json(after.home.heartbeat.read_text())
    assert beat is not None
    assert (beat.night, beat.counts["mails_sent"]) == ("2026-03-02", 1)
    assert [row["night"] for row in after.ledger("SELECT night FROM heartbeat ORDER BY rowid")] == [
        "2026-03-01",
        "2026-03-02",
    ]


def test_verify_of_an_empty_home_has_nothing_to_check(scene: Scene) -> None:
    said = scene.run("verify", "--json")

    assert (said.code, states(said.json)["warehouse"]) == (0, "note")


def test_verify_finds_a_wrong_byte_and_a_missing_file_among_the_landed(copy: Scene) -> None:
    landed = sorted(path for path in copy.home.landed.rglob("*") if path.is_file())
    flip(landed[0], -1)
    landed[1].unlink()

    said = copy.run("verify", "--json")

    (check,) = [check for check in said.json if check["state"] == "bad"]
    assert said.code == 1
    assert landed[0].name[:12] in check["said"]
    assert landed[1].name[:12] in check["said"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE store.observation SET value = value + 1 WHERE analyte = 'insulin'",
        "UPDATE store.patient_status SET status = 'not_flagged'",
        "DELETE FROM store.quarantine",
        "UPDATE store.source_file SET rows_in = rows_in + 1",
        "INSERT INTO store.person SELECT 'X', birth_date, sex, time_zone FROM store.person LIMIT 1",
        "UPDATE store.digest SET n = n + 1 WHERE table_name = 'trend'",
        "UPDATE store.alert SET state = 'resolved'",
        "DELETE FROM store.validation_result",
        "CREATE OR REPLACE VIEW main.patient_status AS SELECT 'ANN' AS patient_id",
    ],
)
def test_verify_finds_a_published_file_that_was_changed(copy: Scene, statement: str) -> None:
    changed(copy, lambda con: con.execute(statement))

    said = copy.run("verify", "--json")

    assert said.code == 1
    assert "bad" in states(said.json).values()


def test_verify_finds_a_published_file_of_another_night(copy: Scene) -> None:
    first, last = copy.published()
    (copy.home.warehouse / last).unlink()
    shutil.copy(copy.home.warehouse / first, copy.home.warehouse / last)

    assert copy.run("verify").code == 1


def test_verify_finds_any_wrong_byte_of_the_published_file(copy: Scene) -> None:
    file = (copy.home.warehouse / "undertow.duckdb").resolve()
    size = file.stat().st_size
    missed = []
    for place in range(13, size, size // 40):
        flip(file, place)
        if copy.run("verify").code == 0:
            missed.append(place)
        flip(file, place)

    assert missed == []
    assert copy.run("verify").code == 0


def test_a_damaged_published_file_is_made_again_from_the_files(copy: Scene) -> None:
    file = (copy.home.warehouse / "undertow.duckdb").resolve()
    file.chmod(0o600)
    file.write_bytes(b"no database" * 1000)
    digest = copy.digest()

    copy.night(NIGHT.replace(day=2))

    assert copy.digest() == digest
    assert copy.run("verify").code == 0
    assert copy.statuses()["ANN"] in MARKED


def changed(scene: Scene, change: Callable[[duckdb.DuckDBPyConnection], Any]) -> None:
    file = (scene.home.warehouse / "undertow.duckdb").resolve()
    file.chmod(0o600)
    with duckdb.connect(str(file)) as con:
        change(con)


def flip(path: Path, place: int) -> None:
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)
