"""Two ways to the same members: the frames of the transforms, and criteria compared in SQL."""

from __future__ import annotations

from typing import Any

import pytest

from expectations.base import suite
from tests.flows.cohort_clinic import Con
from transforms.catalog.criteria import IN_FORCE, criteria

NAMES = [each.name for each in IN_FORCE]
MEMBERS = "SELECT cohort, patient_id FROM cohort WHERE left_on IS NULL"
MEETING = (
    "SELECT cohort, patient_id FROM criterion_value GROUP BY ALL "
    "HAVING bool_and(holds OR any_of <> '') "
    "AND (count_if(any_of <> '') = 0 OR bool_or(holds AND any_of <> ''))"
)


def rows(con: Con, query: str, *given: object) -> list[tuple[Any, ...]]:
    return con.execute(query, list(given)).fetchall()


@pytest.mark.parametrize("name", NAMES)
def test_who_meets_every_criterion_is_who_the_transforms_call_a_member(
    clinic: Con, name: str
) -> None:
    members = set(rows(clinic, f"SELECT patient_id FROM ({MEMBERS}) WHERE cohort = ?", name))
    meeting = set(rows(clinic, f"SELECT patient_id FROM ({MEETING}) WHERE cohort = ?", name))
    everyone = rows(clinic, "SELECT count(*) FROM patient")[0][0]

    assert everyone > 3000
    assert len(members) >= 10, "too few to compare"
    assert meeting ^ members == set()


def differing(con: Con) -> dict[str, int]:
    """Cohort -> people whom one way alone calls a member."""
    both = f"(({MEMBERS}) EXCEPT ({MEETING})) UNION ALL (({MEETING}) EXCEPT ({MEMBERS}))"
    return dict(rows(con, f"SELECT cohort, count(*) FROM ({both}) GROUP BY cohort"))


@pytest.mark.parametrize(
    ("criterion", "bound", "differ"),
    [
        ("pairs", 6, set(NAMES)),
        ("fresh", 399, set(NAMES)),
        ("not_excluded", 1, set(NAMES)),
        ("climbs_unseen", 0.51, {"climbing_unseen", "climbing_repeat"}),
        ("not_decompensating", 3, {"climbing_repeat", "high_stable"}),
        ("glucose_twice_high", 101, {"decompensating"}),
        ("evidence_fresh", 399, {"glucose_not_fine_by_cgm", "glucose_not_fine_by_hba1c"}),
        ("worsening", 3, {"liver_pattern", "adipose_pattern"}),
        ("others_hold", 1, {"liver_pattern", "adipose_pattern"}),
    ],
)
def test_another_bound_makes_other_members(
    clinic: Con, criterion: str, bound: float, differ: set[str]
) -> None:
    assert differing(clinic) == {}
    clinic.execute("BEGIN")
    clinic.execute("UPDATE store.criterion SET bound = ? WHERE criterion = ?", [bound, criterion])
    found = differing(clinic)
    clinic.execute("ROLLBACK")
    assert differ <= found.keys()


def test_every_criterion_of_every_cohort_lets_some_in_and_keeps_some_out(
    clinic: Con,
) -> None:
    told = rows(
        clinic,
        "SELECT cohort, criterion, bool_or(holds), bool_or(NOT holds) FROM criterion_value "
        "GROUP BY cohort, criterion",
    )
    assert {(each.name, item.criterion) for each in IN_FORCE for item in criteria(each)} == {
        (cohort, criterion) for cohort, criterion, *_ in told
    }
    assert [row for row in told if not (row[2] and row[3])] == []


def test_why_shows_members_and_why_not_everybody_else(clinic: Con) -> None:
    shown = "SELECT count(*), count(DISTINCT (patient_id, cohort)) FROM {}"
    (all_rows, pairs), (why, members), (why_not, others) = (
        rows(clinic, shown.format(view))[0] for view in ("criterion_value", "why", "why_not")
    )
    assert (why + why_not, members + others) == (all_rows, pairs)
    assert members == rows(clinic, f"SELECT count(*) FROM ({MEMBERS})")[0][0]
    assert rows(clinic, "SELECT count(*) FROM why WHERE NOT holds AND any_of = ''") == [(0,)]
    assert rows(clinic, "SELECT count(*) FROM why_not WHERE n_failing = 0") == [(0,)]


def test_the_margin_is_on_the_right_side_where_the_criterion_holds(clinic: Con) -> None:
    wrong = (
        "SELECT count(*) FROM criterion_value WHERE value IS NOT NULL AND (margin < 0 AND holds "
        "OR margin > 0 AND NOT holds OR margin = 0 AND holds <> (must_be <> '<'))"
    )
    assert rows(clinic, wrong) == [(0,)]
    signs = rows(
        clinic, "SELECT DISTINCT sign(margin), holds FROM criterion_value WHERE margin <> 0"
    )
    assert set(signs) == {(1, True), (-1, False)}


def test_a_near_miss_fails_one_criterion_and_says_by_how_much(clinic: Con) -> None:
    near = rows(
        clinic,
        "SELECT patient_id, count_if(NOT holds), count_if(is_nearest) FROM why_not "
        "WHERE cohort = 'climbing_unseen' AND near_miss GROUP BY patient_id",
    )
    assert len(near) > 20
    assert {(failing, nearest) for _, failing, nearest in near} <= {(1, 1), (1, 0)}
    by_p = rows(
        clinic,
        "SELECT value, bound, margin FROM why_not WHERE cohort = 'climbing_unseen' "
        "AND near_miss AND NOT holds AND criterion = 'climbs_unseen' ORDER BY margin DESC",
    )
    assert by_p
    assert all(value < bound == 0.5 and margin == value - bound for value, bound, margin in by_p)


def test_near_misses_are_those_of_why_not_each_by_what_decides(clinic: Con) -> None:
    """Where alternatives count as one criterion, those that fail beside one that holds do not."""
    deciding = (
        "SELECT patient_id, cohort, criterion, value, bound, margin FROM why_not "
        "WHERE near_miss AND NOT holds QUALIFY row_number() OVER (PARTITION BY patient_id, cohort "
        "ORDER BY any_of, margin / bound DESC NULLS LAST) = 1 ORDER BY ALL"
    )
    found = rows(
        clinic,
        "SELECT patient_id, cohort, criterion, value, bound, margin FROM near_miss ORDER BY ALL",
    )
    assert found == rows(clinic, deciding)
    cohorts = {name for _, name, *_ in found}
    assert {"climbing_unseen", "decompensating", "glucose_not_fine_by_hba1c"} <= cohorts


def test_alternatives_count_as_one_criterion(clinic: Con) -> None:
    failing = rows(
        clinic,
        "SELECT n_failing, count_if(NOT holds) FROM why_not WHERE cohort = 'decompensating' "
        "GROUP BY patient_id, n_failing HAVING count_if(NOT holds AND any_of <> '') = 2",
    )
    assert failing
    assert all(n == shown - 1 for n, shown in failing)


def test_a_failing_criterion_names_the_measurement_it_waits_for_and_no_other_does(
    clinic: Con,
) -> None:
    told = rows(
        clinic,
        "SELECT DISTINCT criterion, missing_measurement FROM why_not "
        "WHERE cohort = 'glucose_not_fine_by_hba1c' AND missing_measurement IS NOT NULL",
    )
    assert ("not_fine", "HbA1c") in told
    assert ("evidence_fresh", "HbA1c") in told
    assert ("pairs", "more fasting draws of insulin and glucose") in told
    assert "not_excluded" not in {criterion for criterion, _ in told}
    held = "SELECT count(*) FROM why_not WHERE holds AND missing_measurement IS NOT NULL"
    assert rows(clinic, held) == [(0,)]
    known = (
        "SELECT count(*) FROM why_not WHERE value IS NOT NULL AND missing_measurement IS NOT NULL "
        "AND criterion = 'climbs_unseen'"
    )
    assert rows(clinic, known) == [(0,)]


# Attrition


def test_the_steps_of_every_stratum_add_up_and_end_at_the_cohort(clinic: Con) -> None:
    for item in suite("computed", "attrition"):
        query = f"SELECT count(*) FROM store.attrition WHERE {item.fails_where}"
        assert rows(clinic, query) == [(0,)], item.label()
    strata = rows(clinic, "SELECT count(DISTINCT (sex, age_band)) FROM attrition")[0][0]
    assert strata > 15
    ends = (
        "SELECT cohort, sex, arg_max(number_subjects, reason_id) FROM attrition "
        "WHERE age_band = 'all' AND sex <> 'all' GROUP BY cohort, sex"
    )
    members = (
        f"SELECT cohort, sex, count(*) FROM ({MEMBERS}) JOIN patient USING (patient_id) "
        "GROUP BY cohort, sex"
    )
    assert set(rows(clinic, members)) == {row for row in rows(clinic, ends) if row[2]}


def test_the_people_of_everybodys_steps_are_those_of_the_contract(clinic: Con) -> None:
    query = (
        "SELECT cohort, reason, excluded_subjects, number_subjects FROM attrition "
        "WHERE sex = 'all' AND age_band = 'all' AND NOT starts_with(reason, 'draw not used') "
        "ORDER BY cohort, reason_id"
    )
    contract = (
        "SELECT cohort, reason, n_excluded, n_after FROM cohort_attrition ORDER BY cohort, step"
    )
    assert rows(clinic, query) == rows(clinic, contract)


def test_draws_that_are_not_used_leave_as_records_and_take_nobody_with_them(
    clinic: Con,
) -> None:
    query = (
        "SELECT reason, excluded_records, excluded_subjects, number_records FROM attrition "
        "WHERE cohort = 'high_stable' AND sex = 'all' AND age_band = 'all' ORDER BY reason_id"
    )
    (first, _, _, records), (second, lost, nobody, _), *_ = rows(clinic, query)
    counted = rows(clinic, "SELECT count(*), count_if(NOT used) FROM fasting_pair")

    assert (first, second) == ("everyone", "draw not used: not fasting")
    assert [(records, lost)] == counted
    assert (lost > 0, nobody) == (True, 0)


# Who is not measured


def test_not_flagged_is_told_from_not_measured_in_every_group(clinic: Con) -> None:
    everybody = rows(clinic, "FROM measurement_equity WHERE grouped_by = 'all'")
    evaluated, flagged = rows(
        clinic,
        "SELECT count_if(status NOT IN ('excluded', 'unresolved')), count_if(status NOT IN "
        "('excluded', 'unresolved', 'not_flagged')) FROM patient_status",
    )[0]
    people, drawn = rows(
        clinic,
        "SELECT (SELECT count(*) FROM patient), count(DISTINCT patient_id) FROM fasting_pair",
    )[0]
    assert everybody[0][1:4] == ("all", people, drawn)
    assert everybody[0][6:8] == (evaluated, flagged)
    sums = rows(
        clinic,
        "SELECT grouped_by, sum(n_people), sum(n_flagged) FROM measurement_equity GROUP BY 1",
    )
    assert {name for name, *_ in sums} == {
        *("all", "sex", "age_band", "source", "lab", "draws_a_year")
    }
    assert {tuple(row[1:]) for row in sums} == {(people, flagged)}
    undrawn = rows(
        clinic,
        "SELECT n_drawn, n_evaluated, flagged_pct FROM measurement_equity "
        "WHERE grouped_by = 'lab' AND level = 'no draw'",
    )
    assert undrawn == [(0, 0, None)]


def test_who_is_not_evaluated_is_told_what_is_missing(clinic: Con) -> None:
    query = "SELECT missing, count(*), min(n_pairs), max(n_pairs) FROM not_measured GROUP BY 1"
    told = rows(clinic, query)
    unresolved = rows(clinic, "SELECT count(*) FROM patient_status WHERE status = 'unresolved'")
    found = {missing: (low, high) for missing, _, low, high in told}

    assert sum(row[1] for row in told) == unresolved[0][0]
    assert found["any fasting insulin or glucose"] == (0, 0)
    assert found["more fasting draws of insulin and glucose"] == (1, 2)
    assert found["a fasting draw of insulin and glucose of the last year"][0] >= 3
