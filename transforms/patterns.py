"""Pattern cohorts: people in whom the signals listed for one tissue worsen and others do not.

A pattern is of signals, never of a tissue: it must not be read as insulin resistance of the liver
or of fat, nor as a diagnosis. "Not worsening" means that no change was told apart from noise, not
that the tissue is well. Definitions, sources and what must not be claimed are in
:mod:`transforms.catalog.patterns`.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from transforms.attrition import Way, way
from transforms.catalog.patterns import PATTERNS, Pattern
from transforms.catalog.rule import RULE, Rule
from transforms.cohorts import lasting, members, standing, stays, with_exclusions
from transforms.corroboration import glucose_signs

_SIGNS = sorted({sign.name for pattern in PATTERNS for sign in pattern.signs})


def patterns(
    values: pl.LazyFrame,
    findings: pl.LazyFrame,
    excluded: pl.LazyFrame,
    as_of: date,
    rule: Rule = RULE,
) -> pl.LazyFrame:
    """Every stay in every pattern cohort.

    A stay begins with the first observation (a signal's or a draw's) after which the pattern held,
    and ends with the first after which it did not, with the day an exclusion began, or when what
    it rests on became too old (``rule.max_age_days``, judgement: as for draws). Only days of
    observation decide: the nights on which they came in do not.

    Args:
        values: :func:`transforms.tissues.tissue_values`: ``patient_id``, ``tissue``, ``signal``,
            ``observed_on``, ``course`` ('worsening', 'improving', 'steady', null: cannot be said).
        findings: :func:`transforms.statuses.at_draws`.
        excluded: :func:`transforms.exclusions.excluded_spans`.
        as_of: the night.
        rule: thresholds.

    Returns:
        ``cohort``, ``patient_id``, ``entered_on``, ``left_on``, ``definition_version``; sorted.
    """
    stood = _stood(values, findings, rule)
    days = with_exclusions(stood, excluded).sort("patient_id", "on").cache()
    rows = [members(stays(_moments(days, p), as_of), p.name, p.version) for p in PATTERNS]
    return pl.concat(rows).sort("cohort", "patient_id", "entered_on")


def _stood(values: pl.LazyFrame, findings: pl.LazyFrame, rule: Rule) -> pl.LazyFrame:
    """What stood of glucose and of every sign on every day on which any was observed."""
    courses = values.select(
        "patient_id",
        on="observed_on",
        sign=pl.concat_str("tissue", "signal", separator="."),
        holds=pl.col("course") == "worsening",
    ).filter(pl.col("sign").is_in(_SIGNS))
    signs = pl.concat([courses, glucose_signs(findings, rule)])
    return standing(signs, ["glucose", *_SIGNS], rule.max_age_days)


def _moments(days: pl.LazyFrame, pattern: Pattern) -> pl.LazyFrame:
    """The days, whether the pattern held after each, and until when that may be said."""
    rests_on = [pl.col("glucose_until"), _both(pattern, "until")]
    calm = pl.lit(value=True)
    if pattern.not_worsening:
        names = [sign.name for sign in pattern.not_worsening]
        rests_on.append(pl.max_horizontal(f"{name}_known_until" for name in names))
        calm = pl.all_horizontal(pl.col(f"{name}_until").is_null() for name in names)
    known = pl.all_horizontal(until.is_not_null() for until in rests_on)
    return days.with_columns(
        holds=known & calm & ~pl.col("is_excluded"),
        until=pl.min_horizontal(*rests_on, "excluded_on"),
    )


def _both(pattern: Pattern, until: str) -> pl.Expr:
    """Until when two signs that suffice last, of all such pairs the longest; null where none do."""
    pairs = [[pl.col(f"{name}_{until}") for name in pair] for pair in pattern.pairs]
    return pl.max_horizontal(
        pl.when(one.is_not_null() & other.is_not_null()).then(pl.min_horizontal(one, other))
        for one, other in pairs
    )


def pattern_ways(
    statuses: pl.LazyFrame,
    rows: pl.LazyFrame,
    values: pl.LazyFrame,
    findings: pl.LazyFrame,
    as_of: date,
    rule: Rule = RULE,
) -> list[Way]:
    """From everyone to each pattern cohort, tonight.

    Args:
        statuses: :func:`transforms.statuses.statuses` (``patient_id``, ``status``, ``ground``).
        rows: :func:`patterns`.
        values: as for :func:`patterns`.
        findings: :func:`transforms.statuses.at_draws`.
        as_of: the night.
        rule: thresholds.

    Returns:
        Exclusions, what could not be evaluated, then too little measured, glucose not fine, and
        the pattern absent.
    """
    tonight = _stood(values, findings, rule).filter(pl.col("on") <= as_of)
    newest = tonight.group_by("patient_id", maintain_order=True).last()
    people = statuses.join(newest, on="patient_id", how="left").collect()
    inside = rows.filter(pl.col("left_on").is_null()).collect()
    return [_way(people, inside, pattern, as_of) for pattern in PATTERNS]


def _way(people: pl.DataFrame, inside: pl.DataFrame, pattern: Pattern, as_of: date) -> Way:
    measured = (_both(pattern, "known_until") > as_of).fill_null(value=False)
    if pattern.not_worsening:
        others = (lasting(f"{sign.name}_known_until", as_of) for sign in pattern.not_worsening)
        measured &= pl.any_horizontal(others)
    reasons = {
        pattern.not_measured: ~measured,
        "fasting glucose not fine": ~lasting("glucose_until", as_of),
        "the pattern is absent": pl.lit(value=True),
    }
    return way(pattern.name, people, inside.filter(cohort=pattern.name)["patient_id"], reasons)
