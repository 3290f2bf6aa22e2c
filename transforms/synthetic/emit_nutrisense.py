"""Frames to the CSV export of the Nutrisense app."""

from __future__ import annotations

import polars as pl

from transforms.synthetic.columns import csv

COLUMNS = (
    *("class", "value", "time", "length", "photo_url", "description", "occurred_at", "body"),
    *("updated_at", "started_at", "ended_at", "created_by"),
)
US_FORMAT = "%-m/%-d/%y %-H:%M"


def nutrisense_csv(
    entries: pl.DataFrame, name: str = "Demo Patient", time_format: str = US_FORMAT
) -> bytes:
    """A Nutrisense export: glucose and exercise, in the order of ``entries``.

    The last line has no end, as in the app's own files.

    Args:
        entries: ``local_at`` (wall clock), ``glucose`` (text, null for an exercise), ``ended_at``
            (wall clock, null for glucose), ``activity`` (text or null).
        name: whose it is.
        time_format: of all times.
    """
    is_glucose = pl.col("glucose").is_not_null()
    start = pl.col("local_at").dt.strftime(time_format)
    kind = pl.when(is_glucose).then(pl.lit("GlucoseMeasurement"))
    rows = entries.select(
        pl.col("glucose").alias("value"),
        kind.otherwise(pl.lit("ExerciseActivity")).alias("class"),
        (pl.col("ended_at") - pl.col("local_at")).dt.total_seconds().alias("length"),
        pl.col("activity").alias("description"),
        start.alias("occurred_at"),
        pl.when(~is_glucose).then(start).alias("started_at"),
        pl.col("ended_at").dt.strftime(time_format),
    )
    preamble = f"Nutrisense,{name}{',' * (len(COLUMNS) - 2)}\n"
    return preamble.encode() + csv(rows, COLUMNS).removesuffix(b"\n")
