"""The ledger: files that came, nights that ran, models in force, units approved, alerts, mails.

SQLite beside the warehouse (WAL, ``synchronous=FULL``), because the warehouse can be rebuilt from
landed files and this cannot. One writer at a time: the night, under the home's lock.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import date, datetime
from os import stat_result
from pathlib import Path

from transforms.approvals import Approval

SCHEMA = """
CREATE TABLE IF NOT EXISTS file (
    file_id INTEGER PRIMARY KEY, source TEXT NOT NULL, name TEXT NOT NULL, patient_id TEXT,
    sha256 TEXT NOT NULL, size INTEGER NOT NULL, known_on TEXT NOT NULL,
    CHECK (size >= 0)) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS file_once ON file (source, coalesce(patient_id, ''), sha256);
CREATE TABLE IF NOT EXISTS seen (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS run (
    run_id TEXT PRIMARY KEY, night TEXT NOT NULL, started_at TEXT NOT NULL, finished_at TEXT,
    state TEXT NOT NULL, code_version TEXT NOT NULL, digest TEXT, warehouse TEXT,
    problem TEXT) STRICT;
CREATE TABLE IF NOT EXISTS night_table (
    run_id TEXT NOT NULL, name TEXT NOT NULL, n INTEGER NOT NULL, total TEXT NOT NULL,
    PRIMARY KEY (run_id, name)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS published (file TEXT PRIMARY KEY, sha256 TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS stamp (
    file TEXT PRIMARY KEY, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS step (
    run_id TEXT NOT NULL, name TEXT NOT NULL, seconds REAL NOT NULL, counts TEXT NOT NULL,
    PRIMARY KEY (run_id, name)) STRICT;
CREATE TABLE IF NOT EXISTS alert (
    alert_id TEXT PRIMARY KEY, patient_id TEXT NOT NULL, rule TEXT NOT NULL,
    episode TEXT NOT NULL, tier TEXT, opened_on TEXT NOT NULL, state TEXT NOT NULL,
    code_version TEXT NOT NULL, told_on TEXT, was_told INTEGER NOT NULL, quiet_because TEXT,
    level INTEGER NOT NULL, snoozed_until TEXT, ended_on TEXT, ended_because TEXT,
    is_useful INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS alert_event (
    event_id INTEGER PRIMARY KEY, alert_id TEXT NOT NULL, kind TEXT NOT NULL, night TEXT NOT NULL,
    at TEXT NOT NULL, actor TEXT NOT NULL, facts TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS alert_event_of ON alert_event (alert_id);
CREATE VIEW IF NOT EXISTS notice AS
    SELECT alert_id, kind, night, at, facts ->> 'recipient' AS recipient,
        facts ->> 'message_id' AS message_id, facts ->> 'tier' AS tier
    FROM alert_event WHERE kind IN ('told', 'taken_back');
CREATE TABLE IF NOT EXISTS composed (
    run_id TEXT PRIMARY KEY, at TEXT NOT NULL, given TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS outbox (
    message_id TEXT PRIMARY KEY, recipient TEXT NOT NULL, kind TEXT NOT NULL, night TEXT NOT NULL,
    message BLOB NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    problem TEXT, sent_at TEXT, first_problem TEXT, first_tried_at TEXT, next_try_at TEXT,
    faults INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS heartbeat (
    run_id TEXT PRIMARY KEY, night TEXT NOT NULL, finished_at TEXT NOT NULL,
    counts TEXT NOT NULL, seal TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS model (
    version TEXT PRIMARY KEY, in_force_from TEXT NOT NULL UNIQUE, content TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS approval (
    approval_id INTEGER PRIMARY KEY, source TEXT NOT NULL, analyte TEXT NOT NULL,
    unit TEXT NOT NULL, known_on TEXT NOT NULL, lab TEXT, stated TEXT, sha256 TEXT, line INTEGER,
    part INTEGER, from_on TEXT, to_on TEXT, given_by TEXT NOT NULL, given_at TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS secret (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
"""
ADDED = (
    ("outbox", "first_problem", "TEXT"),
    ("outbox", "first_tried_at", "TEXT"),
    ("outbox", "next_try_at", "TEXT"),
    ("outbox", "faults", "INTEGER NOT NULL DEFAULT 0"),
)
"""Columns that ledgers made before do not have: added when one is opened."""

OLD_ALERTS = """
ALTER TABLE alert RENAME TO alert_1;
ALTER TABLE notice RENAME TO notice_1;
"""
KEPT_ALERTS = """
INSERT INTO alert SELECT alert_id, patient_id, replace(rule, 'climbing_repeat', 'climbing_unseen'),
    episode, tier, opened_on, CASE state WHEN 'new' THEN 'new' ELSE 'resolved' END, '',
    CASE WHEN alert_id IN (SELECT alert_id FROM notice_1) THEN opened_on END,
    alert_id IN (SELECT alert_id FROM notice_1), NULL, 0, NULL,
    CASE state WHEN 'new' THEN NULL ELSE opened_on END,
    CASE state WHEN 'new' THEN NULL ELSE 'it had ended' END, NULL FROM alert_1;
INSERT INTO alert_event (alert_id, kind, night, at, actor, facts)
    SELECT alert_id, 'opened', opened_on, opened_on || 'T00:00:00+00:00', 'undertow', json_object(
        'patient_id', patient_id, 'rule', rule, 'episode', episode, 'tier', tier) FROM alert;
INSERT INTO alert_event (alert_id, kind, night, at, actor, facts)
    SELECT alert_id, 'told', opened_on, opened_on || 'T00:00:00+00:00', 'undertow', json_object(
        'recipient', recipient, 'message_id', message_id, 'section', 'new', 'level', 0)
    FROM notice_1 JOIN alert USING (alert_id);
INSERT INTO alert_event (alert_id, kind, night, at, actor, facts)
    SELECT alert_id, 'resolved', opened_on, opened_on || 'T00:00:00+00:00', 'undertow',
        json_object('because', ended_because) FROM alert WHERE state = 'resolved';
DROP TABLE alert_1;
DROP TABLE notice_1;
"""
"""Alerts of a ledger made before they had events: brought over when one is opened."""

BUSY_SECONDS = 30
"""How long a writer waits for another: the night, the work-list and the command line share it."""


class Ledger:
    """The ledger of one home. Every method is one transaction."""

    def __init__(self, path: Path) -> None:
        """Open, or make, the ledger at ``path``."""
        self._con = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
        )
        self._con.row_factory = sqlite3.Row
        self._con.execute("PRAGMA journal_mode = WAL")
        self._con.execute("PRAGMA synchronous = FULL")
        is_old = self._has("alert") and not self._has("alert_event")
        self._con.executescript(f"{OLD_ALERTS if is_old else ''}{SCHEMA}")
        if is_old:
            self._con.executescript(f"BEGIN; {KEPT_ALERTS} COMMIT;")
        self._add_columns()

    def _has(self, table: str) -> bool:
        return bool(self.rows("SELECT 1 FROM sqlite_master WHERE name = ?", [table]))

    def _add_columns(self) -> None:
        for table, column, kind in ADDED:
            held = {row["name"] for row in self.rows(f"PRAGMA table_info({table})")}
            if column not in held:
                self.write(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")

    def close(self) -> None:
        """Close the ledger."""
        self._con.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self._con.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._con.execute("ROLLBACK")
            raise
        self._con.execute("COMMIT")

    def rows(self, query: str, parameters: Iterable[object] = ()) -> list[sqlite3.Row]:
        """The rows of a query."""
        return self._con.execute(query, tuple(parameters)).fetchall()

    def write(self, statement: str, parameters: Iterable[object] = ()) -> int:
        """Run one statement; return the number of rows it changed."""
        return self._con.execute(statement, tuple(parameters)).rowcount

    # files

    def is_seen(self, path: str, size: int, modified_ns: int) -> bool:
        """Whether this very file was looked at before and has not changed since."""
        found = self.rows("SELECT size, modified_ns FROM seen WHERE path = ?", [path])
        return bool(found) and tuple(found[0]) == (size, modified_ns)

    def see(self, path: str, size: int, modified_ns: int) -> None:
        """Remember that this very file was looked at."""
        self.write("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", [path, size, modified_ns])

    def add_file(self, row: Mapping[str, object]) -> bool:
        """Note a landed file; False when the same bytes of that source are known already."""
        statement = (
            "INSERT OR IGNORE INTO file (source, name, patient_id, sha256, size, known_on) "
            "VALUES (:source, :name, :patient_id, :sha256, :size, :known_on)"
        )
        return bool(self._con.execute(statement, dict(row)).rowcount)

    def files(self, known_by: date) -> list[sqlite3.Row]:
        """Every file known by a night, in the order of landing."""
        return self.rows(
            "SELECT * FROM file WHERE known_on <= ? ORDER BY file_id", [known_by.isoformat()]
        )

    # models

    def models(self, night: date) -> list[str]:
        """The content of every trend model in force by a night, oldest first."""
        rows = self.rows(
            "SELECT content FROM model WHERE in_force_from <= ? ORDER BY in_force_from",
            [night.isoformat()],
        )
        return [str(row["content"]) for row in rows]

    def keep_model(self, version: str, in_force_from: date, content: str) -> None:
        """Keep a model; the first of a night stays."""
        self.write(
            "INSERT OR IGNORE INTO model VALUES (?, ?, ?)",
            [version, in_force_from.isoformat(), content],
        )

    # approvals

    def approvals(self, night: date) -> tuple[Approval, ...]:
        """Every approval given by a night, in the order in which they were given."""
        rows = self.rows(
            "SELECT * FROM approval WHERE known_on <= ? ORDER BY approval_id", [night.isoformat()]
        )
        return tuple(_approval(row) for row in rows)

    def approve(self, approval: Approval, given_by: str, given_at: datetime) -> None:
        """Note a person's decision on a unit."""
        facts = {**asdict(approval), "given_by": given_by, "given_at": given_at}
        del facts["number"]  # the ledger gives it
        texts = {key: v.isoformat() if isinstance(v, date) else v for key, v in facts.items()}
        names = ", ".join(texts)
        self.write(
            f"INSERT INTO approval ({names}) VALUES ({', '.join('?' * len(texts))})",
            list(texts.values()),
        )

    # alerts and mails

    def secret(self) -> bytes:
        """The ledger's own random key, made once: work-list numbers say nothing of a person."""
        self.write("INSERT OR IGNORE INTO secret VALUES ('worklist', randomblob(32))")
        return bytes(self.rows("SELECT value FROM secret WHERE name = 'worklist'")[0]["value"])

    def owe(self, message: Mapping[str, object]) -> bool:
        """Put a message into the outbox; False if it is there.

        Call it inside :meth:`transaction`, so that nothing is noted as told without its mail.
        """
        statement = (
            "INSERT OR IGNORE INTO outbox (message_id, recipient, kind, night, message, state) "
            "VALUES (:message_id, :recipient, :kind, :night, :message, 'pending')"
        )
        return bool(self._con.execute(statement, dict(message)).rowcount)

    def keep_composed(self, run_id: str, at: datetime, given: str) -> None:
        """Keep what a run's mails rested on."""
        self.write(
            "INSERT OR REPLACE INTO composed VALUES (?, ?, ?)", [run_id, at.isoformat(), given]
        )

    # runs

    def note_step(self, run_id: str, name: str, seconds: float, counts: Mapping[str, int]) -> None:
        """Note what a step did and how long it took."""
        self.write(
            "INSERT OR REPLACE INTO step VALUES (?, ?, ?, ?)",
            [run_id, name, seconds, json.dumps(counts)],
        )

    def keep_tables(self, run_id: str, tables: Mapping[str, tuple[int, int]]) -> None:
        """Keep each table's rows and sum of row hashes (128 bits, so as text) of a run."""
        with self.transaction():
            self.write("DELETE FROM night_table WHERE run_id = ?", [run_id])
            for name, (n, total) in tables.items():
                self.write(
                    "INSERT INTO night_table VALUES (?, ?, ?, ?)", [run_id, name, n, str(total)]
                )

    def tables(self, run_id: str) -> dict[str, tuple[int, int]]:
        """Each table's rows and sum of row hashes of a run; empty where they were not kept."""
        rows = self.rows("SELECT * FROM night_table WHERE run_id = ? ORDER BY name", [run_id])
        return {str(row["name"]): (int(row["n"]), int(row["total"])) for row in rows}

    def last_night(self) -> date | None:
        """The business date of the last completed night."""
        found = self.rows("SELECT max(night) AS night FROM run WHERE state = 'done'")
        return date.fromisoformat(found[0]["night"]) if found[0]["night"] else None

    def made_by(self, warehouse: str) -> str | None:
        """The code version that made a published file."""
        found = self.rows("SELECT code_version FROM run WHERE warehouse = ?", [warehouse])
        return str(found[0]["code_version"]) if found else None

    def note_published(self, warehouse: str, sha256: str, stat: stat_result) -> None:
        """Note the bytes of a file that is about to be published, and what the disk says of it."""
        with self.transaction():
            self.write("INSERT OR REPLACE INTO published VALUES (?, ?)", [warehouse, sha256])
            self.stamp(warehouse, stat)

    def published(self, warehouse: str) -> str | None:
        """The hash of the bytes that a file was published with."""
        found = self.rows("SELECT sha256 FROM published WHERE file = ?", [warehouse])
        return str(found[0]["sha256"]) if found else None

    def stamp(self, warehouse: str, stat: stat_result) -> None:
        """Note what the disk says of a published file whose bytes are as they were."""
        self.write("INSERT OR REPLACE INTO stamp VALUES (?, ?, ?, ?)", [warehouse, *_facts(stat)])

    def is_stamped(self, warehouse: str, stat: stat_result) -> bool:
        """Whether the disk says the same of a published file as when its bytes were last known."""
        found = self.rows("SELECT size, modified_ns, inode FROM stamp WHERE file = ?", [warehouse])
        return bool(found) and tuple(found[0]) == _facts(stat)

    def begin(self, run_id: str, night: date, now: datetime, code_version: str) -> None:
        """Note that a run started; runs left running by a killed process are closed as failed."""
        with self.transaction():
            self.write(
                "UPDATE run SET state = 'failed', problem = 'ended without a word' "
                "WHERE state = 'running'"
            )
            self.write(
                "INSERT INTO run (run_id, night, started_at, state, code_version) "
                "VALUES (?, ?, ?, 'running', ?)",
                [run_id, night.isoformat(), now.isoformat(), code_version],
            )

    def finish(self, run_id: str, now: datetime, state: str, **facts: str) -> None:
        """Note how a run ended (``digest``, ``warehouse`` and ``problem`` as far as known)."""
        self.write(
            "UPDATE run SET state = ?, finished_at = ?, digest = ?, warehouse = ?, problem = ? "
            "WHERE run_id = ?",
            [state, now.isoformat(), facts.get("digest"), facts.get("warehouse")]
            + [facts.get("problem"), run_id],
        )


def _facts(stat: stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _approval(row: sqlite3.Row) -> Approval:
    names = {field.name: field.name for field in fields(Approval)} | {"number": "approval_id"}
    known = {name: row[column] for name, column in names.items()}
    days = {
        name: date.fromisoformat(known[name]) if known[name] else None
        for name in ("known_on", "from_on", "to_on")
    }
    return Approval(**{**known, **days})
