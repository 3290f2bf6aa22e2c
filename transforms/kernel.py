"""The trend model's inner loop, compiled: one patient's mixture after another, in scalar steps.

A case is a patient's draws in order of time. Its posterior is a mixture with one normal term for
every combination of a noise scale, a configuration (which draws are bad, and how) and a component
of the prior. What a draw says is fourteen sums (:func:`_add_draw`); a configuration exchanges those
of its bad draws. Nothing is shared between cases, and sums go in the order of the draws: a case has
the same result to the bit, whoever else is in the batch.

Imported only where cases are to be computed: loading the compiler takes half a second, and the
first run after a change compiles for some seconds. All compiled functions stand in this one file:
the cache of compiled code goes by the file's date.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log, sqrt
from typing import TypeVar, cast

import numba
import numpy as np

from transforms.shapes import SUMS, Bounds, Draws, Floats, Gathered, Ints, Model, Work

Four = tuple[float, float, float, float]
Six = tuple[float, float, float, float, float, float]
Ten = tuple[float, float, float, float, float, float, float, float, float, float]
Function = TypeVar("Function", bound=Callable[..., object])

RESULTS = 14
"""Means 4, interval ends 4, probabilities 6; after them P(newest draw bad) by type."""
NEGLIGIBLE = 5e-7
"""Posterior weight left out of the averages, at most, in all."""
NEGLIGIBLE_IN_INTERVAL = 1e-4
"""Likewise for the ends of intervals."""
TAIL = 0.05
DAYS_PER_YEAR = 365.25


def _compiled(function: Function) -> Function:
    """Compile; in every process anew where there is no folder to keep compiled code in.

    Division as NumPy divides: Python's check for zero makes the inner loop eight times slower.
    """
    try:
        compiled = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:
        compiled = numba.njit(nogil=True, error_model="numpy")(function)
    return cast("Function", compiled)


@_compiled
def _add_draw(into: Floats, sign: float, model: Model, kind: tuple[int, int], draw: Four) -> None:
    """Add what a draw ``(t, y, g, -)`` says: precision x 1, t, t^2; weighted values x 1, t."""
    w, t = model.weight[kind], draw[0]
    dy, dg = draw[1] - model.shift[kind[1], 0], draw[2] - model.shift[kind[1], 1]
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
def _factor(info: Floats, model: Model, k: int) -> tuple[Six, Four, Four]:
    """``L D L'`` of a term's precision: L below its unit diagonal, by rows; 1/D; L^-1 shift."""
    p, h = model.precision, model.pull
    a10, a20, a21 = p[k, 1] + info[1], p[k, 3] + info[3], p[k, 4] + info[4]
    r0 = 1 / (p[k, 0] + info[0])
    l10, l20, l30 = a10 * r0, a20 * r0, (p[k, 6] + info[4]) * r0
    r1 = 1 / (p[k, 2] + info[2] - l10 * a10)
    u21 = a21 - l20 * a10
    u31 = p[k, 7] + info[5] - l30 * a10
    l21, l31 = u21 * r1, u31 * r1
    r2 = 1 / (p[k, 5] + info[6] - l20 * a20 - l21 * u21)
    u32 = p[k, 8] + info[7] - l30 * a20 - l31 * u21
    l32 = u32 * r2
    r3 = 1 / (p[k, 9] + info[8] - l30 * (p[k, 6] + info[4]) - l31 * u31 - l32 * u32)
    z0 = h[k, 0] + info[9]
    z1 = h[k, 1] + info[10] - l10 * z0
    z2 = h[k, 2] + info[11] - l20 * z0 - l21 * z1
    z3 = h[k, 3] + info[12] - l30 * z0 - l31 * z1 - l32 * z2
    return (l10, l20, l21, l30, l31, l32), (r0, r1, r2, r3), (z0, z1, z2, z3)


@_compiled
def _log_weight(info: Floats, model: Model, k: int) -> float:
    _, r, z = _factor(info, model, k)
    fit = z[0] * z[0] * r[0] + z[1] * z[1] * r[1] + z[2] * z[2] * r[2] + z[3] * z[3] * r[3]
    return float(model.own[k] + info[13] + 0.5 * (fit + log(r[0] * r[1] * r[2] * r[3])))


@_compiled
def _moments(info: Floats, model: Model, k: int) -> tuple[Four, Ten]:
    """A term's mean, and its covariance (lower triangle by rows)."""
    f, r, z = _factor(info, model, k)
    m10, m21, m32 = -f[0], -f[2], -f[5]
    m20 = -f[1] - f[2] * m10
    m31 = -f[4] - f[5] * m21
    m30 = -f[3] - f[4] * m10 - f[5] * m20
    s0, s1, s2, s3 = r[0] * z[0], r[1] * z[1], r[2] * z[2], r[3] * z[3]
    mean = s0 + m10 * s1 + m20 * s2 + m30 * s3, s1 + m21 * s2 + m31 * s3, s2 + m32 * s3, s3
    covariance = (
        r[0] + r[1] * m10 * m10 + r[2] * m20 * m20 + r[3] * m30 * m30,
        r[1] * m10 + r[2] * m20 * m21 + r[3] * m30 * m31,
        r[1] + r[2] * m21 * m21 + r[3] * m31 * m31,
        r[2] * m20 + r[3] * m30 * m32,
        r[2] * m21 + r[3] * m31 * m32,
        r[2] + r[3] * m32 * m32,
        r[3] * m30,
        r[3] * m31,
        r[3] * m32,
        r[3],
    )
    return mean, covariance


@_compiled
def _tail_ratio(z: float) -> float:
    """P(standard normal > z) over exp(-z^2 / 2), for z of 0 or above.

    Hart 1968, Computer Approximations, algorithm 5666, as given by West 2005 (Wilmott Magazine);
    beyond 7.07 a continued fraction. Its error is below 1e-14 in probability.
    """
    if z > 7.07106781186547:
        return 0.3989422804014327 / (z + 1 / (z + 2 / (z + 3 / (z + 4 / (z + 0.65)))))
    over = 3.52624965998911e-02 * z + 0.700383064443688
    over = ((over * z + 6.37396220353165) * z + 33.912866078383) * z + 112.079291497871
    over = (over * z + 221.213596169931) * z + 220.206867912376
    under = 8.83883476483184e-02 * z + 1.75566716318264
    under = ((under * z + 16.064177579207) * z + 86.7807322029461) * z + 296.564248779674
    under = ((under * z + 637.333633378831) * z + 793.826512519948) * z + 440.413735824752
    return over / under


@_compiled
def _below(z: float) -> float:
    """P(standard normal < z)."""
    tail = exp(-0.5 * z * z) * _tail_ratio(abs(z))
    return tail if z < 0 else 1 - tail


@_compiled
def _truncation(limit: float) -> tuple[float, float]:
    """How far a standard normal kept below ``limit`` moves down, and the variance it loses."""
    shift = 0.3989422804014327 / _tail_ratio(abs(limit))
    if limit > 0:
        top = exp(-0.5 * limit * limit)
        shift = 0.3989422804014327 * top / (1 - top * _tail_ratio(limit))
    return shift, min(max(shift * (shift + limit), 0.0), 1.0)


@_compiled
def _joint(climbs: float, low: float, steady: float, c: Ten) -> tuple[float, float]:
    """P(low and steady), P(all three) of normals so many SDs within their limits.

    Condition on one event, take the rest as normal with the moments that remain, go on.
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
    """Copy a case's draws, dated in years before its newest; returns how many."""
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

    Returns how many marks there are, and how many of them may stand in pairs.
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
def _add_term(weight: float, mean: Four, c: Ten, limit: Floats, out: Floats) -> Four:
    """Add one term to the means and probabilities; returns mean and SD of both slopes."""
    sd_b, sd_s = sqrt(c[2]), sqrt(c[9])
    climbs = (mean[1] - limit[1]) / sd_b
    low = (limit[2] - mean[2]) / sqrt(c[5])
    steady = (limit[3] - mean[3]) / sd_s
    fine, unseen = _joint(climbs, low, steady, c)
    climbing = _below(climbs)
    for i in range(4):
        out[i] += weight * mean[i]
    out[8] += weight * climbing
    out[9] += weight * fine
    out[10] += weight * min(unseen, climbing)
    out[11] += weight * _below((mean[0] - limit[0]) / sqrt(c[0]))
    out[12] += weight * _below(-mean[1] / sd_b)
    out[13] += weight * _below(-steady)
    return mean[1], sd_b, mean[3], sd_s


@_compiled
def _average(model: Model, n: int, configurations: int, work: Work, out: Floats) -> int:
    """Means, probabilities and P(newest bad) into ``out``; returns how many terms were kept."""
    out[:] = 0
    terms = model.scale.size * configurations * model.own.size
    cut = log(NEGLIGIBLE / terms)
    i, kept, total = 0, 0, 0.0
    for s in range(model.scale.size):
        for c in range(configurations):
            _set_info(s, c, work)
            for k in range(model.own.size):
                if work.log_weight[i] > cut:
                    weight = exp(work.log_weight[i])
                    total += weight
                    work.term[kept, 0] = weight
                    mean, covariance = _moments(work.info, model, k)
                    term = _add_term(weight, mean, covariance, model.limit, out)
                    for j in range(4):
                        work.term[kept, 1 + j] = term[j]
                    kept += 1
                    for m in work.pair[c]:
                        if m and work.mark[m, 0] == n - 1:
                            out[RESULTS + work.mark[m, 1] - 1] += weight
                i += 1
    out /= total
    return kept


@_compiled
def _tail(term: Floats, column: int, sign: float) -> float:
    """Where :data:`TAIL` of a mixture of normals lies below (``sign`` 1) or above (-1).

    Newton's method on the logarithm of the probability, inside a bracket: the terms' own ends.
    """
    total, first, second, low, high = 0.0, 0.0, 0.0, np.inf, -np.inf
    for i in range(len(term)):
        w, m, sd = term[i, 0], sign * term[i, column], term[i, column + 1]
        own = m - 1.6448536269514722 * sd
        low, high = min(low, own), max(high, own)
        total, first, second = total + w, first + w * m, second + w * (m * m + sd * sd)
    first /= total
    x = first - 1.6448536269514722 * sqrt(max(second / total - first * first, 0.0))
    x = min(max(x, low), high)
    for _ in range(60):
        reached, density = 0.0, 0.0
        for i in range(len(term)):
            w, sd = term[i, 0], term[i, column + 1]
            z = (x - sign * term[i, column]) / sd
            reached += w * _below(z)
            density += w / sd * exp(-0.5 * z * z)
        reached, density = reached / total, 0.3989422804014327 * density / total
        if abs(reached - TAIL) < 1e-6:
            break
        low, high = (low, x) if reached > TAIL else (x, high)
        x = x - log(max(reached, 1e-300) / TAIL) * reached / max(density, 1e-300)
        if not low < x < high:
            x = 0.5 * (low + high)
    return sign * x


@_compiled
def _set_intervals(term: Floats, out: Floats) -> None:
    """The ends of both slopes' intervals, from the terms that weigh enough."""
    cut = NEGLIGIBLE_IN_INTERVAL / len(term)
    kept = 0
    for i in range(len(term)):
        if term[i, 0] > cut:
            term[kept] = term[i]
            kept += 1
    out[4], out[5] = _tail(term[:kept], 1, 1.0), _tail(term[:kept], 1, -1.0)
    out[6], out[7] = _tail(term[:kept], 3, 1.0), _tail(term[:kept], 3, -1.0)


@_compiled
def _settled(
    model: Model, n: int, bounds: Bounds, work: Work, out: Floats
) -> tuple[int, int, float]:
    """The posterior of the loaded draws: configurations, terms kept, log evidence.

    At most one draw is bad; where ``p_climbing_unseen`` is then ``pair_from`` or more, two may be.
    """
    _sum_draws(model, n, work)
    marks, in_pairs = _set_marks(model, n, bounds, work)
    configurations = _set_pairs(marks, 0, work)
    evidence = _weigh(model, configurations, work)
    kept = _average(model, n, configurations, work, out)
    if out[10] >= bounds.pair_from:
        both = _set_pairs(marks, in_pairs, work)
        if both > configurations:
            evidence = _weigh(model, both, work)
            kept = _average(model, n, both, work, out)
            configurations = both
    return configurations, kept, evidence


@_compiled
def describe(draws: Draws, cases: Ints, model: Model, bounds: Bounds, work: Work) -> Floats:
    """The results of each case, (cases, RESULTS + kinds - 1); see :data:`RESULTS`.

    ``cases``: first draw, one past the last, and a draw left out (-1 for none).
    """
    kinds = model.shift.shape[0]
    out = np.zeros((len(cases), RESULTS + kinds - 1))
    for i in range(len(cases)):
        n = _load(draws, cases[i], work)
        kept = _settled(model, n, bounds, work, out[i])[1]
        _set_intervals(work.term[:kept], out[i])
    return out


@_compiled
def doubt(draws: Draws, cases: Ints, model: Model, bounds: Bounds, work: Work) -> Floats:
    """P(bad) of the draws of the cases, one after the other, by kind: (draws, kinds - 1)."""
    kinds = model.shift.shape[0]
    result = np.zeros(RESULTS + kinds - 1)
    doubts = np.zeros(((cases[:, 1] - cases[:, 0]).sum(), kinds - 1))
    first = 0
    for i in range(len(cases)):
        n = _load(draws, cases[i], work)
        configurations = _settled(model, n, bounds, work, result)[0]
        term = 0
        for _ in range(model.scale.size):
            for c in range(configurations):
                for _ in range(model.own.size):
                    weight = exp(work.log_weight[term])
                    term += 1
                    for m in work.pair[c]:
                        if m:
                            doubts[first + work.mark[m, 0], work.mark[m, 1] - 1] += weight
        first += n
    return doubts


@_compiled
def _add_moments(mean: Four, c: Ten, k: int, weight: float, into: Gathered) -> None:
    """Add a term's weight, weight x mean, weight x (covariance + mean mean')."""
    into.people[k] += weight
    at = 0
    for i in range(4):
        into.first[k, i] += weight * mean[i]
        for j in range(i + 1):
            into.second[k, at] += weight * (c[at] + mean[i] * mean[j])
            at += 1


@_compiled
def gather(draws: Draws, cases: Ints, model: Model, bounds: Bounds, work: Work) -> Gathered:
    """What a pass of the fit takes from the cases."""
    scales, k_all, kinds = model.scale.size, model.own.size, model.shift.shape[0]
    into = Gathered(
        np.zeros(k_all),
        np.zeros((k_all, 4)),
        np.zeros((k_all, 10)),
        np.zeros(scales),
        np.zeros(kinds - 1),
        np.zeros(1),
    )
    for i in range(len(cases)):
        n = _load(draws, cases[i], work)
        _sum_draws(model, n, work)
        configurations = _set_pairs(_set_marks(model, n, bounds, work)[0], 0, work)
        into.evidence[0] += _weigh(model, configurations, work)
        term = 0
        for s in range(scales):
            for c in range(configurations):
                _set_info(s, c, work)
                for k in range(k_all):
                    weight = exp(work.log_weight[term])
                    term += 1
                    if weight > 1e-9:
                        mean, covariance = _moments(work.info, model, k)
                        _add_moments(mean, covariance, k, weight, into)
                        into.scale[s] += weight
                        if c:
                            into.bad[work.mark[work.pair[c, 0], 1] - 1] += weight
    return into
