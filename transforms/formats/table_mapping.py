"""The mapping of a delimited or Excel file to landing columns, read from settings and checked.

A mapping is one TOML table (docs/table.md). Every mistake in it is collected before any is told,
each as: key, value, what is allowed.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

import polars as pl

from transforms.catalog import words
from transforms.catalog.analytes import ANALYTES
from transforms.formats.given import Given
from transforms.formats.table_parts import (
    EPOCHS,
    FILE,
    FOLDER,
    LENGTH,
    LINE,
    Below,
    Cell,
    Extract,
    Flag,
    Layout,
    Measure,
    Person,
    Sample,
    Times,
)

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
MISSING = ("NA", "", ".", "/")
SAMPLE_TIME = datetime(2001, 2, 3, 4, 5, 6)  # noqa: DTZ001 the files' times have no zone either
"""A time whose parts all differ, to try date formats on."""

LONG_FIELDS = ("code", "code_system", "value", "unit")
SAMPLE_FIELDS = ("device", "method", "name")
FIELDS = (
    *("result_id", "reported_at", "status", "fasting", "lab", "assay", "comment"),
    *(*LONG_FIELDS, *SAMPLE_FIELDS),
)
CONSTANTS = (
    *("patient_id", "observed_at", "reported_at", "status", "fasting", "lab", "assay", "comment"),
    *("code", "code_system", "unit", "birth_date", "sex", *SAMPLE_FIELDS),
)
LAYOUT = ("delimiter", "encoding", "header_row", "names", "sheet", "unterminated_last_row")
CELLS = ("decimal", "missing", "date_format", "shape")
TIMES = ("observed_at", "ended_at", "clock", "utc_offset", "minutes_after", "duration_seconds")
PARTS = ("constants", "extract", "analytes", "samples", "patient", "flags")
KEYS = (*LAYOUT, *CELLS, "patient_id", "patient_prefix", *TIMES, *FIELDS, *PARTS)


@dataclass(frozen=True, slots=True)
class TableMapping:
    """A checked mapping. ``columns``: field -> column; ``constants``: field -> text."""

    layout: Layout
    shape: str
    decimal: str
    missing: tuple[str, ...]
    times: Times
    patient_id: str
    patient_prefix: str
    columns: Mapping[str, str]
    constants: Mapping[str, str]
    extracts: Mapping[str, Extract]
    measures: tuple[Measure, ...]
    samples: tuple[Sample, ...]
    person: Person
    flags: tuple[Flag, ...]

    @property
    def date_formats(self) -> tuple[str, ...]:
        """The formats of texts that name a day or a time."""
        return self.times.formats

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Which cells are results and samples."""
        measures = tuple(measure.cell for measure in self.measures)
        return (*measures, *(sample.cell for sample in self.samples))

    @property
    def used(self) -> tuple[str, ...]:
        """Every column of the file that the mapping names, each once, in order."""
        values: tuple[Measure | Sample, ...] = (*self.measures, *self.samples)
        parts = (column for part in values for column in part.used)
        flags = (flag.column for flag in self.flags)
        named = (self.patient_id, *self.times.columns, *self.columns.values())
        columns = (*named, *self.person.columns, *parts, *flags)
        made = {name: extract.column for name, extract in self.extracts.items()}
        files = dict.fromkeys(made.get(column, column) for column in columns)
        return tuple(name for name in files if name not in {"", LINE, FOLDER, FILE, LENGTH})

    def of_file(self, header: tuple[str, ...]) -> TableMapping:
        """The mapping without the optional columns that a file lacks."""
        made = {name: extract.column for name, extract in self.extracts.items()}

        def stays(part: Measure | Sample) -> bool:
            column = made.get(part.cell.column, part.cell.column)
            return not part.cell.is_optional or column in header

        measures = tuple(filter(stays, self.measures))
        return replace(self, measures=measures, samples=tuple(filter(stays, self.samples)))

    @property
    def tells_person(self) -> bool:
        """Whether patient records come of this file."""
        return bool(self.person.columns) or not self.constants.keys().isdisjoint(
            {"birth_date", "sex"}
        )


def mapping(options: Mapping[str, object]) -> TableMapping:
    """The checked mapping of ``options``, a source's ``table`` in settings.

    Raises:
        ValueError: naming every wrong key, one a line, its value and what is allowed.
    """
    wrong: list[str] = []
    given = Given(options, "", wrong, KEYS)
    measures = tuple(_measures(given.table("analytes")))
    samples = tuple(_samples(given.table("samples")))
    is_wide = bool(measures or samples)
    checked = TableMapping(
        layout=_layout(given),
        shape=given.choice("shape", ("long", "wide"), "wide" if is_wide else "long"),
        decimal=given.choice("decimal", (".", ","), "."),
        missing=tuple(word.strip() for word in given.texts("missing", MISSING)),
        times=_times(given),
        patient_id=given.text("patient_id"),
        patient_prefix=given.text("patient_prefix"),
        columns={name: column for name in FIELDS if (column := given.text(name))},
        constants=_texts_of(given.table("constants", CONSTANTS)),
        extracts=dict(_extracts(given.table("extract"))),
        measures=measures,
        samples=samples,
        person=_person(given.table("patient", ("birth_date", "age_years", "sex", "sex_values"))),
        flags=tuple(_flags(given.table("flags"))),
    )
    wrong += [] if wrong else _lacking(checked) + _contradictions(checked)
    if wrong:
        raise ValueError("\n".join(wrong))
    return checked


DATE_FORMAT = (
    '"iso", "epoch_s", "epoch_ms" or strptime formats that name a whole day and no offset, such as '
    '"%d.%m.%Y %H:%M"'
)


def _layout(given: Given) -> Layout:
    delimiter = given.text("delimiter", ",", _is_delimiter, DELIMITER)
    names = given.texts("names")
    named = [name for name in names if name]
    if len(set(named)) < len(named):
        given.refuse("names", "names that differ from each other")
    encoding = given.text("encoding", "utf-8", lambda name: bool(_encoding(name)), ENCODING)
    return Layout(
        delimiter=DELIMITERS.get(delimiter, delimiter),
        encoding=_encoding(encoding),
        header_row=_header_row(given),
        names=names,
        sheet=_sheet(given),
        must_close=given.choice("unterminated_last_row", ("reject", "accept"), "reject")
        == "reject",
    )


DELIMITER = f"one character (no blank, no quote), or {', '.join(DELIMITERS)}"
ENCODING = 'an encoding such as "utf-8", "utf-16" or "cp1252"'


def _is_delimiter(text: str) -> bool:
    return text in DELIMITERS or (len(text) == 1 and text not in ' "\r\n\0')


def _encoding(name: str) -> str:
    """The encoding's name if lines can be told apart in it: line ends as in ASCII, or UTF-16."""
    try:
        known = codecs.lookup(name).name
        is_plain = "A\n".encode(known) == b"A\n"
    except (LookupError, UnicodeError):
        return ""
    # without a byte order mark, UTF-16 is what Windows writes
    usual = {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}.get(known, known)
    return usual if is_plain or usual.startswith(("utf-16", "utf-8")) else ""


def _header_row(given: Given) -> int:
    row = given.items.get("header_row", 1)
    if not isinstance(row, int) or isinstance(row, bool) or row < 0:
        given.refuse("header_row", "the header's line, from 1; 0 for none")
        return 1
    if row == 0 and "names" not in given.items:
        given.refuse("names", "the columns' names, since header_row is 0")
    return row


def _sheet(given: Given) -> str | int:
    sheet = given.items.get("sheet", 1)
    if isinstance(sheet, str) and sheet:
        return sheet
    if isinstance(sheet, int) and not isinstance(sheet, bool) and sheet >= 1:
        return sheet
    given.refuse("sheet", "a sheet's name or its number, from 1")
    return 1


def _is_date_format(form: str) -> bool:
    """Whether a day written in this format is read back as the same day."""
    if form == "iso" or form in EPOCHS:
        return True
    if any(mark in form for mark in ("%z", "%Z", "%:z", "%#z", "%+", "%s")):
        return False
    try:
        written = pl.Series([SAMPLE_TIME.strftime(form)])
        read = written.str.to_datetime(form, strict=False).dt.date()
    except (ValueError, pl.exceptions.PolarsError):
        return False
    return bool(read.item() == SAMPLE_TIME.date())


def _texts_of(given: Given) -> dict[str, str]:
    return {key: given.text(key) for key in given.items}


def _times(given: Given) -> Times:
    formats = given.texts("date_format", ("iso",), _is_date_format, DATE_FORMAT)
    epochs = [form for form in formats if form in EPOCHS]
    if epochs and len(formats) > 1:
        given.refuse("date_format", f"{epochs[0]} alone, or none of it")
    return Times(
        formats=("iso",) if epochs else formats,
        epoch="".join(epochs[:1]),
        is_utc=given.choice("clock", ("local", "utc"), "local") == "utc",
        observed_at=given.texts("observed_at"),
        ended_at=given.texts("ended_at"),
        offset=given.text("utc_offset"),
        minutes_after=given.text("minutes_after"),
        duration=given.text("duration_seconds"),
    )


def _extracts(given: Given) -> Iterator[tuple[str, Extract]]:
    for name in given.items:
        item = given.table(name, ("column", "pattern"))
        column = item.required("column", f'a column, or "{FILE}"')
        item.required("pattern", PATTERN)
        yield name, Extract(column, item.text("pattern", "", _is_pattern, PATTERN))


PATTERN = "a regular expression with one group, such as '^([0-9]+)_'"


def _is_pattern(text: str) -> bool:
    try:
        found = pl.select(pl.lit("").str.extract_groups(text))
    except pl.exceptions.PolarsError:
        return False
    return len(found.to_series().struct.fields) == 1


CELL = ("column", "missing", "only", "optional")
MEASURE = (*CELL, "code", "unit", "fasting", "assay", "lab", "below_limit")
SAMPLE = (*CELL, "kind", "unit", *SAMPLE_FIELDS)
KINDS = frozenset(analyte.name for analyte in ANALYTES)


def _cell(item: Given, key: str) -> Cell:
    """A column is named by its table's key, unless that says another."""
    only = item.table("only")
    return Cell(
        column=item.text("column", key),
        missing=tuple(word.strip() for word in item.texts("missing")),
        only={name: tuple(word.strip() for word in only.texts(name)) for name in only.items},
        is_optional=item.flag("optional"),
    )


def _samples(given: Given) -> Iterator[Sample]:
    for key in given.items:
        item = given.table(key, SAMPLE)
        item.required("kind", KIND)
        yield Sample(
            cell=_cell(item, key),
            kind=item.text("kind", "", KINDS.__contains__, KIND),
            **{name: item.text(name) for name in ("unit", *SAMPLE_FIELDS)},
        )


KIND = "an analyte's name, such as sensor_glucose, heart_rate or steps"


def _measures(given: Given) -> Iterator[Measure]:
    codes: set[str] = set()
    for key in given.items:
        item = given.table(key, MEASURE)
        code = item.required("code", 'a code such as "27873-9"')
        yield Measure(
            cell=_cell(item, key),
            code=code,
            # two columns of one code (before and after a load) are two results
            id_suffix=f"{code}#{key}" if code in codes else code,
            unit=item.text("unit"),
            fasting=item.text("fasting"),
            assay=item.text("assay"),
            lab=item.text("lab"),
            below=_below(item) if "below_limit" in item.items else None,
        )
        codes.add(code)


def _below(given: Given) -> Below:
    item = given.table("below_limit", ("column", "equals"))
    return Below(item.required("column", "a column"), _words(item))


def _words(given: Given) -> tuple[str, ...]:
    words_ = given.texts("equals", expected='the words that say so, such as ["1", "1.0"]')
    if "equals" not in given.items:
        given.refuse("equals", 'the words that say so, such as ["1", "1.0"]')
    return tuple(word.strip() for word in words_)


def _flags(given: Given) -> Iterator[Flag]:
    for column in given.items:
        item = given.table(column, ("equals", "condition"))
        condition = item.table("condition", ("code", "name"))
        if not condition.items:
            item.refuse("condition", 'a code, a name or both, such as { code = "Z33.1" }')
        yield Flag(column, _words(item), condition.text("code"), condition.text("name"))


def _person(given: Given) -> Person:
    if {"birth_date", "age_years"} <= given.items.keys():
        given.refuse("age_years", "either birth_date or age_years")
    values = given.table("sex_values")
    sexes = {key: values.text(key, "", _is_sex, "M, F or a word for them") for key in values.items}
    if sexes and "sex" not in given.items:
        given.refuse("sex", "the column whose words sex_values explains")
    return Person(given.text("birth_date"), given.text("age_years"), given.text("sex"), sexes)


def _is_sex(text: str) -> bool:
    return text.strip().lower() in words.SEX


def _lacking(table: TableMapping) -> list[str]:
    """What is missing of a mapping whose parts are right."""
    has_fact = {*table.columns, *table.constants}
    needed = [
        (
            bool(table.patient_id) or "patient_id" in table.constants,
            f'patient_id: missing; expected a column, "{LINE}", "{FOLDER}" or constants.patient_id',
        ),
        (
            bool(table.times.observed_at)
            or "observed_at" in table.constants
            or not _has_events(table),
            "observed_at: missing; expected a column, [date, time] or constants.observed_at",
        ),
        (
            table.shape == "wide" or "value" in table.columns,
            "value: missing; expected the column of the values, or analytes for a wide table",
        ),
        (
            table.shape == "wide" or "code" in has_fact,
            "code: missing; expected the column of the codes or constants.code",
        ),
        (
            table.shape == "long"
            or bool(table.measures or table.samples)
            or table.tells_person
            or bool(table.flags),
            "analytes: missing; expected a table for each column that holds an analyte or, in "
            "samples, a device's samples",
        ),
    ]
    return [message for is_there, message in needed if not is_there]


def _has_events(table: TableMapping) -> bool:
    """Whether anything comes of the file that happened on a day."""
    is_dated = table.measures or table.samples or table.flags or table.person.age_years
    return table.shape == "long" or bool(is_dated)


def _contradictions(table: TableMapping) -> list[str]:
    """What does not go together in a mapping whose parts are right."""
    said: list[str] = []
    if table.shape == "long":
        named = [key for key in ("analytes", "samples") if getattr(table, _ATTRIBUTE[key])]
        said += [f'{key}: only with shape = "wide"' for key in named]
    if table.shape == "wide":
        named = [key for key in LONG_FIELDS if key in table.columns]
        said += [f'{key}: a column only with shape = "long"' for key in named]
    return said + _disorder(table) + _twice(table)


_ATTRIBUTE = {"analytes": "measures", "samples": "samples"}


def _disorder(table: TableMapping) -> list[str]:
    """What cannot be meant of times."""
    times, said = table.times, []
    for key, columns in (("observed_at", times.observed_at), ("ended_at", times.ended_at)):
        if len(columns) > 2:
            said.append(f"{key}: {list(columns)!r}; expected a column or [date, time]")
    has_other = times.observed_at or times.is_instant
    if times.minutes_after and (has_other or "observed_at" not in table.constants):
        said.append("minutes_after: only with constants.observed_at, from which it counts, alone")
    if times.duration and (times.ended_at or not times.observed_at or not times.is_instant):
        said.append(
            "duration_seconds: only with observed_at, without ended_at, and with times that are "
            "instants: a date_format of seconds, clock or utc_offset"
        )
    has_end = times.ended_at or times.duration
    if any(one.cell.column == LENGTH for one in table.samples) and not has_end:
        said.append(f"ended_at: missing; expected a column, since a sample is its {LENGTH}")
    return said


def _twice(table: TableMapping) -> list[str]:
    """Results and samples of one row that would replace each other."""
    said = [
        f"samples: {first.cell.column} and {second.cell.column} are both {first.kind} and would "
        "replace each other; say device or method of one"
        for first, second in pairwise(sorted(table.samples, key=_identity))
        if _identity(first) == _identity(second) and not (first.cell.only or second.cell.only)
    ]
    if "result_id" not in table.columns:
        said += [
            f"result_id: missing; expected a column or {LINE!r}, since {first.cell.column} and "
            f"{second.cell.column} share code {first.code} and would replace each other"
            for first, second in pairwise(sorted(table.measures, key=lambda one: one.code))
            if first.code == second.code and not (first.cell.only or second.cell.only)
        ]
    return said


def _identity(sample: Sample) -> tuple[str, ...]:
    return (sample.kind, sample.device, sample.method)
