"""A simulated cohort with known truth: who climbs, who decompensates, and what a lab reports.

Log scale throughout: ``y = ln insulin`` (uIU/mL), ``g = ln glucose`` (mg/dL). A person belongs to
one of seven courses (:data:`COURSES`), visits 2 to 10 times (sooner after a high result), and each
draw carries biological and analytical noise, slow wander, a platform effect, treatment, and now and
then a contamination. Numbers are those of the detection reference, section 3, whose literature is
Widjaja 1999 and Poon 2018 (variation), Manley 2007 (platforms), O'Rahilly 1987 (haemolysis),
Salpeter 2008 (metformin), Tabak 2009 (course of glucose). Chosen here, where it is silent:
a climb saturates as 1.25 tanh(b t / 1.25), a step begins anywhere from half a window before the
first draw to half a window after the last, metformin anywhere in the window, ages are N(46, 12).
With that, prevalence (11.5 %) and how simple rules fare are near the page's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from math import inf, log

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CLIMBING = log(1.05)
"""Slope of ln insulin per year from which a person climbs."""
MG_DL_PER_MMOL_L = 18.016
PMOL_L_PER_UIU_ML = 6.0
MOST_DRAWS = 10
CONTAMINATIONS = ("good", "non_fasting", "haemolysed", "insulin_pmol", "glucose_mmol")

Law = Callable[[np.random.Generator, int], Floats]
"""A distribution: generator and how many -> that many values."""


def normal(mean: float, sd: float, highest: float = inf) -> Law:
    """Normal, cut off above ``highest``."""
    below = ndtr((highest - mean) / sd)
    return lambda rng, n: np.asarray(mean + sd * ndtri(rng.uniform(0, below, n)))


def uniform(low: float, high: float) -> Law:
    """Uniform between ``low`` and ``high``."""
    return lambda rng, n: rng.uniform(low, high, n)


def gamma(start: float, shape: float, scale: float) -> Law:
    """Gamma beyond ``start``."""
    return lambda rng, n: start + rng.gamma(shape, scale, n)


@dataclass(frozen=True, slots=True)
class Course:
    """How one class of people changes: insulin in ln units per year, glucose in mg/dL."""

    name: str
    insulin: float
    insulin_sd: float
    slope: Law
    glucose: Law
    glucose_slope: Law
    glucose_ceiling: float = inf
    crosses: bool = False
    steps: bool = False
    metformin: float = 0.0
    insulin_therapy: float = 0.0


_CLIMB = uniform(CLIMBING, log(1.25))
_FLAT, _DRIFT = normal(90, 5, 98), normal(0.2, 0.3)
COURSES: tuple[Course, ...] = (
    Course("stable", 8.0, 0.45, normal(0.005, 0.015), _FLAT, _DRIFT),
    Course("grey_zone", 8.5, 0.45, uniform(0.02, 0.05), _FLAT, _DRIFT),
    Course(
        "climbing_compensated", 8.5, 0.45, _CLIMB,
        normal(91, 4.5, 97), normal(0.2, 0.25), glucose_ceiling=99, metformin=0.05,
    ),
    Course(
        "climbing_decompensating", 9.5, 0.45, _CLIMB,
        normal(94, 3, 98), normal(0.5, 1e-9), crosses=True, metformin=0.08,
    ),
    Course("falling", 11.0, 0.50, uniform(-log(1.25), -CLIMBING), normal(94, 6), normal(-0.5, 0.5)),
    Course(
        "dysglycaemic", 14.0, 0.55, normal(0, 0.06),
        gamma(100, 2, 8), normal(1.5, 1.5), metformin=0.30, insulin_therapy=0.06,
    ),
    Course("step_up", 8.0, 0.45, normal(0.005, 0.015), _FLAT, _DRIFT, steps=True),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class World:
    """What a cohort is drawn from. Shares sum to one; SDs are of natural logarithms; time in years.

    ``shares`` follow ``courses``; ``draws`` are those of 2, 3 ... 10 planned visits of ``repeats``
    draws each; ``non_fasting`` and ``haemolysed`` are shares of draws, ``platform_changes`` of labs
    with 0, 1 and 2 changes in ten years.
    """

    name: str
    shares: tuple[float, ...] = (0.60, 0.08, 0.07, 0.04, 0.06, 0.12, 0.03)
    draws: tuple[float, ...] = (0.15, 0.18, 0.17, 0.13, 0.12, 0.08, 0.08, 0.05, 0.04)
    courses: tuple[Course, ...] = COURSES
    repeats: int = 1
    gap: float = 0.75
    gap_sd: float = 0.35
    insulin_cvi: float = 0.235
    insulin_cva: float = 0.065
    person_noise_sd: float = 0.30
    insulin_wander: float = 0.10
    glucose_cvi: float = 0.050
    glucose_cva: float = 0.025
    glucose_wander: float = 0.015
    wander_time: float = 0.75
    correlation: float = 0.25
    non_fasting: float = 0.05
    non_fasting_insulin: tuple[float, float] = (log(2.8), 0.47)
    non_fasting_glucose: tuple[float, float] = (0.10, 0.10)
    haemolysed: float = 0.03
    haemolysed_insulin: tuple[float, float] = (-0.55, 0.30)
    haemolysis_reported: float = 0.5
    insulin_pmol: float = 0.003
    glucose_mmol: float = 0.002
    labs: int = 12
    lab_bias_sd: float = 0.12
    platform_changes: tuple[float, float, float] = (0.25, 0.60, 0.15)
    platform_shift: tuple[float, float] = (0.10, 0.60)
    changes_lab: float = 0.12
    metformin_insulin: float = -0.155
    metformin_glucose: float = log(0.955)
    insulin_therapy_reported: float = 0.85


BASE = World("base")
CLEAN = World(
    "clean", non_fasting=0, haemolysed=0, insulin_pmol=0, glucose_mmol=0,
    lab_bias_sd=0, platform_changes=(1, 0, 0),
)  # fmt: skip
HEAVY = replace(BASE, name="heavy", non_fasting=0.08, haemolysed=0.05)
RARE = replace(BASE, name="rare", shares=(0.70, 0.08, 0.023, 0.013, 0.055, 0.12, 0.009))


@dataclass(frozen=True, slots=True)
class Cohort:
    """Simulated people and their draws.

    ``people``: ``person``, ``class_``, ``n_draws``, ``sex``, ``age_at_first``, ``started_years``
    (first draw, years into the simulated decade), ``slope`` and ``glucose_slope`` (noise-free,
    least squares over the person's own draws: ln insulin and mg/dL per year), ``is_positive`` (the
    label), ``crosses_years`` (true glucose reaches 100 mg/dL, from the first draw; null if not in
    ten years), ``lab`` (the first), ``insulin_therapy`` (``none``, ``known``, ``hidden``).

    ``draws``: ``person``, ``draw`` (from 0), ``years`` (from the first draw), ``insulin_uiu_ml``,
    ``glucose_mg_dl`` (measured), ``true_insulin``, ``true_glucose`` (the course alone),
    ``contamination``, ``is_haemolysis_reported``, ``lab``, ``platform`` (the lab's era, from 0),
    ``platform_effect`` (added to ln insulin), ``on_metformin``, ``reported_insulin``,
    ``reported_glucose`` (numbers as printed: with the unit slips).
    """

    people: pl.DataFrame
    draws: pl.DataFrame

    def pairs(
        self, decade_from: date = date(2014, 1, 1), *, is_platform_known: bool = True
    ) -> pl.LazyFrame:
        """The fasting pairs a pipeline would use: ``patient_id``, ``drawn_on``, two values.

        Left out: draws reported haemolysed, people on known insulin therapy. Glucose printed in
        mmol/L is put right (below 30 it can be nothing else); insulin in pmol/L is not.

        Args:
            decade_from: the calendar day of ``started_years`` 0.
            is_platform_known: take the lab's true platform effect off insulin.
        """
        known = self.people.lazy().filter(pl.col("insulin_therapy") != "known")
        effect = pl.col("platform_effect") if is_platform_known else pl.lit(0.0)
        glucose = pl.col("reported_glucose")
        days = ((pl.col("started_years") + pl.col("years")) * 365.25).round().cast(pl.Int32)
        return (
            self.draws.lazy()
            .filter(~pl.col("is_haemolysis_reported"))
            .join(known.select("person", "started_years"), on="person")
            .select(
                patient_id=pl.col("person").cast(pl.String),
                drawn_on=pl.lit(decade_from) + pl.duration(days=days),
                insulin_uiu_ml=pl.col("reported_insulin") * (-effect).exp(),
                glucose_mg_dl=glucose * pl.when(glucose < 30).then(MG_DL_PER_MMOL_L).otherwise(1),
            )
        )


def cohort(n: int, seed: int, world: World = BASE) -> Cohort:
    """Simulate ``n`` people; the same arguments give the same cohort.

    Raises:
        ValueError: ``n`` below one, or the shares of the world do not sum to one.
    """
    if n < 1:
        raise ValueError("a cohort needs at least one person", n)
    if any(abs(sum(s) - 1) > 1e-9 for s in (world.shares, world.draws, world.platform_changes)):
        raise ValueError("shares of a world must sum to one", world.name)
    rng = np.random.default_rng(seed)
    people = everybody(rng, n, world)
    draws = _draws(rng, people, _labs(world, seed), world)
    return Cohort(_people_frame(rng, people, draws, world), _draws_frame(draws))


@dataclass(frozen=True, slots=True)
class People:
    """One value per person; times in years from the first draw, infinite for never."""

    course: Ints
    n_draws: Ints
    started: Floats
    insulin: Floats
    slope: Floats
    glucose: Floats
    glucose_slope: Floats
    glucose_ceiling: Floats
    crosses: Floats
    step_at: Floats
    step: Floats
    metformin_from: Floats
    on_insulin: Bools
    is_insulin_reported: Bools
    noise_scale: Floats
    non_fasting: Floats
    lab: Ints
    next_lab: Ints
    changes_lab_at: Floats

    def true_insulin(self, t: Floats) -> Floats:
        """Ln insulin at ``t``: a climb levels off, and falls .06/y from a year after crossing."""
        turn = self.crosses + 1
        climbed = 1.25 * np.tanh(self.slope * np.minimum(t, turn) / 1.25)
        stepped = self.step * np.clip((t - self.step_at) / 0.5, 0, 1)
        return self.insulin + climbed + stepped - 0.06 * np.maximum(t - turn, 0)

    def true_glucose(self, t: Floats) -> Floats:
        """Glucose (mg/dL) at ``t``: a line, bent upward over the 1.5 years before crossing."""
        line = self.glucose + self.glucose_slope * t
        bends = np.isfinite(self.crosses)
        at = np.where(bends, self.crosses, 1.0)
        width = np.minimum(at, 1.5)
        bend = np.clip((t - at + width) / width, 0, None)
        bend = np.where(bend <= 1, bend**2, 2 * bend - 1)
        missing = 100 - self.glucose - self.glucose_slope * at
        return np.minimum(line + np.where(bends, missing * bend, 0), self.glucose_ceiling)


@dataclass(frozen=True, slots=True)
class _Labs:
    """``bias`` per lab; ``changed_at``, ``shift``: lab x 2, infinite and 0 for no change."""

    bias: Floats
    changed_at: Floats
    shift: Floats

    def platform(self, lab: Ints, at: Floats) -> tuple[Ints, Floats]:
        """Era and effect on ln insulin of each draw, ``at`` years into the decade."""
        past = self.changed_at[lab] <= at[..., None]
        return past.sum(-1), self.bias[lab] + (past * self.shift[lab]).sum(-1)


def _labs(world: World, seed: int) -> _Labs:
    rng = np.random.default_rng(seed + 7919)
    n = world.labs
    changes = rng.choice(3, n, p=world.platform_changes)
    has = np.arange(2) < changes[:, None]
    low, high = np.log1p(world.platform_shift)
    shift = rng.uniform(low, high, (n, 2)) * rng.choice([-1.0, 1.0], (n, 2))
    at = np.where(has, rng.uniform(0, 10, (n, 2)), inf)
    return _Labs(rng.normal(0, world.lab_bias_sd, n), at, np.where(has, shift, 0))


def _by_course(rng: np.random.Generator, course: Ints, laws: list[Law]) -> Floats:
    """One value per person, from the law of the person's course."""
    value = np.zeros(course.size)
    for k, law in enumerate(laws):
        mine = course == k
        value[mine] = law(rng, int(mine.sum()))
    return value


def everybody(rng: np.random.Generator, n: int, world: World) -> People:
    """``n`` people as they truly are."""
    courses, course = world.courses, rng.choice(len(world.courses), n, p=world.shares)
    n_draws = rng.choice(np.arange(2, MOST_DRAWS + 1), n, p=world.draws)
    span = (n_draws - 1) * world.gap * np.where(n_draws <= 3, 1.8, 1)
    glucose = _by_course(rng, course, [c.glucose for c in courses])
    crosses = np.where(_trait("crosses", course, courses) > 0, rng.uniform(0.5, 10, n), inf)
    slope = _by_course(rng, course, [c.glucose_slope for c in courses])
    steps = _trait("steps", course, courses) > 0
    moves = rng.random(n) < world.changes_lab
    treated = rng.random(n) < _trait("metformin", course, courses)
    return People(
        course=course,
        n_draws=n_draws,
        started=rng.uniform(0, 1, n) * np.maximum(10 - span, 0),
        insulin=_by_course(rng, course, [normal(log(c.insulin), c.insulin_sd) for c in courses]),
        slope=_by_course(rng, course, [c.slope for c in courses]),
        glucose=glucose,
        glucose_slope=_within_crossing(slope, glucose, crosses),
        glucose_ceiling=_trait("glucose_ceiling", course, courses),
        crosses=crosses,
        step_at=np.where(steps, rng.uniform(-0.5, 1.5, n) * span, inf),
        step=np.where(steps, np.log(rng.uniform(1.2, 1.8, n)), 0),
        metformin_from=np.where(treated, rng.uniform(0, 1, n) * span, inf),
        on_insulin=rng.random(n) < _trait("insulin_therapy", course, courses),
        is_insulin_reported=rng.random(n) < world.insulin_therapy_reported,
        noise_scale=np.exp(world.person_noise_sd * rng.standard_normal(n)),
        non_fasting=world.non_fasting * np.where(rng.random(n) < 0.3, 2.46, 0.4),
        lab=(lab := rng.integers(0, world.labs, n)),
        next_lab=(lab + rng.integers(1, world.labs, n)) % world.labs,
        changes_lab_at=np.where(moves, rng.uniform(0, 1, n) * span, inf),
    )


def _trait(name: str, course: Ints, courses: tuple[Course, ...]) -> Floats:
    of_course: Floats = np.array([float(getattr(c, name)) for c in courses])
    return of_course[course]


def _within_crossing(slope: Floats, glucose: Floats, crosses: Floats) -> Floats:
    """A line alone may take a decompensating person at most half of the way to 100 mg/dL."""
    most = 0.5 * (100 - glucose) / crosses
    return np.where(np.isfinite(crosses), np.minimum(slope, most), slope)


@dataclass(frozen=True, slots=True)
class _Draws:
    """Draw x person arrays; ``is_made`` is false beyond a person's last draw."""

    is_made: Bools
    years: Floats
    true_insulin: Floats
    true_glucose: Floats
    insulin: Floats
    glucose: Floats
    contamination: Ints
    is_haemolysis_reported: Bools
    lab: Ints
    platform: Ints
    platform_effect: Floats
    on_metformin: Bools


def _draws(rng: np.random.Generator, people: People, labs: _Labs, world: World) -> _Draws:
    n = people.course.size
    t = np.zeros(n)
    wander = _wandered(rng, np.zeros((2, n)), np.full(n, inf), world)
    visits = []
    for j in range(MOST_DRAWS):
        for _ in range(world.repeats):
            visit = _visit(rng, people, labs, world, t, wander)
            visits.append((j < people.n_draws, *visit))
        gap = _gap(rng, people, world, np.exp(visit[3]), np.exp(visit[4]))
        t = t + gap
        wander = _wandered(rng, wander, gap, world)
    return _Draws(*(np.stack(column) for column in zip(*visits, strict=True)))


def _gap(
    rng: np.random.Generator, people: People, world: World, insulin: Floats, glucose: Floats
) -> Floats:
    """Years to the next draw: sooner after a high result, later for people seen seldom."""
    seldom = np.where(people.n_draws <= 3, 1.8, 1)
    sooner = np.where((glucose >= 100) | (insulin >= 15), 0.7, 1)
    return world.gap * np.exp(world.gap_sd * rng.standard_normal(seldom.size)) * seldom * sooner


def _wandered(rng: np.random.Generator, wander: Floats, gap: Floats, world: World) -> Floats:
    """Ornstein-Uhlenbeck: the slow wander of insulin and glucose, ``gap`` years on."""
    kept: Floats = np.exp(-gap / world.wander_time)
    sd = np.array([[world.insulin_wander], [world.glucose_wander]])
    fresh: Floats = sd * np.sqrt(1 - kept**2) * rng.standard_normal(wander.shape)
    return wander * kept + fresh


def _visit(
    rng: np.random.Generator, people: People, labs: _Labs, world: World, t: Floats, wander: Floats
) -> tuple[NDArray[np.generic], ...]:
    """One draw of everybody, in the order of the fields of :class:`_Draws` after ``is_made``."""
    n = t.size
    lab = np.where(t >= people.changes_lab_at, people.next_lab, people.lab)
    platform, effect = labs.platform(lab, people.started + t)
    on_metformin = t >= people.metformin_from
    what = _contamination(rng, people, world)
    reported = (what == 2) & (rng.random(n) < world.haemolysis_reported)
    noise = _noise(rng, people, world) + wander + _contaminant(rng, what, world)
    therapy = np.where(people.on_insulin, log(2) + 0.6 * rng.standard_normal(n), 0)
    true_insulin, true_glucose = people.true_insulin(t), people.true_glucose(t)
    insulin = true_insulin + effect + world.metformin_insulin * on_metformin + therapy + noise[0]
    glucose = np.log(true_glucose) + world.metformin_glucose * on_metformin + noise[1]
    values = (t, true_insulin, true_glucose, insulin, glucose)
    return (*values, what, reported, lab, platform, effect, on_metformin)


def _noise(rng: np.random.Generator, people: People, world: World) -> Floats:
    """Biological and analytical noise of one draw: insulin, glucose."""
    z = rng.standard_normal((4, people.course.size))
    rho = world.correlation
    insulin = world.insulin_cvi * people.noise_scale * z[0] + world.insulin_cva * z[1]
    glucose = world.glucose_cvi * (rho * z[0] + np.sqrt(1 - rho**2) * z[2])
    return np.stack([insulin, glucose + world.glucose_cva * z[3]])


def _contamination(rng: np.random.Generator, people: People, world: World) -> Ints:
    """What is wrong with each person's draw, as a position in :data:`CONTAMINATIONS`."""
    rest = np.cumsum([world.haemolysed, world.insulin_pmol, world.glucose_mmol])
    beyond = rng.random(people.course.size) - people.non_fasting
    slipped = 2 + np.searchsorted(rest, beyond, side="right")
    return np.where(beyond < 0, 1, np.where(slipped > 4, 0, slipped))


def _contaminant(rng: np.random.Generator, what: Ints, world: World) -> Floats:
    """What the contamination adds to ln insulin and ln glucose; unit slips add nothing here."""
    z = rng.standard_normal((2, what.size))
    (fed, fed_sd), (lysed, lysed_sd) = world.non_fasting_insulin, world.haemolysed_insulin
    sugar, sugar_sd = world.non_fasting_glucose
    insulin = np.where(what == 1, fed + fed_sd * z[0], 0)
    insulin = np.where(what == 2, lysed + lysed_sd * z[0], insulin)
    return np.stack([insulin, np.where(what == 1, sugar + sugar_sd * z[1], 0)])


def _slope(t: Floats, value: Floats, weight: Bools) -> Floats:
    """Least-squares slope down the first axis, where ``weight``."""
    n = weight.sum(0)
    centred = (t - (t * weight).sum(0) / n) * weight
    slope: Floats = (centred * value).sum(0) / (centred * t).sum(0)
    return slope


def _crossing(people: People) -> Floats:
    """When true glucose reaches 100 mg/dL; infinite if it starts there or takes over ten years."""
    rises = (people.glucose < 100) & (people.glucose_slope > 0) & (people.glucose_ceiling >= 100)
    slope = np.where(rises, people.glucose_slope, 1)
    line = np.where(rises, (100 - people.glucose) / slope, inf)
    at = np.minimum(people.crosses, line)
    return np.asarray(np.where(at <= 10, at, inf))


def _people_frame(
    rng: np.random.Generator, people: People, draws: _Draws, world: World
) -> pl.DataFrame:
    n = people.course.size
    slope = _slope(draws.years, draws.true_insulin, draws.is_made)
    glucose_slope = _slope(draws.years, draws.true_glucose, draws.is_made)
    last = draws.true_glucose[people.n_draws * world.repeats - 1, np.arange(n)]
    therapy = np.where(people.is_insulin_reported, "known", "hidden")
    return pl.DataFrame(
        {
            "person": np.arange(n),
            "class_": np.array([c.name for c in world.courses])[people.course],
            "n_draws": people.n_draws,
            "sex": np.where(rng.random(n) < 0.52, "female", "male"),
            "age_at_first": np.clip(rng.normal(46, 12, n), 20, 80),
            "started_years": people.started,
            "slope": slope,
            "glucose_slope": glucose_slope,
            "is_positive": (slope >= CLIMBING) & (last < 100) & (glucose_slope < 1.5),
            "crosses_years": _crossing(people),
            "lab": people.lab,
            "insulin_therapy": np.where(people.on_insulin, therapy, "none"),
        }
    ).with_columns(pl.col("crosses_years").replace(inf, None))


def _draws_frame(draws: _Draws) -> pl.DataFrame:
    """Long, by person and draw."""
    made = draws.is_made.T
    person, draw = np.nonzero(made)
    column = {
        name: getattr(draws, name).T[made]
        for name in ("years", "contamination", "is_haemolysis_reported", "lab", "platform")
    }
    insulin, glucose = np.exp(draws.insulin.T[made]), np.exp(draws.glucose.T[made])
    what = column.pop("contamination")
    return pl.DataFrame(
        {
            "person": person,
            "draw": draw,
            "years": column.pop("years"),
            "insulin_uiu_ml": insulin,
            "glucose_mg_dl": glucose,
            "true_insulin": np.exp(draws.true_insulin.T[made]),
            "true_glucose": draws.true_glucose.T[made],
            "contamination": np.array(CONTAMINATIONS)[what],
            **column,
            "platform_effect": draws.platform_effect.T[made],
            "on_metformin": draws.on_metformin.T[made],
            "reported_insulin": insulin * np.where(what == 3, PMOL_L_PER_UIU_ML, 1),
            "reported_glucose": glucose / np.where(what == 4, MG_DL_PER_MMOL_L, 1),
        }
    )
