"""The values by which a cohort of the status rule is decided, on any day, against its criteria."""

from __future__ import annotations

import polars as pl

from transforms.catalog.criteria import Criterion, criteria
from transforms.catalog.rule import CohortDefinition, Rule
from transforms.exclusions import holds_on


def values(
    moments: pl.LazyFrame,
    findings: pl.LazyFrame,
    persons: pl.LazyFrame,
    excluded: pl.LazyFrame,
    rule: Rule,
) -> pl.LazyFrame:
    """The deciding values of patients on days, by the newest draw of that day or before.

    Args:
        moments: ``patient_id``, ``on``.
        findings: :func:`transforms.statuses.at_draws` under ``rule``.
        persons: ``patient_id``, ``birth_date``.
        excluded: :func:`transforms.exclusions.excluded_spans`, age apart.
        rule: thresholds.

    Returns:
        The moments with ``drawn_on`` and a column for every value that criteria name.
    """
    birth, drawn = pl.col("birth_date"), pl.col("drawn_on")
    days = ["patient_id", "on"]
    rows = (
        moments.sort("on")
        .join_asof(
            _at_draws(findings, rule).sort("drawn_on"),
            left_on="on",
            right_on="drawn_on",
            by="patient_id",
            coalesce=False,
            check_sortedness=False,
        )
        .join(persons.select("patient_id", "birth_date"), on="patient_id", how="left")
    )
    began = (pl.col("from_on") > drawn) & (pl.col("from_on") <= pl.col("on"))
    barred = (
        rows.select(*days, "drawn_on")
        .join(excluded, on="patient_id")
        .group_by(days)
        .agg(n_exclusions=(holds_on("drawn_on") | began.fill_null(value=False)).sum())
    )
    birthday = drawn.dt.month().cast(pl.Int32) * 100 + drawn.dt.day()
    is_younger = birthday < birth.dt.month().cast(pl.Int32) * 100 + birth.dt.day()
    return rows.join(barred, on=days, how="left").with_columns(
        pl.col("n_exclusions").fill_null(0),
        age_years=drawn.dt.year() - birth.dt.year() - is_younger.cast(pl.Int32),
        days_old=(pl.col("on") - drawn).dt.total_days(),
    )


def _at_draws(findings: pl.LazyFrame, rule: Rule) -> pl.LazyFrame:
    """Findings with what decides of decompensation."""
    glucose = pl.col("glucose_mg_dl")
    ordered = findings.sort("patient_id", "drawn_on").with_columns(
        raised_before=pl.col("was_raised").cast(pl.Int64),
        lower_glucose_mg_dl=pl.when(glucose.shift().over("patient_id").is_not_null()).then(
            pl.min_horizontal(glucose, glucose.shift().over("patient_id"))
        ),
    )
    up = (pl.col("lower_glucose_mg_dl") >= rule.glucose_limit).fill_null(value=False)
    rises = (pl.col("p_glucose_rising") >= rule.glucose_rising_p).fill_null(value=False)
    flat = (pl.col("p_insulin_climbing") < rule.insulin_flat_p).fill_null(value=False)
    signs = [pl.col("was_raised"), up | rises, flat]
    return ordered.with_columns(
        decompensation_signs=pl.sum_horizontal(sign.cast(pl.Int64) for sign in signs)
    )


def deciding(rows: pl.LazyFrame, definition: CohortDefinition) -> pl.LazyFrame:
    """The first criterion that fails on each row, with its value and margin.

    Args:
        rows: :func:`values` under the definition's rule.
        definition: of the status rule.

    Returns:
        The rows with ``criterion``, ``asks``, ``value``, ``must_be``, ``bound``, ``unit`` and
        ``margin``; null where none fails. Of criteria of which one suffices all must fail.
    """
    asked = criteria(definition)
    some = pl.any_horizontal(
        [_holds(item) for item in asked if item.any_of] or [pl.lit(value=True)]
    )
    first = pl.coalesce(
        pl.when(~(some if item.any_of else _holds(item))).then(_shown(item)) for item in asked
    )
    return rows.with_columns(first.alias("deciding")).unnest("deciding")


def _holds(item: Criterion) -> pl.Expr:
    value = pl.col(item.value_column)
    compared: dict[str, pl.Expr] = {
        ">=": value >= item.bound,
        "<=": value <= item.bound,
        "<": value < item.bound,
    }
    return compared[item.must_be].fill_null(item.holds_unknown)


def _shown(item: Criterion) -> pl.Expr:
    value, bound = pl.col(item.value_column).cast(pl.Float64), pl.lit(item.bound, pl.Float64)
    return pl.struct(
        criterion=pl.lit(item.criterion),
        asks=pl.lit(item.asks),
        value=value,
        must_be=pl.lit(item.must_be),
        bound=bound,
        unit=pl.lit(item.unit),
        margin=value - bound if item.must_be == ">=" else bound - value,
    )
