"""Release aggregate tables to a folder, and keep what was released so that nothing is told twice.

The log in the home holds exact counts: it is private, and it is what later releases are held
against. A release is in the log, on disk, before its file is; a file without its line cannot be.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from flows.home import Home
from flows.reading import NothingPublishedError, published
from transforms.catalog.releases import RELEASES, ReleaseTable
from transforms.release import RELEASED, cells, differences, printed, released
from warehouse.landed import sync_folder
from warehouse.store import frame

Entry = dict[str, Any]


class UnknownTableError(LookupError):
    """No table of that name may be released."""


class NothingToTellError(ValueError):
    """Every cell would be redacted."""


class DamagedLogError(RuntimeError):
    """The log of releases is not as it was written."""


@dataclass(frozen=True, slots=True)
class Released:
    """What a release did. Holds no count: it may be shown."""

    table: str
    night: str
    file: str
    cells: int
    redacted: int
    differences: tuple[dict[str, str], ...]


def tables() -> list[dict[str, Any]]:
    """Every table that may be released: ``name``, ``description``, ``columns``."""
    return [
        {
            "name": table.name,
            "description": table.description,
            "columns": [*table.levels, table.count, *table.means],
        }
        for table in RELEASES
    ]


def as_list(rows: list[dict[str, Any]]) -> str:
    """The tables, a line each."""
    return "\n".join(f"{row['name']:<14} {row['description']}" for row in rows)


def as_text(done: Released) -> str:
    """What was released, and which cells an earlier release keeps back."""
    lines = [f"{done.file}: {done.cells} cells, {done.redacted} of them redacted."]
    if done.differences:
        lines.append("Refused: beside an earlier release these would tell of 1 to 7 people:")
        lines += ["  " + ", ".join(cell.values()) for cell in done.differences]
    return "\n".join(lines)


def release(
    home: Home, name: str, to: Path, clock: Callable[[], datetime], by: str = ""
) -> Released:
    """Write the table ``name`` of the published night to ``to/<name>-<night>.csv``.

    Raises:
        UnknownTableError: it is not among :data:`transforms.catalog.releases.RELEASES`.
        NothingPublishedError: there is no night to release from.
        NothingToTellError: all of it would be redacted; nothing is written or noted.
        DamagedLogError: the log of earlier releases cannot be trusted.
    """
    table = _table(name)
    night, exact = _counted(home, table)
    with _log(home) as handle:
        lines = _lines(handle)
        earlier = _earlier(lines, table)
        shown = released(exact, earlier, table).collect()
        if shown["shown"].is_null().all():
            raise NothingToTellError(f"every cell of {name} would be redacted: nothing released")
        text = printed(shown.lazy(), table).collect().write_csv()
        who = {"released_at": clock().isoformat(), "by": by}
        _append(handle, lines, {**_entry(table, night, shown, text), **who})
        target = _write(to, f"{name}-{night}.csv", text)
    refused = differences(exact, earlier, table).collect().to_dicts()
    hidden = shown["shown"].null_count()
    return Released(name, night, str(target), shown.height, hidden, tuple(refused))


def _table(name: str) -> ReleaseTable:
    for table in RELEASES:
        if table.name == name:
            return table
    known = ", ".join(table.name for table in RELEASES)
    raise UnknownTableError(f"no table of that name may be released; there are {known}")


def _counted(home: Home, table: ReleaseTable) -> tuple[str, pl.LazyFrame]:
    with published(home, for_analysts=True) as con:
        nights = frame(con, "SELECT as_of FROM tonight")["as_of"].to_list()
        if not nights:
            raise NothingPublishedError("the published file holds no night: run `undertow run`")
        rows = frame(con, table.sql)
    return str(nights[0]), cells(rows.lazy(), table).collect().lazy()


def log_path(home: Home) -> Path:
    """The log of releases: private, a line a release, each with the hash of the line before."""
    return home.root / "release" / "log.jsonl"


@contextmanager
def _log(home: Home) -> Iterator[int]:
    """The open log, this release's alone until it is done."""
    path = log_path(home)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        os.fchmod(handle, 0o600)
        sync_folder(path.parent)
        yield handle
    finally:
        os.close(handle)


def _lines(handle: int) -> list[bytes]:
    """Every whole line; an unfinished last one, whose file was never written, is cut off."""
    with os.fdopen(os.dup(handle), "rb") as stream:
        stream.seek(0)
        content = stream.read()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.ftruncate(handle, len(whole))
    lines = whole.splitlines(keepends=True)
    for before, line in zip([b"", *lines], lines, strict=False):
        if _parsed(line).get("previous") != _digest(before):
            raise DamagedLogError("the log of releases was changed; restore it from backup")
    return lines


def _parsed(line: bytes) -> Entry:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DamagedLogError("a line of the log of releases is damaged; restore it from backup")
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _earlier(lines: list[bytes], table: ReleaseTable) -> pl.LazyFrame:
    """Every earlier release of a table, as :func:`transforms.release.differences` takes it."""
    texts, numbers = table.levels, table.means
    schema = {**RELEASED, **dict.fromkeys(texts, pl.String), **dict.fromkeys(numbers, pl.Float64)}
    entries = [entry for entry in map(_parsed, lines) if entry["table"] == table.name]
    rows = [
        {"release": number, **cell} for number, entry in enumerate(entries)
        for cell in entry["cells"]
    ]  # fmt: skip
    return pl.LazyFrame(rows, schema=schema)


def _entry(table: ReleaseTable, night: str, shown: pl.DataFrame, text: str) -> Entry:
    return {
        "table": table.name,
        "night": night,
        "sha256": _digest(text.encode()),
        "cells": shown.select(*table.levels, "patients", "shown", *table.means).to_dicts(),
    }


def _append(handle: int, lines: list[bytes], entry: Entry) -> None:
    """Add one line at once; a line that did not fit is taken back."""
    previous = _digest(lines[-1] if lines else b"")
    line = json.dumps({**entry, "previous": previous}, ensure_ascii=False).encode() + b"\n"
    if os.write(handle, line) != len(line):
        os.ftruncate(handle, sum(map(len, lines)))
        raise OSError("the log of releases cannot grow: is the disk full?")
    os.fsync(handle)


def _write(folder: Path, name: str, text: str) -> Path:
    """The file, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    target, partial = folder / name, folder / f".{name}.part"
    with partial.open("w", encoding="utf-8", newline="") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(target)
    sync_folder(folder)
    return target
