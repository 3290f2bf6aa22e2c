"""Heartbeats: the sealed note of every night that ended whole, and a look at them from outside.

Only the standard library is needed here, so that who watches over the nights depends on nothing
that nights depend on.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warehouse.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A night that ended whole: counts, none of them a patient's; ``seal``: HMAC of the rest."""

    night: str
    run_id: str
    finished_at: str
    counts: dict[str, int]
    seal: str = ""

    def sealed(self, key: bytes) -> Heartbeat:
        """The same with its seal."""
        text = json.dumps(asdict(replace(self, seal="")), sort_keys=True)
        return replace(self, seal=hmac.new(key, text.encode(), hashlib.sha256).hexdigest())

    def is_true(self, key: bytes) -> bool:
        """Whether it bears the seal of that key and says when it was."""
        return hmac.compare_digest(self.sealed(key).seal, self.seal) and self.time is not None

    @property
    def time(self) -> datetime | None:
        """When the night ended, UTC."""
        try:
            found = datetime.fromisoformat(self.finished_at)
        except ValueError:
            return None
        return found.astimezone(UTC) if found.tzinfo else None

    def as_json(self) -> str:
        """One JSON document."""
        return json.dumps(asdict(self), indent=1)


def from_json(text: str) -> Heartbeat | None:
    """A heartbeat from its JSON; None if it is none."""
    try:
        found = json.loads(text)
        beat = Heartbeat(**found)
    except (ValueError, TypeError):
        return None
    texts = (beat.night, beat.run_id, beat.finished_at, beat.seal)
    is_whole = all(isinstance(text, str) for text in texts) and isinstance(beat.counts, dict)
    return beat if is_whole else None


def derived_key(secret: bytes) -> bytes:
    """The key of heartbeats: not the ledger's own, since the watch keeps a copy of it."""
    return hmac.new(secret, b"heartbeat", hashlib.sha256).digest()


def note(
    ledger: Ledger, night: str, run_id: str, now: datetime, counts: Mapping[str, int]
) -> Heartbeat:
    """Note the heartbeat of a run; call it in the transaction that ends the run."""
    plain = Heartbeat(night, run_id, now.astimezone(UTC).isoformat(), dict(counts))
    beat = plain.sealed(derived_key(ledger.secret()))
    ledger.write(
        "INSERT OR REPLACE INTO heartbeat VALUES (?, ?, ?, ?, ?)",
        [beat.run_id, beat.night, beat.finished_at, json.dumps(beat.counts), beat.seal],
    )
    return beat


@dataclass(frozen=True, slots=True)
class Look:
    """What a ledger shows to one who only reads: ``problem`` is empty, ``absent``, ``busy`` or
    the class of error with which it could not be read."""

    key: bytes | None = None
    beat: Heartbeat | None = None
    run: Mapping[str, str | None] | None = None
    step: str = ""
    owed_since: datetime | None = None
    problem: str = ""


def looked(path: Path, patience_seconds: float) -> Look:
    """Look into the ledger at ``path``, which is left as it is, whatever state it is in."""
    if not path.exists():
        return Look(problem="absent")
    try:
        with closing(
            sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=patience_seconds)
        ) as con:
            con.row_factory = sqlite3.Row
            return _seen(con)
    except (sqlite3.Error, ValueError, TypeError) as error:
        is_busy = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
        return Look(problem="busy" if is_busy else type(error).__name__)


def _seen(con: sqlite3.Connection) -> Look:
    secrets = _rows(con, "SELECT value FROM secret WHERE name = 'worklist'")
    beats = _rows(con, "SELECT * FROM heartbeat ORDER BY rowid DESC LIMIT 1")
    runs = _rows(con, "SELECT * FROM run ORDER BY rowid DESC LIMIT 1")
    steps = _rows(
        con,
        "SELECT name FROM step WHERE run_id = (SELECT run_id FROM run ORDER BY rowid DESC LIMIT 1) "
        "ORDER BY rowid DESC LIMIT 1",
    )
    owed = _rows(
        con,
        "SELECT min(first_tried_at) AS since FROM outbox "
        "WHERE state IN ('pending', 'sending', 'unknown')",
    )
    return Look(
        key=derived_key(bytes(secrets[0]["value"])) if secrets else None,
        beat=_beat(beats[0]) if beats else None,
        run=dict(runs[0]) if runs else None,
        step=str(steps[0]["name"]) if steps else "",
        owed_since=datetime.fromisoformat(owed[0]["since"]) if owed and owed[0]["since"] else None,
    )


def _rows(con: sqlite3.Connection, query: str) -> list[sqlite3.Row]:
    """Rows; none where a ledger made before has no such table or column."""
    try:
        return con.execute(query).fetchall()
    except sqlite3.OperationalError as error:
        if "no such" in str(error):
            return []
        raise


def _beat(row: sqlite3.Row) -> Heartbeat | None:
    try:
        return from_json(json.dumps({**dict(row), "counts": json.loads(row["counts"])}))
    except ValueError:
        return None
