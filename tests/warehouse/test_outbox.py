"""The outbox's states: what may become of a message, and what is never forgotten of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from warehouse import outbox
from warehouse.ledger import Ledger

NOW = datetime(2026, 3, 1, 5, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ID = "<digest.1@undertow.invalid>"
MAIL = {
    "message_id": ID,
    "recipient": "care@example.org",
    "kind": "digest",
    "night": "2026-03-01",
    "message": b"...",
}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.sqlite")
    opened.owe(MAIL)
    yield opened
    opened.close()


def facts(ledger: Ledger, *names: str) -> tuple[object, ...]:
    (row,) = ledger.rows("SELECT * FROM outbox WHERE message_id = ?", [ID])
    return tuple(row[name] for name in names)


@pytest.mark.parametrize(
    ("state", "is_owed", "is_stuck"),
    [
        ("sent", False, False),
        ("pending", True, False),
        ("unknown", True, False),
        ("sending", True, False),
        ("refused", False, True),
        ("undeliverable", False, True),
    ],
)
def test_what_has_not_surely_arrived_is_owed_or_waits_for_a_person(
    ledger: Ledger, state: str, is_owed: bool, is_stuck: bool
) -> None:
    outbox.settle(ledger, ID, state, NOW, "why")

    assert bool(outbox.owed(ledger)) is is_owed
    assert bool(outbox.stuck(ledger)) is is_stuck
    assert outbox.counts(ledger) == {state: 1}
    assert facts(ledger, "attempts", "sent_at") == (1, NOW.isoformat() if state == "sent" else None)


def test_the_first_and_the_last_problem_are_kept(ledger: Ledger) -> None:
    (row,) = outbox.owed(ledger)
    outbox.postpone(ledger, row, NOW, "ConnectionRefusedError", LATER)
    outbox.settle(ledger, ID, "pending", LATER, "SMTP 451 at RCPT", LATER)
    names = ("first_problem", "problem", "first_tried_at", "attempts", "faults")
    assert facts(ledger, *names) == (
        "ConnectionRefusedError", "SMTP 451 at RCPT", NOW.isoformat(), 1, 0
    )  # fmt: skip

    outbox.settle(ledger, ID, "sent", LATER)
    assert facts(ledger, "first_problem", "problem") == ("ConnectionRefusedError", "")


def test_a_message_is_due_when_its_time_has_come_and_always_without_a_time(ledger: Ledger) -> None:
    outbox.settle(ledger, ID, "pending", NOW, "SMTP 451 at RCPT", LATER)

    assert outbox.upcoming(ledger, 0, NOW) is None
    assert outbox.upcoming(ledger, 0, LATER) is not None
    assert outbox.upcoming(ledger, 0, None) is not None
    assert outbox.upcoming(ledger, 1, None) is None, "it is not behind itself"


def test_what_a_dead_process_was_sending_is_unknown_and_counts_as_an_attempt(
    ledger: Ledger,
) -> None:
    outbox.claim(ledger, ID)
    assert outbox.upcoming(ledger, 0, None) is None

    assert outbox.resume(ledger) == 1
    assert facts(ledger, "state", "attempts", "problem") == ("unknown", 1, "process ended")
    assert outbox.upcoming(ledger, 0, None) is not None
    assert outbox.resume(ledger) == 0


@pytest.mark.parametrize(("state", "again"), [("refused", 1), ("undeliverable", 1), ("sent", 0)])
def test_only_what_is_stuck_can_be_asked_for_again(ledger: Ledger, state: str, again: int) -> None:
    outbox.settle(ledger, ID, state, NOW, "SMTP 550 at RCPT")

    assert outbox.ask_again(ledger, [ID, "<none@undertow.invalid>"]) == again
    assert len(outbox.owed(ledger)) == again
    assert facts(ledger, "first_problem") == ("SMTP 550 at RCPT",)


@pytest.mark.parametrize(
    ("state", "is_noted"), [("sent", True), ("unknown", True), ("pending", False)]
)
def test_only_what_was_handed_over_can_come_back(
    ledger: Ledger, state: str, is_noted: bool
) -> None:
    outbox.settle(ledger, ID, state, NOW)

    assert outbox.bounce(ledger, ID, "bounced 5.1.1") is is_noted
    assert facts(ledger, "state") == ("undeliverable" if is_noted else state,)
    assert not outbox.bounce(ledger, "<other@undertow.invalid>", "bounced")
