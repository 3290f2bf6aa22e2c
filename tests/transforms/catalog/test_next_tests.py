"""What to measure next: the most urgent test first, and nothing that does not apply."""

from __future__ import annotations

from datetime import date
from itertools import product
from typing import Any

import pytest

from transforms.catalog.next_tests import NEXT_TESTS, next_tests
from transforms.catalog.rule import RULE, STATUSES


def names(**facts: Any) -> list[str]:
    """The tests that come next for a patient of an ordinary history, but for ``facts``."""
    usual = {"status": "not_flagged", "tier": None, "doubts": [], "n_pairs": 5, "measured": []}
    sentences = next_tests(usual | facts)
    return [next(test.name for test in NEXT_TESTS if test.sentence == said) for said in sentences]


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("c_peptide", {"doubts": ["haemolysed"]}, {"doubts": ["non-fasting"]}),
    ("repeat_fasting_draw", {"doubts": ["non-fasting"]}, {}),
    ("confirm_climb", {"tier": "B"}, {"tier": "B", "doubts": ["unit"]}),
    ("confirm_climb", {"tier": "C"}, {"tier": "A"}),
    ("clearance", {"status": "climbing"}, {"status": "decompensating"}),
    ("clearance", {"status": "high_stable"}, {}),
    ("glucose_otherwise", {"tier": "A"}, {"tier": "C"}),
    ("clearance", {"status": "climbing"}, {"status": "climbing", "measured": ["c_peptide"]}),
    ("glucose_otherwise", {"tier": "A"}, {"tier": "A", "measured": ["cgm"]}),
    ("glucose_otherwise", {"tier": "B"}, {"tier": "B", "measured": ["hba1c"]}),
    (
        "glucose_drink",
        {"tier": "A", "measured": ["c_peptide", "hba1c"]},
        {"tier": "A", "status": "climbing", "measured": ["hba1c"]},
    ),
    ("first_pairs", {"n_pairs": RULE.min_pairs - 1}, {"n_pairs": RULE.min_pairs}),
    ("longer", {"n_pairs": RULE.min_pairs}, {"n_pairs": RULE.min_pairs - 1}),
    ("longer", {}, {"tier": "C"}),
]


@pytest.mark.parametrize(("name", "facts", "other"), CASES)
def test_a_test_is_asked_for_where_it_says_something_and_not_elsewhere(
    name: str, facts: dict[str, Any], other: dict[str, Any]
) -> None:
    assert name in names(**facts)
    assert name not in names(**other)


def test_every_test_has_a_case_a_sentence_and_a_source() -> None:
    assert {test.name for test in NEXT_TESTS} == {name for name, _, _ in CASES}
    assert len({test.sentence for test in NEXT_TESTS}) == len(NEXT_TESTS)
    for test in NEXT_TESTS:
        assert test.sentence.endswith(".")
        assert test.citation
        assert test.reviewed <= date(2026, 12, 31)


def test_the_most_urgent_comes_first() -> None:
    haemolysed = names(status="climbing", tier="B", doubts=["haemolysed"])

    assert haemolysed == ["c_peptide", "repeat_fasting_draw", "clearance", "glucose_otherwise"]
    assert names(status="climbing", tier="C") == ["confirm_climb", "clearance"]


def test_everybody_has_something_that_could_be_measured_next() -> None:
    """Whoever the rule can apply to; the caller leaves out who is excluded."""
    known = ([], ["c_peptide"], ["hba1c"], ["c_peptide", "cgm"])
    for status, tier, n_pairs, measured in product(STATUSES, "ABC-", range(8), known):
        if tier != "-" and n_pairs < RULE.min_pairs:
            continue
        flagged = {"tier": None if tier == "-" else tier, "measured": measured}
        found = names(status=status, n_pairs=n_pairs, **flagged)
        assert found, (status, tier, n_pairs)
        assert len(found) == len(set(found))
    assert names(status="climbing", tier="A") == ["clearance", "glucose_otherwise"]
