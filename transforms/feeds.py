"""Feeds: what one laboratory of one source sends of one analyte, file by file.

A laboratory that changes its unit and not its label raises every value by one factor overnight.
No single row shows it; the file's centre does. So each file's centre is compared with that of the
feed before it. Where another unit of the analyte explains a jump and the stated one does not, the
file's rows of that feed are held, other feeds go on, and nothing is converted: a person decides.

Numbers are compared as logarithms of canonical values. A file with few rows is judged together
with those just before it, so that a feed of three rows a night is not beyond notice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from transforms.catalog.units import FACTORS

FEED = ("source", "lab", "analyte", "timing")
FEWEST = 10
"""Rows that are judged together, at least."""
BEFORE = 30
"""Rows a feed must have shown before anything can be held."""
MEMORY = 500.0
"""Rows that the past weighs, at most: a clinic's patients change over years."""
LEAST_LN = math.log(1.5)
"""Units nearer than this cannot be told apart by a file's centre."""
NEAR = 0.25
"""How near, as a share of the jump, another unit must bring the file's centre to the past's."""
ERRORS = 5.0
"""Standard errors that the jump must exceed."""

UNITS: dict[str, dict[str, tuple[float, float]]] = {}
for _factor in FACTORS:
    UNITS.setdefault(_factor.analyte, {})[_factor.unit] = (_factor.factor, _factor.offset)


@dataclass
class _Centre:
    """Rows, mean and variance of ln values."""

    n: float = 0.0
    mean: float = 0.0
    m2: float = 0.0

    def with_more(self, n: float, mean: float, m2: float) -> _Centre:
        total = self.n + n
        apart = mean - self.mean
        return _Centre(
            total,
            self.mean + apart * n / total,
            self.m2 + m2 + apart**2 * self.n * n / total,
        )

    def faded(self) -> _Centre:
        share = min(1.0, MEMORY / self.n) if self.n else 1.0
        return _Centre(self.n * share, self.mean, self.m2 * share)

    @property
    def variance(self) -> float:
        return self.m2 / self.n if self.n else 0.0


@dataclass
class _Feed:
    past: _Centre = field(default_factory=_Centre)
    recent: _Centre = field(default_factory=_Centre)
    approval: int | None = None

    def taken(self, row: Mapping[str, Any]) -> str | None:
        """The unit that explains the row's jump, if it is one; else the row joins the past."""
        mean, m2 = _ln_canonical(row, row["ucum"]), row["n"] * row["var_ln"]
        window = self.recent.with_more(row["n"], mean, m2)
        if row["approval"] not in (None, self.approval):  # a decision is a new beginning, once
            self.past, self.recent = _Centre(row["n"], mean, m2), _Centre()
            self.approval = row["approval"]
            return None
        if self.past.n >= BEFORE and window.n >= FEWEST:
            likely = _likely(self.past, window, row)
            if likely:
                return likely
        self.recent = window
        if window.n >= FEWEST:
            self.past = self.past.with_more(window.n, window.mean, window.m2).faded()
            self.recent = _Centre()
        return None


def switches(files: pl.DataFrame) -> pl.DataFrame:
    """Which files' feeds jumped as if their unit had changed.

    Args:
        files: one row per file, :data:`FEED`, and ``ucum`` as stated: ``file_id`` (the order of
            arrival), ``n`` rows with a positive number, ``mean_ln`` and ``var_ln`` of the
            numbers as stated, ``approval`` (the number of a person's decision about these rows).

    Returns:
        ``file_id``, :data:`FEED`, ``ucum``, ``likely_unit`` of every file that jumped.
    """
    feeds: dict[tuple[str, ...], _Feed] = {}
    found = []
    for row in files.sort("file_id", *FEED, "ucum").iter_rows(named=True):
        if row["n"] and row["ucum"] in UNITS.get(row["analyte"], {}):
            key = tuple(row[name] for name in FEED)
            likely = feeds.setdefault(key, _Feed()).taken(row)
            if likely:
                found.append({**row, "likely_unit": likely})
    schema = {name: files.schema[name] for name in ("file_id", *FEED, "ucum")}
    return pl.DataFrame(found, schema={**schema, "likely_unit": pl.String})


def _ln_canonical(row: Mapping[str, Any], unit: str) -> float:
    factor, offset = UNITS[row["analyte"]][unit]
    return math.log(max(factor * math.exp(row["mean_ln"]) + offset, 1e-12))


def _likely(past: _Centre, window: _Centre, row: Mapping[str, Any]) -> str | None:
    """The unit under which the window is where the past was, if under the stated one it is not."""
    jump = window.mean - past.mean
    error = math.sqrt(max(past.variance, window.variance, 0.01) * (1 / past.n + 1 / window.n))
    if abs(jump) < max(LEAST_LN, ERRORS * error):
        return None
    stated = _ln_canonical(row, row["ucum"])
    others = [
        (abs(jump + _ln_canonical(row, unit) - stated), unit)
        for unit in UNITS[row["analyte"]]
        if abs(_ln_canonical(row, unit) - stated) >= LEAST_LN
    ]
    distance, unit = min(others, default=(math.inf, ""))
    return unit if distance <= NEAR * abs(jump) else None


def of_units(analyte: str, units: Iterable[str]) -> Sequence[str]:
    """Those of ``units`` in which ``analyte`` can be stated."""
    return [unit for unit in units if unit in UNITS.get(analyte, {})]
