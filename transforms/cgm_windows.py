"""Fourteen days of continuous glucose: the consensus window, and its profile of the day.

**Which fourteen days.** The first window of a sensor begins with its first local date, lasts
fourteen dates, and the next begins with the first date after that on which the sensor tells
anything. So a sensor that is worn for two weeks is one window, whenever it was put on and however
long nobody wore one before; and a new day changes only the newest window, while windows counted
back from the newest day would all change every night, and windows of calendar months would cut
most wears in two. Windows do not overlap. Readings of an earlier date that arrive late move the
windows after them: a window is a function of all that is known of its sensor. Fourteen times 24
hours that begin at noon are of fifteen dates; the last is a window of its own, not sufficient.

Sufficient is 70 % of fourteen days (Battelino et al. 2019, Diabetes Care 42:1593); a window that is
still being filled is not. Devices are kept apart, as in :mod:`transforms.cgm`.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl

from transforms.cgm import DAY_MINUTES, NIGHT_HOURS, SERIES, SUFFICIENT_PCT, blocks, gmi, readings

WINDOW_DAYS = 14
"""Battelino et al. 2019: what two weeks show agrees with what three months show."""
BIN_MINUTES = 30
"""The profile's time of day (judgement: six readings a day of a sensor, two of a slow one)."""
PERCENTILES = (5, 25, 50, 75, 95)
"""Of the ambulatory glucose profile (Battelino et al. 2019)."""

WINDOW = (*SERIES, "window_end")
_SHARES = (
    *("pct_below_54", "pct_below_70", "pct_70_140", "pct_70_180"),
    *("pct_above_140", "pct_above_180", "pct_above_250"),
)
_OF_SUFFICIENT = (
    *("gmi_pct", "mage_mg_dl", "conga_1h_mg_dl", "conga_24h_mg_dl", "modd_mg_dl"),
    *("eating_window_h", "night_rises_per_night"),
)
_COLUMNS = (
    *("window_start", "days", "readings", "coverage_pct", "day_coverage_pct"),
    *("night_coverage_pct", "mean_mg_dl", "sd_mg_dl", "cv_pct", *_SHARES),
    *("minutes_above_140_per_day", "lbgi", "hbgi", *_OF_SUFFICIENT, "is_sufficient", "is_main"),
)


def cgm_windows(days: pl.LazyFrame, samples: pl.LazyFrame) -> pl.LazyFrame:
    """One row per patient, device and window of fourteen local dates, sorted so.

    Args:
        days: :func:`transforms.cgm.cgm_days` of the samples.
        samples: as :func:`transforms.cgm.cgm_days` takes them, or
            :func:`transforms.cgm.readings`.

    Returns:
        :data:`WINDOW` (``window_end``: the last date of the window that told anything),
        ``window_start`` (its first), ``days`` (dates that told anything), ``readings`` (count),
        ``coverage_pct`` (of 14 x 1440 min), ``day_coverage_pct`` (of 14 x 06:00 to 24:00),
        ``night_coverage_pct`` (of 14 x 00:00 to 06:00); over all readings ``mean_mg_dl``,
        ``sd_mg_dl``, ``cv_pct``, the shares ``pct_...`` (percent), ``lbgi``, ``hbgi``;
        ``minutes_above_140_per_day``; ``mage_mg_dl``, ``conga_1h_mg_dl``, ``conga_24h_mg_dl`` and
        ``modd_mg_dl`` over the window's whole trace (:mod:`transforms.cgm_excursions`);
        ``gmi_pct``; ``eating_window_h`` (median of its days), ``night_rises_per_night`` (mean of
        the nights that were seen), ``is_sufficient`` (``coverage_pct`` of 70 % and more), and
        ``is_main``: on most of its days this is the patient's main device. Null unless
        sufficient: ``gmi_pct`` and what follows from ``mage_mg_dl`` to ``night_rises_per_night``.
    """
    measured = blocks(readings(samples), WINDOW_DAYS).rename({"from_on": "window_start"})
    keys = (*SERIES, "window_start")
    windows = _pooled(_in_windows(days)).join(measured, on=keys, how="left", nulls_equal=True)
    judged = windows.with_columns(
        is_sufficient=pl.col("coverage_pct") >= SUFFICIENT_PCT,
        gmi_pct=gmi(pl.col("mean_mg_dl")),
        cv_pct=pl.col("sd_mg_dl") / pl.col("mean_mg_dl") * 100,
    ).with_columns(pl.when("is_sufficient").then(pl.col(_OF_SUFFICIENT)))
    return judged.select(*WINDOW, *_COLUMNS).sort(WINDOW)


def agp(samples: pl.LazyFrame, windows: pl.LazyFrame) -> pl.LazyFrame:
    """The ambulatory glucose profile: percentiles of each window by time of day.

    Args:
        samples: as :func:`cgm_windows` takes them.
        windows: those that are wanted, with ``patient_id``, ``device``, ``window_start``,
            ``window_end``.

    Returns:
        :data:`WINDOW`, ``begins_min`` (minutes since local midnight at which the half hour
        begins), ``p05_mg_dl``, ``p25_mg_dl``, ``p50_mg_dl``, ``p75_mg_dl``, ``p95_mg_dl`` (linear
        between readings) and ``n`` (readings), sorted. A half hour that no day saw has no row.
    """
    at = pl.col("observed_local")
    minutes = at.dt.hour().cast(pl.Int64) * 60 + at.dt.minute()
    told = (
        readings(samples)
        .filter(at.is_not_null())
        .select(*SERIES, "local_date", "value", begins_min=minutes // BIN_MINUTES * BIN_MINUTES)
    )
    wanted = windows.select(*WINDOW, local_date=pl.date_ranges("window_start", "window_end"))
    value = pl.col("value")
    return (
        told.join(wanted.explode("local_date"), on=(*SERIES, "local_date"), nulls_equal=True)
        .group_by(*WINDOW, "begins_min")
        .agg(
            *(value.quantile(p / 100, "linear").alias(f"p{p:02}_mg_dl") for p in PERCENTILES),
            n=pl.len().cast(pl.Int64),
        )
        .sort(*WINDOW, "begins_min")
    )


def _in_windows(days: pl.LazyFrame) -> pl.LazyFrame:
    """Adds ``window_start`` to each day of a device."""
    ordered = days.sort(*SERIES, "local_date")
    other = pl.any_horizontal(pl.col(key).ne_missing(pl.col(key).shift()) for key in SERIES)
    coded = pl.struct(
        series=other.cum_sum().cast(pl.Int64), day=pl.col("local_date").to_physical().cast(pl.Int64)
    )
    is_start = coded.map_batches(partial(_is_start, days=WINDOW_DAYS), return_dtype=pl.Boolean)
    return ordered.with_columns(window_start=pl.when(is_start).then("local_date").forward_fill())


def _is_start(coded: pl.Series, days: int) -> pl.Series:
    from transforms.cgm_excursions import block_starts

    series, day = (coded.struct.field(name).to_numpy() for name in ("series", "day"))
    starts = np.zeros(len(coded), dtype=bool)
    starts[block_starts(series, day, days)] = True
    return pl.Series(starts)


def _pooled(days: pl.LazyFrame) -> pl.LazyFrame:
    """Counts and minutes of each window: whole numbers, whose sum no order changes."""
    n = pl.col("readings")
    shares = [_whole(pl.col(name) * n / 100) / n.sum() * 100 for name in _SHARES]
    parts = {"day_coverage_pct": 24 - NIGHT_HOURS, "night_coverage_pct": NIGHT_HOURS}
    coverage = {name: _coverage(pl.col(name), hours) for name, hours in parts.items()}
    return (
        days.group_by(*SERIES, "window_start")
        .agg(
            *shares,
            **coverage,
            window_end=pl.col("local_date").max(),
            days=pl.len().cast(pl.Int64),
            readings=n.sum(),
            coverage_pct=_coverage(pl.col("coverage_pct"), 24),
            eating_window_h=pl.col("eating_window_h").median(),
            night_rises_per_night=pl.col("night_rises").mean(),
            is_main=pl.col("is_main").mean() > 0.5,
        )
        .with_columns(minutes_above_140_per_day=pl.col("pct_above_140") / 100 * DAY_MINUTES)
    )


def _coverage(pct: pl.Expr, hours: int) -> pl.Expr:
    """Percent of so many hours of each of the window's days."""
    second = hours * 36
    return _whole(pct * second) / (WINDOW_DAYS * second)


def _whole(number: pl.Expr) -> pl.Expr:
    return number.round().cast(pl.Int64).sum()
