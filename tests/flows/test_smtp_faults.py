"""Servers that misbehave, by a table: whatever they do, nothing is lost and the state is right.

Three mails are owed, the first and the last to one person, with full detail. After each delivery
the states are looked at; then the server is mended, what was refused is asked for again, and every
mail must be there, each copy under its own Message-ID.
"""

from __future__ import annotations

import ssl
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from socket import AF_INET, AF_INET6
from typing import Any

import pytest

from flows import smtp
from flows.home import Home
from flows.outbox import standing
from flows.settings import Settings
from tests.flows.certificates import Authority, authority
from tests.flows.posting import ANN, BOB, CANARY, TO, Post
from tests.flows.rude_server import CLOSE, DRIP, LINE, LINES, MUTE, RudeServer, Script
from tests.flows.scene import as_mail
from warehouse import outbox

pytestmark = pytest.mark.slow

SENT, PENDING, UNKNOWN, REFUSED = (
    ("sent",) * 3,
    ("pending",) * 3,
    ("unknown",) * 3,
    ("refused",) * 3,
)


@dataclass(frozen=True)
class Case:
    """A misbehaviour; ``states`` after each delivery, the ``problem`` first noted, ``sessions``
    at the most in the first delivery."""

    name: str
    states: tuple[tuple[str, ...], ...]
    problem: str = ""
    answers: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    features: tuple[str, ...] = ("8BITMIME",)
    tls: str = "good"
    security: str = "starttls"
    settings: dict[str, Any] = field(default_factory=dict)
    sessions: int = 1
    host: str = "localhost"
    to: tuple[str, ...] = TO


DIES = {"body": (CLOSE,)}
LOGIN = {"username": "undertow", "password": "canary-password"}
CASES = (
    Case("well behaved", (SENT,)),
    Case("well behaved from the first byte", (SENT,), security="tls"),
    Case("only by IPv6", (SENT,), host="::1"),
    Case("down", (PENDING, PENDING), "ConnectionRefusedError", tls="down", sessions=0),
    Case("turns everybody away", (PENDING,) * 2, "SMTP 554 at greeting", {"greeting": "554 no"}),
    Case("busy at first", (PENDING, SENT), "SMTP 421 at greeting", {"greeting": ("421 busy",)}),
    Case("mute", (PENDING,), "SMTPServerDisconnected", {"greeting": MUTE}),
    Case("greets drop by drop", (PENDING,), "SMTPServerDisconnected", {"greeting": DRIP}),
    Case("speaks another language", (PENDING,) * 2, "SMTP -1 at greeting", {"greeting": "SSH-2"}),
    Case("knows no EHLO", (PENDING,) * 2, "SMTP 502 at EHLO",
         {"EHLO": "502 what", "HELO": "502 what"}),
    Case("greylists", (PENDING, SENT), "SMTP 451 at RCPT", {"RCPT": ("451 later",) * 3}),
    Case("full for one", (("pending", "sent", "pending"),) * 2, "SMTP 450 at RCPT",
         {f"RCPT {ANN}": "450 full"}),
    Case("does not know one", (("sent", "refused", "sent"),) * 2, "SMTP 550 at RCPT",
         {f"RCPT {BOB}": "550 who"}),
    Case("knows nobody", (REFUSED, REFUSED), "SMTP 550 at RCPT", {"RCPT": "550 who"}),
    Case("does not like the sender", (PENDING,) * 2, "SMTP 553 at MAIL", {"MAIL": "553 you"},
         sessions=3),
    Case("STARTTLS is stripped", (PENDING, PENDING), "SMTPNotSupportedError", tls="none"),
    Case("STARTTLS is refused", (PENDING, SENT), "SMTP 454 at STARTTLS",
         {"STARTTLS": ("454 not now",)}),
    Case("STARTTLS leads nowhere", (PENDING,) * 2, "SMTPServerDisconnected", {"STARTTLS": CLOSE}),
    Case("STARTTLS and then no TLS", (PENDING,) * 2, "SSLError", {}, ("STARTTLS",), tls="none"),
    Case("slips words in before TLS", (SENT,), "", {"STARTTLS": "220 now\r\n250 SIZE 1"}),
    Case("a certificate for another host", (PENDING,) * 2, "SSLCertVerificationError", tls="host"),
    Case("an expired certificate", (PENDING,) * 2, "SSLCertVerificationError", tls="expired"),
    Case("a certificate of its own", (PENDING,) * 2, "SSLCertVerificationError", tls="self"),
    Case("expired, from the first byte", (PENDING,) * 2, "SSLCertVerificationError",
         tls="expired", security="tls"),
    Case("TLS 1.0", (PENDING,) * 2, "SSLError", tls="old"),
    Case("no TLS where it was promised", (PENDING,) * 2, "SSLError", tls="none", security="tls"),
    Case("does not take the password", (PENDING,) * 2, "SMTP 535 at AUTH",
         {"AUTH": "535 no"}, ("AUTH PLAIN",), settings=LOGIN),
    Case("takes no password", (PENDING,) * 2, "SMTPNotSupportedError", settings=LOGIN),
    Case("hangs up at MAIL", (PENDING, SENT), "SMTPServerDisconnected", {"MAIL": (CLOSE,) * 3},
         sessions=3),
    Case("hangs up after every mail", (SENT,), "",
         {"MAIL": ("250 fine", CLOSE, "250 fine", CLOSE, "250 fine")}, sessions=3),
    Case("says 421 in the middle", (SENT,), "", {f"RCPT {BOB}": ("421 closing",)}, sessions=2),
    Case("says 421 to the first", (("pending", "sent", "sent"), SENT), "SMTP 421 at RCPT",
         {"RCPT": ("421 closing",)}, sessions=2),
    Case("answers nonsense", (PENDING, SENT), "SMTP -1 at RCPT", {"RCPT": ("what?",) * 3},
         sessions=3),
    Case("answers without end", (PENDING, SENT), "SMTPServerDisconnected", {"RCPT": (LINES,) * 3},
         sessions=3),
    Case("answers in one endless line", (PENDING, SENT), "SMTPResponseException",
         {"RCPT": (LINE,) * 3}, sessions=3),
    Case("does not want the body", (("refused", "sent", "sent"),) * 2, "SMTP 554 at DATA",
         {"DATA": ("554 no",)}),
    Case("skips the body", (("pending", "sent", "sent"), SENT), "SMTP 250 at DATA",
         {"DATA": ("250 already",)}, sessions=2),
    Case("dies in the body", (("unknown", "sent", "sent"), SENT),
         "SMTPServerDisconnected after DATA", {"middle": (CLOSE,)}, sessions=2),
    Case("dies after the body", (("unknown", "sent", "sent"), SENT),
         "SMTPServerDisconnected after DATA", DIES, sessions=2),
    Case("dies after every body", (UNKNOWN, UNKNOWN), "SMTPServerDisconnected after DATA",
         {"body": CLOSE}, sessions=3),
    Case("is mute after the body", (("unknown", "sent", "sent"), SENT),
         "SMTPServerDisconnected after DATA", {"body": (MUTE,)}, sessions=2),
    Case("answers a body with nonsense", (("unknown", "sent", "sent"), SENT),
         "no reply code after DATA", {"body": ("what?",)}, sessions=2),
    Case("greylists after the body", (("pending", "sent", "sent"), SENT), "SMTP 451 at body",
         {"body": ("451 later",)}),
    Case("finds it too large at its end", (("refused", "sent", "sent"),) * 2, "SMTP 552 at body",
         {"body": ("552 too large",)}),
    Case("finds it too large at MAIL", (("refused", "sent", "sent"),) * 2, "SMTP 552 at MAIL",
         {"MAIL": ("552 too large",)}),
    Case("takes little", (REFUSED, REFUSED), "larger than the server takes", features=("SIZE 99",)),
    Case("takes any size", (SENT,), features=("SIZE 0",)),
    Case("says nonsense of its size", (SENT,), features=("SIZE lots",)),
    Case("carries seven bits only", (SENT,), features=("PIPELINING",)),
    Case("carries no foreign address", (("refused", "sent", "sent"),) * 2, "no SMTPUTF8",
         to=("größe@clinic.example", BOB, ANN)),
    Case("carries a foreign address", (SENT,), features=("SMTPUTF8", "8BITMIME"),
         to=("größe@clinic.example", BOB, ANN)),
    Case("does not say goodbye", (SENT,), "", {"QUIT": MUTE}),
    Case("says goodbye rudely", (SENT,), "", {"QUIT": "500 stay"}),
    Case("hangs up instead of goodbye", (SENT,), "", {"QUIT": CLOSE}),
)  # fmt: skip


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TIMEOUT_SECONDS", "BODY_SECONDS", "GOODBYE_SECONDS"):
        monkeypatch.setattr(smtp, name, 1.0)


def context(ca: Authority, kind: str, host: str) -> ssl.SSLContext | None:
    """A server's TLS of a kind; None where it has none."""
    if kind in ("none", "down"):
        return None
    if kind == "self":
        folder = ca.folder / "self"
        folder.mkdir(exist_ok=True)
        return authority(folder).server(host)
    found = ca.server("mail.example" if kind == "host" else host, -1 if kind == "expired" else 9)
    if kind == "old":
        found.set_ciphers("DEFAULT@SECLEVEL=0")
        found.minimum_version = found.maximum_version = ssl.TLSVersion.TLSv1
    return found


def settings(server: RudeServer, ca: Authority, case: Case) -> Settings:
    """Settings that lead to a server, with full detail."""
    mail = {"host": case.host, "port": server.port, "sender": "undertow@clinic.example"}
    more = {"ca_file": ca.file, "detail": "full", "security": case.security}
    return Settings(mail=mail | more | case.settings)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1 is deprecated")
def test_whatever_a_server_does_nothing_is_lost_and_the_state_is_right(
    case: Case, ca: Authority, tmp_path: Path
) -> None:
    family = AF_INET6 if ":" in case.host else AF_INET
    tls = context(ca, case.tls, case.host)
    script = Script(case.answers, case.features, tls, case.security == "tls", family)
    server, post = RudeServer(script), Post(Home(tmp_path / "home"), case.to)
    if case.tls == "down":
        server.stop()
    wanted = settings(server, ca, case)

    for number, states in enumerate(case.states):
        counts = post.deliver(wanted)
        assert post.states() == states, f"after delivery {number + 1}"
        if number == 0:
            assert counts == Counter(states)
            assert server.sessions <= case.sessions
    noted = next((problem for problem in post.column("first_problem") if problem), "")
    assert noted == case.problem
    assert server.in_clear == [], "nothing but EHLO, STARTTLS and QUIT ever in clear"
    seen = [row for row in post.ledger.rows("SELECT * FROM outbox") if row["state"] == "sent"]
    assert {row["message_id"] for row in seen} <= ids(server.taken)

    mended = server if case.tls != "down" else RudeServer(Script())
    mended.behave(context(ca, "good", case.host))
    outbox.ask_again(post.ledger, post.numbers)
    post.deliver(settings(mended, ca, case))

    assert post.states() == SENT
    assert ids(mended.taken) == set(post.numbers), "each is there"
    assert {address for address, _ in mended.taken} == set(case.to)
    assert len({content for _, content in mended.mails}) == 3, "a copy is the same to the byte"
    assert all(CANARY in as_mail(content).get_content() for _, content in mended.mails)
    assert all(content.isascii() for _, content in mended.mails), "carried by any server"
    assert server.in_clear == mended.in_clear == []
    assert standing(post.ledger).said == []
    post.ledger.close()
    server.stop()


def ids(mails: list[tuple[str, bytes]]) -> set[str]:
    return {str(as_mail(content)["Message-ID"]) for _, content in mails}


def test_the_table_has_its_twenty_five_misbehaviours() -> None:
    assert len({case.name for case in CASES if case.problem}) >= 25
