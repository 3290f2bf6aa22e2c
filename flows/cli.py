"""The command line. Heavy imports wait for the command that needs them: --help answers at once."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pkgutil import iter_modules

import click

from flows import commands

LOCKED = 75
USAGE = {
    "AnswerError",
    "DraftError",
    "NoHomeError",
    "NotKeptError",
    "PastNightError",
    "QueryError",
    "SettingsError",
    "UnknownCohortError",
    "UnknownTableError",
}
"""Errors of settings or arguments: exit code 2."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="undertow", prog_name="undertow")
def cli() -> None:
    """Undertow tells a care team when fasting insulin climbs under normal glucose."""


for found in iter_modules(commands.__path__, f"{commands.__name__}."):
    for command in getattr(import_module(found.name), "COMMANDS", ()):
        cli.add_command(command)


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
