"""The CSV files of a Google Takeout with Fitbit or Google Fit data, to landing rows.

Kinds, columns and units are those of Google's own readme files beside the data, and of published
descriptions of real archives. Columns are found by name, in any order and case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from transforms.formats.fitbit_json import BODY_FAT, DEVICE, ROWS, WEIGHT

SAMPLE, OBSERVATION = "sample", "observation"
FIT = "Google Fit"
_DATED, _SHARD = r"(?:[-_ ].*\d.*)?", r"(?:_\d.*)?"
_ZONE = r"^([+-])(\d{2}):?(\d{2})$"

Values = tuple[tuple[tuple[str, ...], str, str | None], ...]


@dataclass(frozen=True)
class Table:
    """One kind of CSV.

    ``name`` is a pattern of its files' stems. ``topic`` and ``rank``: see
    :data:`transforms.formats.fitbit_json.ROWS`. ``values`` are (names a column may have, kind or
    LOINC code, unit) each; without names a row is worth its interval. ``is_day``: one row a day,
    whose time is the date. ``unused`` gives a reason to set a row aside, or null.
    """

    name: str
    topic: str
    rank: int
    values: Values
    time: str = "timestamp"
    end: str | None = None
    offsets: tuple[str, str] | None = None
    code: str | None = None
    is_day: bool = False
    table: str = SAMPLE
    unused: pl.Expr | None = None
    device: str = DEVICE


def _value(kind: str, unit: str | None, *names: str) -> Values:
    return ((names, kind, unit),)


RMSSD, SDNN = "heart_rate_variability_rmssd", "heart_rate_variability_sdnn"
BPM = "beats per minute"
ASLEEP = ("LIGHT", "DEEP", "REM", "ASLEEP")
STEPS = _value("steps", "{#}", "steps")
HEART_RATE, RESTING = (_value(kind, "/min", BPM) for kind in ("heart_rate", "resting_heart_rate"))
SPO2 = _value(
    *("oxygen_saturation", "%"),
    *("value", "oxygen saturation percentage", "average_value", "average percentage"),
)
BREATHS = _value("respiratory_rate", "/min", "daily_respiratory_rate", "breaths per minute")
NIGHT_RMSSD = _value(RMSSD, "ms", "rmssd", "average heart rate variability milliseconds")
_SUCCESSIVE = "root mean square of successive differences"
BOTH = (
    ((f"{_SUCCESSIVE} milliseconds", f"{_SUCCESSIVE} ms"), RMSSD, "ms"),
    (("standard deviation milliseconds", "standard deviation ms"), SDNN, "ms"),
)
BODY_WEIGHT = _value(WEIGHT, "g", "weight grams")
FAT = _value(BODY_FAT, "%", "fat percentage", "body fat percentage")
ENERGY = _value("active_energy", "kcal", "kilocalories")
WORKOUT, IN_BED, SLEEP, FLOW = (
    _value(kind, None)
    for kind in ("workout_duration", "in_bed_duration", "sleep_duration", "menstrual_flow")
)
FIT_STEPS = _value("steps", "{#}", "step count")
FIT_DAY_STEPS = _value("steps", "{#}/d", "step count")


def _aside(where: pl.Expr, kind: str) -> pl.Expr:
    return pl.when(where).then(pl.lit(f"record_not_used:{kind}"))


NO_READING = _aside(pl.col("value").str.contains(r"^50(?:\.0+)?$"), "spo2_without_reading")
"""Minutes without a sure reading are written as exactly 50: a published count of one account found
every value under 70 to be 50.0."""
AWAKE = _aside(~pl.col("sleep_stage_type").str.to_uppercase().is_in(ASLEEP), "awake")
NO_FLOW = _aside(pl.col("flow").str.strip_chars().fill_null("") == "", "symptoms_without_flow")
PREDICTED = _aside(pl.col("period_source").str.to_lowercase() != "manual", "predicted_period")
OFFSETS = ("start_utc_offset", "end_utc_offset")

# fmt: off
TABLES: Final = (
    Table(rf"steps{_SHARD}", "steps", 1, STEPS),
    Table(rf"heart_rate{_SHARD}", "heart_rate", 1, HEART_RATE),
    Table(rf"daily_resting_heart_rate{_DATED}", "resting_heart_rate", 1, RESTING, is_day=True),
    Table(rf"resting_heart_rate{_SHARD}", "resting_heart_rate", 2, RESTING),
    Table(rf"heart rate variability details{_DATED}", "hrv", 0, NIGHT_RMSSD),
    Table(rf"heart_rate_variability{_SHARD}", "hrv", 1, BOTH),
    Table(rf"daily heart rate variability summary{_DATED}", "hrv", 2, NIGHT_RMSSD, is_day=True),
    Table(rf"daily_heart_rate_variability{_DATED}", "hrv", 3, NIGHT_RMSSD, is_day=True),
    Table(rf"minute spo2{_DATED}", "spo2", 0, SPO2, unused=NO_READING),
    Table(rf"oxygen_saturation{_SHARD}", "spo2", 1, SPO2),
    Table(rf"daily spo2{_DATED}", "spo2", 2, SPO2, is_day=True),
    Table(rf"daily_oxygen_saturation{_DATED}", "spo2", 3, SPO2, is_day=True),
    Table(rf"daily respiratory rate summary{_DATED}", "breaths", 0, BREATHS, is_day=True),
    Table(rf"daily_respiratory_rate{_DATED}", "breaths", 1, BREATHS, is_day=True),
    Table(rf"weight{_SHARD}", "weight", 0, BODY_WEIGHT, table=OBSERVATION),
    Table(rf"body_fat{_SHARD}", "body_fat", 0, FAT, table=OBSERVATION),
    Table(rf"active_energy_burned{_SHARD}", "energy", 0, ENERGY),
    Table(rf"userexercises{_DATED}", "workout", 1, WORKOUT, "exercise_start", "exercise_end",
          ("utc_offset", "utc_offset"), "activity_name"),
    Table(rf"usersleeps{_DATED}", "sleep", 1, IN_BED, "sleep_start", "sleep_end",
          OFFSETS, "sleep_type"),
    Table(rf"usersleepstages{_DATED}", "sleep", 1, SLEEP, "sleep_stage_start", "sleep_stage_end",
          OFFSETS, "sleep_stage_type", unused=AWAKE),
    Table(r"menstrual_health_symptoms.*", "flow", 0, FLOW, "timestamp", "timestamp",
          code="flow", is_day=True, unused=NO_FLOW),
    Table(r"menstrual_health_cycles.*", "period", 0, FLOW, "period_start_date", "period_end_date",
          code="period_source", is_day=True, unused=PREDICTED),
    Table(r"\d{4}-\d{2}-\d{2}(?: ?\(\d+\))?", "fit steps", 1, FIT_STEPS, "start time", device=FIT),
    Table(r"daily (?:activity metrics|summaries)", "fit steps", 2, FIT_DAY_STEPS, "date",
          is_day=True, device=FIT),
)
# fmt: on
"""The kinds that are read. A note of menstruation is worth no length of its own: its day is both
start and end; a period runs from its first day to its last."""


def table_rows(rows: pl.LazyFrame, table: Table, day: str) -> pl.LazyFrame:
    """The rows of one CSV as :data:`~transforms.formats.fitbit_json.ROWS`.

    Args:
        rows: ``line`` and the file's columns, lower case.
        table: its kind.
        day: the first ten letters of its name, the date where rows hold only the time of day.

    Returns:
        Several rows of a line where it has several values. Without a column that must be there,
        each row is rejected for it.
    """
    header = frozenset(rows.collect_schema().names())
    columns = [next((n for n in names if n in header), names[:1]) for names, _, _ in table.values]
    values = [name if isinstance(name, str) else "".join(name) for name in columns]
    needed = [table.time, *filter(None, (*values, table.end, table.code))]
    if missing := [name for name in needed if name not in header]:
        return in_shape(rows.select("line", reason=pl.lit(f"column_missing:{missing[0]}")))
    parts = [_part(rows, table, header, values, part, day) for part in range(len(values))]
    return pl.concat([in_shape(part) for part in parts])


def in_shape(rows: pl.LazyFrame) -> pl.LazyFrame:
    """``rows`` with exactly the columns of ROWS; the part is 0 where there is none."""
    known = rows.collect_schema().names()
    parted = rows if "part" in known else rows.with_columns(part=pl.lit(0, pl.Int32))
    alike = parted.match_to_schema(ROWS, missing_columns="insert", extra_columns="ignore")
    return alike.select(*ROWS)


def _part(
    rows: pl.LazyFrame,
    table: Table,
    header: frozenset[str],
    values: list[str],
    part: int,
    day: str,
) -> pl.LazyFrame:
    _, kind, unit = table.values[part]
    empty = pl.all_horizontal(_filled(name).is_null() for name in values)
    is_empty = pl.when(empty if values[0] else pl.lit(value=False)).then(pl.lit("row_empty"))
    frame = rows.select(
        "line",
        part=pl.lit(part, pl.Int32),
        table=pl.lit(table.table),
        reason=is_empty if table.unused is None else pl.coalesce(table.unused, is_empty),
        topic=pl.lit(table.topic),
        rank=pl.lit(table.rank, pl.Int8),
        kind=pl.lit(kind),
        device=_device(header, table),
        code_system=pl.lit("loinc"),
        source_code=pl.lit(kind) if table.table == OBSERVATION else _filled(table.code),
        source_value=_filled(values[part]),
        source_unit=pl.lit(unit, pl.String),
        source_observed_at=_time(table, header, 0, day),
        source_ended_at=_time(table, header, 1, day),
    )
    is_said = pl.col("source_value").is_not_null() | pl.col("reason").is_not_null()
    return frame.filter(is_said) if len(values) > 1 else frame


def _filled(name: str | None) -> pl.Expr:
    """A column stripped, blank as null; null for no name."""
    if not name:
        return pl.lit(None, pl.String)
    text = pl.col(name).str.strip_chars()
    return pl.when(text != "").then(text)


def _device(header: frozenset[str], table: Table) -> pl.Expr:
    named = [_filled(name) for name in ("data source", "data_source") if name in header]
    return pl.coalesce(*named, pl.lit(table.device))


def _time(table: Table, header: frozenset[str], side: int, day: str) -> pl.Expr:
    """The start (0) or end (1) as ISO text, with the row's own offset where it has one."""
    name = (table.time, table.end)[side]
    time = _filled(name)
    if table.is_day:
        return time.str.slice(0, 10)
    if name == "start time":
        return pl.concat_str(pl.lit(f"{day}T"), time)
    offset = table.offsets[side] if table.offsets else ""
    return _local(time, _filled(offset)) if offset in header else time


def _local(utc: pl.Expr, offset: pl.Expr) -> pl.Expr:
    """A UTC time as the wall clock with its offset; as it came where either is not as expected."""
    sign, hours, minutes = (offset.str.extract(_ZONE, group) for group in (1, 2, 3))
    shift = hours.cast(pl.Int32) * 60 + minutes.cast(pl.Int32)
    signed = pl.when(sign == "-").then(-shift).otherwise(shift)
    bare = pl.when(utc.str.ends_with("Z")).then(utc.str.strip_suffix("Z"))
    at = bare.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us")
    wall = (at + pl.duration(minutes=signed)).dt.strftime("%Y-%m-%dT%H:%M:%S%.f")
    return pl.coalesce(pl.concat_str(wall, offset), utc)
