"""A disk that fills up at any point: the night fails or is done, the old file stays readable, and
with room again it ends as if nothing had happened. (A limit on the size of files stands for the
disk: the same calls fail, with the same kind of error.)"""

from __future__ import annotations

import multiprocessing
import resource
from pathlib import Path

import pytest

from flows.home import Home
from tests.faults.doomed import NEXT, Outcome, copied, outcome, prepared, readable
from tests.flows.scene import Scene

LEVELS = (*(1 << power for power in range(9, 22)), *range(300_000, 5_000_000, 300_000))
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.flows.scene", "flows.steps", "expectations.checkpoint"])


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return prepared(tmp_path_factory.mktemp("before") / "home")


@pytest.fixture(scope="module")
def undisturbed(before: Scene, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    scene = copied(before, tmp_path_factory.mktemp("undisturbed") / "home")
    scene.night(NEXT)
    return outcome(scene)


@pytest.mark.parametrize("room", LEVELS)
def test_a_night_without_room_harms_nothing(
    before: Scene, undisturbed: Outcome, tmp_path: Path, room: int
) -> None:
    scene = copied(before, tmp_path / "home")
    process = _context.Process(target=cramped, args=(scene.home.root, room))
    process.start()
    process.join()

    assert process.exitcode is not None
    assert process.exitcode >= 0, "it ends by itself"
    assert readable(scene)
    if process.exitcode == 0:
        assert outcome(scene) == undisturbed

    scene.night(NEXT)
    assert outcome(scene) == undisturbed


def cramped(root: Path, room: int) -> None:
    """A night in which no file may grow beyond ``room``."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    Scene(Home(root)).night(NEXT)
