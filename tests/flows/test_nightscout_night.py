"""Nightscout entries through whole nights: samples, meter readings, duplicates, an error code."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

import polars as pl

from tests.flows.senders import Nights, Sender, source
from transforms.synthetic.emit_nightscout import entries_csv, entries_json

START = datetime(2026, 2, 1, 22, 0)  # noqa: DTZ001
ACCOUNT = (
    "SELECT rows_in, rows_accepted, rows_quarantined, rows_duplicate FROM source_file "
    "ORDER BY known_at, file"
)


def readings(count: int) -> pl.DataFrame:
    rows = [(START + timedelta(minutes=5 * i), 120, 100 + i, "share2") for i in range(count)]
    return pl.DataFrame(
        rows, schema=["observed_at", "offset_minutes", "sgv", "device"], orient="row"
    )


MS = 1_769_983_200_000
DOCUMENTS = [
    {"type": "sgv", "sgv": 5, "date": MS, "device": "share2"},
    {"eventType": "Note", "notes": "Ada was here", "created_at": "2026-02-01T22:00:00Z"},
    {"type": "mbg", "mbg": 90, "date": MS, "_id": "m1"},
    {"type": "sgv", "sgv": 5000, "date": MS, "device": "share2"},
]
TWICE = Sender(
    {"nightscout/NICK/entries.json": entries_json(readings(3))},
    {"nightscout/NICK/again.json": entries_json(readings(3)) + b"\n"},
    settings=source("nightscout", "nightscout", 'time_zone = "Europe/Athens"\n'),
)
BOTH_KINDS = Sender(
    {
        "site_of_both/NEIL/1.json": entries_json(readings(3)),
        "site_of_both/NEIL/2.csv": entries_csv(readings(4)),
    },
    settings=source("site_of_both", "nightscout"),
)
ODD = Sender(
    {"site_of_odd/NELL/entries.json": json.dumps(DOCUMENTS)},
    settings=source("site_of_odd", "nightscout"),
)


def test_a_readings_day_is_the_wearers_and_the_same_file_again_changes_nothing(
    nights: Nights,
) -> None:
    scene = nights.after(TWICE)
    published = "SELECT patient_id, kind, device, value, unit, observed_at, observed_on FROM sample"
    first = scene.rows(f"{published} ORDER BY observed_at")
    told = ("NICK", "sensor_glucose", "share2", 100.0, "mg/dL", START, date(2026, 2, 2))
    assert (len(first), first[0]) == (3, told)
    again = nights.after(TWICE, night=2)
    assert again.rows(f"{published} ORDER BY observed_at") == first
    assert again.rows(ACCOUNT) == [(3, 3, 0, 0), (3, 0, 0, 3)]


def test_the_sites_json_and_its_csv_tell_the_same_readings_once(nights: Nights) -> None:
    scene = nights.after(BOTH_KINDS)
    assert scene.rows("SELECT value FROM sample ORDER BY 1") == [(100,), (101,), (102,), (103,)]


def test_an_error_code_and_a_note_are_set_aside_and_a_meter_reading_stands(nights: Nights) -> None:
    scene = nights.after(ODD)
    assert scene.rows(ACCOUNT) == [(4, 1, 3, 0)]
    assert scene.rows("SELECT analyte, value FROM observation") == [("capillary_glucose", 90.0)]
    states = scene.rows("SELECT line, state, row FROM quarantine ORDER BY line")
    assert [state for _, state, _ in states] == ["set_aside", "set_aside", "waiting"]
    assert '"sgv": 5000' in states[2][2]
    assert "Ada" not in str(states)
