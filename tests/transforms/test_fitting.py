"""The fit: sums that add up, a likelihood that rises, and planted rates that are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from transforms.catalog.prior import SHIPPED_NOISE, SHIPPED_PRIOR
from transforms.fitting import Shrinkage, fit, moments
from transforms.model import Series

KINDS = SHIPPED_NOISE.contaminations


def people(n: int, seed: int) -> Series:
    """Six yearly draws of each of ``n`` people, drawn from the shipped prior and noise."""
    rng = np.random.default_rng(seed)
    k = rng.choice(len(SHIPPED_PRIOR.weights), n, p=SHIPPED_PRIOR.weights)
    root = np.linalg.cholesky(np.array(SHIPPED_PRIOR.covariances))[k]
    beta = np.array(SHIPPED_PRIOR.means)[k] + np.einsum("nij,nj->ni", root, rng.normal(size=(n, 4)))
    factors, shares = np.array(SHIPPED_NOISE.scales).T
    sd = SHIPPED_NOISE.insulin_sd * rng.choice(factors, (n, 1), p=shares / shares.sum())
    z, t = rng.normal(size=(3, n, 6)), np.arange(-5.0, 1.0)
    rho = SHIPPED_NOISE.correlation
    y = beta[:, :1] + beta[:, 1:2] * t + sd * z[0]
    g = beta[:, 2:3] + beta[:, 3:] * t
    g += SHIPPED_NOISE.glucose_sd * (rho * z[0] + np.sqrt(1 - rho**2) * z[1])
    is_unit_slip = rng.random((n, 6)) < 0.01
    y += is_unit_slip * (np.log(6) + 0.05 * z[2])
    starts = 6 * np.arange(n)
    cases = np.stack([starts, starts + 6, np.full(n, -1)], axis=1)
    return Series(np.tile(np.rint(t * 365.25).astype(np.int64), n), y.ravel(), g.ravel(), cases)


def part(of: Series, first: int, last: int) -> Series:
    return replace(of, cases=of.cases[first:last])


def test_moments_of_two_shards_add_up_to_those_of_all() -> None:
    all_ = people(700, 1)
    whole = moments(all_, SHIPPED_NOISE, SHIPPED_PRIOR)
    both = moments(part(all_, 0, 300), SHIPPED_NOISE, SHIPPED_PRIOR)
    both += moments(part(all_, 300, 700), SHIPPED_NOISE, SHIPPED_PRIOR)
    np.testing.assert_allclose(both.second, whole.second, rtol=1e-9)
    np.testing.assert_allclose(both.bad, whole.bad, rtol=1e-9)
    assert both.count.sum() == pytest.approx(700)
    assert both.scale.sum() == pytest.approx(700)
    assert both.draws == 4200


def test_moments_are_the_same_to_the_bit_every_time() -> None:
    some = people(3000, 4)
    once, again = (moments(some, SHIPPED_NOISE, SHIPPED_PRIOR) for _ in range(2))
    assert once.evidence == again.evidence
    assert (once.second == again.second).all()


def test_a_fit_raises_the_likelihood_and_keeps_the_held_slopes() -> None:
    some = people(3000, 2)
    noise, fitted = fit(some, SHIPPED_NOISE, SHIPPED_PRIOR, passes=5)
    before = moments(some, SHIPPED_NOISE, SHIPPED_PRIOR).evidence
    assert moments(some, noise, fitted).evidence > before
    assert sum(fitted.weights) == pytest.approx(1)
    assert sum(share for _, share in noise.scales) == pytest.approx(1)
    assert fitted.people == 3000
    for k in range(7):
        assert fitted.means[k][1] == pytest.approx(SHIPPED_PRIOR.means[k][1])
        assert fitted.covariances[k][1][1] == pytest.approx(SHIPPED_PRIOR.covariances[k][1][1])


def test_the_rate_of_unit_slips_is_learned_where_rates_are_free() -> None:
    some, free = people(3000, 5), Shrinkage(holds_rates=False)
    noise, _ = fit(some, SHIPPED_NOISE, SHIPPED_PRIOR, free, passes=8)
    assert KINDS[2].rate < 0.005
    assert noise.contaminations[2].rate == pytest.approx(0.01, abs=0.003)


def test_rates_stay_where_they_are_held() -> None:
    noise, _ = fit(people(300, 6), SHIPPED_NOISE, SHIPPED_PRIOR, passes=1)
    assert noise.contaminations == KINDS
    assert noise.scales != SHIPPED_NOISE.scales


def test_a_fit_to_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="no one"):
        fit(part(people(5, 3), 0, 0), SHIPPED_NOISE, SHIPPED_PRIOR)
