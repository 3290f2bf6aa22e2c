"""The dead man's switch: ``watch``. It loads nothing that nights need."""

from __future__ import annotations

import sys

import click

from flows.commands.base import clock, home_of, shared, tell


@click.command()
@shared
def watch(home: str | None, as_json: bool) -> None:
    """Mail operators if no night ended whole in time: for a cron line of its own, every hour."""
    from flows.watch import watch as look

    found = look(home_of(home), clock)
    for trouble in found.troubles:
        click.echo(f"undertow watch: {trouble}", err=True)
    payload = {"reasons": found.reasons, "known": found.known, "mailed": found.mailed}
    tell(payload, as_json, found.as_text())
    if found.reasons or found.troubles:
        sys.exit(1)


COMMANDS = (watch,)
