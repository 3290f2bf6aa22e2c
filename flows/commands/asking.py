"""Questions in SQL: sql."""

from __future__ import annotations

import sys
from datetime import date

import click

from flows.commands.base import Day, home_of, shared


@click.command()
@click.argument("query", required=False)
@click.option("--night", type=Day(), help="Ask the kept file of a past night.")
@click.option("--csv", "as_csv", is_flag=True, help="For spreadsheets; text that they run is not.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Table rows.")
@click.option("--memory", help="What the query may use, such as 2GB.")
@shared
def sql(
    query: str | None,
    night: date | None,
    as_csv: bool,
    limit: int,
    memory: str | None,
    home: str | None,
    as_json: bool,
) -> None:
    """Ask the published warehouse a QUERY in SQL (default: standard input); it can only read."""
    from flows.asking import Shape, ask
    from flows.home import require

    if as_csv and as_json:
        raise click.UsageError("either --csv or --json")
    text = sys.stdin.read() if query is None else query
    shape: Shape = "csv" if as_csv else "json" if as_json else "table"
    place = require(home_of(home))
    for part in ask(place, text, night, shape=shape, limit=limit, memory=memory or ""):
        click.echo(part, nl=False)


COMMANDS = (sql,)
