"""Nightscout entries through whole nights: samples, meter readings, duplicates, an error code."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

import polars as pl

from tests.flows.scene import NIGHT, Scene
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


def test_a_readings_day_is_the_wearers_and_the_same_file_again_changes_nothing(
    scene: Scene,
) -> None:
    scene.set('[sources.nightscout]\nreader = "nightscout"\ntime_zone = "Europe/Athens"\n')
    scene.drop("nightscout/ANN/entries.json", entries_json(readings(3)))
    scene.night()
    published = "SELECT patient_id, kind, device, value, unit, observed_at, observed_on FROM sample"
    first = scene.rows(f"{published} ORDER BY observed_at")
    told = ("ANN", "sensor_glucose", "share2", 100.0, "mg/dL", START, date(2026, 2, 2))
    assert (len(first), first[0]) == (3, told)
    scene.drop("nightscout/ANN/again.json", entries_json(readings(3)) + b"\n")
    scene.night(NIGHT + timedelta(days=1))
    assert scene.rows(f"{published} ORDER BY observed_at") == first
    assert scene.rows(ACCOUNT) == [(3, 3, 0, 0), (3, 0, 0, 3)]


def test_the_sites_json_and_its_csv_tell_the_same_readings_once(scene: Scene) -> None:
    scene.drop("nightscout/ANN/1.json", entries_json(readings(3)))
    scene.drop("nightscout/ANN/2.csv", entries_csv(readings(4)))
    scene.night()
    assert scene.rows("SELECT value FROM sample ORDER BY 1") == [(100,), (101,), (102,), (103,)]


def test_an_error_code_and_a_note_are_set_aside_and_a_meter_reading_stands(scene: Scene) -> None:
    ms = 1_769_983_200_000
    documents = [
        {"type": "sgv", "sgv": 5, "date": ms, "device": "share2"},
        {"eventType": "Note", "notes": "Ada was here", "created_at": "2026-02-01T22:00:00Z"},
        {"type": "mbg", "mbg": 90, "date": ms, "_id": "m1"},
        {"type": "sgv", "sgv": 5000, "date": ms, "device": "share2"},
    ]
    scene.drop("nightscout/ANN/entries.json", json.dumps(documents))
    scene.night()
    assert scene.rows(ACCOUNT) == [(4, 1, 3, 0)]
    assert scene.rows("SELECT analyte, value FROM observation") == [("capillary_glucose", 90.0)]
    states = scene.rows("SELECT line, state, row FROM quarantine ORDER BY line")
    assert [state for _, state, _ in states] == ["set_aside", "set_aside", "waiting"]
    assert '"sgv": 5000' in states[2][2]
    assert "Ada" not in str(states)
