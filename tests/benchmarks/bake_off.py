"""The trend model against simpler rules, on simulated cohorts with known truth.

    python -m tests.benchmarks.bake_off [people] [seed ...]

prints, for each world and seed, AUROC, AUPRC, the share of true climbers in the top 2 %, and at
two thresholds the share flagged and the false discoveries among them, true and as the model says.
Seeds 404 and 505 were used for nothing else; 202 for fitting, 606 and 707 for choosing.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

from transforms.catalog.prior import SHIPPED_NOISE, SHIPPED_PRIOR, Noise, Prior
from transforms.fitting import fit
from transforms.synthetic.physiology import BASE, CLEAN, HEAVY, RARE, Cohort, cohort
from transforms.trends import histories, trends

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

WORLDS = (BASE, HEAVY, RARE, CLEAN)
SEEDS = (404, 505)
PEOPLE = 40_000
REFITTED_ON = 10_000
THRESHOLDS = (0.5, 0.8)
PLAIN = replace(SHIPPED_NOISE, insulin_sd=0.302, scales=((1.0, 1.0),), contaminations=())
"""No bad draws, everybody equally noisy: what the rest of the model brings."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well a score puts climbers first."""

    auroc: float
    auprc: float
    ppv: float

    def __str__(self) -> str:
        return f"{self.auroc:.3f}  {self.auprc:.3f}  {self.ppv:.3f}"


def ranking(score: Floats, hit: Bools) -> Ranking:
    """AUROC, AUPRC and the share of hits in the top 2 % of ``score``."""
    best = hit[np.argsort(-score, kind="stable")]
    rank, n = rankdata(score), int(hit.sum())
    auroc = (rank[hit].sum() - n * (n + 1) / 2) / (n * (hit.size - n))
    precision = np.cumsum(best) / np.arange(1, best.size + 1)
    top = best[: hit.size // 50]
    return Ranking(float(auroc), float(precision[best].mean()), float(top.mean()))


@dataclass(frozen=True, slots=True)
class Discoveries:
    """People at a threshold or above, and the false ones among them: true and as claimed."""

    flagged: int
    false: float
    claimed: float

    def __str__(self) -> str:
        return f"{self.flagged:5d}  {self.false:.3f} / {self.claimed:.3f}"


def discoveries(p: Floats, hit: Bools, threshold: float) -> Discoveries:
    """The discoveries of ``p`` at ``threshold``; shares of no one are not a number."""
    flagged = p >= threshold
    if not flagged.any():
        return Discoveries(0, float("nan"), float("nan"))
    false, claimed = 1 - hit[flagged].mean(), (1 - p[flagged]).mean()
    return Discoveries(int(flagged.sum()), float(false), float(claimed))


def judged(
    made: Cohort, noise: Noise = SHIPPED_NOISE, prior: Prior = SHIPPED_PRIOR
) -> pl.DataFrame:
    """Newest trend, newest HOMA-IR and truth of everyone with two pairs or more, by patient."""
    truth = made.people.select("is_positive", patient_id=pl.col("person").cast(pl.String))
    homa = (pl.col("insulin_uiu_ml") * pl.col("glucose_mg_dl") / 405).last()
    newest = made.pairs().sort("drawn_on").group_by("patient_id").agg(homa=homa)
    return (
        trends(made.pairs(), noise, prior, latest_only=True)
        .filter(pl.col("n_pairs") > 1)
        .join(truth.lazy(), on="patient_id")
        .join(newest, on="patient_id")
        .sort("patient_id")
        .collect()
    )


def refitted(made: Cohort) -> tuple[Noise, Prior]:
    """Noise and prior fitted, without labels, to the cohort's own draws."""
    people = histories(made.pairs())
    some = replace(people, cases=people.cases[:REFITTED_ON])
    return fit(some, SHIPPED_NOISE, SHIPPED_PRIOR)


def lines(made: Cohort) -> list[str]:
    """The table's rows for one cohort."""
    full, plain, own = judged(made), judged(made, PLAIN), judged(made, *refitted(made))
    hit = full["is_positive"].to_numpy()
    # A rule by glucose stands before HOMA-IR, as in practice: without it diabetes ranks first.
    fine = full["glucose_level_mg_dl"].to_numpy() < 100
    scores = {
        "HOMA-IR": full["homa"].to_numpy() * fine,
        "no bad draws": plain["p_climbing_unseen"].to_numpy(),
        "shipped": full["p_climbing_unseen"].to_numpy(),
        "refitted": own["p_climbing_unseen"].to_numpy(),
    }
    rows = []
    for name, score in scores.items():
        claims = "" if name == "HOMA-IR" else _claims(score, hit)
        rows.append(f"{name:<13} {ranking(score, hit)}  {claims}".rstrip())
    return rows


def _claims(p: Floats, hit: Bools) -> str:
    return "   ".join(str(discoveries(p, hit, threshold)) for threshold in THRESHOLDS)


def main(arguments: list[str]) -> None:
    """Print the table; ``arguments``: people, then seeds."""
    people = int(arguments[0]) if arguments else PEOPLE
    seeds = [int(seed) for seed in arguments[1:]] or SEEDS
    columns = "AUROC  AUPRC  PPV2%  n>=.5  false true / model   n>=.8  false true / model"
    sys.stdout.write(f"{'world':<6} {'seed':>4}  {'score':<13} {columns}\n")
    for world in WORLDS:
        for seed in seeds:
            for line in lines(cohort(people, seed, world)):
                sys.stdout.write(f"{world.name:<6} {seed:>4}  {line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
