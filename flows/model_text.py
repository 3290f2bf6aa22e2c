"""What ``undertow model`` says: the trend model in force, where it is from, how it fares."""

from __future__ import annotations

from dataclasses import asdict
from math import exp, expm1, sqrt
from typing import Any

import duckdb

from flows.explain import bars
from transforms.frozen import FrozenModel, decoded
from warehouse.store import frame

Rows = list[dict[str, Any]]


def in_force(con: duckdb.DuckDBPyConnection) -> tuple[dict[str, Any], str]:
    """The newest model with the checks of the published night, for machines and for people."""
    models = frame(con, "SELECT * FROM model ORDER BY in_force_from")
    model = decoded(models["content"][-1])
    judged = frame(
        con, "SELECT model_version, count(*) AS patients FROM trend GROUP BY 1 ORDER BY 1"
    ).to_dicts()
    checks = frame(
        con,
        "SELECT * FROM prediction_check WHERE grouped_by <> 'lab' "
        "ORDER BY analyte DESC, grouped_by, level",
    ).to_dicts()
    listed = frame(con, "SELECT * FROM list_check").to_dicts()[0]
    payload = {
        "model": asdict(model),
        "versions": models.drop("content").to_dicts(),
        "patients_by_version": judged,
        "prediction_check": checks,
        "list_check": listed,
    }
    lines = [
        *_head(model, judged),
        *_noise(model),
        *_prior(model),
        *_platforms(model),
        *_list(listed),
        *_forecasts(checks),
    ]
    return payload, "\n".join(lines)


def _head(model: FrozenModel, judged: Rows) -> list[str]:
    shares = ", ".join(f"{row['patients']:,} by {row['model_version']}" for row in judged)
    since = "" if model.in_force_from.year == 1 else f", in force since {model.in_force_from}"
    return [
        f"Trend model {model.version}{since}, from {model.prior.people:,} people",
        f"  {model.prior.provenance}",
        f"  Patients judged: {shares or 'none'}",
    ]


def _noise(model: FrozenModel) -> list[str]:
    noise = model.noise
    scales = ", ".join(f"x{scale:g} in {share:.0%}" for scale, share in noise.scales)
    bad = ", ".join(f"{item.name} {item.rate:.1%}" for item in noise.contaminations)
    return [
        "",
        "  Noise of one draw",
        f"    insulin CV {_cv(noise.insulin_sd):.1f} % (people differ: {scales}), "
        f"glucose CV {_cv(noise.glucose_sd):.1f} %, correlation {noise.correlation:.2f}",
        f"    draws that are not what their label says: {bad or 'none'}",
    ]


def _cv(sd: float) -> float:
    """Coefficient of variation in percent of a lognormal whose logarithm has that SD."""
    return 100 * sqrt(expm1(sd * sd))


def _prior(model: FrozenModel) -> list[str]:
    prior = model.prior
    rows = zip(prior.weights, prior.means, prior.covariances, strict=True)
    return ["", "  How people differ, before the first draw"] + [
        f"    {weight:6.1%}  insulin {exp(mean[0]):5.1f} uIU/mL, {100 * expm1(mean[1]):+5.1f} % "
        f"a year (SD {100 * spread[1][1] ** 0.5:.1f}); glucose {exp(mean[2]):4.0f} mg/dL, "
        f"{exp(mean[2]) * mean[3]:+.1f} a year"
        for weight, mean, spread in rows
    ]


def _platforms(model: FrozenModel) -> list[str]:
    if not model.platforms:
        return ["", "  Platforms: no effects; a series is broken where the assay changes"]
    return ["", "  Platforms (insulin against the first of each group)"] + [
        f"    {100 * expm1(p.effect):+6.1f} % +- {100 * p.se:.1f}  {p.lab or '-'}, {p.assay or '-'}"
        f"{f' from {p.from_on} (found)' if p.from_on else ''}, {p.people:,} people; "
        f"group {p.bridge}"
        for p in sorted(model.platforms, key=lambda p: (p.bridge, -p.people))
    ]


def _list(check: dict[str, Any]) -> list[str]:
    if not check["n_listed"]:
        return ["", f"  List: nobody marked with tier A or B of {check['n_evaluated']:,} evaluated"]
    held = f"; HELD BACK: {check['held_because']}" if check["is_held"] else ""
    return [
        "",
        f"  List: {check['n_listed']:,} marked with tier A or B of {check['n_evaluated']:,} "
        f"evaluated; false by the model {check['false_claimed']:.0%}, by shuffled draws "
        f"{check['false_shuffled']:.0%}{held}",
    ]


def _forecasts(checks: Rows) -> list[str]:
    if not checks:
        return []
    return ["", "  Newest draws inside their forecast: 50 %, 90 %, and by tenths of it"] + [
        f"    {row['analyte']:<8} {_group(row):<9} {row['n']:>7,}  {row['coverage_50_pct']:3.0f}  "
        f"{row['coverage_90_pct']:3.0f}  {_tenths(row['pit_deciles'])}"
        for row in checks
    ]


def _group(row: dict[str, Any]) -> str:
    return "all" if row["grouped_by"] == "all" else f"{row['level']} draws"


def _tenths(counts: list[int]) -> str:
    return bars([float(count) for count in counts], (0.0, float(max(counts, default=1))))
