"""Alert: what happens to alerts tonight, and the mails that tell of it, in one transaction.

Everything is committed to the ledger before the warehouse is published. What is composed follows
from the warehouse of the night, the events of the ledger before it and what :class:`Given` holds,
so that a past night's mails can be composed again, byte for byte.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import duckdb

from flows.home import Home
from flows.letters import Given, Post, Row
from flows.night import Counts, Night
from flows.outbox import standing
from flows.settings import Settings, SettingsError
from flows.version import changed
from transforms import telling
from transforms.alerting import Happening, Terms, decided, is_burst
from transforms.telling import Book
from warehouse import alerts
from warehouse.ledger import Ledger

SHAPING = {"site", "mail", "alerts", "worklist", "model"}
"""Settings that shape mails."""
_SECRET = {"password", "password_file", "username", "ca_file"}


@dataclass(frozen=True, slots=True)
class Composed:
    """The events of a night, its messages, and how many of each."""

    events: list[Happening]
    messages: list[Row]
    counts: dict[str, int]


def compose(night: Night) -> Counts:
    """Note what happens to alerts and owe the night's mails; return how many of each."""
    given = given_of(night)
    with night.ledger.transaction():
        known = telling.book(alerts.events(night.ledger))
        made = composed(night.db, night.settings, night.ledger.secret(), known, given)
        alerts.note(night.ledger, made.events, night.as_of, given.at)
        for message in made.messages:
            night.ledger.owe(message)
        people = {alert.patient_id for alert in known.alerts.values()}
        kept = as_json(given, people, night.settings, made.messages)
        night.ledger.keep_composed(night.run_id, given.at, kept)
    return made.counts


def given_of(night: Night) -> Given:
    """What tonight's mails rest on beside its warehouse and the events before it."""
    runs = _earlier_runs(night.ledger, night.as_of)
    opened = telling.book(alerts.events(night.ledger)).opened
    last = runs[-1]["code_version"] if runs else night.code_version
    return Given(
        at=night.clock(),
        night=night.as_of,
        digest=night.digest,
        code_version=night.code_version,
        is_new_code=not {"code", "engines"}.isdisjoint(changed(last, night.code_version)),
        evaluated=night.counts["transform"]["patients changed"],
        warnings=sum(1 for verdict in night.verdicts if not verdict[-1]),
        earlier=tuple(opened[date.fromisoformat(run["night"])] for run in runs),
        last_quiet_on=_last_quiet(night.ledger),
        panels=panels(night.home, night.settings),
        notes=(*night.remarks, *standing(night.ledger).said),
    )


def _earlier_runs(ledger: Ledger, night: date) -> list[dict[str, Any]]:
    """The last completed run of every night before."""
    rows = ledger.rows(
        "SELECT night, code_version, max(started_at) FROM run WHERE state = 'done' AND night < ? "
        "GROUP BY night ORDER BY night",
        [night.isoformat()],
    )
    return [dict(row) for row in rows]


def _last_quiet(ledger: Ledger) -> date | None:
    found = ledger.rows("SELECT max(night) AS night FROM outbox WHERE kind = 'quiet'")
    return date.fromisoformat(found[0]["night"]) if found[0]["night"] else None


def panels(home: Home, settings: Settings) -> dict[str, str]:
    """Patient -> panel, from the file that settings name.

    Raises:
        SettingsError: the file cannot be read or lacks its columns.
    """
    if settings.alerts.panels_file is None:
        return {}
    path = home.root / settings.alerts.panels_file
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if not {"patient_id", "panel"} <= set(rows.fieldnames or ()):
                raise SettingsError("alerts.panels_file: its header needs patient_id and panel")
            return {row["patient_id"]: row["panel"] or "" for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"alerts.panels_file: {type(error).__name__}") from None


def as_json(given: Given, people: set[str], settings: Settings, messages: Sequence[Row]) -> str:
    """What was given, the settings that shaped the mails, without secrets, and the mails' numbers;
    of the panels only those of ``people``."""
    known = asdict(given) | {"panels": {p: n for p, n in given.panels.items() if p in people}}
    shaping = settings.model_dump(mode="json", include=SHAPING, exclude={"mail": _SECRET})
    kept = {
        "given": known,
        "settings": shaping,
        "messages": [message["message_id"] for message in messages],
    }
    return json.dumps(kept, default=_iso, ensure_ascii=False)


def _iso(value: date | datetime) -> str:
    return value.isoformat()


def from_json(text: str) -> tuple[Given, dict[str, Any], set[str]]:
    """What :func:`as_json` wrote: what was given, the settings, the mails' numbers."""
    kept = json.loads(text)
    facts = kept["given"]
    days = {
        "at": datetime.fromisoformat(facts["at"]),
        "night": date.fromisoformat(facts["night"]),
        "last_quiet_on": facts["last_quiet_on"] and date.fromisoformat(facts["last_quiet_on"]),
        "earlier": tuple(facts["earlier"]),
        "notes": tuple(facts["notes"]),
    }
    return Given(**{**facts, **days}), kept["settings"], set(kept["messages"])


def composed(
    con: duckdb.DuckDBPyConnection, settings: Settings, secret: bytes, known: Book, given: Given
) -> Composed:
    """What happens to alerts tonight, and the mails that tell of it.

    Args:
        con: the night's warehouse, its views made.
        settings: the home's.
        secret: the ledger's.
        known: the book of all events before; it is brought up to tonight.
        given: the rest.
    """
    post = Post(con, settings, secret, given)
    held = bool(post.account.checked["is_held"]) and settings.model.hold
    happened = _happenings(post, known)
    opened = [event.alert_id for event in happened if event.kind == "opened"]
    limits = settings.alerts
    if is_burst(len(opened), given.earlier, limits.burst_factor, limits.burst_floor):
        happened += _entered(
            known, given.night, (Happening(n, "held", {"because": "burst"}) for n in opened)
        )
    told, quiet = telling.sections(post.terms(known, is_list_held=held), known)
    messages = [post.digest(whom, mine, known, len(quiet)) for whom, mine in told.items()]
    happened += _entered(known, given.night, _tellings(told, messages, known))
    happened += _entered(known, given.night, _newly_quiet(quiet, known))
    digests = len(messages)
    messages += post.to_operators(known, len(opened), digests)
    return Composed(
        happened,
        messages,
        {
            "opened": len(opened),
            "retracted": sum(event.kind == "retracted" for event in happened),
            "told": sum(event.kind == "told" for event in happened),
            "kept quiet": len(quiet),
            "mails": len(messages),
            "held": int(held),
        },
    )


def _happenings(post: Post, known: Book) -> list[Happening]:
    """What tonight's episodes do to alerts; entered into the book."""
    given = post.given
    terms = Terms(
        given.night,
        post.number,
        post.settings.alerts.escalate_after_days,
        given.code_version,
        given.is_new_code,
    )
    happened, _ = decided(terms, post.episodes(known), known.alerts.values(), post.survivors())
    return _entered(known, given.night, happened)


def _entered(known: Book, night: date, events: Iterable[Happening]) -> list[Happening]:
    happened = list(events)
    for event in happened:
        known.enter(event, night)
    return happened


def _tellings(
    told: Mapping[str, telling.Sections], messages: Sequence[Row], known: Book
) -> list[Happening]:
    """One event per alert and recipient."""
    return [
        Happening(
            number,
            "taken_back" if section == "retracted" else "told",
            {
                "recipient": whom,
                "message_id": message["message_id"],
                "section": section,
                "tier": known.alerts[number].tier,
                "level": known.alerts[number].level,
            },
        )
        for (whom, mine), message in zip(told.items(), messages, strict=True)
        for section, numbers in mine.items()
        for number in numbers
    ]


def _newly_quiet(quiet: Mapping[str, str], known: Book) -> list[Happening]:
    return [
        Happening(number, "held", {"because": why})
        for number, why in sorted(quiet.items())
        if known.alerts[number].quiet_because != why
    ]
