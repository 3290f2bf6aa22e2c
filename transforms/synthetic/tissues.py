"""Courses of single tissues, apart from that of insulin: whose liver worsens, whose fat tissue.

The shares and paces are judgements: a minority of people have one, nobody both, so that a pattern
has members and everybody else is a chance to find one that is not there. The pace of fat tissue
is the higher because NEFA varies by 45 % from draw to draw (clinical reference, section 5): at
the liver's pace no series of a clinic's length would show it.
"""

from __future__ import annotations

from math import log

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STREAM = 6
"""Of the seed's random numbers, those drawn here: no other quantity moves with them."""
LIVER_PACE = (log(1.08), log(1.15))
ADIPOSE_PACE = (log(1.15), log(1.25))
"""Ln units a year of the signals that carry the tissue's whole course."""
MOST_CHANGE = 1.4
"""Ln units by which a course changes at most, so that ten years do not multiply a value by ten."""
CLIMBER_EVERY = 4
"""One in so many of the enriched climbers has a worsening liver beside."""
LIVER_TRIGLYCERIDE = 0.5
"""Share of the liver's course in triglyceride, which fat tissue's own ratio shares."""


def with_courses(people: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Adds ``liver_slope``, ``adipose_slope`` (ln units a year, 0 for most), ``weight_course``.

    The latter is of climbing people only: ``follows`` insulin as body size does in everybody, or
    is ``steady``, so that weight explains nothing of the climb.

    Args:
        people: a row a person: ``class_``, ``role``, ``is_enriched``.
        seed: everything follows from it.
    """
    rng = np.random.default_rng((seed, STREAM))
    liver, adipose, coin = (pl.Series(rng.random(people.height)) for _ in range(3))
    nth = pl.col("is_enriched").cast(pl.Int64).cum_sum()
    is_chosen = pl.col("is_enriched") & (nth % CLIMBER_EVERY == 0)
    is_climbing = pl.col("class_").str.starts_with("climbing")
    # Of the enriched, who are few, every other one: no seed leaves either kind without anybody.
    follows = pl.when("is_enriched").then(nth % 2 == 0).otherwise(pl.lit(coin) < 0.5)
    word = pl.when(follows).then(pl.lit("follows")).otherwise(pl.lit("steady"))
    return people.with_columns(
        liver_slope=_paced(_is_of("liver") | is_chosen, liver, LIVER_PACE),
        adipose_slope=_paced(_is_of("adipose"), adipose, ADIPOSE_PACE),
        weight_course=pl.when(is_climbing).then(word),
    )


def change(slope: pl.Series, years: pl.Series) -> Floats:
    """Ln units by which a course has changed so many years after the first visit.

    It slows down as the simulated climbs do (:mod:`transforms.synthetic.physiology`).
    """
    changed: Floats = MOST_CHANGE * np.tanh((slope * years).to_numpy() / MOST_CHANGE)
    return changed


def _is_of(role: str) -> pl.Expr:
    return pl.col("role").eq_missing(pl.lit(role))


def _paced(has_course: pl.Expr, place: pl.Series, pace: tuple[float, float]) -> pl.Expr:
    """A pace between the two, where there is a course."""
    slow, fast = pace
    return pl.when(has_course).then(slow + pl.lit(place) * (fast - slow)).otherwise(0.0)
