"""Silence and volume by a feed's own weekday rhythm."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from transforms.rhythm import feed_checks

MONDAY = date(2026, 3, 2)
WORKDAYS = range(5)


def nights(weeks: int, weekdays: Iterable[int], start: date = MONDAY) -> list[date]:
    wanted = set(weekdays)
    days = (start + timedelta(days=at) for at in range(7 * weeks))
    return [day for day in days if day.weekday() in wanted]


def check(days: list[date], as_of: date, rows: int | None = None) -> dict[str, Any]:
    came = [("lab", "insulin", day, 50) for day in days]
    if rows is not None:
        came.append(("lab", "insulin", as_of, rows))
    frame = pl.DataFrame(came, schema=["source", "analyte", "known_on", "rows"], orient="row")
    return feed_checks(frame, as_of).row(0, named=True)


def after(days: list[date], nights_later: int) -> date:
    return days[-1] + timedelta(days=nights_later)


@pytest.mark.parametrize("weeks", [1, 2, 4, 12, 30])
def test_a_daily_feed_is_missed_the_same_night(weeks: int) -> None:
    days = nights(weeks, range(7))
    assert check(days, after(days, 1))["alarm"] == "silent"
    assert check(days, days[-1])["alarm"] is None


@pytest.mark.parametrize("weeks", [3, 4, 12, 30])
def test_a_feed_of_working_days_is_not_late_on_sunday_and_missed_on_monday(weeks: int) -> None:
    days = nights(weeks, WORKDAYS)
    saturday, sunday, monday = (after(days, at) for at in (1, 2, 3))
    assert [check(days, on)["alarm"] for on in (saturday, sunday, monday)] == [None, None, "silent"]


@pytest.mark.parametrize("weeks", [8, 12])
def test_a_weekly_feed_is_missed_on_its_day(weeks: int) -> None:
    days = nights(weeks, [2])
    assert [check(days, after(days, at))["alarm"] for at in (1, 6, 7)] == [None, None, "silent"]


def test_a_feed_that_comes_at_random_is_given_time() -> None:
    days = [MONDAY + timedelta(days=at) for at in (0, 3, 4, 9, 11, 12, 16, 20, 25, 26, 31)]
    assert check(days, after(days, 2))["alarm"] is None
    assert check(days, after(days, 12))["alarm"] == "silent"


def test_a_feed_of_few_arrivals_has_no_rhythm_yet() -> None:
    found = check(nights(1, range(5)), MONDAY + timedelta(days=20))
    assert (found["p_silence"], found["alarm"]) == (None, None)


@pytest.mark.parametrize(
    ("rows", "alarm"), [(4, "few"), (9, "few"), (30, None), (120, None), (250, None), (400, "many")]
)
def test_far_fewer_or_more_rows_than_usual_are_told(rows: int, alarm: str | None) -> None:
    days = nights(6, WORKDAYS)
    found = check(days, after(days, 3), rows)
    assert (found["alarm"], found["rows_usual"], found["rows_tonight"]) == (alarm, 50.0, rows)


def test_a_small_feed_varies_without_alarm() -> None:
    came = [("lab", "insulin", day, 3) for day in nights(6, range(7))]
    last = came[-1][2] + timedelta(days=1)
    frame = pl.DataFrame(
        [*came, ("lab", "insulin", last, 1)],
        schema=["source", "analyte", "known_on", "rows"],
        orient="row",
    )
    assert feed_checks(frame, last)["alarm"].to_list() == [None]


def test_a_handful_of_rows_or_of_nights_makes_no_alarm_of_volume() -> None:
    few_rows = [("lab", "hdl", day, 6) for day in nights(6, range(7))]
    last = few_rows[-1][2] + timedelta(days=1)
    names = ["source", "analyte", "known_on", "rows"]
    frame = pl.DataFrame([*few_rows, ("lab", "hdl", last, 1)], schema=names, orient="row")
    assert feed_checks(frame, last)["alarm"].to_list() == [None]
    days = nights(1, range(4))
    assert check(days, after(days, 1), rows=1)["alarm"] is None


def test_each_source_and_analyte_has_its_own_rhythm() -> None:
    days = nights(4, range(7))
    came = [("a", "insulin", day, 5) for day in days]
    came += [("a", "glucose", day, 5) for day in [*days, after(days, 1)]]
    frame = pl.DataFrame(came, schema=["source", "analyte", "known_on", "rows"], orient="row")
    found = feed_checks(frame, after(days, 1)).select("analyte", "alarm").rows()
    assert found == [("glucose", None), ("insulin", "silent")]


def test_nothing_that_ever_came_is_no_feed() -> None:
    empty = pl.DataFrame(
        schema={"source": pl.String, "analyte": pl.String, "known_on": pl.Date, "rows": pl.Int64}
    )
    assert feed_checks(empty, MONDAY).is_empty()
