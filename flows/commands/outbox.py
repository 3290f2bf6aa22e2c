"""Mails that are owed: the group ``outbox``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from flows.commands.base import clock, home_of, settings_of, shared, tell

if TYPE_CHECKING:
    from flows.home import Home
    from warehouse.ledger import Ledger


@click.group()
def outbox() -> None:
    """Mails: what is owed, refused or came back, by Message-ID."""


@contextmanager
def _ledger(home: Home) -> Iterator[Ledger]:
    from flows.home import require
    from warehouse.ledger import Ledger

    ledger = Ledger(require(home).ledger)
    try:
        yield ledger
    finally:
        ledger.close()


@outbox.command("list")
@click.option("--all", "everything", is_flag=True, help="Also mails that were sent.")
@click.option("--to", "with_address", is_flag=True, help="Also whom each is for.")
@shared
def outbox_list(everything: bool, with_address: bool, home: str | None, as_json: bool) -> None:
    """List mails that have not arrived: kind, night, state, attempts, problem; never a body."""
    from flows.outbox import listed

    with _ledger(home_of(home)) as ledger:
        rows, text = listed(ledger, everything=everything, with_address=with_address)
    tell(rows, as_json, text)


@outbox.command("send")
@shared
def outbox_send(home: str | None, as_json: bool) -> None:
    """Read bounces and send what is due: for a line of cron, every few minutes."""
    from flows.bounces import take
    from flows.outbox import as_counts, deliver

    place = home_of(home)
    with _ledger(place) as ledger:
        bounced = take(place.bounces, ledger)
        done = deliver(ledger, place, settings_of(place), clock, is_patient=True)
    tell({**done, "bounced": bounced["noted"]}, as_json, as_counts(done, bounced["noted"]))


@outbox.command("retry")
@click.argument("numbers", nargs=-1, metavar="[MESSAGE-ID]...")
@shared
def outbox_retry(numbers: tuple[str, ...], home: str | None, as_json: bool) -> None:
    """Send what is owed at once, and again what was refused or given up, if it is named."""
    from flows.outbox import as_counts, ask_again, deliver

    place = home_of(home)
    with _ledger(place) as ledger:
        ask_again(ledger, numbers)
        done = deliver(ledger, place, settings_of(place), clock)
    tell(done, as_json, as_counts(done))


@outbox.command("bounced")
@click.argument("number", metavar="MESSAGE-ID")
@shared
def outbox_bounced(number: str, home: str | None, as_json: bool) -> None:
    """Note that a mail came back: it did not arrive, and operators are told."""
    from flows.outbox import came_back

    with _ledger(home_of(home)) as ledger:
        found = came_back(ledger, number)
    tell({"message_id": found, "state": "undeliverable"}, as_json, f"{found} is undeliverable.")


COMMANDS = (outbox,)
