"""Nights over Withings measures and files; the same measures again change nothing."""

from __future__ import annotations

import io
import zipfile
from datetime import date

import pytest

from tests.flows.senders import Nights, Sender, source
from transforms.synthetic.emit_withings import Group, Series, reply, series_csv, weight_csv

FILES = "SELECT file, rows_in, rows_accepted, rows_quarantined FROM source_file ORDER BY file"
NEW_YEAR = 1767225600  # 2026-01-01T00:00:00Z
GROUPS = (
    Group(1, NEW_YEAR - 1800, [(1, "72.500"), (6, "25.1"), (11, "60")]),
    Group(2, NEW_YEAR, [(10, "120"), (9, "80")]),
    Group(3, NEW_YEAR, [(1, "90")], attrib=1),
    Group(4, NEW_YEAR, [(1, "65")], category=2),
    Group(5, NEW_YEAR, [(1, "7250")]),
)


def export() -> bytes:
    """An archive with sums, a series and weights in pounds."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("aggregates_steps.csv", "date,value\n2026-01-05,8000\n")
        archive.writestr(
            "raw_tracker_steps.csv",
            series_csv([Series("2026-01-05T08:00:00+00:00", [600, 600], [3000, 4000])]),
        )
        archive.writestr(
            "weight.csv",
            weight_csv([("2026-01-05 07:00:00", "154.5"), ("2026-01-06 07:00:00", "")], "lb"),
        )
    return packed.getvalue()


TWICE = Sender(
    {"withings/WANDA/reply.json": reply(GROUPS, "Europe/Paris")},
    {"withings/WANDA/again.json": reply(GROUPS[:2], "Europe/Paris")},
)
ARCHIVE = Sender(
    {"withings_archive/WOLF/data.zip": export()},
    settings=source("withings_archive", "withings"),
)


def test_measures_are_published_once(nights: Nights) -> None:
    scene = nights.after(TWICE)

    told = "SELECT analyte, value, observed_on FROM observation ORDER BY analyte"
    day = date(2026, 1, 1)  # half an hour after midnight in Paris
    assert scene.rows(told) == [
        ("body_fat", 25.1, day),
        ("diastolic_bp", 80.0, day),
        ("systolic_bp", 120.0, day),
        ("weight", 72.5, day),
    ]
    assert scene.rows("SELECT kind, value FROM sample") == [("heart_rate", 60.0)]
    assert scene.rows(FILES) == [("WANDA/reply.json", 5, 2, 3)]
    waiting = scene.rows("SELECT line, state, reasons FROM quarantine ORDER BY line")
    assert waiting == [
        (3, "set_aside", ["record_not_used:ambiguous-user"]),
        (4, "set_aside", ["record_not_used:goal"]),
        (5, "waiting", ["value_is_possible"]),
    ]

    assert nights.after(TWICE, night=2).rows(FILES)[0] == ("WANDA/again.json", 2, 0, 0)


def test_an_export_s_sums_and_series_are_not_added(nights: Nights) -> None:
    scene = nights.after(ARCHIVE)

    assert scene.rows("SELECT steps FROM wearable_day") == [(8000.0,)]
    assert sorted(scene.rows("SELECT device, value FROM sample")) == [
        ("Withings", 8000.0),
        ("Withings tracker", 3000.0),
        ("Withings tracker", 4000.0),
    ]
    weights = scene.rows("SELECT value, unit FROM observation")
    assert weights == [(pytest.approx(70.0800, abs=1e-3), "kg")]
    assert scene.rows(FILES) == [("WOLF/data.zip", 4, 3, 1)]
    assert scene.rows("SELECT state, reasons FROM quarantine") == [("set_aside", ["row_empty"])]
