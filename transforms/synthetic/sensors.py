"""Two weeks of worn glucose sensors: meals, dawn, noise, a gap, and nights of low readings.

A shape to read and to count, not a model to fit: insulin resistance is not told from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.synthetic.results import ZONE

Floats = NDArray[np.float64]

MEALS = (7.75, 13.0, 20.0)
"""Hours of the day."""
MEAL_RISE = (35.0, 42.0, 45.0)
"""mg/dL at the top, for somebody whose fasting glucose is 90."""
MEAL_TOP = 45.0
"""Minutes from meal to top."""
DAWN_RISE, DAWN_HOUR = 7.0, 6.5
NOISE_SD, NOISE_KEPT = 4.0, 0.9
LYING_ON_IT = (3.0, 30.0, 75.0)
"""Pressure on the sensor: hour of the night, minutes, mg/dL that it reads too low."""
GAP_DAY, GAP_HOURS = 4, 3.0
SCAN_AFTER = timedelta(minutes=4)


@dataclass(frozen=True, slots=True)
class Wear:
    """One sensor: from when, how many days, minutes between readings; whose, and how it goes.

    ``base`` is fasting glucose (mg/dL); meals rise in proportion to ``appetite``; on
    ``low_nights`` the wearer lies on the sensor; ``scanned`` is the share of readings soon
    followed by a scan; ``breakfasts`` are day (0 the first) and hour of breakfasts that are not
    at their usual time.
    """

    starts_on: date
    days: int
    step: int
    base: float
    appetite: float = 1.0
    low_nights: tuple[int, ...] = ()
    scanned: float = 0.0
    breakfasts: tuple[tuple[int, float], ...] = ()


def autumn_change(before: date) -> date:
    """The last Sunday of October, on which the clocks of Europe go back, before a day.

    >>> autumn_change(date(2026, 11, 16))
    datetime.date(2026, 10, 25)
    """
    of_years = (date(year, 10, 31) for year in (before.year, before.year - 1))
    sundays = (last - timedelta(days=(last.weekday() + 1) % 7) for last in of_years)
    return next(day for day in sundays if day < before)


def readings(wear: Wear, rng: np.random.Generator) -> pl.DataFrame:
    """``local_at`` (wall clock), ``elapsed_s`` since the start, ``glucose_mg_dl``, ``is_scan``.

    In order of time; an hour that the clocks repeat stands twice.
    """
    n = wear.days * 24 * 60 // wear.step
    elapsed = np.arange(n) * wear.step * 60
    local = _local(wear.starts_on, elapsed)
    gap = GAP_DAY * 86400 + np.array([0, GAP_HOURS * 3600]) + rng.integers(0, 8 * 3600)
    worn = pl.DataFrame(
        {
            "local_at": local,
            "elapsed_s": elapsed,
            "glucose_mg_dl": _glucose(wear, local, rng),
            "is_scan": np.zeros(n, dtype=bool),
        }
    )
    scans = worn.filter(pl.Series(rng.random(n) < wear.scanned)).with_columns(
        pl.col("local_at") + SCAN_AFTER,
        pl.col("elapsed_s") + int(SCAN_AFTER.total_seconds()),
        is_scan=pl.lit(value=True),
    )
    is_in_gap = pl.col("elapsed_s").is_between(*gap.tolist())
    return pl.concat([worn, scans]).filter(~is_in_gap).sort("elapsed_s", maintain_order=True)


def _local(starts_on: date, elapsed: NDArray[np.int64]) -> pl.Series:
    """The wall clock, so many seconds after nine in the morning, UTC."""
    start = np.datetime64(datetime.combine(starts_on, time(9)), "us")
    utc = pl.Series("local_at", start + elapsed.astype("timedelta64[s]"))
    zoned = utc.dt.replace_time_zone("UTC").dt.convert_time_zone(ZONE)
    return zoned.dt.replace_time_zone(None)


def _glucose(wear: Wear, local: pl.Series, rng: np.random.Generator) -> Floats:
    midnight = datetime.combine(wear.starts_on, time())
    minutes = ((local - midnight).dt.total_seconds() / 60).to_numpy()
    hour = minutes / 60 % 24
    dawn = DAWN_RISE * np.exp(-(((hour - DAWN_HOUR) / 1.5) ** 2) / 2)
    noise = _noise(minutes.size, wear.step, rng)
    eaten = _meals(wear, minutes, rng) * wear.appetite
    glucose = wear.base + dawn + eaten + noise - _pressed(wear, minutes)
    return np.clip(glucose, 20, None)


def _meals(wear: Wear, minutes: Floats, rng: np.random.Generator) -> Floats:
    """The sum of all meals' rises, each a little off its hour and its size."""
    count = (wear.days + 1) * len(MEALS)
    at = np.add.outer(np.arange(wear.days + 1) * 24, np.array(MEALS)).ravel() * 60
    at = at + rng.normal(0, 20, count)
    for day, hour in wear.breakfasts:
        at[day * len(MEALS)] = (day * 24 + hour) * 60
    rise = np.tile(MEAL_RISE, wear.days + 1) * np.exp(0.25 * rng.standard_normal(count))
    since = np.clip(minutes - at[:, None], 0, None) / MEAL_TOP
    total: Floats = (rise[:, None] * since * np.exp(1 - since)).sum(0)
    return total


def _noise(n: int, step: int, rng: np.random.Generator) -> Floats:
    """Noise that fades by a tenth in five minutes."""
    kept = NOISE_KEPT ** (step / 5)
    weights = kept ** np.arange(100) * np.sqrt(1 - kept**2)
    noise: Floats = NOISE_SD * np.convolve(rng.standard_normal(n + 99), weights, "valid")
    return noise


def _pressed(wear: Wear, minutes: Floats) -> Floats:
    hour, lasts, depth = LYING_ON_IT
    starts = (np.array(wear.low_nights, dtype=float) * 24 + hour) * 60
    is_pressed = (minutes >= starts[:, None]) & (minutes < starts[:, None] + lasts)
    pressed: Floats = np.asarray(depth * is_pressed.any(0), dtype=float)
    return pressed
