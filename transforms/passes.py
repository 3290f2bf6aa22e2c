"""What is asked of the trend model's posterior, compiled: results, doubts, forecasts, a fit's sums.

One pass over many cases each; the posterior of a case is in :mod:`transforms.kernel`.
"""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np

from transforms.compiling import compiled, inlined
from transforms.kernel import NEGLIGIBLE, cut_of, keep, load, weigh_configurations, weigh_pairs
from transforms.normals import PEAK, Ten, Three, below, joint
from transforms.shapes import LANES, SPREAD, Bounds, Draws, Floats, Gathered, Ints, Model, Work

RESULTS = 18
"""Means 4, ends of the slopes' intervals 4, probabilities 6, ends of the levels' intervals 4; after
them P(newest draw bad) by type."""
ENDS = (4, 6, 14, 16)
"""Where the intervals stand in them, in the order in which ``slope`` keeps slopes and levels."""
UNSEEN = 10
"""Where ``p_climbing_unseen`` stands in them."""
NEGLIGIBLE_IN_INTERVAL = 2e-5
"""As :data:`transforms.kernel.NEGLIGIBLE`, for the ends of intervals."""
NEGLIGIBLE_IN_FIT = 1e-8
"""As :data:`transforms.kernel.NEGLIGIBLE`, for the sums of a fit."""
TAIL = 0.05
NEAR = 0.003
"""So near in logarithm, the next step leaves an error in probability below 1e-7."""


@inlined
def _covariance(x: Floats, i: int) -> Ten:
    return (
        x[5 * LANES + i],
        x[6 * LANES + i],
        x[7 * LANES + i],
        x[8 * LANES + i],
        x[9 * LANES + i],
        x[10 * LANES + i],
        x[11 * LANES + i],
        x[12 * LANES + i],
        x[13 * LANES + i],
        x[14 * LANES + i],
    )


@compiled
def _average(model: Model, kept: int, work: Work, out: Floats) -> None:
    """Means and probabilities into ``out``, and the kept terms' slopes into ``slope``."""
    limit, into = model.limit, work.lanes
    high, steep, fine, rising = limit[0], limit[1], limit[2], limit[3]
    into[: 11 * LANES] = 0
    for b in range(-(-kept // LANES)):
        x, slope = work.moment[b], work.slope[b]
        for i in range(LANES):
            c = _covariance(x, i)
            weight, m0, m1 = x[i], x[LANES + i], x[2 * LANES + i]
            m2, m3 = x[3 * LANES + i], x[4 * LANES + i]
            of_b, of_s = 1 / sqrt(c[2]), 1 / sqrt(c[9])
            climbs, steady = (m1 - steep) * of_b, (rising - m3) * of_s
            well, unseen = joint(climbs, (fine - m2) / sqrt(c[5]), steady, c)
            climbing = below(climbs)[0]
            into[i] += weight
            into[LANES + i] += weight * m0
            into[2 * LANES + i] += weight * m1
            into[3 * LANES + i] += weight * m2
            into[4 * LANES + i] += weight * m3
            into[5 * LANES + i] += weight * climbing
            into[6 * LANES + i] += weight * well
            into[7 * LANES + i] += weight * min(unseen, climbing)
            into[8 * LANES + i] += weight * below((m0 - high) / sqrt(c[0]))[0]
            into[9 * LANES + i] += weight * below(-m1 * of_b)[0]
            into[10 * LANES + i] += weight * below(-steady)[0]
            slope[i] = weight
            slope[LANES + i] = m1
            slope[2 * LANES + i] = c[2] * of_b
            slope[3 * LANES + i] = m3
            slope[4 * LANES + i] = c[9] * of_s
            slope[5 * LANES + i] = m0
            slope[6 * LANES + i] = sqrt(c[0])
            slope[7 * LANES + i] = m2
            slope[8 * LANES + i] = sqrt(c[5])
    total = into[:LANES].sum()
    for e in range(10):
        place = e if e < 4 else e + 4
        out[place] = into[(1 + e) * LANES : (2 + e) * LANES].sum() / total


@compiled
def _set_newest_bad(model: Model, n: int, configurations: int, work: Work, out: Floats) -> None:
    """P(newest draw bad) by kind, after the :data:`RESULTS`."""
    out[RESULTS:] = 0
    for c in range(1, configurations):
        for side in range(2):
            m = work.pair[c, side]
            if m and work.mark[m, 0] == n - 1:
                for s in range(model.scale.size):
                    q = s * configurations + c
                    kind = work.mark[m, 1] - 1
                    out[RESULTS + kind] += work.belief[q // LANES, q % LANES]


@compiled
def _heaviest(kept: int, cut: float, work: Work) -> int:
    """Move the terms that matter for intervals to the front; returns how many rows they fill."""
    n, slope = 0, work.slope
    for j in range(kept):
        row, i = j // LANES, j % LANES
        if slope[row, i] > cut:
            for e in range(SPREAD):
                slope[n // LANES, e * LANES + n % LANES] = slope[row, e * LANES + i]
            n += 1
    row = n // LANES
    for i in range(n % LANES or LANES, LANES):
        for e in range(SPREAD):
            slope[row, e * LANES + i] = slope[row, e * LANES]
        slope[row, i] = 0.0
    return -(-n // LANES)


@compiled
def _start(rows: int, column: int, sign: float, work: Work) -> tuple[float, float, float, float]:
    """Where the tail may begin, between which ends it must, and the terms' weight."""
    total, first, second, low, high = 0.0, 0.0, 0.0, np.inf, -np.inf
    for b in range(rows):
        x = work.slope[b]
        for i in range(LANES):
            w, sd = x[i], x[(column + 1) * LANES + i]
            m = sign * x[column * LANES + i]
            own = m - 1.6448536269514722 * sd
            low, high = min(low, own), max(high, own)
            total, first, second = total + w, first + w * m, second + w * (m * m + sd * sd)
    first /= total
    x0 = first - 1.6448536269514722 * sqrt(max(second / total - first * first, 0.0))
    return min(max(x0, low), high), low, high, total


@compiled
def _reached(at: float, rows: int, column: int, sign: float, work: Work) -> Three:
    """Weight below ``at``, its density there, and the derivative of that."""
    lanes, place = work.lanes, column * LANES
    lanes[: 3 * LANES] = 0
    for b in range(rows):
        x = work.slope[b]
        for i in range(LANES):
            w, rate = x[i], 1 / x[place + LANES + i]
            z = (at - sign * x[place + i]) * rate
            share, top = below(z)
            density = w * rate * top
            lanes[i] += w * share
            lanes[LANES + i] += density
            lanes[2 * LANES + i] -= density * z * rate
    density, bend = lanes[LANES : 2 * LANES].sum(), lanes[2 * LANES : 3 * LANES].sum()
    return lanes[:LANES].sum(), PEAK * density, PEAK * bend


@compiled
def _tail(rows: int, column: int, sign: float, work: Work) -> float:
    """Where :data:`TAIL` of a mixture of normals lies below (``sign`` 1) or above (-1).

    Halley's method on the logarithm of the probability, inside a bracket: the terms' own ends.
    """
    x, low, high, total = _start(rows, column, sign, work)
    for _ in range(60):
        reached, density, bend = _reached(x, rows, column, sign, work)
        low, high = (low, x) if reached > TAIL * total else (x, high)
        miss = log(max(reached, 1e-300) / (TAIL * total))
        rate, curve = density / max(reached, 1e-300), bend / max(reached, 1e-300)
        step = 2 * miss * rate / (2 * rate * rate - miss * (curve - rate * rate))
        x = x - step if low < x - step < high else 0.5 * (low + high)
        if abs(miss) < NEAR:
            break
    return sign * x


@compiled
def _settle(model: Model, n: int, bounds: Bounds, work: Work, out: Floats) -> tuple[int, int]:
    """The posterior of the loaded draws: configurations, terms kept.

    At most one draw is bad; where ``p_climbing_unseen`` is then ``pair_from`` or more, two may be.
    """
    configurations = weigh_configurations(model, n, bounds, work)[0]
    kept = keep(model, model.scale.size * configurations, NEGLIGIBLE, work)
    _average(model, kept, work, out)
    if out[UNSEEN] >= bounds.pair_from:
        both = weigh_pairs(model, n, configurations, bounds, work)
        if both > configurations:
            configurations = both
            kept = keep(model, model.scale.size * both, NEGLIGIBLE, work)
            _average(model, kept, work, out)
    return configurations, kept


@compiled
def describe(draws: Draws, cases: Ints, model: Model, bounds: Bounds, work: Work) -> Floats:
    """The results of each case, (cases, RESULTS + kinds - 1); see :data:`RESULTS`.

    ``cases``: first draw, one past the last, and a draw left out (-1 for none).
    """
    found = np.zeros((len(cases), RESULTS + model.rate.size - 1))
    for i in range(len(cases)):
        n, out = load(draws, cases[i], work), found[i]
        configurations, kept = _settle(model, n, bounds, work, out)
        _set_newest_bad(model, n, configurations, work, out)
        cut = cut_of(model, model.scale.size * configurations, NEGLIGIBLE_IN_INTERVAL, work)
        rows = _heaviest(kept, cut, work)
        for k in range(len(ENDS)):
            out[ENDS[k]] = _tail(rows, 2 * k + 1, 1.0, work)
            out[ENDS[k] + 1] = _tail(rows, 2 * k + 1, -1.0, work)
    return found


@compiled
def doubt(draws: Draws, cases: Ints, model: Model, bounds: Bounds, work: Work) -> Floats:
    """P(bad) of the draws of the cases, one after the other, by kind: (draws, kinds - 1)."""
    kinds = model.rate.size
    result = np.zeros(RESULTS + kinds - 1)
    doubts = np.zeros(((cases[:, 1] - cases[:, 0]).sum(), kinds - 1))
    first = 0
    for i in range(len(cases)):
        n = load(draws, cases[i], work)
        configurations = _settle(model, n, bounds, work, result)[0]
        for q in range(model.scale.size * configurations):
            for side in range(2):
                m = work.pair[q % configurations, side]
                if m:
                    j, kind = first + work.mark[m, 0], work.mark[m, 1] - 1
                    doubts[j, kind] += work.belief[q // LANES, q % LANES]
        first += n
    return doubts


@compiled
def _foretold(mean: float, variance: float, value: float, model: Model, column: int) -> float:
    """P(a draw of unknown kind lies below ``value``), from the variance of a good one."""
    p = 0.0
    for b in range(model.rate.size):
        sd = sqrt(variance + model.added[b, column])
        p += exp(model.rate[b]) * below((value - mean - model.shift[b, column]) / sd)[0]
    return p


@compiled
def foretell(draws: Draws, cases: Ints, model: Model, bounds: Bounds, work: Work) -> Floats:
    """P(ln insulin, ln glucose below those of the newest draw), from the draws before: (N, 2).

    Not a number where there are none before.
    """
    found = np.full((len(cases), 2), np.nan)
    for i in range(len(cases)):
        n = load(draws, cases[i], work) - 1
        if not n:
            continue
        configurations = weigh_configurations(model, n, bounds, work)[0]
        spread, extra = work.spread[n], work.extra[n]
        total, insulin, glucose = 0.0, 0.0, 0.0
        for j in range(keep(model, model.scale.size * configurations, NEGLIGIBLE, work)):
            row, lane, s = j // LANES, j % LANES, work.at[j, 0] // configurations
            weight = work.moment[row, lane]
            mean, own = work.moment[row, LANES + lane], work.moment[row, 5 * LANES + lane]
            own += spread * model.noise[s, 0] + extra
            insulin += weight * _foretold(mean, own, work.y[n], model, 0)
            mean, own = work.moment[row, 3 * LANES + lane], work.moment[row, 10 * LANES + lane]
            own += spread * model.noise[s, 2]
            glucose += weight * _foretold(mean, own, work.g[n], model, 1)
            total += weight
        found[i, 0], found[i, 1] = insulin / total, glucose / total
    return found


@compiled
def _add_squares(into: Floats, sign: float, work: Work, j: int) -> None:
    """Add draw ``j`` to the sums of squares; one with something extra says nothing of the noise."""
    if work.extra[j] > 0:
        return
    t, y, g, w = work.t[j], work.y[j], work.g[j], sign / work.spread[j]
    into[0] += sign
    into[1] += w
    into[2] += w * t
    into[3] += w * t * t
    into[4] += w * y
    into[5] += w * t * y
    into[6] += w * g
    into[7] += w * t * g
    into[8] += w * y * y
    into[9] += w * y * g
    into[10] += w * g * g


@compiled
def _add_noise(q: Floats, e: Floats, scale: float, into: Gathered) -> None:
    """Add the expected squares of residuals: those of a configuration's good draws.

    ``q``: sums as by :func:`_add_squares`; ``e``: weight, weight x mean, weight x second moments.
    """
    into.good[0] += e[0] * q[0]
    first, m = e[1:5], e[5:]
    insulin = e[0] * q[8] - 2 * (first[0] * q[4] + first[1] * q[5])
    insulin += m[0] * q[1] + 2 * m[1] * q[2] + m[2] * q[3]
    cross = e[0] * q[9] - first[2] * q[4] - first[3] * q[5] - first[0] * q[6] - first[1] * q[7]
    cross += m[3] * q[1] + (m[4] + m[6]) * q[2] + m[7] * q[3]
    glucose = e[0] * q[10] - 2 * (first[2] * q[6] + first[3] * q[7])
    glucose += m[5] * q[1] + 2 * m[8] * q[2] + m[9] * q[3]
    into.noise[0] += insulin / (scale * scale)
    into.noise[1] += cross / scale
    into.noise[2] += glucose


@compiled
def _add_term(j: int, k: int, work: Work, into: Gathered) -> None:
    """Add a term's weight, weight x mean, weight x (covariance + mean mean')."""
    x, belief = work.moment[j // LANES], work.squares[0]
    i, at = j % LANES, 0
    weight = x[i]
    into.people[k] += weight
    belief[0] += weight
    for row in range(4):
        mean = x[(1 + row) * LANES + i]
        into.first[k, row] += weight * mean
        belief[1 + row] += weight * mean
        for column in range(row + 1):
            both = weight * (x[(5 + at) * LANES + i] + mean * x[(1 + column) * LANES + i])
            into.second[k, at] += both
            belief[5 + at] += both
            at += 1


@compiled
def _add_situation(q: int, configurations: int, model: Model, work: Work, into: Gathered) -> None:
    """Add what the terms of a situation say together, of scale, bad draws and noise."""
    s, c = q // configurations, q % configurations
    belief, good = work.squares[0], work.squares[2]
    into.scale[s] += belief[0]
    good[:] = work.squares[1]
    if c:
        mark = work.mark[work.pair[c, 0]]
        into.bad[mark[1] - 1] += belief[0]
        _add_squares(good, -1.0, work, mark[0])
    _add_noise(good, belief, model.factor[s], into)
    belief[:] = 0


@compiled
def gather(draws: Draws, cases: Ints, model: Model, bounds: Bounds, work: Work) -> Gathered:
    """What a pass of the fit takes from the cases."""
    components = model.own.size
    into = Gathered(
        np.zeros(components),
        np.zeros((components, 4)),
        np.zeros((components, 10)),
        np.zeros(model.scale.size),
        np.zeros(model.rate.size - 1),
        np.zeros(3),
        np.zeros(1),
        np.zeros(1),
    )
    for i in range(len(cases)):
        n = load(draws, cases[i], work)
        configurations, evidence = weigh_configurations(model, n, bounds, work)
        into.evidence[0] += evidence
        work.squares[:] = 0
        for j in range(n):
            _add_squares(work.squares[1], 1.0, work, j)
        kept = keep(model, model.scale.size * configurations, NEGLIGIBLE_IN_FIT, work)
        for j in range(kept):
            q = work.at[j, 0]
            _add_term(j, work.at[j, 1], work, into)
            if j + 1 == kept or work.at[j + 1, 0] != q:
                _add_situation(q, configurations, model, work, into)
    return into
