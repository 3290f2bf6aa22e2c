"""Cohorts as versioned definitions: the group ``cohort``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.commands.base import FILE, home_of, settings_of, shared, tell, warehouse

if TYPE_CHECKING:
    from flows.cohort_text import Members


@click.group()
def cohort() -> None:
    """Definitions of cohorts: what they ask, and what a change would do."""


@cohort.command("list")
@shared
def cohort_list(home: str | None, as_json: bool) -> None:
    """Every version of every cohort: draft, accepted or deprecated, and its members."""
    from flows.cohort_text import listed

    rows, text = listed(_members(home))
    tell(rows, as_json, text)


@cohort.command("show")
@click.argument("name")
@click.option("--version", help="Another version than the one in force.")
@shared
def cohort_show(name: str, version: str | None, home: str | None, as_json: bool) -> None:
    """What the cohort NAME asks, criterion by criterion, with its bounds."""
    from flows.cohort_text import shown

    row, text = shown(name, version, _members(home))
    tell(row, as_json, text)


@cohort.command("plan")
@click.argument("draft", type=FILE)
@click.option("--patients", is_flag=True, help="Name everybody, not only the first few.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page too.")
@shared
def cohort_plan(
    draft: Path, patients: bool, html: Path | None, home: str | None, as_json: bool
) -> None:
    """Who would enter and leave by DRAFT (TOML), when and why, over all history.

    Writes nothing to the warehouse.
    """
    from flows import cohort_plan as plans
    from flows.version import version

    now, then = plans.read_draft(draft)
    place = home_of(home)
    with warehouse(place) as con:
        found = plans.plan(con, now, then)
    if html:
        page = plans.as_page(found, str(version(settings_of(place))))
        html.write_text(page, encoding="utf-8")
    tell(plans.as_json(found), as_json, plans.as_text(found, everybody=patients))


def _members(home: str | None) -> Members:
    """Counts of the published file; none where nothing is published yet."""
    from flows.cohort_text import members
    from flows.reading import NothingPublishedError

    try:
        with warehouse(home_of(home)) as con:
            return members(con)
    except NothingPublishedError:
        return {}


COMMANDS = (cohort,)
