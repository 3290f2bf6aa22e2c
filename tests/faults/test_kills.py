"""A night that is killed and run again ends as if nothing had happened; ``make faults`` tries
every place, and twice in a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.doctor import verified
from tests.faults.doomed import NEXT, Outcome, copied, killed, outcome
from tests.flows.scene import Scene

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("place", ["after land", "after alert", "after publish"])
def test_a_killed_night_run_again_ends_as_an_undisturbed_one(
    before: Scene, undisturbed: Outcome, tmp_path: Path, place: str
) -> None:
    scene = copied(before, tmp_path / "home")

    assert killed(scene, place)
    scene.night(NEXT)

    assert outcome(scene) == undisturbed
    assert {check.state for check in verified(scene.home)} == {"good"}
    assert not scene.home.scratch.exists()
    states = [run["state"] for run in scene.ledger("SELECT state FROM run ORDER BY started_at")]
    assert states == ["done", "failed", "done"]


def test_a_night_that_is_not_killed_is_the_measure(
    before: Scene, undisturbed: Outcome, tmp_path: Path
) -> None:
    scene = copied(before, tmp_path / "home")

    assert not killed(scene, "before nothing")
    assert outcome(scene) == undisturbed
    assert len(undisturbed.alerts) == 2
    assert len(undisturbed.mails) == 4
