"""What every command shares: ``--home`` and ``--json``, days, files, and how it tells."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import duckdb

    from flows.home import Home
    from flows.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


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


def clock() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


def home_of(given: str | None) -> Home:
    """The home that ``--home`` or the environment names."""
    from flows.home import locate

    return locate(given, os.environ)


def settings_of(home: Home) -> Settings:
    """The home's settings."""
    from flows.settings import load

    return load(home.settings)


@contextmanager
def warehouse(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published warehouse, as an analyst reads it."""
    from flows.reading import published

    with published(home) as con:
        yield con


def tell(payload: object, as_json: bool, text: str) -> None:
    """Say it: ``payload`` as JSON for machines, else ``text``."""
    click.echo(json.dumps(payload, default=str, ensure_ascii=False) if as_json else text)
