"""How well scores find the people who climb unseen, where the truth is known.

Ties are shared out: people with the same score are taken in part, as if drawn by lot. Standard
errors of rankings are by bootstrap over people, with resamples that all scores share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.integrate import trapezoid

from transforms.catalog.prior import SHIPPED_NOISE, SHIPPED_PRIOR, Noise, Prior
from transforms.rivals import RIVALS, Bools, scores
from transforms.shapes import Floats, Ints
from transforms.synthetic.physiology import Cohort
from transforms.trends import trends

MODEL = "this model"
ORACLE = "oracle"
TOP = 50
"""The list is everybody's fiftieth part: 2 %."""
BOOTSTRAPS = 200
THRESHOLDS = (0.5, 0.8)
STRATA = {"2": (2, 2), "3": (3, 3), "4": (4, 4), "5": (5, 5), "6": (6, 6), "7+": (7, 99)}


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well a score puts climbers first.

    ``sensitivity_95``: at a specificity of 95 %; ``ppv``: share of hits in the top 2 %.
    """

    auroc: float
    auprc: float
    sensitivity_95: float
    sensitivity_99: float
    ppv: float


def ranking(score: Floats, hit: Bools) -> Ranking:
    """The ranking by ``score`` (N,), higher is more suspect, of people who are hits or not (N,).

    Not a number, all of it, where nobody or everybody is a hit.
    """
    return Ranking(*_ranked(score, hit, np.ones((1, hit.size), np.int64))[0].tolist())


def ranking_error(score: Floats, hit: Bools, resamples: Ints) -> Ranking:
    """Bootstrap standard errors of :func:`ranking`, by :func:`resamples`."""
    found = _ranked(score, hit, resamples)
    usable = found[~np.isnan(found).any(1)]
    return Ranking(*(usable.std(0, ddof=1) if len(usable) > 1 else found[0] * np.nan).tolist())


def resamples(n: int, seed: int) -> Ints:
    """How often each of ``n`` people is drawn, (BOOTSTRAPS, n)."""
    rng = np.random.default_rng(seed)
    drawn = [np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(BOOTSTRAPS)]
    return np.stack(drawn)


def _ranked(score: Floats, hit: Bools, weights: Ints) -> Floats:
    """The fields of :class:`Ranking` for each row of weights: (rows, 5)."""
    order = np.argsort(-score, kind="stable")
    best, ordered = hit[order], score[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    return np.array([_measured(best, ends, row[order], hit.size // TOP) for row in weights])


def _measured(best: Bools, ends: Ints, weight: Ints, top: int) -> list[float]:
    """The five measures; ``ends``: the last place of each group of equal scores."""
    hits = np.append(0, np.cumsum(best * weight)[ends])
    taken = np.append(0, np.cumsum(weight)[ends])
    if not 0 < hits[-1] < taken[-1]:
        return [np.nan] * 5
    found, false = hits / hits[-1], (taken - hits) / (taken - hits)[-1]
    precision = hits[1:] / np.maximum(taken[1:], 1)
    sensitive = [float(np.interp(x, false, found)) for x in (0.05, 0.01)]
    listed = max(top, 1)
    ppv = float(np.interp(listed, taken, hits)) / listed
    return [float(trapezoid(found, false)), float(np.diff(found) @ precision), *sensitive, ppv]


@dataclass(frozen=True, slots=True)
class Flags:
    """What a fixed rule does: shares, and not a number where there is nobody to divide by."""

    sensitivity: float
    specificity: float
    ppv: float
    flagged: float


def flags(flagged: Bools, hit: Bools) -> Flags:
    """The shares of a rule that flags these people."""
    return Flags(share(flagged[hit]), share(~flagged[~hit]), share(hit[flagged]), share(flagged))


def share(of: Bools) -> float:
    """The share that is true; of no one it is not a number."""
    return float(of.mean()) if of.size else float("nan")


@dataclass(frozen=True, slots=True)
class Discoveries:
    """People at a threshold or above, and the false ones among them: true and as claimed."""

    threshold: float
    flagged: int
    false: float
    claimed: float


def discoveries(p: Floats, hit: Bools, threshold: float) -> Discoveries:
    """The discoveries of ``p`` at ``threshold``; shares of no one are not a number."""
    flagged = p >= threshold
    if not flagged.any():
        return Discoveries(threshold, 0, float("nan"), float("nan"))
    false, claimed = 1 - hit[flagged].mean(), (1 - p[flagged]).mean()
    return Discoveries(threshold, int(flagged.sum()), float(false), float(claimed))


@dataclass(frozen=True, slots=True)
class Bin:
    """People whose claim lies from ``low`` to below ``high``; ``error`` is that of ``true``."""

    low: float
    high: float
    people: int
    claimed: float
    true: float
    error: float


def calibration(p: Floats, hit: Bools, bins: int = 10) -> tuple[Bin, ...]:
    """Claimed and true shares in bins of equal width; 1 belongs to the last."""
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    return tuple(
        _bin(k / bins, (k + 1) / bins, p[place == k], hit[place == k]) for k in range(bins)
    )


def _bin(low: float, high: float, p: Floats, hit: Bools) -> Bin:
    if not p.size:
        return Bin(low, high, 0, float("nan"), float("nan"), float("nan"))
    # One more of each kind (Agresti and Coull 1998): a few people of one kind are no certainty.
    some = (float(hit.sum()) + 1) / (p.size + 2)
    error = (some * (1 - some) / p.size) ** 0.5
    return Bin(low, high, int(p.size), float(p.mean()), float(hit.mean()), error)


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """The expected calibration error: the mean distance of claim and truth, over people."""
    people = sum(b.people for b in bins)
    return sum(b.people * abs(b.claimed - b.true) for b in bins if b.people) / people


@dataclass(frozen=True, slots=True)
class Row:
    """One method's ranking and its standard errors."""

    name: str
    ranking: Ranking
    error: Ranking


@dataclass(frozen=True, slots=True)
class Stratum:
    """People with so many visits, and how some methods rank them."""

    visits: str
    people: int
    positive: int
    rows: tuple[Row, ...]


def judged(
    made: Cohort, noise: Noise = SHIPPED_NOISE, prior: Prior = SHIPPED_PRIOR
) -> pl.DataFrame:
    """Everyone with two visits or more, by patient: truth, the model's probability, all scores.

    Returns:
        ``patient_id``, ``n_pairs`` (visits used), ``is_positive``, :data:`MODEL` (the newest
        ``p_climbing_unseen``), and a column per rival.
    """
    truth = made.people.select("is_positive", patient_id=pl.col("person").cast(pl.String))
    newest = trends(made.pairs(), noise, prior, latest_only=True).select(
        "patient_id", "n_pairs", pl.col("p_climbing_unseen").alias(MODEL)
    )
    return (
        newest.filter(pl.col("n_pairs") > 1)
        .join(truth.lazy(), on="patient_id")
        .join(scores(made.pairs()).lazy(), on="patient_id")
        .sort("patient_id")
        .collect()
    )


def rows(judged: pl.DataFrame, seed: int, names: Sequence[str]) -> tuple[Row, ...]:
    """The rankings of these methods, with errors by resamples of ``seed``."""
    hit = judged["is_positive"].to_numpy()
    drawn = resamples(hit.size, seed)
    scored = [(name, judged[name].to_numpy()) for name in names]
    return tuple(Row(name, ranking(s, hit), ranking_error(s, hit, drawn)) for name, s in scored)


def strata(judged: pl.DataFrame, seed: int, names: Sequence[str]) -> tuple[Stratum, ...]:
    """The same by number of visits used; a number that nobody has is left out."""
    found = []
    for name, (low, high) in STRATA.items():
        some = judged.filter(pl.col("n_pairs").is_between(low, high))
        if some.height:
            positive = int(some["is_positive"].sum())
            found.append(Stratum(name, some.height, positive, rows(some, seed, names)))
    return tuple(found)


def ratios(judged: pl.DataFrame, seed: int, of: str = MODEL, to: str = ORACLE) -> Row:
    """How much of one method's ranking another reaches, with paired bootstrap errors."""
    hit = judged["is_positive"].to_numpy()
    drawn = np.vstack([np.ones((1, hit.size), np.int64), resamples(hit.size, seed)])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = _ranked(judged[of].to_numpy(), hit, drawn) / _ranked(
            judged[to].to_numpy(), hit, drawn
        )
    error = ratio[1:][np.isfinite(ratio[1:]).all(1)].std(0, ddof=1)
    return Row(f"{of} / {to}", Ranking(*ratio[0].tolist()), Ranking(*error.tolist()))


@dataclass(frozen=True, slots=True)
class Ruled:
    """A fixed rule and what it does."""

    name: str
    flags: Flags


def ruled(judged: pl.DataFrame) -> tuple[Ruled, ...]:
    """What every fixed rule of the rivals does."""
    hit = judged["is_positive"].to_numpy()
    return tuple(
        Ruled(rule.name, flags(judged[rival.name].to_numpy() > rule.above, hit))
        for rival in RIVALS
        for rule in rival.rules
    )
