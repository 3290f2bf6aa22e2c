"""Pictures of how the model's forecasts fare: where the newest draws fell in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from flows.pictures.drawing import Picture, Scale, box, drawing, element, line, words

CHANCE = 1.96
"""Standard errors within which chance keeps a count, 95 of 100 times."""
TENTHS, HIGH = 10, 40.0
WIDTH, LABELS, ROW = 340.0, 118.0, 18.0


def expected(n: int, share: float) -> tuple[float, float]:
    """Between which counts chance keeps ``share`` of ``n``.

    >>> tuple(round(end) for end in expected(100, 0.5))
    (40, 60)
    """
    spread = CHANCE * sqrt(n * share * (1 - share))
    return max(n * share - spread, 0.0), min(n * share + spread, float(n))


def tenths(counts: Sequence[int], said: str) -> Picture:
    """The newest draws by tenths of their forecast; where the model is right, columns end in the
    grey band."""
    n = sum(counts)
    low, high = expected(n, 1 / TENTHS)
    y = Scale(0, max([*counts, high, 1.0]), HIGH, 0)
    width = 12.0 * TENTHS
    drawn = [
        box(0, y(high), width, y(low) - y(high), fill="var(--ink)", fill_opacity="0.14"),
        *(
            box(12 * place + 1, y(count), 10, HIGH - y(count), fill="var(--glucose)")
            for place, count in enumerate(counts)
        ),
        line([(0, y(n / TENTHS)), (width, y(n / TENTHS))], stroke="var(--ink)", width=0.8),
    ]
    outside = sum(not low <= count <= high for count in counts)
    alt = (
        f"{said}: {', '.join(map(str, counts))} of {n} newest draws in the tenths of their "
        f"forecast, {n / TENTHS:.0f} expected in each; {outside} tenths lie beyond chance."
    )
    return Picture(drawing(width, HIGH, alt, *drawn, edge=1), alt)


def coverage(rows: Sequence[tuple[str, Mapping[str, Any]]], said: str) -> Picture:
    """What share of the newest draws lay in the 50 % and in the 90 % forecast, a row a group; bars
    are what chance allows at that many draws."""
    x = Scale(0, 100, LABELS, WIDTH - 12)
    bottom = ROW * len(rows) + 4
    drawn = [
        part
        for tick in (0, 50, 90, 100)
        for part in (
            line([(x(tick), 0), (x(tick), bottom)], stroke="var(--line)", width=0.8),
            words(x(tick), bottom + 13, f"{tick}", fill="var(--soft)", text_anchor="middle"),
        )
        if tick < 100
    ]
    for place, (name, row) in enumerate(rows):
        drawn += _covered(x, ROW * place + ROW / 2 + 2, name, row)
    told = "; ".join(
        f"{name} ({row['n']}): {row['coverage_50_pct']:.0f} and {row['coverage_90_pct']:.0f} %"
        for name, row in rows
    )
    alt = f"{said}: newest draws within the 50 % and the 90 % forecast. {told}."
    return Picture(drawing(WIDTH, bottom + 16, alt, *drawn), alt)


def _covered(x: Scale, y: float, name: str, row: Mapping[str, Any]) -> list[str]:
    drawn = [words(0, y + 4, f"{name} ({row['n']:,})", fill="var(--ink)")]
    for share in (50, 90):
        low, high = (100 * end / row["n"] for end in expected(row["n"], share / 100))
        seen = row[f"coverage_{share}_pct"]
        colour = "var(--glucose)" if low <= seen <= high else "var(--bad)"
        allowed = [(x(low), y), (x(high), y)]
        drawn += [
            line(allowed, stroke="var(--ink)", width=8.0, stroke_opacity="0.18"),
            element("circle", cx=x(seen), cy=y, r=3.4, fill=colour),
        ]
    return drawn
