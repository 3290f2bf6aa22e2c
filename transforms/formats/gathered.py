"""Records read one by one into landing tables: what readers of JSON have in common.

A record gives rows of one or more tables, or one reason why it gives none. Rows are kept in
batches in the scratch folder, so that memory does not grow with the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import polars as pl

from transforms.catalog.reasons import SET_ASIDE
from transforms.formats.archive import Member, members, unwanted
from transforms.formats.json_records import BrokenError, Json, Records, Run, Shape, decoded
from transforms.formats.text import Text, text
from transforms.landing import LANDING, PLACE, REJECTS, Opened, Reading, UnreadableError, shaped

BATCH = 50_000
"""Rows kept in memory before they are written."""
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}")

Cells = Mapping[str, str | None]
Row = tuple[str, Cells]
"""A landing table and the filled columns of one of its rows."""
Interpret = Callable[[Json, Run], Iterable[Row]]
Keep = Callable[[Records, Text, str], None]
"""Appends the records of a file of that name."""
JSON = (".json", ".ndjson", ".jsonl")


class UnfitError(Exception):
    """The record gives no row; its text is the reason, without a value of the data."""


def unused(kind: object, instead: str = "other") -> UnfitError:
    """A record of a kind that is not used. A kind that is no plain name is never repeated.

    >>> str(unused("tag")), str(unused("I felt dizzy"))
    ('record_not_used:tag', 'record_not_used:other')
    """
    shown = kind if isinstance(kind, str) and _NAME.fullmatch(kind) else instead
    return UnfitError(f"record_not_used:{shown}")


def broken(what: str) -> UnfitError:
    """A record that is not of its format's shape; ``what`` names the part."""
    return UnfitError(f"json_broken:{what}")


@dataclass
class Gathered:
    """Landing rows and rejects as they come, in batches under ``scratch``."""

    scratch: Path
    rows: dict[str, list[tuple[object, ...]]] = field(default_factory=dict)
    batches: dict[str, list[Path]] = field(default_factory=dict)
    number: int = 0

    def take(self, line: int, found: Sequence[Row]) -> None:
        """Keep the rows of one record."""
        for part, (table, cells) in enumerate(found):
            columns = (cells.get(name) for name in LANDING[table])
            self._add(table, (line, part, None, *columns))

    def refuse(self, line: int, reason: str) -> None:
        """Keep the reason of a record that gives no row.

        Of what is set aside only the reason's own words are shown: it may hold a diary.
        """
        is_quiet = reason.partition(":")[0] in SET_ASIDE
        shown = json.dumps({"record": reason.partition(":")[2]}) if is_quiet else None
        self._add("rejects", (line, reason, shown))

    def frame(self, table: str) -> pl.LazyFrame:
        """All rows of a landing table, or the ``rejects``."""
        self._write(table)
        paths = self.batches.get(table)
        return pl.scan_ipc(paths) if paths else pl.LazyFrame(schema=_schema(table))

    def tables(self) -> dict[str, pl.LazyFrame]:
        """Every landing table that got a row."""
        found = sorted({*self.rows, *self.batches} - {"rejects"})
        return {table: shaped(table, self.frame(table)) for table in found}

    def _add(self, table: str, row: tuple[object, ...]) -> None:
        kept = self.rows.setdefault(table, [])
        kept.append(row)
        if len(kept) >= BATCH:
            self._write(table)

    def _write(self, table: str) -> None:
        if not self.rows.get(table):
            return
        self.number += 1
        path = self.scratch / f"gathered-{self.number:06d}.arrow"
        frame = pl.DataFrame(self.rows[table], schema=_schema(table), orient="row")
        frame.write_ipc(path, compression="lz4")
        self.batches.setdefault(table, []).append(path)
        self.rows[table] = []


def _schema(table: str) -> pl.Schema:
    if table == "rejects":
        return pl.Schema(REJECTS)
    return pl.Schema({**PLACE, **dict.fromkeys(LANDING[table], pl.String)})


def records_of(
    opened: Opened, shape: Shape, endings: tuple[str, ...] = JSON, keep: Keep = Records.keep
) -> Records:
    """The records of a file, or of every member of an archive whose name has one of the endings.

    Args:
        opened: the file.
        shape: where its JSON keeps records.
        endings: of the names of an archive's members that are read.
        keep: how the records of a file are appended; of JSON if not said otherwise.

    Raises:
        UnreadableError: empty or damaged file, or an archive without such a member.
    """
    found = Records(opened.scratch / "records.ndjson", shape)
    is_empty = True
    for member in members(opened, lambda name: is_file(name, *endings)):
        is_empty = False
        keep(found, text(as_file(opened, member)), member.name)
    if is_empty:
        raise UnreadableError("archive_empty", f"no file ending in {', '.join(endings)}")
    return found


def is_file(name: str, *endings: str) -> bool:
    """Whether an archive's member is one of those wanted: no hidden file, no system's remark."""
    path = PurePath(name)
    is_hidden = path.name.startswith(".") or "__MACOSX" in path.parts
    return not is_hidden and path.name.casefold().endswith(endings)


def as_file(opened: Opened, member: Member) -> Opened:
    """A member of the archive as a file of its own."""
    return Opened(member.path, member.name, opened.source, opened.scratch, opened.patient_id)


def reading_of(
    opened: Opened,
    records: Records,
    interpret: Interpret,
    *,
    endings: tuple[str, ...] = JSON,
) -> Reading:
    """The reading of all records.

    Args:
        opened: the file.
        records: its records.
        interpret: a record, decoded, to rows; raises :class:`UnfitError` for one that gives none.
        endings: of the names of an archive's members that are read.
    """
    kept = Gathered(opened.scratch)
    for line, run, written in records.lines():
        try:
            kept.take(line, _rows(written, run, interpret))
        except (BrokenError, UnfitError) as unfit:
            kept.refuse(line, str(unfit))
    left = unwanted(opened, lambda name: is_file(name, *endings))
    return Reading(
        tables=kept.tables(),
        rejects=kept.frame("rejects"),
        rows_in=records.count(),
        notes=(f"{left} other files of the archive were not read",) if left else (),
        lines=records.path if records.runs else None,
    )


def _rows(written: str, run: Run, interpret: Interpret) -> list[Row]:
    value = decoded(written)
    if not isinstance(value, dict):
        raise BrokenError("json_broken")
    found = [*interpret(value, run)]
    if not found:
        raise unused("empty")
    return found
