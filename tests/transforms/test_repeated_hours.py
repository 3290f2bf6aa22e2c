"""The hour that clocks repeat, told apart by the order of a device's samples."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from transforms.conform import Arrival, conform
from transforms.landing import shaped

ROME = ZoneInfo("Europe/Rome")
MIDNIGHT = datetime.fromisoformat("2025-10-25T22:00")  # UTC; the clocks went back at 01:00 UTC
NIGHT = [MIDNIGHT + timedelta(minutes=5 * step) for step in range(12 * 6)]


def local(utc: datetime) -> str:
    aware = utc.replace(tzinfo=ZoneInfo("UTC")).astimezone(ROME)
    return aware.replace(tzinfo=None).isoformat()


def conformed(times: list[str], values: list[str] | None = None) -> pl.DataFrame:
    rows = pl.LazyFrame(
        {
            "line": range(1, len(times) + 1),
            "patient_id": "p",
            "kind": "sensor_glucose",
            "device": "d",
            "source_value": values or [str(90 + at % 7) for at in range(len(times))],
            "source_unit": "mg/dL",
            "source_observed_at": times,
        }
    )
    arrival = Arrival("cgm", 1, date(2025, 10, 27), time_zone="Europe/Rome")
    return conform("sample", shaped("sample", rows), arrival).sort("line").collect()


def test_a_night_in_local_time_keeps_both_hours() -> None:
    found = conformed([local(at) for at in NIGHT])
    assert found["observed_at"].to_list() == NIGHT
    assert (found["observed_doubt"] == "clock_repeated").sum() == 24


def test_a_file_that_begins_with_the_newest_keeps_both_hours() -> None:
    found = conformed([local(at) for at in reversed(NIGHT)])
    assert found["observed_at"].to_list() == NIGHT[::-1]


def test_a_file_sorted_by_its_local_times_keeps_both_hours() -> None:
    found = conformed(sorted(local(at) for at in NIGHT))
    assert sorted(found["observed_at"]) == NIGHT


def test_two_devices_in_one_file_are_told_apart() -> None:
    both = [(local(at), device) for at in NIGHT for device in ("a", "b")]
    rows = pl.LazyFrame(
        {
            "line": range(1, len(both) + 1),
            "patient_id": "p",
            "kind": "sensor_glucose",
            "device": [device for _, device in both],
            "source_value": "95",
            "source_unit": "mg/dL",
            "source_observed_at": [at for at, _ in both],
        }
    )
    arrival = Arrival("cgm", 1, date(2025, 10, 27), time_zone="Europe/Rome")
    found = conform("sample", shaped("sample", rows), arrival).collect()
    for device in ("a", "b"):
        assert sorted(found.filter(device=device)["observed_at"]) == NIGHT


@pytest.mark.parametrize("is_newest_first", [False, True])
def test_one_hour_alone_is_the_first_and_is_said_to_be_open(*, is_newest_first: bool) -> None:
    first = [at for at in NIGHT if at < datetime.fromisoformat("2025-10-26T01:00")]
    found = conformed([local(at) for at in sorted(first, reverse=is_newest_first)])
    assert sorted(found["observed_at"]) == first
    assert (found["observed_doubt"] == "clock_repeated").sum() == 12


def test_a_row_that_is_sent_twice_is_not_another_hour() -> None:
    first = [local(at) for at in NIGHT if at < datetime.fromisoformat("2025-10-26T01:00")]
    found = conformed([*first, first[-1]], ["95"] * (len(first) + 1))
    assert found["observed_at"].to_list()[-2:] == [datetime.fromisoformat("2025-10-26T00:55")] * 2


def test_an_interval_without_a_value_is_worth_its_length_on_either_side_of_the_change() -> None:
    rows = pl.LazyFrame(
        {
            "line": [1, 2],
            "patient_id": "p",
            "kind": "sleep_duration",
            "source_observed_at": ["2025-10-25T23:00:00+02:00", "2026-03-28T23:00:00"],
            "source_ended_at": ["2025-10-26T07:00:00+01:00", "2026-03-29T07:00:00"],
        }
    )
    arrival = Arrival("watch", 1, date(2026, 4, 1), time_zone="Europe/Rome")
    found = conform("sample", shaped("sample", rows), arrival).collect()
    assert found["value"].to_list() == [9.0, 7.0]
    assert found["unit"].to_list() == ["h", "h"]
