"""Checks without the truth: forecasts against what came, the list against chance."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from transforms.catalog.rule import HOLD
from transforms.checks import MOST_DRAWS, list_check, prediction_checks
from transforms.trends import shuffled, trends

NEWEST = {
    "patient_id": pl.String,
    "n_pairs": pl.Int64,
    "lab": pl.String,
    "pit_insulin": pl.Float64,
    "pit_glucose": pl.Float64,
}
Facts = dict[str, Any]


def newest(*pits: float | None, n_pairs: int = 4, lab: str | None = "L") -> pl.DataFrame:
    """Patients whose newest insulin lay so in its forecast; glucose in the middle."""
    rows = [(f"{lab}{i}", n_pairs, lab, pit, 0.5) for i, pit in enumerate(pits)]
    return pl.DataFrame(rows, NEWEST, orient="row")


def checked(*parts: pl.DataFrame, analyte: str = "insulin") -> dict[tuple[str, str], Facts]:
    """(grouped by, level) -> the check."""
    found = prediction_checks(pl.concat(parts).lazy()).collect()
    return {
        (row["grouped_by"], row["level"]): row
        for row in found.filter(analyte=analyte).iter_rows(named=True)
    }


# forecasts


def test_a_forecast_that_is_right_covers_what_it_says_and_falls_evenly() -> None:
    even = checked(newest(*(np.arange(200) + 0.5) / 200))["all", "all"]

    assert (even["n"], even["coverage_50_pct"], even["coverage_90_pct"]) == (200, 50, 90)
    assert even["pit_mean"] == pytest.approx(0.5)
    assert even["pit_deciles"] == [20] * 10


def test_a_forecast_that_is_too_narrow_too_wide_or_too_low_is_seen() -> None:
    narrow = checked(newest(*[0.01, 0.99] * 50))["all", "all"]
    wide = checked(newest(*[0.45, 0.55] * 50))["all", "all"]
    low = checked(newest(*[0.85] * 100))["all", "all"]

    assert (narrow["coverage_50_pct"], narrow["coverage_90_pct"]) == (0, 0)
    assert narrow["pit_deciles"] == [50, *[0] * 8, 50]
    assert (wide["coverage_50_pct"], wide["coverage_90_pct"]) == (100, 100)
    assert (low["coverage_50_pct"], low["coverage_90_pct"]) == (0, 100)
    assert low["pit_mean"] == pytest.approx(0.85)


@pytest.mark.parametrize(
    ("pit", "decile"), [(0.0, 0), (0.05, 0), (0.1, 1), (0.999, 9), (1.0, 9), (0.3, 3), (0.7, 7)]
)
def test_every_value_falls_into_one_tenth(pit: float, decile: int) -> None:
    assert checked(newest(pit))["all", "all"]["pit_deciles"] == [
        int(k == decile) for k in range(10)
    ]


@pytest.mark.parametrize(
    ("pit", "half", "most"),
    [
        (0.25, 100, 100),
        (0.75, 100, 100),
        (0.24, 0, 100),
        (0.05, 0, 100),
        (0.95, 0, 100),
        (0.96, 0, 0),
    ],
)
def test_one_patient_is_inside_or_outside(pit: float, half: float, most: float) -> None:
    found = checked(newest(pit))["all", "all"]

    assert (found["n"], found["coverage_50_pct"], found["coverage_90_pct"]) == (1, half, most)


def test_groups_are_everyone_numbers_of_draws_and_laboratories() -> None:
    found = checked(
        newest(0.5, 0.5, n_pairs=2, lab="L"),
        newest(0.99, n_pairs=MOST_DRAWS, lab="M"),
        newest(0.99, n_pairs=MOST_DRAWS + 5, lab=None),
    )

    counts = {group: row["n"] for group, row in found.items()}
    assert counts == {
        ("all", "all"): 4,
        ("draws", "2"): 2,
        ("draws", str(MOST_DRAWS)): 2,
        ("lab", "L"): 2,
        ("lab", "M"): 1,
        ("lab", ""): 1,
    }
    assert found["lab", "L"]["coverage_50_pct"] == 100
    assert found["lab", ""]["coverage_50_pct"] == found["lab", "M"]["coverage_50_pct"] == 0


def test_insulin_and_glucose_are_checked_each_by_its_own() -> None:
    frame = newest(0.99, 0.99)

    assert checked(frame)["all", "all"]["coverage_90_pct"] == 0
    assert checked(frame, analyte="glucose")["all", "all"]["coverage_90_pct"] == 100


def test_who_has_no_forecast_is_in_no_group() -> None:
    some = checked(newest(None, 0.5, None), newest(None, lab="M"))
    assert {group: row["n"] for group, row in some.items()} == {
        ("all", "all"): 1,
        ("draws", "4"): 1,
        ("lab", "L"): 1,
    }
    assert checked(newest(None, None)) == {}


def test_nobody_gives_no_check_with_the_columns_of_one() -> None:
    nobody = prediction_checks(pl.LazyFrame(schema=NEWEST)).collect()

    assert nobody.is_empty()
    assert nobody.schema == prediction_checks(newest(0.5).lazy()).collect().schema


def test_the_order_of_patients_does_not_matter_to_the_last_bit() -> None:
    frame = newest(*np.random.default_rng(1).uniform(size=997))
    mixed = frame.sample(fraction=1, shuffle=True, seed=1)

    one, other = (prediction_checks(f.lazy()).collect() for f in (frame, mixed))
    assert one.equals(other)


# the list


def evaluated(
    listed: int,
    others: int,
    *,
    claimed: float = 0.3,
    by_chance: int = 0,
    lab: str | None = "L",
    platform: str = "X",
) -> pl.DataFrame:
    """Patients of one place; of ``claimed`` of the listed the model says they are false, and
    ``by_chance`` of all are marked when shuffled."""
    n = listed + others
    return pl.DataFrame(
        {
            "is_listed": [True] * listed + [False] * others,
            "p_climbing_unseen": [1 - claimed] * listed + [0.1] * others,
            "p_shuffled": [0.5] * by_chance + [0.499] * (n - by_chance),
            "lab": pl.Series([lab] * n, dtype=pl.String),
            "platform": [platform] * n,
        },
        schema_overrides={"is_listed": pl.Boolean, "p_climbing_unseen": pl.Float64}
        | {"p_shuffled": pl.Float64, "platform": pl.String},
    )


def verdict(*parts: pl.DataFrame, **more: Any) -> Facts:
    return list_check(pl.concat(parts), **more).row(0, named=True)


def test_a_list_that_agrees_with_chance_is_not_held() -> None:
    found = verdict(evaluated(100, 900, claimed=0.3, by_chance=30))

    assert (found["n_evaluated"], found["n_listed"], found["n_shuffled"]) == (1000, 100, 30)
    assert found["false_claimed"] == pytest.approx(0.3)
    assert found["false_shuffled"] == pytest.approx(0.3)
    assert (found["is_held"], found["held_because"]) == (False, "")


@pytest.mark.parametrize("by_chance", [10, 60])
def test_a_list_that_does_not_agree_is_held_and_says_why(by_chance: int) -> None:
    found = verdict(evaluated(100, 900, claimed=0.3, by_chance=by_chance))

    assert found["is_held"]
    assert found["held_because"] == (
        f"the model says 30% of the list are false, shuffled draws say {by_chance}%"
    )


def test_the_same_shares_in_a_list_of_five_hold_nothing() -> None:
    assert verdict(evaluated(100, 900, claimed=0.2, by_chance=60))["is_held"]
    found = verdict(evaluated(5, 45, claimed=0.2, by_chance=3))

    assert found["false_shuffled"] == pytest.approx(0.6)
    assert not found["is_held"]


@pytest.mark.parametrize(("listed", "is_held"), [(19, False), (20, True)])
def test_a_list_is_judged_from_twenty_people_on(listed: int, is_held: bool) -> None:
    found = verdict(evaluated(listed, 900, claimed=0.2, by_chance=listed))
    assert found["is_held"] is is_held


@pytest.mark.parametrize(("by_chance", "is_held"), [(39, False), (41, False), (50, True)])
def test_a_difference_is_forgiven_up_to_a_tenth_and_what_counts_differ_by(
    by_chance: int, is_held: bool
) -> None:
    assert verdict(evaluated(100, 900, by_chance=by_chance))["is_held"] is is_held


def test_a_tenth_is_forgiven_however_many_people_say_it() -> None:
    assert not verdict(evaluated(10_000, 10_000, by_chance=3_999))["is_held"]
    assert verdict(evaluated(10_000, 10_000, by_chance=4_100))["is_held"]


def test_more_than_a_tenth_is_forgiven_where_counts_of_that_size_scatter_so() -> None:
    assert not verdict(evaluated(30, 100, by_chance=13))["is_held"]
    assert verdict(evaluated(3_000, 100, by_chance=1_300))["is_held"]


@pytest.mark.parametrize("by_chance", [40, 80, 300])
def test_the_more_people_chance_marks_the_more_a_list_is_held(by_chance: int) -> None:
    found = verdict(evaluated(40, 900, claimed=0.3, by_chance=by_chance))

    assert (found["n_shuffled"], found["false_shuffled"]) == (by_chance, 1)
    assert found["is_held"]


def test_nobody_listed_is_nothing_to_hold() -> None:
    found = verdict(evaluated(0, 500, by_chance=100))

    assert (found["n_listed"], found["n_shuffled"], found["is_held"]) == (0, 100, False)
    assert found["false_claimed"] is found["false_shuffled"] is None
    assert verdict(evaluated(0, 0))["n_evaluated"] == 0
    assert verdict(evaluated(0, 0))["is_held"] is False


def test_a_list_of_one_laboratory_is_held_where_few_are_of_it() -> None:
    rest = evaluated(10, 790, claimed=0.3, by_chance=5)
    found = verdict(rest, evaluated(40, 160, claimed=0.3, by_chance=10, lab="M"))

    assert found["is_held"]
    assert found["held_because"] == "80% of the list come from one lab (M), 20% of all people"


def test_a_list_of_one_laboratory_is_not_held_where_most_people_are_of_it() -> None:
    rest = evaluated(10, 190, claimed=0.3, by_chance=5)
    assert not verdict(rest, evaluated(40, 760, by_chance=10, lab="M"))["is_held"]
    assert not verdict(evaluated(50, 950, by_chance=15))["is_held"]


def test_a_laboratory_with_less_than_half_of_the_list_does_not_dominate() -> None:
    def is_held(of_m: int) -> bool:
        rest = [evaluated(50 - of_m // 2, 400, by_chance=13, lab=lab) for lab in ("L", "N")]
        return bool(verdict(*rest, evaluated(of_m, 50, by_chance=13, lab="M"))["is_held"])

    assert not is_held(46)
    assert is_held(54)


def test_a_laboratory_with_less_than_twice_its_share_of_people_does_not_dominate() -> None:
    def is_held(people: int) -> bool:
        rest = evaluated(150, 1350, by_chance=75)
        of_m = evaluated(350, people - 350, by_chance=75, lab="M")
        return bool(verdict(rest, of_m)["is_held"])

    assert not is_held(1000)
    assert is_held(700)


def test_one_platform_dominates_as_a_laboratory_does() -> None:
    rest = evaluated(10, 790, by_chance=5, lab=None)
    new = evaluated(40, 160, by_chance=10, lab=None, platform="")
    assert verdict(rest, new)["held_because"] == (
        "80% of the list come from one platform (not stated), 20% of all people"
    )


def test_a_small_list_of_one_laboratory_may_be_chance() -> None:
    hold = replace(HOLD, fewest_listed=4)
    few = (evaluated(1, 69, by_chance=1), evaluated(3, 27, by_chance=0, lab="M"))
    many = (evaluated(10, 690, by_chance=10), evaluated(30, 270, by_chance=2, lab="M"))

    assert not verdict(*few, hold=hold)["is_held"]
    assert "lab (M)" in verdict(*many, hold=hold)["held_because"]


def test_every_reason_is_told() -> None:
    rest = evaluated(10, 790, claimed=0.1, lab="L")
    found = verdict(rest, evaluated(40, 160, claimed=0.1, by_chance=30, lab="M", platform="Y"))

    assert found["held_because"].split("; ") == [
        "the model says 10% of the list are false, shuffled draws say 60%",
        "80% of the list come from one lab (M), 20% of all people",
        "80% of the list come from one platform (Y), 20% of all people",
    ]


def test_the_order_of_people_does_not_matter() -> None:
    whole = pl.concat([evaluated(10, 790), evaluated(40, 160, by_chance=30, lab="M")])
    noise = np.random.default_rng(2).uniform(size=whole.height)
    whole = whole.with_columns(p_climbing_unseen=pl.Series(noise))
    mixed = whole.sample(fraction=1, shuffle=True, seed=2)

    assert list_check(mixed).equals(list_check(whole))


# shuffled series


def climbing(name: str, rate: float = 0.25, draws: int = 8) -> pl.DataFrame:
    """A draw a year, insulin up by ``rate``, a little of noise of the patient's own."""
    wobble = 0.05 * np.random.default_rng(len(name)).normal(size=draws)
    return pl.DataFrame(
        {
            "patient_id": [name] * draws,
            "drawn_on": [date(2018, 1, 1) + timedelta(days=365 * k) for k in range(draws)],
            "insulin_uiu_ml": 5 * np.exp(np.log1p(rate) * np.arange(draws) + wobble),
            "glucose_mg_dl": [90.0 + k % 2 for k in range(draws)],
        }
    )


def by_chance(*series: pl.DataFrame) -> dict[str, float]:
    return dict(shuffled(pl.concat(series).lazy()).collect().iter_rows())


def test_a_climb_is_gone_once_the_draws_are_shuffled() -> None:
    people = [climbing(f"p{k}") for k in range(20)]
    newest_trend = trends(pl.concat(people).lazy(), latest_only=True).collect()
    lowest = newest_trend["p_climbing_unseen"].to_numpy().min()
    p = by_chance(*people)

    assert lowest > 0.9
    assert sum(value < 0.5 for value in p.values()) >= 15
    assert np.mean(list(p.values())) < 0.3


def test_shuffling_depends_on_nobody_else_and_not_on_the_order_of_rows() -> None:
    alone = by_chance(climbing("ann"))["ann"]
    crowd = [climbing(f"p{k}", 0.02) for k in range(50)]
    everyone = pl.concat([*crowd, climbing("ann"), climbing("zoe")])

    assert by_chance(everyone)["ann"] == alone
    assert by_chance(everyone.sample(fraction=1, shuffle=True, seed=3))["ann"] == alone
    assert by_chance(everyone)["zoe"] != alone, "another name, another order"


def test_shuffling_is_the_same_in_another_process() -> None:
    script = (
        "from tests.transforms.test_checks import by_chance, climbing;"
        "print(by_chance(*(climbing(name) for name in ('ann', 'zoe'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == str(by_chance(climbing("ann"), climbing("zoe")))


def test_one_draw_has_no_other_order() -> None:
    one = climbing("ann", draws=1)
    p = trends(one.lazy(), latest_only=True).collect()["p_climbing_unseen"][0]

    assert by_chance(one) == {"ann": p}
    assert shuffled(one.clear().lazy()).collect().is_empty()
