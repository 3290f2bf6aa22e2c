"""Normal probabilities against SciPy's: the compiled polynomials are as good as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import multivariate_normal, truncnorm

from transforms.normals import Ten, below, decay, joint, moments, truncated


def test_the_exponential_is_near_the_library_s() -> None:
    for x in np.linspace(0, 40, 401):
        assert decay(x) == pytest.approx(np.exp(-x), rel=1e-12 if x <= 25 else 1e-10)


def test_the_normal_probability_is_near_scipy_s_and_cut_off_far_out() -> None:
    for z in np.linspace(-9, 9, 361):
        assert below(z)[0] == pytest.approx(ndtr(z), abs=1e-12)
        assert below(z)[1] == pytest.approx(np.exp(-min(z * z, 7.07**2) / 2), rel=1e-11)
    assert below(-50.0)[0] > 0
    assert below(50.0)[0] < 1


@pytest.mark.parametrize("limit", [-5.0, -1.0, 0.0, 0.5, 3.0])
def test_a_truncated_normal_moves_and_narrows_as_scipy_s_does(limit: float) -> None:
    p, shift, lost = truncated(limit)
    cut = truncnorm(-np.inf, limit)
    assert p == pytest.approx(ndtr(limit), abs=1e-12)
    assert (-shift, 1 - lost) == pytest.approx((cut.mean(), cut.var()), abs=1e-8)


def test_a_limit_that_nothing_stays_below_gives_numbers_still() -> None:
    p, shift, lost = truncated(-40.0)
    assert 0 < p < 1e-11
    assert np.isfinite(shift)
    assert 0 <= lost <= 1


def rows(matrix: np.ndarray) -> Ten:
    return tuple(matrix[np.tril_indices(4)].tolist())


def test_moments_solve_the_precision() -> None:
    half = np.random.default_rng(1).normal(size=(4, 6))
    precision, pull = half @ half.T, np.array([1.0, -2, 0.5, 3])
    mean, covariance = moments(rows(precision), tuple(pull.tolist()))
    assert mean == pytest.approx(np.linalg.solve(precision, pull))
    assert covariance == pytest.approx(rows(np.linalg.inv(precision)))


def test_three_events_together_are_near_their_exact_probability() -> None:
    sd = np.array([0.3, 0.05, 0.05, 0.01])
    correlation = np.array(
        [[1, 0.3, 0, 0], [0.3, 1, -0.2, 0.1], [0, -0.2, 1, 0.4], [0, 0.1, 0.4, 1]]
    )
    both, all_three = joint(0.4, 1.0, 0.7, rows(np.outer(sd, sd) * correlation))
    signed = np.array([[1, 0.2, -0.1], [0.2, 1, 0.4], [-0.1, 0.4, 1]])
    exact = multivariate_normal(np.zeros(3), signed)
    assert both == pytest.approx(
        multivariate_normal(np.zeros(2), signed[1:, 1:]).cdf([1, 0.7]), abs=2e-3
    )
    assert all_three == pytest.approx(exact.cdf([0.4, 1, 0.7]), abs=2e-3)
