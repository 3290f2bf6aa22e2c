"""Alerts for the terminal, as they stand in the ledger now: no name and no value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from flows.answering import answer
from flows.home import Home
from flows.reading import UnknownAlertError
from flows.settings import Settings
from transforms.alerting import ENDED, Alert, NotPossibleError
from transforms.telling import STICKY
from warehouse import alerts
from warehouse.alert_record import delivered
from warehouse.ledger import Ledger

Row = dict[str, Any]
_SHOWN = (
    "alert_id", "rule", "tier", "opened_on", "state", "level", "snoozed_until", "quiet_because",
    "ended_on", "ended_because", "is_useful",
)  # fmt: skip


@contextmanager
def opened(home: Home) -> Iterator[Ledger]:
    """The home's ledger."""
    ledger = Ledger(home.ledger)
    try:
        yield ledger
    finally:
        ledger.close()


def listed(home: Home, *, everything: bool, is_quiet: bool) -> list[Row]:
    """Alerts, oldest first: those that have not ended, all, or those kept quiet."""
    with opened(home) as ledger:
        came = delivered(ledger)
        found = alerts.standing(ledger)
    kept = [
        alert
        for alert in found
        if (everything or alert.state not in ENDED)
        and (not is_quiet or (alert.quiet_because and alert.state not in ENDED))
    ]
    return [_row(alert, came) for alert in sorted(kept, key=lambda a: (a.opened_on, a.alert_id))]


def answered(
    home: Home,
    settings: Settings,
    number: str,
    kind: str,
    facts: Mapping[str, object],
    actor: str,
    now: datetime,
) -> Row:
    """Note an answer; the alert's row as it is then."""
    with opened(home) as ledger:
        alert = answer(ledger, settings, number, kind, facts, actor, now)
        return _row(alert, delivered(ledger))


def held_by_burst(home: Home, night: date) -> list[str]:
    """The numbers of the alerts that the burst of a night still holds.

    Raises:
        NotPossibleError: it holds none.
    """
    with opened(home) as ledger:
        found = [
            alert.alert_id
            for alert in alerts.standing(ledger)
            if (alert.quiet_because, alert.opened_on) == (STICKY, night)
            and alert.state not in ENDED
        ]
    if not found:
        raise NotPossibleError(f"no burst of {night} holds an alert")
    return found


def patient_of(home: Home, number: str) -> str:
    """The patient of an alert.

    Raises:
        UnknownAlertError: no such number.
    """
    with opened(home) as ledger:
        alert = alerts.one(ledger, number)
    if alert is None:
        raise UnknownAlertError("no alert has that number")
    return alert.patient_id


def _row(alert: Alert, came: set[str]) -> Row:
    known = asdict(alert)
    is_sent = alert.state == "new" and alert.alert_id in came
    return {name: known[name] for name in _SHOWN} | ({"state": "sent"} if is_sent else {})


def as_text(rows: list[Row]) -> str:
    """A line an alert."""
    return "\n".join(map(_line, rows)) or "No alert is open."


def _line(row: Row) -> str:
    tier = f"tier {row['tier']}" if row["tier"] else ""
    more = {
        "snoozed": f"until {row['snoozed_until']}",
        "escalated": "once" if row["level"] == 1 else f"{row['level']} times",
        "resolved": f"on {row['ended_on']}: {row['ended_because']}",
        "retracted": f"on {row['ended_on']}: {row['ended_because']}",
    }.get(row["state"], "")
    quiet = f"kept quiet: {row['quiet_because']}" if row["quiet_because"] else ""
    facts = "  ".join(filter(None, (row["state"], more, quiet)))
    return (
        f"{row['alert_id']}  {row['rule'].replace('_', ' '):<18} {tier:<7} "
        f"since {row['opened_on']}  {facts}"
    )
