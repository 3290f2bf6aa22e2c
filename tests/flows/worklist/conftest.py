"""A small clinic whose night is over, built once; each test gets a copy to answer in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.flows import scene as scenes
from tests.flows.once import made_once
from tests.flows.scene import CLIMBING, FLAT, NIGHT, Scene, labs, patients, series
from tests.flows.worklist.visiting import HOSTILE, OTHER, SETTINGS


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown name's password is held against a hash that costs no more than the tests' own."""
    monkeypatch.setattr("flows.worklist.doors.nobody", lambda: OTHER)


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A home after one night: Ann of the north and Bea of the south climb, and so does somebody of
    no panel whose name is an attack; Flo is flat."""
    return Scene(scenes.Home(made_once(tmp_path_factory, "clinic", make) / "home"))


def make(root: Path) -> None:
    """Make that home."""
    made = scenes.scene(root / "home")
    made.set(SETTINGS)
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    odd = (row.replace("X1", quoted, 1) for row in series("X1"))
    strong = tuple(value * 1.5 for value in CLIMBING)
    made.drop("clinic_csv/labs-1.csv", labs(*series("ANN"), *series("FLO", FLAT)))
    made.drop("clinic_csv/labs-2.csv", labs(*series("BEA", strong), *odd))
    made.drop("clinic_csv/patients-1.csv", patients("ANN", "FLO", "BEA"))
    panels = made.home.root / "panels.csv"
    panels.write_text("patient_id,panel\nANN,north\nFLO,north\nBEA,south\n", encoding="utf-8")
    made.night(NIGHT)


@pytest.fixture
def home(clinic: Scene, tmp_path: Path) -> Scene:
    """The clinic's home, to be answered in."""
    return copied(clinic, tmp_path / "home")


def copied(clinic: Scene, root: Path) -> Scene:
    """The home with the same warehouse and a copy of all else."""
    shutil.copytree(
        clinic.home.root,
        root,
        ignore=shutil.ignore_patterns("warehouse", "landed", "*-wal", "*-shm"),
    )
    (root / "warehouse").symlink_to(clinic.home.warehouse)
    return Scene(scenes.Home(root))
