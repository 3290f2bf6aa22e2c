"""Answers: what people say to an alert, what is refused, and that nothing is noted twice."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.answering import Answer, AnswerError, ChangedError, answer, answered, business_date
from flows.reading import UnknownAlertError
from flows.settings import Alerts, Settings, Site
from transforms.alerting import Happening, NotPossibleError
from warehouse import alerts
from warehouse.ledger import Ledger

NIGHT = date(2026, 3, 1)
COMPOSED = datetime(2026, 3, 1, 5, tzinfo=UTC)
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SITE = Settings(alerts=Alerts(snooze_most_days=30))
OPENED = {"patient_id": "ANN", "rule": "climbing_unseen", "episode": "2025-01-10", "tier": "A"}
OVERRIDE = "\u202e"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """One alert that was told."""
    opened = Ledger(tmp_path / "ledger.sqlite")
    with opened.transaction():
        told = {"recipient": "a@x.example", "message_id": "<1@x>", "tier": "A", "level": 0}
        alerts.note(
            opened,
            [Happening("ABCD2345", "opened", OPENED), Happening("ABCD2345", "told", told)],
            NIGHT,
            COMPOSED,
        )
    yield opened
    opened.close()


def say(ledger: Ledger, kind: str, **facts: object) -> str:
    """Answer as the nurse; the state afterwards."""
    return answer(ledger, SITE, "ABCD2345", kind, facts, "nurse", NOW).state


def last(ledger: Ledger) -> dict[str, Any]:
    return alerts.history(ledger, "ABCD2345")[-1]


@pytest.mark.parametrize(
    ("kind", "facts", "noted", "state"),
    [
        ("acknowledged", {"note": " Phoned. "}, {"note": "Phoned."}, "acknowledged"),
        ("acknowledged", {}, {"note": ""}, "acknowledged"),
        (
            "snoozed",
            {"until": "2026-04-01", "reason": "On leave"},
            {"until": "2026-04-01", "reason": "On leave"},
            "snoozed",
        ),
        (
            "snoozed",
            {"until": date(2026, 3, 3), "reason": "Draw due"},
            {"until": "2026-03-03", "reason": "Draw due"},
            "snoozed",
        ),
        ("commented", {"text": "a\r\nb"}, {"text": "a\nb"}, "new"),
        ("disposed", {"is_useful": True}, {"is_useful": True, "why": ""}, "new"),
        ("disposed", {"is_useful": False, "why": "x"}, {"is_useful": False, "why": "x"}, "new"),
    ],
)
def test_an_answer_is_noted_with_who_and_when(
    ledger: Ledger, kind: str, facts: dict[str, object], noted: dict[str, object], state: str
) -> None:
    assert say(ledger, kind, **facts) == state

    event = last(ledger)
    assert (event["kind"], event["facts"], event["actor"]) == (kind, noted, "nurse")
    assert (event["night"], event["at"]) == ("2026-03-02", NOW.isoformat())


@pytest.mark.parametrize(
    ("kind", "facts", "why"),
    [
        ("snoozed", {"until": "2026-04-02", "reason": "x"}, "up to 2026-04-01 (30 days)"),
        ("snoozed", {"until": "2026-03-02", "reason": "x"}, "a day after 2026-03-02"),
        ("snoozed", {"until": "soon", "reason": "x"}, "until: a day such as 2026-04-01"),
        ("snoozed", {"until": "2026-03-09", "reason": "  "}, "reason: a snooze needs one"),
        ("snoozed", {"until": "2026-03-09"}, "reason: a snooze needs one"),
        ("commented", {"text": " \n "}, "text: a comment needs one"),
        ("commented", {"text": "x" * 2001}, "text: 2,001 characters, at most 2,000"),
        ("commented", {"text": f"ab{OVERRIDE}c"}, "character 3 is right-to-left override (U+202E)"),
        ("acknowledged", {"note": "a\x00b"}, "character 2 is a control character (U+0000)"),
        ("acknowledged", {"note": "\ud800"}, "U+D800"),
        ("disposed", {"why": "x"}, "is_useful: say whether"),
        ("disposed", {"is_useful": False}, "why: an alert that was not useful needs one"),
        ("deleted", {}, "no such answer"),
    ],
)
def test_an_answer_that_cannot_stand_is_refused_with_what_to_do(
    ledger: Ledger, kind: str, facts: dict[str, object], why: str
) -> None:
    before = alerts.history(ledger, "ABCD2345")

    with pytest.raises(AnswerError) as refused:
        say(ledger, kind, **facts)

    assert why in str(refused.value)
    assert alerts.history(ledger, "ABCD2345") == before


@pytest.mark.parametrize("text", ["=1+1", "<b>x</b>", "Subject: x\nBcc: y", "עברית", "a\tb", "né"])
def test_what_is_odd_but_visible_is_kept_as_text(ledger: Ledger, text: str) -> None:
    say(ledger, "commented", text=text)

    assert last(ledger)["facts"] == {"text": text}


def test_an_unknown_number_is_told(ledger: Ledger) -> None:
    with pytest.raises(UnknownAlertError):
        answer(ledger, SITE, "NOBODY22", "acknowledged", {}, "nurse", NOW)


@pytest.mark.parametrize("state", ["resolved", "retracted"])
def test_an_ended_alert_takes_a_word_but_no_acknowledgement(ledger: Ledger, state: str) -> None:
    with ledger.transaction():
        alerts.note(ledger, [Happening("ABCD2345", state, {"because": "x"})], NIGHT, COMPOSED)

    for kind, facts in (("acknowledged", {}), ("snoozed", {"until": "2026-03-09", "reason": "x"})):
        with pytest.raises(NotPossibleError, match=state):
            say(ledger, kind, **facts)
    assert say(ledger, "commented", text="why?") == state
    assert say(ledger, "disposed", is_useful=True) == state


def test_only_what_a_burst_holds_is_released_by_hand(ledger: Ledger) -> None:
    with pytest.raises(NotPossibleError, match="not kept quiet"):
        say(ledger, "released")
    for because, is_possible in (("budget", False), ("burst", True)):
        with ledger.transaction():
            held = Happening("ABCD2345", "held", {"because": because})
            alerts.note(ledger, [held], NIGHT, COMPOSED)
        if is_possible:
            say(ledger, "released")
        else:
            with pytest.raises(NotPossibleError, match="budget of a night"):
                say(ledger, "released")
    assert last(ledger)["kind"] == "released"


def test_who_answers_is_never_taken_for_the_night(ledger: Ledger) -> None:
    answer(ledger, SITE, "ABCD2345", "commented", {"text": "x"}, "undertow", NOW)
    assert last(ledger)["actor"] == "user undertow"

    for actor in ("", "a\nb", "x" * 201, f"a{OVERRIDE}"):
        with pytest.raises(AnswerError, match="name of who answers"):
            answer(ledger, SITE, "ABCD2345", "commented", {"text": "x"}, actor, NOW)


def test_the_same_answer_sent_twice_is_noted_once_and_another_is_shown_what_changed(
    ledger: Ledger,
) -> None:
    seen = last(ledger)["event_id"]
    mine = Answer("ABCD2345", "acknowledged", {"note": "ok"}, "nurse", seen)

    assert answered(ledger, SITE, mine, NOW).state == "acknowledged"
    assert answered(ledger, SITE, mine, NOW + timedelta(seconds=1)).state == "acknowledged"
    assert [event["kind"] for event in alerts.history(ledger, "ABCD2345")].count(
        "acknowledged"
    ) == 1

    theirs = Answer("ABCD2345", "commented", {"text": "and mine"}, "doctor", seen)
    with pytest.raises(ChangedError):
        answered(ledger, SITE, theirs, NOW)
    assert last(ledger)["kind"] == "acknowledged"
    looked = Answer("ABCD2345", "commented", {"text": "and mine"}, "doctor", seen + 1)
    answered(ledger, SITE, looked, NOW)
    assert last(ledger)["kind"] == "commented"


def test_a_clock_set_back_moves_no_answer_before_what_it_answers(ledger: Ledger) -> None:
    answer(ledger, SITE, "ABCD2345", "acknowledged", {}, "nurse", COMPOSED - timedelta(days=400))

    assert last(ledger)["at"] == COMPOSED.isoformat()
    assert len(alerts.events(ledger, COMPOSED)) == 0
    assert len(alerts.events(ledger, COMPOSED + timedelta(seconds=1))) == 3


def test_the_day_is_the_clinics() -> None:
    late = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)

    assert business_date(Settings(site=Site(time_zone="Europe/Rome")), late) == date(2026, 3, 2)
    assert business_date(Settings(), late) == date(2026, 3, 1)


def test_what_somebody_wrote_is_in_the_ledger_and_in_no_message(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    say(ledger, "commented", text="Canarina lives alone")
    for text in ("Canarina" * 400, f"Canarina {OVERRIDE}"):
        with pytest.raises(AnswerError) as refused:
            say(ledger, "commented", text=text)
        assert "Canarina" not in str(refused.value)

    assert "Canarina" in json.dumps(last(ledger)["facts"])
    assert "Canarina" not in caplog.text
