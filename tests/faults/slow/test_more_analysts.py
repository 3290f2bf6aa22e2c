"""More of what analysts do: kept open for reading, killed in a query, an older record."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.doomed import NEXT, Outcome, copied, outcome, prepared, readable
from tests.faults.test_analysts import analyst, heartbeat, held, log, written
from tests.flows.scene import NIGHT, Scene


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return prepared(tmp_path_factory.mktemp("before") / "home")


@pytest.fixture(scope="module")
def quiet(before: Scene, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    scene = copied(before, tmp_path_factory.mktemp("quiet") / "home")
    scene.night(NEXT)
    return scene


@pytest.fixture
def undisturbed(quiet: Scene) -> Outcome:
    return outcome(quiet)


@pytest.fixture
def scene(before: Scene, tmp_path: Path) -> Scene:
    return copied(before, tmp_path / "home")


def test_an_analyst_who_reads_all_night_holds_up_nothing(
    scene: Scene, undisturbed: Outcome
) -> None:
    with held(scene, write=False):
        scene.night(NEXT)
        assert outcome(scene) == undisturbed
        assert readable(scene)


def test_a_log_of_a_killed_writer_is_left_behind(scene: Scene, undisturbed: Outcome) -> None:
    log("")(scene)
    assert set(scene.statuses().values()) == {"excluded"}, "who reads meanwhile sees it"
    read = scene.night(NEXT)["steps"]["read"]
    assert (read["changed by others"], read["rebuilt"]) == (1, 0)
    assert outcome(scene) == undisturbed
    assert not list(scene.home.warehouse.glob("*.wal"))


def test_a_copied_home_is_not_taken_for_a_changed_one(scene: Scene) -> None:
    (file,) = scene.home.warehouse.glob("undertow-*.duckdb")
    os.utime(file)
    assert scene.night(NEXT)["steps"]["read"]["changed by others"] == 0


def test_an_analyst_killed_in_the_middle_of_a_query_harms_nobody(
    scene: Scene, undisturbed: Outcome
) -> None:
    query = "SELECT count(*) FROM range(10000000000) a, store.person"
    reader = analyst(scene, f"con.execute({query!r}).fetchall()")
    time.sleep(1)
    reader.send_signal(signal.SIGKILL)
    reader.wait()
    assert readable(scene)
    assert not list(scene.home.warehouse.glob("*.wal"))

    scene.night(NEXT)
    assert outcome(scene) == undisturbed


def test_a_record_that_is_lost_is_said_to_be_and_what_is_older_is_kept(
    quiet: Scene, tmp_path: Path
) -> None:
    scene = copied(quiet, tmp_path / "home")
    assert scene.rows("SELECT max(known_from) FROM status_version") == [(NEXT,)]
    written(scene)

    scene.night(NEXT + timedelta(days=1))

    assert f"nights after {NIGHT} published is not in the record" in heartbeat(scene)
    nights = scene.rows("SELECT DISTINCT known_from FROM status_version ORDER BY ALL")
    assert nights == [(NIGHT,), (NEXT + timedelta(days=1),)]
