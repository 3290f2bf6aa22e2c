"""Attrition: from everyone to a cohort, step by step, and the same within every sex and age.

Every person has one reason for not being a member tonight, or none. Steps are counts of these
reasons, so they add up whoever is counted. Columns of the stratified table are those of OHDSI's
CohortConstructor: records are draws, subjects are people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from transforms.comparable import age_band

STEP = {
    "cohort": pl.String,
    "step": pl.Int64,
    "reason": pl.String,
    "n_before": pl.Int64,
    "n_excluded": pl.Int64,
    "n_after": pl.Int64,
}
"""A row of attrition of people."""
ATTRITION = {
    "cohort": pl.String,
    "sex": pl.String,
    "age_band": pl.String,
    "reason_id": pl.Int64,
    "reason": pl.String,
    "number_records": pl.Int64,
    "number_subjects": pl.Int64,
    "excluded_records": pl.Int64,
    "excluded_subjects": pl.Int64,
}
"""A row of attrition within a stratum."""
ALL = "all"
"""The stratum of everybody."""
EVERYONE = "everyone"
OVER = "nothing observed since an exclusion ended"
"""Why a person is no member although the definition holds: only a new observation begins a stay."""
_STRATUM = ("sex", "age_band")
_NOBODY, _ONE = pl.lit(0, pl.Int64), pl.lit(1, pl.Int64)


@dataclass(frozen=True, slots=True)
class Way:
    """The way to one cohort: of everyone ``patient_id`` and ``reason`` (null: a member), and all
    reasons in the order in which they are told."""

    cohort: str
    people: pl.DataFrame
    order: tuple[str, ...]


def way(
    cohort: str, people: pl.DataFrame, inside: pl.Series, reasons: Mapping[str, pl.Expr]
) -> Way:
    """Everyone's reason for not being a member: not evaluated, else the first that holds.

    Args:
        cohort: its name.
        people: everyone once: ``patient_id``, ``status``, ``ground`` (null for who was evaluated).
        inside: ``patient_id`` of the members tonight.
        reasons: reason -> whether it holds, over columns of ``people``; of somebody who was
            evaluated and is no member one must hold.
    """
    ground = pl.format("{}: {}", "status", "ground")
    known = people.filter(pl.col("ground").is_not_null()).select("status", "ground").unique()
    grounds = known.sort("status", "ground").select(ground).to_series().to_list()
    first = pl.coalesce(*(pl.when(holds).then(pl.lit(text)) for text, holds in reasons.items()))
    order = (*grounds, *reasons)
    reason = pl.when(~pl.col("patient_id").is_in(inside.implode())).then(pl.coalesce(ground, first))
    return Way(cohort, people.select("patient_id", reason=reason.cast(pl.Enum(order))), order)


def steps(ways: Iterable[Way]) -> pl.LazyFrame:
    """Attrition of people (:data:`STEP`): one row per cohort and reason, everyone first.

    >>> people = pl.DataFrame({"patient_id": ["a", "b"], "status": "x", "ground": ["old", None]})
    >>> few = way("few", people, pl.Series(["b"]), {"rule": pl.lit(value=True)})
    >>> steps([few]).select("reason", "n_after").collect().rows()
    [('everyone', 2), ('x: old', 1), ('rule', 1)]
    """
    return pl.LazyFrame([row for each in ways for row in _steps(each)], schema=STEP, orient="row")


def _steps(each: Way) -> list[tuple[object, ...]]:
    counted = dict(each.people.group_by(pl.col("reason").cast(pl.String)).len().iter_rows())
    rows: list[tuple[object, ...]] = []
    before = each.people.height
    for reason in (EVERYONE, *each.order):
        out = counted.get(reason, 0)
        rows.append((each.cohort, len(rows) + 1, reason, before, out, before - out))
        before -= out
    return rows


def strata(persons: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """Sex and band of age of everyone on the night.

    Args:
        persons: ``patient_id``, ``birth_date``, ``sex``.
        as_of: the night.

    Returns:
        ``patient_id``, ``sex`` ('unknown' where nobody said), ``age_band`` ('under 20', the bands
        of :mod:`transforms.comparable`, 'unknown').
    """
    birth = pl.col("birth_date")
    had_birthday = (
        pl.lit(as_of.month * 100 + as_of.day)
        >= birth.dt.month().cast(pl.Int32) * 100 + birth.dt.day()
    )
    age = as_of.year - birth.dt.year() - (~had_birthday).cast(pl.Int32)
    band = pl.coalesce(age_band(age), pl.when(age < 20).then(pl.lit("under 20")))
    return persons.select(
        "patient_id", sex=pl.col("sex").fill_null("unknown"), age_band=band.fill_null("unknown")
    )


def by_stratum(ways: Sequence[Way], people: pl.LazyFrame, draws: pl.LazyFrame) -> pl.LazyFrame:
    """Attrition of people and their draws, of everybody and within every sex and band of age.

    The first steps leave out draws that the trend does not use, by reason, and nobody; the others
    leave out people, with the draws of theirs that are used.

    Args:
        ways: to each cohort.
        people: :func:`strata`.
        draws: ``patient_id``, ``used``, ``reason`` (of one that is not used).

    Returns:
        :data:`ATTRITION`, sorted; ``sex`` and ``age_band`` are 'all' where they do not divide.
    """
    everyone = people.collect()
    own = draws.group_by("patient_id").agg(records=pl.col("used").sum().cast(pl.Int64)).collect()
    counted = everyone.join(own, on="patient_id", how="left").with_columns(
        pl.col("records").fill_null(0)
    )
    unused = (
        draws.filter(~pl.col("used"))
        .group_by("patient_id", reason=pl.format("draw not used: {}", "reason"))
        .agg(records=pl.len().cast(pl.Int64))
        .collect()
    )
    lost = _rolled_up(unused.join(everyone, on="patient_id").with_columns(subjects=_NOBODY))
    found = [_way_by_stratum(each, counted, lost) for each in ways]
    return pl.concat([pl.LazyFrame(schema=ATTRITION), *found]).sort(
        "cohort", *_STRATUM, "reason_id"
    )


def _rolled_up(rows: pl.DataFrame) -> pl.DataFrame:
    """``records`` and ``subjects`` by reason in every stratum."""
    fine = rows.group_by(*_STRATUM, "reason").agg(pl.col("records", "subjects").sum())
    whole = pl.lit(ALL)
    wider = [{}, {"sex": whole}, {"age_band": whole}, {"sex": whole, "age_band": whole}]
    return (
        pl.concat([fine.with_columns(**columns) for columns in wider])
        .group_by(*_STRATUM, "reason")
        .agg(pl.col("records", "subjects").sum())
    )


def _way_by_stratum(each: Way, counted: pl.DataFrame, lost: pl.DataFrame) -> pl.LazyFrame:
    reasoned = counted.join(
        each.people.with_columns(pl.col("reason").cast(pl.String)), on="patient_id"
    )
    left = pl.concat([lost, _rolled_up(reasoned.with_columns(subjects=_ONE))])
    draws = lost["reason"].unique().sort().to_list()
    order = pl.DataFrame({"reason": [EVERYONE, *draws, *each.order]}, schema={"reason": pl.String})
    grid = left.select(_STRATUM).unique().join(order.with_row_index("reason_id", 1), how="cross")
    totals = left.group_by(_STRATUM).agg(pl.col("records", "subjects").sum().name.prefix("all_"))
    return (
        grid.lazy()
        .join(left.lazy(), on=[*_STRATUM, "reason"], how="left")
        .join(totals.lazy(), on=_STRATUM)
        .sort(*_STRATUM, "reason_id")
        .with_columns(
            excluded_records=pl.col("records").fill_null(0),
            excluded_subjects=pl.col("subjects").fill_null(0),
        )
        .with_columns(
            number_records=pl.col("all_records")
            - pl.col("excluded_records").cum_sum().over(_STRATUM),
            number_subjects=pl.col("all_subjects")
            - pl.col("excluded_subjects").cum_sum().over(_STRATUM),
            cohort=pl.lit(each.cohort),
            reason_id=pl.col("reason_id").cast(pl.Int64),
        )
        .select(*ATTRITION)
    )
