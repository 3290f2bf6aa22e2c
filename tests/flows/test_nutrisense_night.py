"""A night over a Nutrisense export: glucose and exercise are published, words are not."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

from tests.flows.senders import Files, Nights, Sender, source

REAL = Path(__file__).parents[2].parent / "shared" / "realdata" / "cgm_cgmr"
ZONE = 'time_zone = "America/Los_Angeles"\n'
EXPORT = (
    "class,value,time,length,photo_url,description,occurred_at,body,updated_at,started_at,"
    "ended_at,created_by\n"
    "GlucoseMeasurement,77,,,,,7/22/21 7:06,,,,,\n"
    "GlucoseMeasurement,much,,,,,7/22/21 7:21,,,,,\n"
    "Meal,,breakfast,,,Pie with Charles,7/22/21 7:06,,,,,\n"
    "ExerciseActivity,,,914,,walk,7/22/21 15:12,,,7/22/21 15:12,7/22/21 15:27,\n"
    "ExerciseActivity,,,914,,walk,7/22/21 16:12,,,7/22/21 16:12,7/22/21 15:27,\n"
)
PUBLISHED = "SELECT kind, value, unit, source_code FROM sample ORDER BY observed_at"
ACCOUNT = (
    "SELECT rows_in, rows_accepted, rows_quarantined, rows_duplicate + rows_superseded "
    "FROM source_file ORDER BY known_at, file"
)


def real() -> Files:
    """The export of a person, where it is."""
    path = REAL / "sample_nutrisense.csv"
    return {"nutrisense_real/N1/all.csv": path.read_bytes()} if path.exists() else {}


TWICE = Sender(
    {"nutrisense/NORA/all.csv": EXPORT},
    {"nutrisense/NORA/again.csv": EXPORT.replace("7/22/21 7:21", "7/22/21 7:22")},
    settings=source("nutrisense", "nutrisense", ZONE),
)
WHOLE = Sender(real(), settings=source("nutrisense_real", "nutrisense", ZONE))


def test_what_was_sensed_and_done_is_published_and_the_rest_is_told_without_words(
    nights: Nights,
) -> None:
    scene = nights.after(TWICE)
    published = [("sensor_glucose", 77.0, "mg/dL", None), ("workout_duration", 15.0, "min", "walk")]
    assert scene.rows(PUBLISHED) == published
    assert scene.rows(ACCOUNT) == [(5, 2, 3, 0)]
    assert sorted(chain(*scene.waiting().values())) == [
        "record_not_used:Meal",
        "sample_ends_after_it_begins",
        "sample_is_number",
        "value_is_possible",  # the length of what ended before it began
    ]
    shown = " ".join(str(row[0]) for row in scene.rows("SELECT row FROM quarantine"))
    assert "Charles" not in shown
    assert "much" in shown

    again = nights.after(TWICE, night=2)
    assert again.rows(PUBLISHED) == published
    assert all(row[0] == sum(row[1:]) for row in again.rows(ACCOUNT))
    assert len(again.rows(ACCOUNT)) == 2


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project")
def test_the_real_export_has_every_row_in_one_place(nights: Nights) -> None:
    scene = nights.after(WHOLE)
    assert scene.rows(ACCOUNT) == [(94, 89, 5, 0)]
    assert scene.rows("SELECT kind, count(*) FROM sample GROUP BY ALL ORDER BY ALL") == [
        ("sensor_glucose", 85),
        ("workout_duration", 4),
    ]
