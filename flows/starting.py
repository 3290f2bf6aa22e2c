"""Where a night starts: the published file, if nobody has changed it, else the landed files.

A published file is read-only, but its owner can open it for writing all the same. What it was
published as is in the ledger: its size, time and number on the disk, and the hash of its bytes,
which is taken again where one of those differs or a write-ahead log lies beside it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from flows.night import Night
from flows.reading import naming, published_file
from warehouse import nights, publish, store
from warehouse.landed import sha256
from warehouse.ledger import Ledger

CHANGED = (
    "Somebody opened {name} for writing after it was published: {so} Analysts open it read-only: "
    "`duckdb -readonly`, or `undertow sql`."
)
_REBUILT = "tonight was made from the landed files anew."
_WENT_ON = "its own rows are as they were, and what was written beside them is left behind."
_LOST = (
    "What the nights {which}published is not in the record of nights any more, since no later "
    "file is as it was published."
)


def open_build(night: Night) -> Path | None:
    """Open the night's build; return the published file it goes on from, None for a rebuild."""
    start = None if night.rebuild else _start(night)
    publish.begin_build(start, night.build)
    if start and not is_untouched(night.ledger, start):  # while it was copied
        _begin_anew(night, start)
        start = None
    try:
        _connect(night)
    except duckdb.Error:
        if start is None:
            raise
        _begin_anew(night, start)
        start = None
        _connect(night)
    night.record = None if start else _record(night)
    return start


def is_untouched(ledger: Ledger, path: Path) -> bool:
    """Whether a published file has the bytes it was published with."""
    stat = path.stat()
    if not publish.logs_beside(path) and ledger.is_stamped(path.name, stat):
        return True
    is_same = ledger.published(path.name) == sha256(path)
    if is_same:
        ledger.stamp(path.name, stat)
    return is_same


def take_over_record(night: Night) -> int:
    """A rebuild begins with an empty file: bring the record of past nights over; its rows."""
    if night.record is None:
        return 0
    copy = night.scratch / "before.duckdb"  # somebody may hold the file itself
    shutil.copyfile(night.record, copy)
    rows = nights.take_over(night.db, copy)
    copy.unlink()
    return rows


def _start(night: Night) -> Path | None:
    """The published file to go on from, unless other code or source settings made it: a night is
    a function of its files, its date and its version, so a new version starts from the files."""
    current = published_file(night.home)
    if current is None:
        return None
    logs = publish.logs_beside(current)
    if not is_untouched(night.ledger, current):
        night.remarks.append(CHANGED.format(name=current.name, so=_REBUILT))
        return None
    if logs:
        night.remarks.append(CHANGED.format(name=current.name, so=_WENT_ON))
    return current if night.ledger.made_by(current.name) == night.code_version else None


def _begin_anew(night: Night, start: Path) -> None:
    """Begin with nothing after all."""
    night.close()
    night.remarks.append(CHANGED.format(name=start.name, so=_REBUILT))
    publish.begin_build(None, night.build)


def _connect(night: Night) -> None:
    limits = night.settings.limits
    night.con = store.connect(night.build, night.scratch, limits.memory, limits.threads)
    store.create(night.con)


def _record(night: Night) -> Path | None:
    """The newest published file that is as it was published; says so if nights come after it."""
    versions = naming(night.home)
    found = next((path for path in versions if is_untouched(night.ledger, path)), None)
    known = publish.night_of(found) if found else ""
    lost = night.ledger.rows(
        "SELECT 1 FROM run WHERE state = 'done' AND night > ? AND night < ?",
        [known, night.as_of.isoformat()],
    )
    if lost and versions:
        night.remarks.append(_LOST.format(which=f"after {known} " if known else ""))
    return found
