"""The outbox: what is owed to whom, one row a recipient's message, and how every attempt ended.

    pending ──> sending ──> sent
       ^           │  └───> unknown ──> sending ...     the same Message-ID again
       └───────────┴──────> refused, undeliverable      for people, who may ask for it again

``sending`` is committed before a body leaves, so a process that dies leaves its message to be
taken as ``unknown``: perhaps it arrived, surely it comes again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warehouse.ledger import Ledger

OWED = ("pending", "sending", "unknown")
"""States of messages that have not surely arrived and are tried again by themselves."""
STUCK = ("refused", "undeliverable")
"""States that wait for a person."""
_NEXT = (
    "SELECT rowid, * FROM outbox WHERE state IN ('pending', 'unknown') AND rowid > ? "
    "AND (? IS NULL OR next_try_at IS NULL OR next_try_at <= ?) ORDER BY rowid LIMIT 1"
)


def owed(ledger: Ledger) -> list[sqlite3.Row]:
    """Messages that have not surely arrived, in the order in which they were owed."""
    return ledger.rows(f"SELECT rowid, * FROM outbox WHERE {_among(OWED)} ORDER BY rowid", OWED)


def stuck(ledger: Ledger) -> list[sqlite3.Row]:
    """Messages that were refused or given up."""
    return ledger.rows(f"SELECT rowid, * FROM outbox WHERE {_among(STUCK)} ORDER BY rowid", STUCK)


def counts(ledger: Ledger) -> dict[str, int]:
    """Messages by state."""
    rows = ledger.rows("SELECT state, count(*) AS n FROM outbox GROUP BY state ORDER BY state")
    return {str(row["state"]): int(row["n"]) for row in rows}


def resume(ledger: Ledger) -> int:
    """Take what a process that died was sending as unknown; call it where nobody else sends."""
    return ledger.write(
        "UPDATE outbox SET state = 'unknown', attempts = attempts + 1, problem = 'process ended', "
        "first_problem = coalesce(first_problem, 'process ended') WHERE state = 'sending'"
    )


def upcoming(ledger: Ledger, after: int, now: datetime | None) -> sqlite3.Row | None:
    """The next message behind row ``after``; with ``now``, the next whose time has come."""
    time = now.isoformat() if now else None
    found = ledger.rows(_NEXT, [after, time, time])
    return found[0] if found else None


def claim(ledger: Ledger, message_id: str) -> None:
    """Note, before the body leaves, that it is about to."""
    ledger.write("UPDATE outbox SET state = 'sending' WHERE message_id = ?", [message_id])


def settle(
    ledger: Ledger,
    message_id: str,
    state: str,
    now: datetime,
    problem: str = "",
    next_try_at: datetime | None = None,
) -> None:
    """Note how an attempt ended in which the server had its say on this message."""
    sent_at = now.isoformat() if state == "sent" else None
    ledger.write(
        "UPDATE outbox SET state = ?, attempts = attempts + 1, faults = 0, problem = ?, "
        "first_problem = coalesce(first_problem, nullif(?, '')), next_try_at = ?, "
        "first_tried_at = coalesce(first_tried_at, ?), sent_at = coalesce(?, sent_at) "
        "WHERE message_id = ?",
        [state, problem, problem, _text(next_try_at), now.isoformat(), sent_at, message_id],
    )


def postpone(
    ledger: Ledger, row: sqlite3.Row, now: datetime, problem: str, next_try_at: datetime
) -> None:
    """Note that the server was not reached, or left, before it had its say on this message, which
    is in the state in which it was."""
    ledger.write(
        "UPDATE outbox SET state = ?, faults = faults + 1, problem = ?, next_try_at = ?, "
        "first_problem = coalesce(first_problem, ?), "
        "first_tried_at = coalesce(first_tried_at, ?) WHERE message_id = ?",
        [row["state"], problem, _text(next_try_at), problem, now.isoformat(), row["message_id"]],
    )


def ask_again(ledger: Ledger, message_ids: Sequence[str]) -> int:
    """Owe again what was refused or given up, as if it had never been tried; the number of them."""
    return sum(
        ledger.write(
            "UPDATE outbox SET state = 'pending', attempts = 0, faults = 0, next_try_at = NULL, "
            f"first_tried_at = NULL WHERE message_id = ? AND {_among(STUCK)}",
            [message_id, *STUCK],
        )
        for message_id in message_ids
    )


def bounce(ledger: Ledger, message_id: str, problem: str) -> bool:
    """Note that a message came back; False when no such message was handed over."""
    return bool(
        ledger.write(
            "UPDATE outbox SET state = 'undeliverable', problem = ?, "
            "first_problem = coalesce(first_problem, ?) "
            "WHERE message_id = ? AND state IN ('sent', 'unknown', 'sending', 'undeliverable')",
            [problem, problem, message_id],
        )
    )


def _among(states: Sequence[str]) -> str:
    return f"state IN ({', '.join('?' * len(states))})"


def _text(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
