"""Oral glucose tolerance tests: five draws of one morning, after 75 g of glucose.

The curves lie between the two of the clinical reference, section 3 (cases C and D), by fasting
insulin; one person's glucose is fine fasting and not two hours later. The draw at 0 minutes is
the visit's own; the others come as results of their own, coded as loose as laboratories code
them: by 1 and 2 hours where glucose has such a code, else by code of the analyte and instant.
"""

from __future__ import annotations

from datetime import timedelta
from math import log

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.synthetic.results import KNOWN, shown

Floats = NDArray[np.float64]

STREAM = 8
"""Of the seed's random numbers, those drawn here: no other quantity moves with them."""
MINUTES = (30, 60, 90, 120)
GLUCOSE_RISE = ((50.0, 40.0, 25.0, 10.0), (65.0, 75.0, 55.0, 35.0))
"""mg/dL above fasting at each of :data:`MINUTES`: case C, case D."""
INSULIN_TIMES = ((8.3, 9.2, 7.5, 5.0), (6.7, 10.0, 9.4, 7.8))
"""Times fasting insulin: case C, case D."""
INSULIN_OF_CASES = (6.0, 18.0)
"""Fasting insulin (uIU/mL) of the two."""
GLUCOSE_SPREAD, INSULIN_SPREAD = 0.15, 0.12
"""SD of the ln of the rise of glucose, and of the times of insulin (judgement)."""
LATE_RISE = (0.0, 25.0, 45.0, 55.0)
"""mg/dL more in the last of them, whose two-hour glucose is not fine (140 or more)."""
NOT_FINE = 140
GLUCOSE_CODES = {30: "2345-7", 60: "1507-3", 90: "2345-7", 120: "1518-0"}
"""1507-3 and 1518-0 are 1 and 2 hours after 75 g; 2345-7 claims nothing of the time."""
INSULIN_CODE = "20448-7"


def challenge_results(visit: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Rows of the draws after the first, in the shape of the laboratory's rows.

    Args:
        visit: a row per visit; those with ``begins_challenge`` have ``insulin`` (uIU/mL, as the
            assay reads it) and ``glucose`` (mg/dL) of 0 minutes.
        seed: everything follows from it.
    """
    begun = visit.filter("begins_challenge").sort("patient_id")
    rng = np.random.default_rng((seed, STREAM))
    glucose, insulin = _curves(begun, rng)
    parts = [
        _rows(begun, minutes, glucose[:, k], insulin[:, k]) for k, minutes in enumerate(MINUTES)
    ]
    return pl.concat(parts).sort("patient_id", "collected_at", "result_id")


def not_fine_after_load(challenges: pl.DataFrame) -> pl.DataFrame:
    """``person`` of those whose glucose at two hours is :data:`NOT_FINE` or more."""
    late = challenges.filter(pl.col("code") == GLUCOSE_CODES[120])
    return late.filter(pl.col("value").cast(pl.Float64) >= NOT_FINE).select("person")


def _curves(begun: pl.DataFrame, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Glucose and insulin, a row a test, a column each of :data:`MINUTES`."""
    n, (low, high) = begun.height, INSULIN_OF_CASES
    place = np.log(begun["true_insulin"].to_numpy() / low) / log(high / low)
    towards = np.clip(place, 0, 1.2)[:, None]
    size = np.exp(GLUCOSE_SPREAD * rng.standard_normal((n, 1)))
    rise = _between(GLUCOSE_RISE, towards) * size
    rise[-1:] += LATE_RISE
    times = _between(INSULIN_TIMES, towards) * np.exp(INSULIN_SPREAD * rng.standard_normal((n, 1)))
    glucose: Floats = begun["glucose"].to_numpy()[:, None] + rise
    insulin: Floats = begun["insulin"].to_numpy()[:, None] * times
    return glucose, insulin


def _between(cases: tuple[tuple[float, ...], tuple[float, ...]], towards: Floats) -> Floats:
    first, second = (np.array(case) for case in cases)
    between: Floats = first + towards * (second - first)
    return between


def _rows(begun: pl.DataFrame, minutes: int, glucose: Floats, insulin: Floats) -> pl.DataFrame:
    """Both results of one time."""
    timed = begun.with_columns(
        collected_at=pl.col("collected_at") + timedelta(minutes=minutes),
        draw_id=pl.concat_str(pl.lit("O"), "draw_id", pl.lit(f"-{minutes:03}")),
        fasting=pl.lit("no"),
    )
    return pl.concat(
        [
            _analyte(timed, "GLU", GLUCOSE_CODES[minutes], "mg/dL", "hexokinase").with_columns(
                value=_shown(glucose, 0)
            ),
            _analyte(timed, "INS", INSULIN_CODE, "u[IU]/mL", None).with_columns(
                value=_shown(insulin, 1)
            ),
        ]
    )


def _shown(values: Floats, decimals: int) -> pl.Series:
    return pl.DataFrame({"value": values}).select(shown(pl.col("value"), decimals)).to_series()


def _analyte(
    timed: pl.DataFrame, ending: str, code: str, unit: str, method: str | None
) -> pl.DataFrame:
    """Rows without their values, in the laboratory's order of columns."""
    return timed.select(
        *KNOWN,
        is_unspecific=pl.lit(value=True),
        analyte=pl.lit("challenge"),
        result_id=pl.concat_str("draw_id", pl.lit(f"-{ending}")),
        code=pl.lit(code),
        value=pl.lit(None, pl.String),
        unit=pl.lit(unit),
        assay=pl.col("assay") if method is None else pl.lit(method),
        status=pl.lit("F"),
    )
