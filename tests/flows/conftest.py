"""A home per test, empty or after one night; and homes after two, to look at and not to change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from flows.home import Home
from tests.flows import cohort_clinic, senders
from tests.flows import scene as scenes
from tests.flows.once import made_once
from tests.flows.scene import NIGHT, Scene
from tests.flows.senders import Nights, Sender
from warehouse.store import connect


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

    def make(root: Path) -> None:
        made = scenes.scene(root / "home")
        made.people()
        made.night(NIGHT)

    return Scene(Home(made_once(tmp_path_factory, "first_night", make) / "home"))


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

    def make(root: Path) -> None:
        made = scenes.scene(root / "home")
        made.people()
        own = scenes.result("FLO", date(2026, 1, 20), "LOCAL-INS", 5.2, number="own-1")
        made.drop("clinic_csv/labs-3.csv", scenes.labs(own))
        made.drop("clinic_csv/notes.csv", "a,b\n1,2\n")
        made.night(NIGHT)
        made.night(date(2026, 3, 2))

    return Scene(Home(made_once(tmp_path_factory, "two_nights", make) / "home"))


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
