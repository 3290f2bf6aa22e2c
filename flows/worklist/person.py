"""A person's page: what the warehouse says of them, the alert's life, and what can be answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from flows.beside_text import place_said, value_said
from flows.explain import Explanation, UnknownPatientError, explanation
from flows.letters import QUIET
from flows.pictures.reading import series_of
from flows.pictures.rows import use_said
from flows.pictures.series import series_picture
from flows.worklist.desk import Desk
from flows.worklist.listing import shown_state
from flows.worklist.looks import Facts
from flows.worklist.sessions import Visitor
from transforms.alerting import ENDED, Alert
from transforms.catalog.alert_rules import ALERT_RULES
from transforms.catalog.tissues import GRADES, TISSUES
from transforms.telling import SECTIONS
from warehouse import alerts
from warehouse.alert_record import delivered
from warehouse.ledger import Ledger
from warehouse.store import frame

Row = dict[str, Any]

_CGM = "FROM cgm_window WHERE patient_id = ? AND is_main ORDER BY window_end DESC, device LIMIT 3"
_WORN = (
    "FROM wearable_month WHERE patient_id = ? AND coalesce(steps_median, sleep_h_mean, "
    "resting_heart_rate_mean) IS NOT NULL ORDER BY month DESC LIMIT 6"
)
_CORROBORATION = "FROM corroboration WHERE patient_id = ? ORDER BY observed_on DESC, kind LIMIT 12"
_OTHERS = "SELECT alert_id FROM alert WHERE patient_id = ? AND alert_id <> ? ORDER BY opened_on"

HAPPENED: Mapping[str, str] = {
    "opened": "Opened{tier}",
    "reopened": "Opened again{tier}",
    "stepped_up": "Stronger evidence than before{tier}",
    "woke": "Back from its snooze",
    "escalated": "Nobody answered: passed on{role}",
    "resolved": "Ended: {because}",
    "retracted": "Taken back: {because}",
    "rekeyed": "Moved with the record to the one it was merged into",
    "told": "Mail to {recipient}{section}",
    "taken_back": "Mail to {recipient}: taken back",
    "held": "Kept quiet: {quiet}",
    "released": "Let go",
    "acknowledged": "Acknowledged",
    "snoozed": "Snoozed until {until}",
    "commented": "Comment",
    "disposed": "Judged {useful}",
}
"""Each kind of event in words."""
BESIDE: Mapping[str, str] = {
    "hba1c": "HbA1c",
    "cgm": "glucose sensor",
    "glucose_1h": "glucose 1 h after a glucose drink",
    "glucose_2h": "glucose 2 h after a glucose drink",
}
"""Kinds of corroboration in words."""
WRITTEN = ("note", "reason", "text", "why")
"""Facts that somebody wrote."""


def facts(
    desk: Desk, ledger: Ledger, con: duckdb.DuckDBPyConnection, alert: Alert, visitor: Visitor
) -> Facts:
    """What the page of an alert's patient shows."""
    life = alerts.history(ledger, alert.alert_id)
    found = _found(con, alert)
    today = desk.today()
    return {
        "alert": alert,
        "state": shown_state(alert, delivered(ledger, alert.alert_id)),
        "panel": desk.panel(alert),
        "rule": next((r.sentence for r in ALERT_RULES if r.name == alert.rule), ""),
        "quiet": QUIET.get(alert.quiet_because or ""),
        "is_ended": alert.state in ENDED,
        "seen": life[-1]["event_id"],
        "history": [_happened(event, desk) for event in reversed(life)],
        "others": _others(ledger, alert, visitor, desk),
        "found": found,
        "first_day": today + timedelta(days=1),
        "last_day": today + timedelta(days=desk.settings.alerts.snooze_most_days),
        **(_evidence(con, found) if found else {}),
    }


def _found(con: duckdb.DuckDBPyConnection, alert: Alert) -> Explanation | None:
    """What the warehouse says; None where it no longer knows the person."""
    try:
        return explanation(con, alert.patient_id)
    except UnknownPatientError:
        return None


def _evidence(con: duckdb.DuckDBPyConnection, found: Explanation) -> Facts:
    rows = {
        name: frame(con, query, [found.patient_id]).to_dicts()
        for name, query in (("cgm", _CGM), ("worn", _WORN), ("corroboration", _CORROBORATION))
    }
    return {
        "picture": series_picture(series_of(con, found.patient_id)),
        "draws": [{**draw, "use": use_said(draw)} for draw in reversed(found.draws)],
        "tissues": _tissues(found.tissues),
        "grades": GRADES,
        "kinds": BESIDE,
        **rows,
    }


def _tissues(rows: list[Row]) -> list[Facts]:
    """The profile by tissue, those that were measured first."""
    own = {name: list(many) for name, many in groupby(rows, key=lambda row: row["tissue"])}
    told = []
    for tissue in TISSUES:
        mine = own.get(tissue.name, [])
        signals = [_signal(row) for row in mine if row["signal"]]
        worsens = any(row["course"] == "worsening" for row in mine)
        told.append(
            {
                "title": tissue.title,
                "signals": signals,
                "claim": tissue.claim if worsens or tissue.ceiling == "D" else None,
                "not_claimed": tissue.not_claimed,
                "missing": [row["missing"] for row in mine if not row["signal"]],
            }
        )
    return sorted(told, key=lambda tissue: not tissue["signals"])


def _signal(row: Row) -> Row:
    course = row["course"] or row["trend"] or ("too old" if row["missing"] else "no trend yet")
    place = place_said(row) if row["percentile"] is not None else ""
    return {**row, "value_said": value_said(row), "course_said": course, "place": place}


def _others(ledger: Ledger, alert: Alert, visitor: Visitor, desk: Desk) -> list[Alert]:
    """The person's other alerts; they are of the same panel."""
    rows = ledger.rows(_OTHERS, [alert.patient_id, alert.alert_id])
    found = (alerts.one(ledger, row["alert_id"]) for row in rows)
    return [other for other in found if other and visitor.sees(desk.panel(other))]


def _happened(event: Row, desk: Desk) -> Row:
    """An event for people: when, who, what, and what they wrote."""
    given = event["facts"]
    at = datetime.fromisoformat(event["at"]).astimezone(ZoneInfo(desk.settings.site.time_zone))
    level = int(given.get("level") or 0)
    roles = desk.settings.alerts.escalate_to
    said = HAPPENED.get(event["kind"], event["kind"]).format_map(
        {
            "tier": f", tier {given['tier']}" if given.get("tier") else "",
            "role": f" to {roles[level - 1]}" if 0 < level <= len(roles) else "",
            "because": given.get("because"),
            "recipient": given.get("recipient"),
            "section": f": {SECTIONS.get(str(given.get('section')), '')}".rstrip(": "),
            "quiet": QUIET.get(str(given.get("because")), given.get("because")),
            "until": given.get("until"),
            "useful": "useful" if given.get("is_useful") else "not useful",
        }
    )
    wrote = next((str(given[name]) for name in WRITTEN if given.get(name)), "")
    return {
        "at": at,
        "who": "" if event["actor"] == alerts.NIGHT else event["actor"],
        "what": said.replace("_", " ") if event["kind"] == "escalated" else said,
        "wrote": wrote.splitlines(),
    }
