"""A mail server on a real socket that misbehaves as it is told, and remembers what it saw.

Its answers are data: a reply, or one of the things below, for each command; a tuple is used up in
order, after which the server behaves.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

CLOSE, MUTE, DRIP, LINES, LINE = "close", "mute", "drip", "lines", "line"
"""Hang up; say nothing; a byte now and then; a reply of endless lines; an endless line."""

Answers = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class Script:
    """How a server behaves. Keys of ``answers``: greeting, EHLO, STARTTLS, AUTH, MAIL, RCPT,
    ``RCPT <address>``, DATA, middle (of a body), body (its end), RSET, QUIT."""

    answers: Answers = field(default_factory=dict)
    features: tuple[str, ...] = ("8BITMIME",)
    tls: ssl.SSLContext | None = None
    is_sealed: bool = False
    family: socket.AddressFamily = socket.AF_INET


class RudeServer:
    """One server; ``script`` may be changed between sessions."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.mails: list[tuple[str, bytes]] = []
        """Recipient and message, whenever the end of a body was seen."""
        self.taken: list[tuple[str, bytes]] = []
        """Those that were answered with a yes."""
        self.in_clear: list[str] = []
        """Commands after EHLO that came without TLS, and bodies."""
        self.sessions = 0
        self._used: dict[str, Iterator[int]] = {}
        self._listening = socket.create_server(_address(script), family=script.family)
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        """Nobody listens any more."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def behave(self, tls: ssl.SSLContext | None) -> None:
        """From the next session on, be a good server, with ``tls`` in place of the script's."""
        self.script = Script(tls=tls, features=("8BITMIME", "SMTPUTF8", "AUTH PLAIN LOGIN"),
                             is_sealed=self.script.is_sealed)  # fmt: skip

    def answer(self, command: str, usual: str) -> str:
        """What the script says to a command now."""
        said = self.script.answers.get(command)
        if isinstance(said, tuple):
            used = next(self._used.setdefault(command, count()))
            said = said[used] if used < len(said) else None
        return said or usual

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                came, _ = self._listening.accept()
                self.sessions += 1
                threading.Thread(target=self._session, args=[came], daemon=True).start()

    def _session(self, came: socket.socket) -> None:
        came.settimeout(20)
        with came, contextlib.suppress(OSError, _HangUpError):
            if self.script.is_sealed and self.script.tls:
                with self.script.tls.wrap_socket(came, server_side=True) as sealed:
                    _Talk(self, sealed, is_sealed=True).hold()
            else:
                _Talk(self, came, is_sealed=False).hold()


class _HangUpError(Exception):
    pass


class _Talk:
    """One session."""

    def __init__(self, server: RudeServer, sock: socket.socket, *, is_sealed: bool) -> None:
        self._server = server
        self._sock = sock
        self._is_sealed = is_sealed
        self._lines = sock.makefile("rb")
        self._to: list[str] = []

    def hold(self) -> None:
        self._say("greeting", "220 ready")
        self._commands()

    def _commands(self) -> None:
        while line := self._lines.readline():
            verb = line[:4].decode("ascii", "replace").strip().upper()
            verb = "STARTTLS" if verb == "STAR" else verb
            if not self._is_sealed and verb in ("AUTH", "MAIL", "RCPT", "DATA"):
                self._server.in_clear.append(verb)
            if verb == "STARTTLS":
                self._seal()
                return
            self._hear(verb, line)

    def _hear(self, verb: str, line: bytes) -> None:
        if verb == "EHLO":
            told = ["server", *self._server.script.features]
            if self._server.script.tls and not self._is_sealed:
                told.append("STARTTLS")
            usual = "\r\n".join(f"250-{name}" for name in told[:-1]) + f"\r\n250 {told[-1]}"
            self._say("EHLO", usual.lstrip())
        elif verb == "AUTH":
            self._say("AUTH", "235 welcome")
        elif verb == "RCPT":
            self._rcpt(line.split(b"<")[1].split(b">")[0].decode())
        elif verb == "DATA":
            if self._say("DATA", "354 go on").startswith("354"):
                self._body()
        else:
            self._to = [] if verb in ("MAIL", "RSET") else self._to
            self._say(verb, "221 bye" if verb == "QUIT" else "250 fine")
            if verb == "QUIT":
                raise _HangUpError

    def _rcpt(self, address: str) -> None:
        usual = self._server.answer("RCPT", "250 fine")
        if self._say(f"RCPT {address}", usual).startswith("25"):
            self._to.append(address)

    def _body(self) -> None:
        if not self._is_sealed:
            self._server.in_clear.append("body")
        lines: list[bytes] = []
        while (line := self._lines.readline()) != b".\r\n":
            if not line:
                raise _HangUpError
            lines.append(line.removeprefix(b"."))
            if len(lines) == 2 and self._server.answer("middle", "") == CLOSE:
                _reset(self._sock)
                raise _HangUpError
        found = [(address, b"".join(lines)) for address in self._to]
        self._server.mails += found
        if self._say("body", "250 taken").startswith("250"):
            self._server.taken += found

    def _seal(self) -> None:
        context = self._server.script.tls
        if self._say("STARTTLS", "220 now").startswith("220") and context:
            with context.wrap_socket(self._sock, server_side=True) as sealed:
                _Talk(self._server, sealed, is_sealed=True)._commands()
        else:
            self._commands()

    def _say(self, command: str, usual: str) -> str:
        said = self._server.answer(command, usual)
        if said == CLOSE:
            raise _HangUpError
        if said in (MUTE, DRIP, LINES, LINE):
            self._bore(said)
        self._sock.sendall(said.encode() + b"\r\n")
        return said

    def _bore(self, how: str) -> None:
        """Never come to an end, until the other side has had enough."""
        if how == MUTE:
            self._lines.readline()
            raise _HangUpError
        bit, wait = {DRIP: (b"2", 0.05), LINES: (b"250-more\r\n", 0.0), LINE: (b"2" * 999, 0.0)}[
            how
        ]
        until = time.monotonic() + 15
        while time.monotonic() < until:
            self._sock.sendall(bit)
            time.sleep(wait)
        raise _HangUpError


def _address(script: Script) -> tuple[str, int]:
    return ("::1" if script.family == socket.AF_INET6 else "127.0.0.1", 0)


def _reset(sock: socket.socket) -> None:
    """Hang up by RST, as a machine that lost its power does when it is asked again."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
