"""Frames to the CSV export of the Levels app."""

from __future__ import annotations

import polars as pl

UTC_FORMAT, LOCAL_FORMAT = "%Y-%m-%dT%H:%M:%S%.3fZ", "%Y-%m-%dT%H:%M:%S"


def levels_csv(readings: pl.DataFrame, name: str = "Demo Patient", unit: str = "mg/dL") -> bytes:
    """A Levels export: a line that names the person, each time in UTC and on the person's clock.

    The last line has no end, as in the app's own files.

    Args:
        readings: ``at`` (naive UTC), ``east_minutes`` (offset of the person's clock), ``glucose``
            (text, in ``unit``), ``type`` (``timeseries``, ``directRead``), in order of time.
        name: whose it is.
        unit: ``mg/dL`` or ``mmol/L``.
    """
    local = pl.col("at") + pl.duration(minutes="east_minutes")
    rows = readings.select(
        pl.col("at").dt.strftime(UTC_FORMAT).alias("Time (UTC)"),
        local.dt.strftime(LOCAL_FORMAT).alias("Time (Local)"),
        pl.col("glucose").alias(f"Glucose Reading ({unit})"),
        pl.col("type").alias("Type of Reading"),
    )
    return f"Levels,{name},,\n".encode() + rows.write_csv().removesuffix("\n").encode()
