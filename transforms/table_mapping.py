"""The mapping of a delimited or Excel file to landing columns, read from settings and checked.

A mapping is one TOML table (docs/table.md). Every mistake in it is collected before any is told,
each as: key, value, what is allowed.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from difflib import get_close_matches
from itertools import pairwise

import polars as pl

from transforms.catalog import words

LINE, FOLDER = "#line", "#folder"
"""Instead of a column: an id made of the file's stem and the line; the patient whose folder the
file lies in, or who is mapped in settings."""

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
MISSING = ("NA", "", ".", "/")
SAMPLE_TIME = datetime(2001, 2, 3, 4, 5, 6)  # noqa: DTZ001 the files' times have no zone either
"""A time whose parts all differ, to try date formats on."""

LONG_FIELDS = ("code", "code_system", "value", "unit")
FIELDS = ("result_id", "reported_at", "status", "fasting", "lab", "assay", "comment", *LONG_FIELDS)
CONSTANTS = (
    *("patient_id", "observed_at", "reported_at", "status", "fasting", "lab", "assay", "comment"),
    *("code", "code_system", "unit", "birth_date", "sex"),
)
LAYOUT = ("delimiter", "encoding", "header_row", "names", "sheet", "unterminated_last_row")
CELLS = ("decimal", "missing", "date_format", "shape")
PARTS = ("constants", "analytes", "patient", "flags")
KEYS = (*LAYOUT, *CELLS, "patient_id", "patient_prefix", "observed_at", *FIELDS, *PARTS)


@dataclass(frozen=True, slots=True)
class Below:
    """A column that says the value is below the limit of detection, and the words that say so."""

    column: str
    equals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """One analyte's column of a wide table. ``id_suffix`` makes the row's id the result's."""

    column: str
    code: str
    id_suffix: str
    unit: str = ""
    fasting: str = ""
    assay: str = ""
    lab: str = ""
    below: Below | None = None


@dataclass(frozen=True, slots=True)
class Flag:
    """A column that says a condition is present, the words that say so, and the condition."""

    column: str
    equals: tuple[str, ...]
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Person:
    """The columns of a person's facts; empty where the file has none."""

    birth_date: str = ""
    age_years: str = ""
    sex: str = ""
    sex_values: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that say something of the person."""
        return tuple(filter(None, (self.birth_date, self.age_years, self.sex)))


@dataclass(frozen=True, slots=True)
class Layout:
    """How the file is laid out: where its rows and fields begin and end."""

    delimiter: str = ","
    encoding: str = "utf-8"
    header_row: int = 1
    names: tuple[str, ...] = ()
    sheet: str | int = 1
    must_close: bool = True


@dataclass(frozen=True, slots=True)
class TableMapping:
    """A checked mapping. ``columns``: field -> column; ``constants``: field -> text."""

    layout: Layout
    shape: str
    decimal: str
    missing: tuple[str, ...]
    date_formats: tuple[str, ...]
    patient_id: str
    patient_prefix: str
    observed_at: tuple[str, ...]
    columns: Mapping[str, str]
    constants: Mapping[str, str]
    measures: tuple[Measure, ...]
    person: Person
    flags: tuple[Flag, ...]

    @property
    def used(self) -> tuple[str, ...]:
        """Every column the mapping names, each once, in order."""
        patient = "" if self.patient_id in {LINE, FOLDER} else self.patient_id
        fields = (
            column for name, column in self.columns.items() if (name, column) != ("result_id", LINE)
        )
        measures = (measure.column for measure in self.measures)
        below = (measure.below.column for measure in self.measures if measure.below)
        flags = (flag.column for flag in self.flags)
        named = (patient, *self.observed_at, *fields, *self.person.columns)
        return tuple(dict.fromkeys(filter(None, (*named, *measures, *below, *flags))))

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
    given = _Given(options, "", wrong, KEYS)
    measures = tuple(_measures(given.table("analytes")))
    checked = TableMapping(
        layout=_layout(given),
        shape=given.choice("shape", ("long", "wide"), "wide" if measures else "long"),
        decimal=given.choice("decimal", (".", ","), "."),
        missing=tuple(word.strip() for word in given.texts("missing", MISSING)),
        date_formats=given.texts("date_format", ("iso",), _is_date_format, DATE_FORMAT),
        patient_id=given.text("patient_id"),
        patient_prefix=given.text("patient_prefix"),
        observed_at=given.texts("observed_at"),
        columns={name: column for name in FIELDS if (column := given.text(name))},
        constants=_texts_of(given.table("constants", CONSTANTS)),
        measures=measures,
        person=_person(given.table("patient", ("birth_date", "age_years", "sex", "sex_values"))),
        flags=tuple(_flags(given.table("flags"))),
    )
    wrong += [] if wrong else _lacking(checked) + _contradictions(checked)
    if wrong:
        raise ValueError("\n".join(wrong))
    return checked


class _Given:
    """One TOML table under check: hands out its values and notes what is wrong with them."""

    def __init__(
        self,
        items: Mapping[str, object],
        path: str,
        wrong: list[str],
        allowed: Collection[str] | None = None,
    ) -> None:
        self.items, self.path, self.wrong = items, path, wrong
        known = items if allowed is None else allowed
        self.wrong += [_unknown(f"{path}{key}", key, known) for key in items if key not in known]

    def refuse(self, key: str, expected: str) -> None:
        shown = f"{self.items[key]!r} is not allowed" if key in self.items else "missing"
        self.wrong.append(f"{self.path}{key}: {shown}; expected {expected}")

    def text(
        self,
        key: str,
        default: str = "",
        is_right: Callable[[str], bool] = bool,
        expected: str = "a text",
    ) -> str:
        value = self.items.get(key, default)
        if isinstance(value, date):
            value = value.isoformat()
        if key in self.items and not (isinstance(value, str) and is_right(value)):
            self.refuse(key, expected)
        return value.strip() if isinstance(value, str) and value != "\t" else str(value)

    def texts(
        self,
        key: str,
        default: tuple[str, ...] = (),
        is_right: Callable[[str], bool] = lambda _: True,
        expected: str = "a text or a list of texts",
    ) -> tuple[str, ...]:
        value = self.items.get(key, default)
        listed = [value] if isinstance(value, str) else value
        if isinstance(listed, list | tuple):
            found = tuple(word for word in listed if isinstance(word, str) and is_right(word))
            if len(found) == len(listed) and (found or key not in self.items):
                return found
        self.refuse(key, expected)
        return default

    def required(self, key: str, expected: str = "a text") -> str:
        if key not in self.items:
            self.refuse(key, expected)
        return self.text(key, expected=expected)

    def choice(self, key: str, allowed: Sequence[str], default: str) -> str:
        return self.text(key, default, allowed.__contains__, " or ".join(map(repr, allowed)))

    def table(self, key: str, allowed: Collection[str] | None = None) -> _Given:
        value = self.items.get(key, {})
        if isinstance(value, Mapping):
            return _Given(value, f"{self.path}{_quoted(key)}.", self.wrong, allowed)
        self.refuse(key, "a table")
        return _Given({}, "", [])  # one mistake is told once


DATE_FORMAT = (
    '"iso" or strptime formats that name a whole day and no offset, such as "%d.%m.%Y %H:%M"'
)


def _unknown(path: str, key: str, allowed: Collection[str]) -> str:
    near = get_close_matches(key, allowed, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{path}: no such setting{hint} (allowed: {', '.join(allowed)})"


def _quoted(key: str) -> str:
    """The key as TOML writes it, so that a message can be found in the file."""
    is_bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if is_bare else f'"{key}"'


def _layout(given: _Given) -> Layout:
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


def _header_row(given: _Given) -> int:
    row = given.items.get("header_row", 1)
    if not isinstance(row, int) or isinstance(row, bool) or row < 0:
        given.refuse("header_row", "the header's line, from 1; 0 for none")
        return 1
    if row == 0 and "names" not in given.items:
        given.refuse("names", "the columns' names, since header_row is 0")
    return row


def _sheet(given: _Given) -> str | int:
    sheet = given.items.get("sheet", 1)
    if isinstance(sheet, str) and sheet:
        return sheet
    if isinstance(sheet, int) and not isinstance(sheet, bool) and sheet >= 1:
        return sheet
    given.refuse("sheet", "a sheet's name or its number, from 1")
    return 1


def _is_date_format(form: str) -> bool:
    """Whether a day written in this format is read back as the same day."""
    if form == "iso":
        return True
    if any(mark in form for mark in ("%z", "%Z", "%:z", "%#z", "%+", "%s")):
        return False
    try:
        written = pl.Series([SAMPLE_TIME.strftime(form)])
        read = written.str.to_datetime(form, strict=False).dt.date()
    except (ValueError, pl.exceptions.PolarsError):
        return False
    return bool(read.item() == SAMPLE_TIME.date())


def _texts_of(given: _Given) -> dict[str, str]:
    return {key: given.text(key) for key in given.items}


MEASURE = ("code", "unit", "fasting", "assay", "lab", "below_limit")


def _measures(given: _Given) -> Iterator[Measure]:
    codes: set[str] = set()
    for column in given.items:
        item = given.table(column, MEASURE)
        code = item.required("code", 'a code such as "27873-9"')
        yield Measure(
            column=column,
            code=code,
            # two columns of one code (before and after a load) are two results
            id_suffix=f"{code}#{column}" if code in codes else code,
            unit=item.text("unit"),
            fasting=item.text("fasting"),
            assay=item.text("assay"),
            lab=item.text("lab"),
            below=_below(item) if "below_limit" in item.items else None,
        )
        codes.add(code)


def _below(given: _Given) -> Below:
    item = given.table("below_limit", ("column", "equals"))
    return Below(item.required("column", "a column"), _words(item))


def _words(given: _Given) -> tuple[str, ...]:
    words_ = given.texts("equals", expected='the words that say so, such as ["1", "1.0"]')
    if "equals" not in given.items:
        given.refuse("equals", 'the words that say so, such as ["1", "1.0"]')
    return tuple(word.strip() for word in words_)


def _flags(given: _Given) -> Iterator[Flag]:
    for column in given.items:
        item = given.table(column, ("equals", "condition"))
        condition = item.table("condition", ("code", "name"))
        if not condition.items:
            item.refuse("condition", 'a code, a name or both, such as { code = "Z33.1" }')
        yield Flag(column, _words(item), condition.text("code"), condition.text("name"))


def _person(given: _Given) -> Person:
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
            bool(table.observed_at) or "observed_at" in table.constants or not _has_events(table),
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
            or bool(table.measures)
            or table.tells_person
            or bool(table.flags),
            "analytes: missing; expected a table for each column that holds an analyte",
        ),
    ]
    return [message for is_there, message in needed if not is_there]


def _has_events(table: TableMapping) -> bool:
    """Whether anything comes of the file that happened on a day."""
    is_dated = table.measures or table.flags or table.person.age_years
    return table.shape == "long" or bool(is_dated)


def _contradictions(table: TableMapping) -> list[str]:
    """What does not go together in a mapping whose parts are right."""
    said: list[str] = []
    if table.shape == "long" and table.measures:
        said.append('analytes: only with shape = "wide"')
    if table.shape == "wide":
        named = [key for key in LONG_FIELDS if key in table.columns]
        said += [f'{key}: a column only with shape = "long"' for key in named]
    if len(table.observed_at) > 2:
        said.append(f"observed_at: {list(table.observed_at)!r}; expected a column or [date, time]")
    if "result_id" not in table.columns:
        said += [
            f"result_id: missing; expected a column or {LINE!r}, since {first.column} and "
            f"{second.column} share code {first.code} and would replace each other"
            for first, second in pairwise(sorted(table.measures, key=lambda one: one.code))
            if first.code == second.code
        ]
    return said
