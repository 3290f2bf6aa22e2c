"""Nights over Open mHealth points: a folder's and those that name their own people."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.flows.senders import Files, Nights, Sender, source
from transforms.synthetic.emit_open_mhealth import DataPoint, ndjson

REAL = Path(__file__).parents[2].parent / "shared" / "realdata" / "omh_schemas"
FILES = "SELECT file, rows_in, rows_accepted, rows_quarantined FROM source_file ORDER BY file"
POINTS = (
    DataPoint("heart-rate", "61.5", "beats/min", "2026-01-05T23:30:00-05:00", record_id="1"),
    DataPoint("body-weight", "70.25", "kg", "2026-01-05T07:00:00+01:00", record_id="2"),
    DataPoint(
        "blood-glucose",
        "5.5",
        "mmol/L",
        "2026-01-06T07:00:00+01:00",
        record_id="3",
        more={"specimen_source": "plasma", "temporal_relationship_to_meal": "fasting"},
    ),
    DataPoint("body-weight", "70.25", "stone", "2026-01-07T07:00:00+01:00", record_id="4"),
    DataPoint("geoposition", "1", "deg", "2026-01-07T07:00:00+01:00", record_id="5"),
)


def examples() -> Files:
    """One person a file: the examples tell different things of the same moment."""
    paths = sorted((REAL / "test-data" / "omh" / "blood-glucose" / "4.0").rglob("*.json"))
    return {
        f"omh_examples/P{number}/{path.parent.name}-{number}.json": path.read_bytes()
        for number, path in enumerate(paths)
    }


TWICE = Sender(
    {"open_mhealth/OLGA/points.json": ndjson(POINTS)},
    {"open_mhealth/OLGA/again.json": ndjson(POINTS[:3])},
)
EXAMPLES = Sender(examples(), settings=source("omh_examples", "open_mhealth"))


def test_points_are_published_once(nights: Nights) -> None:
    scene = nights.after(TWICE)

    heard = scene.rows("SELECT patient_id, kind, value, device, observed_on FROM sample")
    assert heard == [("OLGA", "heart_rate", 61.5, "Meter", date(2026, 1, 5))]
    told = "SELECT analyte, value, unit, fasting FROM observation ORDER BY analyte"
    assert scene.rows(told) == [
        ("glucose", pytest.approx(99.088), "mg/dL", "yes"),
        ("weight", 70.25, "kg", "unknown"),
    ]
    assert scene.rows(FILES) == [("OLGA/points.json", 5, 3, 2)]
    waiting = scene.rows("SELECT line, state, reasons, row FROM quarantine ORDER BY line")
    assert [(row[0], row[1], row[2]) for row in waiting] == [
        (4, "waiting", ["json_broken:body_weight.unit"]),
        (5, "set_aside", ["record_not_used:geoposition"]),
    ]
    assert "stone" in waiting[0][3]
    assert "geoposition" in waiting[1][3]

    again = nights.after(TWICE, night=2)
    assert again.rows(FILES)[0] == ("OLGA/again.json", 3, 0, 0)
    assert len(again.rows("SELECT * FROM sample")) == 1


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project")
def test_real_examples_have_their_one_row_in_one_place(nights: Nights) -> None:
    found = nights.after(EXAMPLES).rows(FILES)
    assert [row[1:] for row in found if "shouldFail" in row[0]] == [(1, 0, 1)] * 7
    passed = [row[1:] for row in found if "shouldPass" in row[0]]
    # Three plain readings; two minima over four months, which are set aside.
    assert sorted(passed) == [(1, 0, 1), (1, 0, 1), (1, 1, 0), (1, 1, 0), (1, 1, 0)]
