"""Alerts: the group ``alerts``."""

from __future__ import annotations

import click

from flows.commands.base import home_of, shared, tell, warehouse


@click.group()
def alerts() -> None:
    """Alerts by their work-list numbers."""


@alerts.command("list")
@shared
def alerts_list(home: str | None, as_json: bool) -> None:
    """List alerts: number, rule, tier, since when, state."""
    from flows.reading import alert_rows

    with warehouse(home_of(home)) as con:
        rows, text = alert_rows(con)
    tell(rows, as_json, text)


@alerts.command("show")
@click.argument("number")
@shared
def alerts_show(number: str, home: str | None, as_json: bool) -> None:
    """Explain the patient of an alert."""
    from flows.explain import as_text, explanation
    from flows.reading import patient_of

    with warehouse(home_of(home)) as con:
        found = explanation(con, patient_of(con, number))
    click.echo(found.as_json() if as_json else as_text(found))


COMMANDS = (alerts,)
