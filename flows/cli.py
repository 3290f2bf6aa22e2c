"""The command line. Heavy imports wait for the command that needs them: --help answers at once."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import duckdb

    from flows.home import Home
    from flows.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])
LOCKED = 75
USAGE = {"SettingsError", "NoHomeError", "PastNightError", "UnknownTableError"}
"""Errors of settings or arguments: exit code 2."""
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class Day(click.ParamType[date]):
    """A calendar day, YYYY-MM-DD."""

    name = "date"

    def convert(self, value: Any, param: Any, ctx: Any) -> date:  # noqa: ANN401 click's signature
        """The day, or a usage error."""
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no day such as 2026-03-31", param, ctx)


def shared(command: Command) -> Command:
    """``--home`` and ``--json``, on every command."""
    command = click.option("--json", "as_json", is_flag=True, help="For machines.")(command)
    return click.option("--home", help="The home directory (default: UNDERTOW_HOME, else ./var).")(
        command
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="undertow", prog_name="undertow")
def cli() -> None:
    """Undertow tells a care team when fasting insulin climbs under normal glucose."""


def main() -> None:
    """The command's entry: exit codes 0 done, 1 failed, 2 usage or settings, 75 locked."""
    os.umask(0o077)
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 the edge: say it, choose the code
        sys.exit(_said(error))


def _said(error: Exception) -> int:
    """Tell the error on stderr, without patients' data; return the exit code."""
    name = type(error).__name__
    own = type(error).__module__.split(".")[0] in (
        "flows",
        "warehouse",
        "expectations",
        "transforms",
    )
    text = str(error) if own else f"{name}; set UNDERTOW_DEBUG=1 for where (may show data)"
    click.echo(f"undertow: {text}", err=True)
    if os.environ.get("UNDERTOW_DEBUG"):
        raise error
    return LOCKED if name == "LockedError" else 2 if name in USAGE else 1


def _clock() -> datetime:
    return datetime.now(UTC)


def _home(given: str | None) -> Home:
    from flows.home import locate

    return locate(given, os.environ)


def _settings(home: Home) -> Settings:
    from flows.settings import load

    return load(home.settings)


@contextmanager
def _warehouse(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    from flows.reading import published

    with published(home) as con:
        yield con


def _tell(payload: object, as_json: bool, text: str) -> None:
    click.echo(json.dumps(payload, default=str, ensure_ascii=False) if as_json else text)


@cli.command()
@shared
def init(home: str | None, as_json: bool) -> None:
    """Make a home: inbox, settings, ledger."""
    from flows.home import make

    place = _home(home)
    is_new = make(place)
    said = "made" if is_new else "was there already"
    _tell(
        {"home": str(place.root), "new": is_new},
        as_json,
        f"{place.root} {said}. Drop files into {place.inbox}/<source>/, then `undertow run`.",
    )


@cli.command()
@click.option("--as-of", type=Day(), help="The night's business date (default: today).")
@shared
def run(as_of: date | None, home: str | None, as_json: bool) -> None:
    """Run one night."""
    from flows.running import as_account, run_night

    place = _home(home)
    done = run_night(place, _settings(place), _clock, os.environ, as_of)
    _tell(done, as_json, as_account(done))


@cli.command()
@click.argument("day", type=Day(), metavar="DATE")
@shared
def replay(day: date, home: str | None, as_json: bool) -> None:
    """Run a past night again from what was known then, and compare its digest."""
    from flows.home import require
    from flows.replay import as_verdict, replayed

    place = require(_home(home))
    found = replayed(place, _settings(place), day, _clock)
    _tell(found, as_json, as_verdict(found))
    if not found["same"]:
        sys.exit(1)


@cli.command()
@click.option("--seed", default=11, show_default=True, help="Another seed, another clinic.")
@click.option("--patients", default=300, show_default=True)
@shared
def demo(seed: int, patients: int, home: str | None, as_json: bool) -> None:
    """A synthetic clinic, five nights, and what they show."""
    from flows.demo import show

    show(home, seed, patients, _clock, os.environ, as_json=as_json)


@cli.command()
@shared
def serve(home: str | None, as_json: bool) -> None:
    """Run the night on its schedule, under Prefect."""
    from flows.home import require
    from flows.serve import serve as serve_nights

    place = require(_home(home))
    serve_nights(place, _settings(place), os.environ, as_json=as_json)


@cli.command()
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

    def tell(said: str) -> None:
        _tell({"said": said}, as_json, said)

    place = require(_home(home))
    done = take_messages(place, _settings(place), Listening(source, **wish), _clock, tell)
    _tell(done, as_json, ", ".join(f"{count} {name}" for name, count in done.items()))


@cli.command()
@click.argument("patient")
@shared
def explain(patient: str, home: str | None, as_json: bool) -> None:
    """Why PATIENT has this status: draws, rule, numbers, what would change it."""
    from flows.explain import as_text, explanation

    with _warehouse(_home(home)) as con:
        found = explanation(con, patient)
    click.echo(found.as_json() if as_json else as_text(found))


@cli.group()
def quarantine() -> None:
    """Rows that wait, with every reason."""


@quarantine.command("list")
@click.option("--all", "everything", is_flag=True, help="Also rows that are set aside.")
@shared
def quarantine_list(everything: bool, home: str | None, as_json: bool) -> None:
    """Count what waits, by source and reason."""
    from flows.reading import quarantined

    with _warehouse(_home(home)) as con:
        rows, text = quarantined(con, everything=everything)
    _tell(rows, as_json, text)


@quarantine.command("show")
@click.argument("which")
@click.option("--limit", default=20, show_default=True)
@shared
def quarantine_show(which: str, limit: int, home: str | None, as_json: bool) -> None:
    """Show rows by quarantine id, file or reason (WHICH): they hold patients' data."""
    from flows.reading import quarantined_rows

    with _warehouse(_home(home)) as con:
        rows, text = quarantined_rows(con, which, limit)
    _tell(rows, as_json, text)


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

    done = approve(require(_home(home)), Wish(**wish), _clock)
    _tell(done, as_json, as_text(done))


@quarantine.command("replay")
@shared
def quarantine_replay(home: str | None, as_json: bool) -> None:
    """Read what waits again, after a mapping or the catalog was mended."""
    from flows.home import require
    from flows.replay import replay_quarantine
    from flows.running import as_account

    place = require(_home(home))
    done = replay_quarantine(place, _settings(place), _clock, os.environ)
    _tell(done, as_json, as_account(done))


@cli.group()
def alerts() -> None:
    """Alerts by their work-list numbers."""


@alerts.command("list")
@shared
def alerts_list(home: str | None, as_json: bool) -> None:
    """List alerts: number, rule, tier, since when, state."""
    from flows.reading import alert_rows

    with _warehouse(_home(home)) as con:
        rows, text = alert_rows(con)
    _tell(rows, as_json, text)


@alerts.command("show")
@click.argument("number")
@shared
def alerts_show(number: str, home: str | None, as_json: bool) -> None:
    """Explain the patient of an alert."""
    from flows.explain import as_text, explanation
    from flows.reading import patient_of

    with _warehouse(_home(home)) as con:
        found = explanation(con, patient_of(con, number))
    click.echo(found.as_json() if as_json else as_text(found))


@cli.command()
@click.option("--people", type=click.IntRange(100), default=5000, show_default=True)
@click.option("--seed", default=3001, show_default=True, help="Another seed, other people.")
@click.option("--world", multiple=True, default=("base",), help="A simulated world, or all.")
@click.option("--draws", type=click.IntRange(2, 10), help="Visits of each person.")
@click.option("--every", type=float, help="Years between visits, about.")
@click.option("--prevalence", type=float, help="Share who climb unseen, such as 0.05.")
@click.option("--insulin-cv", type=float, help="Of biology and assay together, such as 0.25.")
@click.option("--repeat", type=click.IntRange(1, 5), help="Draws at each visit.")
@click.option("--with-oracle", is_flag=True, help="The best possible as well; takes minutes.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page too.")
@shared
def validate(
    home: str | None,  # noqa: ARG001 every command takes one; this needs none
    people: int,
    seed: int,
    world: tuple[str, ...],
    with_oracle: bool,
    html: Path | None,
    as_json: bool,
    **wishes: Any,  # noqa: ANN401 the fields of Wishes, by click's types
) -> None:
    """Try the model and simpler rules on simulated people whose truth is known."""
    from flows.validate import show
    from transforms.synthetic.worlds import Wishes

    show(world, Wishes(**wishes), people, seed, html, with_oracle=with_oracle, as_json=as_json)


@cli.command()
@shared
def model(home: str | None, as_json: bool) -> None:
    """Show the trend model in force, where it is from, and how its forecasts fare."""
    from flows.model_text import in_force

    with _warehouse(_home(home)) as con:
        found, text = in_force(con)
    _tell(found, as_json, text)


@cli.command("export")
@click.argument("kind", type=click.Choice(["omop", "meds", "fhir", "parquet", "arrow"]))
@click.option("--to", required=True, type=click.Path(file_okay=False, path_type=Path))
@shared
def export_(kind: str, to: Path, home: str | None, as_json: bool) -> None:
    """Write the published warehouse in a shape of the field: it holds patients' data."""
    from flows.export import as_text, export

    done = export(_home(home), kind, to, _clock)
    _tell(done, as_json, as_text(done))


@cli.command()
@click.argument("name", default="list")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), help="A folder.")
@shared
def release(name: str, to: Path | None, home: str | None, as_json: bool) -> None:
    """Write the aggregate table NAME without cells of few people, or list the tables."""
    from flows.home import require
    from flows.release import as_list, as_text, tables
    from flows.release import release as let_out

    if name == "list":
        _tell(tables(), as_json, as_list(tables()))
        return
    if to is None:
        raise click.UsageError("name a folder: --to DIR")
    done = let_out(require(_home(home)), name, to, _clock, getpass.getuser())
    _tell(asdict(done), as_json, as_text(done))


@cli.command()
@shared
def doctor(home: str | None, as_json: bool) -> None:
    """Look whether everything a night needs is in order."""
    from flows.doctor import as_text, examined

    checks = examined(_home(home), os.environ)
    _tell([check.__dict__ for check in checks], as_json, as_text(checks))
    if any(check.state == "bad" for check in checks):
        sys.exit(1)


@cli.command()
@shared
def verify(home: str | None, as_json: bool) -> None:
    """Check landed bytes, the published file's digest and the account of rows, from nothing."""
    from flows.doctor import as_text, verified
    from flows.home import require

    checks = verified(require(_home(home)))
    _tell([check.__dict__ for check in checks], as_json, as_text(checks))
    if any(check.state == "bad" for check in checks):
        sys.exit(1)
