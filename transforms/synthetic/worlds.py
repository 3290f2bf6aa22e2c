"""Worlds to validate in, what a clinic may change about one, and the people who live there.

Four worlds are those of :mod:`transforms.synthetic.physiology`. The others were not looked at
while the trend model was made: other noise, other visiting plans, repeated draws, and one without
classes of people.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import hypot, inf, log

import numpy as np
import polars as pl

from transforms.synthetic.physiology import (
    BASE,
    CLEAN,
    COURSES,
    HEAVY,
    MOST_DRAWS,
    RARE,
    Cohort,
    Course,
    Floats,
    Law,
    People,
    World,
    cohort,
    everybody,
    gamma,
    normal,
)

CLIMBERS = ("climbing_compensated", "climbing_decompensating", "step_up")
"""Courses of which a prevalence takes more or fewer."""
SELDOM = 1.8
"""In the simulation, people of three draws or fewer wait so much longer between them."""
_PILOT, _PILOT_SEED = 20_000, 1_000_003


class ScenarioError(ValueError):
    """What was asked for cannot be simulated; the message says why."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A world, and a sentence that says what is special about it."""

    world: World
    sentence: str

    @property
    def name(self) -> str:
        """The world's name."""
        return self.world.name

    @property
    def repeat(self) -> int:
        """Draws at each visit."""
        return self.world.repeats

    def people(self, rng: np.random.Generator, n: int) -> People:
        """``n`` people as they truly are."""
        return everybody(rng, n, self.world)

    def cohort(self, n: int, seed: int) -> Cohort:
        """Simulate ``n`` people.

        Raises:
            ScenarioError: ``n`` or ``repeat`` below one.
        """
        if n < 1 or self.repeat < 1:
            raise ScenarioError("a cohort needs at least one person and one draw a visit")
        return cohort(n, seed, self.world)


def _student(mean: float, scale: float, freedom: float) -> Law:
    """Student's t: most people near the mean, a few far off."""
    return lambda rng, n: mean + scale * rng.standard_t(freedom, n)


NOISY = replace(BASE, name="noisy", insulin_cvi=0.28, insulin_wander=0.15)
ALIEN = replace(
    BASE, name="alien", non_fasting_insulin=(log(1.8), 0.35),
    non_fasting_glucose=(0.05, 0.08), haemolysed_insulin=(-0.30, 0.20),
)  # fmt: skip
SMOOTH = Course("smooth", 8.8, 0.5, _student(0.012, 0.03, 3.0), gamma(74, 9, 2.1), normal(0.3, 0.5))
"""Everybody drifts, most a little, some much; nobody belongs to a class."""

ONLY_TWO = (1.0,) + (0.0,) * (MOST_DRAWS - 2)
"""Everybody plans two draws."""
SCENARIOS: dict[str, Scenario] = {
    s.name: s
    for s in (
        Scenario(BASE, "the world that the model was fitted in"),
        Scenario(HEAVY, "more draws that are not fasting or haemolysed"),
        Scenario(RARE, "a third as many people climb"),
        Scenario(CLEAN, "no bad draws, no laboratory effects"),
        Scenario(NOISY, "more biological noise and wander"),
        Scenario(ALIEN, "bad draws milder than the model takes them to be"),
        Scenario(
            replace(BASE, name="smooth", courses=(SMOOTH,), shares=(1.0,)),
            "no classes of people: one heavy-tailed law of slopes",
        ),
        Scenario(
            replace(BASE, name="sparse", draws=(0.34, 0.33, 0.33, 0, 0, 0, 0, 0, 0)),
            "two to four draws",
        ),
        Scenario(
            replace(BASE, name="frequent", draws=(0, 0, 0, 0, 0.2, 0.2, 0.2, 0.2, 0.2), gap=0.5),
            "six to ten draws, half a year apart",
        ),
        Scenario(replace(BASE, name="dup", repeats=2), "two draws at every visit"),
    )
}
"""By name."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a clinic changes about a world; None keeps the world's own.

    ``draws`` per person (visits), ``every`` years, ``prevalence`` of climbing unseen,
    ``insulin_cv`` (biology and assay together, a share), ``repeat`` draws per visit.
    """

    draws: int | None = None
    every: float | None = None
    prevalence: float | None = None
    insulin_cv: float | None = None
    repeat: int | None = None


def wished(scenario: Scenario, wishes: Wishes) -> Scenario:
    """The scenario as a clinic would have it.

    Raises:
        ScenarioError: a wish that the simulation cannot fulfil.
    """
    world = scenario.world
    if wishes.draws is not None:
        world = _visited(world, wishes.draws)
    if wishes.every is not None:
        seldom = SELDOM if wishes.draws is not None and wishes.draws <= 3 else 1.0
        world = replace(world, gap=_positive("years between draws", wishes.every) / seldom)
    if wishes.insulin_cv is not None:
        factor = _positive("the insulin CV", wishes.insulin_cv)
        factor /= hypot(world.insulin_cvi, world.insulin_cva)
        cvi, cva = world.insulin_cvi * factor, world.insulin_cva * factor
        world = replace(world, insulin_cvi=cvi, insulin_cva=cva)
    world = replace(world, repeats=wishes.repeat or world.repeats)
    found = replace(scenario, world=world)
    return found if wishes.prevalence is None else _prevalent(found, wishes.prevalence)


def _positive(name: str, value: float) -> float:
    if not 0 < value < inf:
        raise ScenarioError(f"{name} must be above zero")
    return value


def _visited(world: World, draws: int) -> World:
    if not 2 <= draws <= MOST_DRAWS:
        raise ScenarioError(f"from 2 to {MOST_DRAWS} draws can be simulated")
    return replace(world, draws=tuple(float(n == draws) for n in range(2, MOST_DRAWS + 1)))


def _prevalent(scenario: Scenario, prevalence: float) -> Scenario:
    """More or fewer people on climbing courses, so that so many meet the label.

    How many of a course meet it depends on the visits: a pilot cohort of its own seed tells.
    """
    if scenario.world.courses is not COURSES:
        raise ScenarioError(f"world {scenario.name} has no classes: its prevalence is its law's")
    is_climber = np.array([c.name in CLIMBERS for c in COURSES])
    share = np.array(scenario.world.shares)
    rate = _rates(scenario)
    climbing, rest = share[is_climber].sum(), share[~is_climber].sum()
    among = (share * rate)[is_climber].sum() / climbing
    beside = (share * rate)[~is_climber].sum() / rest
    wanted = (prevalence - beside) / (among - beside)
    if not 0 < wanted < 1:
        raise ScenarioError(f"here a prevalence must lie between {beside:.3f} and {among:.3f}")
    shares = np.where(is_climber, share * wanted / climbing, share * (1 - wanted) / rest)
    return replace(scenario, world=replace(scenario.world, shares=tuple(shares / shares.sum())))


def _rates(scenario: Scenario) -> Floats:
    """Share of each course that meets the label; 0 for a course that nobody follows."""
    people = scenario.cohort(_PILOT, _PILOT_SEED).people
    found = dict(people.group_by("class_").agg(pl.col("is_positive").mean()).iter_rows())
    return np.array([found.get(course.name, 0.0) for course in COURSES])
