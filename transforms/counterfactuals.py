"""What would change a status: the next draw, or another value of the newest one.

Insulin is varied over :data:`INSULIN`, as the laboratory of the newest draw measures it; all else
stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from math import exp

import numpy as np
import polars as pl

from transforms.catalog.rule import Rule
from transforms.frozen import FrozenModel, levelled
from transforms.shapes import Floats
from transforms.statuses import at_draws
from transforms.trends import trends, with_next

INSULIN = np.geomspace(1.0, 120.0, 400)
"""uIU/mL: values to try, 1.2 % apart."""
FINER = 65
"""Values tried between two of them where the finding changes: borders are known to 0.02 %."""
NEXT_DRAW_DAYS = 180
SOON = timedelta(days=28)


@dataclass(frozen=True, slots=True)
class Reach:
    """From which insulin of the next draw (uIU/mL) a tier's probability holds, and up to which;
    ``high`` is None where nothing above ends it."""

    tier: str
    low: float
    high: float | None


@dataclass(frozen=True, slots=True)
class NextDraw:
    """A next draw on a day with this glucose (mg/dL): what insulin would make of it.

    ``reaches``: tier C first; empty where no insulin makes a mark.
    """

    on: date
    glucose_mg_dl: float
    reaches: tuple[Reach, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """The finding for the newest draw's insulin from ``low`` to ``high`` (uIU/mL)."""

    low: float
    high: float
    finding: str


@dataclass(frozen=True, slots=True)
class NewestDraw:
    """What another insulin at the newest draw would have found, from the least to the most tried.

    ``falls_below``, ``falls_above``: the insulin next to the real one below and above which the
    flag falls; None where it does not within what was tried, or there is no flag.
    """

    on: date
    insulin_uiu_ml: float
    stretches: tuple[Stretch, ...]
    falls_below: float | None
    falls_above: float | None


def next_draw(
    used: pl.DataFrame, glucose: float, as_of: date, model: FrozenModel, rule: Rule
) -> NextDraw:
    """Which insulin at the next draw would make a mark, glucose as it is now.

    Args:
        used: one patient's pairs in use: ``drawn_on``, ``insulin_uiu_ml``, ``glucose_mg_dl``,
            ``platform_effect`` and what else :func:`transforms.trends.trends` reads; sorted.
        glucose: the level now, mg/dL.
        as_of: the night.
        model: the patient's own.
        rule: thresholds.
    """
    on = max(used["drawn_on"][-1] + timedelta(days=NEXT_DRAW_DAYS), as_of + SOON)
    tried = INSULIN * exp(-used["platform_effect"][-1])
    p = with_next(_level(used), on, tried, glucose, model.noise, model.prior)
    borders = (("C", rule.tier_c_p), ("B", rule.tier_b_p), ("A", rule.tier_a_p))
    found = [_reach(tier, p >= border) for tier, border in borders if (p >= border).any()]
    return NextDraw(on, glucose, tuple(found))


def _reach(tier: str, holds: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Reach:
    """Where the probability first stays at the border. There may be an upper end too: a very high
    value is rather a draw after a meal."""
    first = int(np.argmax(holds))
    ends = np.flatnonzero(~holds[first:])
    last = float(INSULIN[first + ends[0] - 1]) if ends.size else None
    return Reach(tier, float(INSULIN[first]), last)


def newest_draw(
    used: pl.DataFrame, earlier: pl.DataFrame, model: FrozenModel, rule: Rule
) -> NewestDraw:
    """What each insulin at the newest draw would have found.

    Args:
        used: as for :func:`next_draw`.
        earlier: the patient's trends after the draws before the newest
            (:func:`transforms.trends.trends`).
        model: the patient's own.
        rule: thresholds.
    """
    real = float(used["insulin_uiu_ml"][-1])
    tried = _ends(INSULIN, _findings(used, earlier, INSULIN, model, rule))
    finer = np.unique(np.concatenate([INSULIN[[0, -1]], real, *tried], axis=None))
    stretches = _stretches(finer, _findings(used, earlier, finer, model, rule))
    now = next(part.finding for part in stretches if part.low <= real <= part.high)
    fallen = [part for part in stretches if part.finding == "not_flagged"]
    if now == "not_flagged":
        fallen = []
    below = max((part.high for part in fallen if part.high < real), default=None)
    above = min((part.low for part in fallen if part.low > real), default=None)
    return NewestDraw(used["drawn_on"][-1], real, stretches, below, above)


def _level(used: pl.DataFrame) -> pl.DataFrame:
    return levelled(used.lazy().with_columns(patient_id=pl.lit("p"))).collect()


def _ends(insulin: Floats, found: list[str]) -> list[Floats]:
    """Finer values wherever the finding changes."""
    changes = [k for k in range(1, len(found)) if found[k] != found[k - 1]]
    return [np.geomspace(insulin[k - 1], insulin[k], FINER) for k in changes]


def _findings(
    used: pl.DataFrame, earlier: pl.DataFrame, insulin: Floats, model: FrozenModel, rule: Rule
) -> list[str]:
    """The rule's finding for each value; a value is a patient of its own."""
    is_newest = pl.col("drawn_on") == used["drawn_on"][-1]
    people = pl.DataFrame({"patient_id": [f"{k:05d}" for k in range(len(insulin))], "is": insulin})
    pairs = used.drop("patient_id", strict=False).join(people, how="cross")
    varied = pairs.with_columns(
        insulin_uiu_ml=pl.when(is_newest).then("is").otherwise("insulin_uiu_ml"),
        insulin_comparator=pl.when(~is_newest).then("insulin_comparator"),
    )
    newest = trends(
        levelled(varied.lazy()),
        model.noise,
        model.prior,
        insulin_limit=rule.insulin_upper_limit,
        latest_only=True,
    )
    before = earlier.drop("patient_id", strict=False).join(people.drop("is"), how="cross")
    series = pl.concat([before, newest.collect()], how="diagonal")
    alone = series.with_columns(p_without_one=pl.lit(None, dtype=pl.Float64))
    found = at_draws(alone.lazy(), varied.lazy(), rule).group_by("patient_id").last()
    return found.sort("patient_id").collect()["finding"].to_list()


def _stretches(insulin: Floats, found: list[str]) -> tuple[Stretch, ...]:
    starts = [0, *(k for k in range(1, len(found)) if found[k] != found[k - 1])]
    ends = [*(k - 1 for k in starts[1:]), len(found) - 1]
    return tuple(
        Stretch(float(insulin[a]), float(insulin[b]), found[a])
        for a, b in zip(starts, ends, strict=True)
    )


def changes(status: str, n_pairs: int, then: NextDraw | None, rule: Rule) -> list[str]:
    """What the next draw would have to be for another outcome, in sentences.

    Args:
        status: tonight's.
        n_pairs: fasting pairs used.
        then: :func:`next_draw`, where there are enough pairs.
        rule: thresholds.
    """
    if status == "excluded":
        return ["The rule applies again when the ground for exclusion is gone."]
    if then is None or n_pairs < rule.min_pairs - 1:
        return [f"{rule.min_pairs} usable fasting pairs over {rule.min_span_days} days."]
    when = f"A fasting draw on {then.on} with glucose {then.glucose_mg_dl:.0f} mg/dL"
    return [f"{when} and insulin {text}" for text in _reached(then.reaches)]


def _reached(reaches: tuple[Reach, ...]) -> list[str]:
    if not reaches:
        return ["of any size: no mark"]
    low = reaches[0].low
    below = f"below {low:.1f}: no mark" if low > INSULIN[0] else "of any size: a mark"
    above = [f"{_range(reach)}: probability enough for tier {reach.tier}" for reach in reaches]
    return [below, *above]


def _range(reach: Reach) -> str:
    up_to = "or more" if reach.high is None else f"to {reach.high:.1f}"
    return f"{reach.low:.1f} {up_to}"


def fallen(newest: NewestDraw | None) -> list[str]:
    """From which insulin of the newest draw the flag would fall, in sentences; none without one."""
    if newest is None:
        return []
    was = f"of {newest.on} been {{}} (it was {newest.insulin_uiu_ml:.4g}), the flag would fall."
    borders = (("below", newest.falls_below), ("above", newest.falls_above))
    return [
        f"Had insulin {was.format(f'{side} {value:.4g} uIU/mL')}"
        for side, value in borders
        if value is not None
    ]
