"""Times that a file states in pieces, as one ISO 8601 text each: epochs, UTC beside an offset.

A text without offset, whose zone only settings know, is left as it came.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from transforms.formats.table_parts import EPOCHS, Times
from transforms.instants import UTC, is_day_only, local, offset_minutes

MOST_OFFSET = 18 * 60
"""Minutes; ISO 8601 readers allow no more, and no zone has ever been further from UTC."""
LAST_SECOND = 253_402_300_799
"""Of the year 9999."""
_ISO = "%Y-%m-%dT%H:%M:%S%.f"
_NUMBER = r"^[+-]?\d+(?:\.\d+)?$"


def instant_text(utc: pl.Expr, east: pl.Expr) -> pl.Expr:
    """An instant as text, on the wall clock of ``east`` minutes from UTC, else with ``Z``.

    Args:
        utc: naive ``Datetime[us]``.
        east: minutes, null where unknown.

    >>> from datetime import datetime
    >>> pl.select(instant_text(pl.lit(datetime(2024, 3, 1, 9)), pl.lit(-210))).item()
    '2024-03-01T05:30:00-03:30'
    """
    whole = east.cast(pl.Int64).abs()
    digits = (whole // 60 * 100 + whole % 60).cast(pl.String).str.zfill(4)
    sign = pl.when(east < 0).then(pl.lit("-")).otherwise(pl.lit("+"))
    offset = pl.concat_str(sign, digits.str.slice(0, 2), pl.lit(":"), digits.str.slice(2))
    shifted = (utc + pl.duration(minutes=east.cast(pl.Int64))).dt.to_string(_ISO)
    return pl.coalesce(shifted + offset, utc.dt.to_string(_ISO) + "Z")


def stated(times: Times, text: pl.Expr, offset: pl.Expr, seconds: pl.Expr | None = None) -> pl.Expr:
    """The instant that a row states, as text; what cannot be understood stays as it came.

    Args:
        times: how the file tells times.
        text: the row's time.
        offset: its offset from UTC, in seconds or as ``+01:00``; null where it states none.
        seconds: how long after it, as text: the end of an interval.
    """
    if not times.is_instant:
        return text
    own = pl.when(~text.str.contains(UTC)).then(offset_minutes(text))
    east = pl.coalesce(own, _minutes(offset))
    utc = _utc(times, text, east)
    if seconds is not None:
        utc += pl.duration(microseconds=_microseconds(seconds, 1))
    understood = pl.coalesce(instant_text(utc, east), seconds if seconds is not None else text)
    is_unclear = offset.is_not_null() & east.is_null()
    return (
        pl.when(is_unclear).then(pl.concat_str(text, offset, separator=" "))
        .when(is_day_only(text, times.formats) & pl.lit(not times.epoch)).then(text)
        .otherwise(understood)
    )  # fmt: skip


def elapsed(start: str, minutes: pl.Expr) -> pl.Expr:
    """The time that lies so many minutes (text) after ``start`` (ISO), on the same clock.

    >>> pl.select(elapsed("2020-01-01T08:00Z", pl.lit("-10"))).item()
    '2020-01-01T07:50:00Z'
    """
    begin = pl.lit(start)
    offset = begin.str.extract(r"(Z|[+-]\d{2}:?\d{2})$").fill_null("")
    at = local(begin) + pl.duration(microseconds=_microseconds(minutes, 1) * 60)
    zone = pl.when(offset_minutes(begin).is_null()).then(pl.lit("")).otherwise(offset)
    return pl.coalesce(at.dt.to_string(_ISO) + zone, minutes)


def as_iso(text: pl.Expr, formats: Sequence[str]) -> pl.Expr:
    """Report times are understood as ISO only; a text in another format is written so."""
    others = [form for form in formats if form != "iso"]
    if not others:
        return text
    read = local(text, others)
    written = (
        pl.when(is_day_only(text, others))
        .then(read.dt.to_string("%Y-%m-%d"))
        .otherwise(read.dt.to_string("%Y-%m-%dT%H:%M:%S"))
    )
    return pl.coalesce(written, text)


def _utc(times: Times, text: pl.Expr, east: pl.Expr) -> pl.Expr:
    if times.epoch:
        counted = _microseconds(text, EPOCHS[times.epoch])
        return pl.from_epoch(counted, time_unit="us")
    wall, stated_east = local(text, times.formats), offset_minutes(text)
    if times.is_utc:
        return wall - pl.duration(minutes=stated_east.fill_null(0))
    return wall - pl.duration(minutes=pl.coalesce(stated_east, east))


def _microseconds(text: pl.Expr, a_second: int) -> pl.Expr:
    """Counts as text to microseconds, null for what no clock can say."""
    count = pl.when(text.str.contains(_NUMBER)).then(text).cast(pl.Float64, strict=False)
    seconds = pl.when(count.abs() <= LAST_SECOND * a_second).then(count) / a_second
    return (seconds * 1e6).round().cast(pl.Int64)


def _minutes(offset: pl.Expr) -> pl.Expr:
    """Minutes east of UTC of a text: seconds, or as ISO writes an offset."""
    written = offset_minutes(pl.concat_str(pl.lit("00:00"), offset))
    seconds = pl.when(offset.str.contains(_NUMBER)).then(offset).cast(pl.Float64, strict=False)
    found = pl.coalesce(pl.when(offset.str.contains(":")).then(written), seconds / 60)
    return pl.when((found.abs() <= MOST_OFFSET) & (found % 1 == 0)).then(found)
