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
    people per noise scale; ``bad``: expected draws per contamination; ``draws``: how many there
    were; ``evidence``: log likelihood up to a constant of the draws.
    """

    count: Floats
    first: Floats
    second: Floats
    scale: Floats
    bad: Floats
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
    from transforms import kernel

    parts = series.swept(kernel.gather, arrays(noise, prior, INSULIN_LIMIT))
    count, first, second, scale, bad, evidence = (sum(of) for of in zip(*parts, strict=True))
    draws = int((series.cases[:, 1] - series.cases[:, 0]).sum())
    return Moments(count, first, second, scale, bad, draws, float(evidence[0]))


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """How the fit is held back.

    ``alpha``: pseudo-people per component as shares of all people, favouring the spikes that do
    not climb; ``weight``: people's worth of the starting covariance (inverse Wishart); ``held``:
    so many leading components keep the starting mean and SD of the insulin slope; ``holds_rates``:
    contaminations keep their rates. A haemolysed draw and a noisy person are hard to tell apart:
    left free, a rate of .015 falls to .001, and doubts about single draws become too small.
    """

    alpha: tuple[float, ...] = (0.05, 0.05, 0.008, 0.001, 0.001, 0.001, 0.001, 0.001)
    weight: float = 30.0
    held: int = 7
    holds_rates: bool = True


def maximised(
    seen: Moments, noise: Noise, start: Prior, shrinkage: Shrinkage
) -> tuple[Noise, Prior]:
    """The noise and prior that fit the moments best, within the shrinkage towards ``start``."""
    weights = seen.count + np.array(shrinkage.alpha) * seen.count.sum()
    shapes = [_shape(seen, start, shrinkage, k) for k in range(weights.size)]
    prior = replace(
        start,
        weights=tuple((weights / weights.sum()).tolist()),
        means=tuple(tuple(mean.tolist()) for mean, _ in shapes),
        covariances=tuple(tuple(map(tuple, v.tolist())) for _, v in shapes),
        people=round(seen.count.sum()),
    )
    return _noise(seen, noise, shrinkage), prior


def _noise(seen: Moments, noise: Noise, shrinkage: Shrinkage) -> Noise:
    """``noise`` with the shares of scales, and the rates unless held, that were seen."""
    shares = seen.scale / seen.scale.sum()
    scales = tuple((s, float(w)) for (s, _), w in zip(noise.scales, shares, strict=True))
    if shrinkage.holds_rates:
        return replace(noise, scales=scales)
    rates = (seen.bad / seen.draws).tolist()
    kinds = zip(noise.contaminations, rates, strict=True)
    contaminations = tuple(replace(kind, rate=rate) for kind, rate in kinds)
    return replace(noise, scales=scales, contaminations=contaminations)


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
    """Fit the prior and the shares of noise scales to people, one case each.

    Returns:
        ``noise`` with new shares, ``start`` with new weights, means, covariances and
        number of people; version and provenance are for the caller to say.

    Raises:
        ValueError: no people.
    """
    prior = start
    for _ in range(passes):
        seen = moments(series, noise, prior)
        noise, prior = maximised(seen, noise, start, shrinkage or Shrinkage())
    return noise, prior
