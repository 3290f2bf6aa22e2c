"""An alert's life, as events; and what a night decides of it. Pure records.

An alert is keyed by patient, rule and episode, never by a date. What is known of it is the sum of
its events (:func:`applied`), which the ledger keeps. :func:`decided` holds the alerts and tonight's
episodes side by side and says what happens; writing it down and telling people is the caller's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from transforms.catalog.alert_rules import ALERT_RULES, CLOSING, TIERS
from transforms.catalog.rule import RULE

Fact = str | int | None
OPEN = frozenset({"new", "acknowledged", "snoozed", "escalated"})
"""States of an alert that has not ended. ``new`` is shown as ``sent`` once a mail was delivered."""
ENDED = frozenset({"resolved", "retracted"})
FEWEST_NIGHTS = 5
"""Of fewer earlier nights nothing can be said about a burst."""
_RANK: Mapping[str | None, int] = {None: 0} | {tier: n for n, tier in enumerate(TIERS, 1)}
_SEVERITY = {rule.name: rule.severity for rule in ALERT_RULES}


class NotPossibleError(ValueError):
    """An alert in this state cannot take that; the message says why."""


@dataclass(frozen=True, slots=True)
class Episode:
    """Ground for an alert (a row of :func:`transforms.episodes.episodes`)."""

    patient_id: str
    rule: str
    began_on: date
    ended_on: date | None = None
    tier: str | None = None
    tier_now: str | None = None
    p: float | None = None
    p_on: date | None = None
    is_marked: bool = True
    is_excluded: bool = False

    @property
    def first_tier(self) -> str | None:
        """The tier it is first told with: who hears of it for the first time hears of it as it is,
        and as the status says it; that a tier is sure matters only for telling again."""
        return self.tier_now or self.tier

    @property
    def sure_tier(self) -> str | None:
        """The tier it is told again with: two draws were sure of it, and the newest reaches it."""
        return min(self.tier, self.tier_now, key=lambda tier: _RANK[tier])


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as its events say.

    Attributes:
        alert_id: its work-list number; says nothing of the person.
        patient_id: whom it is about; follows merges.
        rule: why.
        episode: the draw its episode began with.
        tier: the highest it was opened or stepped up with.
        opened_on: the night.
        state: of :data:`OPEN` or :data:`ENDED`.
        code_version: what opened it.
        told_on: the night it was first told as it is now; None: nobody knows of it as it is.
        was_told: whether anyone was ever told of it.
        quiet_because: why nobody is told of it yet.
        level: how often it was escalated.
        snoozed_until: the night it comes back.
        ended_on: the night it was resolved or retracted.
        ended_because: why.
        is_useful: what a reviewer said of it.
    """

    alert_id: str
    patient_id: str
    rule: str
    episode: date
    tier: str | None
    opened_on: date
    state: str = "new"
    code_version: str = ""
    told_on: date | None = None
    was_told: bool = False
    quiet_because: str | None = None
    level: int = 0
    snoozed_until: date | None = None
    ended_on: date | None = None
    ended_because: str | None = None
    is_useful: bool | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of an alert's life: what happened and its facts, none of them a person's value."""

    alert_id: str
    kind: str
    facts: Mapping[str, Fact] = field(default_factory=dict)


def applied(alert: Alert | None, event: Happening, night: date) -> Alert:
    """The alert after an event of ``night``.

    Raises:
        NotPossibleError: an alert in this state cannot take it.
    """
    if event.kind == "opened":
        return _of_opening(event, night)
    if alert is None:
        raise NotPossibleError("no alert has that number")
    return _CHANGES[event.kind](alert, event.facts, night)


def _of_opening(event: Happening, night: date) -> Alert:
    facts = event.facts
    return Alert(
        event.alert_id,
        str(facts["patient_id"]),
        str(facts["rule"]),
        date.fromisoformat(str(facts["episode"])),
        _text(facts.get("tier")),
        night,
        code_version=str(facts.get("code_version") or ""),
    )


def _text(fact: Fact) -> str | None:
    return None if fact is None else str(fact)


def _renewed(alert: Alert, facts: Mapping[str, Fact], _night: date) -> Alert:
    """New again: to be told once more, unless it was only resolved and nothing grew."""
    is_known = alert.state == "resolved"
    return replace(
        alert,
        state="new",
        tier=_text(facts.get("tier", alert.tier)),
        told_on=alert.told_on if is_known else None,
        level=0,
        snoozed_until=None,
        ended_on=None,
        ended_because=None,
    )


def _ended(state: str) -> Change:
    return lambda alert, facts, night: replace(
        alert,
        state=state,
        ended_on=night,
        ended_because=_text(facts.get("because")),
        quiet_because=None,
        snoozed_until=None,
    )


def _told(alert: Alert, _facts: Mapping[str, Fact], night: date) -> Alert:
    return replace(alert, told_on=alert.told_on or night, was_told=True, quiet_because=None)


def _acknowledged(alert: Alert, _facts: Mapping[str, Fact], _night: date) -> Alert:
    return replace(_unended(alert), state="acknowledged", snoozed_until=None)


def _snoozed(alert: Alert, facts: Mapping[str, Fact], night: date) -> Alert:
    until = date.fromisoformat(str(facts["until"]))
    if until <= night:
        raise NotPossibleError(f"snooze until a day after {night}")
    if not facts.get("reason"):
        raise NotPossibleError("a snooze needs a reason")
    return replace(_unended(alert), state="snoozed", snoozed_until=until)


def _unended(alert: Alert) -> Alert:
    if alert.state in ENDED:
        raise NotPossibleError(f"the alert is {alert.state}: {alert.ended_because}")
    return alert


Change = Callable[[Alert, Mapping[str, Fact], date], Alert]
_CHANGES: Mapping[str, Change] = {
    "reopened": _renewed,
    "stepped_up": _renewed,
    "woke": _renewed,
    "escalated": lambda a, facts, _: replace(a, state="escalated", level=int(facts["level"] or 0)),
    "resolved": _ended("resolved"),
    "retracted": _ended("retracted"),
    "rekeyed": lambda a, facts, _: replace(a, patient_id=str(facts["patient_id"])),
    "told": _told,
    "taken_back": lambda a, _facts, _night: a,
    "held": lambda a, facts, _: replace(a, quiet_because=_text(facts["because"])),
    "released": lambda a, _facts, _night: replace(a, quiet_because=None),
    "acknowledged": _acknowledged,
    "snoozed": _snoozed,
    "commented": lambda a, _facts, _night: a,
    "disposed": lambda a, facts, _: replace(a, is_useful=bool(facts["is_useful"])),
}
"""What each kind of event changes. ``taken_back``: someone was told of the retraction."""

Number = Callable[[str, str, date], str]
"""The work-list number of a patient, rule and episode."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a night decides by, beside the alerts and their ground.

    Attributes:
        night: its date.
        number: makes work-list numbers.
        escalate_after: nights without an answer after which an alert goes to the next role.
        code_version: of tonight.
        is_new_code: whether the night before ran other code.
        max_age_days: of a newest draw that is older nobody hears for the first time.
    """

    night: date
    number: Number
    escalate_after: tuple[int, ...]
    code_version: str = ""
    is_new_code: bool = False
    max_age_days: int = RULE.max_age_days

    def is_fresh(self, episode: Episode) -> bool:
        """Whether the status rule still speaks of the episode's newest draw."""
        drawn_on = episode.p_on or episode.began_on
        return (self.night - drawn_on).days <= self.max_age_days

    @property
    def gone(self) -> str:
        """Why the ground of an alert is no more."""
        return CLOSING.rule_changed if self.is_new_code else CLOSING.ground_gone


def decided(
    terms: Terms,
    episodes: Iterable[Episode],
    alerts: Iterable[Alert],
    survivors: Mapping[str, str],
) -> tuple[list[Happening], list[Alert]]:
    """What happens to every alert tonight, and the alerts as they are afterwards.

    Args:
        terms: the night's.
        episodes: all episodes that are open or of a patient with an alert.
        alerts: every alert of the ledger.
        survivors: merged record -> the record it lives on under.
    """
    ground = _by_person(episodes)
    happened: list[Happening] = []
    kept: list[Alert] = []
    taken: set[tuple[str, str, date]] = set()
    for alert in sorted(alerts, key=lambda a: (a.state in ENDED, a.opened_on, a.alert_id)):
        moved = _moved(alert, survivors)
        person = survivors.get(alert.patient_id, alert.patient_id)
        found = _found(alert, ground.get((person, alert.rule), ()))
        key = (person, alert.rule, found.began_on) if found else None
        said = [*moved, *_said(alert, found, terms, is_second=key in taken)]
        for event in said:
            alert = applied(alert, event, terms.night)  # noqa: PLW2901 the same one, later
        if key and alert.state in OPEN:
            taken.add(key)
        happened += said
        kept.append(alert)
    known = {alert.alert_id for alert in kept}
    opened = [event for many in ground.values() for event in _openings(many, taken, known, terms)]
    return happened + opened, kept + [applied(None, event, terms.night) for event in opened]


def _by_person(episodes: Iterable[Episode]) -> dict[tuple[str, str], list[Episode]]:
    found: dict[tuple[str, str], list[Episode]] = defaultdict(list)
    for episode in sorted(episodes, key=lambda e: (e.patient_id, e.rule, e.began_on)):
        found[(episode.patient_id, episode.rule)].append(episode)
    return found


def _moved(alert: Alert, survivors: Mapping[str, str]) -> list[Happening]:
    """An alert follows a person whose record was merged; nobody is told a second time."""
    survivor = survivors.get(alert.patient_id)
    return [Happening(alert.alert_id, "rekeyed", {"patient_id": survivor})] if survivor else []


def _found(alert: Alert, episodes: Sequence[Episode]) -> Episode | None:
    """The episode an alert is about: the one it began with, else the first that had not ended when
    it began (and, of an alert that has ended, had begun by then). A correction may move the draw
    with which an episode begins; it goes on all the same."""
    for episode in episodes:
        if episode.began_on == alert.episode:
            return episode
    for episode in episodes:
        is_later = alert.ended_on is not None and episode.began_on > alert.ended_on
        if not is_later and (episode.ended_on is None or episode.ended_on > alert.episode):
            return episode
    return None


def _said(alert: Alert, found: Episode | None, terms: Terms, *, is_second: bool) -> list[Happening]:
    """What happens to one alert; ``is_second``: another one is about the same episode."""
    if alert.state == "retracted":
        return _looked_at_again(alert, found, is_second=is_second)
    if found is None:
        return _without_ground(alert, terms.gone)
    if alert.state == "resolved":
        return _looked_at_again(alert, found, is_second=is_second)
    if is_second:
        return [_closing(alert, "resolved", CLOSING.merged)]
    if found.ended_on is not None:
        return [_ground_ended(alert, found, found.ended_on)]
    return _went_on(alert, found, terms)


def _ground_ended(alert: Alert, found: Episode, on: date) -> Happening:
    """Taken back, if an exclusion that became known since had begun before it opened."""
    if not found.is_excluded:
        return _closing(alert, "resolved", CLOSING.held_no_longer)
    if on <= alert.opened_on:
        return _closing(alert, "retracted", CLOSING.excluded_before)
    return _closing(alert, "resolved", CLOSING.excluded)


def _closing(alert: Alert, state: str, because: str) -> Happening:
    return Happening(alert.alert_id, state, {"because": because})


def _looked_at_again(alert: Alert, found: Episode | None, *, is_second: bool) -> list[Happening]:
    """An alert that ended opens again when its very ground is there again."""
    is_back = found is not None and found.ended_on is None and found.began_on == alert.episode
    if not is_back or is_second or found is None:
        return []
    return [Happening(alert.alert_id, "reopened", {"tier": found.first_tier})]


def _without_ground(alert: Alert, gone: str) -> list[Happening]:
    """Taken back, however it stood: also one that was resolved, if anyone had been told of it."""
    if alert.state == "resolved" and not alert.was_told:
        return []
    return [_closing(alert, "retracted", gone)]


def _went_on(alert: Alert, found: Episode, terms: Terms) -> list[Happening]:
    if _RANK[found.sure_tier] > _RANK[alert.tier]:
        return [Happening(alert.alert_id, "stepped_up", {"tier": found.sure_tier})]
    if alert.snoozed_until is not None and alert.snoozed_until <= terms.night:
        return [Happening(alert.alert_id, "woke")]
    if alert.state in ("new", "escalated") and _is_overdue(alert, terms):
        return [Happening(alert.alert_id, "escalated", {"level": alert.level + 1})]
    return []


def _is_overdue(alert: Alert, terms: Terms) -> bool:
    if alert.told_on is None or alert.level >= len(terms.escalate_after):
        return False
    return terms.night >= alert.told_on + timedelta(days=terms.escalate_after[alert.level])


def _openings(
    episodes: Sequence[Episode], taken: set[tuple[str, str, date]], known: set[str], terms: Terms
) -> list[Happening]:
    """What is new and is still so: who was long not drawn, or whose newest draw only keeps an
    episode open, is news with the next draw that marks them."""
    events = []
    for episode in episodes:
        key = (episode.patient_id, episode.rule, episode.began_on)
        is_new = key not in taken and terms.number(*key) not in known
        is_so = episode.ended_on is None and episode.is_marked and terms.is_fresh(episode)
        if is_new and is_so:
            facts: dict[str, Fact] = {
                "patient_id": episode.patient_id,
                "rule": episode.rule,
                "episode": episode.began_on.isoformat(),
                "tier": episode.first_tier,
                "code_version": terms.code_version,
            }
            events.append(Happening(terms.number(*key), "opened", facts))
    return events


def by_urgency(alert: Alert, p: float | None) -> tuple[int, int, float, date, str]:
    """What to sort alerts by where few can be told: severity, tier, certainty, age."""
    return (
        _SEVERITY.get(alert.rule, 9),
        -_RANK[alert.tier],
        -(p or 0.0),
        alert.opened_on,
        alert.alert_id,
    )


def is_burst(opened: int, earlier: Sequence[int], factor: float, floor: int) -> bool:
    """Whether so many alerts at once are rather a fault of a feed than people.

    Args:
        opened: tonight's.
        earlier: of earlier nights; of fewer than :data:`FEWEST_NIGHTS` nothing can be said.
        factor: times the median.
        floor: as many are never a burst.

    >>> is_burst(30, [1, 2, 0, 3, 2], factor=5, floor=20)
    True
    >>> is_burst(30, [], factor=5, floor=20)
    False
    """
    if len(earlier) < FEWEST_NIGHTS:
        return False
    middle = sorted(earlier)[len(earlier) // 2]
    return opened > max(factor * middle, floor)
