"""Stays in cohorts, and who was left out on the way."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from transforms import attrition
from transforms.catalog.rule import COHORTS, CohortDefinition
from transforms.cohorts import cohorts, ways

START = date(2024, 1, 1)
TONIGHT = date(2026, 3, 1)
SPANS = {"patient_id": pl.String, "name": pl.String, "from_on": pl.Date, "to_on": pl.Date}
FINDINGS = {
    "patient_id": pl.String,
    "drawn_on": pl.Date,
    "finding": pl.String,
    "climbing_tier": pl.String,
}
B, C, N = ("climbing", "B"), ("climbing", "C"), ("not_flagged", None)


def on(days: int) -> date:
    return START + timedelta(days=days)


def stays(
    *draws: tuple[int, tuple[str | None, str | None]],
    excluded: tuple[date | None, date | None] | None = None,
    as_of: date = TONIGHT,
    cohort: str = "climbing_unseen",
) -> list[tuple[date, date | None]]:
    """(entered, left) of one patient in one cohort."""
    rows = [("p", on(days), *said) for days, said in draws]
    spans = [] if excluded is None else [("p", "diabetes", *excluded)]
    found = cohorts(
        pl.LazyFrame(rows, schema=FINDINGS, orient="row"),
        pl.LazyFrame(spans, schema=SPANS, orient="row"),
        as_of,
    ).collect()
    return found.filter(cohort=cohort).select("entered_on", "left_on").rows()


@pytest.mark.parametrize(
    ("draws", "expected"),
    [
        ([(500, B)], [(on(500), None)]),
        ([(500, N)], []),
        ([(400, N), (600, B)], [(on(600), None)]),
        ([(400, B), (600, B)], [(on(400), None)]),
        ([(400, B), (600, N)], [(on(400), on(600))]),
        ([(200, B), (400, N), (600, B)], [(on(200), on(400)), (on(600), None)]),
        ([(200, B), (400, (None, None)), (600, B)], [(on(200), on(400)), (on(600), None)]),
        ([(500, ("climbing", "A"))], [(on(500), None)]),
        ([(500, ("high_and_climbing", "A"))], [(on(500), None)]),
        ([(500, C)], []),
        ([(500, ("high_stable", None))], []),
    ],
    ids=str,
)
def test_a_stay_begins_and_ends_with_the_draws_that_decide(
    draws: list[Any], expected: list[tuple[date, date | None]]
) -> None:
    assert stays(*draws) == expected


def test_a_stay_ends_when_its_newest_draw_is_too_old_and_not_a_day_before() -> None:
    assert stays((0, B), as_of=on(400)) == [(on(0), None)]
    assert stays((0, B), as_of=on(401)) == [(on(0), on(401))]


def test_a_draw_in_time_carries_the_stay_on_and_a_late_one_begins_another() -> None:
    assert stays((0, B), (401, B), as_of=on(500)) == [(on(0), None)]
    assert stays((0, B), (402, B), as_of=on(500)) == [(on(0), on(401)), (on(402), None)]


def test_an_exclusion_ends_the_stay_on_its_day_and_one_to_come_does_not() -> None:
    assert stays((500, B), excluded=(on(550), None)) == [(on(500), on(550))]
    assert stays((500, B), excluded=(TONIGHT + timedelta(1), None)) == [(on(500), None)]


def test_nobody_enters_while_excluded_and_anybody_else_does() -> None:
    assert stays((500, B), excluded=(on(100), None)) == []
    assert stays((500, B), excluded=(None, None)) == []
    assert stays((500, B)) == [(on(500), None)]


def test_who_was_excluded_once_may_enter_when_it_is_over() -> None:
    assert stays((500, B), excluded=(on(100), on(200))) == [(on(500), None)]


def test_tier_c_and_the_other_statuses_have_cohorts_of_their_own() -> None:
    assert stays((500, C), cohort="climbing_repeat") == [(on(500), None)]
    assert stays((500, B), cohort="climbing_repeat") == []
    assert stays((500, ("high_stable", None)), cohort="high_stable") == [(on(500), None)]
    assert stays((500, ("decompensating", None)), cohort="decompensating") == [(on(500), None)]


def test_two_patients_do_not_share_a_stay() -> None:
    rows = [("p", on(500), *B), ("q", on(550), *N), ("q", on(600), *B)]
    found = cohorts(
        pl.LazyFrame(rows, schema=FINDINGS, orient="row"), pl.LazyFrame(schema=SPANS), TONIGHT
    ).collect()
    assert found.select("patient_id", "entered_on", "left_on").rows() == [
        ("p", on(500), None),
        ("q", on(600), None),
    ]


def test_the_past_of_a_stay_does_not_depend_on_the_night() -> None:
    draws = [(100, B), (300, N), (500, B)]
    for days in range(500, 790, 40):
        assert stays(*draws, as_of=on(days)) == [(on(100), on(300)), (on(500), None)]


# attrition

Person = tuple[str, str | None, str | None]
PEOPLE: list[Person] = [
    ("climbing", "B", None),
    ("climbing", "C", None),
    ("not_flagged", None, None),
    ("excluded", None, "under age"),
    ("excluded", None, "diabetes"),
    ("unresolved", None, "too few pairs"),
    ("unresolved", None, "too few pairs"),
    ("unresolved", None, "too old"),
]
"""Status, tier, and the ground of who was not evaluated."""


STAYS = {"cohort": pl.String, "patient_id": pl.String, "left_on": pl.Date}


def inside(cohort: CohortDefinition, people: list[Person] = PEOPLE) -> list[str]:
    """Those whose status makes a member."""
    return [
        str(number)
        for number, (status, tier, _) in enumerate(people)
        if status in cohort.statuses and (not cohort.tiers or tier in cohort.tiers)
    ]


def steps(name: str, people: list[Person], left: tuple[str, ...] = ()) -> pl.DataFrame:
    """``left``: of those whose status makes a member, who is none."""
    schema = {
        "status": pl.String,
        "tier": pl.String,
        "ground": pl.String,
    }
    rows = pl.LazyFrame(people, schema=schema, orient="row").with_columns(
        patient_id=pl.int_range(pl.len()).cast(pl.String)
    )
    stays = [
        (cohort.name, who, date(2026, 1, 1) if who in left else None)
        for cohort in COHORTS
        for who in inside(cohort, people)
    ]
    found = ways(rows, pl.LazyFrame(stays, schema=STAYS, orient="row"))
    return attrition.steps(found).collect().filter(cohort=name)


@pytest.mark.parametrize("cohort", COHORTS, ids=lambda cohort: cohort.name)
def test_attrition_adds_up_from_everyone_to_the_cohort(cohort: CohortDefinition) -> None:
    found = steps(cohort.name, PEOPLE)
    before, out, after = (found[name].to_list() for name in ("n_before", "n_excluded", "n_after"))
    assert (before[0], out[0]) == (len(PEOPLE), 0)
    assert before[1:] == after[:-1]
    assert [b - o for b, o in zip(before, out, strict=True)] == after
    assert found["step"].to_list() == list(range(1, found.height + 1))
    assert after[-1] == len(inside(cohort))


def test_exclusions_come_before_what_is_unresolved_and_the_rule_last() -> None:
    found = steps("climbing_unseen", PEOPLE).select("reason", "n_excluded").rows()
    assert found == [
        ("everyone", 0),
        ("excluded: diabetes", 1),
        ("excluded: under age", 1),
        ("unresolved: too few pairs", 2),
        ("unresolved: too old", 1),
        ("the rule does not hold", 2),
        (attrition.OVER, 0),
    ]


def test_whose_exclusion_is_over_since_the_last_draw_is_no_member_yet() -> None:
    found = steps("climbing_unseen", PEOPLE, left=("0",)).tail(2)
    assert found.select("reason", "n_excluded", "n_after").rows() == [
        ("the rule does not hold", 2, 1),
        (attrition.OVER, 1, 0),
    ]


def test_nobody_is_a_cohort_of_nobody() -> None:
    found = steps("high_stable", [])
    assert found["n_after"].to_list()[-1] == 0
