"""The trend model against simpler rules, on simulated cohorts with known truth.

    python -m tests.benchmarks.bake_off [people] [seed ...]

prints, for each world and seed, AUROC, AUPRC, the share of true climbers in the top 2 %, and at
two thresholds the share flagged and the false discoveries among them, true and as the model says.
Seeds 404 and 505 are for this table alone; 202 fitted, 606, 707 and 1001 to 1006 decided.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import polars as pl

from transforms.catalog.prior import SHIPPED_NOISE, SHIPPED_PRIOR, Noise, Prior
from transforms.fitting import fit
from transforms.rivals import Bools
from transforms.shapes import Floats
from transforms.synthetic.physiology import BASE, CLEAN, HEAVY, RARE, Cohort, cohort
from transforms.trends import histories, trends
from transforms.validation import THRESHOLDS, discoveries, ranking

WORLDS = (BASE, HEAVY, RARE, CLEAN)
SEEDS = (404, 505)
PEOPLE = 40_000
REFITTED_ON = 10_000
PLAIN = replace(SHIPPED_NOISE, insulin_sd=0.302, scales=((1.0, 1.0),), contaminations=())
"""No bad draws, everybody equally noisy: what the rest of the model brings."""


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
        found = ranking(score, hit)
        measures = f"{found.auroc:.3f}  {found.auprc:.3f}  {found.ppv:.3f}"
        claims = "" if name == "HOMA-IR" else _claims(score, hit)
        rows.append(f"{name:<13} {measures}  {claims}".rstrip())
    return rows


def _claims(p: Floats, hit: Bools) -> str:
    found = [discoveries(p, hit, threshold) for threshold in THRESHOLDS]
    return "   ".join(f"{d.flagged:5d}  {d.false:.3f} / {d.claimed:.3f}" for d in found)


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
