"""Series trends: whether a value differs from the one before, and whether a series moves.

Works on any positive signal whose variation within a person is known (an index, an analyte, a body
measure). Values of different platforms are never compared: each platform is a series of its own.

Two questions, on the scale of logarithms, where one standard deviation is
``s = sqrt(ln(1 + CVa^2 + CVi^2))``:

- **change** against the value before: the reference change value (RCV), two-sided 95 %,
  ``exp(+-1.96 sqrt(2) s) - 1`` (Fokkema et al. 2006, Clin Chem 52:1602; Harris and Yasaka 1983,
  Clin Chem 29:25, for the idea);
- **trend** over all values so far: least squares of ``ln value`` on years with the variance known
  to be ``s^2`` per value, and its 90 % interval. The residuals are not asked: three values on a
  line by chance do not make a sure slope.

The trend is looked at after every value. Each single look calls a stable series rising with
probability 5 %, and with every further look the chance that it was *ever* called so grows: by
simulation, 11 % after 5 yearly values, 20 % after 10 and 30 % after 20. So a verdict describes a
series and is no test of one, and "steady" is only "not shown to move". Slow wander of a healthy
person, seasons and drifting calibrators are not in ``s`` and make false verdicts more frequent.
"""

from __future__ import annotations

from statistics import NormalDist

import polars as pl

Z_CHANGE = NormalDist().inv_cdf(0.975)
"""Two-sided 95 %, the convention of reference change values."""
Z_SLOPE = NormalDist().inv_cdf(0.95)
"""Two-sided 90 %, as the trend model's intervals."""
MIN_VALUES, MIN_DAYS = 3, 180
"""Fewer values or a shorter series have no slope (judgement)."""
YEAR_DAYS = 365.25

SERIES = ("patient_id", "signal", "observed_on", "platform", "value")
COLUMNS = (
    *SERIES,
    *("previous_on", "change_pct", "rcv_fall_pct", "rcv_rise_pct", "change"),
    *("n", "first_on", "slope_pct_year", "slope_low", "slope_high", "trend"),
)
_ON, _LOG, _S = pl.col("observed_on"), pl.col("log"), pl.col("s")


def series_trends(series: pl.LazyFrame, variation: pl.LazyFrame) -> pl.LazyFrame:
    """One row per row of ``series``, with its change and the trend as it stood after it.

    Args:
        series: ``patient_id``, ``signal``, ``observed_on``, ``value``, ``platform`` (null:
            unknown, which goes with unknown).
        variation: ``signal``, ``cvi``, ``cva`` (fractions; null where not known), one row a
            signal, see :func:`transforms.catalog.variations.variation_frame`.

    Returns:
        :data:`SERIES`; ``previous_on``, the date of the value before on this platform;
        ``change_pct`` against it; ``rcv_fall_pct`` and ``rcv_rise_pct``, the changes beyond which
        it is no noise (percent); ``change`` (``rose``, ``fell``, ``within noise``; null where
        nothing came before or no variation is known); ``n`` values so far on this platform since
        ``first_on``; ``slope_pct_year`` (null below :data:`MIN_VALUES` and :data:`MIN_DAYS`);
        ``slope_low`` and ``slope_high``, its 90 % interval; ``trend`` (``rising``, ``falling``,
        ``steady``; null where there is no interval). Sorted by :data:`SERIES`.

        A value that is not above zero has no logarithm: it has no change and no trend, counts
        for nothing, and the next is compared with the one before it.

    >>> from datetime import date
    >>> fasting = pl.LazyFrame({
    ...     "patient_id": "p", "signal": "insulin", "platform": "roche",
    ...     "observed_on": [date(2020, 1, 1), date(2021, 1, 1), date(2022, 1, 1)],
    ...     "value": [6.0, 9.0, 20.0],
    ... })
    >>> known = pl.LazyFrame({"signal": ["insulin"], "cvi": [0.26], "cva": [0.05]})
    >>> series_trends(fasting, known).select("change", "trend").collect().rows()
    [(None, None), ('within noise', None), ('rose', 'rising')]
    """
    known = variation.select(
        "signal", s=spread(*(pl.col(cv).cast(pl.Float64) for cv in ("cvi", "cva")))
    )
    rows = (
        series.select(SERIES)
        .join(known, on="signal", how="left")
        .sort("patient_id", "signal", "platform", "observed_on", "value")
        .with_columns(
            log=pl.when((pl.col("value") > 0) & pl.col("value").is_finite()).then(
                pl.col("value").log()
            ),
            run=pl.struct("patient_id", "signal", "platform").rle_id(),
        )
    )
    return _with_slopes(_with_changes(rows)).select(COLUMNS).sort(SERIES)


def spread(cvi: pl.Expr, cva: pl.Expr) -> pl.Expr:
    """Standard deviation of one value's logarithm, no unit, of CVs as fractions.

    ``sqrt(ln(1 + CVa^2 + CVi^2))`` (Fokkema et al. 2006).

    >>> round(pl.select(spread(pl.lit(0.26), pl.lit(0.05))).item(), 4)
    0.2603
    """
    return (1 + cva**2 + cvi**2).log().sqrt()


def reference_change_pct(s: pl.Expr, z: float = Z_CHANGE) -> pl.Expr:
    """The change in percent of which a stable person passes only few: ``exp(z sqrt(2) s) - 1``.

    A fall has a negative ``z`` (Fokkema et al. 2006).

    >>> insulin = pl.lit(0.26035)
    >>> pl.select(
    ...     rise=reference_change_pct(insulin).round(1),
    ...     fall=reference_change_pct(insulin, -Z_CHANGE).round(1),
    ... ).row(0)
    (105.8, -51.4)
    """
    return _pct(z * 2**0.5 * s)


def _pct(log: pl.Expr) -> pl.Expr:
    return (log.exp() - 1) * 100


def _before(value: pl.Expr) -> pl.Expr:
    """``value`` of the last row before, of those that have a logarithm."""
    return pl.when(_LOG.is_not_null()).then(value).forward_fill().shift(1).over("run")


def _with_changes(rows: pl.LazyFrame) -> pl.LazyFrame:
    moved, noise = pl.col("moved"), Z_CHANGE * 2**0.5 * _S
    change = (
        pl.when(moved > noise)
        .then(pl.lit("rose"))
        .when(moved < -noise)
        .then(pl.lit("fell"))
        .when(moved.abs() <= noise)
        .then(pl.lit("within noise"))
    )
    return rows.with_columns(moved=_LOG - _before(_LOG), previous_on=_before(_ON)).with_columns(
        change_pct=_pct(moved),
        rcv_fall_pct=reference_change_pct(_S, -Z_CHANGE),
        rcv_rise_pct=reference_change_pct(_S),
        change=change,
    )


def _with_slopes(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Adds the slope of the values so far, from running sums over the platform's series.

    Dates and logarithms count from the series' first, which keeps the sums small and exact.
    """
    is_known, x, y = _LOG.is_not_null(), pl.col("years"), pl.col("rise")
    first_on = pl.when(is_known).then(_ON).min().over("run")
    since = (_ON - first_on).dt.total_days() / YEAR_DAYS
    n = is_known.cum_sum().over("run").cast(pl.Int64)
    named = {"sum_x": x, "sum_y": y, "sum_xx": x * x, "sum_xy": x * y}
    return (
        rows.with_columns(
            years=pl.when(is_known).then(since),
            rise=_LOG - _LOG.drop_nulls().first().over("run"),
            n=n,
        )
        .with_columns(value.cum_sum().over("run").alias(name) for name, value in named.items())
        .with_columns(first_on=pl.when(pl.col("n") > 0).then(first_on))
        .with_columns(**_slope())
        .with_columns(
            slope_pct_year=_pct(pl.col("slope")),
            slope_low=_pct(pl.col("slope") - pl.col("margin")),
            slope_high=_pct(pl.col("slope") + pl.col("margin")),
            trend=_verdict(pl.col("slope"), pl.col("margin")),
        )
    )


def _slope() -> dict[str, pl.Expr]:
    """``slope`` of the logarithm per year and half its interval, where there is enough of both."""
    n, sum_x, sum_y, sum_xx, sum_xy = (
        pl.col(name) for name in ("n", "sum_x", "sum_y", "sum_xx", "sum_xy")
    )
    scatter = sum_xx - sum_x * sum_x / n
    is_enough = (n >= MIN_VALUES) & (pl.col("years") * YEAR_DAYS >= MIN_DAYS - 0.5)
    return {
        "slope": pl.when(is_enough).then((sum_xy - sum_x * sum_y / n) / scatter),
        "margin": pl.when(is_enough).then(Z_SLOPE * _S / scatter.sqrt()),
    }


def _verdict(slope: pl.Expr, margin: pl.Expr) -> pl.Expr:
    return (
        pl.when(slope > margin)
        .then(pl.lit("rising"))
        .when(slope < -margin)
        .then(pl.lit("falling"))
        .when(slope.abs() <= margin)
        .then(pl.lit("steady"))
    )
