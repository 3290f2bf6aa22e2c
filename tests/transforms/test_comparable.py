"""Comparable people: who they are, how many, and what share of them lies below a value."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from transforms.comparable import CELL, FEWEST, FRESH_DAYS, QUANTILES, age_band, reference

TONIGHT = date(2026, 6, 1)
VALUES = {
    "patient_id": pl.String,
    "signal": pl.String,
    "observed_on": pl.Date,
    "value": pl.Float64,
    "platform": pl.String,
}
PERSONS = {"patient_id": pl.String, "birth_date": pl.Date, "sex": pl.String}
BANDS = ["20-39", "40-59", "60+"]


def born(age: int) -> date:
    return date(TONIGHT.year - age, 1, 1)


class Clinic:
    """People with one value each, whatever else they have."""

    def __init__(self) -> None:
        self.values: list[tuple[Any, ...]] = []
        self.persons: list[tuple[Any, ...]] = []
        self.excluded: set[str] = set()

    def add(
        self,
        n: int,
        sex: str | None = "female",
        age: int | None = 30,
        value: float | None = None,
        on: date = TONIGHT,
        platform: str | None = "a",
    ) -> Clinic:
        """``n`` people more, with values 0, 1, 2 ... unless one is given."""
        for i in range(n):
            name = f"p{len(self.persons):04}"
            self.persons.append((name, None if age is None else born(age), sex))
            self.values.append((name, "alt", on, float(i) if value is None else value, platform))
        return self

    def reference(self) -> pl.DataFrame:
        return reference(
            pl.LazyFrame(self.values, schema=VALUES, orient="row"),
            pl.LazyFrame(self.persons, schema=PERSONS, orient="row"),
            pl.LazyFrame({"patient_id": [p[0] for p in self.persons if p[0] not in self.excluded]}),
            TONIGHT,
        ).collect()

    def compared(self, sex: str = "female", band: str = "20-39") -> tuple[int, str] | None:
        """How many stand for such a person, and who they are."""
        rows = self.reference().filter(sex=sex, age_band=band).select("n", "compared_with").rows()
        return rows[0] if rows else None


def test_people_of_the_same_sex_and_age_stand_where_they_are_enough() -> None:
    clinic = Clinic().add(FEWEST, "female", 30).add(FEWEST, "female", 50).add(FEWEST, "male", 30)

    assert clinic.compared("female", "20-39") == (
        40,
        "women aged 20 to 39, same platform, none excluded",
    )
    assert clinic.compared("male", "20-39") == (
        40,
        "men aged 20 to 39, same platform, none excluded",
    )


def test_too_few_of_that_age_are_joined_by_all_of_that_sex() -> None:
    clinic = Clinic().add(FEWEST - 1, "female", 30).add(FEWEST, "female", 70)

    assert clinic.compared("female", "20-39") == (
        79,
        "women aged 20 and over, same platform, none excluded",
    )
    assert clinic.compared("female", "60+") == (
        40,
        "women aged 60 and over, same platform, none excluded",
    )


def test_too_few_of_that_sex_are_joined_by_everyone() -> None:
    clinic = Clinic().add(FEWEST - 1, "female", 30).add(1, "male", 30)

    for sex in ("female", "male", "any"):
        assert clinic.compared(sex) == (
            40,
            "adults aged 20 and over, same platform, none excluded",
        )


def test_too_few_altogether_give_nothing_and_one_more_gives_something() -> None:
    assert Clinic().add(FEWEST - 1).reference().is_empty()
    assert not Clinic().add(FEWEST).reference().is_empty()


def test_people_of_another_or_unknown_sex_are_compared_with_everyone_and_count_there() -> None:
    clinic = Clinic().add(FEWEST, "female").add(3, None).add(2, "other")

    assert clinic.compared("any") == (45, "adults aged 20 and over, same platform, none excluded")
    assert clinic.compared("female") == (40, "women aged 20 to 39, same platform, none excluded")


@pytest.mark.parametrize(
    ("odd", "n"),
    [
        ({}, 41),
        ({"age": 19}, 40),
        ({"age": None}, 40),
        ({"on": TONIGHT - timedelta(FRESH_DAYS)}, 41),
        ({"on": TONIGHT - timedelta(FRESH_DAYS + 1)}, 40),
        ({"on": TONIGHT + timedelta(1)}, 40),
        ({"value": float("nan")}, 40),
        ({"platform": "b"}, 40),
    ],
    ids=str,
)
def test_who_counts_and_who_does_not(odd: dict[str, Any], n: int) -> None:
    clinic = Clinic().add(FEWEST).add(1, **odd)

    assert clinic.reference().filter(sex="female", age_band="20-39", platform="a")[
        "n"
    ].to_list() == [n]


def test_the_excluded_are_no_comparison() -> None:
    clinic = Clinic().add(FEWEST + 1)
    clinic.excluded = {"p0000"}

    assert clinic.compared() == (40, "women aged 20 to 39, same platform, none excluded")


def test_platforms_are_never_pooled() -> None:
    two = Clinic().add(FEWEST - 1, platform="a").add(FEWEST - 1, platform="b")
    one = Clinic().add(2 * (FEWEST - 1), platform=None)

    assert two.reference().is_empty()
    assert one.reference()["platform"].unique().to_list() == [None]


def test_of_each_person_the_newest_value_counts() -> None:
    clinic = Clinic().add(FEWEST, value=1.0)
    clinic.values += [
        (name, signal, on - timedelta(30), 99.0, platform)
        for name, signal, on, _, platform in clinic.values
    ]

    assert clinic.reference()["quantiles"].explode().unique().to_list() == [1.0]


def test_a_signal_that_serves_two_tissues_counts_once() -> None:
    clinic = Clinic().add(FEWEST)
    clinic.values *= 2

    assert clinic.compared() == (40, "women aged 20 to 39, same platform, none excluded")


def test_quantiles_run_from_the_least_to_the_greatest_by_values_that_somebody_has() -> None:
    quantiles = Clinic().add(201).reference()["quantiles"][0].to_list()

    assert quantiles == [float(2 * i) for i in range(QUANTILES)]


def test_everybody_is_covered_once() -> None:
    clinic = Clinic().add(50, "female", 30).add(50, "male", 50).add(5, "other", 70)
    found = clinic.reference()

    assert found.select("sex", "age_band").rows() == [
        (sex, band) for sex in ("any", "female", "male") for band in BANDS
    ]
    assert found.equals(found.sort(*CELL))


def test_the_order_of_rows_changes_nothing() -> None:
    clinic = Clinic().add(60, "female", 30).add(60, "male", 50)
    usual = clinic.reference()
    clinic.values.reverse()
    clinic.persons.reverse()

    assert clinic.reference().equals(usual)


@pytest.mark.parametrize(
    ("birth", "band"),
    [
        (date(2006, 6, 2), None),
        (date(2006, 6, 1), "20-39"),
        (date(1986, 6, 2), "20-39"),
        (date(1986, 6, 1), "40-59"),
        (date(1966, 6, 2), "40-59"),
        (date(1966, 6, 1), "60+"),
    ],
)
def test_an_age_is_reached_on_the_birthday(birth: date, band: str | None) -> None:
    """39 who are just of that age stand beside the one who is or is not."""
    clinic = Clinic().add(FEWEST - 1, age={"20-39": 30, "40-59": 50, "60+": 70}.get(band or "", 30))
    clinic.persons.append(("odd", birth, "female"))
    clinic.values.append(("odd", "alt", TONIGHT, 1.0, "a"))
    narrow = clinic.reference().filter(~pl.col("compared_with").str.contains("20 and over"))

    assert narrow["age_band"].unique().to_list() == ([band] if band else [])


def test_the_bands_meet() -> None:
    ages = pl.DataFrame({"age": range(15, 110)}).with_columns(band=age_band(pl.col("age")))
    counted = dict(ages.group_by("band").len().rows())

    assert counted == {None: 5, "20-39": 20, "40-59": 20, "60+": 50}


def share_below(quantiles: list[float], value: float) -> float:
    """The view's arithmetic, percent."""
    below = sum(q < value for q in quantiles)
    return (below + sum(q == value for q in quantiles) / 2) / len(quantiles) * 100


@pytest.mark.parametrize("n", [40, 57, 100, 399])
@pytest.mark.parametrize("is_tied", [False, True])
def test_the_share_below_is_right_within_a_person_and_a_percent(n: int, is_tied: bool) -> None:
    rng = np.random.default_rng(7503 + n)
    values = rng.lognormal(2.0, 0.6, n)
    values = np.round(values) if is_tied else values
    clinic = Clinic().add(n)
    clinic.values = [
        (*row[:3], float(value), row[4]) for row, value in zip(clinic.values, values, strict=True)
    ]
    quantiles = clinic.reference()["quantiles"][0].to_list()
    exact = [100 * ((values < v).mean() + (values == v).mean() / 2) for v in values]
    found = [share_below(quantiles, v) for v in values]

    assert max(abs(np.array(found) - exact)) < 1 + 50 / n
