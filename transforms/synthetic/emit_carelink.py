"""Frames to the exports of Medtronic's software: CareLink (blocks) and iPro2 (one UTF-16 table)."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

import polars as pl

CARELINK = (
    *("Index", "Date", "Time", "New Device Time", "BG Source", "BG Reading (mg/dL)"),
    *("Linked BG Meter ID", "Basal Rate (U/h)", "Alert", "Suspend", "Rewind"),
    *("Sensor Calibration BG (mg/dL)", "Sensor Glucose (mg/dL)", "ISIG Value", "Event Marker"),
    *("Sensor Exception", "Sensor State"),
)
IPRO2 = (
    *("Index", "Date", "Time", "Timestamp", "Source", "Excluded", "BG Reading (mg/dL)"),
    *("Used in Calibration", "ISIG Value", "Sensor Glucose (mg/dL)", "Sensor Event", "Meal"),
    *("Exercise", "Medication", "Other", "Raw-Type", "Raw-Values"),
)


@dataclass(frozen=True, slots=True)
class Pump:
    """A device and how its account writes: ``unit`` mg/dL or mmol/L, ``separator`` ``,`` or ``;``
    (which goes with a decimal comma), ``date`` a chrono format."""

    model: str = "MiniMed 780G MMT-1886"
    serial: str = "NG1234567H"
    sensor: str = "Guardian 4 Sensor"
    unit: str = "mg/dL"
    separator: str = ";"
    date: str = "%Y/%m/%d"


def carelink_csv(readings: pl.DataFrame, pump: Pump) -> bytes:
    """A CareLink export: a pump's block with an alert and an entry, then the sensor's block.

    Args:
        readings: ``local_at`` (wall clock) and ``glucose`` in the pump's unit, newest first, as
            the export has them.
        pump: whose it is.
    """
    sep = pump.separator
    name = sep.join(("Last Name", "First Name", "Patient ID", "Device", pump.model))
    person = sep.join(('"Patient"', '"Demo"', '""', '"Serial Number"', pump.serial))
    sensor = sep.join(("Patient DOB", "", "", "CGM", pump.sensor))
    events = pl.DataFrame(
        {"Alert": ["SENSOR CONNECTED", None], "Event Marker": [None, f"Meal: {_mark(pump)}grams"]}
    )
    latest = readings.head(1).select(*_moment(pl.col("local_at"), pump))
    pumped = latest.join(events, how="cross")
    sensed = readings.select(
        *_moment(pl.col("local_at"), pump), _glucose(pump).alias("Sensor Glucose (mg/dL)")
    )
    blocks = [
        f"-------{sep}{pump.model}{sep}{kind}{sep}{pump.serial}{sep}------- \r\n"
        + _table(rows, CARELINK, pump, index)
        for kind, rows, index in (("Pump", pumped, 0), ("Sensor", sensed, pumped.height))
    ]
    text = "\r\n".join((name, person, sensor, "", "", "\r\n".join(blocks)))
    return codecs.BOM_UTF8 + text.encode()


def ipro2_txt(readings: pl.DataFrame, recorder: Pump) -> bytes:
    """An iPro2 export: UTF-16, tabs, one table with one event before the readings.

    Args:
        readings: ``local_at`` (wall clock) and ``glucose`` in the recorder's unit, oldest first.
        recorder: its ``model``, ``serial``, ``unit`` and ``date`` count; the decimal mark is a
            point.
    """
    plain = Pump(recorder.model, recorder.serial, "", recorder.unit, "\t", recorder.date)
    date, time = _moment(pl.col("local_at"), plain)
    sensed = readings.select(
        date,
        time,
        pl.concat_str(date, time, separator=" ").alias("Timestamp"),
        pl.lit("GSR").alias("Source"),
        _glucose(plain).alias("Sensor Glucose (mg/dL)"),
        pl.lit("SGReceivedIPro").alias("Raw-Type"),
    )
    event = sensed.head(1).select(
        *("Date", "Time", "Timestamp", "Source"),
        pl.lit("iPro2: Recorder Wake").alias("Sensor Event"),
        pl.lit("SensorEvent").alias("Raw-Type"),
    )
    rows = pl.concat([event, sensed], how="diagonal")
    preamble = (
        "Medtronic Diabetes iPro Data Export File (v1.0.1) \r\n"
        "PATIENT INFO\r\nName\tDemo Patient\r\n"
        f"DEVICE INFO\r\nGlucose Sensor Recorder\t{plain.model}\ts/n: {plain.serial}\t\r\n"
        f"Meter\tN/A\tN/A\t\r\nDEVICE DATA\r\nNumber of Records\t{rows.height}\r\n"
    )
    table = _table(rows, IPRO2, plain, 1)
    return codecs.BOM_UTF16_LE + (preamble + table).encode("utf-16-le")


def _mark(pump: Pump) -> str:
    return "45,00" if pump.separator == ";" else "45.00"


def _moment(at: pl.Expr, pump: Pump) -> tuple[pl.Expr, pl.Expr]:
    return at.dt.strftime(pump.date).alias("Date"), at.dt.strftime("%H:%M:%S").alias("Time")


def _glucose(pump: Pump) -> pl.Expr:
    value = pl.col("glucose")
    if pump.unit == "mg/dL":
        return value.round().cast(pl.Int64).cast(pl.String)
    shown = value.round(1).cast(pl.String)
    return shown.str.replace(".", ",", literal=True) if pump.separator == ";" else shown


def _table(rows: pl.DataFrame, columns: tuple[str, ...], pump: Pump, first: int) -> str:
    given = rows.with_row_index("Index", first).cast(pl.String)
    filled = given.select(
        pl.col(name) if name in given.columns else pl.lit(None, pl.String).alias(name)
        for name in columns
    )
    named = filled.rename(lambda name: name.replace("mg/dL", pump.unit))
    return named.write_csv(separator=pump.separator, line_terminator="\r\n")
