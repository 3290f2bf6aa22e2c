"""What can be checked without knowing the truth: forecasts against what came, marks against chance.

A trend model that is right has forecasts below which a value falls as often as they say; and a list
of marked people holds about as many false ones as shuffled series bring forth. Both are kept every
night; where the second fails, the list is held back (:data:`transforms.catalog.rule.HOLD`).
"""

from __future__ import annotations

from math import sqrt

import polars as pl
from scipy.special import bdtrc

from transforms.catalog.rule import HOLD, RULE, Hold
from transforms.trends import GRAINS

MOST_DRAWS = 7
"""Patients of so many draws or more are one group."""
_BY = {"all": pl.lit("all"), "draws": pl.col("n_pairs"), "lab": pl.col("lab")}
_ANALYTES = {"insulin": "pit_insulin", "glucose": "pit_glucose"}


def prediction_checks(newest: pl.LazyFrame) -> pl.LazyFrame:
    """How the newest draws lay in their forecasts, for everyone, by draws and by laboratory.

    Args:
        newest: one row per patient: ``n_pairs``, ``lab`` (of the newest used draw),
            ``pit_insulin``, ``pit_glucose`` (:func:`transforms.trends.forecasts`).

    Returns:
        ``analyte``, ``grouped_by`` (``all``, ``draws``, ``lab``), ``level``, ``n``,
        ``coverage_50_pct`` and ``coverage_90_pct`` (values inside the central interval),
        ``pit_mean`` (.5 where right) and ``pit_deciles`` (counts of ten equal classes).
    """
    capped = newest.with_columns(pl.col("n_pairs").clip(upper_bound=MOST_DRAWS))
    groups = [
        _checked(capped.with_columns(pit=pl.col(pit)), analyte, name, level)
        for analyte, pit in _ANALYTES.items()
        for name, level in _BY.items()
    ]
    return pl.concat(groups).sort("analyte", "grouped_by", "level")


def _checked(newest: pl.LazyFrame, analyte: str, name: str, level: pl.Expr) -> pl.LazyFrame:
    pit = pl.col("pit")
    decile = (pit * 10).floor().clip(0, 9)
    return (
        newest.filter(pit.is_not_null())
        .with_columns(level=level.cast(pl.String).fill_null(""))
        .group_by("level")
        .agg(
            n=pl.len().cast(pl.Int64),
            coverage_50_pct=100 * pit.is_between(0.25, 0.75).mean(),
            coverage_90_pct=100 * pit.is_between(0.05, 0.95).mean(),
            pit_mean=(pit * GRAINS).round().cast(pl.Int64).sum() / pl.len() / GRAINS,
            pit_deciles=pl.concat_list((decile == k).sum().cast(pl.Int64) for k in range(10)),
        )
        .with_columns(analyte=pl.lit(analyte), grouped_by=pl.lit(name))
    )


def list_check(
    evaluated: pl.DataFrame, hold: Hold = HOLD, marked_p: float = RULE.tier_b_p
) -> pl.DataFrame:
    """The list of marked people against chance, and whether it is held back.

    Args:
        evaluated: one row per patient the rule applies to tonight: ``is_listed``,
            ``p_climbing_unseen``, ``p_shuffled``, ``lab``, ``platform`` (of the newest used draw).
        hold: when a list is held.
        marked_p: the probability that marks.

    Returns:
        One row: ``n_evaluated``, ``n_listed``, ``false_claimed`` (mean of 1 - p over the list,
        the Bayesian false discovery rate), ``n_shuffled`` (marked with their draws shuffled),
        ``false_shuffled`` (that over ``n_listed``, at most 1), ``is_held`` and ``held_because``
        (empty where not).
    """
    listed = evaluated.filter("is_listed")
    n, chance = listed.height, int((evaluated["p_shuffled"] >= marked_p).sum())
    claimed = (1 - listed["p_climbing_unseen"].sort()).mean()
    by_chance = min(chance / n, 1.0) if n else None
    reasons = []
    if n >= hold.fewest_listed and claimed is not None and by_chance is not None:
        reasons = [
            *_disagreement(float(str(claimed)), by_chance, n, chance, hold),
            *(text for name in ("lab", "platform") for text in _dominance(evaluated, name, hold)),
        ]
    return pl.DataFrame(
        {
            "n_evaluated": [evaluated.height],
            "n_listed": [n],
            "false_claimed": pl.Series([claimed], dtype=pl.Float64),
            "n_shuffled": [chance],
            "false_shuffled": pl.Series([by_chance], dtype=pl.Float64),
            "is_held": [bool(reasons)],
            "held_because": ["; ".join(reasons)],
        }
    )


def _disagreement(claimed: float, by_chance: float, n: int, chance: int, hold: Hold) -> list[str]:
    """Beyond the allowed difference, and beyond what counts of this size differ by anyway."""
    marked = min(max(chance, 1), n)
    error = sqrt(marked * (1 + marked / n)) / n
    difference = abs(claimed - by_chance)
    if difference <= hold.most_difference or difference <= hold.errors * error:
        return []
    return [
        f"the model says {claimed:.0%} of the list are false, shuffled draws say {by_chance:.0%}"
    ]


def _dominance(evaluated: pl.DataFrame, name: str, hold: Hold) -> list[str]:
    """One laboratory or platform with far more of the list than of the people evaluated."""
    counts = (
        evaluated.with_columns(level=pl.col(name).fill_null(""))
        .group_by("level")
        .agg(people=pl.len(), listed=pl.col("is_listed").sum())
        .sort("listed", "level", descending=[True, False])
    )
    level, people, listed = counts.row(0)
    share, usual = listed / counts["listed"].sum(), people / evaluated.height
    surprise = float(bdtrc(listed - 1, counts["listed"].sum(), usual))
    if share < hold.most_share or share < hold.most_lift * usual or surprise > hold.surprise:
        return []
    place = f"one {name} ({level or 'not stated'})"
    return [f"{share:.0%} of the list come from {place}, {usual:.0%} of all people"]
