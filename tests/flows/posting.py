"""An outbox with a few mails in it, and deliveries from it an hour apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

from flows.home import Home, make
from flows.outbox import deliver
from flows.settings import Settings
from warehouse.ledger import Ledger

ANN, BOB = "ann@clinic.example", "bob@clinic.example"
TO = (ANN, BOB, ANN)
CANARY = "canary of full detail, größe"


class Clock:
    """An hour passes from one delivery to the next."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


class Post:
    """An outbox with mails for a case, and deliveries from it."""

    def __init__(self, home: Home, to: tuple[str, ...] = TO) -> None:
        self.home = home
        make(home)
        self.ledger = Ledger(home.ledger)
        self.clock = Clock()
        self.numbers = [self.owe(number, address) for number, address in enumerate(to)]

    def owe(self, number: int, to: str) -> str:
        """Owe one; return its Message-ID."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "undertow@clinic.example", to, "s"
        message["Message-ID"] = f"<digest.{f'{number}a':0<32}@undertow.invalid>"
        message.set_content(f"{CANARY} {number}\n.\nend\n")
        row = {"recipient": to, "kind": "digest", "night": "2026-03-01"}
        self.ledger.owe(row | {"message_id": message["Message-ID"], "message": message.as_bytes()})
        return str(message["Message-ID"])

    def deliver(self, settings: Settings, **how: Any) -> dict[str, int]:
        """Deliver, an hour later than before."""
        self.clock.time += timedelta(hours=1)
        wanted = {"chance": lambda: 0.5} | how
        found = deliver(self.ledger, self.home, settings, self.clock, **wanted)
        return {state: count for state, count in found.items() if count}

    def states(self) -> tuple[str, ...]:
        """The states, in order."""
        return tuple(row["state"] for row in self.ledger.rows("SELECT * FROM outbox"))

    def column(self, name: str) -> list[Any]:
        """A column of the outbox."""
        return [row[0] for row in self.ledger.rows(f"SELECT {name} FROM outbox ORDER BY rowid")]
