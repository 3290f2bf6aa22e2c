"""Evidence for or against fasting at a draw: one record each, with its likelihood ratio.

A ratio says how many times as often the thing is seen of people who are fasting as of those who
are not. Ratios were measured on simulated mornings (:mod:`transforms.synthetic.mornings`, seed
7001) in two worlds, and a cautious number between the two or nearer to 1 was chosen by judgement,
for people and sensors are less tidy than a simulation; where a study gives a number, the record
names it.

Evidence of one family is of one fact, so within a family only the first record that applies
counts: sleep and the clock both tell how long the day has been going on, a label and the hours
stated are one answer of one person. Nothing is counted for what everybody does: ten hours without
food behind a label "yes", a draw between 5 and 11, steps on the way to the laboratory (who has
eaten walks there as well: a ratio of 1, so there is no record). Waking shortly before the draw
counts only where no sensor speaks: after a breakfast of ten minutes ago the line is still flat
(in simulation a flat line has a ratio of 6.1 after waking within an hour and a half, of 9.3 when
up for longer, and in the hard world of 3.9 and 4.1), so the two must not be multiplied. Being up
for more than five hours does count beside a sensor: it is as rare of the fasting with a flat line
as without.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

FASTING_RATES: dict[str, float] = {"yes": 0.95, "unknown": 0.5, "no": 0.03}
"""P(fasting) by what the label says, before any evidence.

yes: the trend model's own rate of contaminated draws, 5 % (:mod:`transforms.catalog.prior`);
unknown: of 493 people drawn between 7 and 12, 49 % had fasted (Diabetes Care 2019;42:e133);
no: judgement, a slip of the pen.
"""
MOST_RATIO = 50.0
"""All evidence together weighs no more than so many to one, either way (judgement)."""
CONTAMINATED = (0.002, 0.9)
"""Bounds on the rate of not fasting that a draw brings to the trend model (judgement)."""

FLAT, SMALL_RISE, RISE, HIGH_RISE = 15.0, 25.0, 30.0, 40.0
"""mg/dL, see :mod:`transforms.fasting_evidence`. In four hours 97 % of simulated fasting people
stay below the second and 99.9 % below the last (in the hard world 86 % and 99 %); after breakfast
glucose rises by 50 +- 17 (Freckmann 2007, J Diabetes Sci Technol 1:695). At dawn it rises by 16
(median) over hours, and that in type 2 diabetes (Monnier 2013, Diabetes Care 36:4057): by less
than the first in one."""
COVERED = 0.8
"""Share of the eight hours, and of them the last half hour, that a sensor must have seen to tell
that nothing happened."""
SOON_H, LONG_H = 3.0, 5.0
"""Hours awake at the draw: so few that many have not eaten, so many that most have (judgement)."""
NOON_H, AFTERNOON_H, LONGEST_H = 11.0, 13.0, 24.0
"""Local hour from which ever fewer people fast; a longer fast than the last is not believed."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """One thing that may be seen of a draw.

    ``applies`` and ``shows`` are expressions of the measures of
    :mod:`transforms.fasting_evidence`; ``shows`` fill the places of ``sentence``, in order.
    """

    name: str
    family: str
    applies: pl.Expr
    ratio: float
    sentence: str
    shows: tuple[pl.Expr, ...]
    citation: str
    reviewed: date = date(2026, 11, 22)
    next_review: date = date(2027, 11, 22)


def _of(name: str, digits: int = 0) -> pl.Expr:
    rounded = pl.col(name).round(digits)
    return rounded.cast(pl.Int64).cast(pl.String) if digits == 0 else rounded.cast(pl.String)


_LATE, _EARLY = pl.col("late_rise_mg_dl"), pl.col("early_rise_mg_dl")
_AWAKE, _HOUR, _HOURS = pl.col("awake_h"), pl.col("local_hour"), pl.col("fasting_hours")
_HIGH, _RISEN, _TRAINED = _LATE >= HIGH_RISE, _LATE >= SMALL_RISE, pl.col("is_trained")
_IS_SEEN = (pl.col("covered") >= COVERED) & pl.col("is_seen_to_end")
_IS_FLAT = _IS_SEEN & (_LATE < FLAT) & (_EARLY < SMALL_RISE)
_LATE_RISE = (_of("late_rise_mg_dl"), pl.col("late_at"), _of("late_h", 1))
_EARLY_RISE = (_of("early_rise_mg_dl"), pl.col("early_at"), _of("early_h", 1))
_ROSE = "sensor: glucose rose by {} mg/dL at {}, {} h before the draw"
_SLEPT = "sleep: awake for {} h at the draw"
_DRAWN = "hour: drawn at {}"
_SIMULATED = "simulated, seed 7001, in the base and the hard world: {}"

EVIDENCE: tuple[Evidence, ...] = (
    Evidence(
        "high_rise_after_workout", "sensor", _HIGH & _TRAINED, 1 / 5, _ROSE + ", after a workout",
        _LATE_RISE, _SIMULATED.format(".03 and .17"),
    ),
    Evidence(
        "rise_after_workout", "sensor", _RISEN & _TRAINED, 1.0, _ROSE, _LATE_RISE,
        _SIMULATED.format("25 to 30: 1.7 and 1.5, 30 to 40: .5 and .8")
        + "; hard exercise lifts glucose without food",
    ),
    Evidence(
        "high_rise", "sensor", _HIGH, 1 / 15, _ROSE, _LATE_RISE,
        _SIMULATED.format(".005 and .06") + "; before and after real breakfasts .12 to .18"
        " (Shanghai T1DM, who eat after their insulin)",
    ),
    Evidence(
        "rise", "sensor", _LATE >= RISE, 1 / 5, _ROSE, _LATE_RISE,
        _SIMULATED.format("30 to 35: .05 and .30, 35 to 40: .01 and .14"),
    ),
    Evidence(
        "small_rise", "sensor", _RISEN, 1 / 2, _ROSE, _LATE_RISE, _SIMULATED.format(".22 and .67")
    ),
    Evidence(
        "early_rise", "sensor", _EARLY >= RISE, 1 / 4, _ROSE, _EARLY_RISE,
        _SIMULATED.format("30 to 40: .01 and .12, more: .001 and .03, for nothing in 8 h")
        + "; three hours after food glucose is that of a fast (Moebus 2011, Eur J Epidemiol"
        " 26:719), so that it spoils a draw less",
    ),
    Evidence(
        "flat", "sensor", _IS_FLAT, 3.0,
        "sensor: no rise in the 8 h before the draw ({} % of them seen)",
        (_of("covered_pct"),),
        _SIMULATED.format("6.8 and 3.3") + "; around real breakfasts 3.0 (Shanghai T1DM)",
    ),
    Evidence(
        "long_awake", "routine", _AWAKE > LONG_H, 0.5, _SLEPT, (_of("awake_h", 1),),
        _SIMULATED.format(".22 in both"),
    ),
    Evidence(
        "soon_after_sleep", "routine", (_AWAKE <= SOON_H) & _LATE.is_null(), 1.3, _SLEPT,
        (_of("awake_h", 1),), _SIMULATED.format("1.5 in both, but 1 of mornings alone")
        + "; from 7 to 8, 65 % had fasted, of all 49 % (Diabetes Care 2019;42:e133)",
    ),
    Evidence(
        "awake", "routine", _AWAKE.is_not_null(), 1.0, _SLEPT, (_of("awake_h", 1),),
        "judgement: who sleeps by day is drawn by day; the clock adds nothing to it",
    ),
    Evidence(
        "afternoon", "routine", _HOUR >= AFTERNOON_H, 0.35, _DRAWN, (pl.col("drawn_time"),),
        _SIMULATED.format(".2 in both"),
    ),
    Evidence(
        "noon", "routine", _HOUR >= NOON_H, 0.5, _DRAWN, (pl.col("drawn_time"),),
        "from 11 to 12, 31 % had fasted, of all 49 %: .47 (Diabetes Care 2019;42:e133)",
    ),
    Evidence(
        "fasted_short", "stated", (_HOURS < 8) & (pl.col("label") != "no"), 1 / 20,
        "stated: {} h without food", (_of("fasting_hours", 1),),
        "ADA: fasting is 8 h; the rest judgement",
    ),
    Evidence(
        "fasted_overnight", "stated",
        _HOURS.is_between(10, 14) & (pl.col("label") == "unknown"), 19.0,
        "stated: {} h without food", (_of("fasting_hours", 1),),
        "as sure as the label: odds of .95",
    ),
    Evidence(
        "fasted_long", "stated",
        _HOURS.is_between(8, LONGEST_H) & (pl.col("label") == "unknown"), 10.0,
        "stated: {} h without food", (_of("fasting_hours", 1),),
        "judgement: a little less usual than a night",
    ),
)  # fmt: skip
"""In order: of a family the first that applies is the one that counts."""
FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(item.family for item in EVIDENCE))
