"""Times: instant, local day, what the clock change leaves open. Python's zones are the judge."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.instants import day, with_instants

ZONES = (
    "Europe/Rome",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Pacific/Auckland",
    "UTC",
)
ROME = "Europe/Rome"
NAMES = ("at", "local", "on", "precision", "zone", "basis", "doubt")


def read(
    text: str | None, zone: str = "UTC", formats: tuple[str, ...] = ("iso",)
) -> dict[str, Any]:
    rows = pl.LazyFrame({"t": [text]}, schema={"t": pl.String})
    row = with_instants(rows, "t", zone, formats, "x").drop("t", "x_again").collect().row(0)
    return dict(zip(NAMES, row, strict=True))


def many(walls: list[datetime], zone: str) -> list[tuple[Any, ...]]:
    frame = pl.LazyFrame({"t": [wall.isoformat() for wall in walls]})
    return with_instants(frame, "t", zone).drop("t").collect().rows()


def judged(wall: datetime, zone: str) -> tuple[datetime, str | None]:
    """Instant and doubt by PEP 495: a skipped time moves forward, a repeated one is the first."""
    first = wall.replace(tzinfo=ZoneInfo(zone), fold=0)
    second = first.replace(fold=1)
    at = first.astimezone(UTC)
    if first.utcoffset() == second.utcoffset():
        return at.replace(tzinfo=None), None
    is_skipped = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != wall
    return at.replace(tzinfo=None), "clock_skipped" if is_skipped else "clock_repeated"


@pytest.mark.parametrize(
    ("text", "at", "precision", "zone", "basis"),
    [
        ("2026-03-01T08:30:00Z", "2026-03-01T08:30:00", "time", ROME, "utc"),
        ("2026-03-01T08:30:00z", "2026-03-01T08:30:00", "time", ROME, "utc"),
        ("2026-03-01T08:30:00-00:00", "2026-03-01T08:30:00", "time", ROME, "utc"),
        ("2026-03-01T08:30:00+00:00", "2026-03-01T08:30:00", "time", "+00:00", "stated"),
        ("2026-03-01T08:30:00+02:00", "2026-03-01T06:30:00", "time", "+02:00", "stated"),
        ("2026-03-01 08:30 -0530", "2026-03-01T14:00:00", "time", "-0530", "stated"),
        ("2026-03-01T08:30:00.250Z", "2026-03-01T08:30:00.250000", "time", ROME, "utc"),
        ("2026-03-01T08:30:00,5Z", "2026-03-01T08:30:00.500000", "time", ROME, "utc"),
        ("2026-03-01T08:30", "2026-03-01T07:30:00", "time", ROME, "setting"),
        ("2026-07-01 08:30:00", "2026-07-01T06:30:00", "time", ROME, "setting"),
        ("2026-03-01", "2026-03-01T00:00:00", "day", ROME, None),
    ],
)
def test_a_time_is_an_instant_known_by_its_offset_or_by_the_sources_zone(
    text: str, at: str, precision: str, zone: str, basis: str | None
) -> None:
    row = read(text, ROME)
    assert row.pop("local").date() == row["on"]
    assert row == {
        "at": datetime.fromisoformat(at),
        "on": datetime.fromisoformat(text[:10]).date(),
        "precision": precision,
        "zone": zone,
        "basis": basis,
        "doubt": None,
    }


@pytest.mark.parametrize(
    ("text", "zone", "on"),
    [
        ("2024-06-30T23:30:00Z", "Europe/Rome", "2024-07-01"),
        ("2024-06-30T23:30:00Z", "UTC", "2024-06-30"),
        ("2024-07-01T02:30:00Z", "America/New_York", "2024-06-30"),
        ("2024-06-30T23:30:00+00:00", "Europe/Rome", "2024-06-30"),
        ("2024-06-30T23:30:00", "Europe/Rome", "2024-06-30"),
    ],
)
def test_an_instant_in_utc_has_the_day_of_the_sources_zone_and_an_offset_its_own(
    text: str, zone: str, on: str
) -> None:
    assert str(read(text, zone)["on"]) == on


@pytest.mark.parametrize(
    "text",
    [
        *("", "noon", "2026", "2026-03", "2026-02-30", "2026-13-01", "01.03.2026", "20260301"),
        *("2026-03-01T25:00:00", "2026-03-01T08:61", "2026-03-01T08:30:00 CET", None),
        "2026-03-01T08:30:00Z and more",
    ],
)
def test_what_is_no_time_is_nothing_at_all(text: str | None) -> None:
    assert set(read(text, "Europe/Rome").values()) == {None}


def test_the_local_day_is_the_day_in_the_text_whatever_the_offset() -> None:
    row = read("2026-03-01T23:30:00-08:00")
    assert (row["at"].date(), row["on"]) == (date(2026, 3, 2), date(2026, 3, 1))
    assert pl.select(day(pl.lit("2026-03-01T23:30:00-08:00"))).item() == date(2026, 3, 1)


def test_formats_are_tried_in_order() -> None:
    formats = ("%d.%m.%Y %H:%M", "%d.%m.%Y")
    assert read("01.03.2026 08:30", "UTC", formats)["at"] == datetime(2026, 3, 1, 8, 30)  # noqa: DTZ001
    assert read("01.03.2026", "UTC", formats)["precision"] == "day"
    assert read("2026-03-01", "UTC", formats)["at"] is None


TURNS = [
    ("Europe/Rome", datetime(2026, 3, 29), datetime(2026, 10, 25)),  # noqa: DTZ001
    ("America/New_York", datetime(2026, 3, 8), datetime(2026, 11, 1)),  # noqa: DTZ001
    ("America/St_Johns", datetime(2026, 3, 8), datetime(2026, 11, 1)),  # noqa: DTZ001
    ("America/Sao_Paulo", datetime(2018, 11, 4), datetime(2018, 2, 17)),  # noqa: DTZ001
    ("Pacific/Auckland", datetime(2026, 9, 27), datetime(2026, 4, 5)),  # noqa: DTZ001
    ("Africa/Casablanca", datetime(2026, 3, 22), datetime(2026, 2, 15)),  # noqa: DTZ001
]
UNUSUAL = [
    ("Australia/Lord_Howe", datetime(2026, 10, 4)),  # noqa: DTZ001
    ("Antarctica/Troll", datetime(2026, 3, 29)),  # noqa: DTZ001
    ("Pacific/Apia", datetime(2011, 12, 30)),  # noqa: DTZ001
]
"""Half an hour, two hours and a whole day that the clocks skipped."""


def around(noon: datetime) -> list[datetime]:
    """Every five minutes of that day and the next."""
    return [noon + timedelta(minutes=5 * i) for i in range(576)]


@pytest.mark.parametrize("zone", [turn[0] for turn in TURNS])
@pytest.mark.parametrize("season", [1, 2])
def test_no_sample_is_lost_at_a_clock_change_and_each_keeps_its_day(zone: str, season: int) -> None:
    walls = around(next(turn[season] for turn in TURNS if turn[0] == zone))
    rows = many(walls, zone)
    assert [(row[0], row[6]) for row in rows] == [judged(wall, zone) for wall in walls]
    assert [row[2] for row in rows] == [wall.date() for wall in walls]
    doubts = {row[6] for row in rows} - {None}
    assert doubts == ({"clock_skipped"} if season == 1 else {"clock_repeated"})
    sure = [row[0] for row in rows if row[6] is None]
    assert len(set(sure)) == len(sure)


@pytest.mark.parametrize(("zone", "start"), UNUSUAL)
def test_a_time_is_moved_forward_by_what_the_clocks_skipped(zone: str, start: datetime) -> None:
    walls = around(start)
    assert [row[0] for row in many(walls, zone)] == [judged(wall, zone)[0] for wall in walls]


@given(
    st.sampled_from(ZONES),
    st.lists(
        st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)),  # noqa: DTZ001
        min_size=1,
        max_size=20,
    ),
)
def test_every_local_time_is_the_instant_that_pythons_zones_say(
    zone: str, walls: list[datetime]
) -> None:
    rows = many(walls, zone)
    assert [(row[0], row[6]) for row in rows] == [judged(wall, zone) for wall in walls]


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)),  # noqa: DTZ001
    st.integers(-14 * 60, 14 * 60),
)
def test_a_stated_offset_is_believed_and_leaves_no_doubt(wall: datetime, minutes: int) -> None:
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    row = read(f"{wall.isoformat()}{sign}{hours:02}:{rest:02}", "Europe/Rome")
    assert row["at"] == wall - timedelta(minutes=minutes)
    assert (row["on"], row["doubt"]) == (wall.date(), None)


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_nothing(text: str) -> None:
    row = read(text, "Europe/Rome")
    assert (row["at"] is None) == (row["precision"] is None) == (row["on"] is None)
