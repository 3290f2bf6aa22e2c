"""A night over a Levels export: both clocks of every reading are in the warehouse."""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.flows.scene import Scene
from tests.flows.senders import Files, Nights, Sender, source
from transforms.synthetic.emit_levels import levels_csv

REAL = Path(__file__).parents[2].parent / "shared" / "realdata" / "cgm_cgmr"
START = datetime(2024, 3, 10, 9, 0)  # noqa: DTZ001 an hour before the clocks of the west go forward


def readings(count: int = 12) -> pl.DataFrame:
    """One every quarter of an hour, over a clock change."""
    at = [START + timedelta(minutes=15 * n) for n in range(count)]
    change = datetime(2024, 3, 10, 10, 0)  # noqa: DTZ001
    return pl.DataFrame(
        {
            "at": at,
            "east_minutes": [-480 if moment < change else -420 for moment in at],
            "glucose": [str(90 + n) for n in range(count)],
            "type": ["timeseries"] * (count - 1) + ["directRead"],
        }
    )


def account(scene: Scene) -> list[tuple[object, ...]]:
    return scene.rows(
        "SELECT rows_in, rows_accepted, rows_quarantined, rows_duplicate + rows_superseded "
        "FROM source_file ORDER BY known_at, file"
    )


def real() -> Files:
    """The export of a person, where it is."""
    path = REAL / NAME
    return {f"levels_real/F4/{NAME}": path.read_bytes()} if path.exists() else {}


NAME = "Firstname4Lastname4_levels.csv"
TWICE = Sender(
    {"levels/LEA/glucose.csv": levels_csv(readings())},
    {"levels/LEA/again.csv": levels_csv(readings(16))},
)
WHOLE = Sender(real(), settings=source("levels_real", "levels"))


def test_readings_of_one_person_are_published_once_whatever_comes_again(nights: Nights) -> None:
    scene = nights.after(TWICE)
    assert account(scene) == [(12, 12, 0, 0)]
    query = (
        "SELECT patient_id, observed_at, observed_on, value, unit, method FROM sample "
        "ORDER BY observed_at"
    )
    first = scene.rows(query)
    assert [row[3] for row in first] == [90.0 + n for n in range(12)]
    assert first[0] == ("LEA", START, date(2024, 3, 10), 90.0, "mg/dL", "timeseries")
    assert [row[1] for row in first] == readings()["at"].to_list()

    again = nights.after(TWICE, night=2)
    # the last line of the first export has become an automatic one: another kind of reading
    assert len(again.rows(query)) == 17
    assert all(row[0] == sum(row[1:]) for row in account(again))


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project")
def test_the_real_export_has_every_row_in_one_place(nights: Nights) -> None:
    scene = nights.after(WHOLE)
    assert account(scene) == [(1456, 1456, 0, 0)]
    _, _, *rows = csv.reader((REAL / NAME).read_text(encoding="utf-8").splitlines())
    values = scene.rows("SELECT value FROM sample ORDER BY observed_at")
    assert [value for (value,) in values] == [float(row[2]) for row in rows]
