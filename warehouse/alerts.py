"""The alerts of the ledger: their events, and what these sum up to.

``alert_event`` is the truth and only grows; ``alert`` is its sum, kept for looking things up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import date, datetime
from typing import Any

from transforms.alerting import Alert, Happening, applied
from warehouse.ledger import Ledger

NIGHT = "undertow"
"""The actor of what nobody did by hand."""
_NAMES = [field.name for field in fields(Alert)]
_DATES = ("episode", "opened_on", "told_on", "snoozed_until", "ended_on")
_PUT = f"INSERT OR REPLACE INTO alert ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))})"
_EVENT = (
    "INSERT INTO alert_event (alert_id, kind, night, at, actor, facts) VALUES (?, ?, ?, ?, ?, ?)"
)


def standing(ledger: Ledger) -> list[Alert]:
    """Every alert as it stands."""
    return [_alert(dict(row)) for row in ledger.rows("SELECT * FROM alert ORDER BY alert_id")]


def one(ledger: Ledger, alert_id: str) -> Alert | None:
    """One alert as it stands."""
    rows = ledger.rows("SELECT * FROM alert WHERE alert_id = ?", [alert_id])
    return _alert(dict(rows[0])) if rows else None


def events(ledger: Ledger, before: datetime | None = None) -> list[tuple[Happening, date]]:
    """All events, or those before a moment, each with its night."""
    until = before.isoformat() if before else "9"
    rows = ledger.rows(
        "SELECT alert_id, kind, night, facts FROM alert_event WHERE at < ? ORDER BY event_id",
        [until],
    )
    return [
        (
            Happening(row["alert_id"], row["kind"], json.loads(row["facts"])),
            date.fromisoformat(row["night"]),
        )
        for row in rows
    ]


def note(
    ledger: Ledger, events: Iterable[Happening], night: date, at: datetime, actor: str = NIGHT
) -> None:
    """Write events down, each with what it changes. Call it inside a transaction.

    Raises:
        NotPossibleError: an alert cannot take an event; nothing of it is written.
    """
    for event in events:
        after = applied(one(ledger, event.alert_id), event, night)
        facts = json.dumps(dict(event.facts), ensure_ascii=False)
        ledger.write(
            _EVENT,
            [event.alert_id, event.kind, night.isoformat(), at.isoformat(), actor, facts],
        )
        ledger.write(_PUT, [as_row(after)[name] for name in _NAMES])


def history(ledger: Ledger, alert_id: str) -> list[dict[str, Any]]:
    """The events of one alert, oldest first: ``kind``, ``night``, ``at``, ``actor``, ``facts``."""
    rows = ledger.rows("SELECT * FROM alert_event WHERE alert_id = ? ORDER BY event_id", [alert_id])
    return [{**dict(row), "facts": json.loads(row["facts"])} for row in rows]


def as_row(alert: Alert) -> dict[str, Any]:
    """An alert as a row of the ledger: days as text."""
    known = asdict(alert)
    return {n: v.isoformat() if isinstance(v, date) else v for n, v in known.items()}


def _alert(row: dict[str, Any]) -> Alert:
    days = {name: date.fromisoformat(row[name]) if row[name] else None for name in _DATES}
    useful = None if row["is_useful"] is None else bool(row["is_useful"])
    return Alert(**{**row, **days, "was_told": bool(row["was_told"]), "is_useful": useful})
