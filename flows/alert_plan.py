"""``undertow alerts plan``: what a changed threshold or budget would have told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import duckdb
import polars as pl

from flows.letters import recipients
from flows.settings import Settings
from flows.standing import spans
from transforms.alert_trials import Night, moments, told
from transforms.alerting import by_urgency
from transforms.catalog.drafts import changed_rule
from transforms.catalog.rule import RULE, Rule
from transforms.exclusions import excluded_spans
from transforms.statuses import at_draws
from transforms.telling import Telling
from warehouse.store import frame

BUDGET = "budget_per_week"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the last nights would have told as things are, and with the change."""

    changed: Mapping[str, float]
    now: list[Night]
    then: list[Night]
    only_now: list[str]
    only_then: list[str]


def plan(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    panels: Mapping[str, str],
    changed: Mapping[str, float],
    nights: int,
) -> Plan:
    """The last ``nights`` nights once as they are and once with thresholds or a budget changed.

    Args:
        con: the published warehouse; nothing is written.
        settings: the home's.
        panels: patient -> panel.
        changed: thresholds of the rule, or :data:`BUDGET`.
        nights: how many, at most as many as ran.

    Raises:
        DraftError: a threshold that there is not, or a number that it cannot be.
    """
    thresholds = {name: _number(value) for name, value in changed.items() if name != BUDGET}
    rule = changed_rule(RULE, thresholds, "on trial")
    budget = int(changed.get(BUDGET, settings.alerts.budget_per_week))
    days = [
        day
        for (day,) in con.execute(
            "SELECT DISTINCT night FROM run WHERE state = 'done' ORDER BY night DESC LIMIT ?",
            [nights],
        ).fetchall()
    ][::-1]
    tried = _trial(con, settings, panels)
    now, first_now = tried(RULE, settings.alerts.budget_per_week, days)
    then, first_then = tried(rule, budget, days)
    return Plan(
        changed,
        now,
        then,
        sorted({*first_now} - {*first_then}),
        sorted({*first_then} - {*first_now}),
    )


def _number(value: float) -> float | int:
    """As people write it: a whole number is one."""
    return int(value) if value.is_integer() and value > 1 else value


Trial = Callable[[Rule, int, list[date]], tuple[list[Night], Mapping[str, date]]]


def _trial(con: duckdb.DuckDBPyConnection, settings: Settings, panels: Mapping[str, str]) -> Trial:
    con.execute("CREATE OR REPLACE TEMP TABLE affected AS SELECT patient_id FROM store.person")
    excluded = excluded_spans(spans(con, "condition"), spans(con, "medication")).collect().lazy()
    series = frame(
        con,
        "SELECT d.*, t.p_without_one FROM store.trend_at_draw d LEFT JOIN store.trend t "
        "ON t.patient_id = d.patient_id AND t.last_on = d.drawn_on",
    ).lazy()
    pairs = frame(
        con,
        "SELECT patient_id, drawn_on, glucose_mg_dl, known_on FROM store.fasting_pair WHERE used",
    ).lazy()
    known = pairs.select("patient_id", "drawn_on", "known_on")

    def tried(rule: Rule, budget: int, days: list[date]) -> tuple[list[Night], Mapping[str, date]]:
        found = at_draws(series, pairs.drop("known_on"), rule)
        when = moments(found, excluded, known, rule)
        return told(when, days, _terms(settings, panels, when, budget, days[-1]))

    return tried


def _terms(
    settings: Settings, panels: Mapping[str, str], when: pl.DataFrame, budget: int, night: date
) -> Telling:
    p = {(who, rule): p for who, rule, p in when.select("patient_id", "rule", "p").iter_rows()}
    return Telling(
        night,
        recipients(settings),
        lambda alert: panels.get(alert.patient_id, ""),
        lambda alert: by_urgency(alert, p.get((alert.patient_id, alert.rule))),
        budget,
        settings.alerts.escalate_to,
    )


def as_json(found: Plan) -> dict[str, Any]:
    """The plan for machines; alerts as patient|rule|draw."""
    return asdict(found)


def as_text(found: Plan) -> str:
    """The plan for people: counts only."""
    changes = ", ".join(f"{name} = {value:g}" for name, value in found.changed.items())
    first, last = found.now[0].night, found.now[-1].night
    lines = [
        f"Nights {first} to {last}, by what is known tonight; the change: {changes or 'none'}",
        "              as it is                     with the change",
        "night         opened  told  kept quiet     opened  told  kept quiet",
    ]
    lines += [
        f"{now.night}  {now.opened:>8}{now.told:>6}{now.kept_quiet:>12}"
        f"     {then.opened:>6}{then.told:>6}{then.kept_quiet:>12}"
        for now, then in zip(found.now, found.then, strict=True)
        if any((now.opened, now.told, now.kept_quiet, then.opened, then.told, then.kept_quiet))
    ]
    sums = [sum(night.told for night in nights) for nights in (found.now, found.then)]
    return "\n".join(
        [
            *lines,
            f"told in all: {sums[0]} as it is, {sums[1]} with the change; "
            f"{len(found.only_now)} only as it is, {len(found.only_then)} only with the change",
        ]
    )
