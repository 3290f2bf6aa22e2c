"""Alerts: the group ``alerts``."""

from __future__ import annotations

import getpass
from datetime import date
from typing import Any

import click

from flows.commands.base import Command, Day, clock, home_of, settings_of, shared, tell, warehouse

BY = click.option("--by", "actor", default=getpass.getuser, help="Who answers (default: you).")


@click.group()
def alerts() -> None:
    """Alerts by their work-list numbers."""


@alerts.command("list")
@click.option("--all", "everything", is_flag=True, help="Also alerts that have ended.")
@click.option("--quiet", "is_quiet", is_flag=True, help="Only those kept quiet, and why.")
@shared
def alerts_list(everything: bool, is_quiet: bool, home: str | None, as_json: bool) -> None:
    """List alerts: number, rule, tier, since when, state; as they stand now."""
    from flows.alert_list import as_text, listed
    from flows.home import require

    rows = listed(require(home_of(home)), everything=everything, is_quiet=is_quiet)
    tell(rows, as_json, as_text(rows))


@alerts.command("show")
@click.argument("number")
@shared
def alerts_show(number: str, home: str | None, as_json: bool) -> None:
    """Explain the patient of an alert."""
    from flows.alert_list import patient_of
    from flows.explain import as_text, explanation
    from flows.home import require

    place = require(home_of(home))
    patient = patient_of(place, number)
    with warehouse(place) as con:
        found = explanation(con, patient)
    click.echo(found.as_json() if as_json else as_text(found))


def _answers(command: Command) -> Command:
    """``NUMBER``, ``--by`` and what every command has."""
    return click.argument("number")(BY(shared(command)))


@alerts.command("ack")
@click.option("--note", default="", help="For those who read the alert after you.")
@_answers
def alerts_ack(note: str, **said: Any) -> None:  # noqa: ANN401 number, actor, home, as_json
    """Acknowledge: somebody has seen it and goes on from here."""
    _answer("acknowledged", {"note": note}, **said)


@alerts.command("snooze")
@click.option("--until", required=True, metavar="DATE", help="The night it comes back.")
@click.option("--reason", required=True)
@_answers
def alerts_snooze(until: str, reason: str, **said: Any) -> None:  # noqa: ANN401
    """Put it off until DATE, with a reason."""
    _answer("snoozed", {"until": until, "reason": reason}, **said)


@alerts.command("comment")
@_answers
@click.argument("text")
def alerts_comment(text: str, **said: Any) -> None:  # noqa: ANN401
    """Write TEXT beside it."""
    _answer("commented", {"text": text}, **said)


@alerts.command("judge")
@click.option("--useful/--not-useful", "is_useful", required=True)
@click.option("--why", default="", help="Needed where it was not.")
@_answers
def alerts_judge(is_useful: bool, why: str, **said: Any) -> None:  # noqa: ANN401
    """Say whether it was useful; the heartbeat tells how many were."""
    _answer("disposed", {"is_useful": is_useful, "why": why}, **said)


@alerts.command("release")
@click.argument("numbers", nargs=-1, metavar="[NUMBER]...")
@click.option("--night", type=Day(), help="All that the burst of that night holds.")
@BY
@shared
def alerts_release(
    numbers: tuple[str, ...], night: date | None, actor: str, home: str | None, as_json: bool
) -> None:
    """Let those go that a burst holds: the next night tells them, as the budget allows."""
    from flows.alert_list import answered, as_text, held_by_burst
    from flows.home import require

    if bool(numbers) == bool(night):
        raise click.UsageError("name alerts by their numbers, or a --night, not both")
    place = require(home_of(home))
    settings, now = settings_of(place), clock()
    wanted = held_by_burst(place, night) if night else numbers
    rows = [answered(place, settings, number, "released", {}, actor, now) for number in wanted]
    tell(rows, as_json, as_text(rows))


def _answer(
    kind: str, facts: dict[str, object], number: str, actor: str, home: str | None, as_json: bool
) -> None:
    from flows.alert_list import answered, as_text
    from flows.home import require

    place = require(home_of(home))
    row = answered(place, settings_of(place), number, kind, facts, actor, clock())
    tell(row, as_json, as_text([row]))


@alerts.command("plan")
@click.option(
    "--set", "changes", multiple=True, metavar="NAME=VALUE", help="budget_per_week or a threshold."
)
@click.option("--nights", type=click.IntRange(1), default=14, show_default=True)
@shared
def alerts_plan(changes: tuple[str, ...], nights: int, home: str | None, as_json: bool) -> None:
    """What a changed threshold or budget would have told over the last nights."""
    from flows.alert_plan import as_json as for_machines
    from flows.alert_plan import as_text, plan
    from flows.compose import panels

    place = home_of(home)
    settings = settings_of(place)
    changed = dict(_change(text) for text in changes)
    with warehouse(place) as con:
        found = plan(con, settings, panels(place, settings), changed, nights)
    tell(for_machines(found), as_json, as_text(found))


def _change(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no NAME=VALUE such as tier_b_p=0.6") from None


COMMANDS = (alerts,)
