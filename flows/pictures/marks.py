"""The marks of a picture, and the legend of those that are in it."""

from __future__ import annotations

from collections.abc import Sequence

from flows.pictures.drawing import Place, element, line, path, words
from flows.pictures.rows import Row, Series, effect_of, is_discounted

WIDTH = 340.0
"""Of the picture, in its own units."""
ROW, GLYPH = 15.0, 5.9
"""Height of a line of the legend; width of a letter, about."""
Note = tuple[str, str]
"""A kind of mark, and what it means."""


def kind_of(draw: Row) -> str:
    """Whether a draw is ``used``, counts for ``less``, or is ``unused``."""
    if not draw["used"]:
        return "unused"
    return "less" if is_discounted(draw) else "used"


def mark(x: float, y: float, colour: str, kind: str, limit: str = "") -> str:
    """A draw's mark at a place: a point, hollow where it counts for less, a cross where it is not
    used; an arrow where only a limit (``<`` or ``>``) is known."""
    if kind == "unused":
        return line(*_cross(x, y), stroke="var(--soft)", width=1.5)
    fill, rim = ("var(--paper)", colour) if kind == "less" else (colour, "var(--paper)")
    width = 1.6 if kind == "less" else 0.9
    if not limit:
        return element("circle", cx=x, cy=y, r=3.4, fill=fill, stroke=rim, stroke_width=width)
    turned = 1.0 if limit == "<" else -1.0
    corners = [(x - 4.5, y - 3.5 * turned), (x + 4.5, y - 3.5 * turned), (x, y + 5.0 * turned)]
    return element("path", d=f"{path(corners)}Z", fill=fill, stroke=rim, stroke_width=width)


def _cross(x: float, y: float) -> list[list[Place]]:
    return [[(x - 3, y - 3), (x + 3, y + 3)], [(x - 3, y + 3), (x + 3, y - 3)]]


def legend(series: Series, shown: Sequence[Row], changes: Sequence[object]) -> list[Note]:
    """The kinds of marks that are in the picture."""
    kinds = {kind_of(draw) for draw in shown}
    limits = {(draw["insulin_comparator"] or "")[:1] for draw in shown if draw["used"]}
    is_moved = any(draw["used"] and effect_of(draw) for draw in shown)
    known = (
        ("used", "draw used", "used" in kinds),
        ("less", "counts for less", "less" in kinds),
        ("unused", "not used", "unused" in kinds),
        ("<", "at most this", "<" in limits),
        (">", "at least this", ">" in limits),
        ("moved", "as measured", is_moved),
        ("band", "level, 90 % interval", len(series.at_draws) > 1),
        ("reference", "upper limits", True),
        ("change", "other lab or assay", bool(changes)),
        ("log", "log scale of insulin", True),
    )
    return [(key, said) for key, said, is_there in known if is_there]


def legend_rows(notes: Sequence[Note]) -> int:
    """Lines that the legend takes."""
    return max((row for row, _ in _places(notes)), default=0) + 1


def notes_drawn(notes: Sequence[Note], top: float) -> list[str]:
    """The legend, its first line's text standing on ``top``."""
    drawn = []
    for (key, said), (row, x) in zip(notes, _places(notes), strict=True):
        y = top + row * ROW
        drawn += [_sample(key, x + 7, y - 4), words(x + 18, y, said, fill="var(--soft)")]
    return drawn


def _places(notes: Sequence[Note]) -> list[tuple[int, float]]:
    """Line and left end of each note, set like words."""
    places, row, x = [], 0, 0.0
    for _, said in notes:
        width = 20 + len(said) * GLYPH
        if x and x + width > WIDTH:
            row, x = row + 1, 0.0
        places.append((row, x))
        x += width + 6
    return places


def _sample(key: str, x: float, y: float) -> str:
    soft, across = "var(--soft)", [(x - 7, y), (x + 7, y)]
    if key == "reference":
        return line(across, stroke="var(--ink)", width=0.8, stroke_dasharray="2 2.5")
    if key == "log":
        steps = [[(x - 5, y + rise), (x + 5, y + rise)] for rise in (4.0, 0.5, -2.0, -3.5)]
        return line(*steps, stroke=soft, width=0.8)
    if key == "moved":
        return line([(x - 3, y), (x + 3, y)], stroke=soft, width=1.2)
    if key == "change":
        return line([(x, y - 6), (x, y + 5)], stroke=soft, width=1.1, stroke_dasharray="4 3")
    if key == "band":
        area = line(across, stroke=soft, width=8.0, stroke_opacity="0.3")
        return area + line(across, stroke=soft, width=1.6)
    return mark(x, y, soft, key if key not in "<>" else "used", key if key in "<>" else "")
