"""How well evidence tells fasting from fed where the truth is known: on simulated mornings.

The likelihood ratios of evidence were measured on mornings of seed 7001; they are to be judged on
other seeds, and on worlds they were not measured in.
Simulated people are tidier than people: this measures the reading of evidence, not its worth in
a clinic.

Measured on 20,000 draws (base world, seed 7011; hard world, seed 7012), labels "yes" only: area
under the curve .89 (hard .80) with a sensor, .67 (.66) with the hour or sleep alone; Brier score
.029 (.042) with a sensor where the label alone has .043 (.050). Claims are cautious: where less
than .1 is claimed 2 % had fasted (hard 5 %), where .75 is claimed 87 % (82 %). Coffee with milk
and slow breakfasts are missed about every second time.

Real meals (Shanghai T1DM, 15 workbooks): 75 % of breakfasts rise by 25 mg/dL within 90 minutes,
and 16 % of nights without food until 5; area under the curve .80 against the minutes before
breakfast. In one person with type 1 diabetes (t1d_uom, first dose of the day as the meal) nothing
could be told (.52): evidence of a sensor is for people without diabetes.
"""

from __future__ import annotations

import polars as pl

from transforms.catalog.fasting import FASTING_RATES
from transforms.fasting_evidence import DRAW, fasting_evidence
from transforms.synthetic.mornings import Mornings
from transforms.validation import calibration, calibration_error, ranking

AVAILABLE = {
    "sensor and sleep": (True, True),
    "sensor": (True, False),
    "sleep": (False, True),
    "neither": (False, False),
}
"""What is known of every draw besides its label and its hour: of a sensor, and of sleep."""


def claimed(made: Mornings, *, has_sensor: bool, has_sleep: bool) -> pl.DataFrame:
    """What is claimed of every draw, and the truth.

    Returns:
        ``patient_id``, ``drawn_on``, ``label``, ``habit``, ``is_fasting``, ``prior`` (P by the
        label alone), ``p_fasting`` (the same where nothing speaks), ``is_spoken_of``, by patient.
    """
    found = fasting_evidence(
        made.draws.lazy(),
        _given(made.glucose, available=has_sensor),
        _given(made.sleep, available=has_sleep),
        _given(made.activity, available=has_sleep),
    ).collect()
    prior = pl.col("label").replace_strict(FASTING_RATES, return_dtype=pl.Float64)
    return (
        made.draws.join(made.truth, on=DRAW)
        .join(found, on=DRAW, how="left")
        .select(
            *(*DRAW, "label", "habit", "is_fasting"),
            prior=prior,
            p_fasting=pl.coalesce("p_fasting", prior),
            is_spoken_of=pl.col("p_fasting").is_not_null(),
        )
        .sort(DRAW)
    )


def _given(frame: pl.DataFrame, *, available: bool) -> pl.LazyFrame:
    return frame.lazy() if available else frame.clear().lazy()


def scores(made: Mornings) -> pl.DataFrame:
    """Per :data:`AVAILABLE` and label (and of all labels), how good the claims are.

    Returns:
        ``available``, ``label``, ``draws``, ``spoken_of`` (share with any evidence), ``auroc``
        (of fasting; not a number where all are alike), ``brier`` and ``brier_prior`` (of the
        label alone), ``calibration_error`` (mean distance of claim and truth, by tenths).
    """
    rows = []
    for available, (has_sensor, has_sleep) in AVAILABLE.items():
        claims = claimed(made, has_sensor=has_sensor, has_sleep=has_sleep)
        rows += [
            {"available": available, "label": label} | score(claims.filter(of))
            for label, of in [("all", pl.lit(value=True)), *_by_label()]
        ]
    return pl.DataFrame(rows)


def _by_label() -> list[tuple[str, pl.Expr]]:
    return [(label, pl.col("label") == label) for label in FASTING_RATES]


def score(claims: pl.DataFrame) -> dict[str, float]:
    """The numbers of :func:`scores` of some claims.

    Raises:
        ZeroDivisionError: no claims.
    """
    p, hit = claims["p_fasting"].to_numpy(), claims["is_fasting"].to_numpy()
    squares = [((claims[of].to_numpy() - hit) ** 2).mean() for of in ("p_fasting", "prior")]
    return {
        "draws": claims.height,
        "spoken_of": claims["is_spoken_of"].to_numpy().mean(),
        "auroc": ranking(p, hit).auroc,
        "brier": squares[0],
        "brier_prior": squares[1],
        "calibration_error": calibration_error(calibration(p, hit)),
    }


def reliability(claims: pl.DataFrame) -> pl.DataFrame:
    """By tenth of the claim: ``low``, ``high``, ``draws``, ``claimed``, ``true``, ``error``."""
    bins = calibration(claims["p_fasting"].to_numpy(), claims["is_fasting"].to_numpy())
    names = ("low", "high", "people", "claimed", "true", "error")
    rows = [{name: getattr(found, name) for name in names} for found in bins if found.people]
    return pl.DataFrame(rows).rename({"people": "draws"})


def by_habit(claims: pl.DataFrame) -> pl.DataFrame:
    """By what people did: ``habit``, ``draws``, ``p_fasting`` (mean), ``doubted`` (share < .5)."""
    p = pl.col("p_fasting")
    return (
        claims.group_by("habit")
        .agg(draws=pl.len(), p_fasting=p.mean(), doubted=(p < 0.5).mean())
        .sort("habit")
    )
