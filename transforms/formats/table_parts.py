"""The parts of a table's mapping, as :mod:`transforms.formats.table_mapping` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LINE, FOLDER, FILE, LENGTH = "#line", "#folder", "#file", "#length"
"""Instead of a column: an id made of the file's stem and the line; the patient whose folder the
file lies in, or who is mapped in settings; the file's stem; the time from a sample's start to its
end."""

EPOCHS = {"epoch_s": 1, "epoch_ms": 1000}
"""Date formats that count from 1970 in UTC -> counts a second."""


@dataclass(frozen=True, slots=True)
class Below:
    """A column that says the value is below the limit of detection, and the words that say so."""

    column: str
    equals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """Which cells of a wide table are values: a column, further words of it that stand for nothing,
    and the rows that count, by the words that other columns must say. ``is_optional``: a file may
    lack the column."""

    column: str
    missing: tuple[str, ...] = ()
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_optional: bool = False

    @property
    def used(self) -> tuple[str, ...]:
        """The columns it names."""
        return tuple(self.only) if self.column == LENGTH else (self.column, *self.only)


@dataclass(frozen=True, slots=True)
class Measure:
    """One analyte's column of a wide table. ``id_suffix`` makes the row's id the result's."""

    cell: Cell
    code: str
    id_suffix: str
    unit: str = ""
    fasting: str = ""
    assay: str = ""
    lab: str = ""
    below: Below | None = None

    @property
    def used(self) -> tuple[str, ...]:
        """The columns it names."""
        return (*self.cell.used, *((self.below.column,) if self.below else ()))


@dataclass(frozen=True, slots=True)
class Sample:
    """One column of device samples: what is sampled, and what the mapping says of the device."""

    cell: Cell
    kind: str
    unit: str = ""
    device: str = ""
    method: str = ""
    name: str = ""

    @property
    def used(self) -> tuple[str, ...]:
        """The columns it names."""
        return self.cell.used


@dataclass(frozen=True, slots=True)
class Extract:
    """A column made of a part of another, or of the file's stem: the pattern's one group."""

    column: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Times:
    """How a row says when. ``formats`` are of texts; ``epoch`` is a key of :data:`EPOCHS` or
    empty; ``is_utc``: texts are UTC; ``offset``, ``minutes_after`` and ``duration`` are columns
    (offset from UTC, minutes after the constant ``observed_at``, seconds until the end)."""

    formats: tuple[str, ...]
    epoch: str = ""
    is_utc: bool = False
    observed_at: tuple[str, ...] = ()
    ended_at: tuple[str, ...] = ()
    offset: str = ""
    minutes_after: str = ""
    duration: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it names."""
        single = (self.offset, self.minutes_after, self.duration)
        return (*self.observed_at, *self.ended_at, *filter(None, single))

    @property
    def is_instant(self) -> bool:
        """Whether a row's time is known apart from any clock on a wall."""
        return bool(self.epoch or self.is_utc or self.offset)


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
