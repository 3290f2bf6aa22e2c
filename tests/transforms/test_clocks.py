"""Samples across clock changes of many zones, in every way a source writes time. Python's zones are
the judge: no sample is lost, doubled or put on another local day without a word."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.conform import Arrival, conform
from transforms.landing import shaped

ZONES = (
    *("Europe/Rome", "Europe/London", "America/New_York", "America/St_Johns", "America/Sao_Paulo"),
    *("America/Santiago", "America/Havana", "Africa/Cairo", "Africa/Casablanca", "Asia/Beirut"),
    *("Asia/Tehran", "Asia/Kathmandu", "Asia/Amman", "Australia/Lord_Howe", "Pacific/Auckland"),
    *("Pacific/Apia", "Pacific/Chatham", "Antarctica/Troll", "America/Caracas", "Asia/Pyongyang"),
)
FIVE = timedelta(minutes=5)
EACH_WAY = 12 * 30
"""Samples before and after a change: thirty hours, so that both days are whole."""
ODD = (
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Asia/Kathmandu", date(1985, 12, 31)),
    ("America/Caracas", date(2007, 12, 9)),
    ("Asia/Pyongyang", date(2018, 5, 4)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("America/Sao_Paulo", date(2018, 2, 17)),
    ("Asia/Beirut", date(2022, 3, 26)),
    ("Asia/Beirut", date(2022, 10, 29)),
    ("Africa/Cairo", date(2023, 10, 26)),
    ("Australia/Lord_Howe", date(2026, 4, 4)),
    ("Australia/Lord_Howe", date(2026, 10, 3)),
    ("Antarctica/Troll", date(2025, 10, 26)),
    ("Africa/Casablanca", date(2026, 2, 15)),
    ("America/St_Johns", date(1987, 10, 25)),
    ("America/St_Johns", date(2026, 11, 1)),
)
"""Changes that must be among the tried: a day skipped, 15 and 30 minutes, two hours, midnight,
and the minute after it, when the repeated hour lies on two days."""


@cache
def changes(zone: str) -> tuple[datetime, ...]:
    """The instants (UTC, whole minutes) from 1976 to 2036 at which a zone's clocks change."""
    days = [datetime(1976, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(61 * 365)]
    offsets = [_offset(day, zone) for day in days]
    around = zip(days, days[1:], offsets, offsets[1:], strict=False)
    return tuple(_minute(low, high, zone) for low, high, before, after in around if before != after)


def _minute(low: datetime, high: datetime, zone: str) -> datetime:
    while high - low > timedelta(minutes=1):
        middle = low + (high - low) // timedelta(minutes=2) * timedelta(minutes=1)
        if _offset(middle, zone) == _offset(low, zone):
            low = middle
        else:
            high = middle
    return high


def _offset(at: datetime, zone: str) -> timedelta:
    return at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()


def across(change: datetime) -> list[datetime]:
    """Instants every five minutes, on whole five minutes, across a change."""
    start = change.replace(minute=change.minute // 5 * 5)
    return [start + FIVE * i for i in range(-EACH_WAY, EACH_WAY)]


def conformed(starts: list[str], ends: list[str], zone: str) -> pl.DataFrame:
    """What becomes of samples of sleep, five minutes each, in the order of the file."""
    rows = pl.LazyFrame(
        {
            "line": range(1, len(starts) + 1),
            "patient_id": "p1",
            "kind": "sleep_duration",
            "device": "watch",
            "source_observed_at": starts,
            "source_ended_at": ends,
        }
    )
    arrival = Arrival("source", 1, date(2037, 1, 1), time_zone=zone)
    return conform("sample", shaped("sample", rows), arrival).collect().sort("line")


def written(at: datetime, zone: str, how: str) -> str:
    local = at.astimezone(ZoneInfo(zone))
    return {
        "offset": local.isoformat(),
        "utc": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "local": local.replace(tzinfo=None).isoformat(),
    }[how]


def read(instants: list[datetime], zone: str, how: str) -> pl.DataFrame:
    starts = [written(at, zone, how) for at in instants]
    return conformed(starts, [written(at + FIVE, zone, how) for at in instants], zone)


def walls(instants: list[datetime], zone: str) -> list[datetime]:
    return [at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for at in instants]


def is_repeated(at: datetime, zone: str) -> bool:
    """Whether the wall clock shows this time twice."""
    local = at.astimezone(ZoneInfo(zone))
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def naive(instants: list[datetime]) -> list[datetime]:
    return [at.replace(tzinfo=None) for at in instants]


def assert_each_is_itself(rows: pl.DataFrame, instants: list[datetime], zone: str) -> None:
    """Every sample at its own instant, on its own local day, five minutes long."""
    assert rows["observed_at"].to_list() == naive(instants)
    assert rows["observed_on"].to_list() == [wall.date() for wall in walls(instants, zone)]
    lengths = (rows["ended_at"] - rows["observed_at"]).to_list()
    assert Counter(lengths) == {FIVE: len(instants)}
    assert rows["value"].to_list() == pytest.approx([5 / 60] * len(instants))


some_change = st.sampled_from(ZONES).flatmap(
    lambda zone: st.tuples(st.just(zone), st.sampled_from(changes(zone)))
)
odd = [
    (zone, next(at for at in changes(zone) if abs(at.date() - day) <= timedelta(days=1)))
    for zone, day in ODD
]


@pytest.mark.parametrize(("zone", "change"), odd, ids=[f"{z} {d}" for z, d in ODD])
@pytest.mark.parametrize("how", ["offset", "utc", "local"])
def test_an_odd_change_loses_doubles_and_moves_no_sample(
    zone: str, change: datetime, how: str
) -> None:
    instants = across(change)
    assert_each_is_itself(read(instants, zone, how), instants, zone)


@given(some_change, st.sampled_from(["offset", "utc"]))
@settings(max_examples=15, deadline=None)
def test_a_stated_instant_is_kept_across_any_change_without_doubt(
    chosen: tuple[str, datetime], how: str
) -> None:
    zone, change = chosen
    rows = read(across(change), zone, how)
    assert_each_is_itself(rows, across(change), zone)
    assert rows["observed_doubt"].null_count() == len(rows)


@given(some_change)
@settings(max_examples=15, deadline=None)
def test_local_times_in_the_order_of_a_file_are_told_apart_across_any_change(
    chosen: tuple[str, datetime],
) -> None:
    zone, change = chosen
    instants = across(change)
    rows = read(instants, zone, "local")
    doubtful = ["clock_repeated" if is_repeated(at, zone) else None for at in instants]
    assert rows["observed_doubt"].to_list() == doubtful
    assert_each_is_itself(rows, instants, zone)


@given(some_change)
@settings(max_examples=15, deadline=None)
def test_local_times_with_the_newest_first_are_told_apart_across_any_change(
    chosen: tuple[str, datetime],
) -> None:
    zone, change = chosen
    instants = across(change)[::-1]
    assert_each_is_itself(read(instants, zone, "local"), instants, zone)


@given(some_change)
@settings(max_examples=15, deadline=None)
def test_a_clock_that_nobody_put_forward_says_what_is_in_doubt(
    chosen: tuple[str, datetime],
) -> None:
    """Times that the zone skipped: each keeps the day it was written with, and any that comes to
    share its instant with another is in doubt."""
    zone, change = chosen
    start = walls([change - timedelta(hours=6)], zone)[0].replace(minute=0)
    shown = [start + FIVE * i for i in range(144)]
    rows = conformed([w.isoformat() for w in shown], [""] * len(shown), zone)
    assert rows["observed_on"].to_list() == [wall.date() for wall in shown]
    assert rows["observed_at"].null_count() == 0
    skipped = [_is_skipped(wall, zone) for wall in shown]
    assert [doubt == "clock_skipped" for doubt in rows["observed_doubt"]] == skipped
    sharing = rows.filter(pl.len().over("observed_at") > 1)
    for _, group in sharing.group_by("observed_at"):
        assert "clock_skipped" in group["observed_doubt"].to_list()


def _is_skipped(wall: datetime, zone: str) -> bool:
    back = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone))
    return back.replace(tzinfo=None) != wall


@given(some_change)
@settings(max_examples=8, deadline=None)
def test_each_local_day_has_the_samples_it_really_had(chosen: tuple[str, datetime]) -> None:
    """A day of 23, 25 or 23.5 hours has as many samples as it was long, however it was written."""
    zone, change = chosen
    instants = across(change)
    counts = Counter(wall.date() for wall in walls(instants, zone))
    for how in ("offset", "utc", "local"):
        assert Counter(read(instants, zone, how)["observed_on"]) == counts
