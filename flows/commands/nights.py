"""The night and what keeps it: init, run, replay, serve, listen, demo, doctor, verify."""

from __future__ import annotations

import os
import sys
from datetime import date
from pathlib import Path
from typing import Any

import click

from flows.commands.base import FILE, Day, clock, home_of, settings_of, shared, tell


@click.command()
@shared
def init(home: str | None, as_json: bool) -> None:
    """Make a home: inbox, settings, ledger."""
    from flows.home import make

    place = home_of(home)
    is_new = make(place)
    said = "made" if is_new else "was there already"
    tell(
        {"home": str(place.root), "new": is_new},
        as_json,
        f"{place.root} {said}. Drop files into {place.inbox}/<source>/, then `undertow run`.",
    )


@click.command()
@click.option("--as-of", type=Day(), help="The night's business date (default: today).")
@shared
def run(as_of: date | None, home: str | None, as_json: bool) -> None:
    """Run one night."""
    from flows.running import as_account, run_night

    place = home_of(home)
    is_new = not place.ledger.exists()
    done = run_night(place, settings_of(place), clock, os.environ, as_of)
    made = f"This is the first night of a new home: {place.root}\n" if is_new else ""
    tell(done, as_json, made + as_account(done))


@click.command()
@click.argument("day", type=Day(), metavar="DATE")
@shared
def replay(day: date, home: str | None, as_json: bool) -> None:
    """Run a past night again from what was known then, and compare its digest."""
    from flows.home import require
    from flows.replay import as_verdict, replayed

    place = require(home_of(home))
    found = replayed(place, settings_of(place), day, clock)
    tell(found, as_json, as_verdict(found))
    if not found["same"]:
        sys.exit(1)


@click.command()
@click.option("--seed", default=11, show_default=True, help="Another seed, another clinic.")
@click.option("--patients", default=300, show_default=True)
@shared
def demo(seed: int, patients: int, home: str | None, as_json: bool) -> None:
    """A synthetic clinic, five nights, and what they show."""
    from flows.demo import show

    show(home, seed, patients, clock, os.environ, as_json=as_json)


@click.command()
@shared
def serve(home: str | None, as_json: bool) -> None:
    """Run the night on its schedule, under Prefect."""
    from flows.home import require
    from flows.serve import serve as serve_nights

    place = require(home_of(home))
    serve_nights(place, settings_of(place), os.environ, as_json=as_json)


@click.command()
@click.argument("source")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=2575, show_default=True)
@click.option("--cert", type=FILE, help="Certificate chain (PEM): TLS 1.2 or newer.")
@click.option("--key", type=FILE, help="Its private key (PEM).")
@click.option("--client-ca", type=FILE, help="Take only clients whose certificate this CA signed.")
@click.option("--plain", "is_plain", is_flag=True, help="Beyond loopback without TLS.")
@shared
def listen(source: str, home: str | None, as_json: bool, **wish: Any) -> None:  # noqa: ANN401 the fields of Listening
    """Take HL7 v2 messages for SOURCE over MLLP, each on disk before it is acknowledged."""
    from flows.home import require
    from flows.listen import Listening
    from flows.listen import listen as take_messages

    def heard(said: str) -> None:
        tell({"said": said}, as_json, said)

    place = require(home_of(home))
    done = take_messages(place, settings_of(place), Listening(source, **wish), clock, heard)
    tell(done, as_json, ", ".join(f"{count} {name}" for name, count in done.items()))


@click.command()
@shared
def doctor(home: str | None, as_json: bool) -> None:
    """Look whether everything a night needs is in order."""
    from flows.doctor import as_text, examined

    checks = examined(home_of(home), os.environ)
    tell([check.__dict__ for check in checks], as_json, as_text(checks))
    if any(check.state == "bad" for check in checks):
        sys.exit(1)


@click.command()
@click.argument("file", type=FILE, required=False)
@click.option("--landed", help="For FILE: a home whose landed files its rows are compared with.")
@shared
def verify(file: Path | None, landed: str | None, home: str | None, as_json: bool) -> None:
    """Check a home from nothing: landed bytes, published file, account of rows. With FILE, a flag
    certificate, from that file alone."""
    from flows.doctor import as_text, verified
    from flows.home import require

    if file is None and landed:
        raise click.UsageError("--landed goes with the FILE of a certificate")
    if file is None:
        checks = verified(require(home_of(home)))
    else:
        from flows.verifying import verified_file

        checks = verified_file(file, require(home_of(landed)) if landed else None)
    tell([check.__dict__ for check in checks], as_json, as_text(checks))
    if any(check.state == "bad" for check in checks):
        sys.exit(1)


COMMANDS = (init, run, replay, demo, serve, listen, doctor, verify)
