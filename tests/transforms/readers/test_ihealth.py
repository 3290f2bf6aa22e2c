"""iHealth replies: real ones, their wall clocks and units, what zero means, and every damage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.catalog.reasons import REASONS
from transforms.conform import Arrival, conform
from transforms.landing import (
    LANDING,
    PLACE,
    REJECTS,
    Opened,
    Reading,
    Source,
    UnreadableError,
    shaped,
)
from transforms.readers.ihealth import read
from transforms.synthetic.emit_ihealth import (
    glucose_reply,
    pressure_reply,
    sleep_reply,
    weight_reply,
)

REAL = Path(__file__).parents[3].parent / "shared" / "realdata/vendor_api_json_shimmer/ihealth"
MINUS_8 = timezone(timedelta(hours=-8))
AT = datetime(2015, 9, 17, 12, 4, 23, tzinfo=MINUS_8)


def opened(
    tmp_path: Path,
    content: str | bytes,
    options: Mapping[str, object] | None = None,
    patient_id: str | None = "p1",
) -> Opened:
    path, scratch = tmp_path / "landed", tmp_path / "scratch"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    scratch.mkdir(exist_ok=True)
    source = Source("ihealth", "ihealth", options=options or {})
    return Opened(path, "reply.json", source, scratch, patient_id)


def checked(reading: Reading) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Samples, observations and rejects, after the law: every record in its one place."""
    empty = {name: shaped(name, pl.LazyFrame({"line": []})) for name in ("sample", "observation")}
    samples, observations = (frame.collect() for frame in (empty | dict(reading.tables)).values())
    rejects = reading.rejects.collect()
    assert samples.columns == [*PLACE, *LANDING["sample"]]
    assert dict(rejects.schema) == REJECTS
    kept = {*samples["line"], *observations["line"]}
    assert not kept & set(rejects["line"])
    assert kept | set(rejects["line"]) == set(range(1, reading.rows_in + 1))
    assert {reason.split(":")[0] for reason in rejects["reason"]} <= REASONS.keys()
    return samples, observations, rejects


def told(tmp_path: Path, content: str | bytes, **options: object) -> tuple[pl.DataFrame, ...]:
    return checked(read(opened(tmp_path, content, options)))


def reply(name: str, *records: object, **beside: object) -> str:
    return json.dumps({name: records, **beside})


STAMP = {"MDate": 1442491463, "TimeZone": "-0800", "DataSource": "FromDevice", "DataID": "x"}


@pytest.mark.parametrize(
    ("unit", "name"), [(0, "mm[Hg]"), (1, "kPa"), (7, None)], ids=["mmHg", "kPa", "unknown"]
)
def test_pressure_has_the_unit_of_its_list(tmp_path: Path, unit: int, name: str | None) -> None:
    _, found, _ = told(tmp_path, pressure_reply([(AT, 120, 90)], unit))

    columns = ("source_code", "source_value", "source_unit", "part", "result_id")
    assert found.select(columns).rows() == [
        ("8480-6", "120", name, 0, "id-20150917120423"),
        ("8462-4", "90", name, 1, "id-20150917120423"),
    ]


def test_the_seconds_are_a_wall_clock_and_the_offset_stands_beside(tmp_path: Path) -> None:
    _, found, _ = told(tmp_path, glucose_reply([(AT, 60)]))
    _, bare, _ = told(tmp_path, reply("BGDataList", {"BG": 60, "MDate": 1442491463}, BGUnit=0))

    assert found["source_observed_at"].to_list() == ["2015-09-17T12:04:23-08:00"]
    assert bare["source_observed_at"].to_list() == ["2015-09-17T12:04:23"]


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("-0800", "-08:00"),
        ("+05:30", "+05:30"),
        (-8, "-08:00"),
        (5.5, "+05:30"),
        (0, "+00:00"),
        ("Mars", ""),
        (None, ""),
    ],
)
def test_an_offset_is_read_as_text_or_number(tmp_path: Path, zone: object, shown: str) -> None:
    record = {**STAMP, "TimeZone": zone, "BO": 97}

    samples, _, _ = told(tmp_path, reply("BODataList", record))

    assert samples["source_observed_at"].to_list() == [f"2015-09-17T12:04:23{shown}"]


def test_a_sport_is_an_instant_unless_the_settings_say_wall_clock(tmp_path: Path) -> None:
    record = {"SportName": "Run", "SportStartTime": 1442520148, "SportEndTime": 1442521948}
    written = reply("SPORTDataList", {**record, "TimeZone": -8})

    instant, _, _ = told(tmp_path, written)
    local, _, _ = told(tmp_path, written, sport_times="local")

    columns = ("source_observed_at", "source_ended_at", "source_code")
    assert instant.select(columns).rows() == [
        ("2015-09-17T12:02:28-08:00", "2015-09-17T12:32:28-08:00", "Run")
    ]
    assert local["source_observed_at"].to_list() == ["2015-09-17T20:02:28-08:00"]


def test_zero_is_not_measured_and_any_other_number_is(tmp_path: Path) -> None:
    scale = {**STAMP, "WeightValue": 70.50, "BMI": 0, "FatValue": 0.0}
    nothing = {**STAMP, "WeightValue": 0, "BMI": 0, "FatValue": 0}
    oxygen = {**STAMP, "BO": 0, "HR": 62}

    _, weights, rejects = told(tmp_path, reply("WeightDataList", scale, nothing, WeightUnit=1))
    pulse, _, _ = told(tmp_path, reply("BODataList", oxygen))

    assert weights.select("source_code", "source_value", "source_unit").rows() == [
        ("29463-7", "70.5", "[lb_av]")
    ]
    assert rejects.select("line", "reason").rows() == [(2, "row_empty")]
    assert pulse.select("kind", "source_value").rows() == [("heart_rate", "62")]


def test_no_steps_of_a_device_are_a_day_and_of_a_hand_are_nothing(tmp_path: Path) -> None:
    walked, sat = {**STAMP, "Steps": 21}, {**STAMP, "Steps": 0}
    manual = {**sat, "DataSource": "Manual"}

    samples, _, rejects = told(tmp_path, reply("ARDataList", walked, sat, manual))

    assert samples.select("source_value", "source_unit", "source_observed_at").rows() == [
        ("21", "{#}/d", "2015-09-17"),
        ("0", "{#}/d", "2015-09-17"),
    ]
    assert rejects["reason"].to_list() == ["row_empty"]


def test_a_note_is_not_shown_and_the_rest_of_the_record_is(tmp_path: Path) -> None:
    reading = read(opened(tmp_path, reply("BPDataList", {**STAMP, "HP": 0, "Note": "my secret"})))

    assert reading.lines is not None
    shown = reading.lines.read_text()
    assert "secret" not in shown
    assert json.loads(shown)["TimeZone"] == "-0800"


def test_a_page_of_several_says_so(tmp_path: Path) -> None:
    more = read(opened(tmp_path, reply("BPDataList", NextPageUrl="page 2")))
    last = read(opened(tmp_path, reply("BPDataList", NextPageUrl="")))

    assert more.notes == ("further pages of this reply exist",)
    assert last.notes == ()


def test_a_bad_record_harms_no_other(tmp_path: Path) -> None:
    good = {**STAMP, "BG": 60}
    bad: list[object] = [None, 7, "x", [], {"BG": {"a": 1}}, {}]
    odd = [
        {"BG": "x"},
        {**good, "MDate": "soon"},
        {**good, "MDate": -1},
        {**good, "MDate": 1 << 60},
    ]
    written = reply("BGDataList", good, *bad, *odd, good, BGUnit=0)

    _, found, rejects = told(tmp_path, written)

    assert len(found) == 2 + len(odd)
    assert set(rejects["reason"]) == {"json_broken", "row_empty"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "file_empty"),
        ("hello", "json_broken"),
        ('{"BPDataList":[{"HP":', "json_broken"),
        ("[" * 100_000, "json_broken"),
        ('{"sleep":[]}', "format_unknown"),
        ("[]", "format_unknown"),
        ('{"BPDataList":"none"}', "format_unknown"),
    ],
)
def test_what_is_no_reply_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        read(opened(tmp_path, content))
    assert caught.value.reason == reason


def test_a_reply_needs_a_patient(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="file_unknown"):
        read(opened(tmp_path, pressure_reply([(AT, 120, 90)]), patient_id=None))
    assert len(told(tmp_path, pressure_reply([(AT, 120, 90)]))[1]) == 2


# ---------------------------------------------------------------- round trips

offsets = st.integers(-12 * 4, 14 * 4).map(
    lambda quarter: timezone(timedelta(minutes=15 * quarter))
)
moments = st.datetimes(
    datetime(2012, 1, 1),  # noqa: DTZ001
    datetime(2035, 1, 1),  # noqa: DTZ001
    timezones=offsets,
).map(lambda at: at.replace(microsecond=0))
ARRIVAL = Arrival("ihealth", 1, date(2036, 1, 1), "Europe/Rome")


def in_utc(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)


@given(st.lists(st.tuples(moments, st.floats(1, 400)), min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_weights_come_back_as_they_went(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[datetime, float]]
) -> None:
    _, found, _ = told(tmp_path_factory.mktemp("trip"), weight_reply(rows))

    conformed = conform("observation", found.lazy(), ARRIVAL).collect()
    assert conformed.select("observed_at", "value").rows() == [(in_utc(at), kg) for at, kg in rows]
    assert conformed["observed_on"].to_list() == [at.date() for at, _ in rows]


@given(st.lists(st.tuples(moments, st.integers(1, 900)), min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_sleep_comes_back_with_its_minutes_and_its_time_in_bed(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[datetime, int]]
) -> None:
    nights = [(at, at + timedelta(minutes=minutes), minutes) for at, minutes in rows]

    samples, _, _ = told(tmp_path_factory.mktemp("trip"), sleep_reply(nights))

    found = conform("sample", samples.lazy(), ARRIVAL).collect().sort("line", "part")
    for kind in ("sleep_duration", "in_bed_duration"):
        hours = found.filter(pl.col("kind") == kind)
        assert hours["value"].to_list() == pytest.approx([minutes / 60 for _, minutes in rows])
        assert hours["observed_at"].to_list() == [in_utc(at) for at, _ in rows]


# ---------------------------------------------------------------- real replies

EXPECTED: dict[str, tuple[int, dict[str, int], int]] = {
    "ihealth-activity-empty.json": (0, {}, 0),
    "ihealth-activity-no-steps.json": (1, {}, 1),
    "ihealth-activity.json": (2, {"steps": 2}, 0),
    "ihealth-bp-empty.json": (0, {}, 0),
    "ihealth-bp-no-heart-rate.json": (1, {"8480-6": 1, "8462-4": 1}, 0),
    "ihealth-bp.json": (2, {"8480-6": 2, "8462-4": 2, "heart_rate": 2}, 0),
    "ihealth-glucose-empty.json": (0, {}, 0),
    "ihealth-glucose.json": (2, {"41653-7": 2}, 0),
    "ihealth-sleep-empty.json": (0, {}, 0),
    "ihealth-sleep.json": (3, {"sleep_duration": 3, "in_bed_duration": 3}, 0),
    "ihealth-spo2-empty.json": (0, {}, 0),
    "ihealth-spo2-no-heart-rate.json": (1, {"oxygen_saturation": 1}, 0),
    "ihealth-spo2-no-oxygen-saturation.json": (1, {}, 1),
    "ihealth-spo2.json": (2, {"oxygen_saturation": 2, "heart_rate": 2}, 0),
    "ihealth-sport-empty.json": (0, {}, 0),
    "ihealth-sport.json": (2, {"workout_duration": 2}, 0),
    "ihealth-weight-empty.json": (0, {}, 0),
    "ihealth-weight-no-weight-value.json": (1, {}, 1),
    "ihealth-weight.json": (2, {"29463-7": 2, "39156-5": 2, "41982-0": 1}, 0),
}
"""File -> records, landing rows by kind or code, records set aside: counted by hand."""
real = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project")


@real
@pytest.mark.parametrize("name", EXPECTED)
def test_a_real_reply_is_read_whole(tmp_path: Path, name: str) -> None:
    samples, observations, rejects = told(tmp_path, (REAL / name).read_bytes())

    kinds = dict(samples["kind"].value_counts().iter_rows())
    codes = dict(observations["source_code"].value_counts().iter_rows())
    lines = {*samples["line"], *observations["line"], *rejects["line"]}
    assert (len(lines), kinds | codes, len(rejects)) == EXPECTED[name]


@real
def test_real_records_of_a_device_precede_their_change_by_less_than_an_hour(tmp_path: Path) -> None:
    """What shows that the seconds are a wall clock: only so do both times agree."""
    for name in ("bp", "glucose", "spo2", "weight"):
        written = (REAL / f"ihealth-{name}.json").read_bytes()
        (records,) = (value for value in json.loads(written).values() if isinstance(value, list))
        samples, observations, _ = told(tmp_path, written)
        times = dict(
            pl.concat([t.select("line", "source_observed_at") for t in (samples, observations)])
            .unique()
            .iter_rows()
        )
        for line, record in enumerate(records, start=1):
            changed = datetime.fromtimestamp(record["LastChangeTime"], UTC)
            passed = changed - datetime.fromisoformat(times[line])
            assert timedelta(0) <= passed < timedelta(hours=1)
