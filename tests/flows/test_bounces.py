"""Mails that came back, and the commands of the outbox."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from flows.bounces import take
from flows.home import Home
from flows.outbox import standing
from flows.settings import Settings
from tests.flows.posting import ANN, CANARY, Post
from tests.flows.rude_server import RudeServer, Script
from tests.flows.scene import Scene

REPORT = """\
From: MAILER-DAEMON@mx.clinic.example
To: undertow@clinic.example
Subject: Undelivered Mail
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.clinic.example

Final-Recipient: rfc822; ann@clinic.example
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 canary

--b
Content-Type: {kind}

Message-ID: {number}
From: undertow@clinic.example
Subject: s

--b--
"""


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    """Three mails that were sent, and a folder for what comes back."""
    made = Post(Home(tmp_path / "home"))
    made.deliver(Settings())
    made.home.bounces.mkdir()
    yield made
    made.ledger.close()


def report(
    number: str, action: str = "failed", status: str = "5.1.1", kind: str = "message/rfc822"
) -> str:
    return REPORT.format(number=number, action=action, status=status, kind=kind)


def dropped(post: Post, text: str, name: str = "1") -> dict[str, int]:
    (post.home.bounces / f"{name}.eml").write_text(text, encoding="utf-8")
    return {end: n for end, n in take(post.home.bounces, post.ledger).items() if n}


@pytest.mark.parametrize("kind", ["message/rfc822", "text/rfc822-headers"])
@pytest.mark.parametrize("action", ["failed", "Failed "])
def test_a_report_of_failure_makes_its_mail_undeliverable_and_is_set_aside(
    post: Post, kind: str, action: str
) -> None:
    assert dropped(post, report(post.numbers[0], action, kind=kind)) == {"noted": 1}

    assert post.states() == ("undeliverable", "sent", "sent")
    assert post.column("problem")[0] == "bounced 5.1.1"
    assert [path.name for path in post.home.bounces.iterdir()] == ["1.eml.noted"]
    assert "came back (bounced 5.1.1)" in standing(post.ledger).said[0]
    assert take(post.home.bounces, post.ledger) == {"noted": 0, "read": 0, "odd": 0}


@pytest.mark.parametrize(("action", "status"), [("delayed", "4.4.1"), ("delivered", "2.0.0")])
def test_a_report_of_delay_or_success_changes_nothing(post: Post, action: str, status: str) -> None:
    assert dropped(post, report(post.numbers[0], action, status)) == {"read": 1}
    assert post.states() == ("sent",) * 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Subject: out of office\n\nI am away.",
        report("<digest.0@elsewhere.example>"),
        report("<digest.0@undertow.invalid>"),
        report("<digest.0@undertow.invalid> <digest.1@undertow.invalid>"),
        report("").replace("message/delivery-status", "text/plain"),
    ],
    ids=["empty", "no report", "of others", "of none", "of two", "no status"],
)
def test_what_is_no_report_on_a_mail_of_ours_is_left_for_people(post: Post, text: str) -> None:
    assert dropped(post, text) == {"odd": 1}
    assert post.states() == ("sent",) * 3
    assert [path.name for path in post.home.bounces.iterdir()] == ["1.eml.odd"]


def test_no_folder_is_no_bounce(post: Post) -> None:
    post.home.bounces.rmdir()
    assert take(post.home.bounces, post.ledger) == {"noted": 0, "read": 0, "odd": 0}


# ---------------------------------------------------------------- commands


@pytest.fixture
def scene(post: Post) -> Scene:
    return Scene(post.home)


def test_the_list_names_what_has_not_arrived_and_never_a_body(post: Post, scene: Scene) -> None:
    assert scene.run("outbox", "list").out == "Every mail was sent.\n"
    assert len(scene.run("outbox", "list", "--all", "--json").json) == 3
    post.ledger.write("UPDATE outbox SET state = 'refused', problem = 'SMTP 550 at RCPT'")

    said = scene.run("outbox", "list")
    assert said.out.count("\n") == 3
    assert "refused       digest.0a0000" in said.out
    assert "SMTP 550 at RCPT" in said.out
    assert "@clinic" not in said.out
    assert ANN in scene.run("outbox", "list", "--to").out
    for given in ((), ("--to",), ("--json", "--to", "--all")):
        assert CANARY[:6] not in scene.run("outbox", "list", *given).out


def test_what_was_refused_is_sent_when_it_is_named_and_asked_for(post: Post, scene: Scene) -> None:
    server = RudeServer(Script())
    scene.set(f'[mail]\nhost = "localhost"\nport = {server.port}\nsecurity = "relay"\n')
    post.ledger.write("UPDATE outbox SET state = 'refused', problem = 'SMTP 550 at RCPT'")

    assert scene.run("outbox", "retry").out == "Nothing is due.\n"
    assert scene.run("outbox", "retry", post.numbers[0], "digest.1a").out == "2 sent\n"
    assert scene.run("outbox", "retry", post.numbers[2], "--json").json["sent"] == 1
    assert len(server.taken) == 3
    server.stop()


def test_send_reads_bounces_and_sends_only_what_is_due(post: Post, scene: Scene) -> None:
    post.ledger.write("UPDATE outbox SET state = 'pending', next_try_at = '2999' WHERE rowid > 1")
    (post.home.bounces / "a.eml").write_text(report(post.numbers[0]), encoding="utf-8")

    assert scene.run("outbox", "send").out == "1 came back\n"
    post.ledger.write("UPDATE outbox SET next_try_at = '2000' WHERE rowid = 2")
    assert scene.run("outbox", "send", "--json").json["sent"] == 1
    assert post.states() == ("undeliverable", "sent", "pending")


@pytest.mark.parametrize("number", ["", "<>", "nothing", "digest", "%"])
def test_a_number_that_is_no_mails_or_of_several_changes_nothing(
    post: Post, scene: Scene, number: str
) -> None:
    for command in ("retry", "bounced"):
        said = scene.run("outbox", command, number)
        assert (said.code, said.out) == (1, "")
        assert "see `undertow outbox list --all`" in said.err
    assert post.states() == ("sent",) * 3


def test_a_mail_is_noted_as_bounced_and_doctor_says_so(post: Post, scene: Scene) -> None:
    assert "good  outbox: every mail was sent" in scene.run("doctor").out

    assert scene.run("outbox", "bounced", "digest.0a").out.endswith("is undeliverable.\n")
    said = scene.run("doctor")
    assert said.code == 1
    assert "bad   outbox: The digest of the night of 2026-03-01 was given up or came" in said.out

    post.ledger.write("UPDATE outbox SET state = 'pending'")
    said = scene.run("doctor")
    assert said.code == 0
    assert "note  outbox: 3 mails are still owed" in said.out
    assert "not handed over yet" in scene.run("outbox", "bounced", "digest.0a").err


def test_doctor_says_when_the_ledger_cannot_be_read(post: Post, scene: Scene) -> None:
    post.ledger.close()
    post.home.ledger.write_bytes(b"no database" * 500)

    said = scene.run("doctor")
    assert said.code == 1
    assert "bad   outbox: the ledger cannot be read: DatabaseError" in said.out


def test_a_report_may_hold_anything(post: Post) -> None:
    message = EmailMessage()
    message.set_content("x")
    message.add_attachment(b"\0" * 100, maintype="message", subtype="x")
    for number, content in enumerate(
        [bytes(message), b"\xff\xfe" * 100, b"Content-Type: multipart/report\n\n"]
    ):
        (post.home.bounces / f"{number}.eml").write_bytes(content)
    assert take(post.home.bounces, post.ledger)["odd"] == 3
