"""Garmin files through whole nights: published once, totals that grow, a day that ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.flows.scene import NIGHT, Scene, scene
from transforms.synthetic import emit_garmin as emit
from transforms.synthetic.emit_garmin import Device, Reading, Total

NOON = datetime(2026, 2, 20, 12)  # noqa: DTZ001
EVENING = NOON + timedelta(hours=9)


@pytest.fixture
def home(tmp_path: Path) -> Scene:
    return scene(tmp_path / "home")


def wellness(*steps: tuple[datetime, int], weight: float | None = None) -> bytes:
    told = [emit.total(Total("walking", at, count, count // 20)) for at, count in steps]
    beats = [emit.reading(Reading("heart_rate", at, 60)) for at, _ in steps]
    scale = [emit.reading(Reading("weight", NOON, weight))] if weight else []
    first = emit.opening(Device(), NOON - timedelta(hours=3), timedelta(hours=1))
    return emit.fit_file([*first, *told, *beats, *scale])


def standing(home: Scene) -> list[tuple[str, str, float]]:
    return home.rows(
        "SELECT kind, observed_on::VARCHAR, value FROM sample WHERE patient_id = 'ANN' ORDER BY ALL"
    )


def test_a_watchs_file_is_published_and_its_account_adds_up(home: Scene) -> None:
    home.drop("garmin/ANN/day.fit", wellness((NOON, 3000), (EVENING, 9000), weight=68.5))
    home.night()
    assert standing(home) == [
        ("active_energy", "2026-02-20", 450.0),
        ("heart_rate", "2026-02-20", 60.0),
        ("heart_rate", "2026-02-20", 60.0),
        ("steps", "2026-02-20", 9000.0),
    ]
    weights = home.rows("SELECT analyte, value, unit FROM observation WHERE patient_id = 'ANN'")
    assert weights == [("weight", 68.5, "kg")]
    account = "SELECT rows_in, rows_accepted, rows_quarantined, state FROM source_file"
    assert home.rows(account) == [(7, 4, 3, "read")]
    assert set(home.waiting()) == {"ANN/day.fit"}


def test_the_same_file_again_changes_nothing(home: Scene) -> None:
    content = wellness((NOON, 3000), (EVENING, 9000))
    home.drop("garmin/ANN/day.fit", content)
    home.night()
    before = standing(home)
    home.drop("garmin/ANN/again.fit", content)
    home.night(NIGHT + timedelta(days=1))
    assert standing(home) == before


def test_a_later_file_of_the_day_replaces_its_total(home: Scene) -> None:
    home.drop("garmin/ANN/noon.fit", wellness((NOON, 3000)))
    home.night()
    assert ("steps", "2026-02-20", 3000.0) in standing(home)
    home.drop("garmin/ANN/evening.fit", wellness((EVENING, 9000)))
    home.night(NIGHT + timedelta(days=1))
    assert [row for row in standing(home) if row[0] == "steps"] == [("steps", "2026-02-20", 9000.0)]


def test_a_broken_file_waits_and_the_night_goes_on(home: Scene) -> None:
    content = wellness((NOON, 3000))
    home.drop("garmin/ANN/good.fit", content)
    home.drop("garmin/BOB/broken.fit", content[:-1] + bytes([content[-1] ^ 1]))
    home.drop("garmin/BOB/none.fit", b"\0" * 100)
    home.night()
    assert [row[0] for row in standing(home)] == ["active_energy", "heart_rate", "steps"]
    waiting = home.waiting()
    assert set(waiting["BOB/broken.fit"]) == {"binary_broken:checksum"}
    assert waiting["BOB/none.fit"] == ["format_unknown:no FIT file"]
    assert home.rows("SELECT count(*) FROM sample WHERE patient_id = 'BOB'") == [(0,)]
