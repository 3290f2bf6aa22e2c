"""The trend model's posterior, compiled: one patient's mixture, many terms at a time.

A case is a patient's draws in order of time. Its posterior is a mixture with one normal term for
every combination of a noise scale, a configuration (which draws are bad, and how) and a component
of the prior. What a draw says is fourteen sums (:func:`_add_draw`); a configuration exchanges those
of its bad draws. A situation (scale and configuration) is a lane, :data:`transforms.shapes.LANES`
of them a block, on which the arithmetic of :mod:`transforms.normals` runs at once. Nothing is
shared between cases, and sums go in an order of the case's own: a case has the same result to the
bit, whoever else is in the batch.

Imported only where cases are to be computed: loading the compiler takes half a second, and the
first run after a change compiles for some seconds.
"""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np

from transforms.compiling import compiled, inlined
from transforms.normals import Four, Ten, decay, factor, moments
from transforms.shapes import FORM, INFO, LANES, SUMS, Bounds, Draws, Floats, Ints, Model, Work

NEGLIGIBLE = 1e-7
"""Posterior weight left out of the averages, at most, in all."""
STEPS = 5
"""Cuts that are tried, each a quarter of the one before."""
DAYS_PER_YEAR = 365.25


@compiled
def _precision(model: Model, kind: tuple[int, int], spread: float, extra: float) -> Four:
    """Precision of a draw (insulin, cross, glucose); its log rate and half its log determinant."""
    if spread == 1 and extra == 0:
        w = model.weight[kind]
        return w[0], w[1], w[2], model.constant[kind]
    noise, added = model.noise[kind[0]], model.added[kind[1]]
    insulin = spread * noise[0] + extra + added[0]
    cross, glucose = spread * noise[1], spread * noise[2] + added[1]
    size = insulin * glucose - cross * cross
    constant = model.rate[kind[1]] - 0.5 * log(size)
    return glucose / size, -cross / size, insulin / size, constant


@compiled
def _add_draw(
    into: Floats, sign: float, model: Model, kind: tuple[int, int], work: Work, j: int
) -> None:
    """Add what draw ``j`` says: precision x 1, t, t^2; weighted values x 1, t."""
    w = _precision(model, kind, work.spread[j], work.extra[j])
    t = work.t[j]
    dy, dg = work.y[j] - model.shift[kind[1], 0], work.g[j] - model.shift[kind[1], 1]
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
    into[13] += sign * (w[3] + work.odds[j, kind[1]] - 0.5 * (u * dy + v * dg))


@compiled
def load(draws: Draws, case: Ints, work: Work) -> int:
    """Copy a case's draws, dated in years before its newest; returns how many."""
    newest = case[1] - 2 if case[2] == case[1] - 1 else case[1] - 1
    n = 0
    for j in range(case[0], case[1]):
        if j != case[2]:
            work.t[n] = (draws.day[j] - draws.day[newest]) / DAYS_PER_YEAR
            work.y[n] = draws.y[j]
            work.g[n] = draws.g[j]
            work.spread[n], work.extra[n] = draws.spread[j], draws.extra[j]
            work.odds[n] = draws.odds[j]
            n += 1
    return n


@compiled
def _sum_draws(model: Model, n: int, work: Work) -> None:
    """The sums of all draws, taken as good, at every noise scale."""
    work.base[:] = 0
    for s in range(model.scale.size):
        for j in range(n):
            _add_draw(work.base[s], 1.0, model, (s, 0), work, j)


@compiled
def _set_residuals(model: Model, n: int, work: Work) -> None:
    """How far insulin of each draw lies from the posterior mean when all are taken as good.

    Squared, in units of the draw's own variance beside that of a usual draw.
    """
    usual, level, slope = model.scale.size // 2, 0.0, 0.0
    work.pair[0] = 0
    situations = _lay(model, usual, usual + 1, 1, work)
    _weigh(model, situations, work)
    for j in range(keep(model, situations, 0.0, work)):
        b, i = j // LANES, j % LANES
        level += work.moment[b, i] * work.moment[b, LANES + i]
        slope += work.moment[b, i] * work.moment[b, 2 * LANES + i]
    for j in range(n):
        off = work.y[j] - level - slope * work.t[j]
        variance = work.spread[j] + work.extra[j] / model.noise[usual, 0]
        work.residual[j] = off * off / variance


@compiled
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


@compiled
def _set_marks(model: Model, n: int, bounds: Bounds, work: Work) -> int:
    """A mark for every suspect and kind, with what it changes in the sums; 0 marks nothing.

    Returns how many marks there are.
    """
    scales, kinds = model.constant.shape
    suspects = _choose_suspects(model, n, bounds.suspects, work)
    m = 0
    for i in range(suspects):
        j = work.suspect[i]
        for b in range(1, kinds):
            m += 1
            work.mark[m, 0], work.mark[m, 1] = j, b
            for s in range(scales):
                work.delta[s, m] = 0
                _add_draw(work.delta[s, m], 1.0, model, (s, b), work, j)
                _add_draw(work.delta[s, m], -1.0, model, (s, 0), work, j)
    return m


@compiled
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


@compiled
def _set_drift(model: Model, n: int, work: Work) -> None:
    """The variance of the slope that wander feigns over the draws' days, beyond its share of R.

    Least squares sees a sum of the wander's values, ``sum c_j w_j``; neighbours in time are alike.
    """
    sd, time, t = model.wander[0], model.wander[1], work.t
    middle, square = 0.0, 0.0
    for j in range(n):
        middle += t[j] / n
    for j in range(n):
        square += (t[j] - middle) * (t[j] - middle)
    carried, together = 0.0, 0.0
    for j in range(1, n):
        carried = exp((t[j - 1] - t[j]) / time) * (carried + t[j - 1] - middle)
        together += carried * (t[j] - middle)
    work.drift[0] = max(2 * sd * sd * together / (square * square), 0.0) if square > 0 else 0.0
    work.drift[1] = middle


@compiled
def _set_info(out: Floats, i: int, work: Work) -> None:
    """Write what a situation's sums say, knowing that wander may have tilted the line."""
    x, v, middle = work.sums, work.drift[0], work.drift[1]
    u0, u1 = x[1] - middle * x[0], x[2] - middle * x[1]
    u2, u3 = x[4] - middle * x[3], x[5] - middle * x[4]
    tilt, size = x[10] - middle * x[9], 1 + v * (u1 - middle * u0)
    f = v / size
    out[i] = x[0] - f * u0 * u0
    out[LANES + i] = x[1] - f * u1 * u0
    out[2 * LANES + i] = x[2] - f * u1 * u1
    out[3 * LANES + i] = x[3] - f * u2 * u0
    out[4 * LANES + i] = x[4] - f * u2 * u1
    out[5 * LANES + i] = x[6] - f * u2 * u2
    out[6 * LANES + i] = x[4] - f * u3 * u0
    out[7 * LANES + i] = x[5] - f * u3 * u1
    out[8 * LANES + i] = x[7] - f * u3 * u2
    out[9 * LANES + i] = x[8] - f * u3 * u3
    out[10 * LANES + i] = x[9] - f * u0 * tilt
    out[11 * LANES + i] = x[10] - f * u1 * tilt
    out[12 * LANES + i] = x[11] - f * u2 * tilt
    out[13 * LANES + i] = x[12] - f * u3 * tilt
    out[14 * LANES + i] = x[13] + 0.5 * (f * tilt * tilt - log(size))


@compiled
def _lay(model: Model, first: int, last: int, configurations: int, work: Work) -> int:
    """Lay out what each situation of these scales says, and fill the last block.

    Returns how many situations there are.
    """
    q = 0
    for s in range(first, last):
        for c in range(configurations):
            one, two = work.pair[c, 0], work.pair[c, 1]
            for e in range(SUMS):
                both = work.delta[s, one, e] + work.delta[s, two, e]
                work.sums[e] = work.base[s, e] + both
            work.sums[13] += model.scale[s]
            _set_info(work.info[q // LANES], q % LANES, work)
            q += 1
    for unused in range(q, -(-q // LANES) * LANES):
        b, i = unused // LANES, unused % LANES
        for e in range(INFO):
            work.info[b, e * LANES + i] = 0.0
        work.info[b, 14 * LANES + i] = -np.inf
    return q


@inlined
def _learned(x: Floats, i: int, p: Ten, h: Four) -> tuple[Ten, Four]:
    """Precision and precision x mean of a term: the component's and the draws'."""
    precision = (
        p[0] + x[i],
        p[1] + x[LANES + i],
        p[2] + x[2 * LANES + i],
        p[3] + x[3 * LANES + i],
        p[4] + x[4 * LANES + i],
        p[5] + x[5 * LANES + i],
        p[6] + x[6 * LANES + i],
        p[7] + x[7 * LANES + i],
        p[8] + x[8 * LANES + i],
        p[9] + x[9 * LANES + i],
    )
    pull = (
        h[0] + x[10 * LANES + i],
        h[1] + x[11 * LANES + i],
        h[2] + x[12 * LANES + i],
        h[3] + x[13 * LANES + i],
    )
    return precision, pull


@inlined
def _component(model: Model, k: int) -> tuple[Ten, Four]:
    """Precision and precision x mean of a component of the prior."""
    p, h = model.precision[k], model.pull[k]
    own = p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9]
    return own, (h[0], h[1], h[2], h[3])


@compiled
def _set_exponents(model: Model, blocks: int, work: Work) -> float:
    """Each term's weight as a root times an exponential; returns the greatest exponent."""
    best = work.lanes[:LANES]
    best[:] = -np.inf
    for b in range(blocks):
        x = work.info[b]
        for k in range(model.own.size):
            own, out = model.own[k], work.weight[b, k]
            p, h = _component(model, k)
            for i in range(LANES):
                precision, pull = _learned(x, i, p, h)
                _, r, z = factor(precision, pull)
                fit = z[0] * z[0] * r[0] + z[1] * z[1] * r[1]
                fit += z[2] * z[2] * r[2] + z[3] * z[3] * r[3]
                exponent = own + x[14 * LANES + i] + 0.5 * fit
                out[i] = exponent
                out[LANES + i] = sqrt(r[0] * r[1] * r[2] * r[3])
                best[i] = exponent if exponent > best[i] else best[i]
    return float(best.max())


@compiled
def _weigh(model: Model, situations: int, work: Work) -> float:
    """Make the weights of all terms shares of their sum; returns the log evidence."""
    blocks = -(-situations // LANES)
    top, lanes = _set_exponents(model, blocks, work), work.lanes
    lanes[:LANES] = 0
    for b in range(blocks):
        for k in range(model.own.size):
            out = work.weight[b, k]
            for i in range(LANES):
                short = top - out[i]
                weight = out[LANES + i] * decay(min(short, 40.0))
                out[i] = weight if short < 40 else 0.0
                lanes[i] += out[i]
    total = 0.0
    for i in range(LANES):
        total += lanes[i]
    share = 1 / total
    for b in range(blocks):
        belief = work.belief[b]
        belief[:] = 0
        for k in range(model.own.size):
            out = work.weight[b, k]
            for i in range(LANES):
                out[i] *= share
                belief[i] += out[i]
    return top + log(total)


@compiled
def cut_of(model: Model, situations: int, negligible: float, work: Work) -> float:
    """A weight so small that all terms up to it weigh no more than ``negligible`` together."""
    blocks = -(-situations // LANES)
    terms = blocks * LANES * model.own.size
    cut = negligible / 16
    for _ in range(STEPS):
        lanes = work.lanes[:LANES]
        lanes[:] = 0
        for b in range(blocks):
            for k in range(model.own.size):
                weight = work.weight[b, k]
                for i in range(LANES):
                    lanes[i] += weight[i] if weight[i] <= cut else 0.0
        if lanes.sum() <= negligible:
            return cut
        cut *= 0.25
    return min(cut, negligible / terms)


@compiled
def keep(model: Model, situations: int, negligible: float, work: Work) -> int:
    """Set moments of the terms, but for some that together weigh ``negligible`` at most.

    Returns how many there are; ``at`` says which, by situation.
    """
    cut, kept = cut_of(model, situations, negligible, work), 0
    for q in range(situations):
        b, i = q // LANES, q % LANES
        for k in range(model.own.size):
            if work.weight[b, k, i] > cut:
                row, j = kept // LANES, kept % LANES
                work.form[row, j] = work.weight[b, k, i]
                for e in range(10):
                    learned = model.precision[k, e] + work.info[b, e * LANES + i]
                    work.form[row, (1 + e) * LANES + j] = learned
                for e in range(4):
                    pulled = model.pull[k, e] + work.info[b, (10 + e) * LANES + i]
                    work.form[row, (11 + e) * LANES + j] = pulled
                work.at[kept, 0], work.at[kept, 1] = q, k
                kept += 1
    row = kept // LANES
    for j in range(kept % LANES or LANES, LANES):
        for e in range(FORM):
            work.form[row, e * LANES + j] = work.form[row, e * LANES]
        work.form[row, j] = 0.0
    _set_moments(-(-kept // LANES), work)
    return kept


@compiled
def _set_moments(rows: int, work: Work) -> None:
    """Weight, mean and covariance of the terms kept."""
    for b in range(rows):
        x, out = work.form[b], work.moment[b]
        for i in range(LANES):
            p = (
                x[LANES + i],
                x[2 * LANES + i],
                x[3 * LANES + i],
                x[4 * LANES + i],
                x[5 * LANES + i],
                x[6 * LANES + i],
                x[7 * LANES + i],
                x[8 * LANES + i],
                x[9 * LANES + i],
                x[10 * LANES + i],
            )
            h = x[11 * LANES + i], x[12 * LANES + i], x[13 * LANES + i], x[14 * LANES + i]
            mean, c = moments(p, h)
            out[i] = x[i]
            out[LANES + i] = mean[0]
            out[2 * LANES + i] = mean[1]
            out[3 * LANES + i] = mean[2]
            out[4 * LANES + i] = mean[3]
            out[5 * LANES + i] = c[0]
            out[6 * LANES + i] = c[1]
            out[7 * LANES + i] = c[2]
            out[8 * LANES + i] = c[3]
            out[9 * LANES + i] = c[4]
            out[10 * LANES + i] = c[5]
            out[11 * LANES + i] = c[6]
            out[12 * LANES + i] = c[7]
            out[13 * LANES + i] = c[8]
            out[14 * LANES + i] = c[9]


@compiled
def weigh_configurations(model: Model, n: int, bounds: Bounds, work: Work) -> tuple[int, float]:
    """Weigh the terms of the first ``n`` draws loaded, with at most one of them bad.

    Returns how many configurations there are, and the log evidence.
    """
    _sum_draws(model, n, work)
    _set_drift(model, n, work)
    marks = _set_marks(model, n, bounds, work)
    configurations = _set_pairs(marks, 0, work)
    situations = _lay(model, 0, model.scale.size, configurations, work)
    return configurations, _weigh(model, situations, work)


@compiled
def weigh_pairs(model: Model, n: int, configurations: int, bounds: Bounds, work: Work) -> int:
    """Weigh the terms anew, any two draws bad; returns how many configurations there are."""
    suspects = min(n, bounds.suspects_in_pairs)
    kinds = model.rate.size - 1
    both = _set_pairs(configurations - 1, suspects * kinds, work)
    if both > configurations:
        situations = _lay(model, 0, model.scale.size, both, work)
        _weigh(model, situations, work)
    return both
