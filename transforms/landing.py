"""The landing shapes: what every reader returns, whatever the format was.

A reader turns one opened file into a :class:`Reading`: up to five frames of *text as it came*,
each row with the line it stood on, plus the rows it could not read and why. Nothing is
interpreted here (units, codes, times, comparators are :mod:`transforms.conform`'s work), so the
source text survives to the quarantine and to any later look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import polars as pl

PLACE = {"line": pl.Int64, "part": pl.Int32, "source_row": pl.String}
"""Where a row came from: its 1-based line (or entry), the part of that line when one line holds
several results (0 when it holds one), and the row's text when it is *not* a line of the file
(an entry of a Bundle, a sheet row); null means "read it from the file"."""

LANDING: dict[str, tuple[str, ...]] = {
    "observation": (
        "patient_id",
        "code_system",
        "source_code",
        "source_value",
        "source_comparator",
        "source_unit",
        "source_observed_at",
        "source_reported_at",
        "source_fasting",
        "source_status",
        "lab",
        "assay",
        "result_id",
        "comment",
    ),
    "patient": (
        "patient_id",
        "source_birth_date",
        "source_sex",
        "time_zone",
        "merged_into",
        "source_status",
        "source_reported_at",
    ),
    "medication": (
        "patient_id",
        "code_system",
        "code",
        "name",
        "class",
        "source_start",
        "source_end",
        "source_status",
        "record_id",
        "source_reported_at",
    ),
    "condition": (
        "patient_id",
        "code_system",
        "code",
        "name",
        "source_start",
        "source_end",
        "source_status",
        "record_id",
        "source_reported_at",
    ),
    "sample": (
        "patient_id",
        "kind",
        "device",
        "method",
        "source_code",
        "source_value",
        "source_unit",
        "source_observed_at",
        "source_ended_at",
    ),
}
"""Landing table -> its text columns, all ``String``. ``code_system`` is ``loinc``, ``snomed``,
``icd10``, ``rxnorm`` or ``local``. A patient's ``source_status`` is ``merge`` where the row tells
of a merge as an event, which lasts; a record's ``merged_into`` lasts until the next record.

``kind`` of a sample is an analyte's name (``sensor_glucose``, ``steps`` ...); ``source_code`` is
what the source calls it, as it came (``asleepDeep``). ``method`` tells two readings of one device
and moment apart (``scan``, ``manual``). A sample over an interval has both times; one that has an
end and no value is worth its own length (sleep, a workout)."""

ISO = ("iso",)
"""The default time format: ISO 8601 date, local date-time, or date-time with offset."""


@dataclass(frozen=True)
class Source:
    """One source of files: its name, its reader, and what its files leave unsaid.

    ``time_zone`` is the IANA zone of local times without offset. ``options`` are the reader's
    own settings (the ``table`` mapping, for one). ``patients`` maps a file's stem or device
    serial to a patient, for device files that do not say whose they are. ``codes`` maps the
    source's own codes to LOINC.
    """

    name: str
    reader: str
    time_zone: str = "UTC"
    options: Mapping[str, object] = field(default_factory=dict)
    patients: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Opened:
    """One landed file, decompressed, ready for a reader.

    ``path`` holds the bytes; ``name`` is the file's name as it came, without ``.gz``;
    ``patient_id`` the folder's (``inbox/<source>/<patient_id>/``) or None; ``scratch`` a private
    directory for working copies, removed after the file was read; ``unpacked_bytes`` and
    ``unpack_ratio`` bound what an archive may unpack to.
    """

    path: Path
    name: str
    source: Source
    scratch: Path
    patient_id: str | None = None
    unpacked_bytes: int = 20_000_000_000
    unpack_ratio: int = 300


class UnreadableError(Exception):
    """The file as a whole cannot be split into rows: it waits in quarantine as one row.

    ``reason`` is a code of :data:`transforms.catalog.reasons.REASONS`; ``detail`` says where and
    what, never a value of the data.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        """Keep the reason's code and the detail apart, so that each can be shown."""
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


REJECTS = {"line": pl.Int64, "reason": pl.String, "source_row": pl.String}
"""Rows a reader cannot read: line, reason code (``code`` or ``code:argument``), and the row's
text where it is not a line of the file."""


@dataclass(frozen=True)
class Reading:
    """What a reader returns.

    ``tables`` maps a landing table to a lazy frame of :data:`PLACE` and that table's columns;
    a column the reader leaves out is null. ``rejects`` has the columns of :data:`REJECTS`.
    ``rows_in`` counts the file's rows *independently* of both, so that the reconciliation can
    fail. ``time_formats`` are tried in order on every ``source_*_at`` text: ``iso`` or a chrono
    format. ``notes`` are remarks for people (an extra column that was ignored). ``lines`` is the
    clean text whose lines are the rows, from which the quarantine quotes.
    """

    tables: Mapping[str, pl.LazyFrame]
    rejects: pl.LazyFrame
    rows_in: int
    time_formats: tuple[str, ...] = ISO
    decimal: str = "."
    notes: tuple[str, ...] = ()
    lines: Path | None = None


def no_rejects() -> pl.LazyFrame:
    """An empty frame of rejects."""
    return pl.LazyFrame(schema=REJECTS)


def shaped(table: str, frame: pl.LazyFrame) -> pl.LazyFrame:
    """``frame`` with exactly the columns of landing ``table``: missing ones null, all text.

    Blank text becomes null and the ends are stripped: " " is nothing in every source we know.

    >>> shaped("sample", pl.LazyFrame({"line": [2], "kind": [" steps "]})).collect().row(0)
    (2, 0, None, None, 'steps', None, None, None, None, None, None, None)
    """
    given = frame.collect_schema().names()
    place = [
        (pl.col(name) if name in given else pl.lit(0 if name == "part" else None))
        .cast(dtype)
        .alias(name)
        for name, dtype in PLACE.items()
    ]
    texts = [_stripped(name) if name in given else _absent(name) for name in LANDING[table]]
    return frame.select(*place, *texts)


@cache
def _stripped(name: str) -> pl.Expr:
    text = pl.col(name).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text).alias(name)


@cache
def _absent(name: str) -> pl.Expr:
    return pl.lit(None, dtype=pl.String).alias(name)
