"""``kill -9`` at both edges of every step and inside what writes, once and twice in a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.doctor import verified
from tests.faults.doomed import INSIDE, NEXT, PLACES, Outcome, copied, killed, outcome, prepared
from tests.flows.scene import Scene

ALL = (*PLACES, *INSIDE)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return prepared(tmp_path_factory.mktemp("before") / "home")


@pytest.fixture(scope="module")
def undisturbed(before: Scene, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    scene = copied(before, tmp_path_factory.mktemp("undisturbed") / "home")
    scene.night(NEXT)
    return outcome(scene)


@pytest.mark.parametrize("place", ALL)
def test_one_kill(before: Scene, undisturbed: Outcome, tmp_path: Path, place: str) -> None:
    scene = copied(before, tmp_path / "home")

    assert killed(scene, place)

    ends_well(scene, undisturbed)


@pytest.mark.parametrize("number", range(len(ALL)))
def test_two_kills_in_a_row(
    before: Scene, undisturbed: Outcome, tmp_path: Path, number: int
) -> None:
    """The second kill falls at another place each time, before and behind the first."""
    scene = copied(before, tmp_path / "home")

    assert killed(scene, ALL[number])
    killed(scene, ALL[(number * 7 + 3) % len(ALL)])

    ends_well(scene, undisturbed)


def ends_well(scene: Scene, undisturbed: Outcome) -> None:
    scene.night(NEXT)
    assert outcome(scene) == undisturbed
    assert {check.state for check in verified(scene.home)} == {"good"}
    assert scene.ledger("SELECT * FROM outbox WHERE state <> 'sent'") == []
    assert not list(scene.home.warehouse.glob(".build*"))
    assert not list(scene.home.landed.glob("partial-*"))
