"""The best that any method could do: P(label | a person's draws) under the simulation's own laws.

Monte Carlo over people: many simulated people stand for all that a person could truly be, each
weighed by how likely the person's draws are if that one were he; the weight of those who meet the
label is the answer. Given who a person is, draws are independent, and what may have happened to one
(after a meal, haemolysed, printed in pmol/L) is summed in closed form. The schedule of visits and
the laboratories' effects are known. Slow wander of insulin and glucose counts as noise of each
draw, without its memory of some months; that costs the oracle a little of its edge.

Its compiled functions take nothing from other files.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import exp, log, pi, tanh
from typing import NamedTuple

import numpy as np
import polars as pl

from transforms.compiling import compiled
from transforms.shapes import Floats, Ints
from transforms.synthetic.physiology import (
    CLIMBING,
    MG_DL_PER_MMOL_L,
    PMOL_L_PER_UIU_ML,
    Cohort,
    People,
    World,
)
from transforms.synthetic.worlds import ONLY_TWO, SELDOM, Scenario, ScenarioError

SAMPLES = 20_000
"""People who stand for all."""
SEED = 20_011
"""Of those people, unless another is named."""
_BATCH = 64
"""People at a time and thread."""
_KINDS = 4
"""Of draws: good, after a meal, haemolysed, in pmol/L."""
_THERAPY = (log(2), 0.36)
"""What unreported insulin therapy adds to ln insulin of each draw: mean and variance."""
_NEGLIGIBLE = -30.0
"""Log weight, against the likeliest so far, below which a sample is left."""


class Samples(NamedTuple):
    """M people who could be anybody.

    ``person`` (M, 10): ln insulin (therapy in it), its slope, crossing, glucose, its slope, its
    ceiling, bends (0 or 1), step, and, as shares of the planned span, when the step begins and when
    metformin does. ``kind`` (M, 4, 6): of each kind of draw the shifts of ln insulin and ln
    glucose, precision (insulin, cross, glucose) and log rate with the density's constant.
    ``effect`` (2,): of metformin on both. ``most``: the highest log density of any draw.
    ``climbing``: the slope from which the label is met.
    """

    person: Floats
    kind: Floats
    effect: Floats
    most: float
    climbing: float


class Seen(NamedTuple):
    """Everybody's visits, one after the other; person i has those from ``start[i]`` on.

    ``draw`` (visits, 4): years, whether it is used, ln insulin without the laboratory's effect, ln
    glucose; ``centred`` (visits,): weight of a visit in a least-squares slope; ``span`` (people,):
    of the planned visits, years.
    """

    start: Ints
    span: Floats
    draw: Floats
    centred: Floats


@compiled
def _insulin(p: Floats, span: float, t: float) -> float:
    """Ln insulin of a sample at ``t``; as the simulation's people have it."""
    turn = p[2] + 1
    risen = 1.25 * tanh(p[1] * min(t, turn) / 1.25)
    stepped = p[7] * min(max((t - p[8] * span) / 0.5, 0.0), 1.0)
    return float(p[0] + risen + stepped - 0.06 * max(t - turn, 0.0))


@compiled
def _glucose(p: Floats, t: float) -> float:
    """Glucose of a sample at ``t``, mg/dL; as the simulation's people have it."""
    line = p[3] + p[4] * t
    if p[6] > 0:
        width = min(p[2], 1.5)
        bend = max((t - p[2] + width) / width, 0.0)
        bend = bend * bend if bend <= 1 else 2 * bend - 1
        line += (100 - p[3] - p[4] * p[2]) * bend
    return float(min(line, p[5]))


@compiled
def _log_density(kind: Floats, insulin: float, glucose: float) -> float:
    """Of a draw so far from a sample's truth, over all that may have happened to it."""
    total = 0.0
    for b in range(_KINDS):
        u, v = insulin - kind[b, 0], glucose - kind[b, 1]
        q = kind[b, 2] * u * u + 2 * kind[b, 3] * u * v + kind[b, 4] * v * v
        if q < 80:
            total += exp(kind[b, 5] - 0.5 * q)
    return log(total) if total > 0 else -40.0


@compiled
def _weight(samples: Samples, s: int, draw: Floats, span: float, worst: float) -> float:
    """Log likelihood of a person's draws under a sample; minus infinity once below ``worst``."""
    p, kind, most = samples.person[s], samples.kind[s], samples.most
    left = draw[:, 1].sum()
    total = 0.0
    for j in range(len(draw)):
        if draw[j, 1] > 0:
            t = draw[j, 0]
            treated = 1.0 if t >= p[9] * span else 0.0
            insulin = draw[j, 2] - _insulin(p, span, t) - treated * samples.effect[0]
            glucose = draw[j, 3] - log(_glucose(p, t)) - treated * samples.effect[1]
            total += _log_density(kind, insulin, glucose)
            left -= 1
            if total + left * most < worst:
                return -np.inf
    return total


@compiled
def _meets(samples: Samples, s: int, draw: Floats, centred: Floats, span: float) -> bool:
    """Whether a sample meets the label at a person's visits."""
    p, rise, sugar = samples.person[s], 0.0, 0.0
    for j in range(len(draw)):
        rise += centred[j] * _insulin(p, span, draw[j, 0])
        sugar += centred[j] * _glucose(p, draw[j, 0])
    return rise >= samples.climbing and sugar < 1.5 and _glucose(p, draw[-1, 0]) < 100


@compiled
def _judge(samples: Samples, people: Seen, first: int, last: int) -> Floats:
    """P(label) and the effective number of samples, of people ``first`` to before ``last``."""
    found = np.zeros((last - first, 2))
    weights = np.empty(len(samples.person))
    for i in range(first, last):
        draw = people.draw[people.start[i] : people.start[i + 1]]
        centred = people.centred[people.start[i] : people.start[i + 1]]
        top = -np.inf
        for s in range(weights.size):
            weights[s] = _weight(samples, s, draw, people.span[i], top + _NEGLIGIBLE)
            top = max(top, weights[s])
        total, squares, hits = 0.0, 0.0, 0.0
        for s in range(weights.size):
            if weights[s] > top + _NEGLIGIBLE:
                w = exp(weights[s] - top)
                total += w
                squares += w * w
                if _meets(samples, s, draw, centred, people.span[i]):
                    hits += w
        found[i - first] = hits / total, total * total / squares
    return found


def posterior(
    made: Cohort, scenario: Scenario, samples: int = SAMPLES, seed: int = SEED
) -> pl.DataFrame:
    """The oracle's probability for everybody of a cohort.

    Args:
        made: the cohort.
        scenario: what it was made by.
        samples: how many simulated people stand for all.
        seed: theirs; not the cohort's.

    Returns:
        ``patient_id`` (people on known insulin therapy have no row), ``p`` and ``samples``, how
        many samples the answer effectively rests on.

    Raises:
        ScenarioError: several draws a visit share what happened to the person; the oracle takes
            them one by one.
    """
    if scenario.repeat > 1:
        raise ScenarioError("the oracle takes one draw a visit")
    ids, people = _observed(made, scenario.world)
    drawn = _drawn(scenario, samples, seed)
    bounds = range(0, len(people.span), _BATCH)

    def judge(first: int) -> Floats:
        return _judge(drawn, people, first, min(first + _BATCH, len(people.span)))

    with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
        found = np.concatenate(list(threads.map(judge, bounds)))
    return pl.DataFrame({"patient_id": ids, "p": found[:, 0], "samples": found[:, 1]})


def _drawn(scenario: Scenario, samples: int, seed: int) -> Samples:
    """Samples of people who are not known to take insulin."""
    world = replace(scenario.world, draws=ONLY_TWO)
    people = replace(scenario, world=world).people(np.random.default_rng(seed), samples)
    kind = _kinds(people, world)
    unknown = ~(people.on_insulin & people.is_insulin_reported)
    return Samples(
        _persons(people, np.full(samples, world.gap * SELDOM))[unknown],
        kind[unknown],
        np.array([world.metformin_insulin, world.metformin_glucose]),
        float(np.log(np.exp(kind[..., 5]).sum(1)).max()),
        CLIMBING,
    )


def _persons(people: People, span: Floats) -> Floats:
    """The columns of :attr:`Samples.person`; ``span``: of the visits that they planned."""
    return np.column_stack(
        [
            people.insulin + np.where(people.on_insulin, _THERAPY[0], 0),
            *(people.slope, people.crosses, people.glucose, people.glucose_slope),
            *(people.glucose_ceiling, np.isfinite(people.crosses), people.step),
            *(people.step_at / span, people.metformin_from / span),
        ]
    )


def _kinds(people: People, world: World) -> Floats:
    """Shifts, precision and log rate of a draw of each sample, by kind: (M, 4, 6)."""
    day = world.insulin_cvi * people.noise_scale
    insulin = day**2 + world.insulin_cva**2 + world.insulin_wander**2
    insulin = insulin + np.where(people.on_insulin, _THERAPY[1], 0)
    glucose = np.full_like(
        day, world.glucose_cvi**2 + world.glucose_cva**2 + world.glucose_wander**2
    )
    cross = world.correlation * day * world.glucose_cvi
    lysed = world.haemolysed * (1 - world.haemolysis_reported)
    other = np.full_like(day, lysed), np.full_like(day, world.insulin_pmol)
    good = 1 - people.non_fasting - world.haemolysed - world.insulin_pmol
    rates = (good, people.non_fasting, *other)
    found = [
        _kind(rate, shift, (insulin + extra[0], cross, glucose + extra[1]))
        for rate, (shift, extra) in zip(rates, _faults(world), strict=True)
    ]
    return np.stack(found, axis=1)


def _faults(world: World) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """What each kind adds to ln insulin and ln glucose: means, variances."""
    (fed, fed_sd), (sugar, sugar_sd) = world.non_fasting_insulin, world.non_fasting_glucose
    lysed, lysed_sd = world.haemolysed_insulin
    return [
        ((0.0, 0.0), (0.0, 0.0)),
        ((fed, sugar), (fed_sd**2, sugar_sd**2)),
        ((lysed, 0.0), (lysed_sd**2, 0.0)),
        ((log(PMOL_L_PER_UIU_ML), 0.0), (0.0, 0.0)),
    ]


def _kind(
    rate: Floats, shift: tuple[float, float], covariance: tuple[Floats, Floats, Floats]
) -> Floats:
    """One kind of draw, (M, 6)."""
    a, c, b = np.broadcast_arrays(*covariance)
    det = a * b - c * c
    with np.errstate(divide="ignore"):
        constant = np.log(rate) - 0.5 * np.log(det) - log(2 * pi)
    shifts = (np.full_like(a, shift[0]), np.full_like(a, shift[1]))
    return np.column_stack([*shifts, b / det, -c / det, a / det, constant])


def _observed(made: Cohort, world: World) -> tuple[pl.Series, Seen]:
    """Everybody not known to take insulin, and all of their visits."""
    known = made.people.filter(pl.col("insulin_therapy") != "known").sort("person")
    glucose = pl.col("reported_glucose")
    draws = made.draws.join(known.select("person"), on="person", how="semi").sort("person", "years")
    draw = draws.select(
        "years",
        (~pl.col("is_haemolysis_reported")).cast(pl.Float64).alias("used"),
        pl.col("reported_insulin").log() - pl.col("platform_effect"),
        (glucose * pl.when(glucose < 30).then(MG_DL_PER_MMOL_L).otherwise(1)).log(),
    )
    away = pl.col("years") - pl.col("years").mean().over("person")
    centred = draws.select(away / (away**2).sum().over("person"))["years"].to_numpy()
    n = known["n_draws"].to_numpy()
    span = (n - 1) * world.gap * np.where(n <= 3, SELDOM, 1)
    start = np.append(0, np.cumsum(n))
    visits = np.ascontiguousarray(draw.to_numpy(), dtype=np.float64)
    ids = known["person"].cast(pl.String).rename("patient_id")
    return ids, Seen(start, span, visits, np.ascontiguousarray(centred))
