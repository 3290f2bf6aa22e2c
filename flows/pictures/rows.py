"""What the rows of a series say: values, platforms, doubts, and all of it in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from math import exp
from typing import Any

Row = dict[str, Any]
DOUBTFUL = 0.2
"""P(bad) from which a used draw is doubtful, and drawn hollow."""


@dataclass(frozen=True, slots=True)
class Series:
    """One person's rows of ``fasting_pair``, of ``trend_at_draw``, and of ``trend`` if any."""

    draws: Sequence[Row]
    at_draws: Sequence[Row]
    trend: Row | None


def platform_changes(draws: Iterable[Row]) -> list[tuple[date, str]]:
    """Days of used draws that were measured on another platform than the draw before, with its
    name."""
    used = [draw for draw in draws if draw["used"]]
    return [
        (after["drawn_on"], platform_name(after))
        for before, after in pairwise(used)
        if platform_name(before) != platform_name(after) or effect_of(before) != effect_of(after)
    ]


def platform_name(draw: Row) -> str:
    """Laboratory and assay of a draw."""
    return ", ".join(filter(None, (draw["lab"], draw["assay"]))) or "assay not stated"


def is_discounted(draw: Row) -> bool:
    """Whether a draw counts for less: likely not what it says, or drawn in illness."""
    return bool(draw["is_ill"]) or (draw["p_bad"] or 0.0) >= DOUBTFUL


def use_said(draw: Row) -> str:
    """Whether a draw is used, and what is doubtful about it."""
    if not draw["used"]:
        return f"no: {draw['reason']}"
    p_bad = draw.get("p_bad") or 0.0
    doubt = f", but {p_bad:.0%} likely {draw['likely']}" if p_bad >= DOUBTFUL else ""
    return f"yes{doubt}{', counts for less: ill' if draw.get('is_ill') else ''}"


def alt_text(series: Series) -> str:
    """The numbers of the picture in words."""
    used = [draw for draw in series.draws if draw["used"]]
    unused = len(series.draws) - len(used)
    less = sum(map(is_discounted, used))
    counts = ", ".join(
        f"{n} {what}" for n, what in ((less, "count for less"), (unused, "not used")) if n
    )
    span = f" from {used[0]['drawn_on']} to {used[-1]['drawn_on']}" if used else ""
    changed = len(platform_changes(series.draws))
    said = [
        f"{len(used)} fasting draws used{span}{f' ({counts})' if counts else ''}.",
        _course(series, used, "insulin"),
        _course(series, used, "glucose"),
        f"The laboratory or assay changes {changed} times." if changed > 1 else "",
        "The laboratory or assay changes once." if changed == 1 else "",
    ]
    return " ".join(filter(None, said))


def _course(series: Series, used: Sequence[Row], analyte: str) -> str:
    """First and last value, level and slope of one analyte in a sentence."""
    unit, name = ("uIU/mL", "Insulin") if analyte == "insulin" else ("mg/dL", "Glucose")
    seen = [draw for draw in used if value_of(draw, analyte) is not None]
    parts = [
        f"{_printed(seen[0], analyte)} first, {_printed(seen[-1], analyte)} last" if seen else "",
        _level(series.trend, analyte) if series.trend else "",
    ]
    told = "; ".join(filter(None, parts))
    return f"{name}, {unit}: {told}." if told else ""


def _level(trend: Row, analyte: str) -> str:
    if analyte == "insulin":
        return (
            f"level now {trend['insulin_level_uiu_ml']:.1f} (90 % interval "
            f"{trend['insulin_level_low']:.1f} to {trend['insulin_level_high']:.1f}), "
            f"{trend['insulin_slope_pct_year']:+.0f} % a year "
            f"({trend['insulin_slope_low']:+.0f} to {trend['insulin_slope_high']:+.0f})"
        )
    return (
        f"level now {trend['glucose_level_mg_dl']:.0f} ({trend['glucose_level_low']:.0f} to "
        f"{trend['glucose_level_high']:.0f}), {trend['glucose_slope_mg_dl_year']:+.1f} a year "
        f"({trend['glucose_slope_low']:+.1f} to {trend['glucose_slope_high']:+.1f})"
    )


def _printed(draw: Row, analyte: str) -> str:
    """A value as it was measured."""
    if analyte == "glucose":
        return f"{draw['glucose_mg_dl']:.0f}"
    return f"{draw['insulin_comparator'] or ''}{draw['insulin_uiu_ml']:.1f}"


def effect_of(draw: Row) -> float:
    """What the platform adds to ln insulin, which the trend takes off."""
    return float(draw["platform_effect"] or 0.0)


def value_of(draw: Row, analyte: str) -> float | None:
    """A draw's value, insulin brought to the reference assay; None where there is none to draw."""
    column = "insulin_uiu_ml" if analyte == "insulin" else "glucose_mg_dl"
    value = draw[column]
    if value is None or not value > 0:
        return None
    return float(value) * exp(-effect_of(draw)) if analyte == "insulin" else float(value)


def now_said(trend: Row, analyte: str) -> str:
    """Level and slope in few words."""
    if analyte == "insulin":
        level, slope = trend["insulin_level_uiu_ml"], trend["insulin_slope_pct_year"]
        return f"now {level:.1f}, {slope:+.0f} % a year"
    level, slope = trend["glucose_level_mg_dl"], trend["glucose_slope_mg_dl_year"]
    return f"now {level:.0f}, {slope:+.1f} a year"
