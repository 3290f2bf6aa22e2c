"""The truth-known benchmark: simulated people whose future is known, this model and its rivals."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any

import click
import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.mail import environment
from flows.night import Progress
from flows.terminal import progress_shown
from transforms.lead_time import EVER_FLAGGED, Lead, lead
from transforms.rivals import RIVALS
from transforms.synthetic.physiology import MOST_DRAWS, Cohort
from transforms.synthetic.worlds import SCENARIOS, Scenario, ScenarioError, Wishes, wished
from transforms.validation import (
    MODEL,
    ORACLE,
    THRESHOLDS,
    Bin,
    Discoveries,
    Row,
    Ruled,
    Stratum,
    calibration,
    calibration_error,
    discoveries,
    judged,
    ratios,
    rows,
    ruled,
    strata,
)

COMPARED = (MODEL, "HOMA-IR", "OLS p")
"""Shown by number of draws."""
TUNED = {
    202: "the shipped prior was fitted on it",
    **dict.fromkeys((606, 707, *range(1001, 1007)), "the model was chosen by it"),
}
"""Seeds that flatter the model."""
BLOCKS = 20
STEPS = ("simulate", "judge", "oracle", "lead time")


@dataclass(frozen=True, slots=True)
class Report:
    """One world: who was simulated, and how every method did."""

    world: str
    sentence: str
    seed: int
    people: int
    positive: int
    visits_each: float
    draws_a_visit: int
    rows: tuple[Row, ...]
    to_oracle: Row | None
    rules: tuple[Ruled, ...]
    bins: tuple[Bin, ...]
    discoveries: tuple[Discoveries, ...]
    strata: tuple[Stratum, ...]
    lead: Lead


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as it is read: ``cells`` row by row, the first of each a name."""

    title: str
    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    note: str = ""


def show(
    names: Sequence[str],
    wishes: Wishes,
    people: int,
    seed: int,
    page: Path | None,
    *,
    with_oracle: bool,
    as_json: bool,
) -> None:
    """Simulate, judge, print; with ``page``, write the page too.

    Raises:
        click.UsageError: an unknown world, a wish that cannot be simulated, no folder for the page.
    """
    chosen = _scenarios(names, wishes)
    if page and not page.parent.is_dir():
        raise click.UsageError(f"there is no folder {page.parent}")
    with progress_shown() as progress:
        steps = _told(progress, len(chosen) * len(STEPS))
        reports = [reported(plan, people, seed, steps, with_oracle=with_oracle) for plan in chosen]
    if page:
        page.write_text(as_page(reports), encoding="utf-8")
    if as_json:
        click.echo(as_document(reports, wishes))
    else:
        _print(reports)


Plan = tuple[Scenario, Scenario]
"""A world as it is to be judged, and the same with every person followed over all draws."""


def _scenarios(names: Sequence[str], wishes: Wishes) -> list[Plan]:
    wanted = list(SCENARIOS) if "all" in names else list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in SCENARIOS]
    if unknown:
        known = ", ".join([*SCENARIOS, "all"])
        raise click.UsageError(f"no world is called {', '.join(unknown)}; there are {known}")
    try:
        long = replace(wishes, draws=MOST_DRAWS)
        return [(wished(SCENARIOS[n], wishes), wished(SCENARIOS[n], long)) for n in wanted]
    except ScenarioError as error:
        raise click.UsageError(str(error)) from error


def _told(progress: Progress, total: int) -> Iterator[None]:
    """Tell a step each time it is asked to go on."""
    for done in range(total):
        progress(STEPS[done % len(STEPS)], done, total)
        yield


def reported(
    plan: Plan, people: int, seed: int, steps: Iterator[None], *, with_oracle: bool
) -> Report:
    """Simulate ``people`` and judge them by every method; ``steps`` is gone through on the way."""
    scenario, long = plan
    next(steps)
    made = scenario.cohort(people, seed)
    next(steps)
    found, names = judged(made), [MODEL, *(rival.name for rival in RIVALS)]
    next(steps)
    has_oracle = with_oracle and scenario.repeat == 1
    if has_oracle:
        found, names = _beside_oracle(found, made, scenario), [ORACLE, *names]
    next(steps)
    p, hit = found[MODEL].to_numpy(), found["is_positive"].to_numpy()
    return Report(
        world=scenario.name,
        sentence=scenario.sentence,
        seed=seed,
        people=found.height,
        positive=int(hit.sum()),
        visits_each=int(found["n_pairs"].sum()) / max(found.height, 1),
        draws_a_visit=scenario.repeat,
        rows=rows(found, seed, names),
        to_oracle=ratios(found, seed) if has_oracle else None,
        rules=ruled(found),
        bins=calibration(p, hit),
        discoveries=tuple(discoveries(p, hit, threshold) for threshold in THRESHOLDS),
        strata=strata(found, seed, [ORACLE, *COMPARED] if has_oracle else COMPARED),
        lead=lead(long.cohort(people, seed)),
    )


def _beside_oracle(found: pl.DataFrame, made: Cohort, scenario: Scenario) -> pl.DataFrame:
    from transforms.synthetic.oracle import posterior

    best = posterior(made, scenario).select("patient_id", pl.col("p").alias(ORACLE))
    return found.join(best, on="patient_id").sort("patient_id")


def sheets(report: Report) -> tuple[Sheet, ...]:
    """The tables of a report."""
    return (
        _rankings(report),
        _rules(report),
        _calibration(report),
        _discoveries(report),
        _strata(report, "AUROC", "auroc"),
        _strata(report, "true share of the top 2 %", "ppv"),
        *(_leads(report, k) for k in range(len(EVER_FLAGGED))),
    )


def headline(report: Report) -> str:
    """Who was simulated."""
    repeated = f", {report.draws_a_visit} draws a visit" if report.draws_a_visit > 1 else ""
    text = (
        f"World {report.world}: {report.sentence}. {report.people:,} people with two visits or "
        f"more (seed {report.seed}), {report.visits_each:.1f} visits each{repeated}; "
        f"{report.positive:,} ({report.positive / report.people:.1%}) climb unseen."
    )
    flatters = TUNED.get(report.seed)
    return f"{text} Seed {report.seed} flatters the model: {flatters}." if flatters else text


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if isfinite(value) else "-"


def _with_error(value: float, error: float) -> str:
    said = _number(value)
    return f"{said} ±{error:.3f}".replace("±0.", "±.") if isfinite(value + error) else said


def _ranked(row: Row) -> tuple[str, ...]:
    values, errors = asdict(row.ranking), asdict(row.error)
    return (row.name, *(_with_error(values[name], errors[name]) for name in values))


def _rankings(report: Report) -> Sheet:
    every = report.rows if report.to_oracle is None else (*report.rows, report.to_oracle)
    repeated = " With several draws a visit there is no oracle." if report.draws_a_visit > 1 else ""
    return Sheet(
        "Who is put first",
        ("method", "AUROC", "AUPRC", "sens. at 95 %", "sens. at 99 %", "PPV top 2 %"),
        tuple(_ranked(row) for row in every),
        "Sensitivity at that specificity. ±: one standard error, by bootstrap over people."
        + repeated,
    )


def _rules(report: Report) -> Sheet:
    return Sheet(
        "Fixed rules as practised",
        ("rule", "sensitivity", "specificity", "PPV", "flagged"),
        tuple((r.name, *map(_number, asdict(r.flags).values())) for r in report.rules),
    )


def blocks(item: Bin) -> str:
    """The true share as blocks, and where the claim would have it end."""
    if not item.people:
        return ""
    line = ["█" if k < round(item.true * BLOCKS) else "·" for k in range(BLOCKS)]
    return "".join([*line[: (at := round(item.claimed * BLOCKS))], "|", *line[at:]])


def _calibration(report: Report) -> Sheet:
    return Sheet(
        "What the model claims, and what is true",
        ("claim", "people", "claimed", "true", "true as blocks, | the claim"),
        tuple(
            (
                f"{b.low:.1f} - {b.high:.1f}",
                f"{b.people:,}",
                _number(b.claimed),
                _with_error(b.true, b.error),
                blocks(b),
            )
            for b in report.bins
        ),
        f"Mean distance of claim and truth (ECE): {_number(calibration_error(report.bins))}.",
    )


def _discoveries(report: Report) -> Sheet:
    return Sheet(
        "False among those marked",
        ("marked from", "people", "false, true share", "false, as claimed"),
        tuple(
            (f"p >= {d.threshold}", f"{d.flagged:,}", _number(d.false), _number(d.claimed))
            for d in report.discoveries
        ),
    )


def _strata(report: Report, title: str, measure: str) -> Sheet:
    names = [row.name for row in report.strata[0].rows]
    cells = []
    for s in report.strata:
        found = [(getattr(r.ranking, measure), getattr(r.error, measure)) for r in s.rows]
        told = (_with_error(*item) for item in found)
        cells.append((s.visits, f"{s.people:,}", f"{s.positive:,}", *told))
    return Sheet(
        f"By number of visits: {title}",
        ("visits", "people", "climb", *names),
        tuple(cells),
        "The top 2 % of the people with so many visits." if measure == "ppv" else "",
    )


def _leads(report: Report, k: int) -> Sheet:
    counted = report.lead
    cells = [
        (name, *(_number(value, 2) for value in list(asdict(caught[k]).values())[1:]))
        for name, caught in counted.caught.items()
    ]
    return Sheet(
        f"Before glucose fails, {EVER_FLAGGED[k]:.0%} of the never-positive ever flagged",
        ("method", "before", ">= 1 y before", ">= 2 y before", "median years"),
        tuple(cells),
        ""
        if k + 1 < len(EVER_FLAGGED)
        else f"People with {MOST_DRAWS} visits, followed from the third on. Shares of "
        f"{counted.crossing:,} climbers flagged before their true glucose reaches 100 mg/dL; "
        f"{counted.never_positive:,} are never positive. One standard error of a share of .3 is "
        f"{_number((0.21 / max(counted.crossing, 1)) ** 0.5, 2)}.",
    )


def _print(reports: Sequence[Report]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for report in reports:
        console.print(Text(headline(report), style="bold"))
        for sheet in sheets(report):
            console.print()
            console.print(_rich(sheet) if console.is_terminal else Text(plain(sheet)))
            if sheet.note:
                console.print(Text(sheet.note, style="dim"))
        console.print()


def _rich(sheet: Sheet) -> Table:
    table = Table(title=sheet.title, title_justify="left", title_style="bold", box=None)
    for position, name in enumerate(sheet.header):
        table.add_column(name, justify="left" if position == 0 else "right")
    for cells in sheet.cells:
        table.add_row(*map(Text, cells))
    return table


def plain(sheet: Sheet) -> str:
    """A sheet as aligned text."""
    lines = (sheet.header, *sheet.cells)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [
        "  ".join(
            cell.rjust(w) if k else cell.ljust(w) for k, (cell, w) in enumerate(both)
        ).rstrip()
        for both in (list(zip(line, widths, strict=True)) for line in lines)
    ]
    return "\n".join([sheet.title, *aligned])


def as_document(reports: Sequence[Report], wishes: Wishes) -> str:
    """Everything, for machines: one JSON document, null where nothing can be said."""
    return json.dumps(
        {"changed": asdict(wishes), "worlds": [_finite(asdict(report)) for report in reports]}
    )


def _finite(value: Any) -> Any:  # noqa: ANN401 any part of a document
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


SIDE = 100.0
"""Of the diagrams' squares, in their own units."""
COLOURS = {MODEL: "insulin", "HOMA-IR": "glucose", "OLS p": "soft", ORACLE: "ink"}


def as_page(reports: Sequence[Report]) -> str:
    """One page that needs nothing else: diagrams and tables, everything escaped."""
    worlds = [
        {
            "name": report.world,
            "headline": headline(report),
            "dots": _dots(report),
            "bars": _bars(report),
            "labels": _labels(report),
            "legend": [(row.name, COLOURS[row.name]) for row in report.strata[0].rows],
            "sheets": sheets(report),
        }
        for report in reports
    ]
    template = environment().get_template("validation.html.j2")
    return template.render(worlds=worlds, code_version=version("undertow"))


def _dots(report: Report) -> list[dict[str, float]]:
    """The reliability diagram: y grows downwards."""
    return [
        {
            "x": SIDE * b.claimed,
            "y": SIDE * (1 - b.true),
            "top": SIDE * (1 - min(b.true + b.error, 1)),
            "bottom": SIDE * (1 - max(b.true - b.error, 0)),
            "people": b.people,
        }
        for b in report.bins
        if b.people
    ]


def _bars(report: Report) -> list[dict[str, Any]]:
    """PPV of the top 2 % by number of visits: groups side by side, each method a bar."""
    group = SIDE / max(len(report.strata), 1)
    found = []
    for place, stratum in enumerate(report.strata):
        width = 0.8 * group / len(stratum.rows)
        for k, row in enumerate(stratum.rows):
            height = SIDE * row.ranking.ppv if isfinite(row.ranking.ppv) else 0.0
            found.append(
                {
                    "x": place * group + 0.1 * group + k * width,
                    "y": SIDE - height,
                    "width": width,
                    "height": height,
                    "colour": COLOURS[row.name],
                    "said": f"{stratum.visits} visits, {row.name}: {_number(row.ranking.ppv, 2)}",
                }
            )
    return found


def _labels(report: Report) -> list[dict[str, Any]]:
    group = SIDE / max(len(report.strata), 1)
    return [{"x": (k + 0.5) * group, "text": s.visits} for k, s in enumerate(report.strata)]
