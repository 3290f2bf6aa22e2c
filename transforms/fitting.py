"""Fitting the trend model to people: extreme deconvolution under bad draws and uneven noise.

Expectation-maximisation (Bovy, Hogg and Roweis 2011, Ann Appl Stat 5:1657) with the same mixture
that judges a patient (:mod:`transforms.model`), at most one bad draw each. A pass needs
only sums over people (:class:`Moments`): those of shards add up, so that a refit needs no data in
one place. Between refits noise and prior are frozen and carry a version: a night's numbers depend
on the patient's draws alone.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

import numpy as np

from transforms.catalog.prior import Noise, Prior
from transforms.model import INSULIN_LIMIT, Series, arrays
from transforms.shapes import Floats

_SLOPE_I = 1


@dataclass(frozen=True, slots=True)
class Moments:
    """What a pass of the fit takes from people; add those of shards to merge them.

    ``count`` (K,): expected people per component; ``first`` (K, 4) and ``second`` (K, 10, lower
    triangle by rows): their expected sums of beta and of beta beta'; ``scale`` (S,): expected
    people per noise scale; ``bad``: expected draws per contamination; ``noise`` (3,): expected sums
    over good draws of the squared residual of ln insulin, of its product with that of ln glucose,
    and of the latter's square, insulin in units of the person's noise scale and all over the
    draw's spread; ``good``: how many draws that were, without those that have something extra;
    ``draws``: how many there were in all; ``evidence``: log likelihood up to a constant of the
    draws.
    """

    count: Floats
    first: Floats
    second: Floats
    scale: Floats
    bad: Floats
    noise: Floats
    good: float
    draws: int
    evidence: float

    def __add__(self, other: Moments) -> Moments:
        """The moments of both groups of people together."""
        return Moments(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def moments(series: Series, noise: Noise, prior: Prior) -> Moments:
    """The moments of all people in ``series``, one case each.

    Raises:
        ValueError: no people.
    """
    if not len(series.cases):
        raise ValueError("a prior cannot be fitted to no one")
    from transforms import passes

    parts = series.swept(passes.gather, arrays(noise, prior, INSULIN_LIMIT))
    count, first, second, scale, bad, squares, good, evidence = (
        sum(of) for of in zip(*parts, strict=True)
    )
    draws = int((series.cases[:, 1] - series.cases[:, 0]).sum())
    return Moments(
        count, first, second, scale, bad, squares, float(good[0]), draws, float(evidence[0])
    )


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """How the fit is held back.

    ``alpha``: pseudo-people per component as shares of all people, favouring the spikes that do
    not climb; ``weight``: people's worth of the starting covariance (inverse Wishart) and of the
    starting shares of noise scales; ``held``:
    so many leading components keep the starting mean and SD of the insulin slope; ``holds_rates``:
    contaminations keep their rates. A haemolysed draw and a noisy person are hard to tell apart:
    left free, a rate of .015 falls to .001, and doubts about single draws become too small.
    ``noise_weight``: draws' worth of the starting noise (inverse Wishart); ``holds_noise``: the
    noise of a draw stays as it is, its scales' shares do not.
    """

    alpha: tuple[float, ...] = (0.04, 0.04, 0.008, 0.001, 0.001, 0.001, 0.001, 0.0002, 0.001)
    weight: float = 30.0
    held: int = 8
    holds_rates: bool = True
    noise_weight: float = 200.0
    holds_noise: bool = False


def maximised(
    seen: Moments,
    noise: Noise,
    start: Prior,
    shrinkage: Shrinkage,
    start_noise: Noise | None = None,
) -> tuple[Noise, Prior]:
    """The noise and prior that fit the moments best, within the shrinkage towards the start.

    ``noise`` is the one under which the moments were taken, ``start_noise`` (the same unless given)
    the one towards which it is held back.
    """
    weights = seen.count + np.array(shrinkage.alpha) * seen.count.sum()
    shapes = [_shape(seen, start, shrinkage, k) for k in range(weights.size)]
    prior = replace(
        start,
        weights=tuple((weights / weights.sum()).tolist()),
        means=tuple(tuple(mean.tolist()) for mean, _ in shapes),
        covariances=tuple(tuple(map(tuple, v.tolist())) for _, v in shapes),
        people=round(seen.count.sum()),
    )
    return _noise(seen, noise, shrinkage, start_noise or noise), prior


def _noise(seen: Moments, noise: Noise, shrinkage: Shrinkage, start: Noise) -> Noise:
    """``noise`` with the shares of scales that were seen, and what else is not held."""
    begun = np.array([share for _, share in start.scales])
    shares = seen.scale + shrinkage.weight * begun / begun.sum()
    shares = shares / shares.sum()
    scales = tuple((s, float(w)) for (s, _), w in zip(noise.scales, shares, strict=True))
    learned = replace(noise, scales=scales)
    if not shrinkage.holds_noise:
        learned = _with_typical_scale_one(_with_size(seen, learned, shrinkage, start))
    if shrinkage.holds_rates:
        return learned
    rates = (seen.bad / seen.draws).tolist()
    kinds = zip(noise.contaminations, rates, strict=True)
    return replace(learned, contaminations=tuple(replace(kind, rate=rate) for kind, rate in kinds))


def _with_size(seen: Moments, noise: Noise, shrinkage: Shrinkage, start: Noise) -> Noise:
    """``noise`` with the SDs and the correlation that were seen, held back by ``start``."""
    start = _with_typical_scale_one(start)
    cross = start.correlation * start.insulin_sd * start.glucose_sd
    begun = np.array([start.insulin_sd**2, cross, start.glucose_sd**2])
    insulin, cross, glucose = (seen.noise + shrinkage.noise_weight * begun) / (
        seen.good + shrinkage.noise_weight
    )
    return replace(
        noise,
        insulin_sd=float(insulin**0.5),
        glucose_sd=float(glucose**0.5),
        correlation=float(cross / (insulin * glucose) ** 0.5),
    )


def _with_typical_scale_one(noise: Noise) -> Noise:
    """The same noise in other words: the geometric mean of the scales over people is 1.

    Noise of any size can be said by the SD or by the scales; said so, the SD is that of the typical
    person, and SDs of different fits can be compared. Ratios of scales never change.
    """
    factors, shares = np.array(noise.scales).T
    typical = float(np.exp(shares @ np.log(factors) / shares.sum()))
    scales = tuple(zip((factors / typical).tolist(), shares.tolist(), strict=True))
    return replace(noise, insulin_sd=noise.insulin_sd * typical, scales=scales)


def _shape(seen: Moments, start: Prior, shrinkage: Shrinkage, k: int) -> tuple[Floats, Floats]:
    """Mean and covariance of one component.

    With the insulin slope held, what is learned is how the rest depends on it: the regression on
    the slope stays, the slope's own mean and variance are put back.
    """
    own, begun = np.array(start.means[k]), np.array(start.covariances[k])
    people = max(float(seen.count[k]), 1e-9)
    mean = seen.first[k] / people
    second = np.empty((4, 4))
    rows, columns = np.tril_indices(4)
    second[rows, columns] = second[columns, rows] = seen.second[k]
    covariance = second - people * np.outer(mean, mean)
    covariance = (covariance + shrinkage.weight * begun) / (people + shrinkage.weight)
    if k < shrinkage.held:
        on_slope = covariance[:, _SLOPE_I] / covariance[_SLOPE_I, _SLOPE_I]
        change = begun[_SLOPE_I, _SLOPE_I] - covariance[_SLOPE_I, _SLOPE_I]
        mean = mean + on_slope * (own[_SLOPE_I] - mean[_SLOPE_I])
        covariance = covariance + np.outer(on_slope, on_slope) * change
    return mean, covariance


def fit(
    series: Series,
    noise: Noise,
    start: Prior,
    shrinkage: Shrinkage | None = None,
    passes: int = 25,
) -> tuple[Noise, Prior]:
    """Fit prior and noise to people, one case each.

    Returns:
        ``noise`` with new SDs, correlation and scales (their ratios stay, their geometric mean
        over people is 1), ``start`` with new weights, means, covariances and number of people;
        version, citation and provenance are for the caller to say.

    Raises:
        ValueError: no people.
    """
    learned, prior = noise, start
    for _ in range(passes):
        seen = moments(series, learned, prior)
        learned, prior = maximised(seen, learned, start, shrinkage or Shrinkage(), noise)
    return learned, prior
