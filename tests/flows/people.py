"""Rows of a few people, as the warehouse holds them: what pictures, mails and pages are shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from math import exp, log
from typing import Any

from flows.pictures.rows import Series

Row = dict[str, Any]
FIRST = date(2018, 2, 10)
DAYS = (0, 340, 700, 1090, 1400, 1800, 2200, 2500, 2900)
INSULIN = (4.8, 6.9, 6.1, 9.5, 16.0, 12.9, 22.0, 20.1, 29.0)
GLUCOSE = (88, 90, 86, 91, 95, 88, 89, 92, 90)
LEVELS = (5.2, 6.2, 6.6, 8.4, 10.5, 12.4, 17.0, 20.0, 27.0)
EVIL = "<script>alert('1')</script>\"&\u202eevil\u0000\n=cmd()"
"""Markup, a mark that turns text, a null, the end of a line, a formula."""


def draw(on: date, insulin: float | None, glucose: float | None, **facts: Any) -> Row:
    """A row of ``fasting_pair``; ``facts`` replace what is usual."""
    usual = {
        "drawn_on": on,
        "insulin_uiu_ml": insulin,
        "glucose_mg_dl": glucose,
        "used": True,
        "reason": None,
        "p_bad": 0.02,
        "likely": "non-fasting",
        "is_ill": False,
        "lab": "Lab A",
        "assay": "Assay A",
        "platform_effect": 0.0,
        "insulin_comparator": None,
    }
    return usual | facts


def trend(on: date, insulin: float, glucose: float, width: float = 0.2) -> Row:
    """A row of ``trend`` or ``trend_at_draw``."""
    return {
        "drawn_on": on,
        "last_on": on,
        "insulin_level_uiu_ml": insulin,
        "insulin_level_low": insulin * exp(-width),
        "insulin_level_high": insulin * exp(width),
        "insulin_slope_pct_year": 18.4,
        "insulin_slope_low": 10.2,
        "insulin_slope_high": 27.1,
        "glucose_level_mg_dl": glucose,
        "glucose_level_low": glucose - 16 * width,
        "glucose_level_high": glucose + 16 * width,
        "glucose_slope_mg_dl_year": 0.4,
        "glucose_slope_low": -0.3,
        "glucose_slope_high": 1.2,
        "p_climbing_unseen": 0.97,
        "p_insulin_climbing": 0.99,
        "p_glucose_fine": 0.98,
    }


def climbing() -> Series:
    """Nine draws of eight years, one of them doubtful, and one that is not used."""
    days = [FIRST + timedelta(days=n) for n in DAYS]
    draws = [draw(*facts) for facts in zip(days, INSULIN, GLUCOSE, strict=True)]
    draws[4]["p_bad"] = 0.6
    stray = draw(FIRST + timedelta(days=2000), 44.0, 118, used=False, reason="not fasting")
    levels = enumerate(zip(days, LEVELS, strict=True))
    at_draws = [trend(on, level, 89.5, 0.5 / (k + 1) ** 0.5) for k, (on, level) in levels]
    return Series([*draws[:6], stray, *draws[6:]], at_draws, at_draws[-1])


def moved() -> Series:
    """The same, measured by three laboratories; the first value is a lower limit of the assay,
    the last an upper one, and in between somebody was ill."""
    made = climbing()
    for place, row in enumerate(made.draws):
        if 3 <= place < 7:
            row |= {"lab": "Lab B", "assay": "Elecsys", "platform_effect": log(1.3)}
            row["insulin_uiu_ml"] *= 1.3
        elif place >= 7:
            row |= {"lab": "Policlinico", "assay": "Access"}
    made.draws[0] |= {"insulin_uiu_ml": 2.0, "insulin_comparator": "<"}
    made.draws[-1] |= {"insulin_uiu_ml": 60.0, "insulin_comparator": ">"}
    made.draws[-2] |= {"is_ill": True}
    return made


def hostile() -> Series:
    """The same, by a laboratory whose name is an attack."""
    made = moved()
    for row in made.draws[3:]:
        row |= {"lab": EVIL, "assay": EVIL}
    return made


def short() -> Series:
    """Three draws of half a year, insulin missing once, glucose high."""
    on = date(2025, 9, 1)
    days = [on, on + timedelta(days=100), on + timedelta(days=210)]
    draws = [draw(days[0], 9.0, 101), draw(days[1], None, 99), draw(days[2], 11.0, 134)]
    at_draws = [trend(days[0], 9.0, 101, 0.4), trend(days[2], 10.5, 115, 0.3)]
    return Series(draws, at_draws, at_draws[-1])


def single() -> Series:
    """One draw that is not used, and no trend."""
    return Series([draw(date(2026, 1, 5), 7.0, None, used=False, reason="no glucose")], [], None)


PEOPLE: dict[str, Callable[[], Series]] = {
    "climbing": climbing,
    "moved": moved,
    "hostile": hostile,
    "short": short,
    "single": single,
}
