"""Drawing: SVG elements whose every text is escaped, and the scales of their axes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from math import log

EDGE = 4
"""Room around a drawing."""
INERT = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
"""Controls, and the marks that turn the direction of text: they could change what a line says."""


Place = tuple[float, float]
"""``x`` and ``y``, in a picture's own units."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture: ``svg`` with the page's colours as variables, ``alt`` its numbers in words."""

    svg: str
    alt: str


@dataclass(frozen=True, slots=True)
class Scale:
    """From values ``low`` to ``high`` to places ``start`` to ``end``; logarithmic if asked."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value; beyond the ends it stays at the end.

        >>> Scale(1, 100, 0, 10, is_log=True)(10)
        5.0
        """
        kept = min(max(value, self.low), self.high)
        share = (
            log(kept / self.low) / log(self.high / self.low)
            if self.is_log
            else (kept - self.low) / (self.high - self.low)
        )
        return self.start + share * (self.end - self.start)


def inert(text: object) -> str:
    """Text that can neither end a line nor turn its direction.

    >>> inert("a" + chr(0x202E) + "b")
    'a\ufffdb'
    """
    return INERT.sub("\ufffd", str(text))


def element(name: str, *inside: str, **attributes: object) -> str:
    """One SVG element; ``_`` in an attribute's name stands for ``-``, numbers have one decimal.

    >>> element("line", x1=0, x2=2.25, stroke_width=1)
    '<line x1="0" x2="2.2" stroke-width="1"/>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{given}>{''.join(inside)}</{name}>" if inside else f"<{name}{given}/>"


def _attribute(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else escape(inert(value))


def words(x: float, y: float, said: object, **attributes: object) -> str:
    """A text."""
    return element("text", escape(inert(said)), x=x, y=y, **attributes)


def path(places: Iterable[Place]) -> str:
    """The ``d`` of a line through places.

    >>> path([(0, 1), (2, 3)])
    'M0.0 1.0L2.0 3.0'
    """
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def line(*strokes: Iterable[Place], stroke: str, width: float, **attributes: object) -> str:
    """A line, or several of one kind, each through its places."""
    d = "".join(map(path, strokes))
    return element("path", d=d, stroke=stroke, stroke_width=width, **attributes)


def box(x: float, y: float, width: float, height: float, **attributes: object) -> str:
    """A rectangle."""
    return element("rect", x=x, y=y, width=width, height=height, **attributes)


def drawing(
    width: float, height: float, alt: str, *inside: str, edge: int = EDGE, **attributes: object
) -> str:
    """An SVG that fills the width it is given and says ``alt`` to who does not see it."""
    return element(
        "svg",
        *inside,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"{-edge} {-edge} {width + 2 * edge:g} {height + 2 * edge:g}",
        width=f"{width + 2 * edge:g}",
        height=f"{height + 2 * edge:g}",
        role="img",
        aria_label=alt,
        font_size=11,
        font_family="system-ui, 'Segoe UI', 'Source Sans Pro', sans-serif",
        class_="picture",
        **attributes,
    )


def log_ticks(values: Sequence[float], base: tuple[float, float]) -> list[float]:
    """1, 2, 5, 10 ... from below the least to above the greatest of ``values`` and ``base``.

    >>> log_ticks([6.0, 70.0], (2.0, 50.0))
    [2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
    """
    steps = [mantissa * 10.0**power for power in range(-3, 6) for mantissa in (1, 2, 5)]
    low, high = min([*values, base[0]]), max([*values, base[1]])
    first = max(step for step in steps if step <= max(low, steps[0]))
    last = min(step for step in steps if step >= min(high, steps[-1]))
    return [step for step in steps if first <= step <= last]


def year_ticks(first: date, last: date, most: int = 7) -> list[tuple[date, str]]:
    """New Year's days with their labels; half years where there are few.

    >>> [label for _, label in year_ticks(date(2019, 3, 1), date(2026, 3, 1), 4)]
    ['2020', '2022', '2024', '2026']
    >>> [label for _, label in year_ticks(date(2024, 11, 1), date(2026, 3, 1))]
    ['Jan 2025', 'Jul 2025', 'Jan 2026']
    """
    years = range(first.year, last.year + 1)
    if (last - first).days < 900:
        days = [(date(year, month, 1), name) for year in years for month, name in _HALVES]
        return [(day, f"{name} {day.year}") for day, name in days if first <= day <= last]
    news = [date(year, 1, 1) for year in years if first <= date(year, 1, 1)]
    step = next(step for step in (1, 2, 5, 10, 20, 50) if len(news) <= step * most)
    return [(day, str(day.year)) for day in news if step == 1 or day.year % step == 0]


_HALVES = ((1, "Jan"), (7, "Jul"))
