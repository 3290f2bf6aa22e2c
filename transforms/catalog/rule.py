"""The status rule: every threshold with its source and its next review.

Design.md section 5 is the rule; detection.md section 8 measured its tiers on simulated truth;
clinical.md section 9 gives the clinical limits. Changing a number here is a new version.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from transforms.catalog.lifecycle import State, in_force


@dataclass(frozen=True, slots=True)
class Rule:
    """Thresholds of the status rule; days are calendar days, probabilities are posterior;
    ``grounds`` are the exclusions it knows, by name (:mod:`transforms.catalog.exclusions`)."""

    version: str
    reviewed: date
    next_review: date
    citation: str
    adult_age: int = 20
    min_pairs: int = 3
    min_span_days: int = 365
    max_age_days: int = 400
    insulin_upper_limit: float = 12.5
    high_p: float = 0.8
    glucose_fine_p: float = 0.5
    tier_a_p: float = 0.8
    tier_a_pairs: int = 4
    tier_a_span_days: int = 1095
    tier_a_without_one_p: float = 0.5
    tier_a_bad_p: float = 0.5
    tier_b_p: float = 0.5
    tier_c_p: float = 0.3
    glucose_limit: float = 100.0
    glucose_rising_p: float = 0.9
    insulin_flat_p: float = 0.5
    grounds: tuple[str, ...] = ()
    measured: str = ""


STATUS_1 = Rule(
    version="status-1",
    reviewed=date(2026, 11, 22),
    next_review=date(2027, 11, 22),
    citation=(
        "Tiers and probabilities: simulation, design.md section 5. Upper limit of fasting insulin "
        "12.5 u[IU]/mL: Tohidi 2014, PMID 24530467 (2.11-12.49). Fasting glucose below 100 mg/dL: "
        "ADA. Pairs, span and age of data: judgement."
    ),
    grounds=(
        *("cirrhosis", "diabetes", "glinide", "insulin_antibodies", "insulin_therapy"),
        *("insulin_use", "insulinoma", "kidney_disease", "pancreas_disease", "pregnancy"),
        "sulfonylurea",
    ),
    measured=(
        "On simulated clinics, where some draws were not fasting or haemolysed without anybody "
        "saying so, about 10 % of marks with probability .8 or more were wrong and about 29 % of "
        "those with .5 or more; where climbers are rare (4 %), 24 % and 51 % before a clinic has a "
        "model of its own: look at the draws."
    ),
)
"""``measured``: how often its marks are wrong, as far as that is known. A rule that cohorts were
accepted on stays as it is; another number is another record."""

RULE = STATUS_1
"""The rule in force."""

RULES: dict[str, Rule] = {rule.version: rule for rule in (RULE,)}
"""Every rule that was ever in force: a retired one stays, so that its certificates can be checked.
"""


@dataclass(frozen=True, slots=True)
class Hold:
    """When a list is held back: its false ones by the model and by chance differ by more than
    ``most_difference`` (and by more than ``errors`` standard errors), or one laboratory or platform
    has ``most_share`` of it, ``most_lift`` times its share of the people evaluated and less likely
    than ``surprise`` by chance. Shorter lists than ``fewest_listed`` cannot be judged."""

    reviewed: date
    citation: str
    fewest_listed: int = 20
    most_difference: float = 0.10
    errors: float = 1.96
    most_share: float = 0.5
    most_lift: float = 2.0
    surprise: float = 0.001


HOLD = Hold(
    reviewed=date(2026, 11, 22),
    citation="Difference: detection reference, section 7; the rest judgement.",
)
"""In force."""

STATUSES: dict[str, str] = {
    "climbing": "Fasting insulin climbs while glucose looks fine.",
    "high_stable": "Fasting insulin is high and steady while glucose looks fine.",
    "high_and_climbing": "Fasting insulin is high and climbs on while glucose looks fine.",
    "decompensating": "Insulin was high or climbing; now glucose rises and insulin no longer does.",
    "not_flagged": "The rule does not hold on these draws. This is not a finding of health.",
    "unresolved": "Not evaluated: too few, too close or too old draws.",
    "excluded": "Not evaluated: the rule does not apply to this person.",
}
"""Every status in a sentence for people."""


@dataclass(frozen=True, slots=True)
class CohortDefinition:
    """A cohort: the statuses, and the tiers where they matter, that make a member; ``alerts``:
    whether entering it opens an alert; ``rule``: whose thresholds it rests on."""

    name: str
    version: str
    sentence: str
    statuses: tuple[str, ...]
    tiers: tuple[str, ...] = ()
    alerts: bool = True
    rule: Rule = STATUS_1
    state: State = "draft"
    accepted_on: date | None = None


_ACCEPTED = date(2026, 11, 22)
COHORT_VERSIONS: tuple[CohortDefinition, ...] = (
    CohortDefinition(
        "climbing_unseen",
        "1",
        "Insulin likely climbs while glucose looks fine (tier A or B).",
        ("climbing", "high_and_climbing"),
        ("A", "B"),
        state="accepted",
        accepted_on=_ACCEPTED,
    ),
    CohortDefinition(
        "climbing_repeat",
        "1",
        "Insulin may climb while glucose looks fine: repeat the fasting draw (tier C).",
        ("climbing", "high_and_climbing"),
        ("C",),
        state="accepted",
        accepted_on=_ACCEPTED,
    ),
    CohortDefinition(
        "high_stable",
        "1",
        STATUSES["high_stable"],
        ("high_stable", "high_and_climbing"),
        alerts=False,
        state="accepted",
        accepted_on=_ACCEPTED,
    ),
    CohortDefinition(
        "decompensating",
        "1",
        STATUSES["decompensating"],
        ("decompensating",),
        state="accepted",
        accepted_on=_ACCEPTED,
    ),
)
"""Every version, old ones and drafts too."""

COHORTS = in_force(COHORT_VERSIONS)
"""The cohorts in force."""
