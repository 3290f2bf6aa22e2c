"""Nights over a Google Takeout and iHealth replies: published, placed, and sent again."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from tests.flows.scene import Scene
from tests.flows.senders import Nights, Sender, source
from transforms.synthetic.emit_google_takeout import (
    EXPORT,
    Stage,
    heart_rate_json,
    sleep_json,
    steps_json,
    takeout_zip,
    weight_json,
)
from transforms.synthetic.emit_ihealth import pressure_reply, sleep_reply

DUSK = datetime(2026, 1, 9, 23, 30)  # noqa: DTZ001
ARCHIVE = takeout_zip(
    {
        f"{EXPORT}/steps-2026-01-09.json": steps_json(
            [(DUSK + timedelta(hours=5, minutes=i), 10 * i) for i in range(3)]
        ),
        f"{EXPORT}/heart_rate-2026-01-09.json": heart_rate_json([(DUSK, 61, 3), (DUSK, 70, 0)]),
        f"{EXPORT}/sleep-2026-01-09.json": sleep_json(
            [[Stage("light", DUSK, 3600), Stage("wake", DUSK + timedelta(hours=1), 300)]]
        ),
        f"{EXPORT}/weight-2026-01-09.json": weight_json([(DUSK, 150.0)]),
        f"{EXPORT}/calories-2026-01-09.json": b"[]",
        "Takeout/Fitbit/Your Profile/Profile.csv": b"name\nAda Lovelace\n",
    }
)


def takeout(name: str, *, pounds: bool) -> str:
    """Settings of a source of New York, which says in what it weighs or does not."""
    options = f'[sources.{name}.options]\nweight_unit = "lb"\n' if pounds else ""
    return source(name, "google_takeout", f'time_zone = "America/New_York"\n{options}')


AT = DUSK.replace(tzinfo=timezone(timedelta(hours=9)))
PRESSURE = pressure_reply([(AT, 16.0, 12.0)], unit=1)
POUNDS = Sender(
    {"google_takeout/TESS/takeout-20260110.zip": ARCHIVE},
    settings=takeout("google_takeout", pounds=True),
)
UNIT_UNSAID = Sender(
    {"takeout_unsaid/TIM/weight-2026-01-09.json": weight_json([(DUSK, 150.0)])},
    settings=takeout("takeout_unsaid", pounds=False),
)
TWICE = Sender(
    {"takeout_twice/TOM/first.zip": ARCHIVE},
    {"takeout_twice/TOM/second.zip": ARCHIVE + b"\n"},
    settings=takeout("takeout_twice", pounds=True),
)
REPLIES = Sender(
    {
        "ihealth/IAN/bp.json": PRESSURE,
        "ihealth/IAN/again.json": PRESSURE + b" ",
        "ihealth/IAN/sleep.json": sleep_reply([(AT, AT + timedelta(hours=8), 420)]),
    }
)


def placed(scene: Scene) -> tuple[int, int, int]:
    """Rows in, accepted and quarantined of all files, after the law that each has one place."""
    rows = scene.rows(
        "SELECT rows_in, rows_accepted, rows_quarantined, rows_duplicate + rows_superseded "
        "FROM source_file"
    )
    assert all(row[0] == sum(row[1:]) for row in rows)
    totals = [sum(column) for column in zip(*rows, strict=True)]
    return totals[0], totals[1], totals[2]


def test_an_archive_becomes_samples_of_its_patient(nights: Nights) -> None:
    scene = nights.after(POUNDS)

    found = scene.rows(
        "SELECT kind, count(*), round(sum(value), 6), min(observed_on)::VARCHAR FROM sample "
        "WHERE patient_id = 'TESS' GROUP BY kind ORDER BY kind"
    )
    assert found == [
        ("heart_rate", 1, 61.0, "2026-01-09"),
        ("in_bed_duration", 1, 1.083333, "2026-01-09"),
        ("sleep_duration", 1, 1.0, "2026-01-09"),
        ("steps", 3, 30.0, "2026-01-09"),
    ]
    weights = "SELECT value, unit, source_unit FROM observation WHERE analyte = 'weight'"
    assert scene.rows(weights) == [(68.0388555, "kg", "lb")]
    assert scene.waiting() == {
        "TESS/takeout-20260110.zip": ["record_not_used:calories", "record_not_used:confidence_0"]
    }
    assert placed(scene)[0] == 8
    assert scene.rows("SELECT count(*) FROM quarantine WHERE row LIKE '%Lovelace%'") == [(0,)]


def test_a_weight_without_its_unit_waits_with_its_own_words(nights: Nights) -> None:
    scene = nights.after(UNIT_UNSAID)

    assert scene.rows("SELECT count(*) FROM observation") == [(0,)]
    ((row, reasons),) = scene.rows("SELECT row, reasons FROM quarantine")
    assert '"weight" : 150.0' in row
    assert [reason.rsplit("_", 1)[0] for reason in reasons] == ["unit_is"]
    assert placed(scene) == (1, 0, 1)


def test_the_same_archive_again_changes_nothing(nights: Nights) -> None:
    query = "SELECT * EXCLUDE (file_id, known_at) FROM sample ORDER BY ALL"
    before = nights.after(TWICE).rows(query)
    again = nights.after(TWICE, night=2)

    assert len(before) == 6
    assert again.rows(query) == before
    assert placed(again)[0] == 2 * placed(nights.after(TWICE))[0]


def test_replies_of_ihealth_become_results_and_samples(nights: Nights) -> None:
    scene = nights.after(REPLIES)
    results = "SELECT analyte, value, unit, observed_at FROM observation ORDER BY analyte"
    samples = "SELECT kind, value, observed_on::VARCHAR FROM sample ORDER BY kind"
    instant = datetime(2026, 1, 9, 14, 30)  # noqa: DTZ001
    expected = [("diastolic_bp", 90.007404, "mm[Hg]", instant)]
    expected.append(("systolic_bp", 120.009872, "mm[Hg]", instant))

    assert scene.rows(results) == expected
    assert scene.rows(samples) == [
        ("in_bed_duration", 8.0, "2026-01-09"),
        ("sleep_duration", 7.0, "2026-01-09"),
    ]
    assert placed(scene)[2] == 0
