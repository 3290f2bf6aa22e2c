"""The picture of a series: insulin climbing over flat glucose, one person, one time axis.

Values stand where the trend sees them, brought to one assay; where that moved a value, a dash shows
it as measured. The band is what was known after each draw, so it never knows the future.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, floor

from flows.pictures.drawing import (
    Picture,
    Place,
    Scale,
    drawing,
    element,
    inert,
    line,
    log_ticks,
    path,
    words,
    year_ticks,
)
from flows.pictures.marks import GLYPH, ROW, WIDTH, kind_of, legend, legend_rows, mark, notes_drawn
from flows.pictures.rows import (
    Row,
    Series,
    alt_text,
    effect_of,
    now_said,
    platform_changes,
    value_of,
)
from transforms.catalog.rule import RULE

LEFT, RIGHT, NOW = 30.0, 318.0, 330.0
"""Where the axes begin and end, and where the present level stands."""
HEAD, HIGH, LOW = 20.0, 136.0, 76.0
"""Heights of a panel's head, of insulin's panel and of glucose's."""
INSULIN_SPAN, GLUCOSE_SPAN = (2.0, 50.0), (70.0, 126.0)
"""Least spans of the axes, so that what is flat looks flat."""
SHORTEST = timedelta(days=400)
FEWEST_LETTERS = 7
"""A name that would be cut shorter is left out; the numbers' words still count the change."""


@dataclass(frozen=True, slots=True)
class _Panel:
    """One analyte's part of the picture."""

    value: str
    levels: tuple[str, str, str]
    title: str
    limit: float
    ticks: tuple[float, ...]
    y: Scale
    x: Scale

    @property
    def colour(self) -> str:
        """The page's colour of the analyte."""
        return f"var(--{self.value})"


def series_picture(series: Series) -> Picture | None:
    """The picture of a person's fasting draws; None where no draw has a value.

    Colours are a page's variables (:func:`flows.pictures.palette.fixed` sets them for mails).
    """
    shown = [
        draw for draw in series.draws if value_of(draw, "insulin") or value_of(draw, "glucose")
    ]
    if not shown:
        return None
    x = _time(shown)
    changes = platform_changes(shown)
    gap = ROW + 4.0 if changes else 8.0
    insulin = _insulin(series, shown, x)
    glucose = _glucose(series, shown, x, HEAD + HIGH + gap + HEAD)
    bottom = glucose.y.start
    notes = legend(series, shown, changes)
    said = alt_text(series)
    inside = [
        *_years(x, insulin.y, glucose.y),
        *_changes(changes, x, insulin.y, glucose.y),
        *_panel(insulin, series, shown),
        *_panel(glucose, series, shown),
        *notes_drawn(notes, bottom + 2 * ROW + 6),
    ]
    height = bottom + 2 * ROW + 6 + ROW * legend_rows(notes)
    return Picture(drawing(WIDTH, height, said, *inside), said)


def _time(shown: Sequence[Row]) -> Scale:
    first, last = shown[0]["drawn_on"], shown[-1]["drawn_on"]
    first = min(first, last - SHORTEST)
    room = (last - first).days * 0.025
    return Scale(first.toordinal() - room, last.toordinal() + room, LEFT + 2, RIGHT)


def _insulin(series: Series, shown: Sequence[Row], x: Scale) -> _Panel:
    values = [*_values(shown, "insulin"), *_levels(series, "insulin"), RULE.insulin_upper_limit]
    ticks = log_ticks(values, INSULIN_SPAN)
    y = Scale(ticks[0], ticks[-1], HEAD + HIGH, HEAD, is_log=True)
    apart = [tick for tick in ticks if abs(y(tick) - y(RULE.insulin_upper_limit)) > 11]
    return _Panel(
        "insulin",
        ("insulin_level_low", "insulin_level_uiu_ml", "insulin_level_high"),
        "Fasting insulin, uIU/mL",
        RULE.insulin_upper_limit,
        (*_spaced(apart, y), RULE.insulin_upper_limit),
        y,
        x,
    )


def _glucose(series: Series, shown: Sequence[Row], x: Scale, top: float) -> _Panel:
    values = [*_values(shown, "glucose"), *_levels(series, "glucose"), *GLUCOSE_SPAN]
    low, high = 10.0 * floor(min(values) / 10), max(values)
    high = high if high == GLUCOSE_SPAN[1] else 10.0 * ceil(high / 10)
    y = Scale(low, high, top + LOW, top)
    apart = [tick for tick in (low, high) if abs(y(tick) - y(RULE.glucose_limit)) > 11]
    return _Panel(
        "glucose",
        ("glucose_level_low", "glucose_level_mg_dl", "glucose_level_high"),
        "Fasting glucose, mg/dL",
        RULE.glucose_limit,
        (*apart, RULE.glucose_limit),
        y,
        x,
    )


def _values(shown: Sequence[Row], analyte: str) -> list[float]:
    found = [value for draw in shown if (value := value_of(draw, analyte)) is not None]
    if analyte == "insulin":
        found += [
            float(draw["insulin_uiu_ml"]) for draw in shown if (draw["insulin_uiu_ml"] or 0) > 0
        ]
    return found


def _levels(series: Series, analyte: str) -> list[float]:
    rows = [*series.at_draws, *([series.trend] if series.trend else [])]
    return [row[f"{analyte}_level_{end}"] for row in rows for end in ("low", "high")]


def _spaced(ticks: Sequence[float], y: Scale) -> list[float]:
    """Ticks that leave each other room for their labels."""
    kept: list[float] = []
    for tick in ticks:
        if not kept or abs(y(tick) - y(kept[-1])) > 12:
            kept.append(tick)
    return kept


def _years(x: Scale, upper: Scale, lower: Scale) -> list[str]:
    first, last = (date.fromordinal(round(end)) for end in (x.low, x.high))
    drawn = []
    for day, label in year_ticks(first, last):
        place = x(day.toordinal())
        room = len(label) * GLYPH / 2
        drawn += [
            line(*_down(place, upper, lower), stroke="var(--line)", width=0.8),
            words(
                min(max(place, room), WIDTH - room),
                lower.start + 15,
                label,
                text_anchor="middle",
                fill="var(--soft)",
            ),
        ]
    return drawn


def _down(place: float, upper: Scale, lower: Scale) -> list[list[Place]]:
    """A line down both panels, not through what is written between them."""
    return [[(place, y.end), (place, y.start)] for y in (upper, lower)]


def _changes(
    changes: Sequence[tuple[date, str]], x: Scale, upper: Scale, lower: Scale
) -> list[str]:
    """A dashed line down both panels where the platform changes, named between them."""
    drawn, ends = [], [*(x(day.toordinal()) for day, _ in changes[1:]), WIDTH]
    for (day, name), end in zip(changes, ends, strict=False):
        place = x(day.toordinal())
        down = _down(place, upper, lower)
        drawn += [
            line(*down, stroke="var(--soft)", width=1.1, stroke_dasharray="4 3"),
            _named(f"to {inert(name)}", place, end, upper.start + 14, is_alone=len(changes) == 1),
        ]
    return drawn


def _named(label: str, place: float, end: float, y: float, *, is_alone: bool) -> str:
    """The new platform's name beside its line, as far as there is room up to ``end``."""
    right, left = int((end - place - 6) / GLYPH), int((place - 6) / GLYPH)
    is_left = is_alone and right < len(label) and left > right
    room = left if is_left else right
    if room < FEWEST_LETTERS:
        return ""
    cut = label if len(label) <= room else f"{label[: room - 1]}…"
    beside, anchor = (place - 4, "end") if is_left else (place + 4, "start")
    return words(beside, y, cut, fill="var(--soft)", text_anchor=anchor)


def _panel(panel: _Panel, series: Series, shown: Sequence[Row]) -> list[str]:
    return [
        *_head(panel, series.trend),
        *(part for tick in panel.ticks for part in _tick(panel, tick)),
        *_band(panel, series.at_draws),
        *_present(panel, series.trend),
        *(part for draw in shown for part in _draw(panel, draw)),
    ]


def _head(panel: _Panel, trend: Row | None) -> list[str]:
    y = panel.y.end - 8
    title = words(0, y, panel.title, fill=panel.colour, font_weight="600", font_size=12)
    if trend is None:
        return [title]
    said = now_said(trend, panel.value)
    return [title, words(WIDTH, y, said, fill="var(--ink)", text_anchor="end", font_size=12)]


def _tick(panel: _Panel, tick: float) -> list[str]:
    """A line of the axis with its number; the reference line is dashed."""
    is_limit = tick == panel.limit
    y, colour = panel.y(tick), "var(--ink)" if is_limit else "var(--line)"
    dashes = {"stroke_dasharray": "2 2.5"} if is_limit else {}
    fill = "var(--ink)" if is_limit else "var(--soft)"
    return [
        line([(LEFT, y), (RIGHT, y)], stroke=colour, width=0.8, **dashes),
        words(LEFT - 5, y + 4, f"{tick:g}", text_anchor="end", fill=fill),
    ]


def _band(panel: _Panel, rows: Sequence[Row]) -> list[str]:
    """Level and 90 % interval as they stood after each draw."""
    if len(rows) < 2:
        return []
    low, level, high = (
        [(panel.x(row["drawn_on"].toordinal()), panel.y(row[name])) for row in rows]
        for name in panel.levels
    )
    area = f"{path([*low, *reversed(high)])}Z"
    return [
        element("path", d=area, fill=panel.colour, fill_opacity="0.16"),
        line(level, stroke=panel.colour, width=1.6, fill="none", stroke_linejoin="round"),
    ]


def _present(panel: _Panel, trend: Row | None) -> list[str]:
    """The level now, with its interval, at the right of the axis."""
    if trend is None:
        return []
    low, level, high = (panel.y(trend[name]) for name in panel.levels)
    return [
        line([(NOW, low), (NOW, high)], stroke=panel.colour, width=8.0, stroke_opacity="0.3"),
        line([(NOW - 6, level), (NOW + 6, level)], stroke=panel.colour, width=2.4),
    ]


def _draw(panel: _Panel, draw: Row) -> list[str]:
    """A draw's mark, with a dash where it was measured if the platform's effect moved it."""
    value = value_of(draw, panel.value)
    if value is None:
        return []
    x, y = panel.x(draw["drawn_on"].toordinal()), panel.y(value)
    if panel.value == "glucose":
        return [mark(x, y, panel.colour, kind_of(draw))]
    limit = (draw["insulin_comparator"] or "")[:1]
    stem = _measured(panel, draw, (x, y)) if draw["used"] and effect_of(draw) else []
    return [*stem, mark(x, y, panel.colour, kind_of(draw), limit)]


def _measured(panel: _Panel, draw: Row, place: Place) -> list[str]:
    x, y = place[0], panel.y(float(draw["insulin_uiu_ml"]))
    dash = line([(x - 3, y), (x + 3, y)], stroke=panel.colour, width=1.2)
    return [line([place, (x, y)], stroke=panel.colour, width=0.6), dash]
