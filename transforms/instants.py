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


def with_instants(
    rows: pl.LazyFrame,
    column: str,
    zone: str,
    formats: Sequence[str] = ("iso",),
    prefix: str = "observed",
) -> pl.LazyFrame:
    """``rows`` and what the text in ``column`` says of time.

    Adds ``{prefix}_at`` (UTC, naive), ``_local`` (wall clock), ``_on`` (its date), ``_precision``
    (``time`` or ``day``), ``_zone`` (offset or zone name the day was taken in), ``_basis`` (how
    the zone is known: ``stated``, ``utc`` or ``setting``), ``_doubt`` (``clock_skipped``,
    ``clock_repeated`` or null) and ``_again`` (the second instant of a repeated local time).

    Each text is read once, in stages: as one expression it would be read once per column.

    >>> rows = pl.LazyFrame({"t": ["2024-03-31T02:30:00", "2024-06-30T23:30:00Z"]})
    >>> found = with_instants(rows, "t", "Europe/Rome").collect()
    >>> [str(at) for at in found["observed_at"]], [str(day) for day in found["observed_on"]]
    (['2024-03-31 01:30:00', '2024-06-30 23:30:00'], ['2024-03-31', '2024-07-01'])
    """
    text = pl.col(column)
    shift, is_day, is_utc = pl.col("_shift"), pl.col("_is_day"), pl.col("_is_utc")
    is_open = shift.is_null() & ~is_day
    return (
        rows.with_columns(
            _wall=local(text, formats),
            _shift=offset_minutes(text),
            _is_day=is_day_only(text, formats).fill_null(value=False),
            _is_utc=text.str.contains(UTC).fill_null(value=False),
        )
        .with_columns(
            _first=pl.when(is_open).then(_utc(pl.col("_wall"), zone, "earliest")),
            _last=pl.when(is_open).then(_utc(pl.col("_wall"), zone, "latest")),
            _stated=pl.col("_wall") - pl.duration(minutes=shift),
        )
        .with_columns(_here=pl.when(is_utc).then(_wall("_stated", zone)).otherwise("_wall"))
        .with_columns(_told(text, zone, prefix))
        .drop(_STAGES)
    )


_STAGES = ("_wall", "_shift", "_is_day", "_is_utc", "_first", "_last", "_stated", "_here")


def _told(text: pl.Expr, zone: str, prefix: str) -> list[pl.Expr]:
    """The columns of :func:`with_instants` from its stages."""
    wall, first, last = pl.col("_wall"), pl.col("_first"), pl.col("_last")
    is_day, is_utc, is_stated = pl.col("_is_day"), pl.col("_is_utc"), pl.col("_shift").is_not_null()
    known, is_repeated = wall.is_not_null(), first != last
    is_skipped = ~is_day & ~is_stated & known & first.is_null()
    columns = {
        "at": pl.when(is_day).then(wall).otherwise(
            pl.coalesce("_stated", "_first", pl.when(is_skipped).then(_moved(wall, zone)))
        ),
        "local": pl.col("_here"),
        "on": pl.col("_here").dt.date(),
        "precision": pl.when(known & is_day).then(pl.lit("day")).when(known).then(pl.lit("time")),
        "zone": pl.when(known & is_stated & ~is_utc).then(text.str.extract(OFFSET))
        .when(known).then(pl.lit(zone)),
        "basis": pl.when(~known | is_day).then(None).when(is_utc).then(pl.lit("utc"))
        .when(is_stated).then(pl.lit("stated")).otherwise(pl.lit("setting")),
        "doubt": pl.when(is_skipped).then(pl.lit("clock_skipped"))
        .when(is_repeated).then(pl.lit("clock_repeated")),
        "again": pl.when(is_repeated).then(last),
    }  # fmt: skip
    return [column.alias(f"{prefix}_{name}") for name, column in columns.items()]


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


def _moved(wall: pl.Expr, zone: str) -> pl.Expr:
    """A time that was skipped: with the offset of the day before it moves by the skip."""
    day = pl.duration(days=1)
    return _utc(wall - day, zone, "latest") + day


def _wall(utc: str, zone: str) -> pl.Expr:
    if zone == "UTC":
        return pl.col(utc)
    zoned = pl.col(utc).dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    return zoned.dt.replace_time_zone(None)


def _utc(wall: pl.Expr, zone: str, ambiguous: str) -> pl.Expr:
    if zone == "UTC":
        return wall
    zoned = wall.dt.replace_time_zone(
        zone, ambiguous=cast("pl.Expr", ambiguous), non_existent="null"
    )
    return zoned.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
