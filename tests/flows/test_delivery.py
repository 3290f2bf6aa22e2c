"""Deliveries over time: waits, giving up, asking again, one at a time; and what people are told."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows import smtp
from flows.home import Home, locked
from flows.outbox import LONGEST_WAIT, MOST_ATTEMPTS, standing
from flows.settings import Settings
from tests.flows.posting import ANN, BOB, CANARY, Post
from tests.flows.rude_server import LINES, RudeServer, Script
from warehouse import outbox

LATER = {"RCPT": "451 later"}


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    made = Post(Home(tmp_path / "home"))
    yield made
    made.ledger.close()


@pytest.fixture
def server() -> Iterator[RudeServer]:
    made = RudeServer(Script())
    yield made
    made.stop()


def relay(port: int) -> Settings:
    return Settings(mail={"host": "localhost", "port": port, "security": "relay"})


def test_all_mails_of_a_delivery_go_in_one_session_each_once_in_order(
    post: Post, server: RudeServer
) -> None:
    assert post.deliver(relay(server.port)) == {"sent": 3}
    assert post.deliver(relay(server.port)) == {}

    assert server.sessions == 1
    assert [address for address, _ in server.taken] == [ANN, BOB, ANN]


def test_waits_double_up_to_the_longest_and_a_dead_host_is_asked_once_a_delivery(
    post: Post, server: RudeServer
) -> None:
    server.script = Script({"greeting": "421 busy"})
    waits = []
    for _ in range(9):
        post.deliver(relay(server.port))
        due = {datetime.fromisoformat(text) for text in post.column("next_try_at")}
        waits += [time - post.clock.time for time in due]

    minutes = [5, 10, 20, 40, 80, 160, 320]
    assert waits == [*(timedelta(minutes=n) for n in minutes), LONGEST_WAIT, LONGEST_WAIT]
    assert server.sessions == 9
    assert post.column("attempts") == [0, 0, 0], "nothing of it is the messages' fault"


def test_chance_makes_a_wait_a_quarter_shorter_or_longer(post: Post, server: RudeServer) -> None:
    server.stop()
    waits = []
    for chance in (0.0, 1.0):
        outbox.ask_again(post.ledger, post.numbers)
        post.ledger.write("UPDATE outbox SET faults = 0")
        post.deliver(relay(server.port), chance=lambda chance=chance: chance)
        found = datetime.fromisoformat(post.column("next_try_at")[0]) - post.clock.time
        waits.append(found.total_seconds())

    assert waits == [0.75 * 300, 1.25 * 300]


def test_a_patient_delivery_leaves_alone_what_is_not_due_and_asks_nobody(
    post: Post, server: RudeServer
) -> None:
    server.script = Script(LATER)
    for _ in range(6):
        post.deliver(relay(server.port))
    asked = server.sessions
    server.script = Script()

    assert post.deliver(relay(server.port), is_patient=True) == {}
    assert server.sessions == asked

    post.clock.time += timedelta(hours=3)
    assert post.deliver(relay(server.port), is_patient=True) == {"sent": 3}


def test_what_a_server_puts_off_for_ever_is_given_up_and_told_and_can_be_asked_for_again(
    post: Post, server: RudeServer
) -> None:
    server.script = Script(LATER)
    post.ledger.write("UPDATE outbox SET attempts = ?", [MOST_ATTEMPTS - 2])
    assert post.deliver(relay(server.port)) == {"pending": 3}
    assert standing(post.ledger).stuck == ()
    assert post.deliver(relay(server.port)) == {"undeliverable": 3}

    assert post.deliver(relay(server.port)) == {}
    said = standing(post.ledger).said
    assert len(said) == 3
    assert "The digest of the night of 2026-03-01 was given up" in said[0]
    assert "SMTP 451 at RCPT" in said[0]
    assert f"undertow outbox retry {post.numbers[0].strip('<>')}" in said[0]

    server.script = Script()
    outbox.ask_again(post.ledger, post.numbers)
    assert post.deliver(relay(server.port)) == {"sent": 3}
    assert standing(post.ledger).said == []


def test_a_dead_host_never_makes_a_message_be_given_up(post: Post, server: RudeServer) -> None:
    server.stop()
    post.ledger.write("UPDATE outbox SET faults = ?", [MOST_ATTEMPTS])
    assert post.deliver(relay(server.port)) == {"pending": 3}
    assert standing(post.ledger).said == [
        "3 mails are still owed, the oldest of the night of 2026-03-01 (ConnectionRefusedError)"
    ]


def test_a_mail_that_is_too_large_is_kept_and_told_with_its_size(
    post: Post, server: RudeServer
) -> None:
    server.script = Script(features=("SIZE 99",))
    post.deliver(relay(server.port))

    (size,) = {len(message) for message in post.column("message")}
    assert f"it is {size:,} bytes: raise the server's limit" in standing(post.ledger).stuck[0]
    assert CANARY.encode() in post.column("message")[0]


def test_nothing_that_is_told_holds_an_address_or_what_a_server_wrote(
    post: Post, server: RudeServer
) -> None:
    server.script = Script({f"RCPT {ANN}": f"550 {ANN} canary", "RCPT": "451 canary"})
    post.deliver(relay(server.port))

    told = "\n".join([*standing(post.ledger).said, *map(str, post.column("problem"))])
    assert len(standing(post.ledger).said) == 3
    assert "canary" not in told
    assert "@clinic" not in told


def test_two_deliveries_at_once_are_one(post: Post, server: RudeServer) -> None:
    with locked(post.home, ".outbox.lock"):
        assert post.deliver(relay(server.port)) == {}
    assert server.taken == []
    assert post.states() == ("pending",) * 3

    assert post.deliver(relay(server.port)) == {"sent": 3}


def test_a_broken_message_is_refused_and_keeps_no_other_back(
    post: Post, server: RudeServer
) -> None:
    head = b'Content-Type: text/plain; charset="%s"\nContent-Transfer-Encoding: 8bit\n\n\xc3\xb6'
    broken = (head % b"nonsense", head.replace(b"text/plain", b"multipart/mixed") % b"utf-8")
    for number, message in zip(post.numbers, broken, strict=False):
        post.ledger.write("UPDATE outbox SET message = ? WHERE message_id = ?", [message, number])

    assert post.deliver(relay(server.port)) == {"refused": 2, "sent": 1}
    assert post.column("problem") == ["LookupError", "UnicodeEncodeError", ""]
    assert len(server.taken) == 1


def test_a_relay_elsewhere_is_never_spoken_to(post: Post) -> None:
    elsewhere = {"host": "192.0.2.1", "port": 25, "security": "relay"}
    assert post.deliver(Settings(mail=elsewhere)) == {"pending": 3}
    assert set(post.column("problem")) == {"SMTPNotSupportedError"}


def test_a_password_file_that_went_away_loses_nothing(
    post: Post, server: RudeServer, tmp_path: Path
) -> None:
    mail = relay(server.port).mail.model_dump() | {"password_file": tmp_path / "gone"}
    assert post.deliver(Settings(mail=mail)) == {"pending": 3}
    assert set(post.column("problem")) == {"SettingsError"}


def test_a_trusted_authority_that_cannot_be_read_loses_nothing(
    post: Post, server: RudeServer, tmp_path: Path
) -> None:
    mail = {"host": "localhost", "port": server.port, "ca_file": tmp_path / "gone.pem"}
    assert post.deliver(Settings(mail=mail)) == {"pending": 3}
    assert set(post.column("problem")) == {"FileNotFoundError"}
    assert server.sessions == 0


def test_a_host_without_a_name_loses_nothing(post: Post) -> None:
    assert post.deliver(Settings(mail={"host": "smtp.invalid"})) == {"pending": 3}
    assert set(post.column("problem")) == {socket.gaierror.__name__}


def test_without_a_host_every_mail_is_a_private_file_and_again_the_same(post: Post) -> None:
    assert post.deliver(Settings()) == {"sent": 3}

    files = sorted(post.home.mail.iterdir())
    assert len(files) == 3
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    post.ledger.write("UPDATE outbox SET state = 'pending'")
    shutil.rmtree(post.home.mail)
    post.home.mail.mkdir()
    post.deliver(Settings())
    assert sorted(post.home.mail.iterdir()) == files


def test_an_endless_reply_ends_by_its_size_long_before_its_time(
    post: Post, server: RudeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "MOST_REPLY_BYTES", 2000)
    server.script = Script({"EHLO": LINES})
    began = time.monotonic()

    assert post.deliver(relay(server.port)) == {"pending": 3}
    assert time.monotonic() - began < smtp.TIMEOUT_SECONDS / 3, "the server goes on for 15 seconds"


def test_the_waits_are_those_that_are_meant() -> None:
    assert smtp.TIMEOUT_SECONDS == 30
    assert smtp.BODY_SECONDS == 300
    assert datetime.now(UTC) + LONGEST_WAIT < datetime.now(UTC) + timedelta(days=1)
