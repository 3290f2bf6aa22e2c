"""Frames to the export of Apple's Health app: ``export.xml``, and the zip it comes in."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

import polars as pl

from transforms.synthetic.columns import filled

RECORD = (
    *("type", "sourceName", "sourceVersion", "device", "unit", "creationDate"),
    *("startDate", "endDate", "value"),
)
WORKOUT = (
    *("workoutActivityType", "duration", "durationUnit", "sourceName", "sourceVersion", "device"),
    *("creationDate", "startDate", "endDate"),
)
FOLDER = "apple_health_export"
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;"}
_DTD = """<!DOCTYPE HealthData [
<!-- HealthKit Export Version: 14 -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Workout)*)>
<!ATTLIST HealthData locale CDATA #REQUIRED>
]>"""


def export_xml(
    records: pl.DataFrame, exported_at: str, workouts: pl.DataFrame | None = None
) -> bytes:
    """An ``export.xml``.

    Args:
        records: any of the columns :data:`RECORD`, as text; a null is left out, as Apple does.
            ``metadata``, if there, is a list of structs of ``key`` and ``value``.
        exported_at: when the export says it was made, as Apple writes times
            (``2024-03-01 07:14:22 -0800``).
        workouts: any of the columns :data:`WORKOUT`.
    """
    elements = [_elements("Record", records, RECORD)]
    if workouts is not None:
        elements.append(_elements("Workout", workouts, WORKOUT))
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        _DTD,
        '<HealthData locale="en_US">',
        f' <ExportDate value="{exported_at}"/>',
        ' <Me HKCharacteristicTypeIdentifierDateOfBirth="1970-02-03"/>',
        *(line for series in elements for line in series),
        "</HealthData>",
    ]
    return ("\n".join(lines) + "\n").encode()


def export_zip(xml: bytes, others: Sequence[str] = ("export_cda.xml",)) -> bytes:
    """The zip in which a phone shares it, the same bytes every time.

    Args:
        xml: the export.
        others: names of members beside it, which get no content.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("export.xml", xml), *((name, b"") for name in others)):
            archive.writestr(zipfile.ZipInfo(f"{FOLDER}/{name}"), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _elements(name: str, rows: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """One element a row, with its metadata inside."""
    said = pl.concat_str([_attribute(column) for column in columns])
    kept = filled(rows, columns)
    if "metadata" not in rows.columns:
        return kept.select(pl.concat_str(pl.lit(f" <{name}"), said, pl.lit("/>"))).to_series()
    inside = rows.select(inside=_metadata()).to_series().fill_null("")
    end = pl.lit(f"\n </{name}>")
    return kept.select(
        pl.concat_str(pl.lit(f" <{name}"), said, pl.lit(">"), inside, end)
    ).to_series()


def _attribute(column: str) -> pl.Expr:
    text = _escaped(pl.col(column))
    return pl.concat_str(pl.lit(f' {column}="'), text, pl.lit('"')).fill_null("")


def _metadata() -> pl.Expr:
    key, value = (_escaped(pl.element().struct.field(name)) for name in ("key", "value"))
    entry = pl.concat_str(
        pl.lit('\n  <MetadataEntry key="'), key, pl.lit('" value="'), value, pl.lit('"/>')
    )
    return pl.col("metadata").list.eval(entry).list.join("")


def _escaped(text: pl.Expr) -> pl.Expr:
    return text.str.replace_many(list(_ESCAPED), list(_ESCAPED.values()))
