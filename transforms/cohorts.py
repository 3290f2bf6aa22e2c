"""Cohorts: who is in, from which draw, until when; and how many each step left out."""

from __future__ import annotations

from datetime import date

import polars as pl

from transforms.catalog.rule import COHORTS, RULE, CohortDefinition, Rule


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
    in_order = _with_exclusions(findings, excluded).sort("patient_id", "drawn_on").cache()
    stays = pl.concat([_stays(in_order, cohort, as_of, rule) for cohort in COHORTS])
    return stays.with_columns(left_on=pl.when(pl.col("left_on") <= as_of).then("left_on")).sort(
        "cohort", "patient_id", "entered_on"
    )


def _with_exclusions(findings: pl.LazyFrame, excluded: pl.LazyFrame) -> pl.LazyFrame:
    """Adds ``is_excluded``, on the day of the draw, and ``excluded_on``, when it next begins."""
    begins = pl.col("from_on").fill_null(pl.date(1, 1, 1))
    lasts = pl.col("to_on").is_null() | (pl.col("to_on") >= pl.col("drawn_on"))
    draw = ["patient_id", "drawn_on"]
    facts = (
        findings.select(draw)
        .join(excluded, on="patient_id")
        .group_by(draw)
        .agg(
            is_excluded=((begins <= pl.col("drawn_on")) & lasts).any(),
            excluded_on=begins.filter(begins > pl.col("drawn_on")).min(),
        )
    )
    return findings.join(facts, on=draw, how="left")


def _stays(
    findings: pl.LazyFrame, cohort: CohortDefinition, as_of: date, rule: Rule
) -> pl.LazyFrame:
    """Runs of draws after which the definition held."""
    tier = pl.col("climbing_tier").is_in(cohort.tiers) if cohort.tiers else pl.lit(value=True)
    allowed = ~pl.col("is_excluded").fill_null(value=False)
    holds = (pl.col("finding").is_in(cohort.statuses) & tier & allowed).fill_null(value=False)
    person = "patient_id"
    next_on = pl.col("drawn_on").shift(-1).over(person)
    stale_on = pl.col("drawn_on") + pl.duration(days=rule.max_age_days + 1)
    return (
        findings.with_columns(
            holds=holds,
            until=pl.min_horizontal(next_on, stale_on.cast(pl.Date), "excluded_on"),
            goes_on=(next_on <= pl.min_horizontal(stale_on.cast(pl.Date), "excluded_on")).fill_null(
                value=False
            ),
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
    """From everyone to each cohort, step by step.

    Args:
        statuses: :func:`transforms.statuses.statuses`.

    Returns:
        ``cohort``, ``step``, ``reason``, ``n_before``, ``n_excluded``, ``n_after``: exclusions,
        then what could not be evaluated, each by name, then the rule itself.
    """
    members = statuses.select("status", "tier", "ground").collect()
    counted = members.filter(pl.col("ground").is_not_null()).group_by("status", "ground").len()
    grounds = [
        (f"{status}: {ground}", n) for status, ground, n in counted.sort("status", "ground").rows()
    ]
    rows = [row for cohort in COHORTS for row in _steps(cohort, grounds, members)]
    columns = ["cohort", "step", "reason", "n_before", "n_excluded", "n_after"]
    return pl.LazyFrame(rows, schema=columns, orient="row")


def _steps(
    cohort: CohortDefinition, grounds: list[tuple[str, int]], members: pl.DataFrame
) -> list[tuple[object, ...]]:
    tier = pl.col("tier").is_in(cohort.tiers) if cohort.tiers else pl.lit(value=True)
    inside = members.filter(pl.col("status").is_in(cohort.statuses), tier.fill_null(value=False))
    left = [("everyone", 0), *grounds]
    evaluated = members.height - sum(n for _, n in left)
    rows: list[tuple[object, ...]] = []
    before = members.height
    for reason, out in [*left, ("the rule does not hold", evaluated - inside.height)]:
        rows.append((cohort.name, len(rows) + 1, reason, before, out, before - out))
        before -= out
    return rows
