"""For analysts: explain, model, validate, export, release."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from flows.commands.base import clock, home_of, shared, tell, warehouse


@click.command()
@click.argument("patient")
@shared
def explain(patient: str, home: str | None, as_json: bool) -> None:
    """Why PATIENT has this status: draws, rule, numbers, what would change it."""
    from flows.explain import as_text, explanation

    with warehouse(home_of(home)) as con:
        found = explanation(con, patient)
    click.echo(found.as_json() if as_json else as_text(found))


@click.command()
@shared
def model(home: str | None, as_json: bool) -> None:
    """Show the trend model in force, where it is from, and how its forecasts fare."""
    from flows.model_text import in_force

    with warehouse(home_of(home)) as con:
        found, text = in_force(con)
    tell(found, as_json, text)


@click.command()
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


@click.command("export")
@click.argument("kind", type=click.Choice(["omop", "meds", "fhir", "parquet", "arrow"]))
@click.option("--to", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--identified", is_flag=True, help="From the care team's file, with real ids.")
@shared
def export_(kind: str, to: Path, identified: bool, home: str | None, as_json: bool) -> None:
    """Write the published warehouse in a shape of the field: it holds patients' data."""
    from flows.export import as_text, export

    done = export(home_of(home), kind, to, clock, is_identified=identified)
    tell(done, as_json, as_text(done))


@click.command()
@click.argument("name", default="list")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), help="A folder.")
@shared
def release(name: str, to: Path | None, home: str | None, as_json: bool) -> None:
    """Write the aggregate table NAME without cells of few people, or list the tables."""
    from flows.home import require
    from flows.release import as_list, as_text, tables
    from flows.release import release as let_out

    if name == "list":
        tell(tables(), as_json, as_list(tables()))
        return
    if to is None:
        raise click.UsageError("name a folder: --to DIR")
    done = let_out(require(home_of(home)), name, to, clock, getpass.getuser())
    tell(asdict(done), as_json, as_text(done))


@click.command()
@click.argument("who")
@shared
def crosswalk(who: str, home: str | None, as_json: bool) -> None:
    """Say whose pseudonym WHO is, or what WHO's pseudonym is: for the care team."""
    from flows.analyst import told_apart
    from flows.home import require

    found = told_apart(require(home_of(home)), who)
    tell(found, as_json, f"{found['patient_id']}  {found['pseudonym']}")


@click.command()
@click.argument("number", type=int, required=False)
@shared
def questions(number: int | None, home: str | None, as_json: bool) -> None:
    """List questions analysts ask, or answer one by its NUMBER."""
    from dataclasses import asdict as as_dict

    from flows.questions import answered, as_text, numbered
    from flows.questions import questions as all_of_them
    from flows.reading import published

    if number is None:
        found = all_of_them()
        lines = "\n".join(f"{item.number:>3}  {item.question}" for item in found)
        tell([as_dict(item) for item in found], as_json, lines)
        return
    question = numbered(number)
    with published(home_of(home), for_analysts=True) as con:
        answer = answered(con, question)
    tell(answer.to_dicts(), as_json, as_text(question, answer))


COMMANDS = (explain, model, validate, export_, release, crosswalk, questions)
