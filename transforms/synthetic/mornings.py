"""Simulated draws and the twelve hours before them: who was fasting, and what devices saw of it.

The truth is known here and nowhere else: somebody is fasting who took nothing with calories for
eight hours (ADA). Sensors drift, are lain upon and fall silent; glucose rises at dawn and with
stress although nobody ate; coffee with milk hardly lifts it although somebody did. Habits and
their shares are judgement unless a source is named: results with them say how well evidence is
read, not how people live.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.shapes import Floats
from transforms.synthetic.sensors import LYING_ON_IT, MEAL_RISE, MEAL_TOP, NOISE_KEPT, NOISE_SD

Bools = NDArray[np.bool_]

FIRST_DAY = date(2025, 1, 6)
DAYS = 365
ZONE_HOURS = 1
"""Local time is so far ahead of UTC, without summer time."""
BEFORE_H, STEP = 12, 5
"""Hours and minutes of a simulated trace; every third reading is a sensor of 15 minutes."""
NOTHING = np.inf
"""The hour at which somebody eats who does not."""


@dataclass(frozen=True, slots=True)
class Habit:
    """What somebody does before a draw: ``rise`` (mg/dL, median), ``spread`` (SD of its ln).

    ``when``: a meal of the ``morning``, a snack in the ``night``, or ``never``; ``share`` is of
    those who are fasting or of those who are not.
    """

    name: str
    when: str
    share: float
    rise: float = 0.0
    spread: float = 0.0
    citation: str = "judgement"

    @property
    def is_fasting(self) -> bool:
        """Nothing with calories for eight hours."""
        return self.when == "never"


FRECKMANN = (
    "Freckmann 2007, J Diabetes Sci Technol 1:695: night 82, top after breakfast 132 +- 17 mg/dL,"
    " 46 to 50 minutes after it; 99 after fibre, fat and protein"
)
HABITS = (
    Habit("nothing", "never", 1.0),
    Habit("breakfast", "morning", 0.65, MEAL_RISE[1], 0.35, FRECKMANN),
    Habit("slow breakfast", "morning", 0.15, 17.0, 0.35, FRECKMANN),
    Habit("coffee with milk", "morning", 0.10, 7.0, 0.35),
    Habit("snack at night", "night", 0.10, 30.0, 0.35),
)


@dataclass(frozen=True, slots=True)
class World:
    """How people live and devices work; a share of draws, an SD or a median each.

    ``dawn``: median and SD of the ln of the rise towards morning: 9 % of people with normal
    glucose rise by 20 mg/dL or more ("The dawn phenomenon across the glycemic continuum", 2020,
    360 of 781 people). ``not_fasting``: share of draws by label: the trend model's own rate, the
    half of Diabetes Care 2019;42:e133, and the reverse of the first by judgement. ``labels``:
    shares of them, in that order. ``afternoon``: share of draws from 11 on, of those who fast and
    of those who do not. ``slow_sensors``: those that report every 15 minutes.
    """

    name: str = "base"
    habits: tuple[Habit, ...] = HABITS
    not_fasting: tuple[tuple[str, float], ...] = (("yes", 0.05), ("unknown", 0.5), ("no", 0.97))
    labels: tuple[float, ...] = (0.5, 0.4, 0.1)
    dawn: tuple[float, float] = (8.0, 0.68)
    stressed: float = 0.15
    noise_sd: float = NOISE_SD
    pressed: float = 0.12
    silent: float = 0.15
    slow_sensors: float = 0.4
    naps: float = 0.03
    workouts: float = 0.06
    afternoon: tuple[float, float] = (0.08, 0.4)


BASE = World()
HARD = World(
    name="hard",
    habits=(
        Habit("nothing", "never", 1.0),
        Habit("breakfast", "morning", 0.40, 35.0, 0.45),
        Habit("slow breakfast", "morning", 0.30, 15.0, 0.35),
        Habit("coffee with milk", "morning", 0.20, 6.0, 0.35),
        Habit("snack at night", "night", 0.10, 25.0, 0.35),
    ),
    dawn=(12.0, 0.7),
    noise_sd=6.0,
    stressed=0.3,
    pressed=0.25,
    silent=0.3,
)
"""Small meals, noisy sensors, large rises that no meal made."""


@dataclass(frozen=True, slots=True, eq=False)
class Mornings:
    """Frames as :func:`transforms.fasting_evidence.fasting_evidence` takes them, and the truth.

    ``truth``: ``patient_id``, ``drawn_on``, ``is_fasting``, ``habit``.
    """

    draws: pl.DataFrame
    glucose: pl.DataFrame
    sleep: pl.DataFrame
    activity: pl.DataFrame
    truth: pl.DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class _People:
    """One number each per draw; hours are from local midnight of the day of the draw."""

    label: NDArray[np.str_]
    habit: NDArray[np.int64]
    is_fasting: Bools
    drawn: Floats
    slept: Floats
    woke: Floats
    trained: Floats


def mornings(n: int, seed: int, world: World = BASE) -> Mornings:
    """``n`` draws of as many people; the same numbers give the same mornings."""
    rng = np.random.default_rng(seed)
    people = _people(n, world, rng)
    draws = _draws(people, rng)
    return Mornings(
        draws=draws,
        glucose=_glucose(draws, people, world, rng),
        sleep=_sleep(draws, people, world, rng),
        activity=_activity(draws, people, rng),
        truth=draws.select(
            "patient_id",
            "drawn_on",
            is_fasting=pl.Series(people.is_fasting),
            habit=pl.Series([world.habits[k].name for k in people.habit], dtype=pl.String),
        ),
    )


def _people(n: int, world: World, rng: np.random.Generator) -> _People:
    names, rates = (np.array(column) for column in zip(*world.not_fasting, strict=True))
    which = rng.choice(len(names), n, p=world.labels)
    is_fasting = rng.random(n) >= rates[which]
    drawn = _hours_drawn(is_fasting, world, rng)
    woke = np.minimum(rng.normal(6.7, 0.8, n), drawn - rng.uniform(0.4, 1.0, n))
    return _People(
        label=names[which],
        habit=_habits(is_fasting, world, rng),
        is_fasting=is_fasting,
        drawn=drawn,
        slept=rng.normal(-0.7, 0.8, n).clip(None, woke - 4),
        woke=woke,
        trained=np.where(rng.random(n) < world.workouts, woke + rng.uniform(0.1, 1, n), NOTHING),
    )


def _hours_drawn(is_fasting: Bools, world: World, rng: np.random.Generator) -> Floats:
    """Most draws are of the morning; of those who ate, more are later."""
    n, (fasting, fed) = is_fasting.size, world.afternoon
    late = rng.random(n) < np.where(is_fasting, fasting, fed)
    morning = rng.normal(8.6, 1.1, n).clip(6, 11)
    hours: Floats = np.where(late, rng.uniform(11, 17, n), morning)
    return np.round(hours * 12) / 12


def _habits(is_fasting: Bools, world: World, rng: np.random.Generator) -> NDArray[np.int64]:
    shares = np.array([habit.share for habit in world.habits])
    states = np.array([habit.is_fasting for habit in world.habits])
    chosen = [
        rng.choice(len(shares), is_fasting.size, p=shares * of / (shares * of).sum())
        for of in (states, ~states)
    ]
    return np.where(is_fasting, *chosen)


def _draws(people: _People, rng: np.random.Generator) -> pl.DataFrame:
    n = people.drawn.size
    day = np.datetime64(FIRST_DAY, "us") + rng.integers(0, DAYS, n).astype("timedelta64[D]")
    local = day + (people.drawn * 60).round().astype("timedelta64[m]")
    return pl.DataFrame(
        {
            "patient_id": [f"m{k:06d}" for k in range(n)],
            "drawn_local": local,
            "label": people.label.tolist(),
            "fasting_hours": np.full(n, np.nan),
        }
    ).select(
        "patient_id",
        drawn_on=pl.col("drawn_local").dt.date(),
        drawn_at=pl.col("drawn_local").dt.offset_by(f"-{ZONE_HOURS}h"),
        drawn_local="drawn_local",
        label="label",
        fasting_hours=pl.col("fasting_hours").fill_nan(None),
    )


def _at(draws: pl.DataFrame, people: _People, hours: Floats) -> NDArray[np.datetime64]:
    """Hours of the day of the draw as instants, UTC."""
    since = (hours - people.drawn) * 3600
    instants: NDArray[np.datetime64] = draws["drawn_at"].to_numpy() + since.round().astype(
        "timedelta64[s]"
    )
    return instants


def _glucose(
    draws: pl.DataFrame, people: _People, world: World, rng: np.random.Generator
) -> pl.DataFrame:
    """Sensor readings (mg/dL) of the hours before each draw."""
    n, minutes = draws.height, np.arange(-BEFORE_H * 60, 1, STEP)
    hours = people.drawn[:, None] + minutes / 60
    value = rng.normal(88, 7, n)[:, None] + _eaten(people, world, hours, rng)
    value += _uneaten(people, world, hours, rng)
    value *= np.exp(0.08 * rng.standard_normal(n))[:, None]
    value += _drifting(n, minutes, world, rng) - _pressed(hours, world, rng)
    return _readings(draws, minutes, np.where(_told(hours, world, rng), value, np.nan), rng)


def _readings(
    draws: pl.DataFrame, minutes: NDArray[np.int64], value: Floats, rng: np.random.Generator
) -> pl.DataFrame:
    """Traces (draws, minutes) as rows, in whole mg/dL, each sensor at minutes of its own."""
    row, column = np.nonzero(~np.isnan(value))
    since = minutes[column] * 60 + rng.integers(-150, 1, draws.height)[row]
    return pl.DataFrame(
        {
            "patient_id": draws["patient_id"].gather(row),
            "observed_at": draws["drawn_at"].to_numpy()[row] + since.astype("timedelta64[s]"),
            "value": value[row, column].clip(40, 400).round(),
        }
    )


def _eaten(people: _People, world: World, hours: Floats, rng: np.random.Generator) -> Floats:
    """The sum of the rises of dinner, of what was eaten since, and of lunch."""
    n, rise = people.drawn.size, _heights(people, world, rng)
    at = _hours_eaten(people, world, rng)
    breakfasts = np.array([habit.when == "morning" for habit in world.habits])[people.habit]
    lunch = np.where(breakfasts & (people.drawn > 13), rng.normal(12.6, 0.5, n), NOTHING)
    total = _meal(hours, np.minimum(rng.normal(-4.5, 0.7, n), people.slept - 1), 45.0, rng)
    total += _meal(hours, at, rise, rng)
    return total + _meal(hours, lunch, 35.0, rng)


def _heights(people: _People, world: World, rng: np.random.Generator) -> Floats:
    """How high glucose rises by what was eaten, mg/dL."""
    rise = np.array([habit.rise for habit in world.habits])[people.habit]
    spread = np.array([habit.spread for habit in world.habits])[people.habit]
    heights: Floats = rise * np.exp(spread * rng.standard_normal(people.habit.size))
    return heights


def _hours_eaten(people: _People, world: World, rng: np.random.Generator) -> Floats:
    """The hour of breakfast, before the draw at the latest, or of the snack in the night."""
    n, when = people.drawn.size, np.array([habit.when for habit in world.habits])[people.habit]
    breakfast = people.woke + rng.uniform(0.2, 1.2, n)
    breakfast = np.minimum(breakfast, people.drawn - rng.uniform(0.05, 0.5, n))
    snack = people.drawn - rng.uniform(4, 7.5, n)
    return np.select([when == "morning", when == "night"], [breakfast, snack], NOTHING)


def _meal(hours: Floats, at: Floats, rise: Floats | float, rng: np.random.Generator) -> Floats:
    """A rise to its top and back; ``sensors`` has its shape, the time to its top varies."""
    top = MEAL_TOP / 60 * np.exp(0.25 * rng.standard_normal(at.size))
    since = (hours - at[:, None]).clip(0, None) / top[:, None]
    height = np.broadcast_to(np.asarray(rise), at.shape)[:, None]
    risen: Floats = height * since * np.exp(1 - since)
    return risen


def _uneaten(people: _People, world: World, hours: Floats, rng: np.random.Generator) -> Floats:
    """Rises that no meal made: dawn, the stress of the visit, a workout."""
    n, (median, spread) = people.drawn.size, world.dawn
    height = median * np.exp(spread * rng.standard_normal(n))
    middle = rng.normal(5.7, 0.6, n)
    dawn = height[:, None] / (1 + np.exp(-(hours - middle[:, None]) / 0.6))
    stress = np.where(rng.random(n) < world.stressed, 12 * np.exp(0.4 * rng.standard_normal(n)), 0)
    visit = np.exp(-(((hours - people.drawn[:, None]) / 0.5) ** 2) / 2)
    hard = np.where(rng.random(n) < 0.5, 20.0, -8.0)
    risen: Floats = dawn + stress[:, None] * visit + _meal(hours, people.trained, hard, rng)
    return risen


def _drifting(n: int, minutes: NDArray[np.int64], world: World, rng: np.random.Generator) -> Floats:
    """A sensor's noise, which fades by a tenth in five minutes, and its slow drift."""
    own = world.noise_sd * np.exp(0.3 * rng.standard_normal(n))
    fresh = rng.standard_normal((minutes.size, n))
    noise = np.empty((minutes.size, n))
    noise[0] = fresh[0]
    for k in range(1, minutes.size):
        noise[k] = NOISE_KEPT * noise[k - 1] + (1 - NOISE_KEPT**2) ** 0.5 * fresh[k]
    drift = np.asarray(rng.normal(0, 0.4, n))[:, None] * (minutes / 60)
    drifting: Floats = np.asarray(own)[:, None] * noise.T + drift
    return drifting


def _pressed(hours: Floats, world: World, rng: np.random.Generator) -> Floats:
    """Nights on which the wearer lies on the sensor: mg/dL that it reads too low."""
    n, (_, lasts, depth) = hours.shape[0], LYING_ON_IT
    starts = np.where(rng.random(n) < world.pressed, rng.uniform(0.5, 6, n), NOTHING)[:, None]
    ends = starts + np.asarray(rng.uniform(0.6, 2, n))[:, None] * lasts / 60
    deep = np.asarray(rng.uniform(0.25, 1, n))[:, None] * depth
    pressed: Floats = deep * ((hours >= starts) & (hours < ends))
    return pressed


def _told(hours: Floats, world: World, rng: np.random.Generator) -> Bools:
    """Which readings there are: of every step or of each third, without a gap in some."""
    n, size = hours.shape
    every = np.where(rng.random(n) < world.slow_sensors, 3, 1)[:, None]
    starts = np.where(rng.random(n) < world.silent, rng.uniform(-2, 8, n), NOTHING)[:, None]
    ends = starts + np.asarray(rng.uniform(0.5, 5, n))[:, None]
    is_lost = (hours >= starts) & (hours < ends)
    first = np.asarray(rng.integers(0, 3, n))[:, None]
    told: Bools = ((np.arange(size) + first) % every == 0) & ~is_lost
    return told


def _spans(
    draws: pl.DataFrame, people: _People, starts: Floats, ends: Floats, of: Bools
) -> pl.DataFrame:
    """Records from hour to hour, of those who have one before the draw."""
    kept = pl.Series(of & np.isfinite(starts) & (starts < people.drawn))
    finite = np.where(np.isfinite(starts), starts, 0.0)
    till = np.minimum(np.where(np.isfinite(ends), ends, 0.0), people.drawn)
    return draws.select(
        "patient_id",
        observed_at=pl.Series(_at(draws, people, finite)),
        ended_at=pl.Series(_at(draws, people, till)),
    ).filter(kept, pl.col("ended_at") > pl.col("observed_at"))


def _sleep(
    draws: pl.DataFrame, people: _People, world: World, rng: np.random.Generator
) -> pl.DataFrame:
    """A night in one record or, interrupted, in two; some nap before the draw."""
    n = draws.height
    asleep, awake = (x + rng.normal(0, 0.13, n) for x in (people.slept, people.woke))
    broken = rng.random(n) < 0.15
    middle = np.where(broken, (asleep + awake) / 2, awake)
    nap = people.woke + rng.uniform(1, 3, n)
    everybody = np.ones(n, dtype=bool)
    parts = [
        _spans(draws, people, asleep, middle, everybody),
        _spans(draws, people, middle + 0.3, awake, broken),
        _spans(draws, people, nap, nap + 0.5, rng.random(n) < world.naps),
    ]
    return pl.concat(parts).sort("patient_id", "observed_at")


def _activity(draws: pl.DataFrame, people: _People, rng: np.random.Generator) -> pl.DataFrame:
    """Steps of each half hour after waking, and workouts with their hours."""
    everybody = np.ones(draws.height, dtype=bool)
    walked = [
        _spans(draws, people, people.woke + k / 2, people.woke + k / 2 + 0.5, everybody)
        for k in range(4)
    ]
    steps = pl.concat(walked)
    trained = _spans(draws, people, people.trained, people.trained + 0.7, everybody)
    return pl.concat(
        [
            steps.with_columns(
                value=pl.Series(rng.poisson(300, steps.height).astype(float)), kind=pl.lit("steps")
            ),
            trained.with_columns(value=pl.lit(0.7), kind=pl.lit("workout_duration")),
        ]
    ).sort("patient_id", "observed_at", "kind")
