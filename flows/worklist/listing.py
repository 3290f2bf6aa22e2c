"""The list: alerts as they stand, filtered, the most urgent first, and what is kept quiet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from starlette.datastructures import QueryParams

from flows.letters import QUIET
from flows.reading import published, published_file
from flows.worklist.desk import MEMORY, Desk
from flows.worklist.looks import Facts
from flows.worklist.sessions import Visitor
from transforms.alerting import ENDED, Alert, by_urgency
from transforms.catalog.alert_rules import ALERT_RULES, TIERS
from warehouse import alerts
from warehouse.alert_record import delivered
from warehouse.ledger import Ledger

PAGE = 50
"""Alerts on one page."""
_P = "SELECT patient_id, rule, p FROM store.episode WHERE ended_on IS NULL"
_MINE = (
    "SELECT DISTINCT alert_id FROM alert_event WHERE actor = ? UNION "
    "SELECT alert_id FROM notice WHERE recipient = ?"
)
_STAMP = (
    "SELECT (SELECT max(event_id) FROM alert_event), "
    "(SELECT count(*) FROM outbox WHERE state = 'sent')"
)
_RANKS = {"escalated": 0, "sent": 1, "new": 1, "acknowledged": 2, "snoozed": 3}


@dataclass(frozen=True, slots=True)
class Entry:
    """One alert on the list: its state as shown, its patient's panel, and how likely it is true."""

    alert: Alert
    state: str
    panel: str
    p: float | None


@dataclass(frozen=True, slots=True)
class View:
    """One tab of the list."""

    name: str
    title: str
    holds: Callable[[Entry], bool]
    empty: str


def _is_quiet(entry: Entry) -> bool:
    return entry.alert.quiet_because is not None and entry.alert.state not in ENDED


def _waits(entry: Entry) -> bool:
    return entry.state in ("new", "sent", "escalated") and not _is_quiet(entry)


VIEWS: Sequence[View] = (
    View("waiting", "Waiting", _waits, "Nothing waits for an answer."),
    View("acknowledged", "Acknowledged", lambda e: e.state == "acknowledged", "None."),
    View("snoozed", "Snoozed", lambda e: e.state == "snoozed", "None is snoozed."),
    View("quiet", "Kept quiet", _is_quiet, "Nothing is kept quiet."),
    View("retracted", "Taken back", lambda e: e.state == "retracted", "None was taken back."),
    View("resolved", "Ended", lambda e: e.state == "resolved", "None has ended."),
    View("all", "All", lambda _: True, "There is no alert."),
)
"""The tabs, in their order; the first is shown unasked."""
_VIEWS = {view.name: view for view in VIEWS}
SORTS = {"urgency": "Most urgent first", "newest": "Newest first", "oldest": "Oldest first"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What of the list is asked for; empty: whatever it is."""

    state: str = "waiting"
    rule: str = ""
    tier: str = ""
    panel: str = ""
    mine: str = ""
    sort: str = "urgency"
    page: int = 1

    def asked(self, **change: object) -> str:
        """The address of the list with a change, what is usual left out."""
        wanted = replace(self, **{"page": 1, **change})  # type: ignore[arg-type]
        usual = Wish()
        given = {
            name: str(getattr(wanted, name))
            for name in self.__slots__
            if getattr(wanted, name) != getattr(usual, name)
        }
        return f"/?{QueryParams(given)}"


def wish_of(given: Mapping[str, str]) -> Wish:
    """The wish of an address; what is not known there is passed over."""
    page = given.get("page", "1")
    return Wish(
        state=given.get("state", "") if given.get("state") in _VIEWS else "waiting",
        rule=given.get("rule", "") if given.get("rule") in {r.name for r in ALERT_RULES} else "",
        tier=given.get("tier", "") if given.get("tier") in TIERS else "",
        panel=given.get("panel", "")[:200],
        mine="1" if given.get("mine") else "",
        sort=given.get("sort", "") if given.get("sort") in SORTS else "urgency",
        page=min(int(page), 100_000) if page.isdecimal() and page.isascii() and page != "0" else 1,
    )


def shown_state(alert: Alert, came: set[str]) -> str:
    """``sent`` in place of ``new`` where somebody surely got a mail about it."""
    return "sent" if alert.state == "new" and alert.alert_id in came else alert.state


class Register:
    """Every alert, the most urgent first; made anew when ledger, night or panels changed."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._made: tuple[object, list[Entry], date | None] = (None, [], None)

    def entries(self, ledger: Ledger, visitor: Visitor) -> tuple[list[Entry], date | None]:
        """Alerts of the visitor's panels, and the night whose results are shown.

        Raises:
            NothingPublishedError: no night was published yet.
        """
        stamp = self._stamp(ledger)
        stood, all_entries, as_of = self._made
        if stamp != stood:
            all_entries, as_of = self._entries(ledger)
            self._made = (stamp, all_entries, as_of)
        return [entry for entry in all_entries if visitor.sees(entry.panel)], as_of

    def _stamp(self, ledger: Ledger) -> object:
        """What the entries follow from, taken before they are read."""
        found = published_file(self.desk.home)
        return found and found.resolve(), tuple(ledger.rows(_STAMP)[0]), self.desk.panels()

    def _entries(self, ledger: Ledger) -> tuple[list[Entry], date | None]:
        with published(self.desk.home, memory_limit=MEMORY) as con:
            p = {(patient, rule): value for patient, rule, value in con.execute(_P).fetchall()}
            as_of = con.execute("SELECT max(as_of) FROM store.tonight").fetchall()[0][0]
        came = delivered(ledger)
        found = [
            Entry(
                alert,
                shown_state(alert, came),
                self.desk.panel(alert),
                p.get((alert.patient_id, alert.rule)),
            )
            for alert in alerts.standing(ledger)
        ]
        found.sort(key=lambda e: (_RANKS.get(e.state, 4), *by_urgency(e.alert, e.p)))
        return found, as_of


def facts(register: Register, ledger: Ledger, visitor: Visitor, wish: Wish) -> Facts:
    """What the list shows."""
    everything, as_of = register.entries(ledger, visitor)
    mine = _mine(register.desk, ledger, visitor, everything) if wish.mine else None
    asked = _asked(everything, wish, mine)
    tab = _VIEWS[wish.state]
    found = _sorted([entry for entry in asked if tab.holds(entry)], wish.sort)
    last = max(1, -(-len(found) // PAGE))
    page = min(wish.page, last)
    return {
        "wish": replace(wish, page=page),
        "tab": tab,
        "tabs": [(view, sum(map(view.holds, asked))) for view in VIEWS],
        "rows": found[(page - 1) * PAGE : page * PAGE],
        "count": len(found),
        "first": (page - 1) * PAGE + 1,
        "last_page": last,
        "quiet": _quiet(asked),
        "rules": [rule.name for rule in ALERT_RULES],
        "tiers": TIERS[::-1],
        "panels": sorted({entry.panel for entry in everything if entry.panel}),
        "sorts": SORTS,
        "as_of": as_of,
    }


def _asked(everything: Sequence[Entry], wish: Wish, mine: set[str] | None) -> list[Entry]:
    return [
        entry
        for entry in everything
        if (not wish.rule or entry.alert.rule == wish.rule)
        and (not wish.tier or entry.alert.tier == wish.tier)
        and (not wish.panel or entry.panel == wish.panel)
        and (mine is None or entry.alert.alert_id in mine)
    ]


def _mine(desk: Desk, ledger: Ledger, visitor: Visitor, everything: Sequence[Entry]) -> set[str]:
    """Alerts that the visitor answered, was told of, or that were passed on to their role."""
    found = {row["alert_id"] for row in ledger.rows(_MINE, [visitor.actor, visitor.mail])}
    roles = desk.settings.alerts.escalate_to
    return found | {
        entry.alert.alert_id
        for entry in everything
        if entry.state == "escalated"
        and visitor.role in roles[entry.alert.level - 1 : entry.alert.level]
    }


def _sorted(entries: list[Entry], sort: str) -> list[Entry]:
    if sort == "urgency":
        return entries
    return sorted(entries, key=lambda e: e.alert.opened_on, reverse=sort == "newest")


def _quiet(asked: Sequence[Entry]) -> list[tuple[str, int]]:
    """Why alerts are kept quiet, and how many."""
    reasons = Counter(entry.alert.quiet_because for entry in asked if _is_quiet(entry))
    return [(QUIET[why], n) for why, n in reasons.most_common() if why]
