"""The trend model's inner loop, compiled: one patient's mixture after another, in scalar steps.

A case is a patient's draws in order of time. Its posterior is a mixture with one normal term for
every combination of a noise scale, a configuration (which draws are bad, and how) and a component
of the prior. What a draw says about ``beta = (a_I, b_I, a_G, b_G)`` is fourteen sums
(:func:`_add_draw`); a configuration only exchanges the sums of its bad draws. Nothing is shared
between cases, and sums are taken in the order of the draws: a case has the same result to the bit,
whoever else is in the batch.

Imported only where cases are to be computed: loading the compiler takes half a second, and a first
run after a change of this file compiles for some seconds. All compiled functions stand in this one
file, since the compiler's cache is renewed by the file's own date.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erfc, exp, log, sqrt
from typing import NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Four = tuple[float, float, float, float]
Ten = tuple[float, float, float, float, float, float, float, float, float, float]
Function = TypeVar("Function", bound=Callable[..., object])

SUMS = 14
RESULTS = 14
"""Means 4, interval ends 4, probabilities 6; after them P(newest draw bad) by type."""
NEGLIGIBLE = 1e-7
"""Posterior weight left out of the averages, at most, in all."""
NEGLIGIBLE_IN_INTERVAL = 1e-5
"""Likewise for the ends of intervals, which cost most."""
TAIL = 0.05
DAYS_PER_YEAR = 365.25


def _compiled(function: Function) -> Function:
    """Without a folder to keep compiled code in, compile anew in every process."""
    try:
        compiled = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        compiled = numba.njit(nogil=True)(function)
    return cast("Function", compiled)


class Model(NamedTuple):
    """Noise, contamination and prior as arrays: S scales, B kinds of draw (0 is good), K components.

    ``weight`` (S, B, 3): precision of a draw: insulin, cross, glucose; ``constant`` (S, B): log
    rate and half its log determinant; ``shift`` (B, 2); ``scale`` (S,): log weights;
    ``precision`` (K, 10): lower triangle by rows; ``pull`` (K, 4); ``own`` (K,): log weight and
    constants; ``limit`` (4,): insulin level, insulin slope, glucose level, glucose slope.
    """

    weight: Floats
    constant: Floats
    shift: Floats
    scale: Floats
    precision: Floats
    pull: Floats
    own: Floats
    limit: Floats


class Draws(NamedTuple):
    """All draws, sorted by patient and day: ``day`` whole, ``y`` ln insulin, ``g`` ln glucose."""

    day: Ints
    y: Floats
    g: Floats


class Bounds(NamedTuple):
    """``suspects``: draws of a case that may be bad; ``pair_from``: see :func:`_settled`."""

    suspects: int
    suspects_in_pairs: int
    pair_from: float


class Work(NamedTuple):
    """Scratch space of one thread; marks say of which draw (``mark[:, 0]``) and how it is bad."""

    t: Floats
    y: Floats
    g: Floats
    residual: Floats
    base: Floats
    delta: Floats
    mark: Ints
    pair: Ints
    info: Floats
    log_weight: Floats
    term: Floats
    suspect: Ints


@_compiled
def _workspace(model: Model, bounds: Bounds, longest: int) -> Work:
    scales, kinds = model.constant.shape
    marks = bounds.suspects * (kinds - 1)
    inner = bounds.suspects_in_pairs * (kinds - 1)
    configurations = 1 + marks + inner * inner // 2
    terms = scales * configurations * model.own.size
    return Work(
        np.empty(longest),
        np.empty(longest),
        np.empty(longest),
        np.empty(longest),
        np.zeros((scales, SUMS)),
        np.zeros((scales, marks + 1, SUMS)),
        np.zeros((marks + 1, 2), np.int64),
        np.zeros((configurations, 2), np.int64),
        np.empty(SUMS),
        np.empty(terms),
        np.empty((terms, 5)),
        np.empty(bounds.suspects, np.int64),
    )


@_compiled
def _add_draw(into: Floats, sign: float, model: Model, kind: tuple[int, int], draw: Four) -> None:
    """Add what a draw ``(t, y, g, -)`` says: precision x 1, t, t^2; weighted values x 1, t."""
    w = model.weight[kind]
    t, dy, dg = draw[0], draw[1] - model.shift[kind[1], 0], draw[2] - model.shift[kind[1], 1]
    u = w[0] * dy + w[1] * dg
    v = w[1] * dy + w[2] * dg
    for i in range(3):
        into[3 * i] += sign * w[i]
        into[3 * i + 1] += sign * (w[i] * t)
        into[3 * i + 2] += sign * (w[i] * t * t)
    into[9] += sign * u
    into[10] += sign * (u * t)
    into[11] += sign * v
    into[12] += sign * (v * t)
    into[13] += sign * (model.constant[kind] - 0.5 * (u * dy + v * dg))


@_compiled
def _factor(info: Floats, model: Model, k: int) -> tuple[Ten, Four]:
    """Cholesky factor L of a term's precision (lower triangle by rows), and L^-1 of its shift."""
    p, h = model.precision[k], model.pull[k]
    l00 = sqrt(p[0] + info[0])
    l10 = (p[1] + info[1]) / l00
    l11 = sqrt(p[2] + info[2] - l10 * l10)
    l20 = (p[3] + info[3]) / l00
    l21 = (p[4] + info[4] - l20 * l10) / l11
    l22 = sqrt(p[5] + info[6] - l20 * l20 - l21 * l21)
    l30 = (p[6] + info[4]) / l00
    l31 = (p[7] + info[5] - l30 * l10) / l11
    l32 = (p[8] + info[7] - l30 * l20 - l31 * l21) / l22
    l33 = sqrt(p[9] + info[8] - l30 * l30 - l31 * l31 - l32 * l32)
    z0 = (h[0] + info[9]) / l00
    z1 = (h[1] + info[10] - l10 * z0) / l11
    z2 = (h[2] + info[11] - l20 * z0 - l21 * z1) / l22
    z3 = (h[3] + info[12] - l30 * z0 - l31 * z1 - l32 * z2) / l33
    return (l00, l10, l11, l20, l21, l22, l30, l31, l32, l33), (z0, z1, z2, z3)


@_compiled
def _log_weight(info: Floats, model: Model, k: int) -> float:
    factor, z = _factor(info, model, k)
    fit = 0.5 * (z[0] * z[0] + z[1] * z[1] + z[2] * z[2] + z[3] * z[3])
    return model.own[k] + info[13] + fit - log(factor[0] * factor[2] * factor[5] * factor[9])


@_compiled
def _moments(info: Floats, model: Model, k: int) -> tuple[Four, Ten]:
    """A term's mean, and its covariance (lower triangle by rows)."""
    f, z = _factor(info, model, k)
    m00, m11, m22, m33 = 1 / f[0], 1 / f[2], 1 / f[5], 1 / f[9]
    m10 = -m11 * f[1] * m00
    m20 = -m22 * (f[3] * m00 + f[4] * m10)
    m21 = -m22 * f[4] * m11
    m30 = -m33 * (f[6] * m00 + f[7] * m10 + f[8] * m20)
    m31 = -m33 * (f[7] * m11 + f[8] * m21)
    m32 = -m33 * f[8] * m22
    mean = (
        m00 * z[0] + m10 * z[1] + m20 * z[2] + m30 * z[3],
        m11 * z[1] + m21 * z[2] + m31 * z[3],
        m22 * z[2] + m32 * z[3],
        m33 * z[3],
    )
    covariance = (
        m00 * m00 + m10 * m10 + m20 * m20 + m30 * m30,
        m10 * m11 + m20 * m21 + m30 * m31,
        m11 * m11 + m21 * m21 + m31 * m31,
        m20 * m22 + m30 * m32,
        m21 * m22 + m31 * m32,
        m22 * m22 + m32 * m32,
        m30 * m33,
        m31 * m33,
        m32 * m33,
        m33 * m33,
    )
    return mean, covariance


@_compiled
def _below(z: float) -> float:
    """P(standard normal < z)."""
    return 0.5 * erfc(-z * 0.7071067811865476)


@_compiled
def _truncation(limit: float) -> tuple[float, float]:
    """How far a standard normal kept below ``limit`` moves down, and the variance it loses."""
    if limit < -25:
        square = limit * limit
        shift = -limit / (1 - 1 / square + 3 / (square * square))
    else:
        shift = 0.3989422804014327 * exp(-0.5 * limit * limit) / _below(limit)
    return shift, min(max(shift * (shift + limit), 0.0), 1.0)


@_compiled
def _joint(climbs: float, low: float, steady: float, c: Ten) -> tuple[float, float]:
    """P(low and steady), P(all three) of normals that lie so many SDs within their limits.

    By sequential truncation: condition on one event, take the rest as normal with the moments
    that remain, go on.
    """
    sd_b, sd_a, sd_s = sqrt(c[2]), sqrt(c[5]), sqrt(c[9])
    r_cl, r_cs, r_ls = -c[4] / (sd_b * sd_a), -c[7] / (sd_b * sd_s), c[8] / (sd_a * sd_s)
    shift, shrink = _truncation(low)
    rest = 1 - r_ls * r_ls * shrink
    steady = (steady + r_ls * shift) / sqrt(rest)
    both = _below(low) * _below(steady)
    left = 1 - r_cl * r_cl * shrink
    r_cs = (r_cs - r_cl * r_ls * shrink) / sqrt(left * rest)
    climbs = (climbs + r_cl * shift) / sqrt(left)
    shift, shrink = _truncation(steady)
    climbs = (climbs + r_cs * shift) / sqrt(1 - r_cs * r_cs * shrink)
    return both, both * _below(climbs)


@_compiled
def _load(draws: Draws, case: Ints, work: Work) -> int:
    """Copy the draws ``case[0]`` up to ``case[1]``, without ``case[2]``; years before the newest."""
    newest = case[1] - 2 if case[2] == case[1] - 1 else case[1] - 1
    n = 0
    for j in range(case[0], case[1]):
        if j != case[2]:
            work.t[n] = (draws.day[j] - draws.day[newest]) / DAYS_PER_YEAR
            work.y[n] = draws.y[j]
            work.g[n] = draws.g[j]
            n += 1
    return n


@_compiled
def _sum_draws(model: Model, n: int, work: Work) -> None:
    """The sums of all draws, taken as good, at every noise scale."""
    work.base[:] = 0
    for s in range(model.scale.size):
        for j in range(n):
            _add_draw(work.base[s], 1.0, model, (s, 0), (work.t[j], work.y[j], work.g[j], 0.0))


@_compiled
def _set_residuals(model: Model, n: int, work: Work) -> None:
    """How far insulin of each draw lies from the posterior mean when all are taken as good."""
    base, top = work.base[model.scale.size // 2], -np.inf
    for k in range(model.own.size):
        work.log_weight[k] = _log_weight(base, model, k)
        top = max(top, work.log_weight[k])
    total, level, slope = 0.0, 0.0, 0.0
    for k in range(model.own.size):
        weight, mean = exp(work.log_weight[k] - top), _moments(base, model, k)[0]
        total += weight
        level += weight * mean[0]
        slope += weight * mean[1]
    for j in range(n):
        work.residual[j] = abs(work.y[j] - (level + slope * work.t[j]) / total)


@_compiled
def _choose_suspects(model: Model, n: int, most: int, work: Work) -> int:
    """The draws that may be bad: all, or the newest and those farthest from the trend."""
    if n <= most:
        for j in range(n):
            work.suspect[j] = j
        return n
    _set_residuals(model, n, work)
    work.residual[n - 1] = np.inf
    for i in range(most):
        farthest = np.argmax(work.residual[:n])
        work.suspect[i] = farthest
        work.residual[farthest] = -1.0
    return most


@_compiled
def _set_marks(model: Model, n: int, bounds: Bounds, work: Work) -> tuple[int, int]:
    """A mark for every suspect and kind, with what it changes in the sums; 0 marks nothing.

    Returns the number of marks, and how many of them may stand in pairs.
    """
    scales, kinds = model.constant.shape
    suspects = _choose_suspects(model, n, bounds.suspects, work)
    m = 0
    for i in range(suspects):
        j = work.suspect[i]
        draw = (work.t[j], work.y[j], work.g[j], 0.0)
        for b in range(1, kinds):
            m += 1
            work.mark[m, 0], work.mark[m, 1] = j, b
            for s in range(scales):
                work.delta[s, m] = 0
                _add_draw(work.delta[s, m], 1.0, model, (s, b), draw)
                _add_draw(work.delta[s, m], -1.0, model, (s, 0), draw)
    return m, min(suspects, bounds.suspects_in_pairs) * (kinds - 1)


@_compiled
def _set_pairs(marks: int, in_pairs: int, work: Work) -> int:
    """The configurations: none, each mark alone, then two marks of different draws."""
    work.pair[0] = 0
    for m in range(1, marks + 1):
        work.pair[m, 0], work.pair[m, 1] = m, 0
    c = marks + 1
    for first in range(1, in_pairs + 1):
        for second in range(first + 1, in_pairs + 1):
            if work.mark[first, 0] != work.mark[second, 0]:
                work.pair[c, 0], work.pair[c, 1] = first, second
                c += 1
    return c


@_compiled
def _set_info(s: int, c: int, work: Work) -> None:
    """The sums of configuration ``c`` at scale ``s``."""
    base, first = work.base[s], work.delta[s, work.pair[c, 0]]
    for i in range(SUMS):
        work.info[i] = base[i] + first[i]
    if work.pair[c, 1]:
        second = work.delta[s, work.pair[c, 1]]
        for i in range(SUMS):
            work.info[i] += second[i]


@_compiled
def _weigh(model: Model, configurations: int, work: Work) -> float:
    """Make ``log_weight`` of all terms relative to their sum; returns the log evidence."""
    i, top = 0, -np.inf
    for s in range(model.scale.size):
        for c in range(configurations):
            _set_info(s, c, work)
            for k in range(model.own.size):
                work.log_weight[i] = model.scale[s] + _log_weight(work.info, model, k)
                top = max(top, work.log_weight[i])
                i += 1
    total = 0.0
    for j in range(i):
        if work.log_weight[j] > top - 40:
            total += exp(work.log_weight[j] - top)
    evidence = top + log(total)
    for j in range(i):
        work.log_weight[j] -= evidence
    return evidence


@_compiled
def _add_term(model: Model, k: int, weight: float, out: Floats, term: Floats) -> None:
    """Add one term to the means and probabilities; keep its slopes in ``term``."""
    mean, c = _moments(work_info := term[5:], model, k) if False else _moments(term, model, k)
