"""The rivals against SciPy and by hand."""

from __future__ import annotations

from datetime import date, timedelta
from math import exp, log, sqrt

import numpy as np
import polars as pl
import pytest
from scipy import stats

from transforms.rivals import (
    RCV,
    RIVALS,
    Floats,
    Visits,
    gaussian,
    line,
    mann_kendall,
    ols_p,
    scores,
    theil_sen_low,
    theil_sen_slope,
    visits,
)

MONDAY = date(2020, 1, 6)
BY_NAME = {rival.name: rival for rival in RIVALS}


def of(*series: list[float], glucose: float = 90.0) -> Visits:
    """Visits of people with these ln insulins, a draw every 200 days."""
    rows = [
        (f"p{i:05}", MONDAY + timedelta(days=200 * j), exp(y), glucose)
        for i, values in enumerate(series)
        for j, y in enumerate(values)
    ]
    return visits(framed(rows))


def framed(rows: list[tuple[str, date, float, float]]) -> pl.LazyFrame:
    names = ["patient_id", "drawn_on", "insulin_uiu_ml", "glucose_mg_dl"]
    return pl.LazyFrame(rows, schema=names, orient="row")


def random_series(seed: int, least: int = 2) -> list[list[float]]:
    """Series of 2 to 10 values, among them many with equal values."""
    rng = np.random.default_rng(seed)
    series = [rng.normal(2, 0.5, rng.integers(least, 11)).tolist() for _ in range(40)]
    return series + [np.round(values, 0).tolist() for values in series]


def times(values: list[float]) -> Floats:
    return np.arange(len(values)) * 200 / 365.25


def test_the_slope_and_its_p_are_those_of_scipy() -> None:
    series = [values for values in random_series(1, least=3) if len(set(values)) > 1]
    slope, p = line(of(*series)).slope, ols_p(of(*series))
    for i, values in enumerate(series):
        expected = stats.linregress(times(values), values, alternative="greater")
        assert slope[i] == pytest.approx(expected.slope, abs=1e-12)
        assert -p[i] == pytest.approx(expected.pvalue, abs=1e-9)


def test_two_visits_or_no_change_at_all_are_no_evidence() -> None:
    found = ols_p(of([1.0, 3.0], [2.0] * 5, [3.0, 1.0], [1.0, 2.0, 3.5]))
    assert found[:3].tolist() == [-0.5] * 3
    assert found[3] > -0.1


def test_theil_sen_and_its_interval_are_those_of_scipy() -> None:
    series = random_series(2)
    slope, low = theil_sen_slope(of(*series)), theil_sen_low(of(*series))
    for i, values in enumerate(series):
        expected = stats.theilslopes(values, times(values), alpha=0.9)
        assert slope[i] == pytest.approx(expected.slope, abs=1e-12)
        assert low[i] == pytest.approx(expected.low_slope, abs=1e-12)


def test_mann_kendall_is_kendalls_s_with_its_variance_and_continuity_correction() -> None:
    series = [values for values in random_series(3, least=3) if len(set(values)) > 1]
    found = mann_kendall(of(*series))
    moved = 0
    for i, values in enumerate(series):
        n, tied = len(values), np.unique(values, return_counts=True)[1]
        pairs = n * (n - 1) / 2
        kendall = stats.kendalltau(
            times(values), values, method="asymptotic", alternative="greater"
        )
        s = kendall.statistic * sqrt(pairs * (pairs - (tied * (tied - 1)).sum() / 2))
        if abs(s) > 1:
            z = stats.norm.isf(kendall.pvalue)
            assert found[i] == pytest.approx(z * (s - np.sign(s)) / s, abs=1e-6)
            moved += 1
        else:
            assert found[i] == pytest.approx(0, abs=1e-9)
    assert moved > 40


def test_a_series_that_never_moves_has_no_trend() -> None:
    same = of([2.0] * 4)
    assert mann_kendall(same).tolist() == [0.0]
    assert theil_sen_slope(same).tolist() == [0.0]
    assert line(same).slope.tolist() == [0.0]


def test_one_visit_allows_a_level_but_no_trend() -> None:
    alone = of([3.0], [2.0, 2.5])
    for name, rival in BY_NAME.items():
        is_last = rival.scored(alone)[0] == -np.inf
        assert is_last == (name in ("OLS slope", "Theil-Sen", "Theil-Sen low")), name


def test_levels_and_changes_are_computed_from_the_first_and_the_newest_visit() -> None:
    seen = of([log(5), log(30), log(10)], glucose=81.0)
    expected = {"HOMA-IR": 2.0, "insulin": 10.0, "last - first": 5.0, "RCV": log(2)}
    for name, value in expected.items():
        assert BY_NAME[name].scored(seen)[0] == pytest.approx(value)


def test_the_reference_change_value_is_exceeded_by_noise_once_in_twenty() -> None:
    noise = np.random.default_rng(4).normal(0, 0.261, (2, 40_000))
    assert (noise[1] - noise[0] > RCV).mean() == pytest.approx(0.05, abs=0.004)


@pytest.mark.parametrize(("glucose", "is_last"), [(99.9, False), (100.0, True)])
def test_people_whose_mean_glucose_is_100_come_last(glucose: float, is_last: bool) -> None:
    seen = of([1.0, 2.0, 3.0], glucose=glucose)
    assert [rival.scored(seen)[0] == -np.inf for rival in RIVALS] == [is_last] * len(RIVALS)


def test_draws_of_one_day_are_one_visit_at_their_geometric_mean() -> None:
    rows = [("a", MONDAY, 4.0, 80.0), ("a", MONDAY, 9.0, 90.0)]
    seen = visits(framed([*rows, ("a", MONDAY + timedelta(days=365), 6.0, 90.0)]))
    assert seen.n.tolist() == [2]
    assert np.exp(seen.y[0]) == pytest.approx([6.0, 6.0])
    assert np.exp(seen.g[0, 0]) == pytest.approx(sqrt(80 * 90))


def test_the_first_visits_are_what_was_known_then() -> None:
    rng = np.random.default_rng(5)
    long = rng.normal(2, 0.5, (30, 6)).tolist()
    then, early = of(*long).upto(4), of(*[values[:4] for values in long])
    for rival in RIVALS:
        np.testing.assert_allclose(rival.scored(then), rival.scored(early), rtol=1e-9, atol=1e-12)


def test_the_order_of_people_and_of_draws_does_not_matter() -> None:
    rng = np.random.default_rng(6)
    rows = [
        (f"p{i}", MONDAY + timedelta(days=int(d)), float(v), 90.0)
        for i in range(20)
        for d, v in zip(rng.choice(2000, 5, replace=False), rng.lognormal(2, 0.4, 5), strict=True)
    ]
    shuffled = [rows[k] for k in rng.permutation(len(rows))]
    assert scores(framed(rows)).equals(scores(framed(shuffled)))


def test_empirical_bayes_finds_what_people_were_drawn_from() -> None:
    rng = np.random.default_rng(7)
    n, t = 4000, np.arange(6) * 200 / 365.25
    level, slope = rng.normal(2, 0.4, n), rng.normal(0.05, 0.08, n)
    y = level[:, None] + slope[:, None] * t + rng.normal(0, 0.2, (n, 6))
    p = stats.norm.cdf(gaussian(of(*y.tolist())))
    climbs = slope > log(1.05)
    for low in (0.1, 0.3, 0.5, 0.7):
        some = (p >= low) & (p < low + 0.2)
        assert climbs[some].mean() == pytest.approx(p[some].mean(), abs=0.05)
    assert p[climbs].mean() > p[~climbs].mean() + 0.2
