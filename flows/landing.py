"""Land: what lies in the inbox becomes immutable bytes with a row in the ledger."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from flows.home import Home
from warehouse.landed import keep
from warehouse.ledger import Ledger

UNFINISHED = (".part", ".partial", ".tmp", ".filepart", ".crdownload", ".swp", "~")
"""Endings that transfer programs give a file while they write it."""


@dataclass(frozen=True, slots=True)
class Landed:
    """What one look at the inbox did: new files, bytes known before, files still growing, files
    that were gone again or are not ours to read, files that lie in no source's folder."""

    new: int = 0
    known: int = 0
    growing: int = 0
    unreadable: int = 0
    misplaced: int = 0


def land(home: Home, ledger: Ledger, night: date, settle_seconds: float) -> Landed:
    """Take every file that lies still. The inbox itself is never changed."""
    counts = {"new": 0, "known": 0, "growing": 0, "unreadable": 0, "misplaced": 0}
    counts["misplaced"] = sum(
        path.is_file() and not path.name.startswith(".") for path in home.inbox.iterdir()
    )
    for path in sorted(_still(home.inbox, settle_seconds, counts)):
        try:
            outcome = _take(home, ledger, path, night)
        except (FileNotFoundError, PermissionError):  # the others land
            outcome = "unreadable"
        if outcome:
            counts[outcome] += 1
    return Landed(**counts)


def _files(inbox: Path) -> Iterator[Path]:
    for path in inbox.rglob("*"):
        parts = path.relative_to(inbox).parts
        hidden = any(part.startswith(".") for part in parts)
        if len(parts) > 1 and not hidden and not path.is_symlink() and path.is_file():
            yield path


def _still(inbox: Path, settle_seconds: float, counts: dict[str, int]) -> Iterator[Path]:
    """Files that are not being written: no transfer ending, and the same size as a moment ago."""
    found = list(_files(inbox))
    before = {path: _state(path) for path in found if path.exists()}
    youngest = max((state[1] for state in before.values()), default=0)
    wait = settle_seconds - (time.time_ns() - youngest) / 1e9
    if found and wait > 0:
        time.sleep(min(wait, settle_seconds))
    for path, state in before.items():
        if path.name.lower().endswith(UNFINISHED) or not path.exists() or _state(path) != state:
            counts["growing"] += 1
        else:
            yield path


def _state(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _take(home: Home, ledger: Ledger, path: Path, night: date) -> str:
    """Land one file; '' when it was looked at before, else which count it belongs to."""
    below = os.fsencode(path.relative_to(home.inbox)).decode("utf-8", "backslashreplace")
    size, modified = _state(path)
    if ledger.is_seen(below, size, modified):
        return ""
    digest, kept = keep(home.landed, path)
    if _state(path) != (size, modified) or kept != size:
        return "growing"
    source, *folders, name = below.split("/")
    row = {
        "source": source,
        "name": "/".join((*folders, name)),
        "patient_id": folders[0] if folders else None,
        "sha256": digest,
        "size": size,
        "known_on": night.isoformat(),
    }
    with ledger.transaction():
        is_new = ledger.add_file(row)
        ledger.see(below, size, modified)
    return "new" if is_new else "known"
