"""Comparable people: the clinic's own newest values, by which a value gets its percentile.

Who is comparable is an argument of the caller: people whom the status rule excludes (diabetes,
insulin, pregnancy) are left out, for a percentile among them would call their values usual.
Published percentiles are no substitute: insulin differs up to twofold between platforms (Manley
2007), so people are compared within a platform only. A percentile places; it is no limit of
health: in a clinic where most are heavy, the median is not fine.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from transforms.catalog.rule import RULE

FRESH_DAYS = RULE.max_age_days
"""Oldest value that still tells of now, as in the status rule."""
FEWEST = 40
"""Least people: below, one person moves the median by more than a percentile. Judgement."""
BANDS = ((20, 39), (40, 59), (60, None))
"""Ages in years, both ends included; adults only. Judgement, as in the NHANES tables."""
QUANTILES = 101

EVERY_AGE = "20+"
EITHER = "any"
_PEOPLE = {"male": "men", "female": "women", EITHER: "adults"}
CELL = ("signal", "platform", "sex", "age_band")


def reference(
    values: pl.LazyFrame, persons: pl.LazyFrame, comparable: pl.LazyFrame, as_of: date
) -> pl.LazyFrame:
    """Quantiles of comparable people's newest values, for every kind of person.

    Args:
        values: ``patient_id``, ``signal``, ``observed_on``, ``value``, ``platform`` (a series, or
            :func:`transforms.tissues.tissue_values`, where a signal may stand twice); of each
            patient and signal the newest of the last :data:`FRESH_DAYS` counts.
        persons: ``patient_id``, ``birth_date``, ``sex``.
        comparable: ``patient_id`` of those who may stand as comparison.
        as_of: the night, for ages and for what is fresh.

    Returns:
        :data:`CELL` for whom it is meant (``sex`` male, female or any: another or unknown sex;
        ``age_band`` 20-39, 40-59 or 60+), ``n``, ``quantiles`` (the values at 0, 1, ... 100 %,
        each a value that somebody has) and ``compared_with``, who they are. Fewer than
        :data:`FEWEST` of that sex and age: all adults of that sex; still fewer: all adults; still
        fewer: no row.
    """
    people = _adults(persons, as_of).join(comparable.select("patient_id").unique(), on="patient_id")
    cells = _quantiles(_by_width(_newest(values, as_of).join(people, on="patient_id")))
    return (
        _meant_for(cells)
        .sort(*CELL, "width", nulls_last=False)
        .unique(CELL, keep="first", maintain_order=True)
        .select(*CELL, "n", "quantiles", compared_with=_words())
    )


def age_band(age: pl.Expr) -> pl.Expr:
    """The name of the band that an age in whole years falls in; null below 20.

    >>> pl.select(age_band(pl.Series([19, 20, 39, 40, 60, 101]))).to_series().to_list()
    [None, '20-39', '20-39', '40-59', '60+', '60+']
    """
    ages = [low for low, _ in BANDS]
    return pl.coalesce(
        pl.when(age >= low).then(pl.lit(name))
        for low, name in sorted(zip(ages, _band_names(), strict=True), reverse=True)
    )


def _band_names() -> list[str]:
    return [f"{low}-{high}" if high else f"{low}+" for low, high in BANDS]


def _newest(values: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    return (
        values.filter(
            pl.col("observed_on").is_between(as_of - timedelta(days=FRESH_DAYS), as_of),
            pl.col("value").is_finite(),
        )
        .select("patient_id", "signal", "observed_on", "platform", "value")
        .sort("patient_id", "signal", "observed_on", "platform", "value", nulls_last=False)
        .unique(["patient_id", "signal"], keep="last", maintain_order=True)
    )


def _adults(persons: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """``patient_id``, ``sex`` (null unless male or female), ``age_band``; only adults."""
    birth = pl.col("birth_date")
    birthday = birth.dt.month().cast(pl.Int32) * 100 + birth.dt.day()
    is_to_come = birthday > as_of.month * 100 + as_of.day
    age = as_of.year - birth.dt.year() - is_to_come.cast(pl.Int32)
    sex = pl.col("sex")
    return persons.select(
        "patient_id",
        sex=pl.when(sex.is_in(["male", "female"])).then(sex),
        age_band=age_band(age),
    ).filter(pl.col("age_band").is_not_null())


def _by_width(values: pl.LazyFrame) -> pl.LazyFrame:
    """Every value once for its sex and age, once for its sex, once for everyone."""
    of_a_sex = values.filter(pl.col("sex").is_not_null())
    every_age = pl.lit(EVERY_AGE).alias("age_band")
    return pl.concat(
        [
            of_a_sex,
            of_a_sex.with_columns(every_age),
            values.with_columns(every_age, sex=pl.lit(EITHER)),
        ]
    )


def _quantiles(values: pl.LazyFrame) -> pl.LazyFrame:
    """Nearest ranks, not interpolated: ties stay ties, which "half of the equal" needs."""
    share = pl.int_range(QUANTILES) / (QUANTILES - 1)
    at = (share * (pl.len() - 1)).round().cast(pl.UInt32)
    return (
        values.group_by(CELL)
        .agg(n=pl.len().cast(pl.Int64), quantiles=pl.col("value").sort().gather(at))
        .filter(pl.col("n") >= FEWEST)
    )


def _meant_for(cells: pl.LazyFrame) -> pl.LazyFrame:
    """Cells with whom they serve; ``width`` 0 is the closest; ``who`` and ``ages`` made them."""
    bands = pl.LazyFrame({"age_band": _band_names()})
    sexes = pl.LazyFrame({"sex": list(_PEOPLE)})
    named = cells.with_columns(who="sex", ages="age_band")
    wide = named.filter(pl.col("ages") == EVERY_AGE).drop("age_band").join(bands, how="cross")
    everyone = wide.filter(pl.col("who") == EITHER).drop("sex").join(sexes, how="cross")
    widths = [named.filter(pl.col("ages") != EVERY_AGE), wide, everyone]
    return pl.concat(
        [part.with_columns(width=pl.lit(i)) for i, part in enumerate(widths)], how="diagonal"
    )


def _words() -> pl.Expr:
    ages = pl.col("ages").str.replace("-", " to ").str.replace("+", " and over", literal=True)
    who = pl.col("who").replace_strict(_PEOPLE, return_dtype=pl.String)
    return pl.format("{} aged {}, same platform, none excluded", who, ages)
