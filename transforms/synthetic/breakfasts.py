"""The mornings of draws: when the person woke, and when they ate, as sensors and phones see it.

Who was fasting eats after the draw, who was not before it (:mod:`transforms.synthetic.physiology`
says which). Hours are judgements.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from transforms.synthetic.people import WATCHED

STREAM = 9
"""Of the seed's random numbers, those drawn here: no other quantity moves with them."""
FED_BEFORE_H = (0.7, 2.5)
"""Hours from breakfast to a draw after it."""
FASTED_AFTER_H = (0.4, 1.0)
"""Hours from a draw to breakfast after it."""
WOKE_BEFORE_DRAW_H, WOKE_BEFORE_MEAL_H = (0.5, 2.0), (0.15, 0.5)
"""Hours from waking: of the fasting to the draw, of the others to breakfast."""
EARLIEST_MEAL_H = 5.25


def with_breakfasts(visit: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Adds ``ate_h`` and ``woke_h``: hours of the day of the draw.

    Args:
        visit: a row per visit: ``collected_at`` (wall clock), ``contamination``.
        seed: everything follows from it.
    """
    rng = np.random.default_rng((seed, STREAM))
    n, at = visit.height, pl.col("collected_at").dt
    drawn = visit.select(at.hour() + at.minute() / 60).to_series().to_numpy()
    is_fed = (visit["contamination"] == "non_fasting").to_numpy()
    before, after = rng.uniform(*FED_BEFORE_H, n), rng.uniform(*FASTED_AFTER_H, n)
    fed = np.maximum(drawn - before, EARLIEST_MEAL_H)
    ate = np.where(is_fed, fed, drawn + after)
    waking = np.where(
        is_fed,
        fed - rng.uniform(*WOKE_BEFORE_MEAL_H, n),
        drawn - rng.uniform(*WOKE_BEFORE_DRAW_H, n),
    )
    return visit.with_columns(ate_h=pl.Series(ate), woke_h=pl.Series(waking))


def watched_draws(visit: pl.DataFrame, roles: Sequence[str]) -> pl.DataFrame:
    """``person``, ``patient_id``, ``drawn_on``: the draw that devices of these roles watch.

    Of the first of :data:`transforms.synthetic.people.WATCHED`, the last after food; of others,
    the last.

    Args:
        visit: a row per visit: ``person``, ``patient_id``, ``role``, ``contamination``,
            ``drawn_on``.
        roles: whose.
    """
    fits = (pl.col("role") != WATCHED[0]) | (pl.col("contamination") == "non_fasting")
    candidates = visit.filter(pl.col("role").is_in(roles) & fits).sort("person", "drawn_on")
    return candidates.group_by("person", "patient_id", maintain_order=True).agg(
        pl.col("drawn_on").last()
    )
