"""table: any delimited or Excel file, by a mapping in settings alone (docs/table.md).

Columns are known by their place from the header on, so no name in a file can collide with one of
ours. A workbook's cells are read as text; the row number of the sheet is the line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

import polars as pl

from transforms.catalog import words
from transforms.formats.delimited import delimited, header_names
from transforms.formats.stated_times import as_iso, elapsed, stated
from transforms.formats.table_mapping import TableMapping, mapping
from transforms.formats.table_parts import FILE, FOLDER, LENGTH, LINE, Cell, Flag, Measure, Sample
from transforms.formats.text import text
from transforms.formats.workbook import is_workbook, sheet, sheet_header
from transforms.instants import ISO_DAY, day
from transforms.landing import Opened, Reading, UnreadableError, no_rejects, shaped
from transforms.readers.clinic_csv import code_system

__all__ = ["mapping", "read"]

PLAIN = ("final", "preliminary")
"""Statuses that say nothing of their own: without a value there is no result."""

_LANDED = {
    "observed_at": "source_observed_at",
    "reported_at": "source_reported_at",
    "status": "source_status",
    "fasting": "source_fasting",
    "code": "source_code",
    "value": "source_value",
    "unit": "source_unit",
    "name": "source_code",
    "ended_at": "source_ended_at",
}
UNSELECTED = "record_not_used:only"
"""The reason of a row that holds values, but is none of the rows that the mapping takes."""
_AGE_NOTE = (
    "birth dates are made of ages: the 1 July that gives the age stated on the observed day, "
    "so up to a year off"
)


@dataclass(frozen=True)
class Rows:
    """The rows of a file: ``line``, ``text`` and one text column ``c0``, ``c1`` ... per header
    name; ``lines`` is None when a row is not a line of a text file."""

    frame: pl.LazyFrame
    header: tuple[str, ...]
    rejects: pl.LazyFrame
    rows_in: int
    lines: Path | None


def read(opened: Opened) -> Reading:
    """Read one file as its source's mapping says.

    Raises:
        UnreadableError: no header, a damaged workbook, or nobody's file.
        ValueError: the mapping is wrong (settings are checked for that before).
    """
    table = mapping(opened.source.options)
    rows = _sheet_rows(opened, table) if is_workbook(opened.path) else _text_rows(opened, table)
    given, table = table, table.of_file(rows.header)
    missing = [name for name in table.used if name not in rows.header]
    if missing:
        return _refused(rows, missing)
    facts = _Facts(table, rows, opened).frame()
    tables = {"observation": _observations(facts, table)}
    if table.samples:
        tables["sample"] = _samples(facts, table.samples, is_sheet=rows.lines is None)
    if table.tells_person:
        tables["patient"] = _patients(facts, table)
    if table.flags:
        tables["condition"] = _conditions(facts, table.flags)
    why = pl.when("unselected").then(pl.lit(UNSELECTED)).otherwise(pl.lit("row_empty"))
    empty = facts.filter(~_holds_anything(table)).select("line", reason=why, source_row="text")
    return Reading(
        tables=tables,
        rejects=pl.concat([rows.rejects, empty]),
        rows_in=rows.rows_in,
        time_formats=_time_formats(table, rows),
        decimal=table.decimal,
        notes=_notes(given, table),
        lines=rows.lines,
    )


def _notes(given: TableMapping, table: TableMapping) -> tuple[str, ...]:
    """Remarks for people: what was made of ages, what the file lacks of ``given``."""
    lacking = dict.fromkeys(cell.column for cell in given.cells if cell not in table.cells)
    absent = (f"the file has no column {name}, which is optional" for name in lacking)
    return (*((_AGE_NOTE,) if table.person.age_years else ()), *absent)


def _refused(rows: Rows, missing: list[str]) -> Reading:
    """Every row waits: the mapping is of another file."""
    reason = pl.lit(f"column_missing:{','.join(missing)}")
    waiting = rows.frame.select("line", reason=reason, source_row="text")
    return Reading({}, pl.concat([rows.rejects, waiting]), rows.rows_in, lines=rows.lines)


def _time_formats(table: TableMapping, rows: Rows) -> tuple[str, ...]:
    """A workbook's own dates and the constant are ISO, whatever the file's text is."""
    has_iso = rows.lines is None or "observed_at" in table.constants or table.times.is_instant
    return tuple(dict.fromkeys((*table.date_formats, *(("iso",) if has_iso else ()))))


def _text_rows(opened: Opened, table: TableMapping) -> Rows:
    layout = table.layout
    clean = text(opened, layout.encoding)
    try:
        header = layout.names or header_names(clean, layout.delimiter, layout.header_row)
    except csv.Error:
        raise UnreadableError("header_missing", f"line {layout.header_row} is no header") from None
    split = delimited(
        clean,
        layout.delimiter,
        layout.header_row,
        must_close=layout.must_close,
        names=_places(len(header)),
    )
    return Rows(split.rows, tuple(header), split.rejects, split.rows_in, clean.path)


def _places(count: int) -> list[str]:
    return [f"c{i}" for i in range(count)]


def _sheet_rows(opened: Opened, table: TableMapping) -> Rows:
    layout = table.layout
    cells = sheet(opened.path, layout.sheet)
    header = layout.names or sheet_header(cells, layout.header_row)
    width = max(len(header), cells.width)
    header = (*header, *[""] * (width - len(header)))
    cells = cells.with_columns(
        pl.lit(None, dtype=pl.String).alias(name) for name in _places(width)[cells.width :]
    )
    body = (
        cells.lazy()
        .with_row_index("line", offset=1)
        .with_columns(pl.col("line").cast(pl.Int64))
        .filter(pl.col("line") > layout.header_row, ~pl.all_horizontal(_blank(_places(width))))
        .with_columns(text=_as_json(header))
    )
    filled = cells[layout.header_row :].select(~pl.all_horizontal(_blank(cells.columns)))
    return Rows(body, header, no_rejects(), int(filled.to_series().sum()), None)


def _blank(names: Iterable[str]) -> list[pl.Expr]:
    return [pl.col(name).is_null() for name in names]


def _as_json(header: tuple[str, ...]) -> pl.Expr:
    """The row as JSON, for the quarantine: a sheet row has no text of its own."""
    named = [name or f"column_{i}" for i, name in enumerate(header, start=1)]
    unique = [f"{n} ({i})" if named.count(n) > 1 else n for i, n in enumerate(named, start=1)]
    return pl.struct(pl.col(f"c{i}").alias(n) for i, n in enumerate(unique)).struct.json_encode()


class _Facts:
    """The file's rows by meaning instead of place."""

    def __init__(self, table: TableMapping, rows: Rows, opened: Opened) -> None:
        self.table, self.rows, self.opened = table, rows, opened
        self.formats = _time_formats(table, rows)

    def frame(self) -> pl.LazyFrame:
        """``line``, ``text``, the landing columns that every result of a row shares, and what
        the parts are made of: ``value_<n>``, ``below_<n>``, ``sample_<n>``, ``flag_<n>``,
        ``birth_date``, ``sex``; ``unselected``: whether ``only`` alone keeps values out.
        """
        is_sheet = self.rows.lines is None
        # in steps: a time is made of its text many times over, so the text must be a column first
        said = self.rows.frame.with_columns(**self._said())
        timed = said.with_columns(at=self._observed_at(), end=self._ended_at())
        return timed.select(
            "line",
            "text",
            pl.col("text").alias("source_row") if is_sheet else pl.lit(None).alias("source_row"),
            *(expr.alias(_LANDED.get(name, name)) for name, expr in self._shared().items()),
            *self._parts(),
            *self._person(),
        )

    def _cell(self, column: str) -> pl.Expr:
        """A column's text, null where it is a missing word."""
        cell = self._raw(column)
        return pl.when(~cell.is_in(self.table.missing)).then(cell)

    def _raw(self, column: str) -> pl.Expr:
        made = self.table.extracts.get(column)
        if made:
            return self._raw(made.column).str.extract(made.pattern, 1)
        if column == FILE:
            return pl.lit(self._stem())
        cell = pl.col(f"c{self.rows.header.index(column)}").str.strip_chars()
        return pl.when(cell != "").then(cell)

    def _stem(self) -> str:
        return PurePath(self.opened.name).stem

    def _or_constant(self, name: str, cell: pl.Expr | None) -> pl.Expr:
        constant = pl.lit(self.table.constants.get(name), dtype=pl.String)
        return constant if cell is None else pl.coalesce(cell, constant)

    def _shared(self) -> dict[str, pl.Expr]:
        given = set(self.table.columns) | set(self.table.constants)
        shared = {name: self._field(name) for name in given - {"birth_date", "sex"}}
        shared["patient_id"] = self._patient_id()
        shared |= {"observed_at": pl.col("at"), "ended_at": pl.col("end")}
        if "reported_at" in shared:
            at = stated(self.table.times, shared["reported_at"], pl.col("said_offset"))
            shared["reported_at"] = as_iso(at, self.table.date_formats)
        if self.table.shape == "long" and "code_system" not in shared:
            shared["code_system"] = code_system(shared["code"])
        return shared

    def _field(self, name: str) -> pl.Expr:
        column = self.table.columns.get(name)
        if column is None:
            return self._or_constant(name, None)
        if column == LINE and name == "result_id":
            return self._line_id()
        # "NA" among codes is sodium, not nothing
        return self._or_constant(name, self._raw(column) if name == "code" else self._cell(column))

    def _line_id(self) -> pl.Expr:
        return pl.format("{}-{}", pl.lit(self._stem()), "line")

    def _patient_id(self) -> pl.Expr:
        given = self.table.patient_id
        if given == LINE:
            found = self._line_id()
        elif given == FOLDER:
            found = pl.lit(self._folder())
        else:
            found = self._or_constant("patient_id", self._cell(given) if given else None)
        return pl.lit(self.table.patient_prefix) + found

    def _folder(self) -> str:
        mapped = self.opened.source.patients.get(self._stem())
        found = self.opened.patient_id or mapped
        if not found:
            raise UnreadableError("file_unknown")
        return found

    def _said(self) -> dict[str, pl.Expr]:
        """What a row says of its times, each as one text."""
        times = self.table.times
        columns = {"at": times.observed_at, "end": times.ended_at, "offset": (times.offset,)}
        columns |= {"minutes": (times.minutes_after,), "seconds": (times.duration,)}
        return {
            f"said_{name}": self._joined(tuple(filter(None, columns[name]))) for name in columns
        }

    def _observed_at(self) -> pl.Expr:
        """A row without it is of the constant time, unless it counts from that."""
        times, constants = self.table.times, self.table.constants
        if times.minutes_after:
            return elapsed(constants["observed_at"], pl.col("said_minutes"))
        at = stated(times, pl.col("said_at"), pl.col("said_offset"))
        return self._or_constant("observed_at", at)

    def _ended_at(self) -> pl.Expr:
        times, offset = self.table.times, pl.col("said_offset")
        if times.duration:
            return stated(times, pl.col("said_at"), offset, pl.col("said_seconds"))
        return stated(times, pl.col("said_end"), offset)

    def _joined(self, columns: tuple[str, ...]) -> pl.Expr:
        if not columns:
            return pl.lit(None, dtype=pl.String)
        cells = [self._cell(column) for column in columns]
        joined = pl.concat_str(cells, separator=" ", ignore_nulls=True)
        return pl.when(joined != "").then(joined)

    def _parts(self) -> list[pl.Expr]:
        """The cells that become rows of their own."""
        made = []
        for n, measure in enumerate(self.table.measures, start=1):
            made.append(self._value(measure.cell).alias(f"value_{n}"))
            if measure.below:
                made.append(self._says(measure.below.column, measure.below.equals, f"below_{n}"))
        for n, sample in enumerate(self.table.samples, start=1):
            made.append(self._value(sample.cell).alias(f"sample_{n}"))
        for n, flag in enumerate(self.table.flags, start=1):
            made.append(self._says(flag.column, flag.equals, f"flag_{n}"))
        return [*made, self._unselected().alias("unselected")]

    def _value(self, cell: Cell) -> pl.Expr:
        """A column's values in the rows that count; blank text for a sample that is its length."""
        return pl.when(self._is_selected(cell)).then(self._content(cell))

    def _content(self, cell: Cell) -> pl.Expr:
        if cell.column == LENGTH:
            return pl.when(pl.col("end").is_not_null()).then(pl.lit(""))
        found = self._cell(cell.column)
        return pl.when(~found.is_in(cell.missing)).then(found)

    def _is_selected(self, cell: Cell) -> pl.Expr:
        said = [self._raw(column).is_in(equals) for column, equals in cell.only.items()]
        return pl.all_horizontal(pl.lit(value=True), *said).fill_null(value=False)

    def _unselected(self) -> pl.Expr:
        left = [
            ~self._is_selected(cell) & self._content(cell).is_not_null()
            for cell in self.table.cells
            if cell.only
        ]
        return pl.any_horizontal(pl.lit(value=False), *left)

    def _says(self, column: str, equals: tuple[str, ...], name: str) -> pl.Expr:
        return self._raw(column).is_in(equals).fill_null(value=False).alias(name)

    def _person(self) -> list[pl.Expr]:
        person = self.table.person
        sex = self._cell(person.sex).replace(dict(person.sex_values)) if person.sex else None
        return [
            self._or_constant("birth_date", self._birth_date()).alias("birth_date"),
            self._or_constant("sex", sex).alias("sex"),
            self._tells_person().alias("tells_person"),
        ]

    def _tells_person(self) -> pl.Expr:
        """Whether a column of this row, not a constant, says something of the person."""
        told = [self._cell(name).is_not_null() for name in self.table.person.columns]
        return pl.any_horizontal(told) if told else pl.lit(value=False)

    def _birth_date(self) -> pl.Expr | None:
        person, formats = self.table.person, self.table.date_formats
        if person.birth_date:
            stated = self._cell(person.birth_date)
            return pl.coalesce(day(stated, formats).dt.to_string("%Y-%m-%d"), stated)
        if not person.age_years:
            return None
        observed, age = pl.col("at"), self._cell(person.age_years)
        # an age that cannot be used stays as it is, so that the gate sees it
        return pl.coalesce(_born(day(observed, self.formats), age, self.table.decimal), age)


def _born(on: pl.Expr, age: pl.Expr, decimal: str) -> pl.Expr:
    """The 1 July on which a person was born who is ``age`` years old ``on`` that day."""
    years = age.str.replace(decimal, ".", literal=True).cast(pl.Float64, strict=False).floor()
    usable = pl.when(years.is_between(0, 130)).then(years).cast(pl.Int32)
    before_july = (on.dt.month() < 7).cast(pl.Int32)
    return pl.format("{}-07-01", on.dt.year() - usable - before_july)


def _holds_value(table: TableMapping) -> pl.Expr:
    """Whether a row holds a result. A long row that is more than a plain result holds one even
    without a value: that is how results are cancelled, corrected and withdrawn."""
    if table.shape == "wide":
        names = [f"value_{n}" for n in range(1, len(table.measures) + 1)]
        names += [f"sample_{n}" for n in range(1, len(table.samples) + 1)]
        return pl.any_horizontal(pl.lit(value=False), *(pl.col(n).is_not_null() for n in names))
    value = pl.col("source_value").is_not_null()
    if "status" not in table.columns:
        return value
    is_plain = words.status(pl.col("source_status")).is_in(PLAIN).fill_null(value=False)
    return value | (pl.col("source_status").is_not_null() & ~is_plain)


def _holds_anything(table: TableMapping) -> pl.Expr:
    flags = [pl.col(f"flag_{n}") for n in range(1, len(table.flags) + 1)]
    return pl.any_horizontal(_holds_value(table), pl.col("tells_person"), *flags)


def _observations(facts: pl.LazyFrame, table: TableMapping) -> pl.LazyFrame:
    if table.shape == "long":
        return shaped("observation", facts.filter(_holds_value(table)))
    if not table.measures:
        return shaped("observation", facts.filter(pl.lit(value=False)))
    return shaped("observation", _parted(facts, table.measures))


def _parted(facts: pl.LazyFrame, measures: tuple[Measure, ...]) -> pl.LazyFrame:
    """One row a result instead of one a line."""
    parts = dict(enumerate(measures, start=1))
    below = [n for n, measure in parts.items() if measure.below]
    part = pl.col("part")
    return (
        _one_a_value(facts, "value_", len(measures))
        .with_columns(
            source_code=part.replace_strict({n: m.code for n, m in parts.items()}),
            source_comparator=_coalesced(
                pl.when((part == n) & pl.col(f"below_{n}")).then(pl.lit("<")) for n in below
            ),
            **_said(parts, facts.collect_schema().names()),
        )
        .with_columns(code_system=code_system(pl.col("source_code")))
    )


def _samples(facts: pl.LazyFrame, samples: tuple[Sample, ...], *, is_sheet: bool) -> pl.LazyFrame:
    """One row a sample; what the mapping says of a column wins over the row."""
    said = {
        "kind": {n: sample.kind for n, sample in enumerate(samples, start=1)},
        "source_unit": {n: sample.unit for n, sample in enumerate(samples, start=1)},
        "device": {n: sample.device for n, sample in enumerate(samples, start=1)},
        "method": {n: sample.method for n, sample in enumerate(samples, start=1)},
        "source_code": {n: sample.name for n, sample in enumerate(samples, start=1)},
    }
    names = facts.collect_schema().names()
    parts = _one_a_value(facts, "sample_", len(samples)).with_columns(**_own(said, names))
    ats = [name for name in ("source_observed_at", "source_ended_at") if name in names]
    return shaped("sample", parts.with_columns(_at_midnight(name) for name in ats if is_sheet))


def _at_midnight(column: str) -> pl.Expr:
    """A sheet's day among times is a midnight: its cells cannot tell the two apart, and a device
    that says the minute all day says it at midnight too."""
    at = pl.col(column)
    is_day = at.str.contains(ISO_DAY) & at.str.contains(":", literal=True).any()
    return pl.when(is_day).then(at + " 00:00:00").otherwise(at).alias(column)


def _one_a_value(facts: pl.LazyFrame, prefix: str, count: int) -> pl.LazyFrame:
    """A row for every value in the columns ``<prefix><n>``, with ``part`` n and what its line
    says for all of them."""
    own = ("value_", "sample_", "flag_", "unselected")
    shared = [name for name in facts.collect_schema().names() if not name.startswith(own)]
    shared = [name for name in shared if name not in {"text", "birth_date", "sex", "tells_person"}]
    return (
        facts.unpivot(
            on=[f"{prefix}{n}" for n in range(1, count + 1)],
            index=shared,
            variable_name="part",
            value_name="source_value",
        )
        .filter(pl.col("source_value").is_not_null())
        .with_columns(pl.col("part").str.strip_prefix(prefix).cast(pl.Int32))
    )


def _coalesced(found: Iterable[pl.Expr]) -> pl.Expr:
    return pl.coalesce(*found, pl.lit(None, dtype=pl.String))


def _said(parts: Mapping[int, Measure], names: list[str]) -> dict[str, pl.Expr]:
    """What the mapping says of single columns, before what the row says, and the results' ids."""
    said = {
        "source_unit": {n: measure.unit for n, measure in parts.items()},
        "source_fasting": {n: measure.fasting for n, measure in parts.items()},
        "assay": {n: measure.assay for n, measure in parts.items()},
        "lab": {n: measure.lab for n, measure in parts.items()},
    }
    made = _own(said, names)
    if "result_id" in names:
        suffix = _of_part({n: measure.id_suffix for n, measure in parts.items()})
        made["result_id"] = pl.col("result_id") + "#" + suffix
    return made


def _own(said: Mapping[str, Mapping[int, str]], names: list[str]) -> dict[str, pl.Expr]:
    """What the mapping says of single columns, before what the row says (``names``)."""
    own = {name: _of_part(texts) for name, texts in said.items() if any(texts.values())}
    return {
        name: pl.coalesce(own_text, name) if name in names else own_text
        for name, own_text in own.items()
    }


def _of_part(texts: Mapping[int, str]) -> pl.Expr:
    stated = {n: said for n, said in texts.items() if said}
    return pl.col("part").replace_strict(stated, default=None, return_dtype=pl.String)


def _patients(facts: pl.LazyFrame, table: TableMapping) -> pl.LazyFrame:
    says = pl.col("birth_date").is_not_null() | pl.col("sex").is_not_null()
    told = facts.filter(_holds_anything(table), says)
    renamed = {"birth_date": "source_birth_date", "sex": "source_sex"}
    return shaped("patient", told.rename(renamed))


def _conditions(facts: pl.LazyFrame, flags: tuple[Flag, ...]) -> pl.LazyFrame:
    """A row for every flag that is set, from the observed day on."""
    return shaped(
        "condition",
        pl.concat(
            facts.filter(pl.col(f"flag_{n}")).with_columns(
                pl.lit(n, dtype=pl.Int32).alias("part"),
                pl.lit(flag.code or None, dtype=pl.String).alias("code"),
                pl.lit(flag.name or None, dtype=pl.String).alias("name"),
                code_system(pl.lit(flag.code or None, dtype=pl.String)).alias("code_system"),
                pl.col("source_observed_at").alias("source_start"),
            )
            for n, flag in enumerate(flags, start=1)
        ),
    )
