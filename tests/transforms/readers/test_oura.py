"""Oura: nights by stage, days, the API's unnamed pages, CSV exports, and every way to be broken."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.catalog.reasons import REASONS
from transforms.landing import Opened, Reading, Source, UnreadableError
from transforms.readers.oura import read
from transforms.synthetic.emit_oura import Beat, Day, Night, export, page

START, END = "2024-03-30T23:00:00+01:00", "2024-03-30T23:23:00+01:00"
SLEEP: dict[str, Any] = {
    "bedtime_start": START,
    "bedtime_end": END,
    "type": "long_sleep",
    "total_sleep_duration": 1080,
}


def opened(
    folder: Path,
    content: object,
    name: str = "oura.json",
    patient_id: str | None = "p1",
    patients: Mapping[str, str] | None = None,
) -> Opened:
    path, scratch = folder / "landed", folder / "scratch"
    raw = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(raw.encode() if isinstance(raw, str) else raw)
    scratch.mkdir(exist_ok=True)
    for left in scratch.iterdir():
        left.unlink()
    return Opened(path, name, Source("oura", "oura", patients=patients or {}), scratch, patient_id)


def found(reading: Reading) -> list[dict[str, Any]]:
    """Every sample, after the law: each line is in a table or rejected."""
    assert reading.tables.keys() <= {"sample"}
    rows = [row for frame in reading.tables.values() for row in frame.collect().to_dicts()]
    rejects = reading.rejects.collect()
    assert {r.partition(":")[0] for r in rejects["reason"]} <= REASONS.keys()
    lines = {*rejects["line"], *(row["line"] for row in rows)}
    assert lines == set(range(1, reading.rows_in + 1))
    return rows


def samples(tmp_path: Path, content: object, name: str = "oura.json") -> list[dict[str, Any]]:
    return found(read(opened(tmp_path, content, name)))


def reasons(reading: Reading) -> list[str]:
    return reading.rejects.collect().sort("line")["reason"].to_list()


def refused(tmp_path: Path, content: object) -> str:
    reading = read(opened(tmp_path, content))
    assert found(reading) == []
    (reason,) = reasons(reading)
    return reason


def asleep(rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [
        (row["source_code"], row["source_observed_at"][11:], row["source_ended_at"][11:])
        for row in rows
        if row["kind"] == "sleep_duration"
    ]


def test_stages_are_the_sleep_and_the_last_ends_with_the_bedtime(tmp_path: Path) -> None:
    rows = samples(tmp_path, {"sleep": [SLEEP | {"sleep_phase_5_min": "42213"}]})
    assert asleep(rows) == [
        ("light", "23:05:00+01:00", "23:15:00+01:00"),
        ("deep", "23:15:00+01:00", "23:20:00+01:00"),
        ("rem", "23:20:00+01:00", "23:23:00+01:00"),
    ]
    assert all(row["source_value"] is None for row in rows if row["kind"] == "sleep_duration")


def test_without_stages_the_total_is_the_sleep(tmp_path: Path) -> None:
    rows = samples(tmp_path, {"sleep": [SLEEP]})
    assert asleep(rows) == [("total", START[11:], END[11:])]
    total = next(row for row in rows if row["kind"] == "sleep_duration")
    assert (total["source_value"], total["source_unit"]) == ("1080", "s")
    (bed,) = (row for row in rows if row["kind"] == "in_bed_duration")
    assert (bed["source_observed_at"], bed["source_ended_at"], bed["source_value"]) == (
        START,
        END,
        None,
    )


def test_a_night_tells_its_rates_and_a_nap_no_resting_one(tmp_path: Path) -> None:
    more = {"average_heart_rate": 52.50, "lowest_heart_rate": 45, "average_hrv": 40}
    more |= {"average_breath": 0}
    told = {r["kind"]: (r["source_value"], r["method"]) for r in samples(tmp_path, [SLEEP | more])}
    assert told["heart_rate"] == ("52.5", "average")
    assert told["resting_heart_rate"] == ("45", None)
    assert told["heart_rate_variability_rmssd"] == ("40", None)
    assert "respiratory_rate" not in told
    nap = samples(tmp_path, [SLEEP | more | {"type": "late_nap"}])
    assert "resting_heart_rate" not in {row["kind"] for row in nap}
    assert "heart_rate" in {row["kind"] for row in nap}


@pytest.mark.parametrize("kind", ["deleted", "rest"])
def test_a_bedtime_taken_back_is_set_aside(tmp_path: Path, kind: str) -> None:
    assert refused(tmp_path, [SLEEP | {"type": kind}]) == f"record_not_used:sleep-{kind}"


def test_a_day_has_its_interval(tmp_path: Path) -> None:
    rows = samples(tmp_path, {"data": [{"day": "2024-02-29", "steps": 8000, "active_calories": 1}]})
    told = [
        (r["kind"], r["source_value"], r["source_observed_at"], r["source_ended_at"]) for r in rows
    ]
    assert told == [
        ("steps", "8000", "2024-02-29", "2024-03-01"),
        ("active_energy", "1", "2024-02-29", "2024-03-01"),
    ]
    assert refused(tmp_path, [{"day": "2024-02-30", "steps": 1, "active_calories": 1}]) == (
        "json_broken:day"
    )


def test_a_page_of_the_api_is_known_by_its_fields(tmp_path: Path) -> None:
    records = [
        {"bpm": 60, "source": "awake", "timestamp": START},
        {"day": "2024-02-29", "spo2_percentage": {"average": 97.125}},
        {"activity": "cycling", "start_datetime": START, "end_datetime": END},
        {"day": "2024-02-29", "temperature_deviation": 0.2, "score": 80},
        {"score": 80},
    ]
    reading = read(opened(tmp_path, {"data": records, "next_token": None}))
    told = [(r["kind"], r["source_code"], r["source_value"], r["method"]) for r in found(reading)]
    assert told == [
        ("heart_rate", "awake", "60", None),
        ("oxygen_saturation", None, "97.125", "average"),
        ("workout_duration", "cycling", None, None),
    ]
    assert reasons(reading) == ["record_not_used:daily_readiness", "record_not_used:other"]


def test_names_of_version_one_are_read(tmp_path: Path) -> None:
    night = {"bedtime_start": START, "bedtime_end": END, "hypnogram_5min": "1", "rmssd": 30}
    day = {"summary_date": "2019-05-01", "steps": 5, "cal_active": 2}
    rows = samples(tmp_path, {"sleep": [night], "activity": [day]})
    assert {row["kind"]: row["source_value"] for row in rows} == {
        "sleep_duration": None,
        "in_bed_duration": None,
        "heart_rate_variability_rmssd": "30",
        "steps": "5",
        "active_energy": "2",
    }


def test_the_ring_in_use_that_day_is_the_device(tmp_path: Path) -> None:
    rings = [
        {"hardware_type": "gen3", "set_up_at": "2024-01-02T00:00:00Z"},
        {"hardware_type": "gen2", "set_up_at": "2020-01-02T00:00:00Z"},
    ]
    beats = [
        {"bpm": 60, "timestamp": f"{day}T00:00:00Z"}
        for day in ("2019-01-01", "2024-01-01", "2024-01-03")
    ]
    with_rings = {"heartrate": beats, "ring_configuration": rings}
    told = [row["device"] for row in samples(tmp_path, with_rings)]
    assert told == ["Oura Ring gen2", "Oura Ring gen2", "Oura Ring gen3"]
    assert {row["device"] for row in samples(tmp_path, {"heartrate": beats})} == {"Oura Ring"}


def test_a_tag_is_set_aside_without_a_word_of_it(tmp_path: Path) -> None:
    content = {"tag": [{"day": "2024-01-01", "text": "Ada is ill", "tags": ["x"]}]}
    reading = read(opened(tmp_path, content))
    found(reading)
    assert reading.rejects.collect().row(0) == (1, "record_not_used:tag", '{"record": "tag"}')
    assert reading.lines is not None
    assert "Ada" not in reading.lines.read_text()
    assert '"tags"' in reading.lines.read_text()


def test_an_export_of_csv_files_gives_the_same_rows(tmp_path: Path) -> None:
    table = (
        "id;bedtime_start;bedtime_end;type;total_sleep_duration;average_hrv;heart_rate\n"
        f'a;{START};{END};long_sleep;1080;40;"{{""items"": [1, null]}}"\n'
        "b;cut\n"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("App Data/sleepmodel.csv", table)
        archive.writestr(
            "App Data/dailyspo2.csv", 'day;spo2_percentage\n2024-01-01;"{""average"": 97}"\n'
        )
        archive.writestr("App Data/.hidden.csv", "a\n1\n")
        archive.writestr("photo.png", b"x")
    reading = read(opened(tmp_path, packed.getvalue(), "oura.zip"))
    rows = {row["kind"]: row["source_value"] for row in found(reading)}
    assert rows == {
        "oxygen_saturation": "97",
        "sleep_duration": "1080",
        "in_bed_duration": None,
        "heart_rate_variability_rmssd": "40",
    }
    assert reading.rows_in == 3
    assert reasons(reading) == ["json_broken:it breaks off or is no JSON"]
    assert reading.notes == ("2 other files of the archive were not read",)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"bedtime_start": 5}, "json_broken:bedtime_start"),
        ({"bedtime_end": None}, "json_broken:bedtime_end"),
        ({"sleep_phase_5_min": "12x"}, "json_broken:sleep_phase_5_min"),
        ({"sleep_phase_5_min": [1, 2]}, "json_broken:sleep_phase_5_min"),
        ({"sleep_phase_5_min": "12", "bedtime_start": "evening"}, "json_broken:bedtime_start"),
        (
            {"sleep_phase_5_min": "12", "bedtime_end": "2024-01-01T00:00:00"},
            "json_broken:bedtime_start",
        ),
        ({"average_hrv": "40"}, "json_broken:average_hrv"),
        ({"average_hrv": [[[[]]]]}, "json_broken:average_hrv"),
    ],
)
def test_a_bad_value_costs_its_record_only(
    tmp_path: Path, broken: dict[str, Any], reason: str
) -> None:
    reading = read(opened(tmp_path, {"sleep": [SLEEP | broken, SLEEP]}))
    assert {row["line"] for row in found(reading)} == {2}
    assert reasons(reading) == [reason]


def test_a_file_cut_in_the_middle_keeps_what_came_before(tmp_path: Path) -> None:
    whole = page([Beat(START, 60, "rest"), Beat(END, 61, "rest")])
    assert len(samples(tmp_path, whole)) == 2
    reading = read(opened(tmp_path, whole[: whole.index(b"61")]))
    assert len(found(reading)) == 1
    assert reasons(reading) == ["json_broken:it breaks off or is no JSON"]


def test_nobody_s_file_is_refused_and_a_mapped_one_is_not(tmp_path: Path) -> None:
    beats = page([Beat(START, 60, "rest")])
    with pytest.raises(UnreadableError) as told:
        read(opened(tmp_path, beats, patient_id=None))
    assert told.value.reason == "file_unknown"
    mapped = read(opened(tmp_path, beats, patient_id=None, patients={"oura": "p7"}))
    assert [row["patient_id"] for row in found(mapped)] == ["p7"]


EAST = st.sampled_from([-420, 0, 60, 120, 330])
MINUTES = st.integers(0, 10**6)


def _iso(minutes: int, east: int) -> str:
    zone = timezone(timedelta(minutes=east))
    return (datetime(2024, 1, 1, tzinfo=zone) + timedelta(minutes=minutes)).isoformat()


def _night(minutes: int, east: int, stages: str, rate: int) -> Night:
    end = minutes + 5 * len(stages)
    return Night(_iso(minutes, east), _iso(end, east), stages, rate, rate + 1)


NIGHTS = st.builds(
    _night, MINUTES, EAST, st.text("1234", min_size=1, max_size=40), st.integers(30, 99)
)
DAYS = st.builds(
    Day,
    st.dates().map(str).filter(lambda day: day < "9999"),
    st.integers(0, 10**5),
    st.integers(0, 999),
)
BEATS = st.builds(
    Beat,
    st.builds(_iso, MINUTES, EAST),
    st.integers(20, 220),
    st.sampled_from(["awake", "rest", "Ünï"]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(NIGHTS, max_size=3), st.lists(DAYS, max_size=3), st.lists(BEATS, max_size=3))
def test_what_is_written_is_read_again(
    tmp_path: Path, nights: list[Night], days: list[Day], beats: list[Beat]
) -> None:
    rows = samples(tmp_path, export(nights, days, beats, ring="gen4"))
    assert all(row["device"] == "Oura Ring gen4" for row in rows)
    by_kind = {kind: [r for r in rows if r["kind"] == kind] for kind in {r["kind"] for r in rows}}
    lengths = sum(
        (
            datetime.fromisoformat(r["source_ended_at"])
            - datetime.fromisoformat(r["source_observed_at"])
        ).seconds
        for r in by_kind.get("sleep_duration", [])
    )
    assert lengths == sum(300 * sum(stage != "4" for stage in night.stages) for night in nights)
    bed = [
        (r["source_observed_at"], r["source_ended_at"]) for r in by_kind.get("in_bed_duration", [])
    ]
    assert bed == [(night.start, night.end) for night in nights]
    walked = [(r["source_observed_at"], r["source_value"]) for r in by_kind.get("steps", [])]
    assert walked == [(day.day, str(day.steps)) for day in days]
    heard = [
        (r["source_observed_at"], r["source_value"], r["source_code"])
        for r in by_kind.get("heart_rate", [])
    ]
    assert heard == [(beat.timestamp, str(beat.bpm), beat.source) for beat in beats]
