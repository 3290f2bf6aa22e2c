"""Noting alerts with their mails, and delivering these, in a process that kills itself at a chosen
moment: before any statement of the ledger, any word to the server, any reply, any change of a file.

Run as a program it forks one such process for each line it is given.
"""

from __future__ import annotations

import os
import signal
import smtplib
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from flows import smtp
from flows.home import Home, make
from flows.outbox import deliver
from flows.settings import Settings
from tests.flows.rude_server import RudeServer
from tests.flows.scene import as_mail
from transforms.alerting import Happening
from warehouse import alerts
from warehouse.ledger import Ledger

NOW = datetime(2026, 3, 1, 5, tzinfo=UTC)
PEOPLE = ("ann@clinic.example", "bob@clinic.example", "cyd@clinic.example")


@dataclass(frozen=True)
class Ended:
    """What stands at last: states, mails told of, and copies at the server by Message-ID."""

    states: frozenset[str]
    told: frozenset[str]
    copies: Counter[str]
    contents: int

    @property
    def lost(self) -> set[str]:
        """Mails that an alert was noted with and that never came."""
        return set(self.told) - set(self.copies)

    @property
    def duplicates(self) -> int:
        """Copies beyond the first."""
        return self.copies.total() - len(self.copies)


class Nursery:
    """A program with everything imported, of which each life is a fork."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.faults.mortal_post"]
        pipe = subprocess.PIPE
        self._program = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def lived(self, root: Path, port: int, moment: int = -1) -> bool:
        """Note and deliver in a process that dies at ``moment``; whether it lived to the end."""
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(f"{moment} {port} {root}\n")
        ended = int(self._program.stdout.readline())
        assert ended in (0, -signal.SIGKILL)
        return ended == 0

    def close(self) -> None:
        """No more lives."""
        self._program.communicate(timeout=20)


def outlived(nursery: Nursery, root: Path, server: RudeServer | None, *moments: int) -> Ended:
    """Die at each of these moments in turn, then live."""
    port = server.port if server else 0
    for moment in moments:
        nursery.lived(root, port, moment)
    assert nursery.lived(root, port)
    return ended(root, server)


def is_well(found: Ended, kills: int) -> bool:
    """Nothing lost, nothing owed, no more copies than kills, each the same to the byte."""
    return (
        found.states == {"sent"}
        and len(found.told) == len(found.copies) == found.contents == 3
        and not found.lost
        and found.duplicates <= kills
    )


def fork_lives() -> None:
    """The program of a nursery."""
    for line in sys.stdin:
        moment, port, root = line.rstrip("\n").split(" ", 2)
        child = os.fork()
        if not child:
            try:
                live(Path(root), int(port), int(moment))
            except BaseException:  # noqa: BLE001 the parent must hear of it
                os._exit(1)
            os._exit(0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


def live(root: Path, port: int, moment: int) -> int:
    """The process: note what is not noted, deliver what is owed; returns how many moments."""
    fate = _Fate(moment)
    home = Home(root)
    make(home)
    ledger = Ledger(home.ledger)
    ledger._con.set_trace_callback(fate.pass_by)
    restore = fate.listen()
    try:
        note(ledger)
        deliver(ledger, home, relay(port), lambda: NOW, chance=lambda: 0.5)
    finally:
        restore()
        ledger.close()
    return fate.passed


class _Fate:
    """Counts moments and strikes at one of them."""

    def __init__(self, moment: int) -> None:
        self._moment = moment
        self.passed = 0

    def pass_by(self, _what: object = None) -> None:
        """A moment passes."""
        if self.passed == self._moment:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1

    def listen(self) -> Any:
        """Moments before every word to a server, before and after its reply, at every file."""
        kept = (smtplib.SMTP.send, smtp._Timed.getreply, Path.rename, Path.write_bytes)

        def before(function: Any, *, after: bool = False) -> Any:
            def passing(*given: Any, **named: Any) -> Any:
                self.pass_by()
                found = function(*given, **named)
                if after:
                    self.pass_by()
                return found

            return passing

        def put(functions: Any) -> None:
            smtplib.SMTP.send, smtp._Timed.getreply = functions[:2]  # type: ignore[method-assign]
            Path.rename, Path.write_bytes = functions[2:]  # type: ignore[method-assign]

        put([before(kept[0]), before(kept[1], after=True), before(kept[2]), before(kept[3])])
        return lambda: put(kept)


def note(ledger: Ledger) -> None:
    """Three alerts, each told to one person, as a night notes them: all of it or nothing."""
    with ledger.transaction():
        if alerts.standing(ledger):
            return
        for number, whom in enumerate(PEOPLE):
            mail = message(number, whom)
            opened = {"patient_id": f"p{number}", "rule": "climbing_unseen",
                      "episode": "2026-01-01", "tier": "A"}  # fmt: skip
            told = {"recipient": whom, "message_id": mail["message_id"], "section": "new",
                    "tier": "A", "level": 0}  # fmt: skip
            happened = [Happening(f"A{number}", "opened", opened),
                        Happening(f"A{number}", "told", told)]  # fmt: skip
            alerts.note(ledger, happened, date(2026, 3, 1), NOW)
            ledger.owe(mail)


def message(number: int, whom: str) -> dict[str, Any]:
    """A mail as the outbox takes it."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "undertow@clinic.example", whom, "s"
    made["Message-ID"] = f"<digest.{number}@undertow.invalid>"
    made.set_content(f"canary {number}\n")
    return {
        "message_id": str(made["Message-ID"]), "recipient": whom, "kind": "digest",
        "night": "2026-03-01", "message": made.as_bytes(),
    }  # fmt: skip


def relay(port: int) -> Settings:
    """Settings that lead to a relay here; none for port 0."""
    return Settings(mail={"host": "localhost" if port else "", "port": port or 1,
                          "security": "relay"})  # fmt: skip


def ended(root: Path, server: RudeServer | None) -> Ended:
    """What stands now."""
    ledger = Ledger(Home(root).ledger)
    told = ledger.rows("SELECT facts ->> 'message_id' FROM alert_event WHERE kind = 'told'")
    states = ledger.rows("SELECT state FROM outbox")
    ledger.close()
    files = [path.read_bytes() for path in Home(root).mail.glob("*.eml")]
    contents = [content for _, content in server.mails] if server else files
    return Ended(
        states=frozenset(row[0] for row in states),
        told=frozenset(row[0] for row in told),
        copies=Counter(str(as_mail(content)["Message-ID"]) for content in contents),
        contents=len(set(contents)),
    )


if __name__ == "__main__":
    fork_lives()
