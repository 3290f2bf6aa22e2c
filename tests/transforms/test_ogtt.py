"""Oral glucose tests: which sample is of which minute."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl
import pytest

from transforms.catalog.indices import LOAD_MINUTES, MINUTES
from transforms.ogtt import LOAD, challenges

DAY = date(2026, 1, 10)
EIGHT = datetime.combine(DAY, time(8))
SCHEMA = {
    "patient_id": pl.String,
    "analyte": pl.String,
    "timing": pl.String,
    "code_system": pl.String,
    "source_code": pl.String,
    "observed_at": pl.Datetime("us"),
    "observed_on": pl.Date,
    "observed_precision": pl.String,
    "value": pl.Float64,
    "comparator": pl.String,
    "fasting": pl.String,
    "absent_reason": pl.String,
    "comment": pl.String,
}
Row = dict[str, Any]
FASTING = {"glucose": "1558-6", "insulin": "27873-9"}
ANY = {"glucose": "2345-7", "insulin": "20448-7"}
TWO_HOURS = {"glucose": "1518-0", "insulin": "27826-7"}


def sample(analyte: str, value: float, minute: float = 0, code: str = "", **more: Any) -> Row:
    timing = "post_load" if code in LOAD_MINUTES else "any"
    timing = "fasting" if code == FASTING[analyte] else timing
    row: Row = {
        "patient_id": "p",
        "analyte": analyte,
        "timing": timing,
        "code_system": "loinc",
        "source_code": code or ANY[analyte],
        "observed_at": EIGHT + timedelta(minutes=minute),
        "observed_on": DAY,
        "observed_precision": "time",
        "value": value,
        "fasting": {"fasting": "yes", "post_load": "no"}.get(timing, "unknown"),
    }
    return {name: (row | more).get(name) for name in SCHEMA}


def at_zero(value: float = 90, minute: float = 0, **more: Any) -> Row:
    return sample("glucose", value, minute, FASTING["glucose"], **more)


def at_end(value: float = 100, minute: float = 120, **more: Any) -> Row:
    return sample("glucose", value, minute, TWO_HOURS["glucose"], **more)


def seen(rows: list[Row]) -> list[dict[str, Any]]:
    return challenges(pl.LazyFrame(rows, schema=SCHEMA)).collect().to_dicts()


def glucose(rows: list[Row]) -> list[float | None]:
    (row,) = seen(rows)
    return [row[f"glucose_{minute}_mg_dl"] for minute in MINUTES]


def of_five(analyte: str, values: tuple[float, ...], late: float = 0) -> list[Row]:
    """Fasting by its code, two hours by its code, between them by the clock."""
    first, *middle, last = zip(MINUTES, values, strict=True)
    return [
        sample(analyte, first[1], code=FASTING[analyte]),
        *[sample(analyte, value, minute + late) for minute, value in middle],
        sample(analyte, last[1], 120, TWO_HOURS[analyte]),
    ]


def test_a_test_of_five_samples_is_one_row() -> None:
    levels, hormone = (90.0, 140.0, 130.0, 115.0, 100.0), (6.0, 50.0, 55.0, 45.0, 30.0)
    (row,) = seen([*of_five("glucose", levels), *of_five("insulin", hormone)])
    assert (row["patient_id"], row["drawn_on"], row["bounds"]) == ("p", DAY, None)
    assert [row[item.column] for item in LOAD] == [*levels, *hormone]


def test_the_order_of_results_does_not_matter() -> None:
    rows = [
        *of_five("glucose", (90, 140, 130, 115, 100)),
        *of_five("insulin", (6, 50, 55, 45, 30)),
        sample("insulin", 52.0, 30),
    ]
    assert seen(rows) == seen(rows[::-1])


@pytest.mark.parametrize(("late", "middle"), [(5, 140.0), (-5, 140.0), (5.5, None), (-5.5, None)])
def test_a_sample_is_of_a_minute_at_most_five_from_it(late: float, middle: float | None) -> None:
    rows = of_five("glucose", (90, 140, 130, 115, 100), late)
    assert glucose(rows)[1] == middle


@pytest.mark.parametrize(("code", "minute"), sorted(LOAD_MINUTES.items()))
def test_a_code_says_its_minute_whatever_the_clock_says(code: str, minute: int) -> None:
    analyte = "insulin" if code.startswith("27") else "glucose"
    rows = [at_zero(), at_end(), sample(analyte, 77.0, 45, code)]
    (row,) = seen(rows if minute != 120 else [at_zero(), sample(analyte, 77.0, 45, code)])
    where = [item.column for item in LOAD if row[item.column] == 77.0]
    expected = [i.column for i in LOAD if (i.analyte, i.minutes) == (analyte, minute)]
    assert where == expected


def test_a_day_without_a_load_is_no_test_and_with_one_it_is() -> None:
    timed = [sample("glucose", 90.0, fasting="yes"), sample("glucose", 130.0, 120)]
    assert seen(timed) == []
    assert len(seen([*timed, at_end()])) == 1


def test_a_baseline_without_anything_after_it_is_no_test() -> None:
    baseline = sample("insulin", 6.0, timing="baseline", source_code="56482-3")
    later = sample("insulin", 50.0, 30)
    assert seen([baseline]) == []
    (row,) = seen([baseline, later])
    assert (row["insulin_0_uiu_ml"], row["insulin_30_uiu_ml"]) == (6.0, 50.0)


def test_a_sample_three_hours_later_makes_no_test() -> None:
    late = sample("glucose", 80.0, 180, "20437-0")
    assert seen([at_zero(), late]) == []
    assert len(seen([at_zero(), late, at_end()])) == 1


def test_days_known_only_to_the_day_go_by_their_codes() -> None:
    rows = [at_zero(observed_precision="day"), at_end(minute=0, observed_precision="day")]
    assert glucose(rows) == [90.0, None, None, None, 100.0]


def test_instants_are_not_used_when_every_tube_has_the_hour_of_the_order() -> None:
    stamped = [at_zero(), at_end(minute=0), sample("glucose", 140.0, 30)]
    assert glucose(stamped) == [90.0, None, None, None, 100.0]
    told = [at_zero(), at_end(), sample("glucose", 140.0, 30)]
    assert glucose(told) == [90.0, 140.0, None, None, 100.0]


def test_without_a_sample_of_minute_0_the_others_say_when_the_drink_was() -> None:
    rows = [sample("glucose", 140.0, 30), at_end()]
    assert glucose(rows) == [None, 140.0, None, None, 100.0]


EVERY_TEN = tuple((m, 100.0 + m) for m in (10, 20, 30, 40, 80, 90, 100))
"""Draws between the coded ones, each told from its neighbours by its value."""


def dense(*coded: Row) -> list[Row]:
    return [*coded, *[sample("glucose", value, minute) for minute, value in EVERY_TEN]]


@pytest.mark.parametrize("before", [(-10, 0), (0, -10), (-10, -5, 0), (-20, -10, 0), (-10,), (0,)])
def test_fasting_samples_before_the_drink_do_not_move_it(before: tuple[int, ...]) -> None:
    first = [at_zero(90.0 + minute, minute) for minute in before]
    expected = 90 + sum(before) / len(before)
    assert glucose(dense(*first, at_end())) == pytest.approx([expected, 130, None, 190, 100])


def test_a_drink_long_after_the_last_fasting_sample_places_nothing() -> None:
    """Ten minutes is the most that a code and a fasting sample may differ."""
    for minute, half_an_hour in ((-10, 130.0), (-11, None)):
        rows = dense(at_zero(90.0, minute), at_end())
        assert glucose(rows)[1] == half_an_hour


def test_a_fasting_sample_of_another_hour_does_not_spoil_a_test() -> None:
    again = at_zero(90.0, 360)
    assert glucose(dense(at_zero(), at_end(), again)) == [90.0, 130.0, None, 190.0, 100.0]


def test_coded_samples_that_disagree_about_the_drink_place_nothing() -> None:
    for minute, half_an_hour in ((70, 130.0), (71, None)):
        one_hour = sample("glucose", 150.0, minute, "1507-3")
        assert glucose(dense(at_zero(), one_hour, at_end()))[1] == half_an_hour


def local(value: float, minute: float) -> Row:
    """A sample of a load under a code of the house, which says no minutes."""
    own = {"timing": "post_load", "source_code": "local", "code_system": "house"}
    return sample("glucose", value, minute, **own)


def test_without_coded_minutes_the_drink_was_at_the_last_fasting_sample() -> None:
    """The last before any other; where several are far apart nobody knows which it was."""
    load = [local(150.0, 60), local(110.0, 120)]
    near = [at_zero(88.0, -10), at_zero(92.0), *load]
    assert glucose(near) == [90.0, None, 150.0, None, 110.0]
    assert glucose([*near, at_zero(90.0, 360)]) == [90.0, None, 150.0, None, 110.0]
    assert glucose([sample("glucose", 95.0, -30), *near]) == [90.0, None, 150.0, None, 110.0]
    assert seen([at_zero(88.0, -11), at_zero(92.0), *load]) == []


def test_a_load_whose_code_says_no_minutes_goes_by_the_first_sample() -> None:
    later = {"timing": "post_load", "source_code": "local", "code_system": "house"}
    rows = [sample("glucose", 90.0), sample("glucose", 150.0, 60, **later)]
    assert glucose(rows) == [90.0, None, 150.0, None, None]


def test_a_code_of_another_system_says_no_minutes() -> None:
    rows = [at_zero(), sample("glucose", 150.0, 60, "1518-0", code_system="house")]
    assert glucose(rows) == [90.0, None, 150.0, None, None]
    rows[1]["code_system"] = "loinc"
    assert glucose(rows) == [90.0, None, None, None, 150.0]


def test_repeats_of_a_minute_are_averaged_and_those_of_insulin_geometrically() -> None:
    rows = [at_zero(80.0), at_zero(125.0, 2), at_end()]
    hormone = [sample("insulin", value, code=FASTING["insulin"]) for value in (8.0, 12.5)]
    (row,) = seen([*rows, *hormone])
    assert row["glucose_0_mg_dl"] == 102.5
    assert row["insulin_0_uiu_ml"] == pytest.approx(10.0)


def test_a_limit_is_told_and_gives_way_to_an_exact_repeat() -> None:
    limit = sample("insulin", 300.0, 30, "27827-5", comparator=">")
    exact = sample("insulin", 280.0, 31, "27827-5")
    (row,) = seen([at_zero(), limit])
    assert (row["insulin_30_uiu_ml"], row["bounds"]) == (300.0, "insulin_30_uiu_ml")
    (row,) = seen([at_zero(), limit, exact])
    assert (row["insulin_30_uiu_ml"], row["bounds"]) == (280.0, None)


def test_haemolysis_spoils_insulin_and_not_glucose() -> None:
    spoilt = {"comment": "haemolysed"}
    hormone = sample("insulin", 40.0, 120, TWO_HOURS["insulin"], **spoilt)
    (row,) = seen([at_zero(), at_end(**spoilt), hormone])
    assert (row["glucose_120_mg_dl"], row["insulin_120_uiu_ml"]) == (100.0, None)
    (row,) = seen([at_zero(), at_end(), hormone | {"comment": "no haemolysis"}])
    assert row["insulin_120_uiu_ml"] == 40.0


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), None])
def test_what_is_no_number_above_zero_is_not_measured(value: float | None) -> None:
    assert glucose([at_zero(), at_end(), sample("glucose", 1.0, 30) | {"value": value}])[1] is None


def test_two_people_of_a_day_are_two_tests() -> None:
    mine = [at_zero(), at_end()]
    theirs = [row | {"patient_id": "q", "value": 70.0} for row in mine]
    rows = seen([*theirs, *mine])
    assert [(row["patient_id"], row["glucose_0_mg_dl"]) for row in rows] == [("p", 90), ("q", 70)]


def test_no_results_give_no_tests() -> None:
    assert seen([]) == []
