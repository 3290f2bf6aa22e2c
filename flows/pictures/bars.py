"""Bars of the night's page: shares, steps, and columns over nights."""

from __future__ import annotations

from collections.abc import Sequence

from flows.pictures.drawing import Picture, box, drawing, line, words

Part = tuple[str, float]
"""A colour of the palette, and how much of it."""
LENGTH, THICK, LEAST = 320.0, 12.0, 2.0
"""Of a bar; and how wide the smallest part is that there is at all."""
COLUMNS = 30
"""Nights that fit into one picture."""
WIDE, TALL = 148.0, 44.0


def shares(parts: Sequence[Part], whole: float, alt: str) -> Picture:
    """One bar of parts on the length of ``whole``; what is there at all can be seen."""
    there = [(colour, much) for colour, much in parts if much > 0 and whole > 0]
    wide = [max(LENGTH * much / whole, LEAST) for _, much in there]
    if wide:
        wide[wide.index(max(wide))] -= max(sum(wide) - LENGTH, 0.0)
    drawn, x = [box(0, 0, LENGTH, THICK, fill="var(--line)")], 0.0
    for (colour, _), width in zip(there, wide, strict=True):
        drawn.append(box(x, 0, width, THICK, fill=f"var(--{colour})"))
        x += width
    return Picture(drawing(LENGTH, THICK, alt, *drawn, edge=0, preserveAspectRatio="none"), alt)


def over_nights(values: Sequence[tuple[str, float | None]], said: str, unit: str = "") -> Picture:
    """Columns from zero, one a night, the newest at the right and in ink; a gap where there is no
    value.

    Args:
        values: night and value, oldest first; the last :data:`COLUMNS` are shown.
        said: what is counted.
        unit: after a number, with its space.
    """
    shown = list(values)[-COLUMNS:]
    known = [value for _, value in shown if value is not None]
    top = max(known, default=0.0)
    step = WIDE / COLUMNS
    drawn = [line([(0, TALL), (WIDE, TALL)], stroke="var(--soft)", width=0.8)]
    for place, (_, value) in enumerate(shown, COLUMNS - len(shown)):
        high = TALL * (value or 0.0) / top if top else 0.0
        colour = "var(--ink)" if place == COLUMNS - 1 else "var(--duplicate)"
        drawn.append(box(place * step + 0.6, TALL - high, step - 1.2, high, fill=colour))
    if not shown:
        return Picture(drawing(WIDE, TALL, said, *drawn, edge=2), said)
    first, last = shown[0][0], shown[-1][0]
    now = "unknown" if shown[-1][1] is None else f"{shown[-1][1]:g}{unit}"
    alt = (
        f"{said}, {first} to {last}: {now} in the last night; least "
        f"{min(known, default=0):g}{unit}, most {top:g}{unit}."
    )
    drawn.append(words(WIDE, TALL + 12, last[5:], fill="var(--soft)", text_anchor="end"))
    if first != last:
        drawn.append(words(0, TALL + 12, first[5:], fill="var(--soft)"))
    return Picture(drawing(WIDE, TALL + 14, alt, *drawn, edge=2), alt)
