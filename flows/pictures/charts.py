"""Charts of a table's columns: bars by name, and lines over years or nights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise

from flows.pictures.drawing import Picture, Scale, box, drawing, element, line, words

COLOURS = ("insulin", "glucose", "duplicate", "superseded")
"""Of the columns, in order."""
WIDTH, LABEL, ROOM = 480.0, 190.0, 46.0
"""Of the whole, of the names on the left, and of the numbers on the right."""
THICK, GAP, HIGH, HEAD = 11.0, 7.0, 150.0, 18.0
LETTERS = 29
Row = Mapping[str, object]


def bars(rows: Sequence[Row], name: str, columns: Sequence[str]) -> Picture:
    """One group of bars a row, one bar a column, each with its number.

    Args:
        rows: a table's rows.
        name: the column of the names.
        columns: of numbers not below zero.
    """
    known = [[_number(row[column]) for column in columns] for row in rows]
    top = max((value for group in known for value in group if value is not None), default=0.0)
    x = Scale(0.0, top or 1.0, LABEL, WIDTH - ROOM)
    drawn, y = _legend(columns), HEAD
    for row, group in zip(rows, known, strict=True):
        middle = y + (THICK * len(columns)) / 2 + 4
        drawn.append(
            words(LABEL - 6, middle, _short(row[name]), fill="var(--ink)", text_anchor="end")
        )
        for colour, value in zip(COLOURS, group, strict=False):
            drawn += _bar(x, y, value, colour)
            y += THICK
        y += GAP
    alt = _said(rows, name, columns)
    return Picture(drawing(WIDTH, y, alt, *drawn), alt)


def _bar(x: Scale, y: float, value: float | None, colour: str) -> list[str]:
    if value is None:
        return [words(LABEL + 4, y + 9, "–", fill="var(--soft)")]
    end = x(value)
    return [
        box(LABEL, y, max(end - LABEL, 0.6), THICK - 2, fill=f"var(--{colour})"),
        words(end + 4, y + 9, f"{value:g}", fill="var(--soft)"),
    ]


def lines(rows: Sequence[Row], over: str, columns: Sequence[str]) -> Picture:
    """One line a column over a column of numbers or days; a gap where there is no value."""
    places = [_place(row[over]) for row in rows]
    known = [v for row in rows for c in columns if (v := _number(row[c])) is not None]
    low, high = min([*known, 0.0]), max([*known, 0.0])
    x = Scale(
        min(places, default=0.0), max([*places, min(places, default=0.0) + 1]), 40, WIDTH - 34
    )
    y = Scale(low, high or 1.0, HEAD + HIGH, HEAD + 4)
    drawn = [*_legend(columns), *_axes(rows, over, places, x, y)]
    for column, colour in zip(columns, COLOURS, strict=False):
        values = [_number(row[column]) for row in rows]
        drawn += _stroke(places, values, x, y, f"var(--{colour})")
    alt = _said(rows, over, columns)
    return Picture(drawing(WIDTH, HEAD + HIGH + 20, alt, *drawn), alt)


def _stroke(
    places: Sequence[float], values: Sequence[float | None], x: Scale, y: Scale, colour: str
) -> list[str]:
    dots = [(x(p), y(v)) for p, v in zip(places, values, strict=True) if v is not None]
    whole = [
        ((x(p), y(v)), (x(q), y(w)))
        for (p, v), (q, w) in pairwise(zip(places, values, strict=True))
        if v is not None and w is not None
    ]
    strokes = [line(*whole, stroke=colour, width=1.8, fill="none")] if whole else []
    return strokes + [element("circle", cx=a, cy=b, r=2.6, fill=colour) for a, b in dots]


def _axes(rows: Sequence[Row], over: str, places: Sequence[float], x: Scale, y: Scale) -> list[str]:
    drawn = [
        line([(40, y(value)), (WIDTH - 34, y(value))], stroke="var(--line)", width=0.8)
        for value in {y.low, y.high}
    ]
    drawn += [
        words(34, y(value) + 4, f"{value:g}", fill="var(--soft)", text_anchor="end")
        for value in sorted({y.low, y.high})
    ]
    step = max(1, -(-len(rows) // 6))
    return drawn + [
        words(x(place), HEAD + HIGH + 16, row[over], fill="var(--soft)", text_anchor="middle")
        for place, row in list(zip(places, rows, strict=True))[::step]
    ]


def _legend(columns: Sequence[str]) -> list[str]:
    drawn, x = [], 0.0
    for column, colour in zip(columns, COLOURS, strict=False):
        said = column.replace("_", " ")
        drawn += [
            box(x, 0, 9, 9, fill=f"var(--{colour})"),
            words(x + 13, 9, said, fill="var(--ink)"),
        ]
        x += 26 + 6.1 * len(said)
    return drawn


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


def _place(value: object) -> float:
    return float(value.toordinal()) if isinstance(value, date) else float(str(value))


def _short(value: object) -> str:
    text = str(value).replace("_", " ")
    return text if len(text) <= LETTERS else text[: LETTERS - 1] + "…"


def _said(rows: Sequence[Row], name: str, columns: Sequence[str]) -> str:
    """The numbers in words, as far as a listener bears."""
    few = [
        f"{row[name]}: " + ", ".join(f"{c.replace('_', ' ')} {_cell(row[c])}" for c in columns)
        for row in rows[:12]
    ]
    return "; ".join(few) + ("; …" if len(rows) > len(few) else ".") if few else "No rows."


def _cell(value: object) -> str:
    return "unknown" if value is None else str(value)
