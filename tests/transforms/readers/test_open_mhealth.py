"""Open mHealth: the real examples that must pass or fail, glucose by specimen, hostile files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.catalog.reasons import REASONS
from transforms.landing import REJECTS, Opened, Reading, Source, UnreadableError
from transforms.readers.open_mhealth import read
from transforms.synthetic.emit_open_mhealth import DataPoint, array, ndjson

REAL = Path(__file__).parents[3].parent / "shared" / "realdata" / "omh_schemas"
NO_REAL = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project")
AT = {"effective_time_frame": {"date_time": "2024-03-01T07:00:00+01:00"}}
HOUR = {
    "effective_time_frame": {
        "time_interval": {
            "start_date_time": "2024-03-01T07:00:00+01:00",
            "end_date_time": "2024-03-01T08:00:00+01:00",
        }
    }
}
GLUCOSE = {"blood_glucose": {"value": 95, "unit": "mg/dL"}, **AT}
MISSING = "json_broken:effective_time_frame is missing"


def opened(
    folder: Path,
    content: object,
    patient_id: str | None = "p1",
    patients: Mapping[str, str] | None = None,
) -> Opened:
    path, scratch = folder / "landed", folder / "scratch"
    raw = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(raw.encode() if isinstance(raw, str) else raw)
    scratch.mkdir(exist_ok=True)
    for left in scratch.iterdir():
        left.unlink()
    source = Source("open_mhealth", "open_mhealth", patients=patients or {})
    return Opened(path, "points.json", source, scratch, patient_id)


def found(reading: Reading) -> list[dict[str, Any]]:
    """Every landing row with its table, after the law: each line in a table or rejected."""
    rows = [
        {"table": table, **row}
        for table, frame in reading.tables.items()
        for row in frame.collect().to_dicts()
    ]
    rejects = reading.rejects.collect()
    assert dict(rejects.schema) == REJECTS
    assert {r.partition(":")[0] for r in rejects["reason"]} <= REASONS.keys()
    lines = {*rejects["line"], *(row["line"] for row in rows)}
    assert lines == set(range(1, reading.rows_in + 1))
    return rows


def reasons(reading: Reading) -> list[str]:
    return reading.rejects.collect().sort("line")["reason"].to_list()


def one(tmp_path: Path, body: object) -> dict[str, Any]:
    rows = found(read(opened(tmp_path, body)))
    assert len(rows) == 1
    return rows[0]


def refused(tmp_path: Path, body: object) -> str:
    reading = read(opened(tmp_path, body))
    assert found(reading) == []
    (reason,) = reasons(reading)
    return reason


@NO_REAL
def test_no_real_example_that_must_fail_gives_a_row(tmp_path: Path) -> None:
    paths = sorted(REAL.rglob("shouldFail/*.json"))
    assert len(paths) == 65
    told = [refused(tmp_path, path.read_bytes()) for path in paths]
    assert all(reason.startswith("json_broken:") for reason in told)
    assert told.count("json_broken:no measure") == sum(p.stem == "empty-document" for p in paths)


@NO_REAL
def test_real_examples_that_must_pass_are_taken_or_lack_a_time_or_are_statistics(
    tmp_path: Path,
) -> None:
    paths = sorted(REAL.rglob("shouldPass/*.json"))
    places: Counter[str] = Counter()
    for path in paths:
        document = json.loads(path.read_bytes())
        reading = read(opened(tmp_path, path.read_bytes()))
        rows = found(reading)
        if "descriptive_statistic" in document:
            assert reasons(reading)[0].startswith("record_not_used:")
            places["statistic"] += 1
        elif "effective_time_frame" not in document:
            assert reasons(reading) == [MISSING]
            places["without a time"] += 1
        else:
            assert len(rows) == 1
            places["taken"] += 1
    assert places == {"statistic": 18, "without a time": 10, "taken": 24}


@pytest.mark.parametrize(
    ("specimen", "unit", "table", "code"),
    [
        ("interstitial fluid", "mg/dL", "sample", None),
        ("capillary blood", "mg/dL", "observation", "41653-7"),
        ("capillary blood", "mmol/L", "observation", "14743-9"),
        ("whole blood", "mg/dL", "observation", "41653-7"),
        (None, "mmol/L", "observation", "14743-9"),
        ("plasma", "mg/dL", "observation", "2345-7"),
        ("serum", "mmol/L", "observation", "14749-6"),
    ],
)
def test_the_specimen_says_what_glucose_it_is(
    tmp_path: Path, specimen: str | None, unit: str, table: str, code: str | None
) -> None:
    body: dict[str, object] = {"blood_glucose": {"value": 5.50, "unit": unit}, **AT}
    row = one(tmp_path, body | ({"specimen_source": specimen} if specimen else {}))
    assert (row["table"], row["source_code"], row["source_unit"]) == (table, code, unit)
    assert table == "observation" or row["kind"] == "sensor_glucose"


def test_glucose_of_tears_is_set_aside_and_an_unknown_specimen_waits(tmp_path: Path) -> None:
    tears = GLUCOSE | {"specimen_source": "tears"}
    assert refused(tmp_path, tears) == "record_not_used:blood-glucose-tears"
    assert refused(tmp_path, GLUCOSE | {"specimen_source": "fluid"}) == (
        "json_broken:specimen_source"
    )


@pytest.mark.parametrize(
    ("relation", "fasting"),
    [
        ("fasting", "yes"),
        ("not fasting", "no"),
        ("after meal", "no"),
        ("2 hours postprandial", "no"),
        ("before breakfast", None),
        (None, None),
    ],
)
def test_fasting_is_told_by_fasting_and_denied_by_a_meal_before(
    tmp_path: Path, relation: str | None, fasting: str | None
) -> None:
    more = {"temporal_relationship_to_meal": relation} if relation else {}
    assert one(tmp_path, GLUCOSE | more)["source_fasting"] == fasting


def test_a_number_keeps_its_digits(tmp_path: Path) -> None:
    text = json.dumps(GLUCOSE).replace("95", "5.50e0")
    assert one(tmp_path, text)["source_value"] == "5.50e0"


def test_a_mean_of_an_hour_is_a_heart_rate_and_a_minimum_or_a_mean_of_days_is_none(
    tmp_path: Path,
) -> None:
    rate = {"heart_rate": {"value": 50, "unit": "beats/min"}, **HOUR}
    mean = one(tmp_path, rate | {"descriptive_statistic": "average"})
    assert (mean["method"], mean["source_ended_at"]) == ("average", "2024-03-01T08:00:00+01:00")
    assert one(tmp_path, rate)["method"] is None
    lowest = rate | {"descriptive_statistic": "minimum"}
    assert refused(tmp_path, lowest) == "record_not_used:heart-rate-minimum"
    days = json.loads(json.dumps(mean_over_days := rate | {"descriptive_statistic": "average"}))
    days["effective_time_frame"]["time_interval"]["end_date_time"] = "2024-03-03T08:00:00+01:00"
    assert mean_over_days != days
    assert refused(tmp_path, days) == "record_not_used:heart-rate-average"


def test_steps_need_an_interval(tmp_path: Path) -> None:
    assert one(tmp_path, {"step_count": 6000, **HOUR})["source_unit"] == "steps"
    told = refused(tmp_path, {"step_count": 6000, **AT})
    assert told == "json_broken:effective_time_frame: needs an interval"


@pytest.mark.parametrize(
    ("interval", "start", "end"),
    [
        (
            {
                "start_date_time": "2024-03-30T23:30:00+01:00",
                "duration": {"value": 90, "unit": "min"},
            },
            "2024-03-30T23:30:00+01:00",
            "2024-03-31T01:00:00+01:00",
        ),
        (
            {"end_date_time": "2024-03-31T01:00:00+01:00", "duration": {"value": 1.5, "unit": "h"}},
            "2024-03-30T23:30:00+01:00",
            "2024-03-31T01:00:00+01:00",
        ),
        ({"date": "2024-03-30", "part_of_day": "evening"}, "2024-03-30", None),
    ],
)
def test_an_interval_may_be_told_by_its_length(
    tmp_path: Path, interval: object, start: str, end: str | None
) -> None:
    frame = {"effective_time_frame": {"time_interval": interval}}
    row = one(tmp_path, {"heart_rate": {"value": 50, "unit": "beats/min"}, **frame})
    assert (row["source_observed_at"], row["source_ended_at"]) == (start, end)


@pytest.mark.parametrize(
    "interval",
    [
        {"start_date_time": "2024-03-30T23:30:00+01:00"},
        {"start_date_time": "yesterday", "duration": {"value": 1, "unit": "h"}},
        {"start_date_time": "2024-03-30T23:30:00Z", "duration": {"value": 1, "unit": "Mo"}},
        {"start_date_time": "2024-03-30T23:30:00Z", "duration": {"value": 1e99, "unit": "d"}},
        {"start_date_time": 1711839600, "end_date_time": 1711843200},
        [],
        "an hour",
    ],
)
def test_half_an_interval_is_none(tmp_path: Path, interval: object) -> None:
    frame = {"effective_time_frame": {"time_interval": interval}}
    told = refused(tmp_path, {"heart_rate": {"value": 50, "unit": "beats/min"}, **frame})
    assert told.startswith("json_broken:")


def test_a_pressure_is_two_results_of_one_record(tmp_path: Path) -> None:
    body = {
        "systolic_blood_pressure": {"value": 120, "unit": "mmHg"},
        "diastolic_blood_pressure": {"value": 80, "unit": "mmHg"},
        **AT,
    }
    header = {"id": "r1", "schema_id": {"name": "blood-pressure"}, "user_id": "u"}
    rows = found(read(opened(tmp_path, {"header": header, "body": body})))
    told = [(r["line"], r["part"], r["source_code"], r["source_value"]) for r in rows]
    assert told == [(1, 0, "8480-6", "120"), (1, 1, "8462-4", "80")]
    assert len({r["result_id"] for r in rows}) == 2
    del body["diastolic_blood_pressure"]
    assert refused(tmp_path, body) == "json_broken:diastolic_blood_pressure"


def test_an_episode_is_the_time_asleep_else_its_own_length(tmp_path: Path) -> None:
    episode = {"is_main_sleep": True, "number_of_awakenings": 2, **HOUR}
    bare = one(tmp_path, episode)
    assert (bare["kind"], bare["source_value"]) == ("sleep_duration", None)
    assert bare["source_ended_at"] is not None
    told = one(tmp_path, episode | {"total_sleep_time": {"value": 40, "unit": "min"}})
    assert (told["source_value"], told["source_unit"]) == ("40", "min")


def test_a_workout_is_its_length_under_its_own_name(tmp_path: Path) -> None:
    row = one(tmp_path, {"activity_name": "walking", **HOUR})
    assert (row["kind"], row["source_code"]) == ("workout_duration", "walking")
    assert row["source_value"] is None
    assert refused(tmp_path, {"activity_name": "walking", **AT}).startswith("record_not_used:")


def test_a_data_series_has_one_header_for_all_its_bodies(tmp_path: Path) -> None:
    header = {
        "uuid": "s1",
        "schema_id": {"namespace": "ieee", "name": "heart-rate", "version": "1.0"},
        "modality": "self-reported",
        "external_datasheets": [{"datasheet_reference": "Acme H1"}],
    }
    bodies = [{"heart_rate": {"value": n, "unit": "beats/min"}, **AT} for n in (60, 61)]
    rows = found(read(opened(tmp_path, {"body": bodies, "header": header})))
    assert [(r["source_value"], r["device"], r["method"]) for r in rows] == [
        ("60", "Acme H1", "manual"),
        ("61", "Acme H1", "manual"),
    ]


def test_a_schema_that_is_not_used_is_set_aside_and_one_without_its_quantity_waits(
    tmp_path: Path,
) -> None:
    header = {"schema_id": {"name": "geoposition"}}
    point = {"header": header, "body": {"latitude": 1, **AT}}
    assert refused(tmp_path, point) == "record_not_used:geoposition"
    header["schema_id"]["name"] = "body-weight"
    assert refused(tmp_path, point) == "json_broken:body_weight"
    assert refused(tmp_path, {"ambient_light": {"value": 1}, **AT}) == (
        "record_not_used:ambient_light"
    )
    shown = read(opened(tmp_path, {"Ada Lovelace is ill": 1, **AT})).rejects.collect().row(0)
    assert shown == (1, "record_not_used:other", '{"record": "other"}')


def test_own_words_are_never_kept(tmp_path: Path) -> None:
    point = {"header": {"id": "1"}, "body": GLUCOSE | {"user_notes": 'felt "dizzy" \\ at home'}}
    reading = read(opened(tmp_path, point))
    assert len(found(reading)) == 1
    assert reading.lines is not None
    kept = reading.lines.read_text()
    assert "dizzy" not in kept
    assert "home" not in kept
    assert "blood_glucose" in kept


# ---------------------------------------------------------------- whose


def test_the_folder_names_the_person_else_a_mapping_else_the_header(tmp_path: Path) -> None:
    point = {"header": {"user_id": "u1"}, "body": GLUCOSE}
    for expected, (folder, patients) in {
        "p1": ("p1", {"points": "p2", "u1": "p3"}),
        "p2": (None, {"points": "p2", "u1": "p3"}),
        "p3": (None, {"u1": "p3"}),
        "u1": (None, {}),
    }.items():
        rows = found(read(opened(tmp_path, point, folder, patients)))
        assert [row["patient_id"] for row in rows] == [expected]


def test_a_file_of_nobody_or_of_two_people_in_one_folder_is_refused(tmp_path: Path) -> None:
    points = [{"header": {"user_id": user}, "body": GLUCOSE} for user in ("u1", "u2")]
    assert len(found(read(opened(tmp_path, points, None)))) == 2
    for content, folder in ((points, "p1"), (GLUCOSE, None)):
        with pytest.raises(UnreadableError) as told:
            read(opened(tmp_path, content, folder))
        assert told.value.reason == "file_unknown"


# ---------------------------------------------------------------- damaged and hostile


LINE = json.dumps(GLUCOSE)
TWICE = LINE.replace("95", '95, "value": 400')
AS_TEXT = LINE.replace("95", '"95"')


@pytest.mark.parametrize(
    ("content", "rows", "rejected"),
    [
        (f"{LINE}\n{LINE}", 2, []),
        (f"{LINE}\n\n{LINE[:-9]}\n{LINE}\n", 2, ["json_broken"]),
        (f"{LINE[:-9]}\n{LINE}\n{LINE}\n", 2, ["json_broken"]),
        (f"[{LINE},\n{LINE},{LINE[:30]}", 2, ["json_broken"]),
        (f"[{LINE}, null, 5, [], {LINE}]", 2, ["json_broken"] * 3),
        (f"[{LINE.replace('95', 'NaN')}, {LINE}]", 1, ["json_broken"]),
        (f"[{TWICE}, {LINE}]", 1, ["json_broken"]),
        (f"[{AS_TEXT}, {LINE}]", 1, ["json_broken"]),
        (f"[{LINE.replace('95', 'true')}, {LINE}]", 1, ["json_broken"]),
        (f"[{LINE.replace('95', '9' * 2_000_000)}, {LINE}]", 1, ["line_too_long"]),
        (LINE.replace("2024", r"\u0000 2024"), 0, ["nul_byte"]),
        (LINE.replace("2024", r"\ud800 2024"), 0, ["json_broken"]),
        (f"{LINE}\n" + '{"a":' * 100_000, 1, ["json_broken"]),
        ("[]", 0, []),
        ("hello", 0, ["json_broken"]),
    ],
)
def test_one_bad_record_harms_no_other(
    tmp_path: Path, content: str, rows: int, rejected: list[str]
) -> None:
    reading = read(opened(tmp_path, content))
    assert len(found(reading)) == rows
    assert [reason.partition(":")[0] for reason in reasons(reading)] == rejected


def test_invalid_bytes_harm_their_line_only(tmp_path: Path) -> None:
    bad = LINE.encode().replace(b"2024", b"20\xff24")
    reading = read(opened(tmp_path, LINE.encode() + b"\n" + bad + b"\n" + LINE.encode() + b"\n"))
    assert [row["line"] for row in found(reading)] == [1, 3]


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError) as told:
        read(opened(tmp_path, b" \n"))
    assert told.value.reason == "file_empty"


# ---------------------------------------------------------------- round trip


def _instant(minutes: int, east: int) -> str:
    zone = timezone(timedelta(minutes=east))
    return (datetime(2024, 1, 1, tzinfo=zone) + timedelta(minutes=minutes)).isoformat()


TIMES = st.builds(_instant, st.integers(0, 10**6), st.sampled_from([-570, -60, 0, 60, 120, 345]))
WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), min_size=1
)
POINTS = st.builds(
    DataPoint,
    st.just("heart-rate"),
    st.decimals(20, 220, places=2).map(str),
    st.just("beats/min"),
    TIMES,
    st.none() | TIMES,
    source_name=WORDS,
)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(POINTS, min_size=1, max_size=4), st.sampled_from([ndjson, array]))
def test_what_is_written_is_read_again(tmp_path: Path, points: list[DataPoint], emit: Any) -> None:
    reading = read(opened(tmp_path, emit(points)))
    rows = [(r["source_value"], r["source_observed_at"], r["source_ended_at"], r["device"])
            for r in found(reading)]  # fmt: skip
    assert rows == [(p.value, p.start, p.end, p.source_name) for p in points]
    assert reading.tables["sample"].select(pl.col("kind").unique()).collect().item() == "heart_rate"
