"""carelink: the CSV exports of Medtronic CareLink, Guardian Connect and iPro2.

A preamble (a person's name and birth date, the devices), then one or more blocks of rows. A block
begins with a line of dashes that names its device, and with the header again; older exports and
iPro2's have one block and no such line. Rows with a sensor glucose become samples, readings of a
linked meter become observations; the rest is set aside by the name of the column it fills, or by
the export's own record type. Of a row that is set aside only its time and kind are kept: what a
person wrote stands there too.

A typed finger-stick (no linked meter, or sent on as a calibration) may repeat another row or the
sensor and is set aside. How a value beyond the sensor's range is written could not be verified.

Header names are those seen in public analysis code: English (also as a real file), German, Dutch,
Norwegian or Danish. Day or month first is decided per file, as for Libre.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl

from transforms.formats.delimited import Delimited, delimited
from transforms.formats.owners import known_owner
from transforms.formats.text import Text, text
from transforms.landing import Opened, Reading, UnreadableError, shaped
from transforms.readers.dexcom import SEPARATORS, Header, Roles, stated_unit, with_roles
from transforms.readers.libre import date_order, dates_seen, time_formats

NAMES = {
    "date": ("date", "datum", "dato"),
    "time": ("time", "zeit", "tijd", "klokkeslæt"),
    "stamp": ("timestamp", "zeitstempel", "tijdstempel"),
    "meter": ("linked bg meter id",),
    "bg_source": ("bg source", "source"),
    "excluded": ("excluded",),
    "raw_type": ("raw-type", "onbewerkt: type"),
    "model": ("raw-device type",),
}
"""Role -> how its header cell is written, in lower case."""
MEASURED = {
    "glucose": ("sensor glucose (", "sensorglukose (", "sensorglucose ("),
    "bg": ("bg reading (", "bz-messwert ("),
}
"""Role -> how its header cell begins; a unit follows."""
WHERE_AND_WHEN = ("stamp", "meter", "bg_source", "excluded", "raw_type", "model")

METER_SOURCE = "USER_ACCEPTED_REMOTE_BG"
"""The pump's own word for a meter's reading that the wearer accepted."""
METER_CODES = {"mg/dL": "41653-7", "mmol/L": "14743-9"}
"""Unit -> LOINC of capillary glucose by glucometer."""
MOST_BLOCKS = 300
WITHHELD = "a line without a time: not kept, it may hold a name"
END = 1 << 62
_RULE = r"^\"?-{5,}"
_HEADER = r"(?i)sensor ?glu[ck]ose \(m"
_SERIAL = r"(?:#|s/n:) *(\w[\w-]*)"
_PLACEHOLDER = r"^-+$"
_TIMED = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"


@dataclass(frozen=True)
class Device:
    """What tells a device apart, as the export names it; None where it does not."""

    model: str | None = None
    serial: str | None = None
    sensor: str | None = None


@dataclass(frozen=True)
class Block(Text):
    """The rows of one layout and device as a text of their own; no header: what they are is not
    known. ``spans`` are the first and last line of every stretch."""

    spans: tuple[tuple[int, int], ...] = ()
    header: Header | None = None
    device: Device = Device()

    def lines(self) -> pl.LazyFrame:
        """The lines inside the spans, numbered as in the file."""
        return (
            super()
            .lines()
            .filter(pl.any_horizontal(pl.col("line").is_between(*span) for span in self.spans))
        )

    def has(self, mark: str) -> bool:
        """Whether ``mark`` stands in these lines: a quoted preamble makes no row a quoted one."""
        found = self.lines().select(pl.col("text").str.contains(mark, literal=True).any())
        return bool(found.collect(engine="streaming").item())


def read(opened: Opened) -> Reading:
    """Read one export; glucose in the header's unit, times local and without offset.

    Raises:
        UnreadableError: not such an export, nobody knows whose it is, or its dates could be read
            day first as well as month first.
    """
    clean = text(opened, str(opened.source.options.get("encoding", "utf-8")))
    header_line, blocks = _blocks(clean)
    tables = [_table(block) for block in blocks]
    rows = pl.concat(
        _judged(table, block, opened.scratch / f"rows-{number}.arrow")
        for number, (table, block) in enumerate(zip(tables, blocks, strict=True))
        if block.header
    )
    seen = dates_seen(rows)
    formats = time_formats(seen, date_order(opened, seen, clean, header_line))
    patient_id = known_owner(opened, rows, (pl.col("serial"),))
    return Reading(
        tables={"sample": _samples(rows, patient_id), "observation": _meter(rows, patient_id)},
        rejects=pl.concat([*(_nameless(table.rejects) for table in tables), _set_aside(rows)]),
        rows_in=sum(table.rows_in for table in tables),
        time_formats=formats,
        decimal="," if seen["comma"] else ".",
        lines=clean.path,
    )


# ---------------------------------------------------------------- where the rows stand


def _blocks(clean: Text) -> tuple[int, list[Block]]:
    """The first header's line, and the blocks: stretches of one layout and device together."""
    marks = _marks(clean)
    first = next((header for _, _, header in marks if header), None)
    if first is None:
        raise UnreadableError("format_unknown", "no header with sensor glucose")
    told = device = _told(clean, first)
    layouts: dict[tuple[str, ...], Header] = {}
    found: dict[tuple[tuple[str, ...], Device], list[tuple[int, int]]] = {}
    for (line, written, header), (following, _, _) in pairwise([*marks, (END, "", None)]):
        cells = (header.separator, *header.cells) if header else ()
        if header:
            layouts.setdefault(cells, header)
        else:
            device = _named(_cells(written, first.separator), told)
        if line >= first.line:
            found.setdefault((cells, device), []).append((line + 1, following - 1))
    return first.line, [
        _block(clean, spans, layouts.get(cells), device) for (cells, device), spans in found.items()
    ]


def _block(
    clean: Text, spans: Sequence[tuple[int, int]], header: Header | None, device: Device
) -> Block:
    is_last = any(last == END - 1 for _, last in spans)
    closed = clean.is_closed or not is_last
    return Block(clean.path, closed, clean.undecodable, tuple(spans), header, device)


def _marks(clean: Text) -> list[tuple[int, str, Header | None]]:
    """Line and text of every rule (no header) and header, in order.

    A header that the file's end cuts is none, unless it is the only one: it has no rows.
    """
    written = pl.col("text")
    is_mark = written.str.contains(_RULE) | written.str.contains(_HEADER)
    likely = clean.lines().filter(is_mark).head(10 * MOST_BLOCKS).collect(engine="streaming")
    marks = []
    for line, mark in likely.iter_rows():
        header = _header(line, mark)
        if header or re.match(_RULE, mark):
            marks.append((line, mark, header))
    if len(marks) > 2 * MOST_BLOCKS:
        raise UnreadableError("format_unknown", f"more than {MOST_BLOCKS} blocks")
    _check_encoding(clean, marks)
    last = clean.lines().select(pl.col("line").max()).collect(engine="streaming").item()
    if not clean.is_closed and len(marks) > 1 and marks[-1][0] == last:
        marks.pop()
    return marks


def _check_encoding(clean: Text, marks: Sequence[tuple[int, str, Header | None]]) -> None:
    for line, _, header in marks:
        if header and line in clean.undecodable:
            raise UnreadableError("encoding", f"line {line}, the header")


def _header(line: int, written: str) -> Header | None:
    for separator in SEPARATORS:
        cells = _cells(written, separator)
        roles = _roles([cell.casefold() for cell in cells])
        if roles:
            return Header(line, separator, cells, roles)
    return None


def _roles(cells: Sequence[str]) -> Roles | None:
    roles: dict[str, int] = {}
    for index, cell in enumerate(cells):
        for role, names in NAMES.items():
            if cell in names:
                roles.setdefault(role, index)
        for role, beginnings in MEASURED.items():
            if cell.startswith(beginnings) and stated_unit(cell):
                roles.setdefault(role, index)
    return roles if {"date", "time", "glucose"} <= roles.keys() else None


def _cells(written: str, separator: str) -> tuple[str, ...]:
    try:
        return tuple(cell.strip() for cell in next(csv.reader([written], delimiter=separator)))
    except (csv.Error, StopIteration):
        return ()


def _told(clean: Text, first: Header) -> Device:
    """The device of the preamble: labelled, or the only recorder with a serial number."""
    above = clean.lines().filter(pl.col("line") < first.line).head(1000).collect()["text"]
    rows = [_cells(line, first.separator) for line in above]
    beside = {a.casefold(): b for cells in rows for a, b in pairwise(cells) if a and b}
    recorders = list(_recorders(rows))
    model, serial = recorders[0] if len(recorders) == 1 else (None, None)
    return Device(
        beside.get("device", model), beside.get("serial number", serial), beside.get("cgm")
    )


def _recorders(rows: Sequence[Sequence[str]]) -> Iterator[tuple[str, str]]:
    for cells in rows:
        for model, cell in pairwise(cells):
            serial = re.fullmatch(_SERIAL, cell)
            if serial and not cells[0].casefold().startswith("meter"):
                yield model, serial[1]


def _named(cells: Sequence[str], told: Device) -> Device:
    """The device of a rule (dashes, model, "Pump" or "Sensor", serial); bare dashes name none."""
    if len(cells) < 4 or not cells[1]:
        return told
    return Device(cells[1], cells[3] or None, told.sensor)


# ---------------------------------------------------------------- from lines to rows


def _table(block: Block) -> Delimited:
    if block.header:
        return delimited(block, block.header.separator, 0, names=block.header.names)
    lines = block.lines().filter(pl.col("text").str.strip_chars() != "")
    return Delimited(
        rows=lines.clear(),
        rejects=lines.select("line", reason=pl.lit("header_missing"), source_row="text"),
        rows_in=lines.select(pl.len()).collect(engine="streaming").item(),
        header=(),
    )


def _judged(table: Delimited, block: Block, kept: Path) -> pl.LazyFrame:
    """The block's rows by role, with their device, unit, and the kind of record each is.

    They are put down in ``kept``: to split the lines again for every question is the dearest part.
    """
    header, device = block.header, block.device
    assert header is not None  # noqa: S101 - blocks without one are not asked
    roles = (*NAMES, *MEASURED)
    judged = (
        with_roles(table.rows, roles)
        .with_columns(_without_placeholder("glucose"), _without_placeholder("bg"))
        .select(
            "line",
            "glucose",
            time=pl.concat_str("date", "time", separator=" ", ignore_nulls=True),
            device=_device(device),
            serial=pl.lit(device.serial, pl.String),
            unit=pl.lit(header.unit("glucose")),
            bg=pl.when(_is_meters()).then("bg"),
            bg_unit=pl.lit(header.unit("bg") if "bg" in header.roles else None, pl.String),
            kind=pl.coalesce(_excluded(), _raw_type(), *_filled_columns(header), pl.lit("other")),
            is_sensor=pl.col("glucose").is_not_null() & _excluded().is_null(),
        )
    )
    judged.sink_ipc(kept)
    return pl.scan_ipc(kept)


def _without_placeholder(name: str) -> pl.Expr:
    return pl.when(~pl.col(name).str.contains(_PLACEHOLDER)).then(pl.col(name)).alias(name)


def _device(device: Device) -> pl.Expr:
    model = pl.coalesce("model", pl.lit(device.model, pl.String))
    rest = (pl.lit(part, pl.String) for part in (device.serial, device.sensor))
    return pl.concat_str(model, *rest, separator=" ", ignore_nulls=True)


def _is_meters() -> pl.Expr:
    source = pl.col("bg_source")
    return pl.col("meter").is_not_null() & (source.is_null() | (source == METER_SOURCE))


def _excluded() -> pl.Expr:
    is_excluded = pl.col("excluded").str.to_lowercase() == "true"
    return pl.when(is_excluded).then(pl.lit("excluded"))


def _raw_type() -> pl.Expr:
    raw = pl.col("raw_type")
    return pl.when(raw.str.contains(r"^[A-Za-z]{3,60}$")).then(raw)


def _filled_columns(header: Header) -> Iterator[pl.Expr]:
    """For every column after the time: its name, where it holds something."""
    skipped = {header.roles[role] for role in WHERE_AND_WHEN if role in header.roles}
    for index, (name, cell) in enumerate(zip(header.names, header.cells, strict=True)):
        shown = cell.split("(")[0].strip()
        if index > header.roles["time"] and index not in skipped and re.match(r"[^\W\d]", shown):
            yield pl.when(pl.col(name).str.strip_chars() != "").then(pl.lit(shown[:60]))


def _samples(rows: pl.LazyFrame, patient_id: str) -> pl.LazyFrame:
    return shaped(
        "sample",
        rows.filter("is_sensor").select(
            "line",
            "device",
            patient_id=pl.lit(patient_id),
            kind=pl.lit("sensor_glucose"),
            source_value="glucose",
            source_unit="unit",
            source_observed_at="time",
        ),
    )


def _meter(rows: pl.LazyFrame, patient_id: str) -> pl.LazyFrame:
    code = pl.col("bg_unit").replace_strict(METER_CODES, return_dtype=pl.String)
    return shaped(
        "observation",
        rows.filter(pl.col("bg").is_not_null()).select(
            "line",
            part=pl.col("is_sensor").cast(pl.Int32),
            patient_id=pl.lit(patient_id),
            code_system=pl.lit("loinc"),
            source_code=code,
            source_value="bg",
            source_unit="bg_unit",
            source_observed_at="time",
        ),
    )


def _set_aside(rows: pl.LazyFrame) -> pl.LazyFrame:
    time = pl.when(pl.col("time").str.contains(rf"^{_TIMED}[ 0-9:APMapm]*$")).then("time")
    return rows.filter(~pl.col("is_sensor") & pl.col("bg").is_null()).select(
        "line",
        reason=pl.concat_str(pl.lit("record_not_used:"), "kind"),
        source_row=pl.concat_str(time, "kind", separator=" ", ignore_nulls=True),
    )


def _nameless(misfits: pl.LazyFrame) -> pl.LazyFrame:
    """Rows that do not fit the header, without the text of those that may hold a name."""
    row = pl.col("source_row")
    is_timed = row.str.contains(rf'^"?\d+(?:[.,]\d+)?"?[,;\t]"?{_TIMED}')
    return misfits.with_columns(source_row=pl.when(is_timed).then(row).otherwise(pl.lit(WITHHELD)))
