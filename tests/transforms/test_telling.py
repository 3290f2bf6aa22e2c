"""Who is told of which alert, within which budget, and what is kept quiet."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from transforms.alerting import Happening
from transforms.telling import Book, Recipient, Telling, book, kept_quiet, precision, sections

DAY = date(2026, 3, 10)
NURSE, LEAD = Recipient("nurse@x"), Recipient("lead@x", "lead")
Event = tuple[Happening, date]


def opened(number: str, tier: str = "B", days: int = 0, patient: str = "") -> Event:
    facts = {"patient_id": patient or number, "rule": "climbing_unseen", "episode": "2026-01-01"}
    return Happening(number, "opened", {**facts, "tier": tier}), DAY - timedelta(days=days)


def told(number: str, whom: str = "nurse@x", days: int = 0, **more: Any) -> Event:
    facts = {"recipient": whom, "message_id": "<m>", "section": "new", "level": 0, **more}
    return Happening(number, "told", facts), DAY - timedelta(days=days)


def event(number: str, kind: str, **facts: Any) -> Event:
    return Happening(number, kind, facts), DAY


def terms(*people: Recipient, budget: int = 9, **more: Any) -> Telling:
    return Telling(
        DAY, people or (NURSE,), lambda alert: alert.patient_id[:1],
        lambda alert: ("CBA".find(alert.tier or "C") * -1, alert.alert_id), budget,
        ("lead", "director"), **more,
    )  # fmt: skip


def said(*events: Event, by: Telling | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    return sections(by or terms(), book(events))


def test_what_is_new_is_told_once() -> None:
    assert said(opened("a")) == ({"nurse@x": {"new": ["a"]} | NOTHING}, {})
    assert said(opened("a"), told("a")) == ({}, {})


NOTHING: dict[str, list[str]] = {"retracted": [], "escalated": []}


def test_a_second_recipient_is_told_too_and_one_that_comes_later_as_well() -> None:
    both = terms(NURSE, Recipient("other@x"))
    mails, _ = said(opened("a"), told("a"), by=both)
    assert list(mails) == ["other@x"]


@pytest.mark.parametrize(
    ("kind", "given", "section"),
    [
        ("stepped_up", {"tier": "A"}, "stepped_up"),
        ("woke", {}, "reminder"),
        ("acknowledged", {}, None),
        ("snoozed", {"until": "2026-05-01", "reason": "away"}, None),
        ("commented", {"text": "x"}, None),
    ],
)
def test_what_happens_later_is_told_as_what_it_is(
    kind: str, given: dict[str, str], section: str | None
) -> None:
    mails, _ = said(opened("a"), told("a"), event("a", kind, **given))
    assert mails == ({"nurse@x": NOTHING | {section: ["a"]}} if section else {})


def test_who_was_never_told_hears_of_a_step_up_as_new() -> None:
    mails, _ = said(opened("a"), event("a", "stepped_up", tier="A"))
    assert mails["nurse@x"]["new"] == ["a"]


def test_a_retraction_goes_to_those_who_were_told_once_and_to_nobody_else() -> None:
    both = terms(NURSE, Recipient("other@x"))
    gone = (opened("a"), told("a"), event("a", "retracted", because="x"))
    mails, quiet = said(*gone, by=both)
    assert {whom: mine["retracted"] for whom, mine in mails.items()} == {"nurse@x": ["a"]}
    assert quiet == {}
    back = event("a", "taken_back", recipient="nurse@x", section="retracted", level=0)
    assert said(*gone, back, by=both) == ({}, {})
    assert said(opened("a"), event("a", "retracted", because="x")) == ({}, {})


def test_the_budget_takes_the_surest_first_and_keeps_the_others_for_later() -> None:
    many = (opened("b1"), opened("c1", "C"), opened("a1", "A"), opened("b2"))
    mails, quiet = said(*many, by=terms(budget=2))
    assert mails["nurse@x"]["new"] == ["a1", "b1"]
    assert quiet == {"b2": "budget", "c1": "budget"}

    later = (*many, told("a1", days=3), told("b1", days=3))
    assert said(*later, by=terms(budget=2)) == ({}, quiet)
    after = (*many, told("a1", days=7), told("b1", days=7))
    mails, quiet = said(*after, by=terms(budget=2))
    assert mails["nurse@x"]["new"] == ["b2", "c1"]
    assert quiet == {}


def test_what_is_taken_back_or_unanswered_costs_nothing() -> None:
    gone = (opened("a"), told("a"), event("a", "retracted", because="x"))
    waits = (opened("b"), told("b"), event("b", "escalated", level=1))
    mails, quiet = said(*gone, *waits, opened("c"), by=terms(budget=2))
    assert mails["nurse@x"] == {"retracted": ["a"], "escalated": ["b"]}
    assert quiet == {"c": "budget"}


def test_an_unanswered_alert_goes_to_its_role_or_where_nobody_has_it_to_the_team_again() -> None:
    waits = (opened("a"), told("a"), event("a", "escalated", level=1))
    mails, _ = said(*waits, by=terms(NURSE, LEAD))
    assert {whom: mine["escalated"] for whom, mine in mails.items()} == {"lead@x": ["a"]}
    mails, _ = said(*waits)
    assert mails["nurse@x"]["escalated"] == ["a"]
    heard = told("a", "lead@x", level=1, section="escalated")
    assert said(*waits, heard, by=terms(NURSE, LEAD)) == ({}, {})


def test_a_panel_hears_only_of_its_own_patients() -> None:
    north = Recipient("north@x", panels=frozenset("n"))
    mails, quiet = said(opened("n1"), opened("s1"), by=terms(north))
    assert mails["north@x"]["new"] == ["n1"]
    assert quiet == {"s1": "nobody"}


def test_an_address_in_two_routes_is_told_once() -> None:
    twice = terms(Recipient("a@x", panels=frozenset("n")), Recipient("a@x", panels=frozenset("ns")))
    mails, _ = said(opened("n1"), opened("s1"), by=twice)
    assert sorted(mails["a@x"]["new"]) == ["n1", "s1"]


def test_a_held_list_and_a_burst_keep_what_is_new_quiet_and_nothing_else() -> None:
    known = (opened("old"), told("old"), event("old", "retracted", because="x"), opened("a"))
    mails, quiet = said(*known, by=terms(is_list_held=True))
    assert mails["nurse@x"] == NOTHING | {"retracted": ["old"]}
    assert quiet == {"a": "list"}

    burst = event("a", "held", because="burst")
    assert said(*known, burst)[1] == {"a": "burst"}
    assert said(*known, burst, event("a", "released"))[0]["nurse@x"]["new"] == ["a"]


def test_what_was_kept_quiet_is_counted_by_reason_as_long_as_it_matters() -> None:
    known = book([opened("a"), event("a", "held", because="budget"), opened("b"), told("b")])
    assert kept_quiet(known, DAY) == {("climbing_unseen", "B", "budget"): 1}
    assert kept_quiet(Book(), DAY) == {}


def test_reviewers_judgements_add_up() -> None:
    judged = [event(n, "disposed", is_useful=v) for n, v in (("a", 1), ("b", 0), ("c", 1))]
    assert precision(book([*map(opened, "abc"), *judged])) == (2, 3)
    assert replace(NURSE, address="x") != NURSE
