"""Cohorts: who is in, from which day, until when; and how many each step left out.

A stay begins and ends with what was observed and when, never with the nights on which it came in:
the same data give the same stays. Cohorts of the status rule are here; those of other signs
(:mod:`transforms.corroboration`, :mod:`transforms.patterns`) are built of the same parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import polars as pl

from transforms.catalog.rule import COHORTS, RULE, CohortDefinition, Rule
from transforms.exclusions import holds_on

STEP = {
    "cohort": pl.String,
    "step": pl.Int64,
    "reason": pl.String,
    "n_before": pl.Int64,
    "n_excluded": pl.Int64,
    "n_after": pl.Int64,
}
"""A row of attrition."""


def cohorts(
    findings: pl.LazyFrame, excluded: pl.LazyFrame, as_of: date, rule: Rule = RULE
) -> pl.LazyFrame:
    """Every stay in every cohort of the status rule.

    A stay begins with the draw after which the definition held and ends with the first draw
    after which it did not, with the day an exclusion began, or when the newest draw became too
    old, whichever is first. Only draws decide: the nights on which they came in do not.

    Args:
        findings: :func:`transforms.statuses.at_draws`.
        excluded: :func:`transforms.exclusions.excluded_spans`.
        as_of: the night.
        rule: thresholds.

    Returns:
        ``cohort``, ``patient_id``, ``entered_on``, ``left_on``, ``definition_version``.
    """
    draws = with_exclusions(findings.rename({"drawn_on": "on"}), excluded)
    in_order = draws.sort("patient_id", "on").cache()
    found = [
        members(stays(_moments(in_order, cohort, rule), as_of), cohort.name, cohort.version)
        for cohort in COHORTS
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


def attrition(statuses: pl.LazyFrame) -> pl.LazyFrame:
    """From everyone to each cohort of the status rule, step by step.

    Args:
        statuses: :func:`transforms.statuses.statuses`.

    Returns:
        ``cohort``, ``step``, ``reason``, ``n_before``, ``n_excluded``, ``n_after``: exclusions,
        then what could not be evaluated, each by name, then the rule itself.
    """
    people = statuses.select("status", "tier", "ground").collect()
    grounds = not_evaluated(people)
    return pl.concat([_rule_steps(cohort, grounds, people) for cohort in COHORTS])


def not_evaluated(people: pl.DataFrame) -> list[tuple[str, int]]:
    """Why people were not evaluated, and how many for each reason; exclusions first.

    Args:
        people: ``status``, ``ground`` (null for who was evaluated).
    """
    counted = people.filter(pl.col("ground").is_not_null()).group_by("status", "ground").len()
    return [
        (f"{status}: {ground}", n) for status, ground, n in counted.sort("status", "ground").rows()
    ]


def _rule_steps(
    cohort: CohortDefinition, grounds: list[tuple[str, int]], people: pl.DataFrame
) -> pl.LazyFrame:
    tier = pl.col("tier").is_in(cohort.tiers) if cohort.tiers else pl.lit(value=True)
    inside = people.filter(pl.col("status").is_in(cohort.statuses), tier.fill_null(value=False))
    evaluated = people.height - sum(n for _, n in grounds)
    last = ("the rule does not hold", evaluated - inside.height)
    return steps(cohort.name, people.height, [*grounds, last])


def lasting(until: str, as_of: date) -> pl.Expr:
    """Whether the day ``until`` (of :func:`standing`) is still to come; false where it is null."""
    return (pl.col(until) > as_of).fill_null(value=False)


def first_reasons(people: pl.DataFrame, reasons: Mapping[str, pl.Expr]) -> list[tuple[str, int]]:
    """How many of the people evaluated (``ground`` is null) each reason leaves out.

    Whom several leave out, the first does; the last must hold for everyone.
    """
    first = pl.coalesce(*(pl.when(holds).then(pl.lit(text)) for text, holds in reasons.items()))
    evaluated = people.filter(pl.col("ground").is_null())
    counted = dict(evaluated.group_by(reason=first).len().iter_rows())
    return [(text, counted.get(text, 0)) for text in reasons]


def steps(cohort: str, everyone: int, left_out: Iterable[tuple[str, int]]) -> pl.LazyFrame:
    """The way from everyone to a cohort (:data:`STEP`), one row a reason.

    >>> steps("few", 5, [("too old", 3)]).select("reason", "n_after").collect().rows()
    [('everyone', 5), ('too old', 2)]
    """
    rows: list[tuple[object, ...]] = []
    before = everyone
    for reason, out in [("everyone", 0), *left_out]:
        rows.append((cohort, len(rows) + 1, reason, before, out, before - out))
        before -= out
    return pl.LazyFrame(rows, schema=STEP, orient="row")
