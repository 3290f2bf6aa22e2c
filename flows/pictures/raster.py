"""PNG of a picture, for mails: their programs show no SVG."""

from __future__ import annotations

from importlib import resources

from resvg_py import svg_to_bytes

from flows.pictures.drawing import Picture
from flows.pictures.palette import LIGHT, fixed

FONT = "Source Sans Pro"
SCALE = 2.0
"""Pixels to a unit of the picture, for dense screens."""


def png(picture: Picture) -> bytes:
    """The picture by daylight colours, lettered by a font of the lock: the same bytes on every
    machine, whatever fonts it has."""
    font = resources.files("font_source_sans_pro") / "files" / "SourceSansPro-Regular.ttf"
    return svg_to_bytes(
        svg_string=fixed(picture.svg),
        background=LIGHT["paper"],
        zoom=SCALE,
        skip_system_fonts=True,
        font_files=[str(font)],
        font_family=FONT,
        sans_serif_family=FONT,
    )
