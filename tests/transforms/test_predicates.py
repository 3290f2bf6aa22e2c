"""The predicates say what the rule decides."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from transforms.catalog.rule import RULE
from transforms.predicates import ASKED, FACTS, predicates, status_by
from transforms.statuses import at_draws, statuses

TONIGHT = date(2026, 3, 1)
PEOPLE = 3_000
PROBABILITIES = (
    "p_climbing_unseen", "p_without_one", "p_bad_newest", "p_insulin_high", "p_glucose_fine",
    "p_glucose_rising", "p_insulin_climbing",
)  # fmt: skip
FINE = dict.fromkeys(FACTS, 0.0) | {
    "age": 40, "n_pairs": 6, "span_days": 1500, "days_old": 30, "p_glucose_fine": 0.9,
    "glucose_now": 90.0, "glucose_before": 90.0,
}  # fmt: skip


def crowd() -> pl.DataFrame:
    """People about the borders: two draws each, the earlier one raised or not."""
    random = np.random.default_rng(20261129)
    n = PEOPLE
    columns = {name: random.choice([0.05, 0.3, 0.5, 0.8, 0.9, 0.95], n) for name in PROBABILITIES}
    without = np.where(random.random(n) < 0.2, np.nan, columns["p_without_one"])
    return pl.DataFrame(
        columns
        | {
            "patient_id": [f"{k:05d}" for k in range(n)],
            "p_without_one": pl.Series(without, nan_to_null=True),
            "n_pairs": random.choice([2, 3, 4, 6], n, p=[0.1, 0.2, 0.4, 0.3]),
            "span_days": random.choice([300, 365, 1094, 1095], n, p=[0.1, 0.3, 0.3, 0.3]),
            "days_old": random.choice([0, 400, 401], n, p=[0.5, 0.4, 0.1]),
            "age": random.choice([19, 20, 50], n, p=[0.1, 0.3, 0.6]),
            "exclusions": random.choice([0, 1], n, p=[0.9, 0.1]),
            "was_raised": random.choice([0.0, 1.0], n),
            "glucose_now": random.choice([99.9, 100.0, 110.0], n),
            "glucose_before": random.choice([99.9, 100.0, 110.0], n),
        }
    )  # fmt: skip


def decided(people: pl.DataFrame) -> list[tuple[str, str | None]]:
    """Status and tier by :mod:`transforms.statuses`."""
    tonight = pl.lit(TONIGHT)
    last = tonight - pl.duration(days=pl.col("days_old"))
    newest = people.with_columns(
        last_on=last.cast(pl.Date),
        drawn_on=last.cast(pl.Date),
        first_on=(last - pl.duration(days="span_days")).cast(pl.Date),
        glucose_mg_dl="glucose_now",
        p_insulin_falling=pl.lit(0.0),
        insulin_slope_pct_year=pl.lit(0.0),
        insulin_level_uiu_ml=pl.lit(6.0),
        glucose_level_mg_dl=pl.lit(90.0),
        glucose_slope_mg_dl_year=pl.lit(0.0),
    )
    before = newest.with_columns(
        drawn_on=pl.col("drawn_on") - timedelta(days=100),
        glucose_mg_dl="glucose_before",
        n_pairs=pl.lit(5, dtype=pl.Int64),
        first_on=pl.col("drawn_on") - timedelta(days=2000),
        p_insulin_high=pl.when(pl.col("was_raised") == 1).then(0.9).otherwise(0.1),
        p_glucose_fine=pl.lit(0.9),
        p_climbing_unseen=pl.lit(0.1),
    )
    draws = pl.concat([before, newest])
    found = at_draws(draws.drop("glucose_mg_dl", "span_days").lazy(), draws.lazy())
    latest = found.group_by("patient_id", maintain_order=True).last().drop("days_old", "age")
    spans = people.filter(pl.col("exclusions") > 0).select(
        "patient_id",
        name=pl.lit("diabetes"),
        from_on=pl.lit(None, pl.Date),
        to_on=pl.lit(None, pl.Date),
    )
    persons = people.select(
        "patient_id",
        birth_date=tonight.dt.offset_by(pl.format("-{}y", "age")).cast(pl.Date),
    )
    facts = people.select("patient_id", n_draws=pl.lit(2), unused=pl.lit(None, pl.String))
    status = statuses(persons.lazy(), latest, facts.lazy(), spans.lazy(), TONIGHT).collect()
    return status.sort("patient_id").select("status", "tier").rows()


def test_the_predicates_alone_give_the_status_that_the_rule_gives() -> None:
    people = crowd()
    said = [
        status_by(predicates({name: row[name] for name in FACTS}, RULE))
        for row in people.to_dicts()
    ]
    found = decided(people)

    assert said == found
    assert {status for status, _ in found} == {
        "excluded", "unresolved", "decompensating", "climbing", "high_stable", "high_and_climbing",
        "not_flagged",
    }  # fmt: skip
    assert {tier for _, tier in found} == {"A", "B", "C", None}


@pytest.mark.parametrize(
    ("value", "margin", "holds"), [(0.3, 0.0, True), (0.31, 0.01, True), (0.29, -0.01, False)]
)
def test_a_margin_is_the_way_to_the_bound(value: float, margin: float, holds: bool) -> None:
    found = next(
        answer
        for answer in predicates(FINE | {"p_climbing_unseen": value}, RULE)
        if answer.of == "tier C"
    )

    assert (found.bound, found.holds) == (0.3, holds)
    assert found.margin == pytest.approx(margin)


@pytest.mark.parametrize(("value", "holds"), [(0.49, True), (0.5, False)])
def test_a_bound_from_above_is_the_other_way_round(value: float, holds: bool) -> None:
    found = {a.name: a for a in predicates(FINE | {"p_bad_newest": value}, RULE)}["newest sound"]

    assert (found.holds, found.margin) == (holds, pytest.approx(0.5 - value))


def test_what_is_not_known_has_no_margin_and_holds_where_the_rule_says_so() -> None:
    unknown = {a.name: a for a in predicates(dict.fromkeys(FACTS), RULE)}

    assert {answer.margin for answer in unknown.values()} == {None}
    assert {name for name, a in unknown.items() if a.holds} == {"adult", "newest sound"}


def test_every_threshold_of_the_rule_is_asked() -> None:
    """A threshold that no predicate names would change statuses and no certificate."""
    given = predicates(FINE, RULE)
    numbers = [
        field.name
        for field in fields(RULE)
        if isinstance(getattr(RULE, field.name), int | float)
        and field.name != "insulin_upper_limit"  # the trend is asked with it
    ]
    moved = [
        name
        for name in numbers
        if predicates(FINE, replace(RULE, **{name: getattr(RULE, name) + 1})) != given
    ]

    assert moved == numbers
    assert len(given) == len(ASKED)
