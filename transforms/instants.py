"""Time text to an instant, a local day, and how we know the zone.

A time with an offset keeps its own day. One that is stated in UTC (``Z``) tells the instant and
not the wall clock, so its day is the day of the source's zone. A local time without offset is taken
in the source's zone: one that the clocks skipped in spring is moved forward by the skip, one that
they repeated in autumn is taken as the first (:mod:`transforms.clocks` knows better where samples
follow one another); both are said in ``observed_doubt``. A date without time has precision
``day``: its ``observed_at`` is that date at 00:00 and stands for the whole local day.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import polars as pl

UTC = r"\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s?(?:[Zz]|-00:?00)$"
"""An instant without a wall clock; RFC 3339 gives ``-00:00`` that meaning too."""
OFFSET = r"\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s?(Z|z|[+-]\d{2}:?\d{2})$"
ISO_DAY = r"^\d{4}-\d{2}-\d{2}$"
ISO_TIMES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f")
_TIME_LETTERS = ("%H", "%I", "%k", "%l", "%T", "%R", "%s")


def day(text: pl.Expr, formats: Sequence[str] = ("iso",)) -> pl.Expr:
    """The calendar day in the text (its own local day), null when there is none.

    >>> pl.select(day(pl.lit("2024-03-01T23:30:00+02:00"))).item()
    datetime.date(2024, 3, 1)
    """
    return local(text, formats).dt.date()


def is_day_only(text: pl.Expr, formats: Sequence[str] = ("iso",)) -> pl.Expr:
    """Whether the text names a day without a time."""
    days = [
        text.str.contains(ISO_DAY)
        if form == "iso"
        else text.str.to_date(form, strict=False).is_not_null()
        for form in formats
        if form == "iso" or not _has_time(form)
    ]
    return pl.any_horizontal(days) if days else text.is_null() & text.is_not_null()


def local(text: pl.Expr, formats: Sequence[str] = ("iso",)) -> pl.Expr:
    """The wall-clock time in the text as a naive ``Datetime[us]``, offset ignored."""
    return pl.coalesce(expr for form in formats for expr in _parsed(text, form))


def offset_minutes(text: pl.Expr) -> pl.Expr:
    """Minutes east of UTC stated in the text, null when it states none."""
    found = text.str.extract(OFFSET)
    digits = found.str.replace(":", "", literal=True)
    hours, rest = (digits.str.slice(at, 2).cast(pl.Int32, strict=False) for at in (1, 3))
    minutes = hours * 60 + rest
    signed = pl.when(found.str.starts_with("-")).then(-minutes).otherwise(minutes)
    return pl.when(found.str.to_lowercase() == "z").then(0).otherwise(signed)


def instants(
    text: pl.Expr, zone: str, formats: Sequence[str] = ("iso",), prefix: str = "observed"
) -> list[pl.Expr]:
    """The columns ``{prefix}_at`` (UTC, naive), ``_local`` (wall clock), ``_on`` (its date),
    ``_precision`` (``time`` or ``day``), ``_zone`` (offset or zone name the day was taken in),
    ``_basis`` (how the zone is known: ``stated``, ``utc`` or ``setting``) and ``_doubt``
    (``clock_skipped``, ``clock_repeated`` or null).

    >>> text = pl.lit("2024-03-31T02:30:00")
    >>> pl.select(instants(text, "Europe/Rome")).row(0)[0].isoformat()
    '2024-03-31T01:30:00'
    >>> pl.select(instants(pl.lit("2024-06-30T23:30:00Z"), "Europe/Rome")).row(0)[2].isoformat()
    '2024-07-01'
    """
    wall, shift, is_day = local(text, formats), offset_minutes(text), is_day_only(text, formats)
    is_utc, is_stated = text.str.contains(UTC), shift.is_not_null()
    known, stated_at = wall.is_not_null(), wall - pl.duration(minutes=shift)
    basis = (
        pl.when(~known | is_day).then(None).when(is_utc).then(pl.lit("utc"))
        .when(is_stated).then(pl.lit("stated")).otherwise(pl.lit("setting"))
    )  # fmt: skip
    here = pl.when(is_utc).then(_wall(stated_at, zone)).otherwise(wall)
    named = pl.when(is_stated & ~is_utc).then(text.str.extract(OFFSET)).otherwise(pl.lit(zone))
    return [
        pl.when(is_day).then(wall).when(is_stated).then(stated_at).otherwise(_in_zone(wall, zone))
        .alias(f"{prefix}_at"),
        here.alias(f"{prefix}_local"),
        here.dt.date().alias(f"{prefix}_on"),
        pl.when(known)
        .then(pl.when(is_day).then(pl.lit("day")).otherwise(pl.lit("time")))
        .alias(f"{prefix}_precision"),
        pl.when(known).then(named).alias(f"{prefix}_zone"),
        basis.alias(f"{prefix}_basis"),
        pl.when(~is_day & ~is_stated).then(_doubt(wall, zone)).alias(f"{prefix}_doubt"),
    ]  # fmt: skip


def again(text: pl.Expr, zone: str, formats: Sequence[str] = ("iso",)) -> pl.Expr:
    """The second instant of a local time that the clocks repeated (UTC, naive); else null."""
    if zone == "UTC":
        return pl.lit(None, dtype=pl.Datetime("us"))
    wall = local(text, formats)
    first, second = _utc(wall, zone, "earliest"), _utc(wall, zone, "latest")
    is_open = offset_minutes(text).is_null() & ~is_day_only(text, formats)
    return pl.when(is_open & (first != second)).then(second)


def _has_time(form: str) -> bool:
    return any(letter in form for letter in _TIME_LETTERS)


def _parsed(text: pl.Expr, form: str) -> list[pl.Expr]:
    if form == "iso":
        return _iso(text)
    if _has_time(form):
        return [text.str.to_datetime(form, strict=False, time_unit="us")]
    return [text.str.to_date(form, strict=False).cast(pl.Datetime("us"))]


def _iso(text: pl.Expr) -> list[pl.Expr]:
    bare = (
        pl.when(text.str.contains(OFFSET))
        .then(text.str.replace(r"\s?(Z|z|[+-]\d{2}:?\d{2})$", ""))
        .otherwise(text)
        .str.replace("[Tt]", " ")
        .str.replace(",", ".", literal=True)
    )
    bare = pl.when(bare.str.contains(r"^\d{4}-\d{2}-\d{2}")).then(bare)
    times = [bare.str.to_datetime(form, strict=False, time_unit="us") for form in ISO_TIMES]
    days = pl.when(text.str.contains(ISO_DAY)).then(text).str.to_date("%Y-%m-%d", strict=False)
    return [*times, days.cast(pl.Datetime("us"))]


def _in_zone(wall: pl.Expr, zone: str) -> pl.Expr:
    if zone == "UTC":
        return wall
    day = pl.duration(days=1)  # with the offset of the day before, a skipped time moves by the skip
    return pl.coalesce(_utc(wall, zone, "earliest"), _utc(wall - day, zone, "latest") + day)


def _wall(utc: pl.Expr, zone: str) -> pl.Expr:
    if zone == "UTC":
        return utc
    zoned = utc.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    return zoned.dt.replace_time_zone(None)


def _utc(wall: pl.Expr, zone: str, ambiguous: str) -> pl.Expr:
    zoned = wall.dt.replace_time_zone(
        zone, ambiguous=cast("pl.Expr", ambiguous), non_existent="null"
    )
    return zoned.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def _doubt(wall: pl.Expr, zone: str) -> pl.Expr:
    if zone == "UTC":
        return pl.lit(None, dtype=pl.String)
    first, second = _utc(wall, zone, "earliest"), _utc(wall, zone, "latest")
    return (
        pl.when(wall.is_not_null() & first.is_null())
        .then(pl.lit("clock_skipped"))
        .when(first != second)
        .then(pl.lit("clock_repeated"))
    )
