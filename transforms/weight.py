"""Weight: how fast it moves, and insulin as it would be had it not moved.

A scale in the wrong unit, a comma lost or a partner's foot must not make a slope. Two defences: a
weight far from the median of its neighbours is set aside (:data:`FAR`), and the slope is that of
Theil and Sen, the median of the slopes between all pairs (Theil 1950, Sen 1968, J Am Stat Assoc
63:1379), which up to 29 % of wrong values cannot carry away.
"""

from __future__ import annotations

from statistics import NormalDist

import polars as pl

WINDOW_DAYS = 180
MIN_WEIGHTS = 8
"""Weighings on different days below which there is no slope (clinical reference, section 4)."""
MIN_DAYS, MIN_WEEKS = 56, 5
"""A shorter span of weighings has no slope: water moves more than fat in weeks (judgement). Of
fewer points than five Sen's interval reaches beyond their slopes."""
FAR = 0.25
"""Further than this share from the median a weight is not this person's in this unit: pounds read
as kilograms are 2.2 times, a lost comma 10 times (judgement)."""
MOST_WEEKS = 35
"""Points that fit a window: seven months of five."""
MONTH_DAYS = 30.4375
Z_SLOPE = NormalDist().inv_cdf(0.95)
"""Two-sided 90 %, as the trend model's intervals."""

NEAR_DAYS = 90
"""A draw's weight is the nearest within this many days (judgement)."""
LN_INSULIN_PER_BMI = 0.060
"""Rise of ln insulin per kg/m2 *between* people: ln insulin = 0.453 + 0.060 BMI, NHANES 2017-18,
adults with glucose below 126 mg/dL (clinical reference, section 6). Cross-sectional: what a person
who gains a unit does is not known from it. Cross-check over time: CARDIA (Folsom 1996), 5 uIU/mL
per 5 kg/m2, is the same 6 % at an insulin of 17 uIU/mL, and more below."""
ADULT_CM = (120.0, 230.0)
"""Heights that are taken for an adult's in centimetres (judgement)."""

MONTH = ("patient_id", "month")
WEIGHT = {"patient_id": pl.String, "observed_on": pl.Date, "weight_kg": pl.Float64}


def daily_weights(observations: pl.LazyFrame, samples: pl.LazyFrame) -> pl.LazyFrame:
    """One weight a patient and day: the median of what clinic and scales say.

    Args:
        observations: standing results: ``patient_id``, ``analyte``, ``observed_on``, ``value``.
        samples: standing samples: ``patient_id``, ``kind``, ``observed_local``, ``value``.

    Returns:
        The columns of :data:`WEIGHT`, sorted.
    """
    clinic = observations.select("patient_id", "observed_on", "value", kind="analyte")
    on = pl.col("observed_local").dt.date()
    scales = samples.select("patient_id", "value", "kind", observed_on=on)
    told = pl.concat([clinic, scales.select("patient_id", "observed_on", "value", "kind")])
    weight = pl.col("value")
    return (
        told.filter(pl.col("kind") == "weight", weight > 0, weight.is_finite())
        .group_by("patient_id", "observed_on")
        .agg(weight_kg=weight.median())
        .sort("patient_id", "observed_on")
    )


def weight_slopes(weights: pl.LazyFrame) -> pl.LazyFrame:
    """One row per patient and month with a weight: its slope over the 180 days to the month's end.

    Weights of one week (of the month: from the 1st, 8th, 15th, 22nd, 29th) are one point, their
    median, so that a week of daily weighings does not outweigh a quarter of visits. The interval is
    Sen's, from Kendall's variance without ties; it takes the points for independent, which weeks of
    one person are not quite.

    Args:
        weights: the columns of :data:`WEIGHT`, one row a patient and day.

    Returns:
        ``patient_id``, ``month`` (its first day), ``kg_per_month``, ``low`` and ``high`` (90 %),
        all null below :data:`MIN_WEIGHTS`, :data:`MIN_DAYS` or :data:`MIN_WEEKS`, and ``n``, days
        with a weight in the window, those set aside not counted. Sorted.

    >>> from datetime import date, timedelta
    >>> days = [date(2026, 1, 1) + timedelta(days=14 * k) for k in range(9)]
    >>> scale = pl.LazyFrame({"patient_id": "p", "observed_on": days})
    >>> gaining = scale.with_columns(weight_kg=80 + 0.46 * pl.int_range(pl.len()))
    >>> weight_slopes(gaining).tail(1).select(pl.col("kg_per_month").round(2), "n").collect().row(0)
    (1.0, 9)
    """
    points = _windows(_weeks(weights))
    days = pl.col("last").max() - pl.col("first").min()
    counted = points.group_by(MONTH).agg(n=pl.col("n").sum(), weeks=pl.len(), days=days)
    enough = counted.filter(
        pl.col("n") >= MIN_WEIGHTS, pl.col("days") >= MIN_DAYS, pl.col("weeks") >= MIN_WEEKS
    )
    fitted = _fitted(points.join(enough, on=MONTH, how="semi"))
    return (
        _months(weights)
        .join(counted, on=MONTH, how="left")
        .join(fitted, on=MONTH, how="left")
        .select(*MONTH, "kg_per_month", "low", "high", pl.col("n").fill_null(0).cast(pl.Int64))
        .sort(MONTH)
    )


def _months(weights: pl.LazyFrame) -> pl.LazyFrame:
    return weights.select("patient_id", month=pl.col("observed_on").dt.month_start()).unique()


def _weeks(weights: pl.LazyFrame) -> pl.LazyFrame:
    """One point a week of a month, so that none reaches beyond the month's end; days from 1970."""
    on, day = pl.col("observed_on"), pl.col("observed_on").to_physical()
    return weights.group_by("patient_id", own=on.dt.month_start(), week=(on.dt.day() - 1) // 7).agg(
        weight_kg=pl.col("weight_kg").median(),
        at=day.median(),
        first=day.min(),
        last=day.max(),
        n=pl.len(),
    )


def _windows(weeks: pl.LazyFrame) -> pl.LazyFrame:
    """Each point in every month whose window holds it, but for those far from the window's median.

    A month without a weight of its own has no window.
    """
    own, month_end = pl.col("own"), pl.col("month").dt.month_end().to_physical()
    following = pl.date_ranges(own, own.dt.offset_by(f"{WINDOW_DAYS // 30}mo"), "1mo")
    return (
        weeks.with_columns(month=following)
        .explode("month")
        .filter(month_end - pl.col("at") < WINDOW_DAYS)
        .join(weeks.select("patient_id", month="own").unique(), on=MONTH, how="semi")
        .filter(_is_near(*MONTH))
    )


def _is_near(*over: str) -> pl.Expr:
    weight = pl.col("weight_kg")
    return (weight / weight.median().over(over) - 1).abs() <= FAR


def _fitted(points: pl.LazyFrame) -> pl.LazyFrame:
    """Theil's slope and Sen's interval of every window."""
    slopes = pl.col("slopes").explode().drop_nulls().sort()
    count, margin = slopes.count(), _rank_margin(pl.len())
    ranks = {"low": ((count - margin) / 2 - 1).floor(), "high": ((count + margin) / 2).ceil()}
    ends = {
        name: slopes.get(rank.clip(0, count - 1).cast(pl.Int64)) for name, rank in ranks.items()
    }
    slanted = (
        points.sort(*MONTH, "at")
        .with_columns(window=pl.struct(MONTH).rle_id())
        .with_columns(slopes=_earlier_slopes())
    )
    return slanted.group_by(MONTH).agg(kg_per_month=slopes.median(), **ends)


def _earlier_slopes() -> pl.Expr:
    """Per point the slopes to every point before it in its window, kg per month."""
    kg, at, window = (pl.col(name) for name in ("weight_kg", "at", "window"))
    return pl.concat_list(
        pl.when(window == window.shift(lag)).then(
            (kg - kg.shift(lag)) / (at - at.shift(lag)) * MONTH_DAYS
        )
        for lag in range(1, MOST_WEEKS)
    )


def _rank_margin(points: pl.Expr) -> pl.Expr:
    """How many of the sorted slopes lie between low and high (Sen 1968, section 5)."""
    return Z_SLOPE * (points * (points - 1) * (2 * points + 5) / 18).sqrt()


def at_constant_weight(
    pairs: pl.LazyFrame, weights: pl.LazyFrame, heights: pl.LazyFrame
) -> pl.LazyFrame:
    """Used pairs with insulin brought to the body mass index of the patient's newest used draw.

    ``ln insulin + 0.060 (BMI of the newest draw - BMI of this one)``, so that a trend over the
    result is of what weight does not explain. The coefficient is cross-sectional
    (:data:`LN_INSULIN_PER_BMI`): the difference to the trend as it is says how much of a climb
    weight *could* explain, and not that it did.

    Args:
        pairs: :func:`transforms.pairs.fasting_pairs`.
        weights: the columns of :data:`WEIGHT`.
        heights: ``patient_id``, ``observed_on``, ``height_cm``; an adult's median is taken.

    Returns:
        The columns of ``pairs`` and ``weight_change_kg``, since the first used draw; only used
        draws, only of patients with a height and with a weight within :data:`NEAR_DAYS` of every
        used draw. Sorted as pairs are.
    """
    used = pairs.filter("used").sort("drawn_on")
    weighed = used.join_asof(
        _own(weights),
        left_on="drawn_on",
        right_on="observed_on",
        by="patient_id",
        strategy="nearest",
        tolerance=f"{NEAR_DAYS}d",
        check_sortedness=False,
    )
    kg = pl.col("weight_kg")
    newest, first = (kg.sort_by("drawn_on").get(end).over("patient_id") for end in (-1, 0))
    excess = (newest - kg) / (pl.col("height_cm") / 100) ** 2
    return (
        weighed.join(_adult_heights(heights), on="patient_id")
        .filter(kg.is_not_null().all().over("patient_id"))
        .with_columns(
            insulin_uiu_ml=pl.col("insulin_uiu_ml") * (LN_INSULIN_PER_BMI * excess).exp(),
            weight_change_kg=kg - first,
        )
        .select(*pairs.collect_schema().names(), "weight_change_kg")
        .sort("patient_id", "drawn_on")
    )


def _own(weights: pl.LazyFrame) -> pl.LazyFrame:
    """Weights near the patient's own median."""
    near = weights.filter(_is_near("patient_id"))
    return near.select("patient_id", "observed_on", "weight_kg").sort("observed_on")


def _adult_heights(heights: pl.LazyFrame) -> pl.LazyFrame:
    return (
        heights.filter(pl.col("height_cm").is_between(*ADULT_CM))
        .group_by("patient_id")
        .agg(pl.col("height_cm").median())
    )
