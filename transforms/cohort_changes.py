"""What another definition of a cohort would change, over all history: who, on which day, and why.

Both definitions are tried on the same draws: the trend after each draw is kept, and only the rule
is applied anew. What lies inside the trend itself cannot be tried so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from transforms.catalog.rule import CohortDefinition
from transforms.cohorts import cohorts
from transforms.criteria import deciding, values
from transforms.exclusions import minor_spans
from transforms.statuses import at_draws

NEVER = date(9999, 12, 31)
_PERSON = "patient_id"


@dataclass(frozen=True, slots=True)
class History:
    """All that was ever drawn of everyone.

    ``series``: a row of the trend a draw, ``p_without_one`` where known; ``pairs``: used pairs;
    ``excluded``: :func:`transforms.exclusions.excluded_spans`, age apart; ``persons``:
    ``patient_id``, ``birth_date``, ``sex``; ``as_of``: the night.
    """

    series: pl.LazyFrame
    pairs: pl.LazyFrame
    excluded: pl.LazyFrame
    persons: pl.LazyFrame
    as_of: date


def findings_under(history: History, definition: CohortDefinition) -> pl.LazyFrame:
    """What the definition's rule says after every draw (:func:`transforms.statuses.at_draws`)."""
    return at_draws(history.series, history.pairs, definition.rule)


def stays_under(
    history: History, definition: CohortDefinition, findings: pl.LazyFrame
) -> pl.LazyFrame:
    """Every stay in the cohort as the definition has it (:func:`transforms.cohorts.cohorts`)."""
    minors = minor_spans(history.persons, definition.rule.adult_age)
    barred = pl.concat([history.excluded, minors])
    return cohorts(findings, barred, history.as_of, definition.rule, [definition])


@dataclass(frozen=True, slots=True)
class Comparison:
    """``now`` and ``then``: every stay under either definition; ``changes``: one row a span of days
    on which one alone has the person in."""

    now: pl.DataFrame
    then: pl.DataFrame
    changes: pl.DataFrame


def compared(history: History, now: CohortDefinition, then: CohortDefinition) -> Comparison:
    """Both definitions over all history.

    Returns:
        ``changes``: ``patient_id``, ``from_on``, ``until_on`` (the first day after; null: still),
        ``change`` ('enters' and 'leaves': a whole stay; 'begins earlier', 'ends later', 'begins
        later', 'ends earlier': a part of one), ``is_in`` (whether it is the draft that has the
        person in), ``drawn_on``, and why the other definition does not on ``from_on``:
        ``criterion``, ``asks``, ``value``, ``must_be``, ``bound``, ``unit``, ``margin``; sorted.
    """
    found = {each: findings_under(history, each).collect().lazy() for each in (now, then)}
    stays = {each: stays_under(history, each, found[each]).collect() for each in (now, then)}
    spans = _spans(stays[now].lazy(), stays[then].lazy())
    parts = [
        _reasons(history, found[out], spans.filter(is_in=is_in), out)
        for out, is_in in ((now, True), (then, False))
    ]
    changes = pl.concat(parts).sort(_PERSON, "from_on").collect()
    return Comparison(stays[now], stays[then], changes)


def _spans(now: pl.LazyFrame, then: pl.LazyFrame) -> pl.LazyFrame:
    """Days on which one of two sets of stays alone has a person in."""
    turns = [
        stays.select(_PERSON, on=pl.col(day).fill_null(NEVER), **{name: pl.lit(step)})
        for name, stays in (("now", now), ("then", then))
        for day, step in (("entered_on", 1), ("left_on", -1))
    ]
    sums = pl.col("now", "then").fill_null(0).sum()
    days = pl.concat(turns, how="diagonal").group_by(_PERSON, "on").agg(sums)
    stands = pl.col("now", "then").cum_sum().over(_PERSON)
    alone = (
        days.filter((pl.col("now") != 0) | (pl.col("then") != 0))
        .sort(_PERSON, "on")
        .with_columns(stands, until=pl.col("on").shift(-1).over(_PERSON))
        .filter(pl.col("now") != pl.col("then"))
        .select(
            _PERSON,
            from_on="on",
            until_on=pl.when(pl.col("until") < NEVER).then("until"),
            is_in=pl.col("then") > pl.col("now"),
        )
    )
    return _named(alone, now, then)


def _named(alone: pl.LazyFrame, now: pl.LazyFrame, then: pl.LazyFrame) -> pl.LazyFrame:
    """Adds ``change``: whether a span is a whole stay, or its beginning, or its end."""
    kept = [
        stays.select(_PERSON, "left_on", from_on="entered_on", is_in=pl.lit(is_in), begins=True)
        for stays, is_in in ((now, False), (then, True))
    ]
    whole = pl.col("left_on").eq_missing(pl.col("until_on"))
    begins = pl.col("begins").fill_null(value=False)
    change = (
        pl.when("is_in", begins & whole).then(pl.lit("enters"))
        .when(begins & whole).then(pl.lit("leaves"))
        .when("is_in", begins).then(pl.lit("begins earlier"))
        .when(begins).then(pl.lit("begins later"))
        .when("is_in").then(pl.lit("ends later"))
        .otherwise(pl.lit("ends earlier"))
    )  # fmt: skip
    joined = alone.join(pl.concat(kept), on=[_PERSON, "from_on", "is_in"], how="left")
    return joined.with_columns(change=change).drop("left_on", "begins")


def _reasons(
    history: History, findings: pl.LazyFrame, spans: pl.LazyFrame, out: CohortDefinition
) -> pl.LazyFrame:
    """Why the definition ``out`` keeps these people out on the first day."""
    moments = spans.with_columns(on="from_on")
    rows = values(moments, findings, history.persons, history.excluded, out.rule)
    told = ["criterion", "asks", "value", "must_be", "bound", "unit", "margin"]
    return deciding(rows, out).select(
        _PERSON, "from_on", "until_on", "change", "is_in", "drawn_on", *told
    )
