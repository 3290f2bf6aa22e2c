"""The fit: sums that add up, a likelihood that rises, and planted rates that are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from transforms.catalog.prior import SHIPPED_NOISE, SHIPPED_PRIOR, Noise
from transforms.fitting import Shrinkage, fit, moments
from transforms.model import Series
from transforms.shapes import Floats

KINDS = SHIPPED_NOISE.contaminations


def people(
    n: int,
    seed: int,
    noise: Noise = SHIPPED_NOISE,
    spread: Floats | None = None,
    extra: Floats | None = None,
) -> Series:
    """Six yearly draws of each of ``n`` people, drawn from the shipped prior and this noise."""
    rng = np.random.default_rng(seed)
    k = rng.choice(len(SHIPPED_PRIOR.weights), n, p=SHIPPED_PRIOR.weights)
    root = np.linalg.cholesky(np.array(SHIPPED_PRIOR.covariances))[k]
    beta = np.array(SHIPPED_PRIOR.means)[k] + np.einsum("nij,nj->ni", root, rng.normal(size=(n, 4)))
    factors, shares = np.array(noise.scales).T
    sd = noise.insulin_sd * rng.choice(factors, (n, 1), p=shares / shares.sum())
    z, t = rng.normal(size=(4, n, 6)), np.arange(-5.0, 1.0)
    size = np.sqrt(np.ones((n, 6)) if spread is None else spread.reshape(n, 6))
    rho = noise.correlation
    y = beta[:, :1] + beta[:, 1:2] * t + sd * size * z[0]
    g = beta[:, 2:3] + beta[:, 3:] * t
    g += noise.glucose_sd * size * (rho * z[0] + np.sqrt(1 - rho**2) * z[1])
    is_unit_slip = rng.random((n, 6)) < 0.01
    y += is_unit_slip * (np.log(6) + 0.05 * z[2])
    y += 0 if extra is None else np.sqrt(extra.reshape(n, 6)) * z[3]
    starts = 6 * np.arange(n)
    cases = np.stack([starts, starts + 6, np.full(n, -1)], axis=1)
    day = np.tile(np.rint(t * 365.25).astype(np.int64), n)
    return Series(day, y.ravel(), g.ravel(), cases, spread, extra)


def part(of: Series, first: int, last: int) -> Series:
    return replace(of, cases=of.cases[first:last])


def test_moments_of_two_shards_add_up_to_those_of_all() -> None:
    all_ = people(700, 1)
    whole = moments(all_, SHIPPED_NOISE, SHIPPED_PRIOR)
    both = moments(part(all_, 0, 300), SHIPPED_NOISE, SHIPPED_PRIOR)
    both += moments(part(all_, 300, 700), SHIPPED_NOISE, SHIPPED_PRIOR)
    np.testing.assert_allclose(both.second, whole.second, rtol=1e-9)
    np.testing.assert_allclose(both.bad, whole.bad, rtol=1e-9)
    np.testing.assert_allclose(both.noise, whole.noise, rtol=1e-9)
    assert both.good + both.bad.sum() == pytest.approx(4200)
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
    for k in range(8):
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


QUIET = replace(SHIPPED_NOISE, insulin_sd=0.2, glucose_sd=0.045, correlation=0.5)


def typical(noise: Noise) -> float:
    """The insulin SD of the typical person."""
    factors, shares = np.array(noise.scales).T
    return float(noise.insulin_sd * np.exp(shares @ np.log(factors) / shares.sum()))


def test_the_noise_of_draws_is_learned() -> None:
    noise, _ = fit(people(3000, 7, QUIET), SHIPPED_NOISE, SHIPPED_PRIOR, passes=12)
    assert noise.insulin_sd == pytest.approx(typical(QUIET), rel=0.03)
    assert noise.glucose_sd == pytest.approx(0.045, rel=0.02)
    assert noise.correlation == pytest.approx(0.5, abs=0.03)
    assert noise.insulin_sd == pytest.approx(typical(noise))


def test_noise_that_is_held_or_that_few_draws_speak_against_stays() -> None:
    held = Shrinkage(holds_noise=True)
    noise, _ = fit(people(300, 7, QUIET), SHIPPED_NOISE, SHIPPED_PRIOR, held, passes=2)
    assert noise == replace(SHIPPED_NOISE, scales=noise.scales)
    noise, _ = fit(people(5, 7, QUIET), SHIPPED_NOISE, SHIPPED_PRIOR, passes=5)
    assert noise.insulin_sd == pytest.approx(typical(SHIPPED_NOISE), rel=0.06)


def test_a_mean_of_repeats_or_a_vague_value_does_not_pass_for_usual_noise() -> None:
    rng = np.random.default_rng(9)
    spread = np.where(rng.random(12_000) < 0.5, 0.25, 1.0)
    extra = np.where(rng.random(12_000) < 0.1, 0.5, 0.0)
    uneven = people(2000, 8, SHIPPED_NOISE, spread, extra)
    seen = moments(uneven, SHIPPED_NOISE, SHIPPED_PRIOR)
    usual = [SHIPPED_NOISE.insulin_sd, SHIPPED_NOISE.glucose_sd]
    assert 0.9 * np.sum(extra == 0) < seen.good < np.sum(extra == 0)
    assert np.sqrt(seen.noise[[0, 2]] / seen.good) == pytest.approx(usual, rel=0.03)
    ignored = moments(replace(uneven, spread=None), SHIPPED_NOISE, SHIPPED_PRIOR)
    assert np.sqrt(ignored.noise[2] / ignored.good) < 0.9 * SHIPPED_NOISE.glucose_sd


def test_a_fit_to_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="no one"):
        fit(part(people(5, 3), 0, 0), SHIPPED_NOISE, SHIPPED_PRIOR)
