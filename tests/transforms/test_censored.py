"""Censored values as normal sites, against the exact posterior on a grid.

The reference knows no sites: the likelihood of an interval is a difference of normal distribution
functions, multiplied over a grid of levels and slopes. What the sites give is a plain normal
regression, written here anew.
"""

from __future__ import annotations

from dataclasses import replace
from math import exp, inf, log, nan

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import log_ndtr
from scipy.stats import truncnorm

from transforms.catalog.prior import SHIPPED_NOISE, SHIPPED_PRIOR
from transforms.censored import _inside, sites

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Limits = tuple[float, float]
Found = tuple[Floats, Floats]

MEAN_OFF, SD_OFF = 0.2, 0.2
"""How far mean and SD of level and slope may be from the exact ones, in exact SDs. Measured on 183
simulated series of 1 to 8 draws (seed 1000): mean .12 (level) and .16 (slope) at worst, .017 on
average; SD between .84 and 1.12 times the exact one."""

VARIANCE = SHIPPED_NOISE.insulin_sd**2 * sum(s**2 * share for s, share in SHIPPED_NOISE.scales)
WEIGHT = np.array(SHIPPED_PRIOR.weights)
MEANS = np.array(SHIPPED_PRIOR.means)[:, :2]
MEAN = WEIGHT @ MEANS
SQUARES = np.array(SHIPPED_PRIOR.covariances)[:, :2, :2] + MEANS[:, :, None] * MEANS[:, None, :]
COVARIANCE = np.tensordot(WEIGHT, SQUARES, 1) - np.outer(MEAN, MEAN)

_AXIS = np.linspace(-8, 8, 301)
_UNIT = np.stack(np.meshgrid(_AXIS, _AXIS), -1).reshape(-1, 2)
LINES = MEAN + _UNIT @ np.linalg.cholesky(COVARIANCE).T


def below(value: float) -> Limits:
    return -inf, log(value)


def above(value: float) -> Limits:
    return log(value), inf


def at(*values: float) -> list[Limits]:
    return [(log(value), log(value)) for value in values]


def yearly(n: int) -> Ints:
    return np.arange(n) * 365


def found(limits: list[Limits], day: Ints | None = None) -> Found:
    """The sites of one patient, with draws a year apart if not said otherwise."""
    low, high = np.array(limits, dtype=np.float64).reshape(-1, 2).T
    start = np.zeros(len(limits), np.int64)
    on = yearly(len(limits)) if day is None else day
    return sites(on, start, low, high, SHIPPED_NOISE, SHIPPED_PRIOR)


def posterior(day: Ints, y: Floats, extra: Floats) -> Found:
    """Mean and SD of (level, slope) now, from normal draws."""
    x = np.stack([np.ones(len(day)), (day - day[-1]) / 365.25], axis=1)
    weight = 1 / (VARIANCE + extra)
    covariance = np.linalg.inv(np.linalg.inv(COVARIANCE) + (x.T * weight) @ x)
    mean = covariance @ (np.linalg.solve(COVARIANCE, MEAN) + x.T @ (weight * y))
    return mean, np.sqrt(np.diag(covariance))


def exact(day: Ints, limits: list[Limits]) -> Found:
    """The same from the intervals themselves, on the grid."""
    logs = -0.5 * (_UNIT**2).sum(axis=1)
    sd = VARIANCE**0.5
    for t, (low, high) in zip((day - day[-1]) / 365.25, limits, strict=True):
        line = LINES[:, 0] + LINES[:, 1] * t
        if low == high:
            logs = logs - 0.5 * ((low - line) / sd) ** 2
        else:
            logs = logs + log_ndtr((high - line) / sd if low == -inf else (line - low) / sd)
    weight = np.exp(logs - logs.max())
    weight /= weight.sum()
    mean = weight @ LINES
    return mean, np.sqrt(weight @ (LINES - mean) ** 2)


def assert_near_exact(day: Ints, limits: list[Limits]) -> None:
    (mean, sd), (true_mean, true_sd) = posterior(day, *found(limits, day)), exact(day, limits)
    assert np.abs((mean - true_mean) / true_sd).max() < MEAN_OFF
    assert np.abs(sd / true_sd - 1).max() < SD_OFF


def simulated(rng: np.random.Generator) -> tuple[Ints, list[Limits]]:
    """A patient whose insulin is printed between two limits only."""
    n = int(rng.integers(1, 9))
    day = np.sort(rng.choice(3000, n, replace=False))
    level, slope = rng.multivariate_normal(MEAN, COVARIANCE)
    z = level + slope * (day - day[-1]) / 365.25 + rng.normal(0, VARIANCE**0.5, n)
    least, most = log(rng.choice([2, 5, 8])), log(rng.choice([300, 25, 12]))
    ends = [(-inf, least) if v < least else (most, inf) if v > most else (v, v) for v in z]
    return day, ends


def test_level_and_slope_are_near_the_exact_ones_in_simulated_series() -> None:
    rng = np.random.default_rng(1002)
    series = [simulated(rng) for _ in range(60)]
    censored = [(day, ends) for day, ends in series if any(a < b for a, b in ends)]
    assert len(censored) > 20
    for day, ends in censored:
        assert_near_exact(day, ends)


@pytest.mark.parametrize(
    "limits",
    [
        [below(2)],
        [above(300)],
        [below(2)] * 6,
        [above(25)] * 6,
        [below(2), *at(4, 5, 6, 8)],
        [below(2), below(2), below(2), *at(4, 5, 7)],
        [*at(8, 10, 14, 20), above(25), above(25)],
        [*at(20, 18, 21, 19), below(2)],
    ],
    ids=["one", "one above", "all", "all above", "first", "half", "last two", "out of line"],
)
def test_level_and_slope_are_near_the_exact_ones(limits: list[Limits]) -> None:
    assert_near_exact(yearly(len(limits)), limits)


@pytest.mark.parametrize("limits", [[below(2)], [*at(5, 6, 5, 7), below(2)], [*at(9), above(25)]])
def test_the_first_censored_draw_is_exact_where_it_is_the_newest(limits: list[Limits]) -> None:
    day = yearly(len(limits))
    (mean, sd), (true_mean, true_sd) = posterior(day, *found(limits)), exact(day, limits)
    np.testing.assert_allclose(mean, true_mean, atol=1e-5)
    np.testing.assert_allclose(sd, true_sd, atol=1e-5)


def test_below_two_pulls_like_one_point_four_and_weighs_less_than_that_value() -> None:
    y, extra = found([below(2)])
    assert exp(y[0]) == pytest.approx(1.40, abs=0.01)
    assert 0.02 < extra[0] < 0.05
    (mean, sd), (value, value_sd) = (
        posterior(yearly(1), y, of) for of in (extra, np.zeros_like(extra))
    )
    assert value[0] < mean[0] < MEAN[0]
    assert value_sd[0] < sd[0] < COVARIANCE[0, 0] ** 0.5


def test_a_limit_far_above_the_forecast_says_next_to_nothing() -> None:
    day, values = yearly(5), at(5, 4.8, 5.3, 5.1)
    mean, sd = posterior(day, *found([*values, below(25)]))
    without, without_sd = posterior(day, *found([*values, (-inf, inf)]))
    assert np.abs((mean - without) / without_sd).max() < 0.02
    assert np.abs(sd / without_sd - 1).max() < 0.02
    near, _ = posterior(day, *found([*values, below(3)]))
    assert (without - near)[0] / without_sd[0] > 0.5


@pytest.mark.parametrize("limits", [below(2), above(200)])
def test_a_limit_far_beyond_the_forecast_is_strong_and_finite(limits: Limits) -> None:
    y, extra = found([*at(20, 18, 21, 19), limits])
    assert limits[0] < y[-1] < limits[1]
    assert abs(y[-1] - log(20)) < abs(log(20 / 2)) + 0.3
    assert 0 < extra[-1] < 0.05


@pytest.mark.parametrize("limits", [below(1e-300), above(1e300), below(1e300), above(1e-300)])
def test_absurd_limits_give_finite_sites(limits: Limits) -> None:
    y, extra = found([*at(20, 18), limits, limits])
    assert np.isfinite(y).all()
    assert np.isfinite(extra).all()
    assert (extra >= 0).all()


def test_open_on_both_sides_is_as_if_not_drawn() -> None:
    y, extra = found([*at(5, 6), (-inf, inf)])
    assert 1e6 < extra[-1] < 1e10
    assert y[-1] == pytest.approx(log(5.5), abs=0.5)
    (mean, sd) = posterior(yearly(3), y, extra)
    x = np.array([[1, -730 / 365.25], [1, -365 / 365.25]])
    covariance = np.linalg.inv(np.linalg.inv(COVARIANCE) + x.T @ x / VARIANCE)
    pull = np.linalg.solve(COVARIANCE, MEAN) + x.T @ y[:2] / VARIANCE
    np.testing.assert_allclose(mean, covariance @ pull, atol=1e-6)
    np.testing.assert_allclose(sd, np.sqrt(np.diag(covariance)), atol=1e-6)


def test_an_interval_that_closes_becomes_the_value_itself() -> None:
    for width in (1e-3, 1e-6, 1e-12):
        y, extra = found([*at(5, 6), (2.0, 2.0 + width)])
        assert y[-1] == pytest.approx(2.0, abs=width)
        assert 0 <= extra[-1] < width**2
    assert found([*at(5, 6), (1.5, 2.5)])[1][-1] > 0.05


@pytest.mark.parametrize(
    ("low", "high"),
    [
        *[(-inf, high) for high in (-37.0, -10.0, -1.0, 0.0, 3.0, 6.0)],
        *[(low, inf) for low in (-6.0, 0.0, 2.0, 20.0)],
        *[(-1.0, 0.5), (1.0, 2.0), (-8.0, -7.9), (-3.0, 12.0), (-20.0, 20.0), (-inf, inf)],
    ],
)
def test_moments_of_a_truncated_normal_are_those_of_scipy(low: float, high: float) -> None:
    mean, variance = truncnorm.stats(low, high, moments="mv")
    assert _inside(low, high) == pytest.approx((mean, variance), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("out", [100.0, 1000.0, 1e6])
def test_far_out_a_tail_is_exponential(out: float) -> None:
    """Beyond z the normal is nearly exponential: mean 1/z further out, variance 1/z^2."""
    for mean, variance in (_inside(out, inf), _inside(-inf, -out)):
        assert (abs(mean) - out) * out == pytest.approx(1, rel=3 / out**2 + 1e-4)
        assert variance * out**2 == pytest.approx(1, rel=7 / out**2 + 1e-9)


def test_later_draws_never_change_earlier_sites() -> None:
    day = np.array([0, 90, 500, 700, 1300, 2100])
    limits = [*at(3), below(2), *at(4), below(5), above(25), *at(9)]
    y, extra = found(limits, day)
    for n in range(1, len(day)):
        begun = found(limits[:n], day[:n])
        assert np.array_equal(begun, (y[:n], extra[:n]))
    earlier = found([*at(9), *limits[1:]], day)
    assert (earlier[0] != y)[1]


def test_nobody_changes_the_sites_of_another() -> None:
    rng = np.random.default_rng(1003)
    people = [simulated(rng) for _ in range(50)]
    day = np.concatenate([on for on, _ in people])
    size = [len(on) for on, _ in people]
    start = np.repeat(np.cumsum([0, *size[:-1]]), size)
    low, high = np.array([end for _, ends in people for end in ends]).T
    y, extra = sites(day, start, low, high, SHIPPED_NOISE, SHIPPED_PRIOR)
    alone = [found(ends, on) for on, ends in people]
    assert np.array_equal(y, np.concatenate([own for own, _ in alone]))
    assert np.array_equal(extra, np.concatenate([own for _, own in alone]))
    assert (extra > 0).sum() == (low < high).sum() > 20
    assert np.array_equal(y[low == high], low[low == high])


def test_no_draws_give_no_sites_and_exact_ones_stay_as_they_are() -> None:
    assert [part.size for part in found([])] == [0, 0]
    y, extra = found(at(5, 6))
    assert np.exp(y) == pytest.approx([5, 6])
    assert extra.tolist() == [0, 0]


def test_a_noisier_assay_makes_an_interval_say_less() -> None:
    noisy = replace(SHIPPED_NOISE, insulin_sd=2 * SHIPPED_NOISE.insulin_sd)
    day, start = np.array([0]), np.array([0])
    low, high = np.array([-inf]), np.array([log(2)])
    extra = [sites(day, start, low, high, n, SHIPPED_PRIOR)[1][0] for n in (SHIPPED_NOISE, noisy)]
    assert extra[0] < extra[1]


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ((nan, log(2)), "low must be a number below infinity: 2 draws are not"),
        ((inf, inf), "low must be a number below infinity: 2 draws are not"),
        ((-inf, nan), "high must be a number above minus infinity: 2 draws are not"),
        ((-inf, -inf), "high must be a number above minus infinity: 2 draws are not"),
        ((87.5, 87.4), "high must be at least low: 2 draws are not"),
    ],
)
def test_limits_that_are_no_interval_are_refused_by_name_and_count(
    limits: Limits, sentence: str
) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        found([*at(5), limits, limits])
    assert np.isfinite(found([*at(5), below(2), above(87.5)])).all()


def test_of_a_hundred_thousand_people_those_with_limits_get_something_extra() -> None:
    n = 600_000
    rng = np.random.default_rng(1004)
    day, start = np.tile(yearly(6), n // 6), np.repeat(np.arange(0, n, 6), 6)
    high = rng.normal(2.2, 0.6, n)
    low = np.where(rng.random(n) < 0.02, -inf, high)
    extra = sites(day, start, low, high, SHIPPED_NOISE, SHIPPED_PRIOR)[1]
    assert (extra > 0).sum() == (low < high).sum() > n // 100
