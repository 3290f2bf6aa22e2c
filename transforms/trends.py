"""Pairs to trends: how insulin and glucose of every patient move, as known after each draw.

One row per visit, from that visit and the patient's earlier ones. The arithmetic is in
:mod:`transforms.model`; here are the frames: checks, visits, sums, and the columns people read.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from math import log

import numpy as np
import polars as pl

from transforms.catalog.prior import SHIPPED_NOISE, SHIPPED_PRIOR, Noise, Prior
from transforms.model import (
    NOTHING,
    Floats,
    Posterior,
    Sums,
    events,
    information,
    posterior,
    quantile,
)

INSULIN_LIMIT = 12.5
"""uIU/mL; a level above it is high, unless the assay has a limit of its own."""
DAYS_PER_YEAR = 365.25
GRAINS = 1e9
"""Logarithms are summed in whole billionths: exactly, so in any order and from any day."""

INTERVAL = (0.05, 0.95)
"""Posterior shares at the ends of the intervals."""

_KEY = ("patient_id", "drawn_on")
_I, _G = "insulin_uiu_ml", "glucose_mg_dl"
_TERMS = ("d", "dd", "y", "dy", "g", "dg")
_REFUSED = "{name} must be {needed}: {count} rows are not"


def trends(
    pairs: pl.LazyFrame,
    noise: Noise = SHIPPED_NOISE,
    prior: Prior = SHIPPED_PRIOR,
    *,
    insulin_limit: float = INSULIN_LIMIT,
    latest_only: bool = False,
) -> pl.LazyFrame:
    """The trend of every patient as it stood after each visit.

    The pairs are collected here, so that a wrong value is an error now and not at some later
    collect; memory beyond the pairs is some 200 bytes per row returned.

    Args:
        pairs: fasting pairs in use, in any order: ``patient_id``, ``drawn_on``, ``insulin_uiu_ml``
            and ``glucose_mg_dl``, both above zero. Several pairs of one patient and day are one
            visit, their geometric mean.
        noise: the noise of one visit.
        prior: how people differ.
        insulin_limit: uIU/mL, for ``p_insulin_high``.
        latest_only: only each patient's newest visit, at a fraction of the cost.

    Returns:
        A row per ``patient_id`` and ``drawn_on``, sorted: ``n_pairs`` (visits so far),
        ``first_on``, ``last_on`` (= ``drawn_on``), levels now, slopes per year with 90 % intervals
        (insulin in percent, glucose in mg/dL), and the posterior probabilities
        ``p_insulin_climbing`` (slope above 5 %/y), ``p_glucose_fine`` (below 100 mg/dL and
        rising by less than 1.6 %/y), ``p_climbing_unseen`` (both), ``p_insulin_high``,
        ``p_insulin_falling``, ``p_glucose_rising``.

    Raises:
        ValueError: a missing, non-finite or non-positive value (column and count, no values).
    """
    visits = _visits(pairs)
    sums = _newest(visits) if latest_only else _prefixes(visits)
    return _described(sums.collect(), noise, prior, insulin_limit).lazy()


def latest(trends: pl.LazyFrame) -> pl.LazyFrame:
    """The newest row of each patient, sorted by patient."""
    return trends.sort(_KEY).group_by("patient_id", maintain_order=True).last()


def without_each(
    pairs: pl.LazyFrame, noise: Noise = SHIPPED_NOISE, prior: Prior = SHIPPED_PRIOR
) -> pl.LazyFrame:
    """What would be believed without each one visit: does a flag survive dropping any draw?

    Returns:
        ``patient_id``, ``dropped_on``, ``p_climbing_unseen``; patients of one visit have no row.
        Without the newest visit, "now" is the one before.

    Raises:
        ValueError: as :func:`trends`.
    """
    visits = _visits(pairs).with_columns(n=pl.lit(1, dtype=pl.Int64))
    terms = pl.col("n", *_TERMS)
    newest = pl.col("drawn_on").max().over("patient_id")
    before = pl.col("drawn_on").top_k(2).min().over("patient_id")
    last = pl.when(pl.col("drawn_on") == newest).then(before).otherwise(newest)
    frame = (
        visits.with_columns(terms.sum().over("patient_id") - terms, last_on=last)
        .filter(pl.col("n") > 0)
        .sort(_KEY)
        .collect()
    )
    p = _climbing_unseen(_to_sums(frame), noise, prior)
    return (
        frame.select("patient_id", dropped_on="drawn_on").with_columns(p_climbing_unseen=p).lazy()
    )


def with_next(
    pairs: pl.DataFrame,
    on: date,
    insulin: Floats,
    glucose: float,
    noise: Noise = SHIPPED_NOISE,
    prior: Prior = SHIPPED_PRIOR,
) -> Floats:
    """``p_climbing_unseen`` of one patient after a next draw that might come out so.

    Args:
        pairs: the patient's pairs so far, as for :func:`trends`.
        on: day of the next draw, after the newest.
        insulin: possible values, uIU/mL.
        glucose: mg/dL.
        noise: as for :func:`trends`.
        prior: as for :func:`trends`.

    Returns:
        One probability per value of ``insulin``.

    Raises:
        ValueError: pairs of several patients, ``on`` not after the newest, or a value that is not
            above zero.
    """
    if pairs["patient_id"].n_unique() > 1:
        raise ValueError("pairs of more than one patient")
    if not pairs.is_empty() and on <= max(pairs["drawn_on"]):
        raise ValueError("the next draw must come after the newest one")
    _check(pl.LazyFrame({"patient_id": "", "drawn_on": on, _I: insulin, _G: float(glucose)}))
    so_far = _newest(_visits(pairs.lazy())).collect().with_columns(last_on=on)
    past = _to_sums(so_far) if so_far.height else NOTHING
    return _climbing_unseen(_extended(past, np.log(insulin), log(glucose)), noise, prior)


def _extended(past: Sums, y: Floats, g: float) -> Sums:
    """The sums of one patient with one draw more, now, once per value of ``y``."""
    same = np.ones(np.shape(y))
    return Sums(
        n=same * (past.n + 1),
        t=same * past.t,
        tt=same * past.tt,
        y=past.y + y,
        ty=same * past.ty,
        g=same * (past.g + g),
        tg=same * past.tg,
    )


def _check(pairs: pl.LazyFrame) -> None:
    """Refuse values that have no logarithm, naming column and count but no value."""
    sound = [pl.col(v).is_finite() & (pl.col(v) > 0) for v in (_I, _G)]
    sound += [pl.col(name).is_not_null() for name in _KEY]
    wrong = pairs.select((~ok.fill_null(value=False)).sum() for ok in sound).collect()
    for name, count in wrong.row(0, named=True).items():
        if count:
            needed = "present" if name in _KEY else "above zero and finite"
            raise ValueError(_REFUSED.format(name=name, count=count, needed=needed))


def _visits(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Checked pairs as one row per patient and day, with the terms of every sum.

    All terms are whole numbers: ``d`` counts days since 1970, ``y`` and ``g`` are logarithms in
    :data:`GRAINS`. A night that adds a draw and one that sums anew agree to the last bit.
    """
    _check(pairs)
    key = [pl.col(name) for name in _KEY]
    grains = {"y": pl.col(_I).log() * GRAINS, "g": pl.col(_G).log() * GRAINS}
    logs = pairs.select(*key, **{k: v.round().cast(pl.Int64) for k, v in grains.items()})
    rows, days = pairs.select(pl.len(), pl.struct(_KEY).hash().n_unique()).collect().row(0)
    if days < rows:
        logs = logs.group_by(_KEY).agg(pl.col("y", "g").sum() // pl.len())
    d = pl.col("drawn_on").to_physical().cast(pl.Int64)
    return logs.with_columns(d=d, dd=d * d, dy=d * pl.col("y"), dg=d * pl.col("g"))


def _newest(visits: pl.LazyFrame) -> pl.LazyFrame:
    """All visits of each patient in one row."""
    on = pl.col("drawn_on")
    sums = visits.group_by("patient_id").agg(
        on.max(), pl.len().alias("n"), pl.col(*_TERMS).sum(), first_on=on.min()
    )
    return sums.sort("patient_id").with_columns(last_on=on)


def _prefixes(visits: pl.LazyFrame) -> pl.LazyFrame:
    """Every visit with those before it."""
    of_patient = visits.sort(_KEY).with_columns(n=pl.lit(1, dtype=pl.Int64))
    return of_patient.with_columns(
        pl.col("n", *_TERMS).cum_sum().over("patient_id"),
        first_on=pl.col("drawn_on").first().over("patient_id"),
        last_on=pl.col("drawn_on"),
    )


def _to_sums(frame: pl.DataFrame) -> Sums:
    """The model's sums, time counted back from ``last_on``."""
    last = frame["last_on"].to_physical().cast(pl.Int64).to_numpy()
    n, d, dd, y, dy, g, dg = (frame[name].to_numpy() for name in ("n", *_TERMS))
    n = n.astype(np.int64)
    return Sums(
        n=n.astype(np.float64),
        t=(d - n * last) / DAYS_PER_YEAR,
        tt=(dd - 2 * last * d + n * last * last) / DAYS_PER_YEAR**2,
        y=y / GRAINS,
        ty=(dy - last * y) / (DAYS_PER_YEAR * GRAINS),
        g=g / GRAINS,
        tg=(dg - last * g) / (DAYS_PER_YEAR * GRAINS),
    )


def _climbing_unseen(sums: Sums, noise: Noise, prior: Prior) -> Floats:
    def sweep(batch: Sums) -> dict[str, Floats]:
        found = posterior(information(batch, noise), prior)
        return {"p": events(found, log(INSULIN_LIMIT)).climbing_unseen}

    return sums.swept(sweep)["p"]


def _described(
    frame: pl.DataFrame, noise: Noise, prior: Prior, insulin_limit: float
) -> pl.DataFrame:
    """The trend columns of each row of sums."""

    def sweep(batch: Sums) -> dict[str, Floats]:
        return _readable(posterior(information(batch, noise), prior), log(insulin_limit))

    columns = _to_sums(frame).swept(sweep)
    head = frame.select(*_KEY, pl.col("n").cast(pl.Int64).alias("n_pairs"), "first_on", "last_on")
    return head.with_columns(**{k: pl.Series(v) for k, v in columns.items()})


def _readable(found: Posterior, insulin_limit: float) -> dict[str, Floats]:
    """The trend columns of one batch, in the units people read."""
    level_i, slope_i, level_g, slope_g = (found.average(mean) for mean in found.mean)
    glucose = np.exp(level_g)
    insulin_low, insulin_high = (_slope(found, 1, share) for share in INTERVAL)
    glucose_low, glucose_high = (_slope(found, 3, share) for share in INTERVAL)
    p = events(found, insulin_limit)
    return {
        "insulin_level_uiu_ml": np.exp(level_i),
        "insulin_slope_pct_year": 100 * np.expm1(slope_i),
        "insulin_slope_low": 100 * np.expm1(insulin_low),
        "insulin_slope_high": 100 * np.expm1(insulin_high),
        "glucose_level_mg_dl": glucose,
        "glucose_slope_mg_dl_year": glucose * slope_g,
        "glucose_slope_low": glucose * glucose_low,
        "glucose_slope_high": glucose * glucose_high,
        **{f"p_{field.name}": getattr(p, field.name) for field in fields(p)},
    }


def _slope(found: Posterior, parameter: int, share: float) -> Floats:
    return quantile(share, found.weight, found.mean[parameter], found.sd(parameter))
