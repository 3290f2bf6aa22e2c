"""What to measure next: which test would say most, given what is known of a patient.

Each record asks for one test and says when it is worth it; none is an order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from transforms.catalog.rule import RULE

Facts = dict[str, Any]
"""A patient's trend, with ``status``, ``tier``, ``doubts`` (the ways used draws may be bad) and
``measured`` (what was lately: c_peptide, hba1c, cgm)."""


@dataclass(frozen=True, slots=True)
class NextTest:
    """A test, in a sentence, and the facts for which it comes next; ``citation``: why."""

    name: str
    sentence: str
    is_next: Callable[[Facts], bool]
    citation: str
    reviewed: date


def _wants_clearance(facts: Facts) -> bool:
    is_high = facts["status"] in ("climbing", "high_and_climbing", "high_stable")
    return is_high and "c_peptide" not in facts["measured"]


def _wants_glucose(facts: Facts) -> bool:
    return not {"hba1c", "cgm"} & set(facts["measured"])


_REVIEWED = date(2026, 11, 22)
NEXT_TESTS: tuple[NextTest, ...] = (
    NextTest(
        "c_peptide",
        "C-peptide beside insulin at the next draw: haemolysis does not destroy it.",
        lambda facts: "haemolysed" in facts["doubts"],
        "O'Rahilly 1987, Diabetologia 30:394",
        _REVIEWED,
    ),
    NextTest(
        "repeat_fasting_draw",
        "Insulin and glucose again, fasting, at the same laboratory, in 2 to 8 weeks: a draw of "
        "this series is in doubt.",
        lambda facts: bool(facts["doubts"]),
        "detection reference, section 8",
        _REVIEWED,
    ),
    NextTest(
        "confirm_climb",
        "Insulin and glucose again, fasting, at the same laboratory, in 2 to 8 weeks, twice in one "
        "visit if possible: a repeat at every visit raised the share of true marks from .68 to "
        ".79 in simulation.",
        lambda facts: facts["tier"] in ("B", "C") and not facts["doubts"],
        "detection reference, sections 1 and 8",
        _REVIEWED,
    ),
    NextTest(
        "clearance",
        "C-peptide beside insulin once: insulin also climbs when less of it is cleared.",
        _wants_clearance,
        "clinical reference, finding 10 (PROMISE)",
        _REVIEWED,
    ),
    NextTest(
        "glucose_otherwise",
        "HbA1c, or two weeks of a sensor: whether glucose is as fine as the fasting value says.",
        lambda facts: facts["tier"] in ("A", "B") and _wants_glucose(facts),
        "design, section 5",
        _REVIEWED,
    ),
    NextTest(
        "glucose_drink",
        "A 75 g glucose drink with insulin at 0, 30, 60, 90 and 120 minutes: glucose is fine "
        "fasting, HbA1c or a sensor and C-peptide are known; what is not is the answer to a load.",
        lambda facts: (
            facts["tier"] == "A" and not _wants_clearance(facts) and not _wants_glucose(facts)
        ),
        "clinical reference, sections 2 and 4 (Crofts 2016, PMID 27344544)",
        _REVIEWED,
    ),
    NextTest(
        "first_pairs",
        "Fasting insulin and glucose of one draw, at one laboratory, half a year to a year apart.",
        lambda facts: facts["n_pairs"] < RULE.min_pairs,
        "status rule",
        _REVIEWED,
    ),
    NextTest(
        "longer",
        "The next yearly fasting pair, at the same laboratory: more years say more than more "
        "draws.",
        lambda facts: facts["n_pairs"] >= RULE.min_pairs and facts["tier"] is None,
        "detection reference, section 4",
        _REVIEWED,
    ),
)
"""In order of urgency."""


def next_tests(facts: Facts) -> list[str]:
    """The sentences that apply, most urgent first.

    >>> facts = {"status": "unresolved", "tier": None, "doubts": [], "n_pairs": 1, "measured": []}
    >>> next_tests(facts)
    ['Fasting insulin and glucose of one draw, at one laboratory, half a year to a year apart.']
    """
    return [test.sentence for test in NEXT_TESTS if test.is_next(facts)]
