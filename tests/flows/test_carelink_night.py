"""CareLink and iPro2 exports through whole nights: a clock change, a file again, a note."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from tests.flows.senders import Nights, Sender, source
from transforms.synthetic.emit_carelink import Pump, carelink_csv, ipro2_txt

START = datetime(2026, 2, 13, 7, 30)  # noqa: DTZ001
ACCOUNT = (
    "SELECT rows_in, rows_accepted, rows_quarantined, rows_duplicate FROM source_file "
    "ORDER BY known_at, file"
)
ROME = 'time_zone = "Europe/Rome"\n'
METER = (
    "Index,Date,Time,BG Reading (mg/dL),Linked BG Meter ID,Sensor Glucose (mg/dL)\n"
    "1,2026/02/13,08:00:00,104,M-1,\n2,2026/02/13,09:00:00,99,,\n"
)


def readings(*values: float, start: datetime = START) -> pl.DataFrame:
    rows = [(start + timedelta(minutes=5 * i), value) for i, value in enumerate(values)]
    return pl.DataFrame(rows, schema=["local_at", "glucose"], orient="row")


EXPORT = carelink_csv(readings(100, 104, 109).reverse(), Pump())
TWICE = Sender(
    {"carelink/CLEO/export.csv": EXPORT},
    {"carelink/CLEO/again.csv": EXPORT + b"\r\n"},
    settings=source("carelink", "carelink", ROME),
)
BEFORE = readings(*range(100, 112), start=datetime(2025, 10, 26, 2, 0))  # noqa: DTZ001
AFTER = readings(*range(120, 132), start=datetime(2025, 10, 26, 2, 1))  # noqa: DTZ001
REPEATED_HOUR = Sender(
    {"pump_in_autumn/COLE/export.csv": carelink_csv(pl.concat([BEFORE, AFTER]).reverse(), Pump())},
    settings=source("pump_in_autumn", "carelink", ROME),
)
RECORDER = Pump("Medtronic iPro2 Recorder", "3080857", unit="mmol/L", date="%d/%m/%y")
RECORDED = Sender(
    {
        "recorder/CARA/data_export.csv": ipro2_txt(readings(5.4, 5.0, 90.0), RECORDER),
        "recorder/CARA/meter.csv": METER,
    },
    settings=source("recorder", "carelink"),
)


def test_an_export_is_published_in_its_zone_and_again_changes_nothing(nights: Nights) -> None:
    published = (
        "SELECT patient_id, device, value, unit, observed_at FROM sample ORDER BY observed_at"
    )
    first = nights.after(TWICE).rows(published)
    device = "MiniMed 780G MMT-1886 NG1234567H Guardian 4 Sensor"
    assert first[0] == ("CLEO", device, 100.0, "mg/dL", START - timedelta(hours=1))
    assert len(first) == 3
    again = nights.after(TWICE, night=2)
    assert again.rows(published) == first
    assert again.rows(ACCOUNT) == [(5, 3, 2, 0), (5, 0, 2, 3)]


def test_the_hour_that_clocks_repeat_is_two_hours_in_an_export_that_begins_with_the_newest(
    nights: Nights,
) -> None:
    scene = nights.after(REPEATED_HOUR)
    spans = "SELECT min(observed_at), max(observed_at) FROM sample WHERE value"
    (first,) = scene.rows(f"{spans} < 115")
    (second,) = scene.rows(f"{spans} > 115")
    assert first[1] < second[0]
    assert second[1] - first[0] == timedelta(minutes=116)


def test_a_recorders_millimoles_are_converted_and_a_linked_meters_reading_is_an_observation(
    nights: Nights,
) -> None:
    scene = nights.after(RECORDED)
    kept = scene.rows("SELECT source_value, source_unit, round(value) FROM sample ORDER BY 1")
    assert kept == [("5.0", "mmol/L", 90.0), ("5.4", "mmol/L", 97.0)]
    assert scene.rows(ACCOUNT) == [(4, 2, 2, 0), (2, 1, 1, 0)]
    waiting = sorted(reason for reasons in scene.waiting().values() for reason in reasons)
    assert waiting == [
        "record_not_used:BG Reading",
        "record_not_used:SensorEvent",
        "value_is_possible",
    ]
    assert scene.rows("SELECT analyte, value FROM observation") == [("capillary_glucose", 104.0)]
