"""What is read of a FIT file's messages: samples, vital signs, day totals, and what is set aside.

Message and field numbers, scales and units are those of the FIT profile (garmin_fit_sdk.Profile).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from transforms.formats import fit
from transforms.landing import LANDING, PLACE

FILE_ID, SESSION, RECORD, MONITORING = 0, 18, 20, 55
WEIGHT, PRESSURE, ACTIVITY, MONITORING_INFO = 30, 51, 34, 103
CORRELATION, RESTING, SPO2, SLEEP = 162, 211, 269, 275
RESPIRATION, HRV_SUMMARY, HRV_VALUE = 297, 370, 371
"""Message numbers of the FIT profile."""

WALKING, RUNNING, ALL_ACTIVITIES = 6, 1, 254
ASLEEP = {2: "light", 3: "deep", 4: "rem"}
WEIGHING = 65534
"""A scale's weight while it is still being weighed."""
LONGEST_STAGE = 6 * 3600
SHORT_TIME = (MONITORING, 26)
GARMIN_MAKERS = (1, 13, 15, 89)
MOST_OFFSET = 15 * 3600
QUARTER, OFFSET_SLACK = 900, 60
"""Seconds: zones lie whole quarters of an hour apart; the two time stamps may be a little less in
step."""


@dataclass(frozen=True)
class Value:
    """One reading of a message: what it is, its field, how many units one of it is, its unit.

    ``kind`` is a sample's kind, or a LOINC code in :data:`OBSERVATIONS`.
    """

    kind: str
    field: int
    scale: int
    unit: str
    method: str | None = None


SAMPLES: Mapping[int, tuple[Value, ...]] = {
    MONITORING: (Value("heart_rate", 27, 1, "bpm"),),
    RECORD: (Value("heart_rate", 3, 1, "bpm", "activity"),),
    RESTING: (Value("resting_heart_rate", 1, 1, "bpm"),),
    RESPIRATION: (Value("respiratory_rate", 0, 100, "/min"),),
    SPO2: (Value("oxygen_saturation", 0, 1, "%"),),
    HRV_VALUE: (Value("heart_rate_variability_rmssd", 0, 128, "ms"),),
    HRV_SUMMARY: (Value("heart_rate_variability_rmssd", 1, 128, "ms", "last_night_average"),),
    PRESSURE: (Value("heart_rate", 6, 1, "bpm", "cuff"),),
}
OBSERVATIONS: Mapping[int, tuple[Value, ...]] = {
    WEIGHT: (
        Value("29463-7", 0, 100, "kg"),
        Value("41982-0", 1, 100, "%"),
        Value("39156-5", 13, 10, "kg/m2"),
    ),
    PRESSURE: (Value("8480-6", 0, 1, "mmHg"), Value("8462-4", 1, 1, "mmHg")),
}
LOCAL_TIMES = {MONITORING_INFO: 0, ACTIVITY: 5, CORRELATION: 3, MONITORING: 11}
"""Message -> the field with its time stamp as the wall clock showed it."""

COLUMNS = {"table": pl.String, "reason": pl.String} | {
    name: pl.String for table in ("sample", "observation") for name in LANDING[table]
}
ROWS = pl.Schema({**PLACE, **COLUMNS})
"""Rows of both tables and the rejects (those with a ``reason``) in one frame."""
TOTALS = pl.Schema(
    {
        **dict.fromkeys(("line", "part", "value", "at"), pl.Int64),
        **dict.fromkeys(("kind", "device", "source_code", "day"), pl.String),
        "has_other": pl.Boolean,
    }
)
"""The last total of a counter and day in one file; ``has_other``: its line is a sample already."""


@dataclass(frozen=True)
class Rows:
    """One file: its rows, its day totals, the text of each of its rows, its devices' serials."""

    rows: pl.DataFrame
    totals: pl.DataFrame
    told: pl.DataFrame
    serials: frozenset[str] = frozenset()


def rows_of(found: fit.Messages, zone: str) -> Rows:
    """One FIT file's messages; the stretches that cannot be read are its last rows."""
    serials, base = _base(found)
    sure = base.filter("is_sure")
    rows = pl.concat([*_valued(found, sure), _workouts(found, sure), _stages(found, sure)])
    totals, growing = _totals(found, sure, zone, rows["line"])
    rest = base.join(rows, on="line", how="anti").join(totals, on="line", how="anti")
    is_doubtful = ~pl.col("is_sure")
    unused = rest.select(
        "line",
        reason=pl.when(is_doubtful)
        .then(pl.lit(f"binary_broken:{fit.CHECKSUM}"))
        .when(pl.col("line").is_in(growing.implode()))
        .then(pl.lit("record_not_used:monitoring_total"))
        .otherwise(pl.lit("record_not_used:") + pl.col("name")),
    )
    broken = refused([f"binary_broken:{why}" for why in found.broken])
    last = broken.rows.with_columns(pl.col("line") + len(found))
    told = pl.concat([quotes(base, rows), broken.told])
    return Rows(pl.concat([rows, arranged(unused), last]), totals, told, serials)


def refused(reasons: Sequence[str]) -> Rows:
    """Rows of which only the reason is known."""
    lines = range(1, len(reasons) + 1)
    rows = arranged(pl.DataFrame({"line": lines, "reason": reasons}, schema_overrides=ROWS))
    told = pl.DataFrame({"told": ["not readable"] * len(rows)}, schema={"told": pl.String})
    return Rows(rows, pl.DataFrame(schema=TOTALS), told)


def arranged(rows: pl.DataFrame) -> pl.DataFrame:
    """``rows`` with exactly the columns of :data:`ROWS`; what is not told is null."""
    given = rows.columns
    return rows.select(
        (pl.col(name) if name in given else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in ROWS.items()
    ).with_columns(pl.col("part").fill_null(0))


def quotes(base: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """What the quarantine can quote of each row: its name, its time, what was read of it.

    Args:
        base: ``line``, ``name`` and ``source_observed_at`` of every row of the file, in order.
        rows: what was read of them, as :data:`ROWS`.
    """
    what = pl.coalesce("kind", "source_code")
    cells = (what, "source_value", "source_unit", "source_ended_at")
    said = pl.concat_str(*cells, separator=" ", ignore_nulls=True)
    read_of = rows.group_by("line").agg(said=said.str.join("; "))
    joined = base.join(read_of, on="line", how="left", maintain_order="left")
    quote = pl.concat_str("name", "source_observed_at", "said", separator=" ", ignore_nulls=True)
    return joined.select(told=quote)


def last_totals(totals: pl.DataFrame) -> pl.DataFrame:
    """Of each device's counter and day the greatest total, of several the last told."""
    ordered = totals.sort("value", "at", "line")
    return ordered.unique(
        ["kind", "device", "source_code", "day"], keep="last", maintain_order=True
    )


def _base(found: fit.Messages) -> tuple[frozenset[str], pl.DataFrame]:
    """Serials, and of every message: its line, number, name, time, offset, text of its time,
    device, and whether its checksum holds."""
    times = found.times(SHORT_TIME, (MONITORING, MONITORING_INFO))
    ids = found.values(FILE_ID, {"maker": 1, "product": 2, "serial": 3})
    named = found.texts(FILE_ID, 8)
    devices = [_device(named.get(index), *cells) for index, *cells in ids.iter_rows()]
    numbers = found.numbers
    known = np.unique(numbers, return_inverse=True)
    names = pl.Series([fit.message_name(number) for number in known[0].tolist()], dtype=pl.String)
    base = pl.DataFrame(
        {
            "line": np.arange(1, len(found) + 1),
            "number": numbers,
            "time": times,
            "offset": _offsets(found, times),
            "device": _latest(ids["index"].to_numpy(), [None, *devices], len(found)),
            "is_sure": found.is_sure,
        },
        schema_overrides={"offset": pl.Int64, "device": pl.String},
    )
    return frozenset(str(serial) for serial in ids["serial"].drop_nulls()), base.with_columns(
        name=names.gather(known[1]),
        source_observed_at=_clock(pl.col("time")),
    )


def _device(name: str | None, maker: int | None, product: int | None, serial: int | None) -> str:
    """Maker, product and serial, in the profile's words where it has some."""
    known = fit.word("garmin_product", product) if maker in GARMIN_MAKERS else None
    words = (fit.word("manufacturer", maker), known or name or product, serial)
    return " ".join(str(word) for word in words if word is not None)


def _latest(index: fit.Ints, values: Sequence[Any], count: int) -> list[Any]:
    """For each of ``count`` messages the value of the last ``index`` at or before it; the first of
    ``values`` is for those before any."""
    return [values[i] for i in np.searchsorted(index, np.arange(count), side="right").tolist()]


def _offsets(found: fit.Messages, times: fit.Ints) -> list[int | None]:
    """Seconds east of UTC at each message: of the last local time stamp, else of the first."""
    told = pl.concat(
        found.values(number, {"local": place}).drop_nulls() for number, place in LOCAL_TIMES.items()
    ).sort("index")
    told = told.with_columns(shift=pl.col("local") - pl.Series(times[told["index"].to_numpy()]))
    exact = (pl.col("shift") / QUARTER).round().cast(pl.Int64) * QUARTER
    is_sound = (exact.abs() <= MOST_OFFSET) & ((pl.col("shift") - exact).abs() <= OFFSET_SLACK)
    sound = told.select("index", "shift", exact=exact).filter(is_sound)
    if not len(sound):
        return [None] * len(found)
    values = sound["exact"].to_list()
    return _latest(sound["index"].to_numpy(), [values[0], *values], len(found))


def _clock(seconds: pl.Expr) -> pl.Expr:
    """The text of a time, with ``offset`` where it is known; null where it is no instant."""
    offset = pl.col("offset")
    wall = pl.from_epoch(seconds + fit.EPOCH + offset.fill_null(0))
    minutes = offset.abs() // 60
    sign = pl.when(offset < 0).then(pl.lit("-")).otherwise(pl.lit("+"))
    told = pl.concat_str(
        sign, _two(minutes // 60), pl.lit(":"), _two(minutes % 60)
    )  # null without an offset
    text = wall.dt.strftime("%Y-%m-%dT%H:%M:%S") + pl.coalesce(told, pl.lit("Z"))
    return pl.when(seconds >= fit.ABSOLUTE).then(text)


def _two(number: pl.Expr) -> pl.Expr:
    return number.cast(pl.String).str.zfill(2)


def _at(found: fit.Messages, sure: pl.DataFrame, number: int, **fields: int) -> pl.DataFrame:
    """The sure messages of a number: the columns of :func:`_base` and ``fields``."""
    values = found.values(number, fields).rename({"index": "line"})
    return sure.join(values.with_columns(pl.col("line") + 1), on="line")


def _valued(found: fit.Messages, sure: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The readings that are one field of a message, in the order of :data:`SAMPLES`."""
    for table, known, name in (
        ("observation", OBSERVATIONS, "source_code"),
        ("sample", SAMPLES, "kind"),
    ):
        for number, values in known.items():
            if not found.has(number):
                continue
            first = len(OBSERVATIONS.get(number, ())) if table == "sample" else 0
            at = _at(found, sure, number, **{value.kind: value.field for value in values})
            for part, value in enumerate(values, first):
                told = pl.col(value.kind)
                yield arranged(
                    at.filter(told.is_between(1, WEIGHING - 1)).select(
                        "line",
                        "device",
                        "source_observed_at",
                        pl.lit(part).alias("part"),
                        pl.lit(table).alias("table"),
                        pl.lit(value.kind).alias(name),
                        pl.lit(value.unit).alias("source_unit"),
                        pl.lit(value.method).alias("method"),
                        code_system=pl.lit("loinc"),
                        source_value=(told if value.scale == 1 else told / value.scale),
                    )
                )


def _workouts(found: fit.Messages, sure: pl.DataFrame) -> pl.DataFrame:
    """Sessions, from their start for as long as they took: the time stamp says but when a session
    was written, which may be before it."""
    if not found.has(SESSION):
        return pl.DataFrame(schema=ROWS)
    at = _at(found, sure, SESSION, start=2, took=7, sport=5, sub_sport=6)
    thousandths = (pl.col("took") % 1000).cast(pl.String).str.zfill(3)
    ended = _clock(pl.col("start") + pl.col("took") // 1000)
    names = {n: " ".join(filter(None, _activity(*n))) for n in at["sport", "sub_sport"].iter_rows()}
    return arranged(
        at.with_columns(
            table=pl.lit("sample"),
            kind=pl.lit("workout_duration"),
            source_code=pl.Series([names[key] for key in at["sport", "sub_sport"].iter_rows()]),
            source_observed_at=_clock(pl.col("start")),
            source_ended_at=ended.str.slice(0, 19) + "." + thousandths + ended.str.slice(19),
        ).filter(pl.col("source_ended_at").is_not_null())
    )


def _activity(sport: int | None, sub_sport: int | None) -> tuple[str | None, str | None]:
    return fit.word("sport", sport), fit.word("sub_sport", sub_sport or None)


def _stages(found: fit.Messages, sure: pl.DataFrame) -> pl.DataFrame:
    """Stages asleep: a level lasts until the next one is told."""
    if not found.has(SLEEP):
        return pl.DataFrame(schema=ROWS)
    at = _at(found, sure, SLEEP, level=0).filter(pl.col("time") >= fit.ABSOLUTE).sort("time")
    end = pl.col("time").shift(-1)
    stages = at.with_columns(
        table=pl.lit("sample"),
        kind=pl.lit("sleep_duration"),
        source_code=pl.col("level").replace_strict(ASLEEP, default=None, return_dtype=pl.String),
        source_ended_at=pl.col("source_observed_at").shift(-1),
        lasts=end - pl.col("time"),
    )
    is_told = pl.col("source_code").is_not_null() & pl.col("lasts").is_between(1, LONGEST_STAGE)
    return arranged(stages.filter(is_told))


def _totals(
    found: fit.Messages, sure: pl.DataFrame, zone: str, sampled: pl.Series
) -> tuple[pl.DataFrame, pl.Series]:
    """The last total of each counter and local day, and the lines of all totals.

    A total that is told at midnight is that of the day that ends.
    """
    if not found.has(MONITORING):
        return pl.DataFrame(schema=TOTALS), pl.Series(dtype=pl.Int64)
    fields = {"activity": 5, "intensity": 24, "cycles": 3, "cycles_16": 9, "energy": 19}
    at = _at(found, sure, MONITORING, **fields).with_columns(
        activity=pl.coalesce("activity", pl.col("intensity") & 31),
        at=pl.col("time"),
        day=_day(zone),
    )
    activity = pl.col("activity")
    counters = {
        "steps": (pl.coalesce("cycles", "cycles_16"), activity.is_in([WALKING, RUNNING])),
        "active_energy": (pl.col("energy"), activity != ALL_ACTIVITIES),
    }
    told = pl.concat(
        at.with_columns(value=value, kind=pl.lit(kind), part=pl.lit(part, dtype=pl.Int64)).filter(
            is_counted, pl.col("value").is_not_null()
        )
        for part, (kind, (value, is_counted)) in enumerate(counters.items(), 1)
    )
    names = {n: fit.word("activity_type", n) for n in told["activity"].unique()}
    named = told.with_columns(
        source_code=activity.replace_strict(names, return_dtype=pl.String).cast(pl.String),
        has_other=pl.col("line").is_in(sampled.implode()),
    )
    return last_totals(
        named.select(pl.col(name).cast(dtype) for name, dtype in TOTALS.items())
    ), told["line"]


def _day(zone: str) -> pl.Expr:
    """The local date a second before, by the file's offset, else in the source's zone."""
    before = pl.from_epoch(pl.col("time") + fit.EPOCH - 1)
    by_offset = before + pl.duration(seconds=pl.col("offset"))
    in_zone = before.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    date = pl.coalesce(by_offset.dt.date(), in_zone.dt.date()).cast(pl.String)
    return pl.when(pl.col("time") >= fit.ABSOLUTE).then(date)
