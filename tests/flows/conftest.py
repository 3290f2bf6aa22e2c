"""A home per test, empty or after one night; and homes after two, to look at and not to change."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import date
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

from tests.flows import cohort_clinic, senders
from tests.flows import scene as scenes
from tests.flows.scene import NIGHT, Scene
from tests.flows.senders import Nights, Sender
from warehouse.store import connect


def made_once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first worker to want it makes and all workers look at."""
    own = folders.getbasetemp()
    place = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    with place.with_suffix(".lock").open("w") as held:
        flock(held, LOCK_EX)
        if not place.exists():
            under_way = folders.mktemp(name)
            make(under_way)
            under_way.rename(place)
    return place


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own settings reaches a test."""
    for name in ("UNDERTOW_HOME", "UNDERTOW_DEBUG", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """An empty home."""
    return scenes.scene(tmp_path / "home")


@pytest.fixture(scope="session")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A home after the first night over :meth:`Scene.people`, to be copied."""
    made = scenes.scene(tmp_path_factory.mktemp("first") / "home")
    made.people()
    made.night(NIGHT)
    return made


@pytest.fixture
def begun(first_night: Scene, tmp_path: Path) -> Scene:
    """A home after that night, to go on from."""
    return first_night.copied(tmp_path / "home")


@pytest.fixture(scope="module")
def after(two_nights: Scene, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A home after two nights, for looking only: Ann climbs, a row and a file wait."""
    return two_nights.copied(tmp_path_factory.mktemp("after") / "home")


@pytest.fixture(scope="session")
def two_nights(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Such a home, to be copied."""
    made = scenes.scene(tmp_path_factory.mktemp("two") / "home")
    made.people()
    made.drop(
        "clinic_csv/labs-3.csv",
        scenes.labs(scenes.result("FLO", date(2026, 1, 20), "LOCAL-INS", 5.2, number="own-1")),
    )
    made.drop("clinic_csv/notes.csv", "a,b\n1,2\n")
    made.night(NIGHT)
    made.night(date(2026, 3, 2))
    return made


@pytest.fixture(scope="session")
def nights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Nights on which every :class:`Sender` of the collected files sent what it sends."""
    modules = dict.fromkeys(getattr(item, "module", None) for item in request.session.items)
    found = [value for module in modules if module for value in vars(module).values()]
    sending = {id(value): value for value in found if isinstance(value, Sender)}

    def make(root: Path) -> None:
        senders.run_nights(root, sending.values())

    return senders.nights(made_once(tmp_path_factory, "senders", make))


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cohort_clinic.Con]:
    """A store of a few thousand people after one night, to look at and to roll back."""
    con = connect(Path(":memory:"), tmp_path_factory.mktemp("clinic"))
    yield cohort_clinic.clinic(con)
    con.close()
