"""The trend model's arithmetic: bivariate empirical Bayes in closed form, over many patients.

A draw ``v = (ln insulin, ln glucose)`` at time ``t`` (years, 0 at the newest draw) is normal about
``(a_I + b_I t, a_G + b_G t)`` with known covariance ``R``; ``beta = (a_I, b_I, a_G, b_G)`` has a
mixture of normals as prior. The posterior is again a mixture, its terms in closed form from seven
sums per patient (:class:`Sums`), which add up over draws. Fitting the prior is extreme
deconvolution (Bovy, Hogg and Roweis 2011, Ann Appl Stat 5:1657), from sums that add up over people
(:class:`Moments`). Event probabilities of three jointly normal quantities are by sequential
truncation (Mendell and Elston 1974, Biometrics 30:41), measured in the tests.

Arrays are laid out (parameter, component, patient), so that every step is one sweep over patients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from math import log

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, ndtr, ndtri

from transforms.catalog.prior import Noise, Prior

Floats = NDArray[np.float64]
Grid = list[list[Floats]]
"""A 4 x 4 matrix whose entries are arrays over components and patients."""

INSULIN_SLOPE = log(1.05)
"""Per year; above it insulin climbs."""
GLUCOSE_LEVEL = log(100)
"""Below it glucose is fine now."""
GLUCOSE_SLOPE = 0.016
"""Per year, about 1.5 mg/dL at 94; below it glucose is not rising."""

_LEVEL_I, _SLOPE_I, _LEVEL_G, _SLOPE_G = range(4)
_BATCH = 2048
"""Patients at a time: with eight components an array is 128 kB, and stays in cache."""
_THREADS = 2
"""Sweeps leave the interpreter's lock to others, so a second thread pays."""


@dataclass(frozen=True, slots=True)
class Sums:
    """All that the model needs of a patient's draws; each field holds one number per patient.

    ``n`` draws, and the sums of ``t``, ``t^2``, ``y``, ``t y``, ``g``, ``t g`` with ``t`` in years
    before the newest draw (so 0 or negative), ``y = ln insulin``, ``g = ln glucose``.
    """

    n: Floats
    t: Floats
    tt: Floats
    y: Floats
    ty: Floats
    g: Floats
    tg: Floats

    def rows(self, chosen: slice) -> Sums:
        """The sums of some patients."""
        return Sums(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def swept(self, sweep: Callable[[Sums], Mapping[str, Floats]]) -> dict[str, Floats]:
        """The columns that ``sweep`` gives for each batch, put together in order."""
        with ThreadPoolExecutor(_THREADS) as threads:
            parts = list(threads.map(sweep, self.batches()))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def batches(self, size: int = _BATCH) -> Iterator[Sums]:
        """Consecutive patients, ``size`` at a time; one empty batch of nobody."""
        for start in range(0, max(self.n.size, 1), size):
            yield self.rows(slice(start, start + size))


NOTHING = Sums(*(np.zeros(1) for _ in fields(Sums)))
"""The sums of one patient without draws."""


@dataclass(frozen=True, slots=True)
class Information:
    """What draws say about beta: precision 4 x 4 and precision-weighted values 4, per patient."""

    precision: Grid
    shift: list[Floats]


def information(sums: Sums, noise: Noise) -> Information:
    """Precision ``sum x x' (x) R^-1`` and shift ``sum x (x) R^-1 v`` of beta from draws."""
    covariance = noise.correlation * noise.insulin_sd * noise.glucose_sd
    r = np.array([[noise.insulin_sd**2, covariance], [covariance, noise.glucose_sd**2]])
    w = np.linalg.inv(r)
    x = ((sums.n, sums.t), (sums.t, sums.tt))
    v = ((sums.y, sums.ty), (sums.g, sums.tg))
    at = [(u, i) for u in (0, 1) for i in (0, 1)]
    return Information(
        [[w[u, s] * x[i][j] for s, j in at] for u, i in at],
        [w[u, 0] * v[0][i] + w[u, 1] * v[1][i] for u, i in at],
    )


@dataclass(frozen=True, slots=True)
class Posterior:
    """A mixture per patient: ``weight`` (K, N), ``mean`` 4 of (K, N), ``covariance`` 4 x 4."""

    weight: Floats
    mean: list[Floats]
    covariance: Grid
    evidence: Floats
    """Log likelihood (N,), up to a constant of the draws that no prior changes."""

    def average(self, value: Floats) -> Floats:
        """(K, N) per component -> (N,) over the mixture."""
        return _mixed(self.weight, value)

    def sd(self, parameter: int) -> Floats:
        """Standard deviations (K, N)."""
        return np.asarray(np.sqrt(self.covariance[parameter][parameter]))


def posterior(known: Information, prior: Prior) -> Posterior:
    """The posterior of beta given draws and prior; any number of draws from one will do."""
    means, inverses = np.array(prior.means), np.linalg.inv(np.array(prior.covariances))
    pull = np.einsum("kij,kj->ki", inverses, means)
    own = np.log(prior.weights) + 0.5 * np.linalg.slogdet(inverses)[1]
    own -= 0.5 * np.einsum("ki,ki->k", pull, means)
    precision = [
        [inverses[:, i, j, None] + known.precision[i][j] for j in range(i + 1)] for i in range(4)
    ]
    m = _inverse_triangle(_cholesky(precision))
    h = [pull[:, i, None] + known.shift[i] for i in range(4)]
    z = [_dot((m[i][j], h[j]) for j in range(i + 1)) for i in range(4)]
    log_weight = own[:, None] + np.log(m[0][0] * m[1][1] * m[2][2] * m[3][3])
    log_weight += 0.5 * _dot((part, part) for part in z)
    most = log_weight.max(0)
    weight = np.exp(log_weight - most)
    total = _mixed(weight, np.ones_like(weight))
    mean = [_dot((m[i][j], z[i]) for i in range(j, 4)) for j in range(4)]
    return Posterior(weight / total, mean, _gram(m), np.log(total) + most)


def _dot(pairs: Iterator[tuple[Floats, Floats]]) -> Floats:
    first, second = next(pairs)
    total = first * second
    for first, second in pairs:
        total += first * second
    return total


def _mixed(weight: Floats, value: Floats) -> Floats:
    """Sum over components (the first axis), always in the same order.

    A reduction may add up one patient in another order than many, and a patient's numbers must not
    depend on who else is in the batch.
    """
    return _dot(zip(weight, value, strict=True))


def _cholesky(p: Grid) -> Grid:
    """Lower triangle ``L`` with ``L L' = p``; only the lower triangle of ``p`` is read."""
    lower: Grid = [[] for _ in p]
    for i, row in enumerate(p):
        for j in range(i + 1):
            rest = row[j].copy()
            for k in range(j):
                rest -= lower[i][k] * lower[j][k]
            lower[i].append(np.sqrt(rest) if i == j else rest / lower[j][j])
    return lower


def _inverse_triangle(lower: Grid) -> Grid:
    """The inverse of a lower triangle, itself a lower triangle."""
    inverse: Grid = [[] for _ in lower]
    for i, row in enumerate(lower):
        diagonal = 1 / row[i]
        for j in range(i):
            inner = _dot((row[k], inverse[k][j]) for k in range(j, i))
            inverse[i].append(-diagonal * inner)
        inverse[i].append(diagonal)
    return inverse


def _gram(m: Grid) -> Grid:
    """``m' m`` of a lower triangle, full."""
    gram: Grid = [[_EMPTY] * 4 for _ in range(4)]
    for i in range(4):
        for j in range(i + 1):
            gram[i][j] = gram[j][i] = _dot((m[k][i], m[k][j]) for k in range(i, 4))
    return gram


_EMPTY: Floats = np.empty(0)


@dataclass(frozen=True, slots=True)
class Events:
    """Posterior probabilities, each (N,)."""

    insulin_climbing: Floats
    glucose_fine: Floats
    climbing_unseen: Floats
    insulin_high: Floats
    insulin_falling: Floats
    glucose_rising: Floats


def events(found: Posterior, insulin_limit: float) -> Events:
    """The probabilities that the status rule asks for.

    Args:
        found: the posterior.
        insulin_limit: ln uIU/mL; above it the level is high.
    """
    climbs = _distance(found, _SLOPE_I, INSULIN_SLOPE)
    low = -_distance(found, _LEVEL_G, GLUCOSE_LEVEL)
    steady = -_distance(found, _SLOPE_G, GLUCOSE_SLOPE)
    fine, unseen = _joint(climbs, low, steady, *_correlations(found))
    climbing = ndtr(climbs)
    return Events(
        insulin_climbing=found.average(climbing),
        glucose_fine=found.average(fine),
        climbing_unseen=found.average(np.minimum(unseen, climbing)),
        insulin_high=found.average(ndtr(_distance(found, _LEVEL_I, insulin_limit))),
        insulin_falling=found.average(ndtr(-_distance(found, _SLOPE_I, 0.0))),
        glucose_rising=found.average(ndtr(-steady)),
    )


def _distance(found: Posterior, parameter: int, limit: float) -> Floats:
    """How many SDs each component's mean lies above the limit."""
    return np.asarray((found.mean[parameter] - limit) / found.sd(parameter))


def _correlations(found: Posterior) -> tuple[Floats, Floats, Floats]:
    """Of (climbs, low), (climbs, steady), (low, steady): the last two are turned downward."""
    c = found.covariance
    b, a, s = (found.sd(i) for i in (_SLOPE_I, _LEVEL_G, _SLOPE_G))
    return (
        -c[_SLOPE_I][_LEVEL_G] / (b * a),
        -c[_SLOPE_I][_SLOPE_G] / (b * s),
        c[_LEVEL_G][_SLOPE_G] / (a * s),
    )


def _joint(
    climbs: Floats, low: Floats, steady: Floats, r_cl: Floats, r_cs: Floats, r_ls: Floats
) -> tuple[Floats, Floats]:
    """P(low and steady), P(all three) of standard normals each below its limit.

    Mendell and Elston: condition on one event, take the rest as normal with the moments that
    remain, go on.
    """
    shift, shrink = _truncation(low)
    rest = 1 - r_ls**2 * shrink
    steady = (steady + r_ls * shift) / np.sqrt(rest)
    both = ndtr(low) * ndtr(steady)
    left = 1 - r_cl**2 * shrink
    r_cs = (r_cs - r_cl * r_ls * shrink) / np.sqrt(left * rest)
    climbs = (climbs + r_cl * shift) / np.sqrt(left)
    shift, shrink = _truncation(steady)
    climbs = (climbs + r_cs * shift) / np.sqrt(1 - r_cs**2 * shrink)
    return both, both * ndtr(climbs)


def _truncation(limit: Floats) -> tuple[Floats, Floats]:
    """How far a standard normal kept below ``limit`` moves down, and the variance it loses."""
    shift: Floats = np.sqrt(2 / np.pi) / erfcx(np.maximum(-limit, -30.0) * np.sqrt(0.5))
    return shift, np.clip(shift * (shift + limit), 0, 1)


def quantile(share: float, weight: Floats, mean: Floats, sd: Floats) -> Floats:
    """The quantile (N,) of mixtures of normals, all arguments (K, N), to 1e-6 in probability.

    Newton's method on the probit scale, where a mixture is nearly a straight line; kept inside a
    bracket, since the answer lies between the components' own quantiles.
    """
    own = mean + ndtri(share) * sd
    low, high = own.min(0), own.max(0)
    x = _mixed(weight, own)
    open_ = np.arange(x.size)
    for _ in range(100):
        z = (x[open_] - mean) / sd
        reached = _mixed(weight, ndtr(z))
        unmet = np.abs(reached - share) > 1e-6
        if not unmet.any():
            break
        if not unmet.all():
            open_, z, reached = open_[unmet], z[:, unmet], reached[unmet]
            weight, mean, sd = weight[:, unmet], mean[:, unmet], sd[:, unmet]
        density = _mixed(weight / sd, np.exp(-0.5 * z * z))
        at, over = x[open_], reached > share
        high[open_] = np.where(over, at, high[open_])
        low[open_] = np.where(over, low[open_], at)
        x[open_] = _stepped(at, reached, share, density, low[open_], high[open_])
    return x


def _stepped(
    x: Floats, reached: Floats, share: float, density: Floats, low: Floats, high: Floats
) -> Floats:
    """A Newton step on the probit scale, or the middle of the bracket where it leaves that.

    ``density`` lacks the factor 1/sqrt(2 pi), as does the normal density it is divided into.
    """
    probit = ndtri(np.clip(reached, 1e-300, 1 - 1e-16))
    slope = np.maximum(density, 1e-300) * np.exp(np.minimum(0.5 * probit**2, 700))
    step = x - (probit - ndtri(share)) / slope
    return np.where((step > low) & (step < high), step, 0.5 * (low + high))


@dataclass(frozen=True, slots=True)
class Moments:
    """What a pass of the fit takes from people; add those of shards to merge them.

    ``count`` (K,): expected people per component; ``first`` (K, 4) and ``second`` (K, 4, 4): their
    expected sums of beta and of beta beta'; ``evidence``: log likelihood up to a constant.
    """

    count: Floats
    first: Floats
    second: Floats
    evidence: float

    def __add__(self, other: Moments) -> Moments:
        """The moments of both groups of people together."""
        return Moments(
            self.count + other.count,
            self.first + other.first,
            self.second + other.second,
            self.evidence + other.evidence,
        )


def moments(sums: Sums, noise: Noise, prior: Prior) -> Moments:
    """The moments of all people in ``sums`` under ``prior``."""
    k = len(prior.weights)
    total = Moments(np.zeros(k), np.zeros((k, 4)), np.zeros((k, 4, 4)), 0.0)
    for batch in sums.batches():
        found = posterior(information(batch, noise), prior)
        mean, covariance = np.array(found.mean), np.array(found.covariance)
        weighted = found.weight * mean
        second = np.einsum("ikn,jkn->kij", weighted, mean)
        second += np.einsum("kn,ijkn->kij", found.weight, covariance)
        evidence = float(found.evidence.sum())
        total += Moments(found.weight.sum(1), weighted.sum(2).T, second, evidence)
    return total


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """How the fit is held back.

    ``alpha``: pseudo-people per component as shares of all people, favouring the spikes that do
    not climb; ``weight``: people's worth of the starting covariance (inverse Wishart); ``held``:
    so many leading components keep the starting mean and SD of the insulin slope.
    """

    alpha: tuple[float, ...] = (0.05, 0.05, 0.008, 0.001, 0.001, 0.001, 0.001, 0.001)
    weight: float = 30.0
    held: int = 7


def maximised(seen: Moments, start: Prior, shrinkage: Shrinkage) -> Prior:
    """The prior that fits the moments best, within the shrinkage towards ``start``."""
    weights = seen.count + np.array(shrinkage.alpha) * seen.count.sum()
    shapes = [_shape(seen, start, shrinkage, k) for k in range(weights.size)]
    return replace(
        start,
        weights=tuple((weights / weights.sum()).tolist()),
        means=tuple(tuple(mean.tolist()) for mean, _ in shapes),
        covariances=tuple(tuple(map(tuple, v.tolist())) for _, v in shapes),
        people=round(seen.count.sum()),
    )


def _shape(seen: Moments, start: Prior, shrinkage: Shrinkage, k: int) -> tuple[Floats, Floats]:
    """Mean and covariance of one component.

    With the insulin slope held, what is learned is how the rest depends on it: the regression on
    the slope stays, the slope's own mean and variance are put back.
    """
    own, begun = np.array(start.means[k]), np.array(start.covariances[k])
    people = max(float(seen.count[k]), 1e-9)
    mean = seen.first[k] / people
    covariance = seen.second[k] - people * np.outer(mean, mean)
    covariance = (covariance + shrinkage.weight * begun) / (people + shrinkage.weight)
    if k < shrinkage.held:
        on_slope = covariance[:, _SLOPE_I] / covariance[_SLOPE_I, _SLOPE_I]
        change = begun[_SLOPE_I, _SLOPE_I] - covariance[_SLOPE_I, _SLOPE_I]
        mean = mean + on_slope * (own[_SLOPE_I] - mean[_SLOPE_I])
        covariance = covariance + np.outer(on_slope, on_slope) * change
    return mean, covariance


def fit(
    sums: Sums, noise: Noise, start: Prior, shrinkage: Shrinkage | None = None, passes: int = 25
) -> Prior:
    """Fit the prior to people by expectation-maximisation, from ``start``.

    Returns:
        ``start`` with new weights, means, covariances and number of people; version and provenance
        are for the caller to say.

    Raises:
        ValueError: no people.
    """
    if not sums.n.size:
        raise ValueError("a prior cannot be fitted to no one")
    prior = start
    for _ in range(passes):
        prior = maximised(moments(sums, noise, prior), start, shrinkage or Shrinkage())
    return prior
