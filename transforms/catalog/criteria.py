"""What every cohort asks of a person, criterion by criterion, with the value that decides.

The transforms decide by frames (:mod:`transforms.cohorts` and its siblings). Here the same is
written down as data: a member is whoever meets every criterion. The published file has it as the
table ``criterion``, its views ``why`` and ``why_not`` are read from that table, and a test holds
the two ways to the same members.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from transforms.catalog.corroboration import CONTRADICTIONS, CORROBORATORS, Contradiction
from transforms.catalog.patterns import PATTERNS, Pattern
from transforms.catalog.rule import COHORTS, CohortDefinition, Rule

Definition = CohortDefinition | Contradiction | Pattern
IN_FORCE: tuple[Definition, ...] = (*COHORTS, *CONTRADICTIONS, *PATTERNS)
"""Every cohort in force."""
MustBe = Literal[">=", "<=", "<"]
TIERS = ("A", "B", "C")


class NotCriteriaError(ValueError):
    """A definition that cannot be written as criteria that all must hold."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that must hold.

    ``value_column`` names the deciding value, which ``must_be`` so against ``bound`` (None: against the
    limit that was in force for that value). Where the value is not known, it holds if
    ``holds_unknown``. ``any_of``: of the criteria with the same word one suffices; a definition
    has at most one such word. ``settled_by``: the measurement that would settle it, '' where none.
    """

    criterion: str
    asks: str
    value_column: str
    must_be: MustBe
    bound: float | None
    unit: str
    settled_by: str = ""
    any_of: str = ""
    holds_unknown: bool = False


_PAIR = "a fasting draw of insulin and glucose"


def _person(rule: Rule) -> tuple[Criterion, ...]:
    """Whom the rule is for."""
    return (
        Criterion(
            "adult",
            f"At least {rule.adult_age} years old at the deciding observation; an unknown date of birth is no ground.",
            "age_years", ">=", float(rule.adult_age), "a", holds_unknown=True,
        ),
        Criterion(
            "not_excluded",
            "No condition or medication that excludes, from the deciding observation to tonight.",
            "n_exclusions", "<=", 0.0, "1",
        ),
    )  # fmt: skip


def _draws(rule: Rule) -> tuple[Criterion, ...]:
    """What makes a person evaluated."""
    return (
        Criterion(
            "pairs", "Enough usable fasting pairs.",
            "n_pairs", ">=", float(rule.min_pairs), "1", "more fasting draws of insulin and glucose",
        ),
        Criterion(
            "span", "The pairs span long enough.",
            "span_days", ">=", float(rule.min_span_days), "d", "a fasting draw a year or more after the first",
        ),
        Criterion(
            "fresh", "The newest pair is not too old.",
            "days_old", "<=", float(rule.max_age_days), "d", _PAIR,
        ),
    )  # fmt: skip


def _glucose_fine(rule: Rule) -> Criterion:
    return Criterion(
        "glucose_fine", "Glucose is probably below 100 mg/dL and rises by less than 1.5 mg/dL a year.",
        "p_glucose_fine", ">=", rule.glucose_fine_p, "1", _PAIR,
    )  # fmt: skip


_NOT_DECOMPENSATING = Criterion(
    "not_decompensating",
    "Not all three of: raised before, glucose goes up, insulin no longer climbs.",
    "decompensation_signs", "<=", 2.0, "1",
)  # fmt: skip


def _decompensating(rule: Rule) -> tuple[Criterion, ...]:
    return (
        Criterion(
            "raised_before", "An earlier draw was high or climbing.",
            "raised_before", ">=", 1.0, "1",
        ),
        Criterion(
            "glucose_twice_high", "Glucose of the newest two draws is at the limit or above.",
            "lower_glucose_mg_dl", ">=", rule.glucose_limit, "mg/dL", _PAIR, "glucose_goes_up",
        ),
        Criterion(
            "glucose_rises", "Glucose surely rises.",
            "p_glucose_rising", ">=", rule.glucose_rising_p, "1", _PAIR, "glucose_goes_up",
        ),
        Criterion(
            "insulin_flat", "Insulin probably no longer climbs.",
            "p_insulin_climbing", "<", rule.insulin_flat_p, "1", _PAIR,
        ),
    )  # fmt: skip


def _climbs(tiers: tuple[str, ...], rule: Rule) -> tuple[Criterion, ...]:
    """The probability that the tiers ask for, which must be neighbours."""
    places = [TIERS.index(tier) for tier in tiers] if tiers else [0, 1, 2]
    if places != list(range(places[0], places[-1] + 1)) or places == [1] or places[0] == 1:
        raise NotCriteriaError(f"tiers {', '.join(tiers)}: only A, A B, A B C or C alone")
    least = (rule.tier_a_p, rule.tier_b_p, rule.tier_c_p)[places[-1]]
    found = [
        Criterion(
            "climbs_unseen", "Insulin probably climbs while glucose is fine.",
            "p_climbing_unseen", ">=", least, "1", _PAIR,
        )
    ]  # fmt: skip
    if places == [2]:
        found.append(
            Criterion(
                "not_surer", "Not so probable that a surer tier holds.",
                "p_climbing_unseen", "<", rule.tier_b_p, "1", _PAIR,
            )
        )  # fmt: skip
    return tuple(found) + (_surely(rule) if places == [0] else ())


def _surely(rule: Rule) -> tuple[Criterion, ...]:
    """What tier A asks beyond its probability."""
    return (
        Criterion(
            "without_one", "It still climbs, probably, when any one draw is left out.",
            "p_without_one", ">=", rule.tier_a_without_one_p, "1", _PAIR,
        ),
        Criterion(
            "newest_sound", "The newest draw is probably what it says.",
            "p_bad_newest", "<", rule.tier_a_bad_p, "1", "the fasting draw again", holds_unknown=True,
        ),
    )  # fmt: skip


def _of_rule(cohort: CohortDefinition) -> tuple[Criterion, ...]:
    rule, statuses = cohort.rule, set(cohort.statuses)
    whom = (*_person(rule), *_draws(rule))
    if statuses == {"decompensating"}:
        return (*whom, *_decompensating(rule))
    if statuses == {"climbing", "high_and_climbing"}:
        if cohort.tiers == ("A",):
            whom = tuple(_for_tier_a(each, rule) for each in whom)
        return (*whom, *_climbs(cohort.tiers, rule), _NOT_DECOMPENSATING)
    if statuses == {"high_stable", "high_and_climbing"} and not cohort.tiers:
        high = Criterion(
            "insulin_high", f"Insulin is probably above {rule.insulin_upper_limit:g} uIU/mL.",
            "p_insulin_high", ">=", rule.high_p, "1", _PAIR,
        )  # fmt: skip
        return (*whom, high, _glucose_fine(rule), _NOT_DECOMPENSATING)
    raise NotCriteriaError(
        f"statuses {', '.join(sorted(statuses))}: no criteria are known for them"
    )


def _for_tier_a(criterion: Criterion, rule: Rule) -> Criterion:
    bounds = {"pairs": float(rule.tier_a_pairs), "span": float(rule.tier_a_span_days)}
    return replace(criterion, bound=bounds.get(criterion.criterion, criterion.bound))


def _of_contradiction(cohort: Contradiction) -> tuple[Criterion, ...]:
    name = next(each.name for each in CORROBORATORS if each.kind == cohort.kind)
    limits = {(each.limit, each.unit) for each in cohort.measures}
    limit, unit = limits.pop() if len(limits) == 1 else (None, cohort.measures[0].unit)
    return (
        *_person(cohort.rule),
        *_draws(cohort.rule),
        _glucose_fine(cohort.rule),
        Criterion(
            "not_fine", f"Not fine by {name}: the value that decided is at its limit or above.",
            "evidence_value", ">=", limit, unit, name,
        ),
        Criterion(
            "evidence_fresh", f"What {name} said is not too old.",
            "evidence_days_old", "<=", float(cohort.rule.max_age_days), "d", name,
        ),
    )  # fmt: skip


def _of_pattern(pattern: Pattern) -> tuple[Criterion, ...]:
    found = [
        Criterion(
            "worsening", "Two independent signals of the pattern worsen.",
            "n_worsening", ">=", 2.0, "1", ", ".join(sign.signal for sign in pattern.worsening),
        )
    ]  # fmt: skip
    if pattern.not_worsening:
        others = ", ".join(sign.signal for sign in pattern.not_worsening)
        found += [
            Criterion(
                "others_known", "Of the signals that must not worsen one has a course.",
                "n_others_known", ">=", 1.0, "1", others,
            ),
            Criterion(
                "others_hold", "None of the signals that must not worsen does.",
                "n_others_worsening", "<=", 0.0, "1", holds_unknown=True,
            ),
        ]  # fmt: skip
    return (*_person(pattern.rule), *_draws(pattern.rule), _glucose_fine(pattern.rule), *found)


def criteria(definition: Definition) -> tuple[Criterion, ...]:
    """What the definition asks, in the order in which it is told.

    Raises:
        NotCriteriaError: its statuses or tiers are no conjunction of criteria.

    >>> [each.criterion for each in criteria(COHORTS[0])][-2:]
    ['climbs_unseen', 'not_decompensating']
    """
    if isinstance(definition, CohortDefinition):
        return _of_rule(definition)
    if isinstance(definition, Contradiction):
        return _of_contradiction(definition)
    return _of_pattern(definition)


_SCHEMA = {
    "cohort": pl.String,
    "definition_version": pl.String,
    "place": pl.Int64,
    "decided_by": pl.String,
    "criterion": pl.String,
    "asks": pl.String,
    "value_column": pl.String,
    "must_be": pl.String,
    "bound": pl.Float64,
    "unit": pl.String,
    "settled_by": pl.String,
    "any_of": pl.String,
    "holds_unknown": pl.Boolean,
}


def criterion_frame() -> pl.DataFrame:
    """One row per cohort in force and criterion: ``cohort``, ``definition_version``, ``place``
    (from 1), ``decided_by`` ('draws' or 'signs': what else than draws decides), and the fields of
    :class:`Criterion`.

    >>> criterion_frame().filter(cohort="climbing_repeat")["bound"].to_list()[-3:]
    [0.3, 0.5, 2.0]
    """
    rows = [
        (each.name, each.version, place, _decided_by(each), *_values(item))
        for each in IN_FORCE
        for place, item in enumerate(criteria(each), 1)
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _decided_by(definition: Definition) -> str:
    return "draws" if isinstance(definition, CohortDefinition) else "signs"


def _values(item: Criterion) -> tuple[object, ...]:
    return tuple(getattr(item, name) for name in _SCHEMA if name in Criterion.__slots__)
