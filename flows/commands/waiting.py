"""Rows that wait: the group ``quarantine``."""

from __future__ import annotations

import getpass
import os
from typing import Any

import click

from flows.commands.base import Day, clock, home_of, settings_of, shared, tell, warehouse


@click.group()
def quarantine() -> None:
    """Rows that wait, with every reason."""


@quarantine.command("list")
@click.option("--all", "everything", is_flag=True, help="Also rows that are set aside.")
@shared
def quarantine_list(everything: bool, home: str | None, as_json: bool) -> None:
    """Count what waits, by source and reason."""
    from flows.reading import quarantined

    with warehouse(home_of(home)) as con:
        rows, text = quarantined(con, everything=everything)
    tell(rows, as_json, text)


@quarantine.command("show")
@click.argument("which")
@click.option("--limit", default=20, show_default=True)
@shared
def quarantine_show(which: str, limit: int, home: str | None, as_json: bool) -> None:
    """Show rows by quarantine id, file or reason (WHICH): they hold patients' data."""
    from flows.reading import quarantined_rows

    with warehouse(home_of(home)) as con:
        rows, text = quarantined_rows(con, which, limit)
    tell(rows, as_json, text)


@quarantine.command("approve")
@click.argument("which")
@click.option("--unit", default="", help="UCUM or a usual spelling; for one row: as proposed.")
@click.option("--analyte", default="", help="Which of several analytes.")
@click.option("--lab", help="Only this laboratory's rows.")
@click.option("--stated", help="Only rows whose unit came as this text; '' where none came.")
@click.option("--from", "from_on", type=Day(), help="Only files known from this night on.")
@click.option("--to", "to_on", type=Day(), help="Only files known up to this night.")
@click.option("--by", "given_by", default=getpass.getuser, help="Who decides (default: you).")
@shared
def quarantine_approve(home: str | None, as_json: bool, **wish: Any) -> None:  # noqa: ANN401 the fields of Wish
    """Decide in which unit rows are meant: one row, a file's or a source's (WHICH)."""
    from flows.approving import Wish, approve, as_text
    from flows.home import require

    done = approve(require(home_of(home)), Wish(**wish), clock)
    tell(done, as_json, as_text(done))


@quarantine.command("replay")
@shared
def quarantine_replay(home: str | None, as_json: bool) -> None:
    """Read what waits again, after a mapping or the catalog was mended."""
    from flows.home import require
    from flows.replay import replay_quarantine
    from flows.running import as_account

    place = require(home_of(home))
    done = replay_quarantine(place, settings_of(place), clock, os.environ)
    tell(done, as_json, as_account(done))


COMMANDS = (quarantine,)
