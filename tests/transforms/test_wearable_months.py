"""Wearable months: means of enough days, clocks that go round, and coverage that is stated."""

from __future__ import annotations

import csv
import json
import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from transforms.wearable_months import COLUMNS, ENOUGH_DAYS, wearable_months
from transforms.wearables import SIGNAL, wearable_days

SCHEMA = {
    "patient_id": pl.String,
    "local_date": pl.Date,
    "steps": pl.Float64,
    "resting_heart_rate": pl.Float64,
    "sleep_h": pl.Float64,
    "active_min": pl.Float64,
    "sleep_start": pl.Datetime("us"),
    "sleep_end": pl.Datetime("us"),
    "hours_seen": pl.Int64,
}
MARCH = date(2026, 3, 1)


def day(number: int, **told: Any) -> dict[str, Any]:
    """A day of March 2026, from 1."""
    on = MARCH + timedelta(days=number - 1)
    return {"patient_id": "p", "local_date": on, "hours_seen": 0, **told}


def slept(number: int, start_minute: float, hours: float = 8) -> dict[str, Any]:
    """A night that began ``start_minute`` after midnight (before it: negative)."""
    midnight = datetime.fromisoformat("2026-03-01T00:00") + timedelta(days=number - 1)
    start = midnight + timedelta(minutes=start_minute)
    end = start + timedelta(hours=hours)
    return day(number, sleep_h=hours, sleep_start=start, sleep_end=end)


def months(*days: dict[str, Any]) -> list[dict[str, Any]]:
    frame = pl.LazyFrame(days, schema=SCHEMA)
    return wearable_months(frame).collect().to_dicts()


def month(*days: dict[str, Any]) -> dict[str, Any]:
    (row,) = months(*days)
    return row


def test_a_month_is_told_of_ten_days_and_not_of_nine() -> None:
    told = [
        slept(n, -60) | {"steps": 1000.0 * n, "resting_heart_rate": 50.0 + n, "hours_seen": 20}
        | {"active_min": 30.0}
        for n in range(1, ENOUGH_DAYS + 2)
    ]  # fmt: skip
    means = [c for c in COLUMNS if not c.startswith("days") and c != "coverage_pct"]
    few, many = month(*told[: ENOUGH_DAYS - 1]), month(*told)
    assert [few[c] for c in means] == [None] * len(means)
    assert None not in [many[c] for c in means]
    assert (few["days_with_steps"], few["days_with_sleep"], few["days_with_heart_rate"]) == (9,) * 3
    assert (many["steps_median"], many["resting_heart_rate_mean"]) == (6000, 56)


def test_each_quantity_has_its_own_days() -> None:
    row = month(
        *(day(n, steps=5000.0) for n in range(1, 13)), *(slept(n, 0) for n in range(13, 16))
    )
    assert (row["steps_median"], row["days_with_steps"]) == (5000, 12)
    assert (row["sleep_h_mean"], row["days_with_sleep"]) == (None, 3)


def test_the_midpoint_goes_round_midnight() -> None:
    around = [slept(n, -240 + (40 if n % 2 else -40)) for n in range(1, 13)]
    row = month(*around)
    assert row["sleep_midpoint_h"] % 24 == pytest.approx(0, abs=1e-6) or row[
        "sleep_midpoint_h"
    ] == pytest.approx(24, abs=1e-6)
    assert row["sleep_regularity"] == pytest.approx(40, rel=0.01)


def test_a_regular_sleeper_has_no_spread_and_index_one_hundred() -> None:
    row = month(*(slept(n, -60) for n in range(1, 15)))
    assert row["sleep_midpoint_h"] == pytest.approx(3)
    assert row["sleep_regularity"] == pytest.approx(0, abs=1e-3)
    assert row["sleep_regularity_index"] == pytest.approx(100)


def test_an_irregular_sleeper_has_the_circular_spread_of_the_midpoints() -> None:
    starts = [-60, 30, 100, -20, 200, 10, -100, 60, 0, 150, -30, 90]
    row = month(*(slept(n, start) for n, start in enumerate(starts, 1)))
    angles = [(start + 240) / 1440 * 2 * math.pi for start in starts]
    x, y = sum(map(math.cos, angles)) / 12, sum(map(math.sin, angles)) / 12
    spread = math.sqrt(-2 * math.log(math.hypot(x, y))) / (2 * math.pi) * 1440
    assert row["sleep_regularity"] == pytest.approx(spread)
    assert row["sleep_midpoint_h"] == pytest.approx(math.atan2(y, x) / (2 * math.pi) * 24)


def asleep_by_minute(starts: list[int], hours: float) -> float:
    """The index by minutes: share of minutes in the same state as 24 hours before."""
    nights = [
        {(n * 1440 + start + minute) for minute in range(int(hours * 60))}
        for n, start in enumerate(starts)
    ]
    noons = range(len(starts) - 1)
    alike = [
        sum(
            (m in nights[n]) == (m + 1440 in nights[n + 1])
            for m in range(n * 1440 - 720, n * 1440 + 720)
        )
        for n in noons
    ]
    return -100 + 200 * sum(alike) / (len(alike) * 1440)


def test_the_regularity_index_is_that_of_minutes() -> None:
    starts = [-60, 30, 100, -20, 200, 10, -100, 60, 0, 150, -30, 90]
    row = month(*(slept(n, start) for n, start in enumerate(starts, 1)))
    assert row["sleep_regularity_index"] == pytest.approx(asleep_by_minute(starts, 8))


def test_nights_that_share_no_hour_disagree_for_as_long_as_both() -> None:
    row = month(*(slept(n, -120 if n % 2 else 420, 7) for n in range(1, 15)))
    assert row["sleep_regularity_index"] == pytest.approx(100 - 200 * 14 / 24)


def test_nights_that_are_not_one_day_apart_make_no_pair() -> None:
    every_other = month(*(slept(n, -60) for n in range(1, 26, 2)))
    assert (every_other["days_with_sleep"], every_other["sleep_regularity_index"]) == (13, None)
    assert every_other["sleep_regularity"] is not None


def test_nights_without_times_count_for_length_and_not_for_timing() -> None:
    row = month(*(day(n, sleep_h=7.0) for n in range(1, 13)))
    assert (row["sleep_h_mean"], row["sleep_midpoint_h"], row["sleep_regularity"]) == (
        7,
        None,
        None,
    )


def test_a_worn_day_without_a_workout_counts_as_none_where_workouts_are_recorded() -> None:
    worn = [day(n, hours_seen=12, active_min=60.0 if n <= 5 else None) for n in range(1, 21)]
    unworn = [day(n, hours_seen=0) for n in range(21, 31)]
    assert month(*worn, *unworn)["active_min_mean"] == 15
    assert month(*worn[:9], *unworn)["active_min_mean"] is None
    never = [day(n, hours_seen=12) for n in range(1, 21)]
    assert month(*never)["active_min_mean"] is None


def test_coverage_is_of_the_whole_month() -> None:
    row = month(*(day(n, hours_seen=12) for n in range(1, 16)))
    assert row["coverage_pct"] == pytest.approx(15 * 12 / (31 * 24) * 100)


def test_months_and_people_are_apart_whatever_the_order() -> None:
    told = [slept(n, -30 * (n % 3)) | {"steps": 100.0 * n} for n in range(1, 60)]
    two = [*told, *({**each, "patient_id": "a"} for each in told[:20])]
    found = months(*two)
    assert [(row["patient_id"], row["month"]) for row in found] == [
        ("a", MARCH),
        ("p", MARCH),
        ("p", date(2026, 4, 1)),
    ]
    assert months(*reversed(two)) == found


UOM = Path(__file__).resolve().parents[2] / "../shared/realdata/t1d_uom"
needs_file = pytest.mark.skipif(not UOM.is_dir(), reason="the real files are not at hand")


def rows(name: str) -> list[dict[str, str]]:
    with (UOM / name).open(encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


def instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def signal(kind: str, start: float, end: float, offset: float, value: float) -> dict[str, Any]:
    ends = {"observed_at": instant(start), "ended_at": instant(end), "device": "watch"}
    local = {"observed_local": instant(start + offset), "observed_precision": "time", "method": ""}
    return {"patient_id": "2401", "kind": kind, "value": value, **ends, **local}


def stages(night_row: dict[str, str]) -> list[dict[str, Any]]:
    offset = float(night_row["start_time_offset_s"])
    listed = [night_row[f"sleep_levels_map_{stage}"] for stage in ("deep", "light", "rem")]
    spans = [
        (each["startTimeInSeconds"], each["endTimeInSeconds"])
        for text in listed
        for each in json.loads(text or "[]")
    ]
    return [signal("sleep_duration", a, b, offset, (b - a) / 3600) for a, b in spans]


@pytest.fixture(scope="module")
def person() -> pl.DataFrame:
    """Days of participant 2401 of the Manchester study, of the watch's stages and steps."""
    told = [each for row in rows("UoM2401sleeptime.csv") for each in stages(row)]
    for row in rows("UoMActivity2401.csv"):
        start, length = float(row["start_time_s"]), float(row["duration_s"])
        offset, count = float(row["start_time_offset_s"]), float(row["step_count"])
        told.append(signal("steps", start, start + length, offset, count))
    nothing = {**dict.fromkeys(("patient_id", "analyte"), pl.String), "value": pl.Float64}
    nothing |= dict.fromkeys(("observed_at", "observed_local"), pl.Datetime("us"))
    return wearable_days(pl.LazyFrame(schema=nothing), pl.LazyFrame(told, schema=SIGNAL)).collect()


@needs_file
def test_real_nights_are_as_long_and_begin_when_the_watch_s_own_summary_says(
    person: pl.DataFrame,
) -> None:
    slept = {row["local_date"]: row for row in person.iter_rows(named=True) if row["sleep_h"]}
    summaries = rows("UoM2401sleeptime.csv")
    assert len(summaries) == len(slept) == 69
    for row in summaries:
        day, month, year = (int(part) for part in row["calendar_date"].split("/"))
        found = slept[date(year, month, day)]
        seconds = sum(float(row[f"{stage}_sleep_s"]) for stage in ("deep", "light", "rem"))
        assert found["sleep_h"] * 3600 == pytest.approx(seconds)
        began = datetime.strptime(row["start_date_ts"], "%d/%m/%Y %H:%M")  # noqa: DTZ007
        assert found["sleep_start"] == began + timedelta(seconds=float(row["start_time_offset_s"]))


@needs_file
def test_real_months_are_told_where_the_watch_was_worn(person: pl.DataFrame) -> None:
    february, march, april, may = wearable_months(person.lazy()).collect().to_dicts()
    assert (march["coverage_pct"], april["coverage_pct"]) == pytest.approx((97.3, 99.7), abs=0.1)
    assert may["steps_median"] is None
    assert [each["days_with_sleep"] for each in (february, march, april)] == [11, 28, 30]
    assert april["sleep_midpoint_h"] == pytest.approx(3.92, abs=0.01)


@needs_file
def test_on_real_nights_the_index_of_main_sleeps_is_a_little_above_that_of_minutes(
    person: pl.DataFrame,
) -> None:
    """Minutes asleep by stage give 72.8 in March and 71.0 in April: wakings count there."""
    _, march, april, _ = wearable_months(person.lazy()).collect().to_dicts()
    by_main_sleeps = [each["sleep_regularity_index"] for each in (march, april)]
    by_minutes = [index_of_minutes(month) for month in (3, 4)]
    assert by_minutes == pytest.approx([72.83, 70.97], abs=0.01)
    assert [a - b for a, b in zip(by_main_sleeps, by_minutes, strict=True)] == pytest.approx(
        [2.2, 1.9], abs=0.1
    )


def index_of_minutes(month: int) -> float:
    told = [each for row in rows("UoM2401sleeptime.csv") for each in stages(row)]
    asleep = {
        each["observed_local"] + timedelta(minutes=minute)
        for each in told
        for minute in range(round(each["value"] * 60))
    }
    offset = timedelta(hours=6)
    nights = {(each["observed_local"] + offset).date() for each in told}
    one = timedelta(days=1)
    alike = [
        (at in asleep) == (at - one in asleep)
        for night in nights
        if night.month == month and night - one in nights
        for at in minutes_of(night)
    ]
    return -100 + 200 * sum(alike) / len(alike)


def minutes_of(night: date) -> list[datetime]:
    """Noon to noon."""
    noon = datetime(night.year, night.month, night.day) - timedelta(hours=12)  # noqa: DTZ001
    return [noon + timedelta(minutes=minute) for minute in range(1440)]
