"""Index values: every index of the catalog on every day that has its inputs.

What was measured and may not be said is listed too, without a value and with its reason. An index
whose inputs were never measured on a day has no row.
"""

from __future__ import annotations

from functools import cache

import polars as pl

from transforms.catalog.indices import INDICES, INPUTS, Index

DRAW = ("patient_id", "observed_on")
INSULIN = tuple(item.column for item in INPUTS.values() if item.analyte == "insulin")
NOT_FINITE = "the formula gives no number"


def index_values(inputs: pl.LazyFrame) -> pl.LazyFrame:
    """Values of all indices.

    Args:
        inputs: see :func:`transforms.index_inputs.index_inputs`.

    Returns:
        ``patient_id``, ``index``, ``observed_on``, ``value`` (null where it may not be said),
        ``unit``, ``reason`` (null where there is a value), ``platform`` (of insulin and other
        immunoassays, else assays or laboratories of the blood; empty where not stated; values of
        different ones are not compared), ``bridged_value`` (with insulin brought to the reference
        platform; the value itself where there is no insulin), ``inputs_from`` (day of the oldest
        input; an adult's height has none); sorted.
    """
    days = inputs.cache()
    return pl.concat([_of(days, index) for index in _measured(days)]).sort(
        "patient_id", "index", "observed_on"
    )


def _measured(days: pl.LazyFrame) -> list[Index]:
    """The indices whose inputs were each measured on some day; one at least, for its columns."""
    some = days.select(pl.all().is_not_null().any()).collect().row(0, named=True)
    return [index for index in INDICES if all(some[name] for name in _needs(index))] or [INDICES[0]]


def _needs(index: Index) -> list[str]:
    return [item.column for item in index.inputs if item.kind != "person"]


def _of(days: pl.LazyFrame, index: Index) -> pl.LazyFrame:
    """One index, on the days on which all that it needs was measured."""
    level = (-pl.col("platform_effect")).exp()
    sound = pl.col("reason").is_null()
    return (
        days.filter(pl.all_horizontal(pl.col(column).is_not_null() for column in _needs(index)))
        .with_columns(value=index.formula, platform=_platform(index))
        .with_columns(reason=_reason(index))
        .with_columns(pl.col(column) * level for column in INSULIN if column in index.columns)
        .select(
            "patient_id",
            index=pl.lit(index.name),
            observed_on="observed_on",
            value=pl.when(sound).then("value"),
            unit=pl.lit(index.unit),
            reason="reason",
            platform="platform",
            bridged_value=pl.when(sound).then(index.formula),
            inputs_from=_oldest(index),
        )
    )


@cache
def _reason(index: Index) -> pl.Expr:
    """Why there is no value: the inputs' own reasons, exclusions, limits; null where there is."""
    inputs = index.inputs
    drawn = [f"{item.column}_void" for item in inputs if item.kind == "draw"]
    loaded = ["load_void"] if any(item.kind == "load" for item in inputs) else []
    bar = pl.col("bar" if index.bars is None else "pregnancy_bar")
    numbers = [item for item in inputs if item.kind != "person" and item.unit != "1"]
    checks = (
        *[(pl.col(i.column).is_null(), f"{i.words} not known") for i in inputs],
        *[(pl.col(i.column) <= 0, f"{i.words} not above zero") for i in numbers],
        *_ages(index),
        *index.checks,
        (~pl.col("value").is_finite().fill_null(value=False), NOT_FINITE),
    )
    limits = [pl.when(wrong).then(pl.lit(reason)) for wrong, reason in checks]
    return pl.coalesce(*drawn, *loaded, pl.format("during {}", bar), *limits)


def _ages(index: Index) -> list[tuple[pl.Expr, str]]:
    """An age that is not known bars nothing, but where the formula needs it."""
    low, high = index.ages
    age = pl.col("age_years")
    checks = [(age < low, f"under {low} years")]
    return checks if high is None else [*checks, (age > high, f"over {high} years")]


@cache
def _platform(index: Index) -> pl.Expr:
    """What its values depend on beside the person."""
    drawn = [item for item in index.inputs if item.kind == "draw"]
    bound = [item for item in index.inputs if item.is_method_bound]
    labs = [pl.col(f"{i.column}_lab") for i in bound or drawn if i.analyte != "insulin"]
    insulin = [pl.col("insulin_platform")] if any(i.analyte == "insulin" for i in bound) else []
    first, *others = [*insulin, *labs]
    is_one = pl.all_horizontal(pl.lit(value=True), *[first.eq_missing(other) for other in others])
    each = pl.concat_str(first, *others, separator="; ", ignore_nulls=True)
    return pl.when(is_one).then(first.fill_null("")).otherwise(each)


@cache
def _oldest(index: Index) -> pl.Expr:
    dated = [f"{item.column}_on" for item in index.inputs if item.kind == "body"]
    return pl.min_horizontal("observed_on", *dated)
