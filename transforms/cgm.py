"""Days of continuous glucose: per patient, local date and device, the consensus metrics.

Numbers describe; they judge nothing: the consensus targets are for people with diabetes, and two
sensor models differ fivefold in the time they show above 140 mg/dL, so a day belongs to one
device and days of different devices are never pooled here. What a day's trace does, its
excursions and rises, is defined in :mod:`transforms.cgm_excursions`.

Sources: Battelino et al. 2019, Diabetes Care 42:1593 (ranges, sufficiency, CV); Bergenstal et
al. 2018, Diabetes Care 41:2275 (GMI); Kovatchev et al. 1997, Diabetes Care 20:1655 and 2006,
Diabetes Care 29:2433 (the symmetrised scale; LBGI and HBGI).
"""

from __future__ import annotations

from datetime import time

import polars as pl

SUFFICIENT_PCT = 70.0
"""Least coverage of a day, percent of 1440 minutes (Battelino 2019: 70 % of readings)."""
DAY_MINUTES = 1440.0
STEPS_MINUTES = (5, 15)
"""How often sensors report: Dexcom and Libre 3 every 5 minutes, Libre 1 and 2 every 15."""
SLOW_MINUTES = (10, 20)
"""Gaps above the first, up to the second, are those of a sensor of 15 minutes (judgement)."""
NIGHT_HOURS = 6
"""Coverage of the night is of 00:00 to 06:00, of the day the rest (Battelino 2019: the AGP)."""
EATING_FROM = time(5)
"""A rise before this is of the night (judgement): a late snack, or none that was a meal."""

DAY = ("patient_id", "local_date", "device")
SERIES = ("patient_id", "device")


def cgm_days(samples: pl.LazyFrame) -> pl.LazyFrame:
    """One row per patient, local date and device, sorted so.

    Args:
        samples: ``patient_id``, ``device``, ``observed_at`` (UTC), ``observed_local``,
            ``local_date``, ``value`` (mg/dL) and whatever else; a censored value counts at its
            limit. Of two values at one instant of one device the lower counts, whatever order
            they came in.

    Returns:
        :data:`DAY`, then ``readings`` (count), ``minutes_covered`` (min), ``coverage_pct`` (of
        1440 min), ``day_coverage_pct`` (of 06:00 to 24:00), ``night_coverage_pct`` (of 00:00 to
        06:00), ``mean_mg_dl``, ``sd_mg_dl``, ``cv_pct``, the share of readings ``pct_...``
        below, within or above limits in mg/dL (percent; ranges include both ends), ``gmi_pct``,
        ``lbgi``, ``hbgi`` (no unit), ``mage_mg_dl`` (Fernandes 2022) and ``conga_1h_mg_dl``,
        ``first_rise_at`` and ``last_rise_at`` (local time of day at which the first and last rise
        from :data:`EATING_FROM` on began), ``eating_window_h`` (hours between the two, null of
        fewer than two rises), ``night_rises`` (count before that, null where the night is not
        covered to 70 %), ``is_sufficient`` and ``is_main``: the one device of the day, of several
        or of one sensor sent by two ways, that covers most of it. Null unless sufficient:
        ``gmi_pct``, ``mage_mg_dl``, ``conga_1h_mg_dl`` and ``eating_window_h``.
    """
    from transforms.cgm_excursions import rises

    told = readings(samples).cache()
    measured = blocks(told, 1).drop("conga_24h_mg_dl", "modd_mg_dl")
    days = (
        _days(told)
        .join(measured.rename({"from_on": "local_date"}), on=DAY, how="left", nulls_equal=True)
        .join(_risen(rises(told)), on=DAY, how="left", nulls_equal=True)
        .with_columns(is_main=_is_main(), night_rises=_night_rises())
        .with_columns(
            cv_pct=pl.col("sd_mg_dl") / pl.col("mean_mg_dl") * 100,
            eating_window_h=_eating_window(),
            gmi_pct=gmi(pl.col("mean_mg_dl")),
        )
        .with_columns(pl.when("is_sufficient").then(pl.col(_OF_SUFFICIENT)))
    )
    return days.select(*DAY, *_COLUMNS).sort(*DAY)


def readings(samples: pl.LazyFrame) -> pl.LazyFrame:
    """One positive value per instant of a device, in order of time.

    The sort makes the result independent of the order of files and gives the gaps.

    Args:
        samples: as :func:`cgm_days` takes them; readings are given back, so that days, windows and
            profiles of the same samples need be put in order once.

    Returns:
        ``patient_id``, ``device``, ``observed_at`` (UTC), ``observed_local``, ``local_date``,
        ``value`` (mg/dL), and ``series``, the number of the patient's device, sorted by that and
        ``observed_at``.
    """
    if "series" in samples.collect_schema():
        return samples
    ordered = (
        samples.select(*SERIES, "observed_at", "observed_local", "local_date", "value")
        .filter(
            pl.col("value").is_between(1, float("inf"), closed="none"),
            pl.col("observed_at").is_not_null() & pl.col("local_date").is_not_null(),
        )
        .sort(*SERIES, "observed_at", "value", "local_date")
    )
    is_again, is_other = (
        pl.all_horizontal(pl.col(key).eq_missing(pl.col(key).shift()) for key in keys)
        for keys in ((*SERIES, "observed_at"), SERIES)
    )
    return ordered.filter(~is_again).with_columns(series=(~is_other).cum_sum().cast(pl.Int64))


def blocks(told: pl.LazyFrame, days: int) -> pl.LazyFrame:
    """Blocks of so many days of readings: :func:`transforms.cgm_excursions.variability`."""
    from transforms.cgm_excursions import variability

    value = pl.col("value")
    return variability(told.with_columns(lbgi=low_risk(value), hbgi=high_risk(value)), days)


def _days(told: pl.LazyFrame) -> pl.LazyFrame:
    """Counts and seconds of each day: whole numbers, whose sum no order changes."""
    days = (
        told.with_columns(gap=_gap())
        .group_by("series", "local_date")
        .agg(
            pl.col(SERIES).first(),
            readings=pl.len().cast(pl.Int64),
            **_shares(pl.col("value")),
            **_seconds(),
        )
    )
    return _with_coverage(days).with_columns(is_sufficient=pl.col("coverage_pct") >= SUFFICIENT_PCT)


def _with_coverage(days: pl.LazyFrame) -> pl.LazyFrame:
    """Minutes at the step of the day's sensor, and their percent of the day and its parts."""
    covered, of_night = (
        pl.when("is_slow").then(f"{name}_15").otherwise(f"{name}_5") / 60
        for name in ("all", "night")
    )
    return days.with_columns(
        minutes_covered=covered,
        coverage_pct=_covered(covered, 24),
        night_coverage_pct=_covered(of_night, NIGHT_HOURS),
        day_coverage_pct=_covered(covered - of_night, 24 - NIGHT_HOURS),
    )


def _covered(minutes: pl.Expr, hours: int) -> pl.Expr:
    return (minutes / (hours * 60) * 100).clip(upper_bound=100)


def _risen(begun: pl.LazyFrame) -> pl.LazyFrame:
    """First and last rise of each day, and how many there were in its night."""
    at = pl.col("observed_local").dt.time()
    return begun.group_by(DAY).agg(
        first_rise_at=at.filter(at >= EATING_FROM).min(),
        last_rise_at=at.filter(at >= EATING_FROM).max(),
        night_rises=(at < EATING_FROM).sum().cast(pl.Int64),
    )


def _night_rises() -> pl.Expr:
    """None where none began in a night that was seen; null where it was not."""
    is_seen = pl.col("night_coverage_pct") >= SUFFICIENT_PCT
    return pl.when(is_seen).then(pl.col("night_rises").fill_null(0))


def _eating_window() -> pl.Expr:
    hours = (
        pl.col("last_rise_at").cast(pl.Int64) - pl.col("first_rise_at").cast(pl.Int64)
    ) / 3.6e12
    return pl.when(hours > 0).then(hours)


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


_OF_SUFFICIENT = ("gmi_pct", "mage_mg_dl", "conga_1h_mg_dl", "eating_window_h")
_COLUMNS = (
    *("readings", "minutes_covered", "coverage_pct", "day_coverage_pct", "night_coverage_pct"),
    *("mean_mg_dl", "sd_mg_dl", "cv_pct"),
    *_shares(pl.col("value")),
    *("gmi_pct", "lbgi", "hbgi", "mage_mg_dl", "conga_1h_mg_dl", "first_rise_at", "last_rise_at"),
    *("eating_window_h", "night_rises", "is_sufficient", "is_main"),
)


def _is_main() -> pl.Expr:
    first = pl.struct(-pl.col("minutes_covered"), "device").rank("ordinal")
    return first.over("patient_id", "local_date") == 1


def _gap() -> pl.Expr:
    """Seconds since the reading before of that device and date."""
    is_next = pl.all_horizontal(pl.col(k) == pl.col(k).shift() for k in ("series", "local_date"))
    return pl.when(is_next).then(pl.col("observed_at").diff().dt.total_seconds())


def _seconds() -> dict[str, pl.Expr]:
    """Seconds a day's readings stand for, for either step, and which step the sensor has.

    A reading stands for the time since the one before, at most one step; the first for a step.
    On a regular grid their sum is readings times step; scans between the readings of a Libre and
    sensors that report every minute would count twice and more in that product. A sensor is slow
    where more time lies in gaps of a slow one's length than in shorter ones: by number, scans
    would outvote its readings.
    """
    gap, is_night = pl.col("gap"), pl.col("observed_local").dt.hour() < NIGHT_HOURS
    parts = {"all": pl.lit(value=True), "night": is_night.fill_null(value=False)}
    sums = {
        f"{name}_{step}": (gap.clip(upper_bound=step * 60).fill_null(step * 60) * part).sum()
        for step in STEPS_MINUTES
        for name, part in parts.items()
    }
    least, most = (60 * minutes for minutes in SLOW_MINUTES)
    fast, slow = gap <= least, gap.is_between(least, most, closed="right")
    return sums | {"is_slow": (gap * slow).sum() > (gap * fast).sum()}
