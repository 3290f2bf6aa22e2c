"""Weight slopes that a wrong unit does not bend, and insulin at one weight."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from itertools import combinations
from statistics import median
from typing import Any

import numpy as np
import polars as pl
import pytest

from transforms.weight import (
    LN_INSULIN_PER_BMI,
    MONTH_DAYS,
    WEIGHT,
    at_constant_weight,
    daily_weights,
    weight_slopes,
)

START = date(2026, 1, 5)
Weights = list[tuple[int, float]]


def frame(weights: Weights, patient: str = "p") -> pl.DataFrame:
    """Weights as (days since the start, kg)."""
    rows = [(patient, START + timedelta(days=day), kg) for day, kg in weights]
    return pl.DataFrame(rows, schema=WEIGHT, orient="row")


def slopes(*weights: pl.DataFrame) -> list[dict[str, Any]]:
    return weight_slopes(pl.concat(weights).lazy()).collect().to_dicts()


def newest(weights: Weights) -> dict[str, Any]:
    return slopes(frame(weights))[-1]


def every(days: int, count: int, kg_per_day: float = 0.02) -> Weights:
    """Weights with a little noise that is the same each time."""
    return [(days * k, 80 + kg_per_day * days * k + 0.4 * (-1) ** k) for k in range(count)]


def test_the_slope_is_the_median_of_the_slopes_between_all_pairs() -> None:
    weights = [(0, 80.0), (9, 80.4), (21, 81.5), (30, 80.9), (44, 82.0), (58, 81.1), (70, 83.0)]
    weights.append((80, 82.4))
    between = [(b - a) / (j - i) * MONTH_DAYS for (i, a), (j, b) in combinations(weights, 2)]
    row = newest(weights)
    assert row["kg_per_month"] == pytest.approx(median(between))
    assert row["low"] < row["kg_per_month"] < row["high"]
    assert row["n"] == 8


def test_sen_s_interval_is_at_the_ranks_of_kendall_s_variance() -> None:
    weights = every(10, 9)
    ordered = sorted((b - a) / (j - i) * MONTH_DAYS for (i, a), (j, b) in combinations(weights, 2))
    spread = 1.644854 * math.sqrt(9 * 8 * 23 / 18)
    low, high = math.floor((36 - spread) / 2), math.ceil((36 + spread) / 2) + 1
    row = newest(weights)
    assert (row["low"], row["high"]) == pytest.approx((ordered[low - 1], ordered[high - 1]))


def test_seven_weights_or_seven_weeks_have_no_slope() -> None:
    enough = every(10, 8)
    assert newest(enough)["kg_per_month"] is not None
    assert newest(enough[:7])["kg_per_month"] is None
    assert newest(every(8, 8))["kg_per_month"] is not None
    assert newest(every(7, 8))["kg_per_month"] is None
    assert newest(every(7, 8))["n"] == 8


def test_a_week_of_weighings_and_one_visit_have_no_slope() -> None:
    week = [(day, 80.0 + 0.1 * day) for day in range(8)]
    assert newest([*week, (70, 85.0)])["kg_per_month"] is None
    spread = [*week, (30, 82.0), (50, 83.0), (70, 85.0)]
    assert newest(spread)["kg_per_month"] is not None


@pytest.mark.parametrize("factor", [2.20462, 1 / 2.20462, 10.0, 0.1])
@pytest.mark.parametrize("wrong", [0, 5, 11])
def test_one_weight_in_the_wrong_unit_bends_nothing(factor: float, wrong: int) -> None:
    weights = every(14, 12)
    sound = newest([each for k, each in enumerate(weights) if k != wrong])
    bent = [(day, kg * factor if k == wrong else kg) for k, (day, kg) in enumerate(weights)]
    month = sound["month"]
    (row,) = [each for each in slopes(frame(bent)) if each["month"] == month]
    assert row == sound


def test_weights_that_are_a_little_wrong_bend_little() -> None:
    weights = every(14, 12)
    heavy = [(day, kg + (12 if k in (2, 7) else 0)) for k, (day, kg) in enumerate(weights)]
    slope, bent = newest(weights)["kg_per_month"], newest(heavy)["kg_per_month"]
    ordinary = float(np.polyfit(*zip(*heavy[-11:], strict=True), 1)[0]) * MONTH_DAYS
    assert slope == pytest.approx(0.02 * MONTH_DAYS, abs=0.06)
    assert bent == pytest.approx(slope, abs=0.25)
    assert abs(ordinary - slope) > abs(bent - slope)


def test_a_slope_is_of_the_half_year_to_the_month_s_end() -> None:
    falling = [(10 * k, 90 - 0.2 * k) for k in range(20)]
    rising = [(200 + 10 * k, 86 + 0.3 * k) for k in range(20)]
    rows = slopes(frame([*falling, *rising]))
    assert rows[-1]["kg_per_month"] == pytest.approx(0.03 * MONTH_DAYS)
    assert rows[5]["kg_per_month"] == pytest.approx(-0.02 * MONTH_DAYS)
    alone = slopes(frame([w for w in [*falling, *rising] if w[0] > 200]))[-1]
    assert alone == rows[-1]


def test_every_month_with_a_weight_has_its_row_and_no_other() -> None:
    rows = slopes(frame([(0, 80.0), (40, 81.0), (200, 82.0)]))
    assert [row["month"] for row in rows] == [date(2026, 1, 1), date(2026, 2, 1), date(2026, 7, 1)]
    assert [row["n"] for row in rows] == [1, 2, 2]


def test_daily_weighings_count_by_the_week() -> None:
    rng = np.random.default_rng(6401)
    noise = rng.normal(0, 0.6, 180)
    row = newest([(k, 80 + 0.02 * k + float(noise[k])) for k in range(170)])
    assert row["n"] > 150
    assert row["kg_per_month"] == pytest.approx(0.02 * MONTH_DAYS, abs=0.12)
    assert row["low"] < 0.02 * MONTH_DAYS < row["high"]


@pytest.mark.parametrize("count", [8, 16])
def test_nine_in_ten_intervals_hold_the_true_slope(count: int) -> None:
    rng = np.random.default_rng(6402 + count)
    people = [
        frame(
            [(10 * k, 80 + 0.01 * 10 * k + float(rng.normal(0, 0.8))) for k in range(count)], str(p)
        )
        for p in range(600)
    ]
    last = weight_slopes(pl.concat(people).lazy()).collect().group_by("patient_id").last()
    held = last.select(
        ((pl.col("low") <= 0.01 * MONTH_DAYS) & (pl.col("high") >= 0.01 * MONTH_DAYS)).mean()
    ).item()
    assert held == pytest.approx(0.92, abs=0.04)


def test_people_are_apart_and_the_order_of_weights_does_not_matter() -> None:
    both = pl.concat([frame(every(10, 12)), frame(every(10, 12, -0.05), "a")])
    expected = slopes(both)
    assert {row["patient_id"] for row in expected} == {"a", "p"}
    assert slopes(both.sample(fraction=1, shuffle=True, seed=4)) == expected
    assert [row for row in expected if row["patient_id"] == "p"] == slopes(frame(every(10, 12)))


def test_a_day_s_weight_is_the_median_of_clinic_and_scales() -> None:
    at = datetime.fromisoformat("2026-03-01T07:00")
    observations = pl.LazyFrame(
        [("p", "weight", at.date(), 80.4), ("p", "height", at.date(), 180.0)],
        schema={"patient_id": pl.String, "analyte": pl.String, "observed_on": pl.Date}
        | {"value": pl.Float64},
        orient="row",
    )
    samples = pl.LazyFrame(
        [("p", "weight", at, 80.0), ("p", "weight", at, 176.0), ("p", "weight", at, 0.0)],
        schema={"patient_id": pl.String, "kind": pl.String, "observed_local": pl.Datetime("us")}
        | {"value": pl.Float64},
        orient="row",
    )
    assert daily_weights(observations, samples).collect().rows() == [("p", at.date(), 80.4)]


PAIR = {
    "patient_id": pl.String,
    "drawn_on": pl.Date,
    "insulin_uiu_ml": pl.Float64,
    "glucose_mg_dl": pl.Float64,
    "used": pl.Boolean,
    "reason": pl.String,
}
HEIGHT = {"patient_id": pl.String, "observed_on": pl.Date, "height_cm": pl.Float64}


def pairs(*draws: tuple[int, float], used: bool = True) -> pl.DataFrame:
    """Draws as (days since the start, insulin)."""
    rows = [("p", START + timedelta(days=day), insulin, 90.0, used, None) for day, insulin in draws]
    return pl.DataFrame(rows, schema=PAIR, orient="row")


def tall(cm: float | None = 200.0) -> pl.LazyFrame:
    rows = [("p", START, cm)] if cm else []
    return pl.LazyFrame(rows, schema=HEIGHT, orient="row")


def at_one_weight(
    draws: pl.DataFrame, weights: Weights, heights: pl.LazyFrame | None = None
) -> list[dict[str, Any]]:
    height = tall() if heights is None else heights
    return at_constant_weight(draws.lazy(), frame(weights).lazy(), height).collect().to_dicts()


def test_insulin_is_brought_to_the_newest_draw_s_body_mass_index() -> None:
    rows = at_one_weight(pairs((0, 6.0), (400, 8.0), (800, 10.0)), [(0, 80), (390, 84), (810, 100)])
    expected = [6 * math.exp(0.060 * 5), 8 * math.exp(0.060 * 4), 10.0]
    assert [row["insulin_uiu_ml"] for row in rows] == pytest.approx(expected)
    assert [row["weight_change_kg"] for row in rows] == [0, 4, 20]
    assert [row["glucose_mg_dl"] for row in rows] == [90.0] * 3


def test_a_climb_that_weight_could_explain_is_flat_at_constant_weight() -> None:
    steps = range(5)
    draws = pairs(*((365 * k, 6 * math.exp(LN_INSULIN_PER_BMI * k)) for k in steps))
    gained = at_one_weight(draws, [(365 * k, 80 + 4 * k) for k in steps])
    steady = at_one_weight(draws, [(365 * k, 80) for k in steps])
    assert len({round(row["insulin_uiu_ml"], 9) for row in gained}) == 1
    assert [row["insulin_uiu_ml"] for row in steady] == draws["insulin_uiu_ml"].to_list()


def test_the_coefficient_is_cardia_s_at_its_level_of_insulin() -> None:
    uiu_ml_per_unit = 16.7 * LN_INSULIN_PER_BMI
    assert uiu_ml_per_unit == pytest.approx(5 / 5, abs=0.01)


@pytest.mark.parametrize(("apart", "told"), [(90, 2), (91, 0)])
def test_without_a_weight_within_ninety_days_of_every_used_draw_nothing_is_said(
    apart: int, told: int
) -> None:
    draws = pairs((0, 6.0), (400, 8.0))
    assert len(at_one_weight(draws, [(0, 80), (400 - apart, 82)])) == told
    assert len(at_one_weight(draws, [(0, 80), (400 + apart, 82)])) == told


def test_a_draw_that_is_not_used_needs_no_weight_and_is_left_out() -> None:
    draws = pl.concat([pairs((0, 6.0), (400, 8.0)), pairs((2000, 50.0), used=False)])
    rows = at_one_weight(draws, [(0, 80), (400, 82)])
    assert [row["drawn_on"] for row in rows] == [START, START + timedelta(days=400)]
    assert rows[0]["insulin_uiu_ml"] == pytest.approx(6 * math.exp(0.060 * 0.5))


@pytest.mark.parametrize(("cm", "told"), [(None, 0), (72.0, 0), (260.0, 0), (180.0, 1)])
def test_without_an_adult_s_height_nothing_is_said(cm: float | None, told: int) -> None:
    assert len(at_one_weight(pairs((0, 6.0)), [(0, 80)], tall(cm))) == told


def test_a_weight_in_pounds_is_no_weight() -> None:
    draws = pairs((0, 6.0), (400, 8.0))
    weights: Weights = [(0, 80), (200, 81), (380, 180), (410, 82)]
    assert at_one_weight(draws, weights)[-1]["weight_change_kg"] == 2
    assert at_one_weight(draws, weights[:3]) == []


def test_the_order_of_rows_does_not_matter_for_adjusted_pairs() -> None:
    draws = pairs((0, 6.0), (400, 8.0), (800, 10.0))
    weights: Weights = [(0, 80), (390, 84), (810, 100)]
    assert at_one_weight(draws.reverse(), weights[::-1]) == at_one_weight(draws, weights)
