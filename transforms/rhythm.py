"""Freshness and volume: whether a feed is silent, or sends far more or fewer rows than it does.

A feed's rhythm is, per weekday, the share of days on which it sent: of the last twelve weeks
before it last sent, drawn a little towards the feed's share of all days. The probability that a
feed of that rhythm is silent since then is the product over the days since; below one in ten it
is an alarm. A feed that sends on working days is not late on Sunday, and one that sends daily is
late the same night.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from statistics import median
from typing import Any

import polars as pl

WINDOW = timedelta(weeks=12)
FEWEST_ARRIVALS = 6
"""Arrivals before a feed has a rhythm."""
SILENT_P = 0.10
FEW, MANY = 0.2, 5.0
"""Times the usual number of rows."""
SPREAD = 3.0
"""Standard deviations of a count that must lie between."""

CHECK = {
    "source": pl.String,
    "analyte": pl.String,
    "last_on": pl.Date,
    "arrivals": pl.Int64,
    "p_silence": pl.Float64,
    "rows_tonight": pl.Int64,
    "rows_usual": pl.Float64,
    "alarm": pl.String,
}


def feed_checks(arrivals: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """One row per feed, with an alarm (``silent``, ``few``, ``many``) or none.

    Args:
        arrivals: ``source``, ``analyte``, ``known_on`` (date), ``rows``: what came and when.
        as_of: tonight.
    """
    feeds = arrivals.group_by("source", "analyte", maintain_order=True)
    found = [
        {"source": source, "analyte": analyte} | _check(_by_day(days), as_of)
        for (source, analyte), days in feeds
    ]
    return pl.DataFrame(found, schema=CHECK).sort("source", "analyte")


def _by_day(days: pl.DataFrame) -> dict[date, int]:
    return dict(days.select("known_on", "rows").rows())


def _check(rows: Mapping[date, int], as_of: date) -> dict[str, Any]:
    last = max(rows)
    silence = _p_silence(rows, last, as_of)
    usual = _usual(rows, as_of)
    tonight = rows.get(as_of, 0)
    return {
        "last_on": last,
        "arrivals": len(rows),
        "p_silence": silence,
        "rows_tonight": tonight,
        "rows_usual": usual,
        "alarm": _alarm(silence, tonight, usual),
    }


def _alarm(silence: float | None, tonight: int, usual: float | None) -> str | None:
    if silence is not None and silence < SILENT_P:
        return "silent"
    if not tonight or usual is None:
        return None
    spread = SPREAD * math.sqrt(usual)
    if tonight < FEW * usual and tonight < usual - spread:
        return "few"
    if tonight > MANY * usual and tonight > usual + spread:
        return "many"
    return None


def _p_silence(days: Mapping[date, int], last: date, as_of: date) -> float | None:
    """P(a feed of this rhythm is silent from the day after ``last`` to ``as_of``)."""
    if len(days) < FEWEST_ARRIVALS:
        return None
    first = max(min(days), last - WINDOW)
    past = [first + timedelta(days=at) for at in range((last - first).days + 1)]
    share = (sum(day in days for day in past) + 0.5) / (len(past) + 1)
    since = [last + timedelta(days=at + 1) for at in range((as_of - last).days)]
    return math.prod(1 - _share(days, past, day.weekday(), share) for day in since)


def _share(days: Mapping[date, int], past: Sequence[date], weekday: int, share: float) -> float:
    alike = [day for day in past if day.weekday() == weekday]
    return (sum(day in days for day in alike) + share) / (len(alike) + 1)


def _usual(rows: Mapping[date, int], as_of: date) -> float | None:
    """The median of what came on this weekday before; of all days where those are few."""
    past = {day: n for day, n in rows.items() if as_of - WINDOW <= day < as_of}
    if len(past) < FEWEST_ARRIVALS:
        return None
    alike = [n for day, n in past.items() if day.weekday() == as_of.weekday()]
    return float(median(alike if len(alike) >= FEWEST_ARRIVALS // 2 else past.values()))
