"""Accepted definitions do not change; whoever changes one is told what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from transforms.catalog import exclusions
from transforms.catalog.acceptance import VERSIONS, broken, content, fingerprint
from transforms.catalog.accepted import ACCEPTED
from transforms.catalog.corroboration import CONTRADICTIONS, CORROBORATORS, Measure
from transforms.catalog.criteria import IN_FORCE, Definition, NotCriteriaError, criteria
from transforms.catalog.definitions import cohort_definition_frame
from transforms.catalog.lifecycle import in_force
from transforms.catalog.patterns import PATTERNS
from transforms.catalog.rule import COHORTS, RULE, STATUS_1, CohortDefinition

UNSEEN = COHORTS[0]


def with_changed(old: Definition, new: Definition) -> list[str]:
    return broken([new if each is old else each for each in VERSIONS])


def test_nothing_that_was_accepted_has_changed() -> None:
    assert broken() == []


SAYS = "climbing_unseen 1 was accepted on 2026-11-22 and has changed: make version 2"
HBA1C = SAYS.replace("climbing_unseen", "glucose_not_fine_by_hba1c")
LIVER = "liver_pattern 2 was accepted on 2026-11-22 and has changed: make version 3"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (UNSEEN, replace(UNSEEN, tiers=("A",)), SAYS),
        (UNSEEN, replace(UNSEEN, statuses=("climbing",)), SAYS),
        (UNSEEN, replace(UNSEEN, sentence="Something else."), SAYS),
        (UNSEEN, replace(UNSEEN, alerts=False), SAYS),
        (UNSEEN, replace(UNSEEN, rule=replace(RULE, tier_b_p=0.6)), SAYS),
        (UNSEEN, replace(UNSEEN, rule=replace(RULE, grounds=RULE.grounds[1:])), SAYS),
        (PATTERNS[0], replace(PATTERNS[0], worsening=PATTERNS[0].worsening[1:]), LIVER),
        (PATTERNS[0], replace(PATTERNS[0], rule=replace(RULE, max_age_days=500)), LIVER),
        (
            CONTRADICTIONS[1],
            replace(CONTRADICTIONS[1], measures=(Measure("hba1c_pct", 6.0, "%", 1),)),
            HBA1C,
        ),
    ],
)
def test_what_makes_a_member_cannot_change_without_a_new_version(
    old: Definition, new: Definition, said: str
) -> None:
    assert with_changed(old, new) == [said]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (UNSEEN, replace(UNSEEN, state="deprecated")),
        (UNSEEN, replace(UNSEEN, rule=replace(RULE, measured="Better known.", citation="x"))),
        (PATTERNS[0], replace(PATTERNS[0], next_review=date(2030, 1, 1), measured="x")),
        (PATTERNS[0], replace(PATTERNS[0], rule=replace(RULE, tier_b_p=0.6))),
    ],
)
def test_what_makes_no_other_member_may_change(old: Definition, new: Definition) -> None:
    assert with_changed(old, new) == []


def test_a_new_version_beside_the_old_one_is_no_breach_and_is_published_with_its_state() -> None:
    draft = replace(UNSEEN, version="2", tiers=("A",), state="draft", accepted_on=None)

    assert broken([*VERSIONS, draft]) == []
    assert in_force([*COHORTS, draft]) == COHORTS
    accepted = replace(draft, state="accepted", accepted_on=date(2027, 1, 5))
    assert broken([*VERSIONS, accepted]) == [
        "climbing_unseen 2 is accepted and not in the list of accepted ones: add "
        f'Accepted("climbing_unseen", "2", date(2027, 1, 5), "{fingerprint(accepted)}")'
    ]


def test_an_accepted_one_can_neither_vanish_nor_become_a_draft_nor_be_dated_anew() -> None:
    rest = [each for each in VERSIONS if each is not UNSEEN]

    assert broken(rest) == [
        "climbing_unseen 1 was accepted on 2026-11-22 and is gone: keep it as deprecated"
    ]
    assert with_changed(UNSEEN, replace(UNSEEN, state="draft")) == [
        "climbing_unseen 1 was accepted on 2026-11-22 and is a draft again"
    ]
    assert with_changed(UNSEEN, replace(UNSEEN, accepted_on=date(2026, 1, 1))) == [
        "climbing_unseen 1 was accepted on 2026-11-22, not on 2026-01-01"
    ]


def test_one_version_of_a_cohort_is_in_force_and_rests_on_the_rule_in_force() -> None:
    names = [each.name for each in IN_FORCE]
    versions = [(each.name, each.version) for each in VERSIONS]

    assert len(set(names)) == len(names)
    assert len(set(versions)) == len(versions)
    assert {each.rule for each in IN_FORCE} == {RULE}
    assert all(each.version.isdigit() for each in VERSIONS)
    assert len({row.fingerprint for row in ACCEPTED}) == len(ACCEPTED)


def test_a_rule_names_every_ground_of_exclusion_and_a_cohort_the_limits_in_force() -> None:
    grounds = {item.name for item in exclusions.EXCLUSIONS if item.effect == "patient"}
    limits = {each.kind: each.measures for each in CORROBORATORS}

    assert set(RULE.grounds) == grounds
    assert all(each.measures == limits[each.kind] for each in CONTRADICTIONS)


def test_drafts_are_not_published_and_deprecated_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    old = replace(UNSEEN, version="0", state="deprecated", accepted_on=date(2025, 1, 1))
    draft = replace(UNSEEN, version="2", state="draft", accepted_on=None)
    monkeypatch.setattr("transforms.catalog.definitions.VERSIONS", (old, UNSEEN, draft))
    found = cohort_definition_frame()

    assert found.select("definition_version", "state").rows() == [
        ("0", "deprecated"),
        ("1", "accepted"),
    ]
    assert found["fingerprint"].to_list() == [fingerprint(old), fingerprint(UNSEEN)]


def test_the_content_of_the_first_version_is_what_it_says() -> None:
    found = content(UNSEEN)

    assert (found["tiers"], found["thresholds"]["tier_b_p"]) == (("A", "B"), 0.5)
    assert {"cirrhosis", "pregnancy"} <= set(found["grounds"])
    assert STATUS_1.version == "status-1"


@pytest.mark.parametrize(
    ("statuses", "tiers"),
    [
        (("climbing", "high_and_climbing"), ("B",)),
        (("climbing", "high_and_climbing"), ("A", "C")),
        (("climbing",), ("A",)),
        (("not_flagged",), ()),
    ],
)
def test_a_definition_that_is_no_list_of_criteria_is_refused(
    statuses: tuple[str, ...], tiers: tuple[str, ...]
) -> None:
    with pytest.raises(NotCriteriaError):
        criteria(CohortDefinition("x", "1", "x", statuses, tiers))


@pytest.mark.parametrize("definition", IN_FORCE, ids=lambda each: each.name)
def test_every_cohort_asks_each_thing_once_and_has_one_choice_at_most(
    definition: Definition,
) -> None:
    asked = criteria(definition)

    assert len({item.criterion for item in asked}) == len(asked)
    assert len({item.any_of for item in asked} - {""}) <= 1
    assert all(item.asks.endswith(".") for item in asked)
