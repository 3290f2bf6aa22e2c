"""Deliver what the outbox owes: by SMTP over verified TLS, or as .eml files without a host.

Nothing is ever dropped: a message that has not surely arrived is tried again, with the same
Message-ID; one that was refused or given up waits for a person, and is told of.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from sqlite3 import Row

from flows.eml import write_mail
from flows.home import Home, LockedError, locked
from flows.settings import Settings, SettingsError
from flows.smtp import Outcome, Session, UnusableError, session
from warehouse import outbox
from warehouse.ledger import Ledger

FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=6)
MOST_ATTEMPTS = 20
"""After so many the message is given up: three to four days, where `undertow outbox send` runs
every few minutes."""
MOST_LOST_SESSIONS = 3
"""In a row, with which a delivery ends until the next one."""

Chance = Callable[[], float]


def deliver(
    ledger: Ledger,
    home: Home,
    settings: Settings,
    clock: Callable[[], datetime],
    *,
    chance: Chance = random.random,
    is_patient: bool = False,
) -> dict[str, int]:
    """Try every owed message once; return how many ended in each state.

    Args:
        ledger: where they are owed.
        home: for .eml files, and for the lock: whoever comes second leaves it to the first.
        settings: the server, or none.
        clock: the time.
        chance: a number from 0 to 1, so that waits differ.
        is_patient: leave messages alone whose next try is not due yet.
    """
    post = _Post(ledger, settings, clock, chance, is_patient=is_patient)
    with suppress(LockedError), locked(home, ".outbox.lock"):
        outbox.resume(ledger)
        if settings.mail.host:
            post.send()
        else:
            post.write(home.mail)
    return post.counts


class UnknownMailError(LookupError):
    """No mail, or more than one, has that Message-ID."""


class _Post:
    """One delivery: what is owed, in the order in which it was."""

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        clock: Callable[[], datetime],
        chance: Chance,
        *,
        is_patient: bool,
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._is_patient = is_patient
        self._last = 0
        self.counts = dict.fromkeys(("sent", "pending", "unknown", "refused", "undeliverable"), 0)

    def _next(self) -> Row | None:
        return outbox.upcoming(
            self._ledger, self._last, self._clock() if self._is_patient else None
        )

    def write(self, folder: Path) -> None:
        """Write every message as a file."""
        while row := self._next():
            write_mail(folder, row["message_id"], row["night"], bytes(row["message"]))
            self._settle(row, Outcome("sent"))

    def send(self) -> None:
        """Send every message, in as few sessions as the server allows."""
        lost = 0
        while self._next() and lost < MOST_LOST_SESSIONS:
            sent = self.counts["sent"]
            try:
                with session(self._settings.mail, self._settings.mail_password()) as opened:
                    self._send_in(opened)
            except UnusableError as error:
                return self._postpone_rest(str(error))
            except SettingsError as error:  # the password's file went away since settings were read
                return self._postpone_rest(type(error).__name__)
            lost = lost + 1 if self.counts["sent"] == sent else 0
        return self._leave_rest()

    def _send_in(self, opened: Session) -> None:
        """Send until all are tried or the session is over. A server may want few messages a
        session: what met its end in a session that served is the first of the next one."""
        sent = self.counts["sent"]
        while row := self._next():
            outcome = opened.hand_over(
                self._settings.mail.sender,
                row["recipient"],
                bytes(row["message"]),
                partial(outbox.claim, self._ledger, row["message_id"]),
            )
            has_served = self.counts["sent"] > sent
            if outcome.is_its_own or not has_served:
                self._settle(row, outcome)
            if outcome.is_over:
                return

    def _settle(self, row: Row, outcome: Outcome) -> None:
        if not outcome.is_its_own:
            return self._postpone(row, outcome.problem)
        state: str = outcome.state
        if state in outbox.OWED and row["attempts"] + 1 >= MOST_ATTEMPTS:
            state = "undeliverable"
        outbox.settle(
            self._ledger, row["message_id"], state, self._clock(), outcome.problem,
            self._next_try(row) if state in outbox.OWED else None,
        )  # fmt: skip
        return self._count(row, state)

    def _postpone(self, row: Row, problem: str) -> None:
        outbox.postpone(self._ledger, row, self._clock(), problem, self._next_try(row))
        self._count(row, row["state"])

    def _postpone_rest(self, problem: str) -> None:
        """No server was reached: one try for all of them."""
        while row := self._next():
            self._postpone(row, problem)

    def _leave_rest(self) -> None:
        while row := self._next():
            self._count(row, row["state"])

    def _count(self, row: Row, state: str) -> None:
        self._last = row["rowid"]
        self.counts[state] += 1

    def _next_try(self, row: Row) -> datetime:
        """Waits double up to the longest, each a quarter shorter to a quarter longer by chance."""
        tries: int = row["attempts"] + row["faults"]
        wait = min(FIRST_WAIT * (1 << min(tries, 20)), LONGEST_WAIT)
        return self._clock() + wait * (0.75 + self._chance() / 2)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the outbox stands, in numbers and sentences without a recipient (and without a full
    stop): for the heartbeat's mail and the doctor."""

    counts: dict[str, int]
    oldest_owed: str
    problems: tuple[str, ...]
    stuck: tuple[str, ...]

    @property
    def owed(self) -> int:
        """Messages that have not surely arrived and are tried again."""
        return sum(self.counts.get(state, 0) for state in outbox.OWED)

    @property
    def said(self) -> list[str]:
        """A sentence for each thing that needs a person; empty when nothing does."""
        if not self.owed:
            return list(self.stuck)
        mails = "1 mail is" if self.owed == 1 else f"{self.owed} mails are"
        why = f" ({', '.join(self.problems)})" if self.problems else ""
        return [
            f"{mails} still owed, the oldest of the night of {self.oldest_owed}{why}",
            *self.stuck,
        ]


def standing(ledger: Ledger) -> Standing:
    """How the outbox stands now."""
    owed = outbox.owed(ledger)
    return Standing(
        counts=outbox.counts(ledger),
        oldest_owed=min((row["night"] for row in owed), default=""),
        problems=tuple(sorted({row["problem"] for row in owed if row["problem"]})),
        stuck=tuple(_said(row) for row in outbox.stuck(ledger)),
    )


_WHY = {
    "refused": "was refused for good",
    "undeliverable": "was given up or came back",
}


def _said(row: Row) -> str:
    number = row["message_id"].strip("<>")
    hint = f"when it is mended: `undertow outbox retry {number}`"
    if "larger" in row["problem"] or "552" in row["problem"]:
        hint = f"it is {len(row['message']):,} bytes: raise the server's limit, then {hint[20:]}"
    return (
        f"The {row['kind']} of the night of {row['night']} {_WHY[row['state']]} "
        f"({row['problem']}); {hint}"
    )


def listed(
    ledger: Ledger, *, everything: bool, with_address: bool
) -> tuple[list[dict[str, object]], str]:
    """Mails that have not arrived (or all) as records and as lines; never a body."""
    names = ["message_id", "kind", "night", "state", "attempts", "faults", "problem"]
    names += ["next_try_at", "recipient"] if with_address else ["next_try_at"]
    condition = "true" if everything else "state <> 'sent'"
    rows = ledger.rows(f"SELECT {', '.join(names)} FROM outbox WHERE {condition} ORDER BY rowid")
    found = [{**row, "message_id": row["message_id"].strip("<>")} for row in map(dict, rows)]
    return found, "\n".join(map(_line, found)) or "Every mail was sent."


def _line(row: dict[str, object]) -> str:
    tries = f"{row['attempts']} attempts, {row['faults']} without an answer"
    more = [str(row[name]) for name in ("problem", "recipient") if row.get(name)]
    return ", ".join([f"{row['state']:<13} {row['message_id']}  {row['night']}: {tries}", *more])


def ask_again(ledger: Ledger, numbers: Sequence[str]) -> None:
    """Owe again mails that were refused or given up.

    Raises:
        UnknownMailError: one of the numbers is no mail's; nothing was changed then.
    """
    outbox.ask_again(ledger, [_known(ledger, number) for number in numbers])


def came_back(ledger: Ledger, number: str) -> str:
    """Note that a mail came back; its Message-ID.

    Raises:
        UnknownMailError: no mail has that number, or it was never handed over.
    """
    found = _known(ledger, number)
    if not outbox.bounce(ledger, found, "bounced"):
        raise UnknownMailError(f"{number} was not handed over yet: `undertow outbox list`")
    return found.strip("<>")


def _known(ledger: Ledger, number: str) -> str:
    """The Message-ID that begins so, with or without its brackets."""
    given = number.strip("<>")
    rows = ledger.rows(
        "SELECT message_id FROM outbox WHERE substr(message_id, 2, ?) = ?", [len(given), given]
    )
    if len(rows) != 1 or not given:
        many = "several mails begin" if rows else "no mail begins"
        raise UnknownMailError(f"{many} with {number!r}: see `undertow outbox list --all`")
    return str(rows[0]["message_id"])


def as_counts(done: Mapping[str, int], bounced: int = 0) -> str:
    """A delivery in a line."""
    said = [f"{count} {state}" for state, count in done.items() if count]
    return ", ".join([*said, *([f"{bounced} came back"] if bounced else [])]) or "Nothing is due."
