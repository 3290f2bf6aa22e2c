"""Delivery against real servers on this machine, well behaved and not."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from flows import smtp
from flows.outbox import deliver
from tests.flows.certificates import Authority, authority
from tests.flows.scene import Scene, as_mail, now
from warehouse.ledger import Ledger

pytestmark = pytest.mark.slow

TO = "nurse@clinic.example"
CANARY = "canary-of-a-body"


class Server:
    """What a mail server saw, and how it answers; change ``answers`` for the next command."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.was_secure: list[bool] = []
        self.answers: dict[str, str] = {}
        self.dies_after_body = False

    async def handle_MAIL(  # noqa: N802 the library's name
        self, server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        self.commands.append("MAIL")
        self.was_secure.append(server.transport.get_extra_info("ssl_object") is not None)
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        self.commands.append("RCPT")
        answer = self.answers.get("RCPT", "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.commands.append("DATA")
        answer = self.answers.get("DATA", "250 OK")
        if answer.startswith("250"):
            self.mails.append(as_mail(envelope.content))
            self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
        if self.dies_after_body:
            server.transport.abort()
        return answer

    async def handle_QUIT(self, _server: Any, _session: Any, _envelope: Any) -> str:  # noqa: N802
        return self.answers.get("QUIT", "221 Bye")


class Post:
    """A home's outbox."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.ledger = Ledger(scene.home.ledger)

    def owe(self, number: int = 1, to: str = TO) -> str:
        """Owe a mail; return its Message-ID."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "undertow@localhost", to, "s"
        message["Message-ID"] = f"<digest.{number}@undertow.invalid>"
        message.set_content(f"{CANARY} größe\n.\nend\n")
        row = {"recipient": to, "kind": "digest", "night": "2026-03-01"}
        self.ledger.owe(row | {"message_id": message["Message-ID"], "message": message.as_bytes()})
        return str(message["Message-ID"])

    def deliver(self) -> dict[str, int]:
        """Try once; the states that occurred."""
        found = deliver(self.ledger, self.scene.home, self.scene.settings(), now)
        return {state: count for state, count in found.items() if count}

    def state(self) -> tuple[str, int, str]:
        """State, attempts and problem of the only mail."""
        (row,) = self.ledger.rows("SELECT state, attempts, problem FROM outbox")
        return tuple(row)


@pytest.fixture
def post(scene: Scene) -> Iterator[Post]:
    made = Post(scene)
    yield made
    made.ledger.close()


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


Start = Callable[..., Server]


@pytest.fixture
def start(post: Post, ca: Authority) -> Iterator[Start]:
    """``start(security, tls=...)``: a server, and settings that lead to it."""
    with ExitStack() as stack:

        def started(
            security: str,
            tls: ssl.SSLContext | None = None,
            settings: str = "",
            trusted: Path | None = ca.file,
            **options: Any,
        ) -> Server:
            server, port = Server(), free_port()
            context = {"ssl_context" if security == "tls" else "tls_context": tls}
            controller = Controller(server, "localhost", port, **context, **options)
            controller.start()
            stack.callback(controller.stop)
            trust = f'ca_file = "{trusted}"\n' if trusted else ""
            post.scene.set(
                f'[mail]\nhost = "localhost"\nport = {port}\nsecurity = "{security}"\n'
                f"{trust}{settings}"
            )
            return server

        yield started


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT_SECONDS", 3)


# ---------------------------------------------------------------- ways to a server


def test_a_relay_on_this_machine_gets_the_mail_whole(post: Post, start: Start) -> None:
    server = start("relay")
    number = post.owe()

    assert post.deliver() == {"sent": 1}

    (mail,) = server.mails
    assert (mail["Message-ID"], mail["To"]) == (number, TO)
    assert mail.get_content().replace("\r\n", "\n") == f"{CANARY} größe\n.\nend\n"
    assert server.envelopes == [("undertow@localhost", [TO])]
    assert post.state() == ("sent", 1, "")
    assert post.deliver() == {}
    assert len(server.mails) == 1


def test_a_relay_elsewhere_is_not_used_without_tls(post: Post) -> None:
    post.scene.set('[mail]\nhost = "192.0.2.1"\nport = 25\nsecurity = "relay"\n')
    post.owe()

    assert post.deliver() == {"pending": 1}
    assert post.state()[2] == "SMTPNotSupportedError"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_verified_server_gets_the_mail_encrypted(
    post: Post, start: Start, ca: Authority, security: str
) -> None:
    server = start(security, ca.server("localhost"))
    post.owe()

    assert post.deliver() == {"sent": 1}
    assert server.was_secure == [True]
    assert len(server.mails) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("wrong", ["host", "authority", "expired"])
def test_a_server_that_is_not_surely_the_right_one_gets_nothing(
    post: Post, start: Start, ca: Authority, security: str, wrong: str
) -> None:
    host = "mail.example" if wrong == "host" else "localhost"
    days = -1 if wrong == "expired" else 9
    server = start(
        security, ca.server(host, days), trusted=None if wrong == "authority" else ca.file
    )
    post.owe()

    assert post.deliver() == {"pending": 1}
    assert server.commands == []
    assert post.state()[2] == "SSLCertVerificationError"


def test_a_server_that_no_longer_offers_tls_gets_nothing(post: Post, start: Start) -> None:
    server = start("starttls")
    post.owe()

    assert post.deliver() == {"pending": 1}
    assert server.commands == []
    assert post.state()[2] == "SMTPNotSupportedError"


def test_the_password_is_given_only_inside_tls_and_a_wrong_one_loses_no_mail(
    post: Post, start: Start, ca: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def authenticator(server: Any, _s: Any, _e: Any, _m: str, found: Any) -> AuthResult:
        given.append((found.password, server.transport.get_extra_info("ssl_object") is not None))
        return AuthResult(success=found.password == b"right")

    server = start(
        "starttls",
        ca.server("localhost"),
        'username = "undertow"\n',
        authenticator=authenticator,
        auth_required=True,
    )
    post.owe()
    monkeypatch.setenv("UNDERTOW_MAIL__PASSWORD", "wrong")
    assert post.deliver() == {"pending": 1}
    assert server.mails == []

    monkeypatch.setenv("UNDERTOW_MAIL__PASSWORD", "right")
    assert post.deliver() == {"sent": 1}
    assert {is_secure for _, is_secure in given} == {True}


# ---------------------------------------------------------------- what servers answer


@pytest.mark.parametrize(
    ("command", "answer", "state", "attempts"),
    [
        ("MAIL", "552 too big", "refused", 1),
        ("MAIL", "550 no such sender", "pending", 0),
        ("MAIL", "451 later", "pending", 1),
        ("RCPT", "550 no such user", "refused", 1),
        ("RCPT", "451 later", "pending", 1),
        ("DATA", "550 no such user", "refused", 1),
        ("DATA", "552 too big", "refused", 1),
        ("DATA", "451 later", "pending", 1),
    ],
)
def test_a_permanent_no_is_refused_and_a_passing_one_is_tried_again(
    post: Post, start: Start, command: str, answer: str, state: str, attempts: int
) -> None:
    server = start("relay")
    server.answers[command] = answer
    number = post.owe()

    assert post.deliver() == {state: 1}
    where = "body" if command == "DATA" else command  # aiosmtpd answers at the end of the body
    assert post.state() == (state, attempts, f"SMTP {answer[:3]} at {where}")
    assert server.mails == []

    server.answers.clear()
    assert post.deliver() == ({} if state == "refused" else {"sent": 1})
    assert [mail["Message-ID"] for mail in server.mails] == ([] if state == "refused" else [number])


def test_a_refused_recipient_keeps_nobody_else_from_the_mail(post: Post, start: Start) -> None:
    server = start("relay")
    server.answers["RCPT"] = "550 no"
    post.owe(1)
    assert post.deliver() == {"refused": 1}

    server.answers.clear()
    post.owe(2, "other@clinic.example")
    assert post.deliver() == {"sent": 1}


def test_a_server_that_dies_after_the_body_leaves_it_unknown_and_gets_it_again_the_same(
    post: Post, start: Start
) -> None:
    server = start("relay")
    server.dies_after_body = True
    number = post.owe()
    assert post.deliver() == {"unknown": 1}

    server.dies_after_body = False
    assert post.deliver() == {"sent": 1}

    assert [mail["Message-ID"] for mail in server.mails] == [number, number]
    assert server.mails[0].as_bytes() == server.mails[1].as_bytes()


def test_a_yes_is_a_yes_however_rudely_the_server_says_goodbye(post: Post, start: Start) -> None:
    server = start("relay")
    server.answers["QUIT"] = "421 tired"
    post.owe()

    assert post.deliver() == {"sent": 1}
    assert post.deliver() == {}
    assert len(server.mails) == 1


def test_a_server_that_is_down_or_mute_leaves_the_mail_pending(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.owe()
    post.scene.set(f'[mail]\nhost = "localhost"\nport = {free_port()}\nsecurity = "relay"\n')
    assert post.deliver() == {"pending": 1}
    assert post.state()[2] == "ConnectionRefusedError"

    monkeypatch.setattr(smtp, "TIMEOUT_SECONDS", 0.2)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        port = mute.getsockname()[1]
        post.scene.set(f'[mail]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "relay"\n')
        assert post.deliver() == {"pending": 1}


def test_a_server_that_turns_everybody_away_loses_no_mail(post: Post) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        closed.listen()

        def turn_away() -> None:
            connection, _ = closed.accept()
            with connection:
                connection.sendall(b"554 no service here\r\n")

        thread = threading.Thread(target=turn_away)
        thread.start()
        port = closed.getsockname()[1]
        post.scene.set(f'[mail]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "relay"\n')
        post.owe()
        assert post.deliver() == {"pending": 1}
        thread.join()


def test_mails_are_sent_in_the_order_they_were_owed_each_once(post: Post, start: Start) -> None:
    server = start("relay")
    owed = [post.owe(number) for number in range(5)]
    assert post.owe(3) == owed[3], "the same again is the same"

    assert post.deliver() == {"sent": 5}
    assert [mail["Message-ID"] for mail in server.mails] == owed


def test_a_night_whose_server_is_down_is_done_and_its_mails_go_out_the_next_night(
    post: Post, start: Start
) -> None:
    server = start("relay")
    server.answers["DATA"] = "451 later"
    post.scene.people()
    first = post.scene.night()
    assert (first["state"], first["mails_owed"]) == ("done", 2)
    assert "2 mails still owed" in post.scene.run("run", "--as-of", "2026-03-01").out

    server.answers.clear()
    assert post.scene.night(date(2026, 3, 2))["mails_owed"] == 0

    assert len({mail["Message-ID"] for mail in server.mails}) == len(server.mails) == 3
    assert list(post.scene.home.mail.iterdir()) == []
