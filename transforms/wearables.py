"""Wearable days: what phones, watches, rings and scales say of a person's local day.

Several devices tell of the same walk, night and heart. Per kind one of them is believed at a time,
and the others are counted (``devices``), never added:

- **steps** and **active energy**: within each local hour the device that counted most (who leaves
  the phone on the desk walks with the watch, and the reverse). A record of a date, or over more
  than :data:`LONG_HOURS` hours, is a day's total: of one device those of its methods (walking,
  running) are added. The larger of the largest total and the sum of hours is the day's.
- **sleep**: the device that saw most sleep of that day; what two of its records share counts once,
  and stages told as lengths over one and the same interval are added. Its longest sleep, across
  wakings of up to :data:`WAKING`, is the main one.
- **workouts**: the device that saw most minutes; what two of its records share counts once.
- **resting heart rate**: the mean of what devices state; **weight** likewise.

A day without a record is a day without a record, not one of rest: ``hours_seen`` says how much of
the day any device saw.
"""

from __future__ import annotations

import polars as pl

LONG_HOURS = 2.0
"""Above this length a count is a total: phones and watches write minutes, at most an hour."""
EVENING = "6h"
"""Sleep that begins after 18:00 is of the next day: a night belongs to the day it ends on."""
WAKING = pl.duration(minutes=60)
"""A longer waking ends a sleep: what follows is another one (judgement)."""
LONGEST_SEEN = pl.duration(hours=24)
"""A longer record is a statement over days and shows no hour in which a device was worn."""
RESULT = "result"
DAY = ("patient_id", "local_date")
KINDS = (
    *("steps", "sleep_duration", "resting_heart_rate", "weight"),
    *("workout_duration", "active_energy"),
)
"""Kinds that make a day."""
SEEN_KINDS = (
    *("steps", "sleep_duration", "workout_duration", "active_energy"),
    *("in_bed_duration", "heart_rate", "heart_rate_variability_rmssd"),
    *("heart_rate_variability_sdnn", "oxygen_saturation"),
)
"""Kinds whose samples show that a device was with its person at that hour."""
COLUMNS = (
    *("steps", "resting_heart_rate", "sleep_h", "weight_kg", "devices"),
    *("active_min", "active_kcal", "sleep_start", "sleep_end", "hours_seen"),
)

SIGNAL = {
    "patient_id": pl.String,
    "kind": pl.String,
    "device": pl.String,
    "method": pl.String,
    "observed_at": pl.Datetime("us"),
    "ended_at": pl.Datetime("us"),
    "observed_local": pl.Datetime("us"),
    "observed_precision": pl.String,
    "value": pl.Float64,
}
"""What :func:`wearable_days` reads of a sample; a result is a signal of the device ``result``."""


def wearable_days(observations: pl.LazyFrame, samples: pl.LazyFrame) -> pl.LazyFrame:
    """One row per patient and local day with any of :data:`KINDS`.

    Args:
        observations: standing results: ``patient_id``, ``analyte``, ``observed_at``,
            ``observed_local``, ``value``; a result's steps and sleep are its day's total.
        samples: standing device samples with the columns of :data:`SIGNAL`: of :data:`KINDS`,
            and of :data:`SEEN_KINDS` for ``hours_seen``; other kinds are passed over.

    Returns:
        :data:`DAY`, ``steps``, ``resting_heart_rate`` (/min), ``sleep_h``, ``weight_kg``;
        ``devices``, how many told of that day; ``active_min``, minutes of recorded workouts (null
        where none was recorded, which is not none); ``active_kcal``, energy spent by activity;
        ``sleep_start`` and ``sleep_end``, local times of the main sleep that ended on the day
        (null where only its length is told; in the night of a clock change the end is an hour
        off); ``hours_seen``, local hours of the day, 0 to 24, in which a device told something.
    """
    told = samples.select(list(SIGNAL))
    signals = pl.concat([_of_results(observations), told]).filter(
        pl.col("kind").is_in(KINDS), pl.col("value").is_not_null()
    )
    days = [
        _counted(signals, "steps").rename({"value": "steps"}),
        _counted(signals, "active_energy").rename({"value": "active_kcal"}),
        _sleep(signals),
        _workouts(signals),
        _means(signals),
        _devices(signals),
    ]
    every = pl.concat(days, how="diagonal").group_by(DAY).agg(pl.all().drop_nulls().first())
    return (
        every.join(_hours_seen(told), on=DAY, how="left")
        .with_columns(pl.col("hours_seen").fill_null(0))
        .select(*DAY, *COLUMNS)
        .sort(DAY)
    )


def _of_results(observations: pl.LazyFrame) -> pl.LazyFrame:
    return observations.select(
        "patient_id",
        kind="analyte",
        device=pl.lit(RESULT),
        method=pl.lit(""),
        observed_at="observed_at",
        ended_at=pl.lit(None, dtype=pl.Datetime("us")),
        observed_local="observed_local",
        observed_precision=pl.lit("day"),
        value="value",
    )


def _on_its_day(signals: pl.LazyFrame, kind: str, moved: str = "0h") -> pl.LazyFrame:
    day = pl.col("observed_local").dt.offset_by(moved).dt.date()
    return signals.filter(pl.col("kind") == kind).with_columns(local_date=day)


def _is_total() -> pl.Expr:
    length = (pl.col("ended_at") - pl.col("observed_at")).dt.total_hours(fractional=True)
    is_long = (length > LONG_HOURS).fill_null(value=False)
    return is_long | (pl.col("observed_precision") == "day").fill_null(value=False)


def _counted(signals: pl.LazyFrame, kind: str) -> pl.LazyFrame:
    """``value`` of a day: the larger of its largest total and the sum of its hours."""
    counts, value = _on_its_day(signals, kind), pl.col("value")
    hour = pl.col("observed_local").dt.truncate("1h")
    by_hours = (
        counts.filter(~_is_total())
        .group_by(*DAY, "device", hour=hour)
        .agg(value.sum())
        .group_by(*DAY, "hour")
        .agg(value.max())
        .group_by(DAY)
        .agg(value.sum())
    )
    totals = (
        counts.filter(_is_total())
        .group_by(*DAY, "device", "method")
        .agg(value.max())
        .group_by(*DAY, "device")
        .agg(value.sum())
    )
    both = pl.concat([by_hours, totals.select(*DAY, "value")])
    return both.group_by(DAY).agg(value.max())


def _sleep(signals: pl.LazyFrame) -> pl.LazyFrame:
    """``sleep_h``, ``sleep_start`` and ``sleep_end`` by the device that saw most."""
    hours = pl.duration(hours=1)
    fresh = _fresh(_on_its_day(signals, "sleep_duration", moved=EVENING), hours)
    believed = (
        fresh.group_by(*DAY, "device")
        .agg(sleep_h=pl.col("value").sum())
        .sort("sleep_h", "device", descending=[True, False])
        .unique(DAY, keep="first", maintain_order=True)
    )
    main = _main(fresh.join(believed, on=[*DAY, "device"], how="semi"))
    return believed.drop("device").join(main, on=DAY, how="left")


def _main(sleeps: pl.LazyFrame) -> pl.LazyFrame:
    """Local start and end of the day's longest sleep, the earliest of two as long."""
    last = pl.col("ended_at").cum_max().shift(1).over(DAY)
    begins = (pl.col("observed_at") > last + WAKING).fill_null(value=True)
    return (
        sleeps.filter(pl.col("ended_at").is_not_null())
        .sort(*DAY, "observed_at", "ended_at")
        .with_columns(bout=begins.cum_sum().over(DAY))
        .group_by(*DAY, "bout")
        .agg(
            length=pl.col("value").sum(),
            sleep_start=pl.col("observed_local").min(),
            sleep_end=_ended_local().max(),
        )
        .sort("length", "bout", descending=[True, False])
        .unique(DAY, keep="first", maintain_order=True)
        .select(*DAY, "sleep_start", "sleep_end")
    )


def _ended_local() -> pl.Expr:
    return pl.col("observed_local") + (pl.col("ended_at") - pl.col("observed_at"))


def _workouts(signals: pl.LazyFrame) -> pl.LazyFrame:
    minutes = _fresh(_on_its_day(signals, "workout_duration"), pl.duration(minutes=1))
    by_device = minutes.group_by(*DAY, "device").agg(pl.col("value").sum())
    return by_device.group_by(DAY).agg(active_min=pl.col("value").max())


def _fresh(records: pl.LazyFrame, unit: pl.Expr) -> pl.LazyFrame:
    """One row per device and interval, with the part of its ``value`` not told before.

    Lengths of several methods over one interval (a night's stages) are added; where they are longer
    than the interval in ``unit`` they tell the same thing twice, and the longest counts. Of what
    reaches into an earlier interval only the share beyond counts.
    """
    key = (*DAY, "device")
    start, end, value = pl.col("observed_at"), pl.col("ended_at"), pl.col("value")
    length = (end - start).dt.total_seconds()
    are_parts = (value <= length / unit.dt.total_seconds() + 1e-6).fill_null(value=True)
    beyond = (end - pl.max_horizontal(start, end.cum_max().shift(1).over(key))).dt.total_seconds()
    share = (beyond / length).fill_nan(1.0).fill_null(1.0).clip(0, 1)
    return (
        records.group_by(*key, "observed_at", "ended_at")
        .agg(pl.col("observed_local").min(), value.sort().sum(), highest=value.max())
        .with_columns(value=pl.when(are_parts).then(value).otherwise("highest"))
        .sort(*key, "observed_at", "ended_at")
        .with_columns(value=value * share)
    )


def _means(signals: pl.LazyFrame) -> pl.LazyFrame:
    named = {"resting_heart_rate": "resting_heart_rate", "weight_kg": "weight"}
    parts = [
        _on_its_day(signals, kind).group_by(DAY).agg(pl.col("value").sort().mean().alias(column))
        for column, kind in named.items()
    ]
    return pl.concat(parts, how="diagonal")


def _devices(signals: pl.LazyFrame) -> pl.LazyFrame:
    parts = [
        _on_its_day(signals, kind, EVENING if kind == "sleep_duration" else "0h") for kind in KINDS
    ]
    return pl.concat(parts).group_by(DAY).agg(devices=pl.col("device").n_unique().cast(pl.Int64))


def _hours_seen(samples: pl.LazyFrame) -> pl.LazyFrame:
    """Local hours that any sample touches; a day's total touches none."""
    first = pl.col("observed_local").dt.truncate("1h")
    stop = pl.max_horizontal(_ended_local() - pl.duration(microseconds=1), "observed_local")
    counts = pl.col("kind").is_in(["steps", "active_energy"])
    is_seen = (
        pl.col("kind").is_in(SEEN_KINDS)
        & pl.col("value").is_not_null()
        & (pl.col("observed_precision") != "day").fill_null(value=True)
        & ~(counts & _is_total())
        & (pl.col("ended_at") - pl.col("observed_at") <= LONGEST_SEEN).fill_null(value=True)
    )
    spans = samples.filter(is_seen).select("patient_id", first=first, last=stop.dt.truncate("1h"))
    hours = spans.unique().select(
        "patient_id", hour=pl.datetime_ranges("first", "last", "1h", closed="both")
    )
    return (
        hours.explode("hour")
        .unique()
        .group_by("patient_id", local_date=pl.col("hour").dt.date())
        .agg(hours_seen=pl.len().cast(pl.Int64))
    )
