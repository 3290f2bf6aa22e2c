"""The night that is disturbed: a home before it, and one after it that nothing disturbed."""

from __future__ import annotations

import pytest

from flows.home import Home
from tests.faults.doomed import NEXT, Outcome, copied, outcome, prepared
from tests.flows.once import made_once
from tests.flows.scene import Scene


@pytest.fixture(scope="session")
def before(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """To be copied."""
    place = made_once(tmp_path_factory, "before", lambda root: prepared(root / "home"))
    return Scene(Home(place / "home"))


@pytest.fixture(scope="session")
def quiet(before: Scene, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The next night, undisturbed: to be looked at."""
    place = made_once(
        tmp_path_factory, "quiet", lambda root: copied(before, root / "home").night(NEXT)
    )
    return Scene(Home(place / "home"))


@pytest.fixture(scope="session")
def undisturbed(quiet: Scene) -> Outcome:
    """What stands after it."""
    return outcome(quiet)
