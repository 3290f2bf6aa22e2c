"""Wearable days: several devices tell of one day, and nothing is counted twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
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


def night(
    hour: str, minutes: float, device: str = "watch", kind: str = "sleep_duration"
) -> dict[str, Any]:
    """A record of the night to 2 March 2026, as long as its interval."""
    value = minutes / 60 if kind == "sleep_duration" else minutes
    day = "02" if hour < "18" else "01"
    at = datetime.fromisoformat(f"2026-03-{day}T{hour}")
    return sample(kind, device, at, minutes, value)


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


def test_stages_told_as_lengths_over_a_whole_night_are_added() -> None:
    whole = night("23:00", 480)
    stages = [whole | {"method": name, "value": h} for name, h in (("deep", 2.0), ("light", 4.0))]
    assert days(*stages)["2026-03-02"]["sleep_h"] == 6.0


def test_one_night_told_twice_by_a_device_is_one_night() -> None:
    whole = night("23:00", 480)
    twice = [whole | {"method": name, "value": h} for name, h in (("", 7.0), ("manual", 7.5))]
    assert days(*twice)["2026-03-02"]["sleep_h"] == 7.5


def test_the_main_sleep_spans_short_wakings_and_no_naps() -> None:
    row = days(night("23:00", 120), night("02:00", 240), night("13:00", 60))["2026-03-02"]
    assert row["sleep_h"] == 7.0
    assert str(row["sleep_start"]) == "2026-03-01 23:00:00"
    assert str(row["sleep_end"]) == "2026-03-02 06:00:00"


def test_a_longer_waking_parts_two_sleeps_and_the_longer_is_the_main_one() -> None:
    row = days(night("22:00", 120), night("01:01", 240))["2026-03-02"]
    assert (str(row["sleep_start"]), row["sleep_h"]) == ("2026-03-02 01:01:00", 6.0)


def test_short_records_within_a_long_one_do_not_end_it_and_add_nothing() -> None:
    within = [night("22:10", 30), night("23:00", 60)]
    row = days(night("22:00", 420), *within, night("05:30", 30))["2026-03-02"]
    assert (str(row["sleep_start"]), str(row["sleep_end"])) == (
        "2026-03-01 22:00:00",
        "2026-03-02 06:00:00",
    )
    assert row["sleep_h"] == 7.5


def test_the_main_sleep_is_told_by_the_device_that_is_believed() -> None:
    row = days(night("23:30", 400, "ring"), night("22:00", 420))["2026-03-02"]
    assert (str(row["sleep_start"]), row["sleep_h"]) == ("2026-03-01 22:00:00", 7.0)
    assert str(row["sleep_end"]) == "2026-03-02 05:00:00"


def test_a_sleep_without_an_interval_has_a_length_and_no_times() -> None:
    told = (
        {"patient_id": "p", "analyte": "sleep_duration", "observed_at": NOON}
        | {
            "observed_local": NOON,
            "value": 7.0,
        },
    )
    row = days(results=told)["2026-03-01"]
    assert (row["sleep_h"], row["sleep_start"], row["sleep_end"]) == (7.0, None, None)


def test_local_times_of_sleep_are_of_the_wall_clock() -> None:
    at = datetime.fromisoformat("2026-03-01T21:00")
    row = days(sample("sleep_duration", "watch", at, 480, 8.0, shift=2))["2026-03-02"]
    assert str(row["sleep_end"]) == "2026-03-02 07:00:00"


def test_a_workout_that_two_devices_saw_is_one_and_what_none_saw_is_unknown() -> None:
    watch = [
        night("08:00", 40, kind="workout_duration"),
        night("17:00", 20, kind="workout_duration"),
    ]
    phone = night("08:05", 30, "phone", kind="workout_duration")
    assert days(*watch, phone)["2026-03-02"]["active_min"] == 60
    assert days(night("23:00", 420))["2026-03-02"]["active_min"] is None


def test_workouts_of_one_device_that_overlap_count_once() -> None:
    both = [
        night("08:00", 60, kind="workout_duration"),
        night("08:30", 60, kind="workout_duration"),
    ]
    assert days(*both)["2026-03-02"]["active_min"] == 90


def test_active_energy_is_reconciled_as_steps_are() -> None:
    spent = [
        sample("active_energy", "watch", NOON, 10, 30.0),
        sample("active_energy", "phone", NOON + timedelta(minutes=20), 10, 25.0),
        sample("active_energy", "watch", NOON + timedelta(hours=2), 10, 40.0),
    ]
    day = sample("active_energy", "ring", NOON.replace(hour=0), 24 * 60, 65.0)
    assert days(*spent)["2026-03-01"]["active_kcal"] == 70
    assert days(*spent, day)["2026-03-01"]["active_kcal"] == 70
    assert days(*spent, day | {"value": 300.0})["2026-03-01"]["active_kcal"] == 300


def test_hours_seen_are_the_hours_any_device_told_of() -> None:
    beat = sample("heart_rate", "watch", NOON.replace(hour=9), None, 70.0)
    row = days(steps("watch", NOON, 100), steps("phone", NOON + timedelta(minutes=55), 50), beat)
    assert row["2026-03-01"]["hours_seen"] == 3


def test_a_night_is_seen_for_as_long_as_it_lasts_on_both_its_days() -> None:
    found = days(night("23:00", 480), steps("watch", NOON, 10))
    assert (found["2026-03-01"]["hours_seen"], found["2026-03-02"]["hours_seen"]) == (2, 7)


def test_a_day_s_total_a_weight_and_a_laboratory_see_no_hour() -> None:
    midnight = NOON.replace(hour=0)
    dated = steps("watch", NOON, 900, minutes=0) | {"ended_at": None, "observed_precision": "day"}
    total = steps("ring", midnight, 5000, minutes=24 * 60)
    scale = sample("weight", "scale", NOON, None, 80.0)
    told = ({"patient_id": "p", "analyte": "steps", "observed_at": NOON, "observed_local": NOON}
            | {"value": 4000.0},)  # fmt: skip
    mean = sample("oxygen_saturation", "ring", midnight, None, 96.0) | {"observed_precision": "day"}
    blank = sample("heart_rate", "ring", NOON, None, 0.0) | {"value": None}
    dayless = (dated, total, scale, mean, blank)
    assert days(*dayless, results=told)["2026-03-01"]["hours_seen"] == 0
    assert days(*dayless, steps("watch", NOON, 1))["2026-03-01"]["hours_seen"] == 1


def test_a_day_has_at_most_all_its_hours() -> None:
    beats = [
        sample("heart_rate", device, NOON.replace(hour=hour, minute=minute), None, 70.0)
        for device in ("watch", "ring")
        for hour in range(24)
        for minute in (0, 30)
    ]
    assert days(*beats, steps("phone", NOON, 5))["2026-03-01"]["hours_seen"] == 24


def test_the_order_of_samples_does_not_matter() -> None:
    told = [
        *(night("23:00", 120), night("02:00", 240), night("22:30", 415, "ring")),
        *(night("08:00", 40, kind="workout_duration"), steps("watch", NOON, 100)),
        *(sample("weight", "scale", NOON, None, kg) for kg in (80.1, 80.2, 80.7)),
    ]
    expected = days(*told)
    rng = Random(5)  # noqa: S311
    for _ in range(5):
        rng.shuffle(told)
        assert days(*told) == expected
