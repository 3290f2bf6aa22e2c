"""Wearable days: several devices tell of one day, and nothing is counted twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from transforms.wearables import SIGNAL, wearable_days

RESULT = {
    "patient_id": pl.String,
    "analyte": pl.String,
    "observed_at": pl.Datetime("us"),
    "observed_local": pl.Datetime("us"),
    "value": pl.Float64,
}
NOON = datetime.fromisoformat("2026-03-01T12:00")


def sample(
    kind: str, device: str, at: datetime, minutes: float | None, value: float, shift: int = 0
) -> dict[str, Any]:
    end = at + timedelta(minutes=minutes) if minutes is not None else None
    return {
        "patient_id": "p",
        "kind": kind,
        "device": device,
        "method": "",
        "observed_precision": "time",
        "observed_at": at,
        "ended_at": end,
        "observed_local": at + timedelta(hours=shift),
        "value": value,
    }


def days(*samples: dict[str, Any], results: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    found = wearable_days(
        pl.LazyFrame(results, schema=RESULT), pl.LazyFrame(samples, schema=SIGNAL)
    ).collect()
    return {str(row.pop("local_date")): row for row in found.iter_rows(named=True)}


def steps(device: str, at: datetime, value: float, minutes: float = 10) -> dict[str, Any]:
    return sample("steps", device, at, minutes, value)


def test_the_phone_and_the_watch_on_one_walk_are_one_walk() -> None:
    found = days(steps("watch", NOON, 1000), steps("phone", NOON + timedelta(minutes=3), 940))
    assert (found["2026-03-01"]["steps"], found["2026-03-01"]["devices"]) == (1000, 2)


def test_two_walks_each_with_one_device_are_two_walks() -> None:
    found = days(steps("watch", NOON, 1000), steps("phone", NOON + timedelta(hours=3), 940))
    assert found["2026-03-01"]["steps"] == 1940


def test_a_days_total_is_not_added_to_its_hours() -> None:
    day = steps("ring", NOON.replace(hour=0), 5000, minutes=24 * 60)
    assert days(day, steps("watch", NOON, 1000))["2026-03-01"]["steps"] == 5000
    assert days(day, steps("watch", NOON, 6000))["2026-03-01"]["steps"] == 6000


def test_totals_that_grow_during_the_day_count_at_their_largest() -> None:
    told = tuple(
        {"patient_id": "p", "analyte": "steps", "observed_at": NOON, "observed_local": NOON}
        | {"value": value}
        for value in (3000.0, 7000.0)
    )
    assert days(results=told)["2026-03-01"]["steps"] == 7000


def test_totals_of_a_date_add_up_within_a_device_and_not_over_devices() -> None:
    def total(device: str, method: str, value: float) -> dict[str, Any]:
        midnight = NOON.replace(hour=0)
        told = sample("steps", device, midnight, None, value)
        return told | {"method": method, "observed_precision": "day"}

    watch = [total("watch", "walking", 3000), total("watch", "running", 200)]
    assert days(*watch, total("account", "", 3100))["2026-03-01"]["steps"] == 3200
    assert days(*watch, steps("phone", NOON, 500))["2026-03-01"]["steps"] == 3200


def test_a_night_belongs_to_the_day_it_ends_on() -> None:
    evening = datetime.fromisoformat("2026-03-01T22:00")
    found = days(
        sample("sleep_duration", "watch", evening, 90, 1.5),
        sample("sleep_duration", "watch", evening + timedelta(hours=3), 300, 5.0),
        sample("sleep_duration", "watch", NOON, 30, 0.5),
    )
    assert {day: row["sleep_h"] for day, row in found.items()} == {
        "2026-03-01": 0.5,
        "2026-03-02": 6.5,
    }


def test_of_two_devices_that_saw_one_night_one_is_believed() -> None:
    night = datetime.fromisoformat("2026-03-01T23:00")
    found = days(
        sample("sleep_duration", "watch", night, 420, 7.0),
        sample("sleep_duration", "ring", night, 400, 400 / 60),
    )
    assert (found["2026-03-02"]["sleep_h"], found["2026-03-02"]["devices"]) == (7.0, 2)


def test_what_two_records_of_one_device_share_counts_once() -> None:
    night = datetime.fromisoformat("2026-03-01T23:00")
    found = days(
        sample("sleep_duration", "watch", night, 240, 4.0),
        sample("sleep_duration", "watch", night + timedelta(hours=3), 240, 4.0),
    )
    assert found["2026-03-02"]["sleep_h"] == 7.0
    apart = days(
        sample("sleep_duration", "watch", night, 180, 3.0),
        sample("sleep_duration", "watch", night + timedelta(hours=3), 240, 4.0),
    )
    assert apart["2026-03-02"]["sleep_h"] == 7.0


def test_a_day_is_the_day_of_the_wall_clock() -> None:
    late = datetime.fromisoformat("2026-03-01T23:30")
    found = days(sample("steps", "watch", late, 10, 500, shift=2))
    assert list(found) == ["2026-03-02"]


def test_states_are_averaged_and_other_kinds_make_no_day() -> None:
    found = days(
        sample("weight", "scale", NOON, None, 80.0),
        sample("weight", "scale", NOON + timedelta(hours=1), None, 82.0),
        sample("resting_heart_rate", "watch", NOON, None, 55.0),
    )
    assert found["2026-03-01"]["weight_kg"] == 81.0
    assert found["2026-03-01"]["resting_heart_rate"] == 55.0
    assert days(sample("heart_rate", "watch", NOON, None, 70.0)) == {}
