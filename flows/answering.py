"""Answers: what people say to an alert, checked and noted in the ledger.

The command line and the work-list page both answer through here, so that neither can note what the
other would refuse. A message never repeats what somebody wrote.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flows.reading import UnknownAlertError
from flows.settings import Settings
from transforms.alerting import Alert, Fact, Happening, NotPossibleError
from transforms.telling import STICKY
from warehouse import alerts
from warehouse.ledger import Ledger

MOST_LETTERS = 2000
"""Of a note, a reason or a comment."""
KINDS = ("acknowledged", "snoozed", "commented", "disposed", "released")
"""What people can say. An alert that has ended still takes a comment and a disposition."""
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufff9-\ufffb\ufffe\uffff]"
)
"""Controls, half characters and marks that turn the direction of text: they could change what a
line seems to say. Line ends and tabs are allowed."""


class AnswerError(ValueError):
    """An answer that cannot be noted; the message says which part, why, and what to do."""


class ChangedError(RuntimeError):
    """Something happened to the alert after whoever answers last looked at it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody says to one alert.

    Attributes:
        alert_id: its work-list number.
        kind: of :data:`KINDS`.
        facts: ``acknowledged`` {note}, ``snoozed`` {until, reason}, ``commented`` {text},
            ``disposed`` {is_useful, why}, ``released`` {}.
        actor: who says it.
        seen: the last event that they had before their eyes; None: whatever happened since.
    """

    alert_id: str
    kind: str
    facts: Mapping[str, object]
    actor: str
    seen: int | None = None


def business_date(settings: Settings, now: datetime) -> date:
    """The clinic's calendar day."""
    return now.astimezone(ZoneInfo(settings.site.time_zone)).date()


def answer(
    ledger: Ledger,
    settings: Settings,
    alert_id: str,
    kind: str,
    facts: Mapping[str, object],
    actor: str,
    now: datetime,
) -> Alert:
    """Note what ``actor`` says to an alert; return it as it is then (see :class:`Answer`).

    Raises:
        UnknownAlertError: no alert has that number.
        NotPossibleError: an alert in this state cannot take it.
        AnswerError: a fact is missing, too long, too far ahead or holds hidden characters.
    """
    return answered(ledger, settings, Answer(alert_id, kind, facts, actor), now)


def answered(ledger: Ledger, settings: Settings, given: Answer, now: datetime) -> Alert:
    """:func:`answer`, of one who says what they last saw.

    Sent twice, it is noted once.

    Raises:
        ChangedError: something else happened since.
    """
    night = business_date(settings, now)
    facts = _checked(given.kind, given.facts, night, settings)
    with ledger.transaction():
        alert = alerts.one(ledger, given.alert_id)
        if alert is None:
            raise UnknownAlertError("no alert has that number")
        if not _is_said_already(ledger, given, facts):
            _check_state(alert, given.kind)
            event = Happening(given.alert_id, given.kind, facts)
            alerts.note(ledger, [event], night, _after_all(ledger, now), _name(given.actor))
    return alerts.one(ledger, given.alert_id) or alert


def _is_said_already(ledger: Ledger, given: Answer, facts: Mapping[str, Fact]) -> bool:
    """Whether the last that happened since is this very answer."""
    if given.seen is None:
        return False
    since = [e for e in alerts.history(ledger, given.alert_id) if e["event_id"] > given.seen]
    if not since:
        return False
    same = (given.kind, dict(facts), _name(given.actor))
    if any((event["kind"], event["facts"], event["actor"]) == same for event in since):
        return True
    raise ChangedError("something happened to this alert meanwhile; look again, then answer")


def _after_all(ledger: Ledger, now: datetime) -> datetime:
    """Now, or the moment of the last event where the clock was set back: what a past night knew is
    told by these moments."""
    last = ledger.rows("SELECT at FROM alert_event ORDER BY event_id DESC LIMIT 1")
    return max(now, datetime.fromisoformat(last[0]["at"])) if last else now


def _name(actor: str) -> str:
    """Who answers; never the name under which the night itself writes."""
    name = line(actor, "the name of who answers")
    return f"user {name}" if name == alerts.NIGHT else name


def _check_state(alert: Alert, kind: str) -> None:
    if kind == "released" and alert.quiet_because is None:
        raise NotPossibleError("the alert is not kept quiet")
    if kind == "released" and alert.quiet_because != STICKY:
        raise NotPossibleError(
            f"the alert is kept quiet by the {alert.quiet_because} of a night, which the next "
            "night decides anew: only what a burst holds is released by hand"
        )


def _checked(
    kind: str, facts: Mapping[str, object], night: date, settings: Settings
) -> dict[str, Fact]:
    if kind not in _CHECKS:
        raise AnswerError(f"no such answer; one of {', '.join(KINDS)}")
    return _CHECKS[kind](facts, night, settings)


def _snooze(facts: Mapping[str, object], night: date, settings: Settings) -> dict[str, Fact]:
    until, most = facts.get("until"), settings.alerts.snooze_most_days
    last = night + timedelta(days=most)
    try:
        day = until if isinstance(until, date) else date.fromisoformat(str(until or "").strip())
    except ValueError:
        raise AnswerError(f"until: a day such as {last}") from None
    if not night < day <= last:
        raise AnswerError(f"until: a day after {night} and up to {last} ({most} days)")
    return {"until": day.isoformat(), "reason": _needed(facts, "reason", "a snooze")}


def _disposition(facts: Mapping[str, object], _night: date, _s: Settings) -> dict[str, Fact]:
    is_useful = facts.get("is_useful")
    if not isinstance(is_useful, bool):
        raise AnswerError("is_useful: say whether the alert was useful, yes or no")
    if is_useful:
        return {"is_useful": True, "why": said(facts.get("why"), "why")}
    return {"is_useful": False, "why": _needed(facts, "why", "an alert that was not useful")}


_CHECKS: Mapping[str, Callable[[Mapping[str, object], date, Settings], dict[str, Fact]]] = {
    "acknowledged": lambda facts, _n, _s: {"note": said(facts.get("note"), "note")},
    "snoozed": _snooze,
    "commented": lambda facts, _n, _s: {"text": _needed(facts, "text", "a comment")},
    "disposed": _disposition,
    "released": lambda _f, _n, _s: {},
}


def _needed(facts: Mapping[str, object], name: str, what: str) -> str:
    text = said(facts.get(name), name)
    if not text:
        raise AnswerError(f"{name}: {what} needs one; write a few words")
    return text


def line(given: object, name: str) -> str:
    """What somebody wrote on one line.

    Raises:
        AnswerError: empty, longer than 200 characters, more than a line, or hidden characters.
    """
    text = said(given, name)
    if not text or len(text) > 200 or len(text.splitlines()) > 1:
        raise AnswerError(f"{name}: one line of at most 200 characters")
    return text


def said(given: object, name: str) -> str:
    """What somebody wrote, without blanks around it; empty where they wrote nothing.

    Raises:
        AnswerError: too long, or it holds hidden characters; neither is repeated.

    >>> said(" Phoned.\\r\\nComes on Monday. ", "note")
    'Phoned.\\nComes on Monday.'
    """
    text = "" if given is None else str(given).replace("\r\n", "\n").strip()
    if len(text) > MOST_LETTERS:
        raise AnswerError(f"{name}: {len(text):,} characters, at most {MOST_LETTERS:,}; shorten it")
    if found := HIDDEN.search(text):
        what = unicodedata.name(found[0], "a control character").lower()
        raise AnswerError(
            f"{name}: character {found.start() + 1} is {what} (U+{ord(found[0]):04X}), which "
            "cannot be seen and could change what a line seems to say; take it out"
        )
    return unicodedata.normalize("NFC", text)
