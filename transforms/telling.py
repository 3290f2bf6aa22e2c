"""Who is told what of which alert, and what is kept quiet and why. Pure records.

A :class:`Book` sums up the events of the ledger: the alerts, and who was told of them when. From it
and the recipients of settings follow tonight's sections, one set a recipient.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from transforms.alerting import Alert, Happening, applied

CARE = "care_team"
WEEK = timedelta(days=7)
SECTIONS: Mapping[str, str] = {
    "retracted": "Taken back",
    "escalated": "Nobody has answered",
    "stepped_up": "Stronger evidence than before",
    "new": "New",
    "reminder": "Back from a snooze",
}
"""Sections of a digest in their order, with their titles."""
SPENDS = ("new", "stepped_up")
"""Sections that a budget is for. What is taken back or unanswered is always told."""
_SECTION_OF = {"opened": "new", "reopened": "new", "stepped_up": "stepped_up", "woke": "reminder"}
STICKY = "burst"
"""A reason to be held that only a person ends."""


class Told(NamedTuple):
    """The last time somebody was told of an alert."""

    order: int
    kind: str
    level: int


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who gets mail, in one role, for some panels of patients (none: for all)."""

    address: str
    role: str = CARE
    panels: frozenset[str] = frozenset()

    def sees(self, panel: str) -> bool:
        """Whether patients of a panel are theirs."""
        return not self.panels or panel in self.panels


@dataclass(slots=True)
class Book:
    """What events sum up to; grow it with :meth:`enter`."""

    alerts: dict[str, Alert] = field(default_factory=dict)
    renewed: dict[str, tuple[int, str]] = field(default_factory=dict)
    told: dict[tuple[str, str], Told] = field(default_factory=dict)
    spent: dict[str, Counter[date]] = field(default_factory=lambda: defaultdict(Counter))
    opened: Counter[date] = field(default_factory=Counter)
    count: int = 0

    def enter(self, event: Happening, night: date) -> None:
        """One more event, of ``night``."""
        self.count += 1
        before = self.alerts.get(event.alert_id)
        self.alerts[event.alert_id] = applied(before, event, night)
        if event.kind in _SECTION_OF:
            self.renewed[event.alert_id] = (self.count, event.kind)
        if event.kind == "opened":
            self.opened[night] += 1
        if event.kind in ("told", "taken_back"):
            whom = str(event.facts["recipient"])
            told = Told(self.count, event.kind, int(event.facts.get("level") or 0))
            self.told[(event.alert_id, whom)] = told
            if event.facts.get("section") in SPENDS:
                self.spent[whom][night] += 1


def book(events: Iterable[tuple[Happening, date]]) -> Book:
    """The book of these events and their nights, in order."""
    found = Book()
    for event, night in events:
        found.enter(event, night)
    return found


Sections = dict[str, list[str]]
"""Section -> numbers of alerts."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What decides who is told.

    Attributes:
        night: its date.
        recipients: everyone, once per role.
        panel: alert -> the panel its patient is on.
        order: alerts by what is told first.
        budget: new marks that one recipient is told of in seven nights.
        escalate_to: roles, in the order in which unanswered alerts go to them.
        is_list_held: whether tonight's list does not agree with chance.
    """

    night: date
    recipients: Sequence[Recipient]
    panel: Callable[[Alert], str]
    order: Callable[[Alert], tuple[object, ...]]
    budget: int
    escalate_to: Sequence[str]
    is_list_held: bool = False


def sections(terms: Telling, known: Book) -> tuple[dict[str, Sections], dict[str, str]]:
    """What every recipient is told tonight; and of which alerts nobody is told, and why.

    Returns:
        Address -> section -> alerts, only where there are any; alert -> ``list`` (tonight's list
        is held), ``burst``, ``budget`` or ``nobody`` (no recipient for its panel).
    """
    told: dict[str, Sections] = defaultdict(dict)
    for recipient in terms.recipients:
        mine = told[recipient.address]
        _add(mine, "retracted", _taken_back(known, recipient))
        _add(mine, "escalated", _unanswered(terms, known, recipient))
        for section, numbers in _due(terms, known, recipient, mine).items():
            _add(mine, section, numbers)
    named = {number for mine in told.values() for many in mine.values() for number in many}
    quiet = {
        alert.alert_id: _why_quiet(terms, alert)
        for alert in known.alerts.values()
        if alert.state == "new" and alert.told_on is None and alert.alert_id not in named
    }
    return {whom: mine for whom, mine in told.items() if any(mine.values())}, quiet


def _add(mine: Sections, section: str, numbers: Iterable[str]) -> None:
    """An address may stand in several routes; nothing is said to it twice."""
    said = {number for many in mine.values() for number in many}
    mine[section] = [*mine.get(section, ()), *(n for n in numbers if n not in said)]


def _taken_back(known: Book, recipient: Recipient) -> list[str]:
    return sorted(
        number
        for (number, whom), told in known.told.items()
        if whom == recipient.address
        and told.kind == "told"
        and known.alerts[number].state == "retracted"
    )


def _unanswered(terms: Telling, known: Book, recipient: Recipient) -> list[str]:
    """Escalated alerts of the recipient's role; of a role that nobody has, the care team's."""
    roles = {other.role for other in terms.recipients}
    found = []
    for alert in _seen_by(terms, known, recipient, "escalated"):
        role = terms.escalate_to[min(alert.level, len(terms.escalate_to)) - 1 : alert.level]
        goes_to = role[0] if role and role[0] in roles else CARE
        told = known.told.get((alert.alert_id, recipient.address))
        if recipient.role == goes_to and (told is None or told.level < alert.level):
            found.append(alert)
    return [alert.alert_id for alert in sorted(found, key=terms.order)]


def _due(terms: Telling, known: Book, recipient: Recipient, mine: Sections) -> Sections:
    """What is new to one of the care team, the first of it within their budget."""
    if recipient.role != CARE:
        return {}
    week = known.spent[recipient.address]
    left = terms.budget - sum(n for night, n in week.items() if night > terms.night - WEEK)
    left -= sum(len(mine.get(section, ())) for section in SPENDS)
    due: Sections = defaultdict(list)
    for alert in sorted(_seen_by(terms, known, recipient, "new"), key=terms.order):
        section = _section(known, alert, recipient)
        if section is None or _is_kept_back(terms, alert):
            continue
        if section in SPENDS:
            if left <= 0:
                continue
            left -= 1
        due[section].append(alert.alert_id)
    return due


def _seen_by(terms: Telling, known: Book, recipient: Recipient, state: str) -> list[Alert]:
    return [
        alert
        for alert in known.alerts.values()
        if alert.state == state and recipient.sees(terms.panel(alert))
    ]


def _section(known: Book, alert: Alert, recipient: Recipient) -> str | None:
    """As what an alert is told to someone; None where they know it as it is."""
    order, kind = known.renewed[alert.alert_id]
    told = known.told.get((alert.alert_id, recipient.address))
    if told is None:
        return "new" if _SECTION_OF[kind] == "stepped_up" else _SECTION_OF[kind]
    return _SECTION_OF[kind] if told.order < order else None


def _is_kept_back(terms: Telling, alert: Alert) -> bool:
    return alert.told_on is None and (terms.is_list_held or alert.quiet_because == STICKY)


def _why_quiet(terms: Telling, alert: Alert) -> str:
    if alert.quiet_because == STICKY:
        return STICKY
    if terms.is_list_held:
        return "list"
    panel = terms.panel(alert)
    somebody = any(r.role == CARE and r.sees(panel) for r in terms.recipients)
    return "budget" if somebody else "nobody"


def kept_quiet(known: Book, since: date) -> Mapping[tuple[str, str | None, str], int]:
    """Alerts nobody was told of that were open since a night, counted by rule, tier and reason."""
    return Counter(
        (alert.rule, alert.tier, alert.quiet_because)
        for alert in known.alerts.values()
        if alert.quiet_because and (alert.ended_on is None or alert.ended_on >= since)
    )


def precision(known: Book) -> tuple[int, int]:
    """Of how many alerts reviewers said that they were useful, and of how many they said anything.

    >>> precision(Book())
    (0, 0)
    """
    said = [a.is_useful for a in known.alerts.values() if a.is_useful is not None]
    return sum(said), len(said)


def unseen_roles(recipients: Collection[Recipient], escalate_to: Sequence[str]) -> list[str]:
    """Roles that unanswered alerts should go to and that nobody has."""
    roles = {recipient.role for recipient in recipients}
    return [role for role in escalate_to if role not in roles]
