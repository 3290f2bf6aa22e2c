"""Analysts who do what they should not: the next night and other readers are unharmed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from flows.doctor import verified
from tests.faults.doomed import NEXT, Outcome, copied, outcome, prepared, readable
from tests.flows.scene import NIGHT, Scene, decoded

RECORD = "SELECT patient_id, status, known_from, known_to FROM status_version ORDER BY ALL"
WRITES = "UPDATE store.patient_status SET status = 'excluded'"


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return prepared(tmp_path_factory.mktemp("before") / "home")


@pytest.fixture(scope="module")
def quiet(before: Scene, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The next night, undisturbed."""
    scene = copied(before, tmp_path_factory.mktemp("quiet") / "home")
    scene.night(NEXT)
    return scene


@pytest.fixture
def undisturbed(quiet: Scene) -> Outcome:
    return outcome(quiet)


@pytest.fixture
def scene(before: Scene, tmp_path: Path) -> Scene:
    return copied(before, tmp_path / "home")


def link(scene: Scene) -> str:
    return str(scene.home.warehouse / "undertow.duckdb")


def written(scene: Scene) -> None:
    """Opened for writing, changed and closed."""
    with duckdb.connect(link(scene)) as con:
        con.execute(WRITES)


def log(name: str) -> Callable[[Scene], None]:
    def left(scene: Scene) -> None:
        """Opened for writing, changed and killed; the log lies beside the file or the link."""
        analyst(scene, f"con.execute({WRITES!r}); os.kill(os.getpid(), 9)", write=True).wait()
        (made,) = scene.home.warehouse.glob("*.wal")
        beside = scene.home.warehouse / f"{name or made.stem}.wal"
        made.rename(beside)
        assert (name == "undertow.duckdb") == (beside.stem == "undertow.duckdb")

    return left


def analyst(scene: Scene, doing: str, *, write: bool = False) -> subprocess.Popen[bytes]:
    """A process of its own with the published file open."""
    code = (
        f"import duckdb, os, time; con = duckdb.connect({link(scene)!r}, read_only={not write}); "
        f"{doing}"
    )
    return subprocess.Popen([sys.executable, "-c", code])


def heartbeat(scene: Scene) -> str:
    """Every heartbeat so far."""
    return "\n".join(decoded(mail) for mail in scene.mails("heartbeat"))


@pytest.mark.parametrize(
    ("harm", "is_rebuilt"),
    [(written, True), (log(""), False), (log("undertow.duckdb"), False)],
    ids=["written", "killed", "killed, DuckDB 1.4"],
)
def test_a_file_that_was_opened_for_writing_is_noticed_and_nothing_of_it_goes_on(
    scene: Scene,
    undisturbed: Outcome,
    quiet: Scene,
    harm: Callable[[Scene], None],
    is_rebuilt: bool,
) -> None:
    harm(scene)
    assert set(scene.statuses().values()) == {"excluded"}, "who reads meanwhile sees it"
    assert "bad" in {check.state for check in verified(scene.home)} or not is_rebuilt

    read = scene.night(NEXT)["steps"]["read"]

    assert outcome(scene) == undisturbed
    assert (read["changed by others"], bool(read["rebuilt"])) == (1, is_rebuilt)
    assert "opened undertow-" in heartbeat(scene)
    assert {check.state for check in verified(scene.home)} == {"good"}
    assert not list(scene.home.warehouse.glob("*.wal"))
    if not is_rebuilt:
        assert scene.rows(RECORD) == quiet.rows(RECORD)


def test_an_undisturbed_night_says_nothing_of_it(quiet: Scene) -> None:
    assert "for writing" not in heartbeat(quiet)
    steps = quiet.ledger("SELECT counts FROM step WHERE name = 'read' ORDER BY rowid")
    assert all('"changed by others": 0' in row["counts"] for row in steps)


def test_a_changed_file_is_published_anew_though_nothing_came(quiet: Scene, tmp_path: Path) -> None:
    scene = copied(quiet, tmp_path / "home")
    whole, statuses = outcome(scene), scene.rows(RECORD)
    again = scene.night(NEXT)["steps"]["publish"]["published"]
    assert again == 0, "nothing came and nothing changed"

    written(scene)
    assert scene.night(NEXT)["steps"]["publish"]["published"] == 1

    assert outcome(scene).statuses == whole.statuses
    assert outcome(scene).digest == whole.digest
    assert scene.rows(RECORD) == statuses, "from the file of the night before, and tonight again"


def test_a_copied_home_is_not_taken_for_a_changed_one(scene: Scene) -> None:
    (file,) = scene.home.warehouse.glob("undertow-*.duckdb")
    os.utime(file)
    assert scene.night(NEXT)["steps"]["read"]["changed by others"] == 0


@pytest.mark.parametrize("write", [False, True], ids=["reading", "writing"])
def test_an_analyst_who_holds_the_file_all_night_holds_up_nothing(
    scene: Scene, undisturbed: Outcome, write: bool
) -> None:
    holder = analyst(scene, "print(1, flush=True); time.sleep(600)", write=write)
    try:
        time.sleep(1)
        scene.night(NEXT)
        assert holder.poll() is None
        assert outcome(scene) == undisturbed
        assert readable(scene)
    finally:
        holder.kill()
        holder.wait()


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

    assert f"nights after {NIGHT} published is not in the record" in " ".join(
        heartbeat(scene).split()
    )
    nights = scene.rows("SELECT DISTINCT known_from FROM status_version ORDER BY ALL")
    assert nights == [(NIGHT,), (NEXT + timedelta(days=1),)]
