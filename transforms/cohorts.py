"""Cohorts: who is in, from which draw, until when; and how many each step left out."""

from __future__ import annotations

from datetime import date

import polars as pl

from transforms.catalog.rule import COHORTS, RULE, CohortDefinition, Rule

EVALUATED = "evaluated"


def cohorts(
    findings: pl.LazyFrame, excluded: pl.LazyFrame, as_of: date, rule: Rule = RULE
) -> pl.LazyFrame:
    """Every stay in every cohort.

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
    begins = excluded.group_by("patient_id").agg(
        excluded_on=pl.col("from_on").fill_null(pl.date(1, 1, 1)).min()
    )
    stays = pl.concat([_stays(findings, cohort, as_of, rule) for cohort in COHORTS])
    until = pl.min_horizontal("left_on", "excluded_on")
    return (
        stays.join(begins, on="patient_id", how="left")
        .filter(pl.col("excluded_on").is_null() | (pl.col("excluded_on") > pl.col("entered_on")))
        .with_columns(left_on=pl.when(until <= as_of).then(until))
        .drop("excluded_on")
        .sort("cohort", "patient_id", "entered_on")
    )


def _stays(
    findings: pl.LazyFrame, cohort: CohortDefinition, as_of: date, rule: Rule
) -> pl.LazyFrame:
    """Runs of draws after which the definition held."""
    tier = pl.col("climbing_tier").is_in(cohort.tiers) if cohort.tiers else pl.lit(value=True)
    holds = (pl.col("finding").is_in(cohort.statuses) & tier).fill_null(value=False)
    person = "patient_id"
    next_on = pl.col("drawn_on").shift(-1).over(person)
    stale_on = pl.col("drawn_on") + pl.duration(days=rule.max_age_days + 1)
    return (
        findings.sort(person, "drawn_on")
        .with_columns(
            holds=holds,
            until=pl.min_horizontal(next_on, stale_on.cast(pl.Date)),
            goes_on=(next_on <= stale_on).fill_null(value=False),
        )
        .with_columns(
            starts=pl.col("holds")
            & ~(pl.col("holds") & pl.col("goes_on")).shift(fill_value=False).over(person)
        )
        .with_columns(stay=pl.col("starts").cum_sum().over(person))
        .filter("holds")
        .group_by(person, "stay")
        .agg(entered_on=pl.col("drawn_on").min(), left_on=pl.col("until").max())
        .filter(pl.col("entered_on") <= as_of)
        .select(
            pl.lit(cohort.name).alias("cohort"),
            person,
            "entered_on",
            "left_on",
            definition_version=pl.lit(cohort.version),
        )
    )


def attrition(statuses: pl.LazyFrame) -> pl.LazyFrame:
    """From everyone to each cohort, step by step, in the rule's own order.

    Args:
        statuses: :func:`transforms.statuses.statuses`.

    Returns:
        ``cohort``, ``step``, ``reason``, ``n_before``, ``n_excluded``, ``n_after``.
    """
    counted = (
        statuses.with_columns(step_reason=_step_reason()).group_by("step_reason").len().collect()
    )
    by_reason = dict(zip(counted["step_reason"], counted["len"], strict=True))
    members = statuses.select("status", "tier").collect()
    rows = [row for cohort in COHORTS for row in _steps(cohort, by_reason, members)]
    columns = ["cohort", "step", "reason", "n_before", "n_excluded", "n_after"]
    return pl.LazyFrame(rows, schema=columns, orient="row")


def _step_reason() -> pl.Expr:
    """Reasons without their numbers, so that equal grounds are one step."""
    plain = pl.col("reason").str.replace(r";.*$", "").str.replace_all(r"\b\d+ (days|usable)", "$1")
    held = pl.col("status").is_in(["excluded", "unresolved"])
    return pl.when(held).then(pl.concat_str("status", pl.lit(": "), plain)).otherwise(
        pl.lit(EVALUATED)
    )


def _steps(
    cohort: CohortDefinition, by_reason: dict[str, int], members: pl.DataFrame
) -> list[tuple[object, ...]]:
    before = sum(by_reason.values())
    rows: list[tuple[object, ...]] = [(cohort.name, 1, "everyone", before, 0, before)]
    grounds = sorted(reason for reason in by_reason if reason != EVALUATED)
    for reason in grounds:
        out = by_reason[reason]
        rows.append((cohort.name, len(rows) + 1, reason, before, out, before - out))
        before -= out
    tier = pl.col("tier").is_in(cohort.tiers) if cohort.tiers else pl.lit(value=True)
    inside = members.filter(pl.col("status").is_in(cohort.statuses), tier.fill_null(value=False))
    rows.append(
        (cohort.name, len(rows) + 1, "rule does not hold", before, before - inside.height)
        + (inside.height,)
    )
    return rows
