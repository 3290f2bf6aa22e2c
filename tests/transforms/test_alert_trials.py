"""A changed threshold or budget, tried night by night."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import polars as pl

from transforms.alert_trials import moments, told
from transforms.catalog.rule import RULE
from transforms.statuses import at_draws
from transforms.telling import Recipient, Telling

START = date(2025, 1, 1)
SPANS = {"patient_id": pl.String, "name": pl.String, "from_on": pl.Date, "to_on": pl.Date}
KNOWN_AFTER = timedelta(days=2)


def on(days: int) -> date:
    return START + timedelta(days=days)


def tables(p: dict[str, list[float]]) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Trends after draws 30 days apart with these probabilities; and the draws, known two days
    later."""
    rows = [
        {
            "patient_id": who, "drawn_on": on(30 * n), "last_on": on(30 * n),
            "first_on": on(30 * n - 1200), "n_pairs": 5, "p_climbing_unseen": value,
            "p_insulin_climbing": value, "p_glucose_fine": 0.9, "p_insulin_high": 0.1,
            "p_glucose_rising": 0.1, "p_without_one": 0.9, "p_bad_newest": 0.0,
            "glucose_level_mg_dl": 88.0,
        }
        for who, values in p.items()
        for n, value in enumerate(values)
    ]  # fmt: skip
    trends = pl.LazyFrame(rows)
    pairs = trends.select("patient_id", "drawn_on", glucose_mg_dl=pl.lit(88.0))
    return trends, pairs


def walked(
    p: dict[str, list[float]], rule: object = RULE, budget: int = 9, first: int = 0, last: int = 130
) -> tuple[list[tuple[int, int, int]], int]:
    """(opened, told, kept quiet) of every tenth night, and how many were ever told."""
    trends, pairs = tables(p)
    findings = at_draws(trends, pairs, rule)  # type: ignore[arg-type]
    known = pairs.select("patient_id", "drawn_on", known_on=pl.col("drawn_on") + KNOWN_AFTER)
    when = moments(findings, pl.LazyFrame(schema=SPANS), known, rule)  # type: ignore[arg-type]
    nights = [on(n) for n in range(first, last, 10)]
    terms = Telling(
        on(0), (Recipient("nurse@x"),), lambda _: "", lambda a: (a.alert_id,), budget, ()
    )
    found, named = told(when, nights, terms)
    return [
        (n.opened, n.told, n.kept_quiet) for n in found if n.opened + n.told + n.kept_quiet
    ], len(named)


def test_a_draw_tells_from_the_night_it_is_known_and_ends_likewise() -> None:
    assert walked({"a": [0.1, 0.6, 0.6, 0.05]}) == ([(1, 1, 0)], 1)
    assert walked({"a": [0.1, 0.2, 0.2, 0.05]}) == ([], 0)


def test_who_was_excluded_before_it_was_known_is_told_to_nobody() -> None:
    """A clinic's first night: old draws, and a diagnosis between them and tonight."""
    trends, pairs = tables({"ill": [0.6] * 3, "well": [0.6] * 3})
    known = pairs.select("patient_id", "drawn_on", known_on=pl.lit(on(100)))
    span = {"patient_id": "ill", "name": "diabetes", "from_on": on(45), "to_on": None}
    when = moments(
        at_draws(trends, pairs), pl.LazyFrame([span], schema=SPANS), known, RULE
    )  # fmt: skip
    assert when.select("night", "kind", "patient_id").rows() == [
        (on(100), "opened", "ill"),
        (on(100), "resolved", "ill"),
        (on(100), "opened", "well"),
    ]
    terms = Telling(on(0), (Recipient("nurse@x"),), lambda _: "", lambda a: (a.alert_id,), 9, ())
    (night,), _ = told(when, [on(100)], terms)
    assert (night.opened, night.told) == (2, 1)


def test_what_was_known_before_the_nights_of_the_trial_was_told_before() -> None:
    assert walked({"a": [0.6, 0.6, 0.6]}, first=40) == ([], 0)
    assert walked({"a": [0.1, 0.1, 0.6]}, first=40) == ([(1, 1, 0)], 1)


def test_a_budget_keeps_quiet_and_tells_a_week_later() -> None:
    many = {name: [0.6] for name in "abc"}
    assert walked(many, budget=2) == ([(3, 2, 1), (0, 1, 0)], 3)
    assert walked(many, budget=1, last=20) == ([(3, 1, 2)], 1)


def test_a_lower_threshold_tells_of_more_and_a_higher_of_fewer() -> None:
    people = {"a": [0.25] * 2, "b": [0.6] * 2}
    assert walked(people)[1] == 1
    assert walked(people, replace(RULE, tier_c_p=0.2))[1] == 2
    assert walked(people, replace(RULE, tier_c_p=0.7, tier_b_p=0.75))[1] == 0


def test_a_step_up_is_told_again() -> None:
    assert walked({"a": [0.4, 0.75, 0.75]}) == ([(1, 1, 0), (0, 1, 0)], 1)
