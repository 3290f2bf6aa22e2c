"""nutrisense: the CSV export of the Nutrisense app.

One table for everything a person did: each row has its ``class``, and the columns that the class
uses. Sensor glucose and exercise become samples; meals, notes and all else are set aside with their
class alone, since their texts are the person's own. The file states no unit of glucose: it is
mg/dL unless the source's option ``unit`` says otherwise.

Times are local without offset (one order of dates is decided per file, as for libre), or ISO with
one. The export does not end its last line; where no column that is read is the last one, a cut
inside such a line shows by its fields, and it is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from transforms.formats.delimited import delimited
from transforms.formats.owners import known_owner
from transforms.formats.text import Text, text
from transforms.landing import ISO, Opened, Reading, UnreadableError, shaped
from transforms.readers.dexcom import Header, Roles, found_header, stated_unit, with_roles
from transforms.readers.libre import date_order, dates_seen, time_formats

COLUMNS = {
    "class": "class",
    "glucose": "value",
    "happened": "occurred_at",
    "started": "started_at",
    "ended": "ended_at",
    "length": "length",
    "activity": "description",
}
"""Role -> the header's cell (``value (mmol/L)`` would state its unit)."""
GLUCOSE, EXERCISE = "GlucoseMeasurement", "ExerciseActivity"
UNITS = ("mg/dL", "mmol/L")
LOWEST_MEDIAN = 30.0
"""mg/dL; half of a file's values below it are mmol/L in truth."""
WITHHELD = "a row that does not fit the header: not kept, it may hold a person's own words"
_CLASS = r"^[A-Z][A-Za-z]{1,39}$"
_ACTIVITY = r"^\p{L}[\p{L}-]{0,23}(?: [\p{L}-]{1,24})?$"
"""One or two words: what is longer is a sentence, and the person's own."""


def read(opened: Opened) -> Reading:
    """Read one Nutrisense export.

    Raises:
        UnreadableError: not such an export, nobody knows whose it is, its dates could be read day
            first as well as month first, or its values cannot be of the unit.
    """
    clean = text(opened, str(opened.source.options.get("encoding", "utf-8")))
    header = _header(clean)
    may_be_cut = max(header.roles.values()) == len(header.cells) - 1
    table = delimited(
        clean, header.separator, header.line, must_close=may_be_cut, names=header.names
    )
    rows = _judged(with_roles(table.rows, COLUMNS))
    seen = dates_seen(rows)
    order = date_order(opened, seen, clean, header.line)
    decimal = "," if seen["comma"] else "."
    unit = _unit(opened, header, rows, decimal)
    patient_id = known_owner(opened, rows, ())
    return Reading(
        tables={"sample": _samples(rows, unit, patient_id)},
        rejects=pl.concat([_wordless(table.rejects), _set_aside(rows)]),
        rows_in=table.rows_in,
        time_formats=tuple(dict.fromkeys((*time_formats(seen, order), *ISO))),
        decimal=decimal,
        lines=clean.path,
    )


def _header(clean: Text) -> Header:
    header = found_header(clean, _roles)
    if header is None:
        raise UnreadableError(
            "format_unknown", "no header of a Nutrisense export in the first lines"
        )
    return header


def _roles(cells: Sequence[str]) -> Roles | None:
    names = [cell.split("(")[0].strip() for cell in cells]
    roles = {role: names.index(name) for role, name in COLUMNS.items() if name in names}
    return roles if {"class", "glucose", "happened"} <= roles.keys() else None


def _judged(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Adds ``time``, of the clock that a row has, and ``kind``, null for what is set aside."""
    name = pl.col("class")
    has_end = pl.col("ended").is_not_null() | pl.col("length").is_not_null()
    is_exercise = (name == EXERCISE) & pl.col("started").is_not_null() & has_end
    return rows.with_columns(
        iso_named(column) for column in ("happened", "started", "ended")
    ).with_columns(
        time=pl.when(is_exercise).then("started").otherwise("happened"),
        kind=pl.when((name == GLUCOSE) & pl.col("glucose").is_not_null())
        .then(pl.lit("sensor_glucose"))
        .when(is_exercise)
        .then(pl.lit("workout_duration")),
        # of another class, a value is no glucose and says nothing of the decimal mark
        glucose=pl.when(name == GLUCOSE).then("glucose"),
    )


def iso_named(column: str) -> pl.Expr:
    """A time of which the zone is named ``UTC``, as ISO 8601 writes it: with ``Z``."""
    return pl.col(column).str.replace(r"(\d) ?UTC$", "${1}Z")


def _unit(opened: Opened, header: Header, rows: pl.LazyFrame, decimal: str) -> str:
    """The header's unit, else the setting's, if the file's values can be of it."""
    stated = stated_unit(header.cells[header.roles["glucose"]])
    wished = str(opened.source.options.get("unit", UNITS[0]))
    unit = stated or next((one for one in UNITS if one.lower() == wished.lower()), "")
    if not unit:
        raise UnreadableError("format_unknown", f"option unit is not one of {', '.join(UNITS)}")
    number = pl.col("glucose").str.replace(decimal, ".", literal=True).cast(float, strict=False)
    median = rows.select(number.median()).collect(engine="streaming").item()
    if unit == UNITS[0] and median is not None and median < LOWEST_MEDIAN:
        raise UnreadableError("format_unknown", 'values too low for mg/dL: set unit = "mmol/L"')
    return unit


def _samples(rows: pl.LazyFrame, unit: str, patient_id: str) -> pl.LazyFrame:
    """An exercise is worth the time between its start and its end; its ``length`` counts where
    the end is missing, in seconds, as the samples that have both show."""
    is_glucose = pl.col("kind") == "sensor_glucose"
    is_length = ~is_glucose & pl.col("ended").is_null()
    activity = pl.col("activity")
    named = pl.when(~is_glucose & activity.str.contains(_ACTIVITY)).then(activity)
    return shaped(
        "sample",
        rows.filter(pl.col("kind").is_not_null()).select(
            "line",
            "kind",
            source_row=pl.when(~is_glucose).then(_told()),
            patient_id=pl.lit(patient_id),
            source_code=named,
            source_value=pl.when(is_glucose).then("glucose").when(is_length).then("length"),
            source_unit=pl.when(is_glucose).then(pl.lit(unit)).when(is_length).then(pl.lit("s")),
            source_observed_at="time",
            source_ended_at=pl.when(~is_glucose).then("ended"),
        ),
    )


def _told() -> pl.Expr:
    """What may be shown of a row: its class and its times, none of its words."""
    shown = pl.when(pl.col("class").str.contains(_CLASS)).then("class").otherwise(pl.lit("other"))
    times = [
        pl.when(pl.col(column).str.contains(r"^\d[\d/:. TZ+apmAPM-]*$")).then(column)
        for column in ("happened", "started", "ended")
    ]
    return pl.concat_str(shown, *times, separator=", ", ignore_nulls=True)


def _set_aside(rows: pl.LazyFrame) -> pl.LazyFrame:
    shown = pl.when(pl.col("class").str.contains(_CLASS)).then("class").otherwise(pl.lit("other"))
    return rows.filter(pl.col("kind").is_null()).select(
        "line",
        reason=pl.concat_str(pl.lit("record_not_used:"), shown),
        source_row=_told(),
    )


def _wordless(misfits: pl.LazyFrame) -> pl.LazyFrame:
    """Rows that do not fit the header, without their text unless they are glucose."""
    row = pl.col("source_row")
    is_glucose = row.str.contains(rf'^"?{GLUCOSE}\b')
    return misfits.with_columns(
        source_row=pl.when(is_glucose).then(row).otherwise(pl.lit(WITHHELD))
    )
