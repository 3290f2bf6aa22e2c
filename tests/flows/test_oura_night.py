"""Nights over an Oura export: sleep by stage, days, beats; the same again changes nothing."""

from __future__ import annotations

from datetime import date

from tests.flows.senders import Nights, Sender, source
from transforms.synthetic.emit_oura import Beat, Day, Night, export

FILES = "SELECT file, rows_in, rows_accepted, rows_quarantined FROM source_file ORDER BY file"
EXPORT = export(
    [Night("2026-01-05T23:00:00+01:00", "2026-01-06T00:00:00+01:00", "422211133224", 48, 35)],
    [Day("2026-01-05", 9000, 400), Day("2026-01-06", -5, 10)],
    [Beat("2026-01-05T12:00:00+00:00", 70, "awake")],
    ring="gen3",
)


TWICE = Sender(
    {"oura/ORLA/oura.json": EXPORT},
    {"oura/ORLA/again.json": EXPORT + b" "},
    settings=source("oura", "oura", 'time_zone = "Europe/Rome"\n'),
)


def test_an_export_is_published_once(nights: Nights) -> None:
    scene = nights.after(TWICE)

    sums = "SELECT kind, count(*), round(sum(value), 6) FROM sample GROUP BY kind ORDER BY kind"
    assert scene.rows(sums) == [
        ("active_energy", 2, 410.0),
        ("heart_rate", 1, 70.0),
        ("heart_rate_variability_rmssd", 1, 35.0),
        ("in_bed_duration", 1, 1.0),
        ("resting_heart_rate", 1, 48.0),
        ("sleep_duration", 4, round(50 / 60, 6)),
        ("steps", 1, 9000.0),
    ]
    assert scene.rows("SELECT DISTINCT device FROM sample") == [("Oura Ring gen3",)]
    days = "SELECT local_date, steps, round(sleep_h, 6) FROM wearable_day ORDER BY local_date"
    assert (date(2026, 1, 5), 9000.0, None) in scene.rows(days)
    assert [row[2] for row in scene.rows(days) if row[2]] == [round(50 / 60, 6)]
    assert scene.rows(FILES) == [("ORLA/oura.json", 5, 3, 2)]
    waiting = scene.rows("SELECT line, state, reasons FROM quarantine ORDER BY line")
    assert waiting == [
        (3, "waiting", ["value_is_possible"]),
        (5, "set_aside", ["record_not_used:ring"]),
    ]

    before = len(scene.rows("SELECT * FROM sample"))
    again = nights.after(TWICE, night=2)
    assert again.rows(FILES)[0][:3] == ("ORLA/again.json", 5, 0)
    assert len(again.rows("SELECT * FROM sample")) == before
