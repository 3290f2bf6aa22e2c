"""Episodes: for how long there is ground for an alert, with hysteresis, by draws alone.

An episode opens with a draw after which the status rule marks the person. It stays open until a
draw says clearly that the ground is gone (:mod:`transforms.catalog.alert_rules`) or an exclusion
begins. A draw that is old closes nothing: an alert does not end because nobody looked.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from transforms.catalog.alert_rules import ALERT_RULES, TIERS, AlertRule
from transforms.catalog.rule import RULE, Rule
from transforms.cohorts import stays, with_exclusions

NEVER = date(9999, 12, 31)
EPISODE = {
    "patient_id": pl.String,
    "rule": pl.String,
    "began_on": pl.Date,
    "ended_on": pl.Date,
    "tier": pl.String,
    "tier_on": pl.Date,
    "tier_now": pl.String,
    "p": pl.Float64,
    "p_on": pl.Date,
    "is_marked": pl.Boolean,
    "is_excluded": pl.Boolean,
}
"""A row of :func:`episodes`."""


def episodes(
    findings: pl.LazyFrame, excluded: pl.LazyFrame, as_of: date, rule: Rule = RULE
) -> pl.LazyFrame:
    """Every episode of every alert rule, one row per patient, rule and draw it began with.

    Args:
        findings: :func:`transforms.statuses.at_draws`.
        excluded: :func:`transforms.exclusions.excluded_spans`.
        as_of: the night.
        rule: thresholds.

    Returns:
        :data:`EPISODE`, sorted: ``ended_on`` is null while it lasts, ``tier`` the highest that was
        sure (of the rule that has tiers), ``tier_on`` the draw with which it came, ``tier_now`` and
        ``p`` the tier and ``p_climbing_unseen`` of its newest draw (``p_on``), ``is_marked``
        whether the status rule marks the person after that draw or hysteresis alone keeps the
        episode open, ``is_excluded`` whether an exclusion ended it.
    """
    draws = (
        with_exclusions(findings.rename({"drawn_on": "on"}), excluded)
        .sort("patient_id", "on")
        .cache()
    )
    found = [_of_rule(draws, alert_rule, as_of, rule) for alert_rule in ALERT_RULES]
    return pl.concat(found).sort("patient_id", "rule", "began_on")


def _of_rule(draws: pl.LazyFrame, alert_rule: AlertRule, as_of: date, rule: Rule) -> pl.LazyFrame:
    moments = _moments(draws, alert_rule).with_columns(rank=_rank(), sure=_sure(alert_rule, rule))
    runs = stays(moments, as_of).rename({"entered_on": "began_on", "left_on": "ended_on"})
    within = (pl.col("on") >= pl.col("began_on")) & (
        pl.col("ended_on").is_null() | (pl.col("on") < pl.col("ended_on"))
    )
    told = pl.when(pl.col("on") == pl.col("began_on")).then("rank").otherwise("sure")
    by_tier = (
        moments.join(runs, on="patient_id")
        .filter(within)
        .sort("patient_id", "began_on", "on")
        .with_columns(told=told.cum_max().over("patient_id", "began_on"))
        .group_by("patient_id", "began_on", "ended_on", maintain_order=True)
        .agg(
            top=pl.col("told").max(),
            tier_on=pl.col("on").filter(pl.col("told") == pl.col("told").max()).first(),
            now=pl.col("rank").last(),
            p=pl.col("p_climbing_unseen").last(),
            p_on=pl.col("on").last(),
            is_marked=pl.col("is_marked").last(),
            excluded_on=pl.col("excluded_on").last(),
        )
    )
    tiers = dict(enumerate(TIERS, 1)) if alert_rule.has_tiers else {}
    return by_tier.select(
        "patient_id",
        pl.lit(alert_rule.name).alias("rule"),
        "began_on",
        "ended_on",
        tier=pl.col("top").replace_strict(tiers, default=None, return_dtype=pl.String),
        tier_on="tier_on",
        tier_now=pl.col("now").replace_strict(tiers, default=None, return_dtype=pl.String),
        p="p",
        p_on="p_on",
        is_marked="is_marked",
        is_excluded=(pl.col("ended_on") == pl.col("excluded_on")).fill_null(value=False),
    ).cast(EPISODE)  # type: ignore[arg-type]


def _moments(draws: pl.LazyFrame, alert_rule: AlertRule) -> pl.LazyFrame:
    """The draws and whether an episode is open after each: opened, and not yet clearly gone."""
    opens = pl.col("finding").is_in(alert_rule.findings).fill_null(value=False)
    marked = draws.with_columns(is_marked=opens)
    gone = pl.col("finding").is_null() | (pl.col(alert_rule.column) < alert_rule.keeps)
    said = (
        pl.when("is_excluded").then(statement=False).when("is_marked").then(statement=True)
        .when(gone).then(statement=False)
    )  # fmt: skip
    is_open = said.forward_fill().over("patient_id").fill_null(value=False)
    until = pl.col("excluded_on").fill_null(pl.lit(NEVER))
    return marked.with_columns(holds=is_open & ~pl.col("is_excluded"), until=until)


def _rank() -> pl.Expr:
    """The tier after a draw as a number, 0 for none."""
    ranks = {name: place for place, name in enumerate(TIERS, 1)}
    return (
        pl.col("climbing_tier").replace_strict(ranks, default=0, return_dtype=pl.Int64).fill_null(0)
    )


def _sure(alert_rule: AlertRule, rule: Rule) -> pl.Expr:
    """Likewise, as far as this draw and the one before passed the tier's bound surely."""
    p = pl.col("p_climbing_unseen")
    odds = p / (1 - p)
    bounds = (rule.tier_c_p, rule.tier_b_p, rule.tier_a_p)
    reached = pl.sum_horizontal(
        (odds >= bound / (1 - bound) * alert_rule.surely_odds).cast(pl.Int64) for bound in bounds
    )
    before = reached.shift(fill_value=0).over("patient_id")
    return pl.min_horizontal(_rank(), reached, before)
