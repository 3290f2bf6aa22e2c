"""Strange series: a clear error or finite numbers with probabilities from 0 to 1, never a crash.

Single values without a logarithm are in test_trends.py, reasons of single draws in test_pairs.py.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import product
from math import inf, nan
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars import selectors as cs

from transforms.catalog.prior import SHIPPED_NOISE, SHIPPED_PRIOR
from transforms.exclusions import SPAN
from transforms.fitting import fit
from transforms.pairs import fasting_pairs
from transforms.trends import doubts, histories, trends, with_next, without_each

Draw = tuple[date, float | None, float | None]
Row = dict[str, Any]
FIRST = date(2015, 1, 1)
FRAME = {
    "patient_id": pl.String,
    "drawn_on": pl.Date,
    "insulin_uiu_ml": pl.Float64,
    "glucose_mg_dl": pl.Float64,
}
RESULT: dict[str, pl.DataType] = {
    "patient_id": pl.String(),
    "analyte": pl.String(),
    "observed_at": pl.Datetime("us"),
    "observed_on": pl.Date(),
    "observed_precision": pl.String(),
    "value": pl.Float64(),
    "comparator": pl.String(),
    "fasting": pl.String(),
    "lab": pl.String(),
    "assay": pl.String(),
    "absent_reason": pl.String(),
    "comment": pl.String(),
    "known_at": pl.Datetime("us"),
}


def yearly(*values: tuple[float | None, float | None]) -> list[Draw]:
    return [(FIRST + timedelta(365 * i), one, other) for i, (one, other) in enumerate(values)]


def frame(draws: list[Draw], patient: str = "a") -> pl.LazyFrame:
    return pl.LazyFrame([(patient, *draw) for draw in draws], schema=FRAME, orient="row")


def assert_sound(found: pl.DataFrame, rows: int) -> None:
    """Every number finite, every probability one."""
    assert found.height == rows
    numbers = found.select(cs.float())
    assert numbers.width > 0
    assert numbers.null_count().sum_horizontal().sum() == 0
    assert numbers.select(pl.all().is_finite().all()).row(0) == (True,) * numbers.width
    for name in (column for column in numbers.columns if column.startswith("p_")):
        assert numbers[name].is_between(-1e-12, 1 + 1e-12).all(), name


SERIES: dict[str, list[Draw]] = {
    "tiny": yearly(*[(1e-6, 1e-6)] * 5),
    "huge": yearly(*[(1e6, 1e6)] * 5),
    "insulin tiny then huge": yearly((1e-6, 90), (1e-6, 90), (1e6, 90)),
    "both jump to and fro": yearly(*[(1e-6, 1e6), (1e6, 1e-6)] * 8),
    "at the ends of floating point": yearly((5e-324, 1.7e308), (1.7e308, 5e-324), (5.0, 90.0)),
    "one draw": yearly((1e6, 1e-6)),
    "two draws of one day, worlds apart": [(FIRST, 1e-6, 90.0), (FIRST, 1e6, 90.0)],
    "days on end": [(FIRST + timedelta(i), 5.0 + i % 3, 90.0) for i in range(60)],
    "always the same": yearly(*[(5.0, 90.0)] * 60),
    "first and last day of the calendar": [(date.min, 5.0, 90.0), (date.max, 6.0, 91.0)],
    "newest first": yearly((5.0, 90.0), (6.0, 91.0), (7.0, 92.0))[::-1],
}


@pytest.mark.parametrize("case", SERIES)
def test_a_strange_series_gives_numbers(case: str) -> None:
    draws = frame(SERIES[case])
    days = len({on for on, _, _ in SERIES[case]})
    assert_sound(trends(draws).collect(), days)
    assert_sound(doubts(draws).collect(), days)
    assert_sound(without_each(draws).collect(), days if days > 1 else 0)


LIMITS: dict[str, list[str | None]] = {
    "the first": ["<", None, None],
    "the newest": [None, None, ">"],
    "all below": ["<", "<", "<="],
    "all above": [">", ">=", ">"],
    "one each": ["<", None, ">"],
}


@pytest.mark.parametrize("case", LIMITS)
@pytest.mark.parametrize("value", [1e-6, 5.0, 1e6])
def test_limits_instead_of_values_give_numbers(case: str, value: float) -> None:
    plain = frame(yearly(*[(value, 90.0)] * 3)).collect()
    draws = plain.with_columns(insulin_comparator=pl.Series(LIMITS[case])).lazy()
    found = trends(draws).collect()
    assert_sound(found, 3)
    assert_sound(doubts(draws).collect(), 3)
    assert_sound(without_each(draws).collect(), 3)
    assert not found.equals(trends(plain.lazy()).collect())


def test_a_strange_patient_leaves_the_others_as_they_are() -> None:
    plain = yearly((5.0, 90.0), (6.0, 91.0), (7.0, 92.0))
    alone = trends(frame(plain)).collect()
    strange = [frame(draws, f"z {case}") for case, draws in SERIES.items()]
    together = trends(pl.concat([*strange, frame(plain)])).collect()
    assert together.filter(patient_id="a").equals(alone)
    assert together.height > alone.height


def test_draws_of_one_day_are_one_visit_however_many_they_are() -> None:
    """They may say more of that day's level than one draw does, and nothing of a slope."""
    many = trends(frame([(FIRST, 4.0, 90.0), (FIRST, 9.0, 90.0)] * 500)).collect()
    one = trends(frame([(FIRST, 6.0, 90.0)])).collect()
    assert_sound(many, 1)
    assert many["n_pairs"].to_list() == [1]
    level, single = (found["insulin_level_uiu_ml"].item() for found in (many, one))
    assert abs(level - 6) <= abs(single - 6) + 1e-6
    slopes = [f["insulin_slope_high"].item() - f["insulin_slope_low"].item() for f in (many, one)]
    assert slopes[0] == pytest.approx(slopes[1], rel=0.2)


def test_extreme_draws_to_come_have_probabilities() -> None:
    past = frame(yearly((5.0, 90.0), (6.0, 91.0))).collect()
    on = FIRST + timedelta(2000)
    p = with_next(past, on, np.array([1e-6, 5.0, 1e6, 1e300]), 90.0)
    assert np.isfinite(p).all()
    assert ((p >= 0) & (p <= 1)).all()
    assert with_next(past, on, np.array([]), 90.0).size == 0


ASKED: list[Callable[[pl.LazyFrame], object]] = [trends, doubts, without_each, histories]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.__name__)
@pytest.mark.parametrize("value", [0.0, -1.0, nan, inf, None])
def test_one_bad_value_is_refused_whatever_is_asked(
    asked: Callable[[pl.LazyFrame], object], value: float | None
) -> None:
    sound = yearly(*[(5.0, 90.0)] * 3)
    asked(frame(sound))
    with pytest.raises(ValueError, match=r"^glucose_mg_dl .*: 1 rows are not$"):
        asked(frame([*sound, (FIRST + timedelta(2000), 5.0, value)]))


def test_a_thousand_draws_of_one_patient_are_judged_after_each() -> None:
    days, rng = range(1000), np.random.default_rng(1005)
    value = np.exp(rng.normal(1.6, 0.3, len(days))).tolist()
    draws: list[Draw] = [
        (FIRST + timedelta(3 * day), v, 90.0) for day, v in zip(days, value, strict=True)
    ]
    found = trends(frame(draws)).collect()
    assert_sound(found, len(days))
    assert found["n_pairs"].to_list() == [day + 1 for day in days]


def test_a_cohort_of_one_can_be_fitted_and_an_empty_one_is_refused() -> None:
    one = frame(yearly((5.0, 90.0), (6.0, 91.0)))
    noise, prior = fit(histories(one), SHIPPED_NOISE, SHIPPED_PRIOR, passes=2)
    assert sum(prior.weights) == pytest.approx(1)
    assert np.linalg.eigvalsh(np.array(prior.covariances)).min() > 0
    assert_sound(trends(one, noise, prior).collect(), 2)
    with pytest.raises(ValueError, match="no one"):
        fit(histories(one.clear()), SHIPPED_NOISE, SHIPPED_PRIOR)


# from results to pairs


def result(analyte: str, value: float | None, day: int = 0, **more: Any) -> Row:
    at = datetime.combine(FIRST, datetime.min.time()) + timedelta(day, hours=8)
    row: Row = {
        "patient_id": "a",
        "analyte": analyte,
        "observed_at": at,
        "observed_on": at.date(),
        "observed_precision": "time",
        "value": value,
        "fasting": "yes",
        "lab": "L",
        "known_at": at + timedelta(1),
    }
    return {name: (row | more).get(name) for name in RESULT}


def draw(insulin: float | None, glucose: float | None, day: int = 0, **more: Any) -> list[Row]:
    return [result("insulin", insulin, day, **more), result("glucose", glucose, day, **more)]


def pairs(rows: list[Row]) -> pl.DataFrame:
    return fasting_pairs(pl.LazyFrame(rows, schema=RESULT), pl.LazyFrame(schema=SPAN)).collect()


@pytest.mark.parametrize("value", [0.0, -0.0, -1e6, -inf])
def test_a_value_that_cannot_be_makes_no_pair_and_no_error(value: float) -> None:
    rows = [*draw(5.0, 90.0), *draw(value, 90.0, 400), *draw(6.0, value, 800)]
    found = pairs(rows)
    assert found["reason"].to_list() == [None, "no insulin", "no glucose"]
    assert_sound(trends(found.lazy().filter("used")).collect(), 1)


@pytest.mark.parametrize(("insulin", "glucose"), list(product((1e-6, 1e6), (1e-6, 1e6))))
def test_extreme_values_make_pairs_and_trends(insulin: float, glucose: float) -> None:
    found = pairs([*draw(5.1, 90.0), *draw(insulin, glucose, 400), *draw(5.3, 91.0, 800)])
    assert found["used"].to_list() == [True] * 3
    assert found.row(1, named=True)["insulin_uiu_ml"] == insulin
    assert_sound(trends(found.lazy().filter("used")).collect(), 3)


def test_the_order_of_results_does_not_matter_to_ten_thousand_draws_of_one_patient() -> None:
    rng = np.random.default_rng(1006)
    values = rng.lognormal(2, 0.3, 10_000).tolist()
    rows = [row for day, v in enumerate(values) for row in draw(v, 90.5, day)]
    found = pairs(rows)
    assert found["used"].all()
    assert found["insulin_uiu_ml"].to_list() == values
    assert pairs([rows[i] for i in rng.permutation(len(rows))]).equals(found)


def test_ten_thousand_results_of_one_day_are_one_pair() -> None:
    repeats = [result("insulin", 4.0 if i % 2 else 9.0) for i in range(10_000)]
    found = pairs([*repeats, result("glucose", 90.0)])
    assert found.height == 1
    assert found["insulin_uiu_ml"].item() == pytest.approx(6.0)


def test_a_laboratory_with_one_patient_makes_a_series() -> None:
    many = [
        row
        for patient in ("b", "c", "d")
        for day in (0, 400, 800)
        for row in draw(5.0 + day / 1000, 90.0, day, patient_id=patient)
    ]
    own = [row for day in (0, 400, 800) for row in draw(6.0 + day / 1000, 90.0, day, lab="only")]
    found = pairs([*many, *own])
    assert found["used"].to_list() == [True] * 12
    assert_sound(trends(found.lazy().filter("used")).collect(), 12)


def test_other_analytes_alone_make_no_pair() -> None:
    assert pairs([result("triglyceride", 90.0)]).is_empty()
    assert pairs([result("triglyceride", 90.0), *draw(5.0, 90.0)]).height == 1


def test_results_without_any_value_give_reasons_and_no_trend() -> None:
    found = pairs([*draw(None, None), *draw(None, None, 400)])
    assert found["reason"].to_list() == ["no insulin"] * 2
    assert trends(found.lazy().filter("used")).collect().is_empty()
