"""Censored insulin: a value printed as "<2" or ">300" is an interval, here as a normal site.

The trend model takes normal draws. For each censored draw this gives the normal one (a mean, and a
variance on top of the noise) that moves belief about the patient's line as the interval does:
assumed-density filtering in order of time (Minka 2001, UAI, "Expectation propagation for
approximate Bayesian inference", section 2). With the forecast of the printed logarithm
``z ~ N(m, s^2)`` from the patient's earlier draws, and the mean ``m + s d`` and the variance
``s^2 (1 - c)`` that are left of it inside the interval, tilted over cavity is

    mean m + s d / c      variance s^2 / c - s^2 + noise, so extra = s^2 (1 - c) / c

What was said of a draw never changes with later ones. The forecast starts from one normal with the
moments of the whole prior over ``(a_I, b_I)``. "Now" of the prior is the censored draw itself, as
it is for the trend model when that draw is the newest; earlier draws lie before it. The noise is
that of a good draw, its variance averaged over people.

Import it only where there are censored draws: that loads the compiler.
"""

from __future__ import annotations

from math import exp, inf, sqrt

import numpy as np
from numpy.typing import NDArray

from transforms.catalog.prior import Noise, Prior
from transforms.compiling import compiled
from transforms.kernel import DAYS_PER_YEAR
from transforms.shapes import Floats, Ints

LEAST = 1e-9
"""An interval that takes less than this share of the forecast's variance away says nothing."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_REACH = 74.0
"""Twice the logarithm at which the density is taken for zero: e^-37 of its peak."""
_REFUSED = "{name} must be {needed}: {count} draws are not"


def sites(
    day: Ints, start: Ints, low: Floats, high: Floats, noise: Noise, prior: Prior
) -> tuple[Floats, Floats]:
    """What each draw says of ln insulin, as a normal draw of the trend model.

    Args:
        day: (N,) whole days from any origin; draws sorted by patient and day.
        start: (N,) index of the patient's first draw.
        low: (N,) ln uIU/mL; the lower end of what was printed, -inf where it is open.
        high: (N,) likewise the upper end, inf where open; an exact draw has ``low == high``.
        noise: the noise of one draw; bad draws are not thought of here.
        prior: how people differ.

    Returns:
        ``y`` (N,), ln uIU/mL, and ``extra`` (N,), at least 0: the variance to be added to the noise
        of insulin. Exact draws have their value and 0.

    Raises:
        ValueError: limits that are no interval (which and how many, no values).
    """
    _check(low, high)
    y, extra = np.where(low == high, low, 0.0), np.zeros(len(low))
    first = np.unique(start[low < high])
    if first.size:
        mean, covariance = _overall(prior)
        precision = np.linalg.inv(covariance)
        before = np.array([*precision[np.tril_indices(2)], *(precision @ mean)])
        _fill(first, day, start, (low, high), (before, _variance(noise)), (y, extra))
    return y, extra


def _check(low: Floats, high: Floats) -> None:
    wrong: dict[tuple[str, str], NDArray[np.bool_]] = {
        ("low", "a number below infinity"): np.isnan(low) | (low == inf),
        ("high", "a number above minus infinity"): np.isnan(high) | (high == -inf),
        ("high", "at least low"): high < low,
    }
    for (name, needed), at in wrong.items():
        if at.any():
            raise ValueError(_REFUSED.format(name=name, needed=needed, count=int(at.sum())))


def _overall(prior: Prior) -> tuple[Floats, Floats]:
    """Mean and covariance of (level, slope) of ln insulin over the whole mixture."""
    weight = np.array(prior.weights) / np.sum(prior.weights)
    means, within = np.array(prior.means)[:, :2], np.array(prior.covariances)[:, :2, :2]
    mean = weight @ means
    off = means - mean
    return mean, np.einsum("k,kij->ij", weight, within + off[:, :, None] * off[:, None, :])


def _variance(noise: Noise) -> float:
    """Of one good draw of ln insulin, over all people."""
    scale, share = np.array(noise.scales).T
    return float(noise.insulin_sd**2 * (share @ scale**2) / share.sum())


@compiled
def _inside(low: float, high: float) -> tuple[float, float]:
    """Mean and variance of a standard normal kept between the limits.

    By Gauss-Legendre over where the density is not negligible, relative to its peak: nothing
    cancels or underflows, however far out or narrow the interval is.
    """
    peak = min(max(0.0, low), high)
    reach = _REACH / (sqrt(peak * peak + _REACH) + abs(peak))
    begin, end = max(low, peak - reach), min(high, peak + reach)
    middle, half = 0.5 * (begin + end) - peak, 0.5 * (end - begin)
    total, first, second = 0.0, 0.0, 0.0
    for node, weight in zip(_NODES, _WEIGHTS):  # noqa: B905 the compiler knows no strict
        off = middle + half * node
        share = weight * exp(-off * (peak + 0.5 * off))
        total += share
        first += share * off
        second += share * off * off
    first /= total
    return peak + first, max(second / total - first * first, 0.0)


@compiled
def _forecast(before: Floats, said: Floats, t: float) -> tuple[float, float]:
    """Mean and variance of the line at ``t``, where the prior is dated.

    ``said``: of the earlier draws, precision x 1, t, t^2 and weighted values x 1, t.
    """
    p00 = before[0] + said[0]
    p10 = before[1] + said[1] - t * said[0]
    p11 = before[2] + said[2] - t * (2 * said[1] - t * said[0])
    h0 = before[3] + said[3]
    h1 = before[4] + said[4] - t * said[3]
    determinant = p00 * p11 - p10 * p10
    return (p11 * h0 - p10 * h1) / determinant, p11 / determinant


@compiled
def _fill(
    first: Ints,
    day: Ints,
    start: Ints,
    limits: tuple[Floats, Floats],
    model: tuple[Floats, float],
    out: tuple[Floats, Floats],
) -> None:
    """Set ``out`` (y, extra) of the censored draws of the patients who begin at ``first``."""
    before, noise = model
    y, extra = out
    said = np.zeros(5)
    for begin in first:
        said[:] = 0
        j = begin
        while j < day.size and start[j] == begin:
            low, high, t = limits[0][j], limits[1][j], (day[j] - day[begin]) / DAYS_PER_YEAR
            if low < high:
                mean, variance = _forecast(before, said, t)
                s = sqrt(variance + noise)
                shift, left = _inside((low - mean) / s, (high - mean) / s)
                taken = max(1 - left, LEAST)
                y[j] = mean + s * shift / taken
                extra[j] = s * s * left / taken
            w = 1 / (noise + extra[j])
            said[0] += w
            said[1] += w * t
            said[2] += w * t * t
            said[3] += w * y[j]
            said[4] += w * y[j] * t
            j += 1
