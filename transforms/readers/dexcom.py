"""dexcom: the CSV export of Dexcom Clarity, in mg/dL or mmol/L.

One table for everything: the first rows tell whose it is and how the alerts are set, then come
sensor readings (``EGV``), finger-stick calibrations and what the person wrote down. Only sensor
readings become samples; the rest is set aside with its event type. The rows without a time hold
a person's name and birth date, so nothing of them is kept but the event type.

Headers in other languages are those seen in public analysis code: English (also as real files),
German, Spanish and Italian. A French or Dutch header could not be verified and is not read.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import polars as pl

from transforms.formats.delimited import delimited
from transforms.formats.owners import known_owner
from transforms.formats.text import Text, text
from transforms.landing import Opened, Reading, UnreadableError, shaped

SEPARATORS = (",", ";", "\t")
HEADER_WITHIN = 10
"""Lines; a header further down is not a header of these exports."""

LIMITS = {"mg/dL": ("<40", ">400"), "mmol/L": ("<2.2", ">22.2")}
"""Unit -> what "Low" and "High" stand for: the reportable range of Dexcom G4 to G7 is 40 to 400
mg/dL, shown as 2.2 to 22.2 mmol/L (Dexcom user guides)."""

PERSONAL_EVENTS = ("FirstName", "LastName", "PatientIdentifier", "DateOfBirth")
KNOWN_EVENTS = (
    *PERSONAL_EVENTS,
    *("Device", "Alert", "EGV", "Calibration"),
    *("Insulin", "Carbs", "Exercise", "Health", "Notes"),
)
NOT_STORED = "NOT_STORED"
WITHHELD = "a row without a time: not kept, it may hold a name"
_TIMED = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}"
_WORDS = r"^[\p{L}][\p{L} -]{0,39}$"

Roles = Mapping[str, int]


@dataclass(frozen=True)
class Language:
    """The words of one language.

    ``columns``: how the header's cell of a role may begin; ``readings``: event types that are
    sensor readings; ``low`` and ``high``: what stands for a value beyond the sensor's range.
    """

    columns: Mapping[str, tuple[str, ...]]
    readings: tuple[str, ...] = ("EGV",)
    low: tuple[str, ...] = ()
    high: tuple[str, ...] = ()


ENGLISH = Language(
    {
        "time": ("timestamp (",),
        "event": ("event type",),
        "glucose": ("glucose value (",),
        "person": ("patient info",),
        "model": ("device info",),
        "source": ("source device id",),
        "transmitter": ("transmitter id",),
    },
    low=("Low",),
    high=("High",),
)
LANGUAGES = (
    ENGLISH,
    Language(
        {
            "time": ("zeitstempel (",),
            "event": ("ereignistyp", "ereignisart"),
            "glucose": ("glukosewert (",),
        },
        readings=("EGV", "EGW"),
        low=("Niedrig",),
        high=("Hoch",),
    ),
    Language(
        {
            "time": ("marca temporal (",),
            "event": ("tipo de evento",),
            "glucose": ("nivel de glucosa (",),
        },
        readings=("EGV", "Niveles estimados de glucosa"),
    ),
    Language(
        {
            "time": ("data e ora (",),
            "event": ("tipo di evento",),
            "glucose": ("valore del glucosio (",),
            "transmitter": ("id trasmettitore",),
        },
        low=("Basso",),
    ),
)

IDENTIFIERS = (
    pl.col("transmitter"),
    pl.when(pl.col("event") == "PatientIdentifier").then(pl.col("person")),
)


@dataclass(frozen=True)
class Header:
    """A header: its 1-based line, its separator, its cells, and the index of each role's cell."""

    line: int
    separator: str
    cells: tuple[str, ...]
    roles: Roles = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The cells renamed to their roles, ``column_<n>`` for a cell without one."""
        named = {index: role for role, index in self.roles.items()}
        return tuple(named.get(i, f"column_{i + 1}") for i in range(len(self.cells)))

    def unit(self, role: str) -> str:
        """``mg/dL`` or ``mmol/L``, as the cell of ``role`` says.

        Raises:
            UnreadableError: it says neither.
        """
        unit = stated_unit(self.cells[self.roles[role]])
        if unit is None:
            raise UnreadableError("format_unknown", f"line {self.line}: no unit in the header")
        return unit


def read(opened: Opened) -> Reading:
    """Read one Clarity export; glucose in the header's unit, times local and without offset.

    Raises:
        UnreadableError: not such an export, or nobody knows whose it is.
    """
    clean = text(opened, str(opened.source.options.get("encoding", "utf-8")))
    language, header = _language(clean)
    table = delimited(clean, header.separator, header.line, names=header.names)
    rows = with_roles(table.rows, ENGLISH.columns)
    unit, seen = header.unit("glucose"), _seen(rows, language)
    patient_id = known_owner(opened, rows, IDENTIFIERS)
    judged = rows.with_columns(verdict=_verdict(language))
    return Reading(
        tables={"sample": _samples(judged, language, unit, seen, patient_id)},
        rejects=pl.concat([_nameless(table.rejects), _set_aside(judged)]),
        rows_in=table.rows_in,
        decimal=seen.decimal,
        lines=clean.path,
    )


def found_header(clean: Text, roles_in: Callable[[Sequence[str]], Roles | None]) -> Header | None:
    """The first line, split by the first separator, in which ``roles_in`` finds its columns.

    Args:
        clean: the file.
        roles_in: maps lower-case cells to role and index, or None where they are no header.
    """
    top = clean.lines().head(HEADER_WITHIN).collect()
    for line, written in top.select("line", "text").iter_rows():
        for separator in SEPARATORS:
            cells = _cells(written, separator)
            roles = roles_in([cell.strip().casefold() for cell in cells])
            if roles:
                return Header(line, separator, tuple(cells), roles)
    return None


def stated_unit(cell: str) -> str | None:
    """The glucose unit that a header cell states.

    >>> stated_unit("Glukosewert (mmol/l)")
    'mmol/L'
    """
    found = re.search(r"mg/dl|mmol/l", cell, re.IGNORECASE)
    return {"mg/dl": "mg/dL", "mmol/l": "mmol/L"}[found[0].lower()] if found else None


def filled(name: str) -> pl.Expr:
    """Column ``name`` stripped, blank as null."""
    stripped = pl.col(name).str.strip_chars()
    return pl.when(stripped != "").then(stripped).alias(name)


def with_roles(rows: pl.LazyFrame, roles: Iterable[str]) -> pl.LazyFrame:
    """``rows`` with every one of ``roles`` as a stripped column, null where the file has none."""
    given = rows.collect_schema().names()
    return rows.with_columns(
        filled(role) if role in given else pl.lit(None, dtype=pl.String).alias(role)
        for role in roles
    )


def decimal_comma(values: pl.Expr) -> pl.Expr:
    """Whether numbers are written with a comma: some are, and none with a point."""
    return (
        values.str.contains(r"^\d+,\d+$").any() & ~values.str.contains(r"^\d+\.\d+$").any()
    ).fill_null(value=False)


def _cells(written: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([written], delimiter=separator))
    except csv.Error:
        return []


def _language(clean: Text) -> tuple[Language, Header]:
    for language in LANGUAGES:
        header = found_header(clean, partial(_roles, language))
        if header:
            return language, header
    raise UnreadableError("format_unknown", "no header of a Clarity export in the first lines")


def _roles(language: Language, cells: Sequence[str]) -> Roles | None:
    roles: dict[str, int] = {}
    for index, cell in enumerate(cells):
        for role, beginnings in language.columns.items():
            if cell.startswith(beginnings):
                roles.setdefault(role, index)
    if not {"time", "event", "glucose"} <= roles.keys():
        return None
    event = roles["event"]
    if roles["glucose"] == event + 5:
        # The order of Clarity's columns is the same in every language; only names differ.
        roles = {"person": event + 2, "model": event + 3, "source": event + 4, **roles}
    return roles


@dataclass(frozen=True)
class _Seen:
    """What the whole file says: its decimal mark, and each source device's model."""

    decimal: str
    models: Mapping[str, str]


def _seen(rows: pl.LazyFrame, language: Language) -> _Seen:
    """One pass over the readings, one over the rows without a time (device models)."""
    is_reading = pl.col("event").is_in(language.readings)
    is_timed = pl.col("time").is_not_null() & pl.col("glucose").is_not_null()
    comma, readings, timed = (
        rows.select(
            decimal_comma(pl.col("glucose").filter(is_reading)).alias("comma"),
            is_reading.sum().alias("readings"),
            is_timed.sum().alias("timed"),
        )
        .collect(engine="streaming")
        .row(0)
    )
    if timed and not readings and language is not ENGLISH:
        raise UnreadableError("format_unknown", "no event type is known as a sensor reading")
    return _Seen("," if comma else ".", _models(rows))


def _models(rows: pl.LazyFrame) -> dict[str, str]:
    stated = rows.filter(pl.col("time").is_null(), pl.col("event") == "Device")
    pairs = stated.select("source", "model").drop_nulls().head(20).collect(engine="streaming")
    return dict(pairs.iter_rows())


def _verdict(language: Language) -> pl.Expr:
    """Null for a sensor reading with a value, else the reason it is set aside."""
    is_reading = pl.col("event").is_in(language.readings) & pl.col("glucose").is_not_null()
    return pl.when(~is_reading.fill_null(value=False)).then(
        pl.concat_str(pl.lit("record_not_used:"), _shown_event())
    )


def _shown_event() -> pl.Expr:
    """The event type where it is surely one: a damaged first row could have a name there."""
    event = pl.col("event")
    is_sure = event.is_in(KNOWN_EVENTS) | (
        pl.col("time").str.contains(_TIMED) & event.str.contains(_WORDS)
    )
    return pl.when(is_sure).then(event).otherwise(pl.lit("other"))


def _set_aside(judged: pl.LazyFrame) -> pl.LazyFrame:
    is_timed = pl.col("time").str.contains(_TIMED).fill_null(value=False)
    return judged.filter(pl.col("verdict").is_not_null()).select(
        "line",
        reason="verdict",
        source_row=pl.when(is_timed).then(pl.col("text")).otherwise(_shown_event()),
    )


def _nameless(misfits: pl.LazyFrame) -> pl.LazyFrame:
    """Rows that do not fit the header, without the text of those that may hold a name."""
    row = pl.col("source_row")
    event = row.str.extract(rf"\b({'|'.join(KNOWN_EVENTS)})\b")
    is_timed = row.str.contains(rf'^(?:[^,;\t]*[,;\t])?"?{_TIMED}')
    return misfits.with_columns(
        source_row=pl.when(is_timed).then(row).otherwise(pl.coalesce(event, pl.lit(WITHHELD)))
    )


def _samples(
    judged: pl.LazyFrame, language: Language, unit: str, seen: _Seen, patient_id: str
) -> pl.LazyFrame:
    low, high = (limit.replace(".", seen.decimal) for limit in LIMITS[unit])
    beyond = dict.fromkeys(language.low, low) | dict.fromkeys(language.high, high)
    return shaped(
        "sample",
        judged.filter(pl.col("verdict").is_null()).select(
            "line",
            patient_id=pl.lit(patient_id),
            kind=pl.lit("sensor_glucose"),
            device=_device(seen.models),
            source_code=pl.when(pl.col("glucose").is_in(list(beyond))).then("glucose"),
            source_value=pl.col("glucose").replace(beyond),
            source_unit=pl.lit(unit),
            source_observed_at="time",
        ),
    )


def _device(models: Mapping[str, str]) -> pl.Expr:
    """Model and source device; the transmitter only where neither is told.

    A sensor or transmitter is changed in the middle of a day, which must stay one device's day.
    """
    source = pl.col("source")
    model = source.replace_strict(models, default=None, return_dtype=pl.String)
    told = pl.concat_str(
        model, pl.when(source != NOT_STORED).then(source), separator=" ", ignore_nulls=True
    )
    return pl.when(told != "").then(told).otherwise(pl.col("transmitter"))
