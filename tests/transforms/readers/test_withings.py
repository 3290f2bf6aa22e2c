"""Withings: exact decimals, goals, what may be another's, the export's files, hostile ones."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.catalog.reasons import REASONS
from transforms.landing import Opened, Reading, Source, UnreadableError
from transforms.readers.withings import read
from transforms.synthetic.emit_withings import Group, Series, reply, series_csv, weight_csv

AT = 1711846800  # 2024-03-31T01:00:00Z, when Paris sets its clocks forward


def opened(
    folder: Path,
    content: object,
    name: str = "reply.json",
    patient_id: str | None = "p1",
    patients: Mapping[str, str] | None = None,
) -> Opened:
    path, scratch = folder / "landed", folder / "scratch"
    raw = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(raw.encode() if isinstance(raw, str) else raw)
    scratch.mkdir(exist_ok=True)
    for left in scratch.iterdir():
        left.unlink()
    source = Source("withings", "withings", patients=patients or {})
    return Opened(path, name, source, scratch, patient_id)


def found(reading: Reading) -> list[dict[str, Any]]:
    """Every landing row with its table, after the law: each line in a table or rejected."""
    rows = [
        {"table": table, **row}
        for table, frame in reading.tables.items()
        for row in frame.collect().sort("line", "part").to_dicts()
    ]
    rejects = reading.rejects.collect()
    assert {r.partition(":")[0] for r in rejects["reason"]} <= REASONS.keys()
    lines = {*rejects["line"], *(row["line"] for row in rows)}
    assert lines == set(range(1, reading.rows_in + 1))
    places = [(row["table"], row["line"], row["part"]) for row in rows]
    assert len(places) == len(set(places))
    return rows


def rows_of(tmp_path: Path, content: object, name: str = "reply.json") -> list[dict[str, Any]]:
    return found(read(opened(tmp_path, content, name)))


def reasons(reading: Reading) -> list[str]:
    return reading.rejects.collect().sort("line")["reason"].to_list()


def refused(tmp_path: Path, content: object, name: str = "reply.json") -> str:
    reading = read(opened(tmp_path, content, name))
    assert found(reading) == []
    (reason,) = reasons(reading)
    return reason


def group(measure: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    told = {"grpid": 7, "attrib": 0, "category": 1, "date": AT, "measures": [measure], **more}
    return {"status": 0, "body": {"timezone": "Europe/Paris", "measuregrps": [told]}}


WEIGHT = {"value": 72500, "type": 1, "unit": -3}


@pytest.mark.parametrize(
    ("value", "power", "text"),
    [
        (72500, -3, "72.500"),
        (18, -1, "1.8"),
        (8, 1, "80"),
        (0, -2, "0.00"),
        (-5, -1, "-0.5"),
        (123456789012345, -15, "0.123456789012345"),
    ],
)
def test_a_measure_is_its_exact_decimal(tmp_path: Path, value: int, power: int, text: str) -> None:
    (row,) = rows_of(tmp_path, group({"value": value, "type": 1, "unit": power}))
    assert (row["source_value"], row["source_unit"], row["result_id"]) == (text, "kg", "7/1")


@pytest.mark.parametrize(
    ("kind", "table", "told"),
    [
        (1, "observation", "29463-7"),
        (4, "observation", "8302-2"),
        (6, "observation", "41982-0"),
        (9, "observation", "8462-4"),
        (10, "observation", "8480-6"),
        (71, "observation", "8310-5"),
        (11, "sample", "heart_rate"),
        (54, "sample", "oxygen_saturation"),
    ],
)
def test_types_are_known(tmp_path: Path, kind: int, table: str, told: str) -> None:
    (row,) = rows_of(tmp_path, group({"value": 90, "type": kind, "unit": 0}))
    assert row["table"] == table
    assert told in {row["source_code"], row.get("kind")}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"category": 2}, "record_not_used:goal"),
        ({"attrib": 1}, "record_not_used:ambiguous-user"),
        ({"measures": [{"value": 20, "type": 12, "unit": 0}]}, "record_not_used:measures-12"),
        ({"measures": []}, "record_not_used:measures-"),
        ({"measures": "x"}, "json_broken:measures"),
        ({"measures": [None]}, "json_broken:measures"),
        ({"date": "2024-03-31"}, "json_broken:date"),
        ({"date": 1711846800123}, "json_broken:date"),
        ({"date": -1}, "json_broken:date"),
        ({"measures": [{"value": 72.5, "type": 1, "unit": 0}]}, "json_broken:measures.value"),
        ({"measures": [{"value": "72", "type": 1, "unit": 0}]}, "json_broken:measures.value"),
        ({"measures": [{"value": 72, "type": 1, "unit": 999}]}, "json_broken:measures.value"),
        ({"measures": [{"value": 72, "type": 1}]}, "json_broken:measures.value"),
    ],
)
def test_goals_other_people_s_and_broken_measures_give_no_row(
    tmp_path: Path, more: dict[str, Any], reason: str
) -> None:
    assert refused(tmp_path, group(WEIGHT, **more)) == reason
    assert len(rows_of(tmp_path, group(WEIGHT))) == 1


def test_one_group_is_one_line_of_several_results(tmp_path: Path) -> None:
    measures = [WEIGHT, {"value": 65, "type": 11, "unit": 0}, {"value": 5, "type": 76, "unit": 0}]
    rows = rows_of(tmp_path, group({}, measures=measures, deviceid="ab", attrib=2))
    assert [(r["line"], r["part"], r["source_value"]) for r in rows] == [
        (1, 0, "72.500"),
        (1, 1, "65"),
    ]
    assert rows[0]["comment"] == "entered by hand"
    assert (rows[1]["device"], rows[1]["method"]) == ("Withings ab", "manual")


@pytest.mark.parametrize(
    ("zone", "seconds", "text"),
    [
        ("Europe/Paris", -1, "2024-03-31T01:59:59+01:00"),
        ("Europe/Paris", 0, "2024-03-31T03:00:00+02:00"),
        ("America/St_Johns", 0, "2024-03-30T22:30:00-02:30"),
        ("No/Where", 0, "2024-03-31T01:00:00Z"),
        (None, 0, "2024-03-31T01:00:00Z"),
    ],
)
def test_an_epoch_is_told_on_the_clock_of_its_zone(
    tmp_path: Path, zone: str | None, seconds: int, text: str
) -> None:
    content = reply([Group(1, AT + seconds, [(1, "70")])], zone)
    (row,) = rows_of(tmp_path, content)
    assert row["source_observed_at"] == text


def test_the_zone_may_stand_behind_the_groups(tmp_path: Path) -> None:
    content = group(WEIGHT)
    content["body"]["timezone"] = content["body"].pop("timezone")
    (row,) = rows_of(tmp_path, content)
    assert row["source_observed_at"].endswith("+02:00")


def test_a_night_is_the_sum_of_its_stages_and_a_state_its_own_length(tmp_path: Path) -> None:
    night = {"startdate": AT, "enddate": AT + 3600, "timezone": "Europe/Paris"}
    data = {"lightsleepduration": 1000, "deepsleepduration": 500, "wakeupduration": 60}
    series = [
        night | {"data": data | {"hr_average": 50, "rr_average": 0}},
        night | {"state": 1},
        night | {"state": 0},
        night | {"state": 9},
        {"timestamp": AT, "heart_rate": 60},
    ]
    reading = read(opened(tmp_path, {"status": 0, "body": {"series": series}}))
    told = [(r["kind"], r["source_value"], r["source_code"]) for r in found(reading)]
    assert told == [
        ("sleep_duration", "1500", "light+deep+rem"),
        ("in_bed_duration", None, None),
        ("heart_rate", "50", None),
        ("sleep_duration", None, "light"),
    ]
    assert reasons(reading) == [
        f"record_not_used:{kind}" for kind in ("awake", "sleep-state", "series")
    ]


def test_days_and_moments_of_activity_have_their_intervals(tmp_path: Path) -> None:
    days = {"body": {"activities": [{"date": "2024-02-29", "steps": 19, "calories": 10.50}]}}
    assert [
        (r["kind"], r["source_value"], r["source_ended_at"]) for r in rows_of(tmp_path, days)
    ] == [
        ("steps", "19", "2024-03-01"),
        ("active_energy", "10.5", "2024-03-01"),
    ]
    moments = {
        "body": {"series": {str(AT): {"steps": 21, "duration": 60, "heart_rate": 80}, "x": {}}}
    }
    reading = read(opened(tmp_path, moments))
    assert [(r["kind"], r["source_ended_at"]) for r in found(reading)] == [
        ("steps", "2024-03-31T01:01:00Z"),
        ("heart_rate", None),
    ]
    assert reasons(reading) == ["json_broken:series"]


def test_an_error_of_the_api_is_no_measurement(tmp_path: Path) -> None:
    assert refused(tmp_path, {"status": 503, "error": "x"}) == "json_broken:no measurements"
    assert rows_of(tmp_path, {"status": 0, "body": {"measuregrps": []}}) == []


# ---------------------------------------------------------------- the export


FILES = {
    "weight.csv": (
        'Date,"Weight (kg)","Fat mass (kg)",Comments\n'
        '"2024-01-20 06:54:22",85.00,13.00,"Ada said, so"\n'
        '"2024-01-21 06:54:22",,13.00,\n'
        "cut,1\n"
    ),
    "bp.csv": 'Date,"Heart rate",Systolic,Diastolic,Comments\n"2024-01-20 07:00:00",,120,80,\n',
    "height.csv": 'Date,"Height (m)",Comments\n"2024-01-20 07:00:00",1.80,\n',
    "sleep.csv": (
        'from,to,"light (s)","deep (s)","rem (s)","awake (s)","Average heart rate"\n'
        "2024-01-01T23:45:00+01:00,2024-01-02T06:45:00+01:00,10000,5000,3000,600,55\n"
        "2024-01-02T23:45:00+01:00,2024-01-03T06:45:00+01:00,10000,x,3000,600,0\n"
    ),
    "activities.csv": (
        'from,to,Timezone,"Activity type",Data,GPS\n'
        "2024-01-01T18:45:00+01:00,2024-01-01T19:45:00+01:00,Europe/Paris,Running,{},[]\n"
    ),
    "aggregates_steps.csv": "date,value\n2024-02-29,8000\n",
    "aggregates_calories_earned.csv": "date,value\n2024-02-29,80.5\n",
    "raw_hr_hr.csv": "start,duration,value\n2024-01-01T00:00:40+02:00,[22],[86]\n",
    "raw_tracker_steps.csv": (
        "start,duration,value\n"
        '2024-01-01T00:10:24+02:00,"[60,60]","[12, 7]"\n'
        '2024-01-01T00:10:24+02:00,"[60,60]",[12]\n'
        "2024-01-01T00:20:24+02:00,60,5\n"
    ),
    "raw_tracker_sleep-state.csv": (
        "start,duration,value\n"
        '2024-01-01T00:00:00+02:00,"[300,600,300]","[0,1,2]"\n'
        "2024-01-01T00:20:00+02:00,[300],[0]\n"
    ),
    "raw_location_latitude.csv": "start,duration,value\n1,2,3\n",
}


def packed(files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"data/{name}", content)
    return out.getvalue()


def test_an_export_gives_every_row_one_place(tmp_path: Path) -> None:
    reading = read(opened(tmp_path, packed(FILES), "data.zip"))
    rows = found(reading)
    told = {(r.get("kind") or r["source_code"], r["source_value"]) for r in rows}
    assert told == {
        *(("29463-7", "85.00"), ("8480-6", "120"), ("8462-4", "80"), ("8302-2", "1.80")),
        *(("sleep_duration", "18000"), ("sleep_duration", "x"), ("in_bed_duration", None)),
        *(("heart_rate", "55"), ("heart_rate", "86"), ("workout_duration", None)),
        *(("steps", "8000"), ("steps", "12"), ("steps", "7"), ("steps", "5")),
        *(("active_energy", "80.5"), ("sleep_duration", None)),
    }
    assert reading.rows_in == 16
    assert sorted(reasons(reading)) == [
        "json_broken:duration and value",
        "record_not_used:awake",
        "row_empty",
        "too_few_fields",
    ]
    assert reading.notes == ("1 other files of the archive were not read",)
    assert reading.lines is not None
    assert len(reading.lines.read_text().splitlines()) == 16
    assert "Ada" not in reading.lines.read_text()


def test_a_series_is_one_sample_an_element(tmp_path: Path) -> None:
    steps = rows_of(tmp_path, FILES["raw_tracker_steps.csv"], "raw_tracker_steps.csv")
    assert [
        (r["line"], r["part"], r["source_observed_at"], r["source_ended_at"]) for r in steps
    ] == [
        (1, 0, "2024-01-01T00:10:24+02:00", "2024-01-01T00:11:24+02:00"),
        (1, 1, "2024-01-01T00:11:24+02:00", "2024-01-01T00:12:24+02:00"),
        (3, 0, "2024-01-01T00:20:24+02:00", "2024-01-01T00:21:24+02:00"),
    ]
    states = rows_of(tmp_path, FILES["raw_tracker_sleep-state.csv"], "raw_tracker_sleep-state.csv")
    assert [(r["source_code"], r["source_observed_at"][11:16]) for r in states] == [
        ("light", "00:05"),
        ("deep", "00:15"),
    ]


def test_pounds_are_said_to_be_pounds(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, weight_csv([("2024-01-20 06:54:22", "187.4")], "lb"), "any.csv")
    assert (row["source_value"], row["source_unit"]) == ("187.4", "lb")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("foo.csv", "a,b\n1,2\n", "format_unknown"),
        ("weight.csv", "", "file_empty"),
        ("weight.csv", "Date,Weight (kg)", "last_line_open"),
        ("data.zip", packed({"photo.png": "x"}), "archive_empty"),
        ("data.zip", packed(FILES)[:900], "archive_broken"),
    ],
)
def test_what_is_no_export_is_refused(
    tmp_path: Path, name: str, content: str | bytes, reason: str
) -> None:
    with pytest.raises(UnreadableError) as told:
        read(opened(tmp_path, content, name))
    assert told.value.reason == reason


@pytest.mark.parametrize("name", ["weight.csv", "sleep.csv", "bp.csv", "raw_hr_hr.csv"])
def test_damaged_bytes_cost_their_row_only(tmp_path: Path, name: str) -> None:
    header, *lines = FILES[name].encode().splitlines(keepends=True)
    content = header + lines[0] + lines[0].replace(b"2024", b"20\xff4") + b"\x00,,\n" + lines[0]
    reading = read(opened(tmp_path, content, name))
    assert {row["line"] for row in found(reading)} == {1, 4}
    assert reading.rows_in == 4


def test_a_header_alone_is_no_row(tmp_path: Path) -> None:
    for name, content in FILES.items():
        if name != "raw_location_latitude.csv":
            assert rows_of(tmp_path, content.splitlines()[0] + "\n", name) == []


def test_nobody_s_file_is_refused_and_a_mapped_one_is_not(tmp_path: Path) -> None:
    content = group(WEIGHT)
    with pytest.raises(UnreadableError) as told:
        read(opened(tmp_path, content, patient_id=None))
    assert told.value.reason == "file_unknown"
    mapped = read(opened(tmp_path, content, patient_id=None, patients={"reply": "p7"}))
    assert [row["patient_id"] for row in found(mapped)] == ["p7"]


# ---------------------------------------------------------------- round trip


EPOCHS = st.integers(0, 4_000_000_000)
DECIMALS = st.decimals(-1000, 1000, places=3).map(str)
GROUPS = st.builds(
    Group,
    st.integers(0, 10**9),
    EPOCHS,
    st.lists(st.tuples(st.sampled_from([1, 4, 6]), DECIMALS), min_size=1, max_size=3),
)
ZONES = st.sampled_from([None, "UTC", "Europe/Paris", "Australia/Lord_Howe", "America/St_Johns"])


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(GROUPS, min_size=1, max_size=4), ZONES)
def test_measures_that_are_written_are_read_again(
    tmp_path: Path, groups: list[Group], zone: str | None
) -> None:
    rows = rows_of(tmp_path, reply(groups, zone))
    written = [(g.at, Decimal(value)) for g in groups for _, value in g.measures]
    told = [(datetime.fromisoformat(r["source_observed_at"]), r["source_value"]) for r in rows]
    assert [(round(at.timestamp()), Decimal(value)) for at, value in told] == written
    assert all(
        value == str(exact) or exact == 0
        for (_, value), (_, exact) in zip(told, written, strict=True)
    )


def _series(epoch: int, east: int, pairs: list[tuple[int, int]]) -> Series:
    start = datetime.fromtimestamp(epoch, timezone(timedelta(minutes=east)))
    return Series(start.isoformat(), *zip(*pairs, strict=True))


PAIRS = st.lists(st.tuples(st.integers(1, 86400), st.integers(0, 9999)), min_size=1, max_size=5)
LINES = st.builds(_series, EPOCHS, st.sampled_from([-570, 0, 60, 345]), PAIRS)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(LINES, min_size=1, max_size=4))
def test_a_series_that_is_written_is_read_again(tmp_path: Path, lines: list[Series]) -> None:
    rows = rows_of(tmp_path, series_csv(lines), "raw_tracker_steps.csv")
    expected = []
    for line in lines:
        at = datetime.fromisoformat(line.start)
        for length, value in zip(line.lengths, line.values, strict=True):
            end = at + timedelta(seconds=length)
            expected.append((at.isoformat(), end.isoformat(), str(value)))
            at = end
    told = [(r["source_observed_at"], r["source_ended_at"], r["source_value"]) for r in rows]
    assert told == expected
    assert datetime.fromisoformat(told[0][0]).astimezone(UTC) is not None
