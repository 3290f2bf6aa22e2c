"""How well platform effects are estimated, on simulated cohorts of 12 labs with known truth.

    python -m tests.benchmarks.platforms [seed ...]

prints, per cohort size and seed, the RMSE over draws of estimated minus true effect (ln) after each
patient's mean of it is taken out: without any correction, with dates of change stated, and with
dates found in the data. The first three estimate every effect and correct with it, whatever its
standard error. "as used" corrects only within bridges, as a series would be cut, and "kept" is the
share of neighbouring draws of a patient that stay in one series.
"""

from __future__ import annotations

import sys
import time
from datetime import date
from unittest import mock

import numpy as np
import polars as pl

from transforms import platforms as module
from transforms.platforms import bridged, platforms
from transforms.synthetic.physiology import Cohort, cohort

SIZES = (500, 1_000, 2_000, 5_000, 20_000)
DECADE_FROM = date(2014, 1, 1)
COLUMNS = ("none", "stated", "found", "as used, stated", "kept", "as used, found", "kept", "s")


def fasting_draws(of: Cohort, *, are_dates_stated: bool) -> pl.DataFrame:
    """Draws as reported, with ``truth``; the era is in the assay's name or nowhere."""
    known = of.people.filter(pl.col("insulin_therapy") != "known")
    days = ((pl.col("started_years") + pl.col("years")) * 365.25).round().cast(pl.Int32)
    return (
        of.draws.filter(~pl.col("is_haemolysis_reported"))
        .join(known.select("person", "started_years"), on="person")
        .select(
            patient_id=pl.col("person").cast(pl.String),
            drawn_on=pl.lit(DECADE_FROM) + pl.duration(days=days),
            insulin_uiu_ml="reported_insulin",
            lab=pl.format("lab {}", "lab"),
            assay=pl.format("assay {}", "platform") if are_dates_stated else pl.lit("assay"),
            truth="platform_effect",
        )
        .sort("patient_id", "drawn_on")
    )


def rmse(wrong: pl.Expr, draws: pl.DataFrame, *series: str) -> float:
    """Root mean square of ``wrong`` with the mean of each series taken out."""
    off = draws.select(off=wrong - wrong.mean().over(*series))["off"].to_numpy()
    return float(np.sqrt(np.mean(off**2)))


def measured(draws: pl.DataFrame) -> tuple[float, float, float]:
    """RMSE if every effect is used; RMSE within bridges; share of neighbours that share one."""
    wrong = pl.col("platform_effect") - pl.col("truth")
    with mock.patch.object(module, "BRIDGE_SE", np.inf):
        everywhere = rmse(wrong, bridged(draws, platforms(draws, found_from=0)), "patient_id")
    used = bridged(draws, platforms(draws))
    is_next = pl.col("patient_id") == pl.col("patient_id").shift()
    is_kept = pl.col("bridge") == pl.col("bridge").shift()
    kept = used.filter(is_next.fill_null(value=False)).height, used.filter(is_next & is_kept).height
    return everywhere, rmse(wrong, used, "patient_id", "bridge"), kept[1] / kept[0]


def main() -> None:
    """Print the table."""
    print(f"{'people':>7}{'seed':>6}" + "".join(f"{name:>16}" for name in COLUMNS))
    for people in SIZES:
        for seed in [int(given) for given in sys.argv[1:]] or (606, 707):
            began = time.perf_counter()
            of = cohort(people, seed)
            stated, found = (fasting_draws(of, are_dates_stated=s) for s in (True, False))
            none = rmse(pl.col("truth"), stated, "patient_id")
            (a, *with_dates), (b, *without) = measured(stated), measured(found)
            row = (none, a, b, *with_dates, *without, time.perf_counter() - began)
            print(f"{people:>7}{seed:>6}" + "".join(f"{value:>16.4f}" for value in row), flush=True)


if __name__ == "__main__":
    main()
