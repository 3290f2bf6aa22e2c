"""Oral glucose tests: glucose and insulin of one day, by minutes after the drink.

How long after the drink a sample was taken is said by its code, where the code says it
(:data:`~transforms.catalog.indices.LOAD_MINUTES`); a fasting or baseline sample of such a day is
minute 0. Other samples are placed by their instant: the drink was as long before a sample as its
code says or, without such a code, at the last fasting sample before any other (several are drawn,
often ten minutes apart). Where stated minutes and instants do not fit together (a laboratory
stamped every tube with the hour of the order) instants place nothing.
"""

from __future__ import annotations

import polars as pl

from transforms.catalog import words
from transforms.catalog.indices import INPUTS, LOAD_MINUTES, MINUTES, Input

TOLERANCE_MINUTES = 5.0
"""A sample belongs to a minute at most this far from it (judgement)."""
DRAW = ("patient_id", "drawn_on")
LOAD = tuple(item for item in INPUTS.values() if item.kind == "load")


def challenges(results: pl.LazyFrame) -> pl.LazyFrame:
    """One row per patient and day with glucose or insulin after an oral glucose load.

    Args:
        results: standing results: ``patient_id``, ``analyte``, ``timing``, ``code_system``,
            ``source_code``, ``observed_at``, ``observed_on``, ``observed_precision``, ``value``
            (glucose mg/dL, insulin u[IU]/mL), ``comparator``, ``fasting``, ``absent_reason``,
            ``comment``.

    Returns:
        ``patient_id``, ``drawn_on``, ``glucose_0_mg_dl`` to ``glucose_120_mg_dl``,
        ``insulin_0_uiu_ml`` to ``insulin_120_uiu_ml`` (0, 30, 60, 90, 120 min; null where not
        measured; repeats of a minute as their mean, of insulin the geometric one), ``bounds``:
        which of them are only known to lie beyond that value (columns joined by ", "; null where
        none), sorted. Insulin of a haemolysed sample is not measured.
    """
    points = (
        _placed(_started(_samples(results)))
        .group_by(*DRAW, "analyte", "minutes")
        .agg(value=_value(), is_bound=~_is_exact().any())
    )
    columns = [item.column for item in LOAD]
    bounds = pl.concat_list(f"{column} bound" for column in columns).list.drop_nulls()
    return (
        points.group_by(DRAW)
        .agg(
            *[pl.col("value").filter(_is(item)).first().alias(item.column) for item in LOAD],
            *[_bound(item).alias(f"{item.column} bound") for item in LOAD],
            is_load=(pl.col("minutes") > 0).any(),
        )
        .filter("is_load")
        .select(*DRAW, *columns, bounds=pl.when(bounds.list.len() > 0).then(bounds.list.join(", ")))
        .sort(DRAW)
    )


def _samples(results: pl.LazyFrame) -> pl.LazyFrame:
    """Usable glucose and insulin of days with a load, with the minutes that are stated."""
    word = pl.concat_str("absent_reason", "comment", separator=" ", ignore_nulls=True)
    is_spoilt = (pl.col("analyte") == "insulin") & words.is_haemolysed(word)
    coded = pl.when(pl.col("code_system") == "loinc").then(
        pl.col("source_code").replace_strict(LOAD_MINUTES, default=None, return_dtype=pl.Int64)
    )
    is_first = pl.col("timing").is_in(["fasting", "baseline"]) | (pl.col("fasting") == "yes")
    is_of_load = pl.col("timing").is_in(["post_load", "baseline"]).any()
    samples = results.filter(pl.col("analyte").is_in(["glucose", "insulin"])).rename(
        {"observed_on": "drawn_on"}
    )
    days = samples.group_by(DRAW).agg(is_of_load=is_of_load).filter("is_of_load").select(DRAW)
    return (
        samples.join(days, on=DRAW, how="semi")
        .filter(pl.col("value") > 0, pl.col("value").is_finite(), ~is_spoilt)
        .with_columns(
            stated=pl.coalesce(coded, pl.when(is_first).then(0)),
            at=pl.when(pl.col("observed_precision") == "time").then("observed_at"),
        )
    )


def _started(samples: pl.LazyFrame) -> pl.LazyFrame:
    """Adds ``started_at``: the instant of the drink, null where instants cannot be trusted."""
    at, stated = pl.col("at"), pl.col("stated")
    from_code = (at - pl.duration(minutes=stated)).filter(stated > 0)
    fasting, others = at.filter(stated == 0), at.filter(stated.ne_missing(0))
    following = others.filter(others > fasting.min()).min()
    last = fasting.filter((fasting <= following).fill_null(value=True)).max()
    unstated = at.filter(pl.col("timing") != "post_load").min()
    starts = samples.group_by(DRAW).agg(
        started_at=pl.when(from_code.count() > 0)
        .then(pl.when(_is_near(from_code, fasting)).then(from_code.min()))
        .when(fasting.count() > 0)
        .then(pl.when(_are_close(last, fasting.min())).then(last))
        .otherwise(unstated)
    )
    return samples.join(starts, on=DRAW)


def _is_near(starts: pl.Expr, fasting: pl.Expr) -> pl.Expr:
    """Whether starts agree among themselves and, where there is one, with a fasting sample."""
    apart = (fasting - starts.min()).dt.total_minutes().abs().min()
    near = (apart <= 2 * TOLERANCE_MINUTES).fill_null(value=True)
    return _are_close(starts.max(), starts.min()) & near


def _are_close(later: pl.Expr, earlier: pl.Expr) -> pl.Expr:
    return (later - earlier).dt.total_minutes() <= 2 * TOLERANCE_MINUTES


def _placed(samples: pl.LazyFrame) -> pl.LazyFrame:
    """Adds ``minutes``, one of :data:`MINUTES`; samples of no such minute are left out."""
    passed = (pl.col("at") - pl.col("started_at")).dt.total_seconds() / 60
    by_instant = [
        pl.when((passed - minute).abs() <= TOLERANCE_MINUTES).then(minute) for minute in MINUTES
    ]
    minutes = pl.coalesce("stated", *by_instant)
    return samples.with_columns(minutes=minutes).filter(pl.col("minutes").is_in(MINUTES))


def _is_exact() -> pl.Expr:
    return pl.col("comparator").is_null()


def _value() -> pl.Expr:
    """The exact values as one, a single one as it stands; without any the largest limit.

    Insulin's as their geometric mean, its errors being shares of it (as in pairs).
    """
    exact = pl.col("value").filter(_is_exact())
    geometric = exact.sort().log().mean().exp()
    is_insulin = pl.col("analyte").first() == "insulin"
    mean = pl.when(is_insulin).then(geometric).otherwise(exact.sort().mean()).round_sig_figs(10)
    one = pl.when(exact.n_unique() == 1).then(exact.first()).otherwise(mean)
    return pl.when(exact.count() > 0).then(one).otherwise(pl.col("value").max())


def _is(item: Input) -> pl.Expr:
    return (pl.col("analyte") == item.analyte) & (pl.col("minutes") == item.minutes)


def _bound(item: Input) -> pl.Expr:
    """The input's column where it is only a limit, else null."""
    return pl.when((_is(item) & pl.col("is_bound")).any()).then(pl.lit(item.column))
