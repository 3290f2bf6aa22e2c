"""``undertow cohort plan``: who would enter and leave a cohort, when and why, before it changes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from flows.mail import environment
from flows.pictures.bars import shares
from transforms.attrition import strata
from transforms.catalog.acceptance import thresholds
from transforms.catalog.drafts import DraftError, draft
from transforms.catalog.rule import CohortDefinition
from transforms.cohort_changes import Comparison, History, compared
from warehouse.store import frame

FEW = 5
"""Patients named where nobody asked for all."""
Row = dict[str, Any]
_SERIES = (
    "SELECT d.*, t.p_without_one FROM trend_at_draw d LEFT JOIN trend t "
    "ON t.patient_id = d.patient_id AND t.last_on = d.drawn_on"
)
_EXCLUDED = (
    "SELECT patient_id, exclusion AS name, start_on AS from_on, end_on AS to_on FROM exclusion"
)
_PAIRS = "SELECT patient_id, drawn_on, glucose_mg_dl FROM fasting_pair WHERE used"
_PERSONS = "SELECT patient_id, birth_date, sex FROM patient"
_TIER_A = (
    "Tier A asks what is left without each draw, which is kept of the newest draw alone: of "
    "earlier draws the plan has nobody in it."
)
_GLUCOSE = "glucose_limit moves two high draws only; P(glucose fine) keeps 100 mg/dL of its own."


@dataclass(frozen=True, slots=True)
class Plan:
    """A draft against the definition in force: both, all days that differ, and counts of them.

    ``people``: sex and band of age of whom the days are; ``is_published``: whether the stays found
    under the definition in force are those of the published file.
    """

    now: CohortDefinition
    then: CohortDefinition
    as_of: date
    found: Comparison
    people: pl.DataFrame
    is_published: bool

    @property
    def changes(self) -> pl.DataFrame:
        """What differs, a row a span of days."""
        return self.found.changes


def read_draft(path: Path) -> tuple[CohortDefinition, CohortDefinition]:
    """The definition in force and the draft of a TOML file.

    Raises:
        DraftError: it is no TOML, or no draft (:func:`transforms.catalog.drafts.draft`).
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DraftError(f"{path.name}: no TOML: {error}") from None
    try:
        return draft(content)
    except DraftError as error:
        raise DraftError(f"{path.name}: {error}") from None


def plan(con: duckdb.DuckDBPyConnection, now: CohortDefinition, then: CohortDefinition) -> Plan:
    """Try both definitions on everything the published warehouse holds; nothing is written."""
    night = con.execute("SELECT as_of FROM tonight").fetchone()
    as_of: date = night[0] if night else date.min
    series, pairs, excluded, persons = (
        frame(con, query).lazy() for query in (_SERIES, _PAIRS, _EXCLUDED, _PERSONS)
    )
    found = compared(History(series, pairs, excluded, persons, as_of), now, then)
    concerned = found.changes.lazy().select("patient_id").unique()
    people = strata(persons.join(concerned, on="patient_id"), as_of).collect()
    published = frame(con, "SELECT * FROM cohort WHERE cohort = ?", [now.name])
    order = ["patient_id", "entered_on"]
    is_published = published.sort(order).equals(found.now.sort(order))
    return Plan(now, then, as_of, found, people, is_published)


def changed(found: Plan) -> Row:
    """What the draft changes: name -> as it is and as it would be."""
    pairs: dict[str, tuple[Any, Any]] = {
        name: (list(getattr(found.now, name)), list(getattr(found.then, name)))
        for name in ("statuses", "tiers")
    }
    before, after = thresholds(found.now.rule), thresholds(found.then.rule)
    pairs |= {name: (before[name], after[name]) for name in before}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def notes(found: Plan) -> list[str]:
    """What the plan cannot say."""
    said = [] if found.is_published else ["The published stays are of another version or code."]
    if "A" in found.then.tiers and "B" not in found.then.tiers:
        said.append(_TIER_A)
    return [*said, _GLUCOSE] if "glucose_limit" in changed(found) else said


def counts(found: Plan) -> Row:
    """Counts only, for people and pages."""
    changes = found.changes
    told = changes.join(found.people, on="patient_id", how="left")
    return {
        "tonight": {"now": _open(found.found.now), "then": _open(found.found.then)},
        "ever": {
            "now": found.found.now["patient_id"].n_unique(),
            "then": found.found.then["patient_id"].n_unique(),
        },
        "stays": {"now": found.found.now.height, "then": found.found.then.height},
        "changes": _by(changes, "change"),
        "years": _table(told.with_columns(level=pl.col("from_on").dt.year().cast(pl.String))),
        "sex": _table(told.with_columns(level="sex")),
        "age_band": _table(told.with_columns(level="age_band")),
        "because": _because(changes),
    }


def _open(stays: pl.DataFrame) -> int:
    return stays.filter(pl.col("left_on").is_null()).height


def _by(rows: pl.DataFrame, name: str) -> dict[str, int]:
    return dict(rows.group_by(name).len().sort("len", name, descending=[True, False]).iter_rows())


def _table(rows: pl.DataFrame) -> list[Row]:
    """Spans that the draft adds and takes away, by level."""
    gained = pl.col("is_in")
    sums = rows.group_by("level").agg(more=gained.sum(), less=(~gained).sum())
    return sums.sort("level").to_dicts()


def _because(changes: pl.DataFrame) -> list[Row]:
    """The deciding criteria: how often, and the least and the median distance from the bound."""
    distance = pl.col("margin").abs()
    keys = ["is_in", "criterion", "asks", "must_be", "bound", "unit"]
    return (
        changes.group_by(keys)
        .agg(n=pl.len(), nearest=distance.min(), median=distance.median())
        .sort("is_in", "n", "criterion", descending=[True, True, False])
        .to_dicts()
    )


def as_json(found: Plan) -> Row:
    """The plan for machines, every patient by id."""
    return {
        "cohort": found.now.name,
        "now": found.now.version,
        "then": found.then.version,
        "as_of": found.as_of,
        "changed": changed(found),
        "notes": notes(found),
        **counts(found),
        "patients": found.changes.to_dicts(),
    }


def as_text(found: Plan, *, everybody: bool) -> str:
    """The plan for people: counts, and the first few by id, or all."""
    told = counts(found)
    shown = found.changes if everybody else found.changes.head(FEW)
    more = found.changes.height - shown.height
    lines = [
        f"{found.now.name} {found.then.version} (draft) against version {found.now.version}, "
        f"in force since {found.now.accepted_on}; all history to {found.as_of}",
        *(f"  {name}: {_said(old)} -> {_said(new)}" for name, (old, new) in changed(found).items()),
        "",
        *(
            f"  {title:<22}{told[name]['now']:>8,} -> {told[name]['then']:,}"
            for title, name in (
                ("members tonight", "tonight"),
                ("people ever in", "ever"),
                ("stays", "stays"),
            )
        ),
        *(f"  {change:<22}{n:>8,}" for change, n in told["changes"].items()),
        *(line for name in ("years", "sex", "age_band") for line in _lines(name, told[name])),
        *_reasons(told["because"]),
        *(["", "  Patients"] if shown.height else []),
        *(_patient(row) for row in shown.iter_rows(named=True)),
        *([f"    and {more:,} more: --patients, or --json"] if more else []),
        *(f"  Note: {note}" for note in notes(found)),
        "  Nothing was written.",
    ]
    return "\n".join(lines)


def _said(value: object) -> str:
    return ", ".join(map(str, value)) or "any" if isinstance(value, list) else f"{value:g}"


def _lines(name: str, rows: Sequence[Row]) -> list[str]:
    title = {"years": "year", "sex": "sex", "age_band": "age"}[name]
    head = ["", f"  {title:<22}{'more':>8}{'less':>8}"]
    return [*head, *(f"  {r['level']:<22}{r['more']:>8,}{r['less']:>8,}" for r in rows)] * bool(
        rows
    )


def _reasons(because: Sequence[Row]) -> list[str]:
    lines = []
    for is_in, title in ((True, "In, for what kept them out"), (False, "Out, for what fails")):
        rows = [row for row in because if row["is_in"] == is_in]
        lines += ["", f"  {title}"] if rows else []
        lines += [f"    {row['n']:>6,}  {_asked(row)}" for row in rows]
    return lines


def _asked(row: Mapping[str, Any]) -> str:
    unit = "" if row["unit"] == "1" else f" {row['unit']}"
    near = (
        "value not known"
        if row["nearest"] is None
        else (f"nearest by {row['nearest']:.3g}, median {row['median']:.3g}")
    )
    return f"{row['criterion']} {row['must_be']} {row['bound']:g}{unit} ({near})"


def _patient(row: Mapping[str, Any]) -> str:
    unit = "" if row["unit"] == "1" else f" {row['unit']}"
    value = "not known" if row["value"] is None else f"{row['value']:.3g}"
    until = f" to {row['until_on']}" if row["until_on"] else ""
    return (
        f"    {row['patient_id']}: {row['change']}, {row['from_on']}{until}; {row['criterion']} "
        f"{value}{unit}, asked {row['must_be']} {row['bound']:g}"
    )


def as_page(found: Plan, code_version: str) -> str:
    """The plan as one page of counts; nobody is named."""
    told = counts(found)
    most = max((max(row["more"], row["less"]) for row in told["years"]), default=0)
    years = [
        {
            **row,
            "bars": [
                shares([(colour, row[name])], most, f"{row['level']}: {row[name]} {name}")
                for name, colour in (("more", "glucose"), ("less", "insulin"))
            ],
        }
        for row in told["years"]
    ]
    facts = told | {
        "years": years,
        "plan": found,
        "changed": {name: [_said(v) for v in pair] for name, pair in changed(found).items()},
        "notes": notes(found),
        "because": [{**row, "said": _asked(row)} for row in told["because"]],
        "code_version": code_version,
    }
    return environment().get_template("cohort_plan.html.j2").render(facts)
