"""Wearable months: the days of a month in one row, and nothing said of a month hardly worn.

Context of a person, never a measure of a tissue: steps and heart rate do not show what muscle does
with insulin. Wear is chosen by the wearer, so a month is of the days that were worn.
"""

from __future__ import annotations

from math import pi, tau

import polars as pl

ENOUGH_DAYS = 10
"""Days, nights or pairs of nights in a month below which nothing is said of it (judgement: a third
of the month; standard deviations of sleep timing need more than a week, Fischer, Klerman and
Phillips 2021, Sleep 44:zsab103)."""
DAY_HOURS = 24.0
DAY_MINUTES = 1440.0
MONTH = ("patient_id", "month")
COLUMNS = (
    *("days_with_steps", "steps_median", "days_with_sleep", "sleep_h_mean", "sleep_midpoint_h"),
    *("sleep_regularity", "sleep_regularity_index", "resting_heart_rate_mean"),
    *("days_with_heart_rate", "active_min_mean", "coverage_pct"),
)


def wearable_months(days: pl.LazyFrame) -> pl.LazyFrame:
    """One row per patient and month with a wearable day, sorted.

    Args:
        days: :func:`transforms.wearables.wearable_days`.

    Returns:
        ``patient_id``, ``month`` (its first day); ``days_with_steps``, ``steps_median``;
        ``days_with_sleep``, ``sleep_h_mean``; ``sleep_midpoint_h``, the circular mean of the main
        sleeps' midpoints (hours of the local clock, 0 to 24); ``sleep_regularity``, their circular
        standard deviation (minutes; small is regular); ``sleep_regularity_index``
        (:func:`regularity_index`); ``resting_heart_rate_mean`` (/min), ``days_with_heart_rate``;
        ``active_min_mean``, minutes of workouts a day over days on which a device was worn, null
        where the month has no recorded workout; ``coverage_pct``, hours in which a device told
        something, percent of the whole month's.

        Of fewer than :data:`ENOUGH_DAYS` days (nights, pairs of nights) a mean is null; counts and
        coverage always stand.
    """
    month = pl.col("local_date").dt.truncate("1mo")
    dated = days.with_columns(month=month, mid=midpoint())
    months = dated.group_by(MONTH).agg(**_counts(), **_means())
    told = months.join(_regularity(dated), on=MONTH, how="left")
    return told.select(*MONTH, *COLUMNS).sort(MONTH)


def midpoint() -> pl.Expr:
    """Middle of the main sleep, as an angle of the local day: radians, midnight is 0."""
    start, end = pl.col("sleep_start"), pl.col("sleep_end")
    middle = start + (end - start) / 2
    return (middle - middle.dt.truncate("1d")).dt.total_seconds() / 86400 * tau


def _enough(value: pl.Expr, days: pl.Expr) -> pl.Expr:
    return pl.when(days >= ENOUGH_DAYS).then(value)


def _counts() -> dict[str, pl.Expr]:
    hours = DAY_HOURS * pl.col("month").dt.days_in_month().first()
    counted = {
        "days_with_steps": "steps",
        "days_with_sleep": "sleep_h",
        "days_with_heart_rate": "resting_heart_rate",
    }
    return {
        **{name: pl.col(column).count().cast(pl.Int64) for name, column in counted.items()},
        "coverage_pct": pl.col("hours_seen").sum() / hours * 100,
    }


def _means() -> dict[str, pl.Expr]:
    steps, sleep, rate = (pl.col(name) for name in ("steps", "sleep_h", "resting_heart_rate"))
    is_worn = pl.col("hours_seen") > 0
    active = pl.col("active_min")
    resting = pl.when(active.count() > 0).then(active.fill_null(0).filter(is_worn).mean())
    nights, length = pl.col("mid").count(), _resultant()
    return {
        "steps_median": _enough(steps.median(), steps.count()),
        "sleep_h_mean": _enough(sleep.sort().mean(), sleep.count()),
        "sleep_midpoint_h": _enough(_mean_angle() / tau * DAY_HOURS, nights),
        "sleep_regularity": _enough(_angular_sd(length) / tau * DAY_MINUTES, nights),
        "resting_heart_rate_mean": _enough(rate.sort().mean(), rate.count()),
        "active_min_mean": _enough(resting, is_worn.sum()),
    }


def _mean_angle() -> pl.Expr:
    """Direction of the summed unit vectors, 0 to 2 pi (Mardia and Jupp 2000, chapter 2)."""
    mid = pl.col("mid").sort()
    angle = pl.arctan2(mid.sin().sum(), mid.cos().sum())
    return pl.when(angle < 0).then(angle + 2 * pi).otherwise(angle)


def _resultant() -> pl.Expr:
    """Mean length of the unit vectors' sum: 1 where all agree, 0 where they cancel."""
    mid = pl.col("mid").sort()
    return (mid.sin().mean() ** 2 + mid.cos().mean() ** 2).sqrt().clip(1e-9, 1.0)


def _angular_sd(length: pl.Expr) -> pl.Expr:
    """Circular standard deviation in radians, ``sqrt(-2 ln R)`` (Mardia and Jupp 2000)."""
    return (2 * length.log()).abs().sqrt()


def _regularity(days: pl.LazyFrame) -> pl.LazyFrame:
    """Regularity index per month of the later night, of pairs of nights one day apart."""
    nights = days.filter(pl.col("sleep_end") > pl.col("sleep_start")).select(
        "patient_id", "local_date", "month", "sleep_start", "sleep_end"
    )
    before = nights.select(
        "patient_id",
        pl.col("local_date") + pl.duration(days=1),
        start_before=pl.col("sleep_start") + pl.duration(days=1),
        end_before=pl.col("sleep_end") + pl.duration(days=1),
    )
    index = regularity_index(_disagreeing())
    return (
        nights.join(before, on=["patient_id", "local_date"])
        .sort("patient_id", "local_date")
        .group_by(MONTH)
        .agg(sleep_regularity_index=_enough(index, pl.len()))
    )


def _disagreeing() -> pl.Expr:
    """Share of the day in which one night slept and the other, 24 hours apart, did not."""
    start, end, start_before, end_before = (
        pl.col(name) for name in ("sleep_start", "sleep_end", "start_before", "end_before")
    )
    shared = pl.min_horizontal(end, end_before) - pl.max_horizontal(start, start_before)
    both = shared.dt.total_seconds().clip(lower_bound=0)
    lengths = ((end - start) + (end_before - start_before)).dt.total_seconds()
    return ((lengths - 2 * both) / 86400).clip(0, 1)


def regularity_index(disagreeing: pl.Expr) -> pl.Expr:
    """Sleep regularity index of the shares of days in which two nights disagree, -100 to 100.

    ``-100 + 200 * P(asleep or awake alike, 24 hours apart)`` (Phillips et al. 2017, Sci Rep
    7:3216). Here of main sleeps alone: wakings within them and naps are not seen, so that it lies
    above what minute-by-minute records give.

    >>> hour_later_every_night = pl.DataFrame({"disagreeing": [2 / 24, 2 / 24]})
    >>> index = hour_later_every_night.select(regularity_index(pl.col("disagreeing")))
    >>> round(index.item(), 2)
    83.33
    """
    return 100 - 200 * disagreeing.mean()
