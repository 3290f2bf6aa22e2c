"""Bad draws: found, discounted, and weighed as a second slow reference weighs them.

That reference filters: one draw after the other updates every combination of scale, configuration
and component, and its weight is the product of what each draw was predicted to be.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from tests.transforms.test_trends import feigned
from transforms.catalog.prior import SHIPPED_NOISE, SHIPPED_PRIOR, Noise
from transforms.model import INSULIN_SLOPE, SUSPECTS, Series, described, doubted, told_apart
from transforms.synthetic.physiology import cohort
from transforms.trends import doubts, shuffled, trends, without_each

Floats = NDArray[np.float64]
Values = list[tuple[float, float, float, float, float]]
"""Insulin, glucose, spread, extra and P(fasting), if known, of each draw."""
PLAIN = replace(SHIPPED_NOISE, scales=((1.0, 1.0),), contaminations=())
KINDS = SHIPPED_NOISE.contaminations


def yearly(insulin: list[float], glucose: float = 90.0) -> pl.LazyFrame:
    on = [date(2010, 1, 1) + timedelta(365 * i) for i in range(len(insulin))]
    return pl.LazyFrame(
        {
            "patient_id": "a",
            "drawn_on": on,
            "insulin_uiu_ml": insulin,
            "glucose_mg_dl": [glucose] * len(insulin),
        }
    )


def p_unseen(pairs: pl.LazyFrame, noise: Noise = SHIPPED_NOISE) -> float:
    found = trends(pairs, noise, latest_only=True).collect()
    return float(found["p_climbing_unseen"].item())


def filtered(days: list[int], values: Values, most_bad: int) -> dict[str, object]:
    """Averages over all terms: P(slope above), P(bad) by draw and kind."""
    weights: list[float] = []
    climbing, bads = [], []
    configurations = [
        c
        for c in product(range(len(KINDS) + 1), repeat=len(days))
        if sum(kind > 0 for kind in c) <= most_bad
    ]
    components = list(
        zip(SHIPPED_PRIOR.weights, SHIPPED_PRIOR.means, SHIPPED_PRIOR.covariances, strict=True)
    )
    for (scale, share), kinds, (own, m, p) in product(
        SHIPPED_NOISE.scales, configurations, components
    ):
        log_weight, mean, covariance = _followed(days, values, (scale, kinds, m, p))
        weights.append(log_weight + np.log(share) + np.log(own))
        climbing.append(norm.sf(INSULIN_SLOPE, mean[1], covariance[1, 1] ** 0.5))
        bads.append([[kind == b + 1 for b in range(len(KINDS))] for kind in kinds])
    weight = np.exp(np.array(weights) - max(weights))
    weight /= weight.sum()
    return {
        "climbing": weight @ climbing,
        "bad": np.einsum("t,tjb->jb", weight, np.array(bads)),
    }


def _followed(
    days: list[int], values: Values, term: tuple[float, tuple[int, ...], object, object]
) -> tuple[float, Floats, Floats]:
    """A term's log weight, mean and covariance after all draws."""
    scale, kinds, m, p = term
    years = np.array([(day - days[-1]) / 365.25 for day in days])
    # Wander is a fifth parameter, a tilt about the middle of the draws.
    mean, covariance = np.append(m, 0.0), np.zeros((5, 5))
    covariance[:4, :4], covariance[4, 4] = p, feigned(years)
    sd = np.array([scale * SHIPPED_NOISE.insulin_sd, SHIPPED_NOISE.glucose_sd])
    cross = SHIPPED_NOISE.correlation * sd[0] * sd[1]
    log_weight = 0.0
    for day, (insulin, glucose, factor, extra, fasting), kind in zip(
        days, values, kinds, strict=True
    ):
        t = (day - days[-1]) / 365.25
        x = np.array([[1, t, 0, 0, t - years.mean()], [0, 0, 1, t, 0]])
        r = factor * np.array([[sd[0] ** 2, cross], [cross, sd[1] ** 2]]) + np.diag([extra, 0])
        rates = [1 - fasting if k.name == "non-fasting" and fasting > 0 else k.rate for k in KINDS]
        rate, shift = 1 - sum(rates), np.zeros(2)
        if kind:
            bad = KINDS[kind - 1]
            rate, shift = rates[kind - 1], np.array([bad.insulin[0], bad.glucose[0]])
            r = r + np.diag([bad.insulin[1], bad.glucose[1]])
        spread = x @ covariance @ x.T + r
        expected = x @ mean + shift
        off, inverse = np.log([insulin, glucose]) - expected, np.linalg.inv(spread)
        log_weight += np.log(rate) - 0.5 * (off @ inverse @ off + np.log(np.linalg.det(spread)))
        gain = covariance @ x.T @ inverse
        mean = mean + gain @ off
        covariance = covariance - gain @ x @ covariance
    return log_weight, mean, covariance


few_draws = st.lists(
    st.tuples(
        st.integers(0, 3000),
        st.floats(1, 150),
        st.floats(60, 160),
        st.sampled_from([1.0, 1.0, 0.5]),
        st.sampled_from([0.0, 0.0, 0.2]),
        st.sampled_from([np.nan, np.nan, 0.99, 0.3]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda draw: draw[0],
).map(sorted)


@settings(max_examples=8, deadline=None)
@given(few_draws)
def test_bad_draws_are_weighed_as_a_filter_weighs_them(
    draws: list[tuple[int, float, float, float, float, float]],
) -> None:
    days, values = [draw[0] for draw in draws], [draw[1:] for draw in draws]
    insulin, glucose, spread, extra, fasting = np.array(values).T
    cases, odds = np.array([[0, len(days), -1]]), told_apart(fasting, SHIPPED_NOISE)
    series = Series(np.array(days), np.log(insulin), np.log(glucose), cases, spread, extra, odds)
    for most_bad, pair_from in ((1, 2.0), (2, 0.0)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("transforms.model.PAIR_FROM", pair_from)
            found = described(series, SHIPPED_NOISE, SHIPPED_PRIOR)
            bad = doubted(series, SHIPPED_NOISE, SHIPPED_PRIOR)
        slow = filtered(days, values, most_bad)
        assert found["p_insulin_climbing"][0] == pytest.approx(slow["climbing"], abs=1e-6)
        np.testing.assert_allclose(bad, slow["bad"], atol=1e-6)
        assert found["p_bad_newest"][0] == pytest.approx(bad[-1].sum(), abs=1e-6)


@pytest.fixture(scope="module")
def judged_draws() -> pl.DataFrame:
    """Doubts of a simulated cohort beside what was done to each draw, three draws or more."""
    made = cohort(6_000, 920)
    days = ((pl.col("started_years") + pl.col("years")) * 365.25).round().cast(pl.Int32)
    truth = made.draws.join(made.people.select("person", "started_years"), on="person").select(
        "contamination",
        patient_id=pl.col("person").cast(pl.String),
        drawn_on=pl.lit(date(2014, 1, 1)) + pl.duration(days=days),
    )
    found = doubts(made.pairs()).collect().join(truth, on=["patient_id", "drawn_on"])
    return found.filter(pl.len().over("patient_id") >= 3)


def auc(judged: pl.DataFrame, kind: str) -> float:
    """P(a draw of this kind is doubted more than a good one)."""
    rows = judged.filter(pl.col("contamination").is_in([kind, "good"]))
    bad = (rows["contamination"] == kind).to_numpy()
    rank, n = rankdata(rows["p_bad"]), int(bad.sum())
    return float((rank[bad].sum() - n * (n + 1) / 2) / (n * (bad.size - n)))


def test_unit_slips_and_meals_are_found_among_good_draws(judged_draws: pl.DataFrame) -> None:
    assert auc(judged_draws, "insulin_pmol") > 0.98
    assert auc(judged_draws, "non_fasting") > 0.85


def test_what_is_surely_bad_is_bad_and_what_is_named_a_unit_slip_is_one(
    judged_draws: pl.DataFrame,
) -> None:
    sure = judged_draws.filter(pl.col("p_bad") > 0.9)
    assert sure.filter(pl.col("contamination") != "good").height > 0.9 * sure.height
    named = sure.filter(pl.col("likely") == "unit")
    assert named.filter(pl.col("contamination") == "insulin_pmol").height > 0.6 * named.height


def test_doubts_of_middling_size_are_near_the_truth_and_rather_too_small(
    judged_draws: pl.DataFrame,
) -> None:
    middling = judged_draws.filter(pl.col("p_bad").is_between(0.2, 0.8))
    is_bad = middling["contamination"] != "good"
    assert is_bad.mean() == pytest.approx(middling["p_bad"].mean() + 0.1, abs=0.08)


def test_a_result_in_the_wrong_unit_is_named_and_makes_no_climber() -> None:
    slip = [8.0, 8.4, 7.9, 8.1, 8.0, 8.2 * 6]
    named = {}
    for glucose in (86.0, 100.0):  # not raised, and raised as after a meal
        last = pl.Series([90.0] * 5 + [glucose])
        row = doubts(yearly(slip).with_columns(glucose_mg_dl=last)).collect().row(-1, named=True)
        named[glucose] = row["likely"]
        assert row["p_bad"] > 0.95
    assert named == {86.0: "unit", 100.0: "non-fasting"}
    assert trends(yearly(slip), latest_only=True).collect()["p_bad_newest"].item() > 0.95
    assert p_unseen(yearly(slip)) < 0.1 < p_unseen(yearly(slip), PLAIN)


def test_a_meal_before_the_newest_draw_makes_no_climber() -> None:
    meal = [8.0, 8.4, 7.9, 8.1, 8.0, 24.0]
    assert p_unseen(yearly(meal)) < 0.15 < p_unseen(yearly(meal), PLAIN)
    assert doubts(yearly(meal)).collect()["likely"][-1] == "non-fasting"


def test_a_climb_is_seen_through_two_bad_draws() -> None:
    climb = [6 * 1.15**year for year in range(9)]
    assert p_unseen(yearly(climb)) > 0.8
    climb[2] *= 6
    climb[5] *= 3
    assert p_unseen(yearly(climb)) > 0.5
    found = doubts(yearly(climb)).collect()["p_bad"]
    assert min(found[2], found[5]) > 0.5 > found.gather([0, 1, 3, 4, 6, 7, 8]).max()


def test_noise_without_contaminations_doubts_nothing() -> None:
    found = doubts(yearly([8.0, 50.0, 8.0]), PLAIN).collect()
    assert found["p_bad"].to_list() == [0, 0, 0]
    assert found["likely"].null_count() == 3
    assert trends(yearly([8.0, 50.0]), PLAIN).collect()["p_bad_newest"].to_list() == [0, 0]


def test_no_pairs_give_no_doubts_of_the_same_columns() -> None:
    empty = doubts(yearly([8.0]).clear())
    assert empty.collect().is_empty()
    assert empty.collect_schema() == doubts(yearly([8.0])).collect_schema()


def test_the_bad_draw_of_a_long_series_is_a_suspect() -> None:
    insulin = [8.0 + 0.3 * (-1) ** i for i in range(3 * SUSPECTS)]
    insulin[5] *= 6
    found = doubts(yearly(insulin)).collect()
    assert found["p_bad"][5] > 0.95
    assert found.filter(pl.col("p_bad") > 0).height == SUSPECTS
    assert found["p_bad"][-1] > 0


def test_ten_thousand_draws_of_one_patient_are_judged() -> None:
    days = range(10_000)
    value = np.exp(
        2.3 + 0.0003 * np.arange(10_000) + np.random.default_rng(1).normal(0, 0.3, 10_000)
    )
    pairs = pl.LazyFrame(
        {
            "patient_id": "a",
            "drawn_on": [date(1990, 1, 1) + timedelta(day) for day in days],
            "insulin_uiu_ml": value,
            "glucose_mg_dl": 90.0,
        }
    )
    found = trends(pairs, latest_only=True).collect()
    assert found["n_pairs"].item() == 10_000
    assert found["p_insulin_climbing"].item() > 0.99
    assert without_each(pairs.head(100)).collect().height == 100


def test_rates_that_leave_no_draw_good_are_refused() -> None:
    always = replace(SHIPPED_NOISE, contaminations=(replace(KINDS[0], rate=1.0),))
    with pytest.raises(ValueError, match="less than one"):
        p_unseen(yearly([8.0]), always)


RISEN = [7.0, 7.5, 7.0, 19.0]


def last_known(p_fasting: float | None) -> pl.LazyFrame:
    """A series whose last insulin is high, and what is known of the fast before that draw."""
    known = pl.Series("p_fasting", [None, None, None, p_fasting], dtype=pl.Float64)
    return yearly(RISEN).with_columns(known)


def test_a_draw_known_to_follow_a_meal_is_doubted_and_one_known_to_be_fasting_is_not() -> None:
    def p_bad(pairs: pl.LazyFrame) -> float:
        return float(doubts(pairs).collect()["p_bad"][-1])

    assert p_bad(last_known(0.2)) > p_bad(last_known(None)) + 0.2
    assert p_bad(last_known(0.998)) < p_bad(last_known(None)) - 0.05
    assert p_unseen(last_known(0.2)) < p_unseen(last_known(None)) < p_unseen(last_known(0.998))


def test_where_nothing_is_known_of_any_fast_nothing_changes_to_the_bit() -> None:
    assert trends(last_known(None)).collect().equals(trends(yearly(RISEN)).collect())
    assert not trends(last_known(0.2)).collect().equals(trends(yearly(RISEN)).collect())


def test_what_is_known_of_one_persons_fast_moves_nobody_else() -> None:
    other = yearly(RISEN).with_columns(patient_id=pl.lit("b"))
    both = pl.concat([last_known(0.2), other], how="diagonal")
    found = trends(both).collect().filter(patient_id="b")
    assert found.drop("patient_id").equals(trends(yearly(RISEN)).collect().drop("patient_id"))


def test_knowledge_of_a_fast_stays_with_its_values_when_visits_are_shuffled() -> None:
    known, unknown = (shuffled(last_known(p)).collect()["p_shuffled"][0] for p in (0.2, None))
    assert known != unknown
