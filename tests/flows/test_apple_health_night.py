"""Exports of Apple Health through whole nights: published once, quarantined by name of no one."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from tests.flows.scene import Scene
from tests.flows.senders import Nights, Sender, source
from transforms.synthetic.emit_apple_health import export_xml, export_zip

Q = "HKQuantityTypeIdentifier"
DEVICE = (
    "<<HKDevice: {address}>, name:Apple Watch, manufacturer:Apple Inc., model:Watch, "
    "hardware:Watch6,1, software:{software}>"
)
MADE = "2026-02-01 08:00:00 +0100"


def records(address: str = "0x1", software: str = "8.1", offset: int = 1) -> pl.DataFrame:
    """Three days of one of each and a night of sleep, as a phone at that offset exports them."""
    rows: list[tuple[str | None, ...]] = []
    for day in (1, 2, 3):
        begin, end = (f"2026-01-{day:02} {21 + offset}:{at}:00" for at in ("00", "30"))
        rows += [
            (Q + "StepCount", "count", begin, end, "4000"),
            (Q + "OxygenSaturation", "%", begin, end, "0.97"),
            (Q + "BodyMass", "lb", begin, end, "150"),
            (Q + "FlightsClimbed", "count", begin, end, "3"),
        ]
    slept = ("2026-01-01 22:30:00", f"2026-01-02 {5 + offset:02}:00:00")
    if offset == 2:
        slept = ("2026-01-01 23:30:00", slept[1])
    word = "HKCategoryValueSleepAnalysisAsleepCore"
    rows.append(("HKCategoryTypeIdentifierSleepAnalysis", None, *slept, word))
    columns = ["type", "unit", "startDate", "endDate", "value"]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    return frame.with_columns(
        pl.col("startDate", "endDate") + f" +0{offset}00",
        sourceName=pl.lit("Ada’s Apple Watch"),
        device=pl.lit(DEVICE.format(address=address, software=software)),
    )


WHOLE = export_xml(records(), MADE)
IN_SUMMER = export_xml(records("0x2", "10.3", offset=2), "2026-07-01 08:00 +0200")
TWICE = Sender(
    {"apple_health/APRIL/export.xml": WHOLE},
    {"apple_health/APRIL/later.zip": export_zip(IN_SUMMER)},
    settings=source("apple_health", "apple_health", 'time_zone = "Europe/Berlin"\n'),
)
WRONG = records().with_columns(value=pl.col("value").replace("0.97", "97"))
WAITING = Sender(
    {"phone_wrong/ABEL/export.xml": export_xml(WRONG, MADE)},
    settings=source("phone_wrong", "apple_health"),
)
CUT = Sender(
    {
        "phone_cut/ALMA/export.xml": WHOLE[: len(WHOLE) // 2],
        "phone_cut/AMOS/export.xml": WHOLE,
    },
    settings=source("phone_cut", "apple_health"),
)


def account(home: Scene) -> dict[str, tuple[int, ...]]:
    rows = home.rows(
        "SELECT file, rows_in, rows_accepted, rows_quarantined, rows_duplicate, rows_superseded "
        "FROM source_file"
    )
    return {Path(file).name: tuple(counts) for file, *counts in rows}


def test_an_export_is_published_and_one_of_the_same_records_in_summer_doubles_nothing(
    nights: Nights,
) -> None:
    home = nights.after(TWICE)
    assert account(home) == {"export.xml": (15, 10, 5, 0, 0)}
    said = "SELECT kind, count(*), min(value), min(unit) FROM sample GROUP BY kind ORDER BY kind"
    published = [
        ("oxygen_saturation", 3, 97.0, "%"),
        ("sleep_duration", 1, 7.5, "h"),
        ("steps", 3, 4000.0, "{#}"),
    ]
    assert home.rows(said) == published
    weights = home.rows("SELECT analyte, round(value, 2), unit FROM observation GROUP BY ALL")
    assert weights == [("weight", 68.04, "kg")]
    again = nights.after(TWICE, night=2)
    assert account(again)["later.zip"] == (15, 0, 5, 10, 0)
    assert again.rows(said) == published


def test_what_waits_is_quoted_without_a_name(nights: Nights) -> None:
    rows = nights.after(WAITING).rows('SELECT reasons, "row", state FROM quarantine')
    waiting = [(reasons, json.loads(row)) for reasons, row, state in rows if state == "waiting"]
    assert [reasons for reasons, _ in waiting] == [["value_is_possible"]] * 3
    assert {row["type"] for _, row in waiting} == {f"{Q}OxygenSaturation"}
    assert {row["value"] for _, row in waiting} == {"97"}
    assert len(rows) == 8
    assert not any("Ada" in str(row) or "1970" in str(row) for row in rows)


def test_a_file_cut_short_publishes_what_came_and_says_so(nights: Nights) -> None:
    home = nights.after(CUT)
    counts = dict(home.rows("SELECT patient_id, count(*) FROM sample GROUP BY 1"))
    assert 0 < counts["ALMA"] < counts["AMOS"] == 7
    reasons = [reason for listed in home.waiting().values() for reason in listed]
    assert reasons.count("xml_broken") == 1
