"""The status of every patient: the rule of design.md section 5, as data and two frames.

``at_draws`` says what held after each draw, from the draws alone: nightly re-testing of the same
draws therefore creates no new chance to flag. ``statuses`` puts the newest of it beside tonight's
facts (age of the data, exclusions) so that every patient has exactly one status, with its reason.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from transforms.catalog.exclusions import EXCLUSIONS
from transforms.catalog.rule import RULE, Rule

COUNTS = ("n_pairs", "n_draws", "span_days", "days_old")
NUMBERS = (
    "p_climbing_unseen",
    "p_insulin_climbing",
    "p_glucose_fine",
    "p_insulin_high",
    "p_glucose_rising",
    "p_without_one",
    "p_bad_newest",
    "insulin_slope_pct_year",
    "insulin_level_uiu_ml",
    "glucose_level_mg_dl",
    "glucose_slope_mg_dl_year",
)
"""The numbers of the evidence."""
_SENTENCES = {item.name: item.sentence for item in EXCLUSIONS}


def at_draws(trends: pl.LazyFrame, pairs: pl.LazyFrame, rule: Rule = RULE) -> pl.LazyFrame:
    """What the rule says after each used draw.

    Args:
        trends: :func:`transforms.trends.trends`, one row a draw; ``p_without_one`` where known.
        pairs: used fasting pairs (``patient_id``, ``drawn_on``, ``glucose_mg_dl``).
        rule: thresholds.

    Returns:
        The trend's columns with ``finding`` (a flagged status, ``not_flagged``, or null where
        the draws do not suffice) and ``climbing_tier``; sorted by patient and draw.
    """
    glucose = pairs.select("patient_id", "drawn_on", "glucose_mg_dl")
    rows = trends.join(glucose, on=["patient_id", "drawn_on"], how="left").sort(
        "patient_id", "drawn_on"
    )
    return (
        rows.with_columns(span_days=(pl.col("last_on") - pl.col("first_on")).dt.total_days())
        .with_columns(
            suffices=(pl.col("n_pairs") >= rule.min_pairs)
            & (pl.col("span_days") >= rule.min_span_days),
        )
        .with_columns(
            climbing_tier=pl.when("suffices").then(_tier(rule)),
            is_high=pl.col("suffices")
            & (pl.col("p_insulin_high") >= rule.high_p)
            & (pl.col("p_glucose_fine") >= rule.glucose_fine_p),
        )
        .with_columns(was_raised=_was_raised())
        .with_columns(finding=pl.when("suffices").then(_finding(rule)))
    )


def _tier(rule: Rule) -> pl.Expr:
    p = pl.col("p_climbing_unseen")
    strong = (
        (p >= rule.tier_a_p)
        & (pl.col("n_pairs") >= rule.tier_a_pairs)
        & (pl.col("span_days") >= rule.tier_a_span_days)
        & (pl.col("p_without_one").fill_null(0.0) >= rule.tier_a_without_one_p)
        & (pl.col("p_bad_newest").fill_null(0.0) < rule.tier_a_bad_p)
    )
    return (
        pl.when(strong).then(pl.lit("A"))
        .when(p >= rule.tier_b_p).then(pl.lit("B"))
        .when(p >= rule.tier_c_p).then(pl.lit("C"))
    )  # fmt: skip


def _was_raised() -> pl.Expr:
    """Whether an earlier draw of the patient was high or climbing (tier A or B)."""
    raised = pl.col("is_high") | pl.col("climbing_tier").is_in(["A", "B"]).fill_null(value=False)
    return raised.cast(pl.Int8).cum_max().shift(fill_value=0).over("patient_id").cast(pl.Boolean)


def _finding(rule: Rule) -> pl.Expr:
    glucose = pl.col("glucose_mg_dl")
    twice = (glucose >= rule.glucose_limit) & (
        glucose.shift().over("patient_id") >= rule.glucose_limit
    )
    rises = pl.col("p_glucose_rising") >= rule.glucose_rising_p
    flat = pl.col("p_insulin_climbing") < rule.insulin_flat_p
    climbs = pl.col("climbing_tier").is_not_null()
    return (
        pl.when(pl.col("was_raised") & (twice.fill_null(value=False) | rises) & flat)
        .then(pl.lit("decompensating"))
        .when(climbs & pl.col("is_high"))
        .then(pl.lit("high_and_climbing"))
        .when(climbs)
        .then(pl.lit("climbing"))
        .when("is_high")
        .then(pl.lit("high_stable"))
        .otherwise(pl.lit("not_flagged"))
    )


def draw_facts(draws: pl.LazyFrame) -> pl.LazyFrame:
    """Per patient ``n_draws``, days with a draw, and ``unused``, the most frequent reason for not
    using one.

    Args:
        draws: fasting pairs: ``patient_id``, ``used``, ``reason``.
    """
    reasons = (
        draws.filter(~pl.col("used"))
        .group_by("patient_id", "reason")
        .len()
        .sort("patient_id", "len", "reason", descending=[False, True, False])
        .group_by("patient_id", maintain_order=True)
        .agg(unused=pl.col("reason").first())
    )
    counts = draws.group_by("patient_id").agg(n_draws=pl.len().cast(pl.Int64))
    return counts.join(reasons, on="patient_id", how="left")


def statuses(
    persons: pl.LazyFrame,
    findings: pl.LazyFrame,
    draws: pl.LazyFrame,
    excluded: pl.LazyFrame,
    as_of: date,
    rule: Rule = RULE,
) -> pl.LazyFrame:
    """Every person exactly once.

    Args:
        persons: ``patient_id``, ``birth_date``.
        findings: the newest row per patient of :func:`at_draws`, with ``p_without_one``.
        draws: :func:`draw_facts`.
        excluded: :func:`transforms.exclusions.excluded_spans`.
        as_of: the night.
        rule: thresholds.

    Returns:
        ``patient_id``, ``as_of``, ``status``, ``reason``, ``tier``, ``evidence`` (JSON),
        ``rule_version``; and ``ground``, the reason without numbers, null for who was evaluated.
    """
    tonight = pl.lit(as_of)
    facts = (
        persons.join(_exclusion_of(excluded, as_of), on="patient_id", how="left")
        .join(findings, on="patient_id", how="left")
        .join(draws, on="patient_id", how="left")
        .with_columns(
            is_minor=pl.col("birth_date").dt.offset_by(f"{rule.adult_age}y") > tonight,
            days_old=(tonight - pl.col("last_on")).dt.total_days(),
        )
    )
    grounds = _grounds(rule)
    status = pl.coalesce(
        *(pl.when(holds).then(pl.lit(status)) for status, holds, _, _ in grounds), "finding"
    )
    reason = pl.coalesce(
        *(pl.when(holds).then(text) for _, holds, text, _ in grounds), _finding_reason(rule)
    )
    ground = pl.coalesce(*(pl.when(holds).then(label) for _, holds, _, label in grounds))
    flagged = pl.col("status").is_in(["climbing", "high_and_climbing"])
    return (
        facts.with_columns(status=status, reason=reason, ground=ground)
        .with_columns(tier=pl.when(flagged).then("climbing_tier"), as_of=tonight)
        .select(
            "patient_id",
            "as_of",
            "status",
            "reason",
            "tier",
            evidence=_evidence(rule),
            rule_version=pl.lit(rule.version),
            ground="ground",
        )
        .sort("patient_id")
    )


def _exclusion_of(excluded: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """The exclusion that holds tonight, the first by name where several do."""
    began = pl.col("from_on").is_null() | (pl.col("from_on") <= as_of)
    lasts = pl.col("to_on").is_null() | (pl.col("to_on") >= as_of)
    return excluded.filter(began & lasts).group_by("patient_id").agg(exclusion=pl.col("name").min())


Ground = tuple[str, pl.Expr, pl.Expr, pl.Expr]


def _grounds(rule: Rule) -> tuple[Ground, ...]:
    """Why a person is not evaluated, in order: status, condition, reason, reason for counting."""
    exclusion = pl.col("exclusion").replace_strict(_SENTENCES, default=pl.col("exclusion"))
    minor = pl.lit(f"under {rule.adult_age} years")
    unmeasured = pl.lit("no insulin or glucose result")
    n, least = pl.col("n_pairs").fill_null(0), rule.min_pairs
    span, old = pl.col("span_days"), pl.col("days_old")
    return (
        ("excluded", pl.col("is_minor"), minor, minor),
        ("excluded", pl.col("exclusion").is_not_null(), exclusion, exclusion),
        ("unresolved", pl.col("n_draws").is_null(), unmeasured, unmeasured),
        (
            "unresolved",
            n < least,
            pl.format(f"{{}} usable fasting pairs, {least} needed{{}}", n, _unused()),
            pl.lit(f"fewer than {least} usable fasting pairs"),
        ),
        (
            "unresolved",
            span < rule.min_span_days,
            pl.format(f"pairs span {{}} days, {rule.min_span_days} needed", span),
            pl.lit(f"pairs span less than {rule.min_span_days} days"),
        ),
        (
            "unresolved",
            old > rule.max_age_days,
            pl.format(f"newest pair is {{}} days old, at most {rule.max_age_days}", old),
            pl.lit(f"newest pair older than {rule.max_age_days} days"),
        ),
    )


def _unused() -> pl.Expr:
    said = pl.format("; draws not used, mostly: {}", "unused")
    return pl.when(pl.col("unused").is_not_null()).then(said).otherwise(pl.lit(""))


def _finding_reason(rule: Rule) -> pl.Expr:
    p = (pl.col("p_climbing_unseen") * 100).round(0).cast(pl.Int64)
    high = (pl.col("p_insulin_high") * 100).round(0).cast(pl.Int64)
    limit = rule.insulin_upper_limit
    texts = {
        "climbing": pl.format("insulin climbs while glucose is fine, probability {} %", p),
        "high_and_climbing": pl.format(
            f"insulin is above {limit} uIU/mL (probability {{}} %) and climbs while glucose is "
            "fine (probability {} %)", high, p,
        ),
        "high_stable": pl.format(
            f"insulin is above {limit} uIU/mL while glucose is fine, probability {{}} %", high
        ),
        "decompensating": pl.lit(
            "insulin was high or climbing; glucose is now 100 mg/dL or more twice, or surely "
            "rising, and insulin no longer climbs"
        ),
        "not_flagged": pl.format(
            f"probability of climbing unseen {{}} %, {round(rule.tier_c_p * 100)} % needed; of "
            f"high insulin {{}} %, {round(rule.high_p * 100)} % needed", p, high,
        ),
    }  # fmt: skip
    return pl.coalesce(
        *(pl.when(pl.col("finding") == name).then(text) for name, text in texts.items())
    )


def _evidence(rule: Rule) -> pl.Expr:
    """JSON for people and machines: the numbers, what is missing, how near to the next tier."""
    rounded = [
        pl.col(name) if name in COUNTS else pl.col(name).cast(pl.Float64).round(4)
        for name in (*COUNTS, *NUMBERS)
    ]
    missing = pl.concat_list(
        pl.when(pl.col("birth_date").is_null()).then(pl.lit("date of birth")),
        pl.when(pl.col("n_pairs").fill_null(0) < rule.tier_a_pairs).then(pl.lit("fasting pairs")),
        pl.when(pl.col("span_days").fill_null(0) < rule.tier_a_span_days).then(
            pl.lit("years of follow-up")
        ),
    ).list.drop_nulls()
    return pl.struct(
        *rounded,
        missing=missing,
        needed_for_c=pl.lit(rule.tier_c_p) - pl.col("p_climbing_unseen").round(4),
    ).struct.json_encode()
