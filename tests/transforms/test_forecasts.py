"""Forecasts: each newest draw against what the earlier ones foretold, the slow way and in bulk.

The slow way takes the joint normal distribution of all values of a patient, for every noise scale,
component, configuration of the earlier draws and kind of the newest, and conditions the newest
value on the earlier ones: no lines are fitted.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kstest, multivariate_normal, norm

from tests.transforms.test_trends import feigned
from transforms.catalog.prior import SHIPPED_NOISE, SHIPPED_PRIOR, Noise
from transforms.model import Series, foretold

Floats = NDArray[np.float64]
Row = tuple[int, float, float, float, float]
SOUND = ("good", (0.0, 0.0), (0.0, 0.0), 1 - sum(c.rate for c in SHIPPED_NOISE.contaminations))
KINDS = [SOUND] + [(c.name, c.insulin, c.glucose, c.rate) for c in SHIPPED_NOISE.contaminations]
HALVED = replace(SHIPPED_NOISE, insulin_sd=0.139, glucose_sd=0.029)


def conditioned(rows: list[Row]) -> Floats:
    """P(each value of the newest draw is lower), from the joint normal of all values."""
    day, insulin, glucose, spread, extra = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    x = np.kron(np.c_[np.ones(n), (day - day[-1]) / 365.25], np.eye(2))[:, [0, 2, 1, 3]]
    v = np.log(np.c_[insulin, glucose]).ravel()
    weights, parts = [], []
    past_t = (day[:-1] - day[-1]) / 365.25
    tilt = np.append(np.kron(past_t - past_t.mean(), [1, 0]), [0, 0])
    wander = feigned(past_t) * np.outer(tilt, tilt)
    for how in product(range(len(KINDS)), repeat=n):
        if sum(kind > 0 for kind in how[:-1]) > 1:
            continue
        shift = np.array([(KINDS[b][1][0], KINDS[b][2][0]) for b in how]).ravel()
        added = np.array([(KINDS[b][1][1], KINDS[b][2][1]) for b in how]).ravel()
        added[::2] += extra
        rate = np.prod([KINDS[b][3] for b in how])
        for (s, share), (own, m, p) in product(
            SHIPPED_NOISE.scales,
            zip(SHIPPED_PRIOR.weights, SHIPPED_PRIOR.means, SHIPPED_PRIOR.covariances, strict=True),
        ):
            sd = np.array([s * SHIPPED_NOISE.insulin_sd, SHIPPED_NOISE.glucose_sd])
            noise = np.outer(sd, sd) * np.array(
                [[1, SHIPPED_NOISE.correlation], [SHIPPED_NOISE.correlation, 1]]
            )
            cov = x @ np.array(p) @ x.T + np.kron(np.diag(spread), noise) + np.diag(added)
            cov += wander
            off = v - x @ m - shift
            past, new = slice(0, 2 * n - 2), slice(2 * n - 2, None)
            likelihood = multivariate_normal.pdf(off[past], np.zeros(2 * n - 2), cov[past, past])
            gain = np.linalg.solve(cov[past, past], cov[past, new]).T
            rest = np.diag(cov[new, new] - gain @ cov[past, new])
            weights.append(rate * share * own * likelihood)
            parts.append(norm.cdf((off[new] - gain @ off[past]) / np.sqrt(rest)))
    answer: Floats = np.average(parts, axis=0, weights=weights)
    return answer


rows_of_one = st.lists(
    st.tuples(
        st.integers(0, 3000),
        st.floats(2, 60),
        st.floats(70, 130),
        st.sampled_from([1.0, 1.0, 0.5]),
        st.sampled_from([0.0, 0.0, 0.2]),
    ),
    min_size=2,
    max_size=3,
    unique_by=lambda draw: draw[0],
).map(sorted)


@settings(max_examples=8, deadline=None)
@given(rows_of_one)
def test_a_forecast_is_the_newest_value_given_the_earlier_ones(rows: list[Row]) -> None:
    day, insulin, glucose, spread, extra = (np.array(column) for column in zip(*rows, strict=True))
    cases = np.array([[0, len(day), -1]])
    series = Series(day, np.log(insulin), np.log(glucose), cases, spread, extra)
    found = foretold(series, SHIPPED_NOISE, SHIPPED_PRIOR)
    np.testing.assert_allclose(found[0], conditioned(rows), atol=1e-6)


def simulated(n: int, seed: int) -> Series:
    """People of 1 to 6 draws from the model itself, without wander: any draw may be bad, uneven, or
    vague."""
    rng = np.random.default_rng(seed)
    k = rng.choice(len(SHIPPED_PRIOR.weights), n, p=SHIPPED_PRIOR.weights)
    root = np.linalg.cholesky(np.array(SHIPPED_PRIOR.covariances))[k]
    beta = np.array(SHIPPED_PRIOR.means)[k] + np.einsum("nij,nj->ni", root, rng.normal(size=(n, 4)))
    factors, shares = np.array(SHIPPED_NOISE.scales).T
    scale = rng.choice(factors, n, p=shares / shares.sum())
    stop = np.cumsum(rng.integers(1, 7, n))
    start = np.append(0, stop[:-1])
    person, size = np.repeat(np.arange(n), stop - start), stop[-1]
    day = np.cumsum(rng.integers(100, 700, size))
    t = (day - day[stop - 1][person]) / 365.25
    kind = rng.choice(len(KINDS), size, p=[rate for *_, rate in KINDS])
    off = np.array([insulin + glucose for _, insulin, glucose, _ in KINDS])[kind]
    spread, extra = rng.choice([1.0, 0.5], size), rng.choice([0.0, 0.3], size, p=[0.9, 0.1])
    z, rho = rng.normal(size=(4, size)), SHIPPED_NOISE.correlation
    y = beta[person, 0] + beta[person, 1] * t + off[:, 0] + np.sqrt(off[:, 1] + extra) * z[2]
    y += SHIPPED_NOISE.insulin_sd * scale[person] * np.sqrt(spread) * z[0]
    g = beta[person, 2] + beta[person, 3] * t + off[:, 2] + np.sqrt(off[:, 3]) * z[3]
    g += SHIPPED_NOISE.glucose_sd * np.sqrt(spread) * (rho * z[0] + np.sqrt(1 - rho**2) * z[1])
    return Series(day, y, g, np.stack([start, stop, np.full(n, -1)], axis=1), spread, extra)


def uniformity(noise: Noise) -> list[float]:
    """P-values of insulin and glucose: are the forecasts under ``noise`` uniform?"""
    found = foretold(simulated(4000, 31), replace(noise, wander=(0.0, 1.0)), SHIPPED_PRIOR)
    return [float(kstest(u[~np.isnan(u)], "uniform").pvalue) for u in found.T]


def test_forecasts_of_people_drawn_from_the_model_are_uniform() -> None:
    assert min(uniformity(SHIPPED_NOISE)) > 0.05


def test_forecasts_from_too_little_noise_are_not_uniform() -> None:
    assert max(uniformity(HALVED)) < 1e-6


def test_uneven_draws_taken_for_usual_ones_are_foretold_too_surely() -> None:
    some = simulated(4000, 31)
    usual = foretold(replace(some, spread=None, extra=None), SHIPPED_NOISE, SHIPPED_PRIOR)[:, 0]
    assert some.extra is not None
    vague = usual[(some.extra[some.cases[:, 1] - 1] > 0) & ~np.isnan(usual)]
    known = foretold(some, SHIPPED_NOISE, SHIPPED_PRIOR)[:, 0]
    known = known[(some.extra[some.cases[:, 1] - 1] > 0) & ~np.isnan(known)]
    assert kstest(vague, "uniform").pvalue < 1e-3 < kstest(known, "uniform").pvalue


def test_a_patient_of_one_draw_has_no_forecast_and_one_of_two_has() -> None:
    day, y, g = np.array([0, 400]), np.log([8.0, 9.0]), np.log([90.0, 91.0])
    cases = np.array([[0, 1, -1], [0, 2, -1], [0, 2, 0]])
    found = foretold(Series(day, y, g, cases), SHIPPED_NOISE, SHIPPED_PRIOR)
    assert np.isnan(found).tolist() == [[True, True], [False, False], [True, True]]
    assert ((found[1] > 0) & (found[1] < 1)).all()


def test_no_cases_have_no_forecasts() -> None:
    none = Series(np.array([0]), np.array([2.0]), np.array([4.5]), np.empty((0, 3), np.int64))
    assert foretold(none, SHIPPED_NOISE, SHIPPED_PRIOR).shape == (0, 2)


@pytest.mark.parametrize(("glucose", "low"), [(85.0, True), (130.0, False)])
def test_a_value_far_off_lies_at_the_edge_of_its_forecast(glucose: float, low: bool) -> None:
    day, y = 365 * np.arange(6), np.full(6, np.log(8.0))
    g = np.log([105.0] * 5 + [glucose])
    found = foretold(Series(day, y, g, np.array([[0, 6, -1]])), SHIPPED_NOISE, SHIPPED_PRIOR)[0]
    assert found[1] < 0.05 if low else found[1] > 0.95
    assert 0.3 < found[0] < 0.7
