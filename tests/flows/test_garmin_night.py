"""Garmin files through whole nights: published once, totals that grow, a day that ends."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.flows.scene import Scene
from tests.flows.senders import Nights, Sender, source
from transforms.synthetic import emit_garmin as emit
from transforms.synthetic.emit_garmin import Device, Reading, Total

NOON = datetime(2026, 2, 20, 12)  # noqa: DTZ001
EVENING = NOON + timedelta(hours=9)


def wellness(*steps: tuple[datetime, int], weight: float | None = None) -> bytes:
    told = [emit.total(Total("walking", at, count, count // 20)) for at, count in steps]
    beats = [emit.reading(Reading("heart_rate", at, 60)) for at, _ in steps]
    scale = [emit.reading(Reading("weight", NOON, weight))] if weight else []
    first = emit.opening(Device(), NOON - timedelta(hours=3), timedelta(hours=1))
    return emit.fit_file([*first, *told, *beats, *scale])


WORN = wellness((NOON, 3000), (EVENING, 9000))
AT_NOON = wellness((NOON, 3000))
ONE_DAY = Sender(
    {"garmin/GAIL/day.fit": wellness((NOON, 3000), (EVENING, 9000), weight=68.5)},
)
TWICE = Sender(
    {"watch_twice/GERD/day.fit": WORN},
    {"watch_twice/GERD/again.fit": WORN},
    settings=source("watch_twice", "garmin"),
)
LATER = Sender(
    {"watch_later/GINA/noon.fit": AT_NOON},
    {"watch_later/GINA/evening.fit": wellness((EVENING, 9000))},
    settings=source("watch_later", "garmin"),
)
BROKEN = Sender(
    {
        "watch_broken/GUS/good.fit": AT_NOON,
        "watch_broken/GAD/broken.fit": AT_NOON[:-1] + bytes([AT_NOON[-1] ^ 1]),
        "watch_broken/GAD/none.fit": b"\0" * 100,
    },
    settings=source("watch_broken", "garmin"),
)


def standing(home: Scene, patient: str) -> list[tuple[str, str, float]]:
    return home.rows(
        "SELECT kind, observed_on::VARCHAR, value FROM sample WHERE patient_id = ? ORDER BY ALL",
        patient,
    )


def test_a_watchs_file_is_published_and_its_account_adds_up(nights: Nights) -> None:
    home = nights.after(ONE_DAY)
    assert standing(home, "GAIL") == [
        ("active_energy", "2026-02-20", 450.0),
        ("heart_rate", "2026-02-20", 60.0),
        ("heart_rate", "2026-02-20", 60.0),
        ("steps", "2026-02-20", 9000.0),
    ]
    weights = home.rows("SELECT analyte, value, unit FROM observation WHERE patient_id = 'GAIL'")
    assert weights == [("weight", 68.5, "kg")]
    account = "SELECT rows_in, rows_accepted, rows_quarantined, state FROM source_file"
    assert home.rows(account) == [(7, 4, 3, "read")]
    assert set(home.waiting()) == {"GAIL/day.fit"}


def test_the_same_file_again_changes_nothing(nights: Nights) -> None:
    before = standing(nights.after(TWICE), "GERD")
    assert len(before) == 4
    assert standing(nights.after(TWICE, night=2), "GERD") == before


def test_a_later_file_of_the_day_replaces_its_total(nights: Nights) -> None:
    assert ("steps", "2026-02-20", 3000.0) in standing(nights.after(LATER), "GINA")
    told = standing(nights.after(LATER, night=2), "GINA")
    assert [row for row in told if row[0] == "steps"] == [("steps", "2026-02-20", 9000.0)]


def test_a_broken_file_waits_and_the_night_goes_on(nights: Nights) -> None:
    home = nights.after(BROKEN)
    assert [row[0] for row in standing(home, "GUS")] == ["active_energy", "heart_rate", "steps"]
    waiting = home.waiting()
    assert set(waiting["GAD/broken.fit"]) == {"binary_broken:checksum"}
    assert waiting["GAD/none.fit"] == ["format_unknown:no FIT file"]
    assert home.rows("SELECT count(*) FROM sample WHERE patient_id = 'GAD'") == [(0,)]
