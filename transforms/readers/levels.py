"""levels: the CSV export of the Levels app.

One row per glucose value, under at most a line that names the person. Every row states its time
twice, in UTC and on the person's clock: their difference is the offset, so the sample keeps both
the instant and the local day. The kinds of reading are the export's own words (``timeseries``, and
``directRead`` for a value that was asked for). No row names the sensor.

The export does not end its last line. That line is taken if it ends with a whole word of
:data:`TYPES`: no such word begins another, so a file cut inside one shows.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from transforms.formats.delimited import delimited
from transforms.formats.owners import known_owner
from transforms.formats.stated_times import instant_text
from transforms.formats.text import Text, text
from transforms.instants import local, offset_minutes
from transforms.landing import Opened, Reading, UnreadableError, shaped
from transforms.readers.dexcom import (
    Header,
    Roles,
    decimal_comma,
    found_header,
    stated_unit,
    with_roles,
)

COLUMNS = {
    "utc": ("time (utc)",),
    "wall": ("time (local)",),
    "glucose": ("glucose reading (",),
    "type": ("type of reading",),
}
"""Role -> how the header's cell may begin."""
TYPES = ("timeseries", "directRead")
MOST_OFFSET = 14 * 60
OFFSET_STEP = 15
"""Minutes: no zone is further from UTC, nor off by a part of a quarter of an hour."""
_WORD = r"^[A-Za-z][A-Za-z_ -]{0,39}$"


def read(opened: Opened) -> Reading:
    """Read one Levels export; glucose in the header's unit, times with their offset.

    Raises:
        UnreadableError: not such an export, or nobody knows whose it is.
    """
    clean = text(opened, str(opened.source.options.get("encoding", "utf-8")))
    header = _header(clean)
    table = delimited(clean, header.separator, header.line, must_close=False, names=header.names)
    split = with_roles(table.rows, COLUMNS)
    is_cut = _is_cut(clean)
    rows = split.filter(~is_cut)
    is_reading = pl.col("glucose").is_not_null()
    is_comma = rows.select(decimal_comma(pl.col("glucose"))).collect(engine="streaming").item()
    patient_id = known_owner(opened, rows, ())
    samples = _samples(rows.filter(is_reading), header.unit("glucose"), patient_id)
    return Reading(
        tables={"sample": samples},
        rejects=pl.concat(
            [table.rejects, _cut(split.filter(is_cut)), _set_aside(rows.filter(~is_reading))]
        ),
        rows_in=table.rows_in,
        decimal="," if is_comma else ".",
        lines=clean.path,
    )


def _header(clean: Text) -> Header:
    header = found_header(clean, _roles)
    if header is None:
        raise UnreadableError("format_unknown", "no header of a Levels export in the first lines")
    return header


def _roles(cells: Sequence[str]) -> Roles | None:
    """Glucose in a unit, and the time in UTC, on the person's clock, or both."""
    roles = {
        role: index
        for index, cell in reversed(list(enumerate(cells)))
        for role, beginnings in COLUMNS.items()
        if cell.startswith(beginnings)
    }
    has_time = not {"utc", "wall"}.isdisjoint(roles)
    is_export = has_time and "glucose" in roles and stated_unit(cells[roles["glucose"]]) is not None
    return roles if is_export else None


def _is_cut(clean: Text) -> pl.Expr:
    """Whether a row is the last one, without line end, and does not end as a whole one does."""
    if clean.is_closed:
        return pl.lit(value=False)
    last: int = clean.lines().select(pl.col("line").max()).collect(engine="streaming").item()
    return (pl.col("line") == last) & ~pl.col("text").str.contains(rf"[,;\t](?:{'|'.join(TYPES)})$")


def _cut(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("line", reason=pl.lit("last_line_open"), source_row="text")


def _samples(rows: pl.LazyFrame, unit: str, patient_id: str) -> pl.LazyFrame:
    return shaped(
        "sample",
        _timed(rows).select(
            "line",
            patient_id=pl.lit(patient_id),
            kind=pl.lit("sensor_glucose"),
            method="type",
            source_value="glucose",
            source_unit=pl.lit(unit),
            source_observed_at="time",
        ),
    )


def _timed(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Adds ``time``: the time on the person's clock with its offset from UTC.

    A difference that can be no offset leaves the instant alone; without an instant the local time
    is all there is, and without either the text waits as it came. In steps, since every mention
    of a text's time would read it again.
    """
    stated, at, minutes = pl.col("utc"), pl.col("utc_at"), pl.col("minutes")
    is_offset = (minutes.abs() <= MOST_OFFSET) & (minutes % OFFSET_STEP == 0)
    return (
        rows.with_columns(wall_at=local(pl.col("wall")), utc_at=local(stated))
        .with_columns(utc_at=at - pl.duration(minutes=offset_minutes(stated).fill_null(0)))
        .with_columns(minutes=((pl.col("wall_at") - at).dt.total_seconds() / 60).round())
        .with_columns(east=pl.when(is_offset).then(minutes))
        .with_columns(time=pl.coalesce(instant_text(at, pl.col("east")), "wall", "utc"))
    )


def _set_aside(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows without glucose, by their type where it is surely one."""
    kind = pl.col("type")
    shown = pl.when(kind.str.contains(_WORD)).then(kind).otherwise(pl.lit("other"))
    return rows.select(
        "line", reason=pl.concat_str(pl.lit("record_not_used:"), shown), source_row="text"
    )
