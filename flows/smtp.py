"""A session with the site's mail server, and what became of one message in it.

TLS with a verified certificate, or a relay on this very machine; never anything else. Whatever a
server does, an attempt ends in time and in one :class:`Outcome`.
"""

from __future__ import annotations

import smtplib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Literal

from flows.settings import LOOPBACK, Mail

if TYPE_CHECKING:
    import socket

TIMEOUT_SECONDS = 30.0
"""For a connection, and for each whole reply."""
BODY_SECONDS = 300.0
"""For the reply to a whole message: scanners take their time, and who hangs up gets it twice."""
GOODBYE_SECONDS = 3.0
MOST_REPLY_BYTES = 100_000

State = Literal["sent", "pending", "unknown", "refused"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: ``problem`` is a class of error or a code and its command, never what
    a server wrote. ``is_over``: the session is, for any message; ``is_its_own``: the server had
    its say on this very message."""

    state: State
    problem: str = ""
    is_over: bool = False
    is_its_own: bool = True


class UnusableError(Exception):
    """No session could be had; the message is the class of error, or a code and its command."""


class Session:
    """An open session: hand messages over one by one."""

    def __init__(self, server: _Timed) -> None:
        self._server = server

    def hand_over(
        self, sender: str, recipient: str, message: bytes, claim: Callable[[], None]
    ) -> Outcome:
        """Hand one message to one recipient; ``claim`` is called before its body leaves."""
        try:
            found = self._handed(sender, recipient, message, claim)
            if found.state != "sent" and not found.is_over:
                self._server.rset()
        except (ValueError, LookupError) as error:  # what no session can carry
            return Outcome("refused", type(error).__name__)
        except (OSError, smtplib.SMTPException) as error:
            return Outcome("pending", type(error).__name__, is_over=True, is_its_own=False)
        return found

    def _handed(
        self, sender: str, recipient: str, message: bytes, claim: Callable[[], None]
    ) -> Outcome:
        is_foreign = not (sender + recipient).isascii()
        if is_foreign and not self._server.has_extn("smtputf8"):
            return Outcome("refused", "no SMTPUTF8")
        content = _as_sent(message)
        if 0 < self._most_bytes() < len(content):
            return Outcome("refused", "larger than the server takes")
        options = ["SMTPUTF8", "BODY=8BITMIME"] if is_foreign else []
        size = [f"SIZE={len(content)}"] if self._server.has_extn("size") else []
        code, _ = self._server.mail(sender, [*size, *options])
        if code != 250:
            return _sender_refused(code)
        code, _ = self._server.rcpt(recipient)
        if code not in (250, 251):
            return _refused(code, "RCPT")
        claim()
        return self._given(content)

    def _given(self, content: bytes) -> Outcome:
        """From here on only the server's answer tells whether it has the message."""
        self._server.wait(BODY_SECONDS)
        try:
            code, _ = self._server.data(content)
        except smtplib.SMTPDataError as error:  # its answer to the command, before the body
            return replace(_refused(error.smtp_code, "DATA"), is_its_own=True)
        except (OSError, smtplib.SMTPException) as error:
            return Outcome("unknown", f"{type(error).__name__} after DATA", is_over=True)
        self._server.wait(TIMEOUT_SECONDS)
        if 200 <= code < 300:
            return Outcome("sent")
        if 400 <= code < 600:
            return _refused(code, "body")
        return Outcome("unknown", "no reply code after DATA", is_over=True)

    def _most_bytes(self) -> int:
        """The size the server announced; 0 where it did not."""
        said = self._server.esmtp_features.get("size", "").split(" ")[0]
        return int(said) if said.isascii() and said.isdigit() else 0

    def leave(self) -> None:
        """Say goodbye: what follows the server's yes takes nothing back."""
        with suppress(OSError, smtplib.SMTPException, ValueError):
            if self._server.sock:
                self._server.wait(GOODBYE_SECONDS)
                self._server.quit()
        self._server.close()


@contextmanager
def session(mail: Mail, password: str) -> Iterator[Session]:
    """A session with the server of settings.

    Raises:
        UnusableError: there is none to be had, for whatever reason.
    """
    try:
        opened = Session(_connected(mail, password))
    except smtplib.SMTPResponseException as error:
        raise UnusableError(_coded(error)) from None
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise UnusableError(type(error).__name__) from None
    try:
        yield opened
    finally:
        opened.leave()


def _connected(mail: Mail, password: str) -> _Timed:
    if mail.security == "relay" and mail.host not in LOOPBACK:
        raise smtplib.SMTPNotSupportedError("a relay without TLS must be on this machine")
    context = ssl.create_default_context(cafile=str(mail.ca_file) if mail.ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    server = (
        _Sealed(mail.host, mail.port, timeout=TIMEOUT_SECONDS, context=context)
        if mail.security == "tls"
        else _Open(mail.host, mail.port, timeout=TIMEOUT_SECONDS)
    )
    try:
        _introduce(server, mail, password, context)
    except BaseException:
        server.close()
        raise
    return server


def _introduce(server: smtplib.SMTP, mail: Mail, password: str, context: ssl.SSLContext) -> None:
    server.ehlo_or_helo_if_needed()
    if mail.security == "starttls":
        server.starttls(context=context)  # raises where it is not offered or refused
        server.ehlo_or_helo_if_needed()  # what was said in clear is forgotten
    if mail.username:
        server.login(mail.username, password)


def _as_sent(message: bytes) -> bytes:
    """The message in seven bits: every server can carry it, with or without 8BITMIME."""
    wire = policy.SMTP.clone(cte_type="7bit")
    return message_from_bytes(message, policy=wire).as_bytes(policy=wire)


def _refused(code: int, where: str) -> Outcome:
    """A permanent no (5xx) needs a person, a passing one is tried again; 421 and what is no code
    at all end the session and say nothing of the message."""
    said = f"SMTP {code} at {where}"
    if 500 <= code < 600:
        return Outcome("refused", said)
    if 400 <= code < 500 and code != 421:
        return Outcome("pending", said)
    return Outcome("pending", said, is_over=True, is_its_own=False)


def _sender_refused(code: int) -> Outcome:
    """A no to the sender is of settings and not of this message, unless it is for its size."""
    said = f"SMTP {code} at MAIL"
    if code == 552:
        return Outcome("refused", said)
    if 400 <= code < 500 and code != 421:
        return Outcome("pending", said)
    return Outcome("pending", said, is_over=True, is_its_own=False)


def _coded(error: smtplib.SMTPResponseException) -> str:
    return f"SMTP {error.smtp_code} at {_WHERE.get(type(error).__name__, 'STARTTLS')}"


_WHERE = {
    "SMTPConnectError": "greeting",
    "SMTPHeloError": "EHLO",
    "SMTPAuthenticationError": "AUTH",
}


class _Reply:
    """The lines of replies as :mod:`smtplib` reads them, each whole reply within its time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._held = b""
        self._until = 0.0
        self._left = 0

    def begin(self, seconds: float) -> None:
        """A reply is awaited."""
        self._until = time.monotonic() + seconds
        self._left = MOST_REPLY_BYTES

    def readline(self, limit: int) -> bytes:
        """A line, at most ``limit`` bytes."""
        while b"\n" not in self._held and len(self._held) < limit:
            came = self._more()
            if not came:
                break
            self._held += came
        end = self._held.find(b"\n") + 1 or len(self._held)
        line, self._held = self._held[:end][:limit], self._held[min(end, limit) :]
        return line

    def _more(self) -> bytes:
        wait = self._until - time.monotonic()
        if wait <= 0 or self._left <= 0:
            raise TimeoutError("a reply without end")
        self._sock.settimeout(wait)
        came = self._sock.recv(8192)
        self._left -= len(came)
        return came

    def close(self) -> None:
        """Nothing of its own is open."""


class _Timed(smtplib.SMTP):
    """A session in which no reply takes for ever, drop by drop or line by line."""

    def wait(self, seconds: float) -> None:
        """How long each reply, and all of what is sent at once, may take from here on."""
        self.timeout = seconds
        if self.sock:
            self.sock.settimeout(seconds)

    def getreply(self) -> tuple[int, bytes]:
        """One reply.

        Raises:
            SMTPServerDisconnected: it did not end in time.
        """
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("the session is over")
        if self.file is None:
            self.file = _Reply(self.sock)
        self.file.begin(self.timeout)
        try:
            return super().getreply()
        finally:
            if self.sock:
                self.sock.settimeout(self.timeout)


class _Open(_Timed):
    """Plain until STARTTLS, or a relay on this machine."""


class _Sealed(_Timed, smtplib.SMTP_SSL):
    """TLS from the first byte."""
