"""The status rule, one predicate a line: value, bound, margin and whether it holds.

:mod:`transforms.statuses` decides; this says the same for one person so that each part of the
decision can be read and checked on its own. A test holds the two equal.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from transforms.catalog.rule import Rule

Facts = Mapping[str, float | None]
Holds = Callable[[float, float], bool]
_HOLDS: dict[str, Holds] = {">=": operator.ge, "<=": operator.le, "<": operator.lt}


@dataclass(frozen=True, slots=True)
class Asked:
    """One predicate: ``of`` says which part of the rule asks it, ``value`` names a fact and
    ``bound`` a threshold of the rule or a number; ``if_unknown``: whether it holds without it."""

    name: str
    of: str
    sentence: str
    value: str
    comparison: str
    bound: str | float
    if_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Predicate:
    """One predicate answered; ``margin`` is how far the value lies on the right side of its bound
    (negative: on the wrong one), null where there is no value."""

    name: str
    of: str
    sentence: str
    value: float | None
    comparison: str
    bound: float
    margin: float | None
    holds: bool


EVALUATED, TIER_A, TIER_B, TIER_C = "evaluated", "tier A", "tier B", "tier C"
HIGH, DECOMPENSATING = "high", "decompensating"

ASKED: tuple[Asked, ...] = (
    Asked("adult", EVALUATED, "years of age", "age", ">=", "adult_age", if_unknown=True),
    Asked("no exclusion", EVALUATED, "exclusions that hold tonight", "exclusions", "<=", 0.0),
    Asked("pairs", EVALUATED, "fasting pairs used", "n_pairs", ">=", "min_pairs"),
    Asked("span", EVALUATED, "days from first to newest", "span_days", ">=", "min_span_days"),
    Asked("fresh", EVALUATED, "days since the newest", "days_old", "<=", "max_age_days"),
    Asked(
        "climbing unseen", TIER_C, "P(climbing unseen)", "p_climbing_unseen", ">=", "tier_c_p"
    ),
    Asked(
        "climbing unseen", TIER_B, "P(climbing unseen)", "p_climbing_unseen", ">=", "tier_b_p"
    ),
    Asked(
        "climbing unseen", TIER_A, "P(climbing unseen)", "p_climbing_unseen", ">=", "tier_a_p"
    ),
    Asked("pairs", TIER_A, "fasting pairs used", "n_pairs", ">=", "tier_a_pairs"),
    Asked("span", TIER_A, "days from first to newest", "span_days", ">=", "tier_a_span_days"),
    Asked(
        "without one", TIER_A, "P(climbing unseen) without its weightiest draw", "p_without_one",
        ">=", "tier_a_without_one_p",
    ),
    Asked(
        "newest sound", TIER_A, "P(newest draw is bad)", "p_bad_newest", "<", "tier_a_bad_p",
        if_unknown=True,
    ),
    Asked("insulin high", HIGH, "P(insulin high)", "p_insulin_high", ">=", "high_p"),
    Asked("glucose fine", HIGH, "P(glucose fine)", "p_glucose_fine", ">=", "glucose_fine_p"),
    Asked(
        "was raised", DECOMPENSATING, "an earlier draw was high or climbing (1) or not (0)",
        "was_raised", ">=", 1.0,
    ),
    Asked(
        "glucose now", DECOMPENSATING, "glucose of the newest draw, mg/dL", "glucose_now",
        ">=", "glucose_limit",
    ),
    Asked(
        "glucose before", DECOMPENSATING, "glucose of the draw before, mg/dL", "glucose_before",
        ">=", "glucose_limit",
    ),
    Asked(
        "glucose rising", DECOMPENSATING, "P(glucose rising)", "p_glucose_rising", ">=",
        "glucose_rising_p",
    ),
    Asked(
        "insulin not climbing", DECOMPENSATING, "P(insulin climbing)", "p_insulin_climbing", "<",
        "insulin_flat_p",
    ),
)  # fmt: skip
"""The rule of :mod:`transforms.statuses`, in its order."""

FACTS = tuple(dict.fromkeys(asked.value for asked in ASKED))


def predicates(facts: Facts, rule: Rule) -> tuple[Predicate, ...]:
    """Every predicate of the rule on one person's facts.

    Args:
        facts: :data:`FACTS`: ``age`` in whole years, ``exclusions`` that hold, ``n_pairs``, days,
            probabilities, ``glucose_now`` and ``glucose_before`` in mg/dL, ``was_raised`` 0 or 1;
            None where not known.
        rule: thresholds.
    """
    return tuple(_answered(asked, facts[asked.value], rule) for asked in ASKED)


def _answered(asked: Asked, value: float | None, rule: Rule) -> Predicate:
    bound = float(getattr(rule, asked.bound) if isinstance(asked.bound, str) else asked.bound)
    head = (asked.name, asked.of, asked.sentence)
    if value is None:
        return Predicate(*head, None, asked.comparison, bound, None, asked.if_unknown)
    value = float(value)
    margin = value - bound if asked.comparison == ">=" else bound - value
    holds = _HOLDS[asked.comparison](value, bound)
    return Predicate(*head, value, asked.comparison, bound, margin, holds)


def status_by(answers: tuple[Predicate, ...]) -> tuple[str, str | None]:
    """Status and tier that follow from the answers alone."""
    holds = {(answer.of, answer.name): answer.holds for answer in answers}
    if not (holds[EVALUATED, "adult"] and holds[EVALUATED, "no exclusion"]):
        return "excluded", None
    if not _all(holds, EVALUATED):
        return "unresolved", None
    falls = {name: holds[DECOMPENSATING, name] for of, name in holds if of == DECOMPENSATING}
    glucose = falls["glucose rising"] or (falls["glucose now"] and falls["glucose before"])
    if falls["was raised"] and glucose and falls["insulin not climbing"]:
        return "decompensating", None
    tier = next((of[-1] for of in (TIER_A, TIER_B, TIER_C) if _all(holds, of)), None)
    if tier:
        return ("high_and_climbing" if _all(holds, HIGH) else "climbing"), tier
    return ("high_stable" if _all(holds, HIGH) else "not_flagged"), None


def _all(holds: Mapping[tuple[str, str], bool], of: str) -> bool:
    return all(answer for (part, _), answer in holds.items() if part == of)
