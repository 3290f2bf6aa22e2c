"""Analysts who do what they should not: the next night and other readers are unharmed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from flows.doctor import verified
from tests.faults.doomed import NEXT, Outcome, copied, outcome, readable
from tests.flows.scene import Scene, decoded

pytestmark = pytest.mark.slow

RECORD = "SELECT patient_id, status, known_from, known_to FROM status_version ORDER BY ALL"
WRITES = "UPDATE store.patient_status SET status = 'excluded'"


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
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)


@contextmanager
def held(scene: Scene, *, write: bool) -> Iterator[None]:
    """While another process has the published file open."""
    holder = analyst(scene, "print(1, flush=True); time.sleep(600)", write=write)
    try:
        assert holder.stdout
        holder.stdout.readline()
        yield
        assert holder.poll() is None
    finally:
        holder.kill()
        holder.wait()


def heartbeat(scene: Scene) -> str:
    """Every heartbeat so far, its lines joined."""
    return " ".join(" ".join(decoded(mail) for mail in scene.mails("heartbeat")).split())


@pytest.mark.parametrize(
    ("harm", "is_rebuilt"),
    [(written, True), (log("undertow.duckdb"), False)],
    ids=["written", "killed, DuckDB 1.4"],
)
def test_a_file_that_was_opened_for_writing_is_noticed_and_nothing_of_it_goes_on(
    scene: Scene,
    undisturbed: Outcome,
    quiet: Scene,
    harm: Callable[[Scene], None],
    is_rebuilt: bool,
) -> None:
    harm(scene)
    if is_rebuilt:
        assert set(scene.statuses().values()) == {"excluded"}, "who reads meanwhile sees it"
    assert "bad" in {check.state for check in verified(scene.home)}

    read = scene.night(NEXT)["steps"]["read"]

    assert outcome(scene) == undisturbed
    assert (read["changed by others"], bool(read["rebuilt"])) == (1, is_rebuilt)
    assert "opened undertow-" in heartbeat(scene)
    assert {check.state for check in verified(scene.home)} == {"good"}
    assert not list(scene.home.warehouse.glob("*.wal"))
    is_lost = "What the nights published is not in the record" in heartbeat(scene)
    assert is_lost == is_rebuilt, "the changed file was the only one"
    assert (scene.rows(RECORD) == quiet.rows(RECORD)) != is_lost


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


def test_an_analyst_who_holds_the_file_all_night_holds_up_nothing(
    scene: Scene, undisturbed: Outcome
) -> None:
    with held(scene, write=True):
        scene.night(NEXT)
        assert outcome(scene) == undisturbed
        assert readable(scene)
