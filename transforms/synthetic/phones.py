"""Phones with a watch: nights of sleep, steps by the hour, resting heart rate, a weekly weighing.

They are carried by the people whose draws are watched (the sleep before the draw ends where
:mod:`transforms.synthetic.breakfasts` has them wake) and by some climbers, whose weekly weights
lie on the line through those of their visits. Habits are judgements: a shape to read and to
count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.synthetic.breakfasts import watched_draws
from transforms.synthetic.emit_apple_health import export_xml, export_zip
from transforms.synthetic.people import WATCHED
from transforms.synthetic.results import ZONE

Floats = NDArray[np.float64]

STREAM = 11
"""Of the seed's random numbers, those drawn here: no other quantity moves with them."""
CLIMBERS = 4
"""How many of the climbers carry one."""
DAYS, WEIGHED_DAYS = 60, 210
"""A phone's export goes so far back; its weights of a scale go farther."""
AFTER_DRAW = 5
"""Days from a watched draw to the export."""
SATURDAY = 5
BED_H, BED_SD, WAKE_H, WAKE_SD, WEEKEND_H = -0.9, 0.5, 6.7, 0.4, 0.9
"""Hours from midnight of falling asleep and of waking; how much later both are at a weekend."""
STEPS_AN_HOUR, STEPS_SPREAD, WALKING_HOURS = 420.0, 0.7, 15
RESTING_HEART_RATE = (62.0, 6.0, 1.5)
"""Per minute: mean, SD between people, SD between days."""
SCALE_SD = 0.4
"""kg, of one weighing."""
QUANTITY = "HKQuantityTypeIdentifier"
SLEEP = ("HKCategoryTypeIdentifierSleepAnalysis", "HKCategoryValueSleepAnalysisAsleepUnspecified")
DEVICE = "<<HKDevice: 0x1>, name:Apple Watch, manufacturer:Apple Inc., model:Watch, software:10.3>"


@dataclass(frozen=True, slots=True)
class Carried:
    """One phone's export to be: whose, on which night."""

    night: int
    patient_id: str
    records: pl.DataFrame

    @property
    def path(self) -> str:
        """Below ``inbox/``."""
        return f"apple_health/{self.patient_id}/export.zip"

    def file(self, day: date) -> bytes:
        """The export, as made on the evening of ``day``."""
        made = written(np.array([datetime.combine(day, time(20))], dtype="datetime64[us]"))
        return export_zip(export_xml(self.records, made.item()))


def carriers(visit: pl.DataFrame) -> pl.DataFrame:
    """``person``, ``patient_id`` and ``until``: the last day of the export, null for the newest."""
    watched = watched_draws(visit, WATCHED).select(
        "person", "patient_id", until=pl.col("drawn_on") + timedelta(days=AFTER_DRAW)
    )
    newest = visit.filter("is_enriched", pl.col("from_last") == 0).sort("patient_id")
    climbers = newest.head(CLIMBERS).select("person", "patient_id", until=pl.lit(None, pl.Date))
    return pl.concat([watched, climbers]).sort("patient_id")


def carried(visit: pl.DataFrame, first: date, seed: int) -> Iterator[Carried]:
    """The exports, all of the first night.

    Args:
        visit: a row per visit: ``person``, ``patient_id``, ``role``, ``contamination``,
            ``drawn_on``, ``from_last``, ``is_enriched``, ``woke_h``, ``true_weight`` (kg).
        first: the first night.
        seed: everything follows from it.
    """
    for i, (person, patient_id, until) in enumerate(carriers(visit).rows()):
        last = min(until or first, first) - timedelta(days=1)
        own = visit.filter(pl.col("person") == person).sort("drawn_on")
        yield Carried(1, patient_id, _records(own, last, np.random.default_rng((seed, STREAM, i))))


def _records(own: pl.DataFrame, last: date, rng: np.random.Generator) -> pl.DataFrame:
    """What the phone keeps up to the day ``last``."""
    days = np.arange(DAYS) - (DAYS - 1)
    bed, wake = _nights(own, last, days, rng)
    walked = np.add.outer(np.ceil(wake), np.arange(float(WALKING_HOURS))).ravel()
    walked_on = np.repeat(days, WALKING_HOURS)
    steps = STEPS_AN_HOUR * np.exp(STEPS_SPREAD * rng.standard_normal(walked.size))
    mean, between, daily = RESTING_HEART_RATE
    beats = mean + between * rng.standard_normal() + daily * rng.standard_normal(DAYS)
    weighed_on = np.arange(-WEIGHED_DAYS, 1, 7)
    noon: Floats = np.full(DAYS, 12.0)
    morning: Floats = np.full(weighed_on.size, 7.25)
    midnight = datetime.combine(last, time())
    kinds = [
        _kind(midnight, SLEEP[0], None, days, bed, wake, pl.Series([SLEEP[1]] * DAYS)),
        _kind(midnight, "StepCount", "count", walked_on, walked, walked + 0.9, _digits(steps, 0)),
        _kind(midnight, "RestingHeartRate", "count/min", days, noon, noon, _digits(beats, 0)),
        _kind(midnight, "BodyMass", "kg", weighed_on, morning, morning,
              _digits(_weights(own, last, weighed_on, rng), 1)),
    ]  # fmt: skip
    return pl.concat(kinds).with_columns(sourceName=pl.lit("Watch"), device=pl.lit(DEVICE))


def _nights(
    own: pl.DataFrame, last: date, days: NDArray[np.int64], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Hours of each day at which the person fell asleep and woke; of a draw's day, its own."""
    is_late = (last.weekday() + days) % 7 >= SATURDAY
    bed = BED_H + WEEKEND_H * is_late + BED_SD * rng.standard_normal(days.size)
    wake = WAKE_H + WEEKEND_H * is_late + WAKE_SD * rng.standard_normal(days.size)
    for drawn_on, woke in own.select("drawn_on", "woke_h").rows():
        wake[days == (drawn_on - last).days] = woke
    return bed, np.maximum(wake, bed + 4)


def _weights(
    own: pl.DataFrame, last: date, days: NDArray[np.int64], rng: np.random.Generator
) -> Floats:
    """Kilograms between those of the visits."""
    since = (own["drawn_on"] - pl.Series([last])).dt.total_days().to_numpy()
    line = np.interp(days, since, own["true_weight"].to_numpy())
    weights: Floats = line + SCALE_SD * rng.standard_normal(days.size)
    return weights


def _digits(values: Floats, decimals: int) -> pl.Series:
    rounded = pl.Series(values).round(decimals)
    return (rounded if decimals else rounded.cast(pl.Int64)).cast(pl.String)


def _kind(
    midnight: datetime,
    kind: str,
    unit: str | None,
    days: NDArray[np.int64],
    starts: Floats,
    ends: Floats,
    value: pl.Series,
) -> pl.DataFrame:
    """Records of one type; hours are of the day so many after that of ``midnight``."""
    base = np.datetime64(midnight, "us")
    start, end = (
        base + ((days * 24 + hours) * 3600).round().astype("timedelta64[s]")
        for hours in (starts, ends)
    )
    return pl.DataFrame(
        {
            "type": pl.repeat(kind if kind == SLEEP[0] else QUANTITY + kind, days.size, eager=True),
            "unit": pl.repeat(unit, days.size, dtype=pl.String, eager=True),
            "startDate": written(start),
            "endDate": written(end),
            "value": value,
        }
    )


def written(local: NDArray[np.datetime64]) -> pl.Series:
    """Wall clock times with the offset of their day.

    An hour that the clocks leave out is an hour later; of one that they repeat, it is the first.
    """
    times = pl.Series(local).cast(pl.Datetime("us"))
    zoned = times.dt.replace_time_zone(ZONE, ambiguous="earliest", non_existent="null")
    later = times.dt.offset_by("1h").dt.replace_time_zone(
        ZONE, ambiguous="earliest", non_existent="null"
    )
    return zoned.fill_null(later).dt.strftime("%Y-%m-%d %H:%M:%S %z")
