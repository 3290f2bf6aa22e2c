"""Days of continuous glucose: per patient, local date and device, the consensus metrics.

Numbers describe; they judge nothing: the consensus targets are for people with diabetes, and two
sensor models differ fivefold in the time they show above 140 mg/dL, so a day belongs to one
device and days of different devices are never pooled here.

Sources: Battelino et al. 2019, Diabetes Care 42:1593 (ranges, sufficiency, CV); Bergenstal et
al. 2018, Diabetes Care 41:2275 (GMI); Kovatchev et al. 1997, Diabetes Care 20:1655 and 2006,
Diabetes Care 29:2433 (the symmetrised scale; LBGI and HBGI).
"""

from __future__ import annotations

import polars as pl

SUFFICIENT_PCT = 70.0
"""Least coverage of a day, percent of 1440 minutes (Battelino 2019: 70 % of readings)."""
DAY_MINUTES = 1440.0
STEPS_MINUTES = (5.0, 15.0)
"""How often sensors report: Dexcom and Libre 3 every 5 minutes, Libre 1 and 2 every 15."""

DAY = ("patient_id", "local_date", "device")


def cgm_days(samples: pl.LazyFrame) -> pl.LazyFrame:
    """One row per patient, local date and device, sorted so.

    Args:
        samples: ``patient_id``, ``device``, ``observed_at`` (UTC), ``local_date``, ``value``
            (mg/dL) and whatever else; a censored value counts at its limit. Of two values at one
            instant of one device the lower counts, whatever order they came in.

    Returns:
        :data:`DAY`, then ``readings`` (count), ``minutes_covered`` (min), ``coverage_pct`` (of
        1440 min), ``mean_mg_dl``, ``sd_mg_dl``, ``cv_pct``, the share of readings ``pct_...``
        below, within or above limits in mg/dL (percent; ranges include both ends), ``gmi_pct``
        (null unless sufficient), ``lbgi``, ``hbgi`` (no unit), ``is_sufficient`` and ``is_main``:
        the one device of the day, of several or of one sensor sent by two ways, that covers most
        of it.
    """
    value = pl.col("value")
    days = (
        _distinct(samples)
        .group_by(*DAY)
        .agg(
            readings=pl.len().cast(pl.Int64),
            minutes_covered=_minutes_covered(),
            mean_mg_dl=value.mean(),
            sd_mg_dl=value.std(),
            **_shares(value),
            lbgi=low_risk(value).mean(),
            hbgi=high_risk(value).mean(),
        )
        .with_columns(
            coverage_pct=(pl.col("minutes_covered") / DAY_MINUTES * 100).clip(upper_bound=100),
            cv_pct=pl.col("sd_mg_dl") / pl.col("mean_mg_dl") * 100,
        )
        .with_columns(is_sufficient=pl.col("coverage_pct") >= SUFFICIENT_PCT)
        .with_columns(is_main=_is_main())
        .with_columns(gmi_pct=pl.when("is_sufficient").then(gmi(pl.col("mean_mg_dl"))))
    )
    return days.select(*DAY, *_COLUMNS).sort(*DAY)


def gmi(mean_mg_dl: pl.Expr) -> pl.Expr:
    """Glucose management indicator, percent, of a mean in mg/dL.

    GMI = 3.31 + 0.02392 * mean (Bergenstal et al. 2018, Diabetes Care 41:2275). Not calibrated
    below about 6 %.

    >>> round(pl.select(gmi(pl.lit(154.0))).item(), 3)
    6.994
    """
    return 3.31 + 0.02392 * mean_mg_dl


def low_risk(value: pl.Expr) -> pl.Expr:
    """Risk of low glucose of a value in mg/dL, no unit; its mean is the LBGI.

    10 f^2 where f < 0, else 0, with f = 1.509 * ((ln BG)^1.084 - 5.381) (Kovatchev et al. 1997,
    Diabetes Care 20:1655).

    >>> round(pl.select(low_risk(pl.lit(54.0))).item(), 2)
    18.46
    """
    return 10 * _symmetrised(value).clip(upper_bound=0) ** 2


def high_risk(value: pl.Expr) -> pl.Expr:
    """Risk of high glucose of a value in mg/dL, no unit; its mean is the HBGI.

    10 f^2 where f > 0, else 0; f as in :func:`low_risk` (Kovatchev et al. 1997).

    >>> round(pl.select(high_risk(pl.lit(250.0))).item(), 2)
    22.44
    """
    return 10 * _symmetrised(value).clip(lower_bound=0) ** 2


def _symmetrised(value: pl.Expr) -> pl.Expr:
    return 1.509 * (value.log() ** 1.084 - 5.381)


def _shares(value: pl.Expr) -> dict[str, pl.Expr]:
    """Share of readings per range, percent.

    The ranges of Battelino 2019, and 70 to 140 mg/dL, the tight range.
    """
    within = {
        "pct_below_54": value < 54,
        "pct_below_70": value < 70,
        "pct_70_140": value.is_between(70, 140),
        "pct_70_180": value.is_between(70, 180),
        "pct_above_140": value > 140,
        "pct_above_180": value > 180,
        "pct_above_250": value > 250,
    }
    return {name: is_within.mean() * 100 for name, is_within in within.items()}


_COLUMNS = (
    *("readings", "minutes_covered", "coverage_pct", "mean_mg_dl", "sd_mg_dl", "cv_pct"),
    *_shares(pl.col("value")),
    *("gmi_pct", "lbgi", "hbgi", "is_sufficient", "is_main"),
)


def _is_main() -> pl.Expr:
    first = pl.struct(-pl.col("minutes_covered"), "device").rank("ordinal")
    return first.over("patient_id", "local_date") == 1


def _distinct(samples: pl.LazyFrame) -> pl.LazyFrame:
    """One positive value per instant of a device, in order of time.

    The sort makes the result independent of the order of files and gives the gaps below.
    """
    instant = ("patient_id", "device", "observed_at")
    ordered = (
        samples.select("local_date", "value", *instant)
        .filter(
            pl.col("value").is_between(1, float("inf"), closed="none"),
            pl.col("observed_at").is_not_null() & pl.col("local_date").is_not_null(),
        )
        .sort(*instant, "value")
    )
    is_again = pl.all_horizontal(pl.col(key).eq_missing(pl.col(key).shift()) for key in instant)
    return ordered.filter(~is_again)


def _minutes_covered() -> pl.Expr:
    """Minutes a day's readings stand for: each until the next, at most one step; the last a step.

    On a regular grid this is readings times step. Scans between the readings of a Libre and
    sensors that report every minute would count twice and more in that product.
    """
    gap = pl.col("observed_at").diff().dt.total_seconds() / 60
    five, fifteen = STEPS_MINUTES
    step = pl.when(gap.median() > (five + fifteen) / 2).then(fifteen).otherwise(five)
    return gap.clip(upper_bound=step).sum() + step
