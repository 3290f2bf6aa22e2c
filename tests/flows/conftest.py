"""A home per test, empty or after one night; and homes after two, to look at and not to change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.flows import cohort_clinic
from tests.flows import scene as scenes
from tests.flows.scene import NIGHT, Scene
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
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cohort_clinic.Con]:
    """A store of a few thousand people after one night, to look at and to roll back."""
    con = connect(Path(":memory:"), tmp_path_factory.mktemp("clinic"))
    yield cohort_clinic.clinic(con)
    con.close()
