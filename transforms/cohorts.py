"""Cohorts: who is in, from which day, until when; and why everybody else is not.

A stay begins and ends with what was observed and when, never with the nights on which it came in:
the same data give the same stays. Cohorts of the status rule are here; those of other signs
(:mod:`transforms.corroboration`, :mod:`transforms.patterns`) are built of the same parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from transforms.attrition import OVER, Way, way
from transforms.catalog.rule import COHORTS, RULE, CohortDefinition, Rule
from transforms.exclusions import holds_on


def cohorts(
    findings: pl.LazyFrame,
    excluded: pl.LazyFrame,
    as_of: date,
    rule: Rule = RULE,
    definitions: Sequence[CohortDefinition] = COHORTS,
) -> pl.LazyFrame:
    """Every stay in every cohort of the status rule.

    A stay begins with the draw after which the definition held and ends with the first draw
    after which it did not, with the day an exclusion began, or when the newest draw became too
    old, whichever is first. Only draws decide: the nights on which they came in do not.

    Args:
        findings: :func:`transforms.statuses.at_draws`.
        excluded: :func:`transforms.exclusions.excluded_spans`.
        as_of: the night.
        rule: thresholds, those of the findings.
        definitions: the cohorts.

    Returns:
        ``cohort``, ``patient_id``, ``entered_on``, ``left_on``, ``definition_version``.
    """
    draws = with_exclusions(findings.rename({"drawn_on": "on"}), excluded)
    in_order = draws.sort("patient_id", "on").cache()
    found = [
        members(stays(_moments(in_order, cohort, rule), as_of), cohort.name, cohort.version)
        for cohort in definitions
    ]
    return pl.concat(found).sort("cohort", "patient_id", "entered_on")


def members(found: pl.LazyFrame, cohort: str, version: str) -> pl.LazyFrame:
    """Stays (:func:`stays`) as rows of a cohort.

    Columns ``cohort``, ``patient_id``, ``entered_on``, ``left_on``, ``definition_version``.
    """
    return found.select(
        pl.lit(cohort).alias("cohort"),
        "patient_id",
        "entered_on",
        "left_on",
        definition_version=pl.lit(version),
    )


def with_exclusions(moments: pl.LazyFrame, excluded: pl.LazyFrame) -> pl.LazyFrame:
    """Adds ``is_excluded``, on the day ``on``, and ``excluded_on``, when it next begins.

    Args:
        moments: ``patient_id``, ``on`` and whatever else.
        excluded: :func:`transforms.exclusions.excluded_spans`.
    """
    begins = pl.col("from_on")
    day = ["patient_id", "on"]
    facts = (
        moments.select(day)
        .join(excluded, on="patient_id")
        .group_by(day)
        .agg(
            is_excluded=holds_on("on").any(),
            excluded_on=begins.filter(begins > pl.col("on")).min(),
        )
    )
    return moments.join(facts, on=day, how="left").with_columns(
        pl.col("is_excluded").fill_null(value=False)
    )


def _moments(draws: pl.LazyFrame, cohort: CohortDefinition, rule: Rule) -> pl.LazyFrame:
    """The draws, whether the definition held after each, and until when that may be said."""
    tier = pl.col("climbing_tier").is_in(cohort.tiers) if cohort.tiers else pl.lit(value=True)
    holds = pl.col("finding").is_in(cohort.statuses) & tier & ~pl.col("is_excluded")
    stale_on = (pl.col("on") + pl.duration(days=rule.max_age_days + 1)).cast(pl.Date)
    return draws.with_columns(
        holds=holds.fill_null(value=False), until=pl.min_horizontal(stale_on, "excluded_on")
    )


def stays(moments: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """Runs of days on which something held, begun by ``as_of``.

    A run goes on with the next moment if that still holds and does not come too late; it ends with
    the first that does not, or on the day ``until`` of the last.

    Args:
        moments: in order of patient and day, one row for each: ``patient_id``, ``on``, ``holds``
            (never null), ``until`` (the first day on which it no longer holds unless something
            new comes).
        as_of: the night; what ends later has not ended.

    Returns:
        ``patient_id``, ``entered_on``, ``left_on``; in no order.
    """
    person = "patient_id"
    next_on = pl.col("on").shift(-1).over(person)
    return (
        moments.with_columns(
            ends=pl.min_horizontal(next_on, "until"),
            goes_on=(next_on <= pl.col("until")).fill_null(value=False),
        )
        .with_columns(
            starts=pl.col("holds")
            & ~(pl.col("holds") & pl.col("goes_on")).shift(fill_value=False).over(person)
        )
        .with_columns(stay=pl.col("starts").cum_sum().over(person))
        .filter("holds")
        .group_by(person, "stay")
        .agg(entered_on=pl.col("on").min(), left_on=pl.col("ends").max())
        .filter(pl.col("entered_on") <= as_of)
        .select(person, "entered_on", left_on=pl.when(pl.col("left_on") <= as_of).then("left_on"))
    )


def standing(signs: pl.LazyFrame, names: Sequence[str], max_age_days: int) -> pl.LazyFrame:
    """What stood of every sign on every day on which any of them was observed.

    A sign stands as it was last observed, for ``max_age_days``.

    Args:
        signs: ``patient_id``, ``on``, ``sign``, ``holds`` (null: it cannot be said). Of several of
            one sign and day one that holds counts, else one that does not.
        names: the signs; others are left out.
        max_age_days: how long an observation counts.

    Returns:
        One row per ``patient_id`` and ``on``, sorted; per sign ``<sign>_until``, the first day on
        which it no longer holds for being too old (null where it does not hold), and
        ``<sign>_known_until``, likewise for its being known at all.
    """
    person, day = "patient_id", ["patient_id", "on"]
    said = pl.when("holds").then(2).otherwise(pl.when(~pl.col("holds")).then(1).otherwise(0))
    days = (
        signs.group_by(day)
        .agg(said.filter(pl.col("sign") == name).max().alias(name) for name in names)
        .sort(day)
        .with_columns(pl.when(pl.col(n).is_not_null()).then("on").alias(f"{n}_on") for n in names)
        .with_columns(pl.col(c).forward_fill().over(person) for n in names for c in (n, f"{n}_on"))
    )
    return days.select(
        *day,
        *(_until(name, 2, max_age_days).alias(f"{name}_until") for name in names),
        *(_until(name, 1, max_age_days).alias(f"{name}_known_until") for name in names),
    )


def _until(name: str, least: int, max_age_days: int) -> pl.Expr:
    stale_on = (pl.col(f"{name}_on") + pl.duration(days=max_age_days + 1)).cast(pl.Date)
    return pl.when((pl.col(name) >= least) & (stale_on > pl.col("on"))).then(stale_on)


def ways(statuses: pl.LazyFrame, rows: pl.LazyFrame) -> list[Way]:
    """From everyone to each cohort of the status rule.

    Args:
        statuses: :func:`transforms.statuses.statuses`.
        rows: :func:`cohorts`.

    Returns:
        Exclusions, then what could not be evaluated, each by name, then the rule itself.
    """
    people = statuses.select("patient_id", "status", "tier", "ground").collect()
    inside = rows.filter(pl.col("left_on").is_null()).collect()
    return [_way(cohort, people, inside) for cohort in COHORTS]


def _way(cohort: CohortDefinition, people: pl.DataFrame, inside: pl.DataFrame) -> Way:
    tier = pl.col("tier").is_in(cohort.tiers) if cohort.tiers else pl.lit(value=True)
    holds = pl.col("status").is_in(cohort.statuses) & tier.fill_null(value=False)
    reasons = {"the rule does not hold": ~holds, OVER: pl.lit(value=True)}
    return way(cohort.name, people, inside.filter(cohort=cohort.name)["patient_id"], reasons)


def lasting(until: str, as_of: date) -> pl.Expr:
    """Whether the day ``until`` (of :func:`standing`) is still to come; false where it is null."""
    return (pl.col(until) > as_of).fill_null(value=False)
