"""The colours of pages, mails and pictures: orange for insulin, blue for glucose, told apart by
everyone; each has at least 4.5 to 1 against its paper."""

from __future__ import annotations

import re

LIGHT = {
    "ink": "#16202a",
    "soft": "#566573",
    "line": "#d8e0e7",
    "paper": "#ffffff",
    "wash": "#f3f6f9",
    "insulin": "#b4540a",
    "glucose": "#1f6f8b",
    "bad": "#a02c2c",
    "accepted": "#2e7d4f",
    "quarantined": "#b86e00",
    "duplicate": "#74828f",
    "superseded": "#5a6fa8",
}
"""By daylight, in print and in mails."""

DARK = {
    "ink": "#e6edf3",
    "soft": "#9fb0bf",
    "line": "#31404d",
    "paper": "#10171d",
    "wash": "#182129",
    "insulin": "#f0a35e",
    "glucose": "#6cc3de",
    "bad": "#f08c8c",
    "accepted": "#5fb884",
    "quarantined": "#e0a040",
    "duplicate": "#7d8b98",
    "superseded": "#8fa3dc",
}
"""On dark screens."""


def fixed(svg: str) -> str:
    """The picture with daylight colours in place of a page's variables.

    >>> fixed('<path fill="var(--ink)"/>')
    '<path fill="#16202a"/>'
    """
    return re.sub(r"var\(--(\w+)\)", lambda found: LIGHT.get(found[1], found[0]), svg)
