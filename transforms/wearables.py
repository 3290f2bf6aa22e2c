"""Wearable days: what phones, watches, rings and scales say of a person's local day.

Several devices tell of the same walk, night and heart. Per kind one of them is believed at a time,
and the others are counted (``devices``), never added:

- **steps**: within each local hour the device that counted most (who leaves the phone on the desk
  walks with the watch, and the reverse). A record of a date, or over more than
  :data:`LONG_HOURS` hours, is a day's total: of one device those of its methods (walking, running)
  are added. The larger of the largest total and the sum of hours is the day's.
- **sleep**: the device that saw most sleep of that day; what two of its records share counts once.
- **resting heart rate**: the mean of what devices state; **weight** likewise.
"""

from __future__ import annotations

import polars as pl

LONG_HOURS = 2.0
"""Above this length a count is a total: phones and watches write minutes, at most an hour."""
EVENING = "6h"
"""Sleep that begins after 18:00 is of the next day: a night belongs to the day it ends on."""
RESULT = "result"
DAY = ("patient_id", "local_date")
KINDS = ("steps", "sleep_duration", "resting_heart_rate", "weight")
COLUMNS = ("steps", "resting_heart_rate", "sleep_h", "weight_kg", "devices")

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
            ``observed_on``, ``value``; a result's steps and sleep are its day's total.
        samples: standing device samples with the columns of :data:`SIGNAL`.

    Returns:
        :data:`DAY`, ``steps``, ``resting_heart_rate`` (/min), ``sleep_h``, ``weight_kg`` and
        ``devices``, how many told of that day.
    """
    signals = pl.concat([_of_results(observations), samples.select(list(SIGNAL))]).filter(
        pl.col("kind").is_in(KINDS), pl.col("value").is_not_null()
    )
    days = [_steps(signals), _sleep(signals), _means(signals), _devices(signals)]
    every = pl.concat(days, how="diagonal").group_by(DAY).agg(pl.col(COLUMNS).drop_nulls().first())
    return every.select(*DAY, *COLUMNS).sort(DAY)


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


def _steps(signals: pl.LazyFrame) -> pl.LazyFrame:
    counts, value = _on_its_day(signals, "steps"), pl.col("value")
    length = (pl.col("ended_at") - pl.col("observed_at")).dt.total_hours(fractional=True)
    is_total = ((length > LONG_HOURS) | (pl.col("observed_precision") == "day")).fill_null(
        value=False
    )
    hour = pl.col("observed_local").dt.truncate("1h")
    walked = (
        counts.filter(~is_total)
        .group_by(*DAY, "device", hour=hour)
        .agg(value.sum())
        .group_by(*DAY, "hour")
        .agg(value.max())
        .group_by(DAY)
        .agg(walked=value.sum())
    )
    totals = (
        counts.filter(is_total)
        .group_by(*DAY, "device", "method")
        .agg(value.max())
        .group_by(*DAY, "device")
        .agg(value.sum())
        .group_by(DAY)
        .agg(total=value.max())
    )
    both = walked.join(totals, on=DAY, how="full", coalesce=True)
    return both.select(*DAY, steps=pl.max_horizontal("walked", "total"))


def _sleep(signals: pl.LazyFrame) -> pl.LazyFrame:
    return (
        _on_its_day(signals, "sleep_duration", moved=EVENING)
        .group_by(*DAY, "device")
        .agg(_united_hours())
        .group_by(DAY)
        .agg(sleep_h=pl.col("value").max())
    )


def _united_hours() -> pl.Expr:
    """Hours of one device's records, of each only the share that no earlier one covered."""
    start, end, hours = (
        pl.col(name).sort_by("observed_at", "ended_at")
        for name in ("observed_at", "ended_at", "value")
    )
    fresh = end - pl.max_horizontal(start, end.cum_max().shift(1))
    share = fresh.dt.total_seconds() / (end - start).dt.total_seconds()
    return (hours * share.fill_nan(1.0).fill_null(1.0).clip(0, 1)).sum().alias("value")


def _means(signals: pl.LazyFrame) -> pl.LazyFrame:
    named = {"resting_heart_rate": "resting_heart_rate", "weight_kg": "weight"}
    parts = [
        _on_its_day(signals, kind).group_by(DAY).agg(pl.col("value").mean().alias(column))
        for column, kind in named.items()
    ]
    return pl.concat(parts, how="diagonal")


def _devices(signals: pl.LazyFrame) -> pl.LazyFrame:
    parts = [
        _on_its_day(signals, kind, EVENING if kind == "sleep_duration" else "0h") for kind in KINDS
    ]
    return pl.concat(parts).group_by(DAY).agg(devices=pl.col("device").n_unique().cast(pl.Int64))
