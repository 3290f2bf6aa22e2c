"""When an alert opens, when its ground is gone, and what makes it worth telling again.

An episode is not a stay in a cohort: a cohort says what held after each draw, an episode goes on
until a draw says clearly that it does not. Between the two lies a band that noise may cross
without opening, closing or telling anything (``measured``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

REVIEWED = date(2026, 11, 29)
NEXT_REVIEW = date(2027, 11, 29)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """One reason to alert.

    Attributes:
        name: the rule.
        version: of this record.
        sentence: for people.
        findings: statuses after a draw with which an episode opens.
        column: the probability or level that keeps it open, of the trend after a draw.
        keeps: it stays open while ``column`` is at least this.
        has_tiers: whether the status rule's tiers say how sure it is.
        surely_odds: a higher tier than was told is told of when the odds passed its bound this
            many times over, after two draws in a row.
        severity: 1 first; where a budget is short the first are told.
        citation: whence the numbers.
        measured: how often noise alone makes a second notice of one episode.
    """

    name: str
    version: str
    sentence: str
    findings: tuple[str, ...]
    column: str
    keeps: float
    has_tiers: bool = False
    surely_odds: float = 1.0
    severity: int
    citation: str
    measured: str
    reviewed: date = REVIEWED
    next_review: date = NEXT_REVIEW


ALERT_RULES: tuple[AlertRule, ...] = (
    AlertRule(
        name="decompensating",
        version="1",
        sentence="Insulin was high or climbing; now glucose rises and insulin no longer does.",
        findings=("decompensating",),
        column="glucose_level_mg_dl",
        keeps=96.0,
        severity=1,
        citation=(
            "Opens by the status rule at 100 mg/dL. Closes 4 % below: the model's level of three "
            "or more draws, each with a within-person CV of 4.7 % (clinical reference, section 5)."
        ),
        measured="",
    ),
    AlertRule(
        name="climbing_unseen",
        version="1",
        sentence="Fasting insulin likely climbs while fasting glucose looks fine.",
        findings=("climbing", "high_and_climbing"),
        column="p_climbing_unseen",
        keeps=0.15,
        has_tiers=True,
        surely_odds=2.33,
        severity=2,
        citation="Opens by the status rule's tiers; what closes it and what is told again: judgement.",
        measured="",
    ),
)
"""In force, the most severe first."""

TIERS = ("C", "B", "A")
"""From weakest to strongest."""


@dataclass(frozen=True, slots=True)
class Closing:
    """Words for why an alert ended. A ground that falls away takes the alert back; one that was
    true and ended does not."""

    held_no_longer: str = "a later draw no longer shows it"
    excluded: str = "the rule no longer applies to this person"
    excluded_before: str = "the rule did not apply to this person any more when the alert opened"
    merged: str = "the record was merged into one that has an alert of its own"
    ground_gone: str = (
        "the results it rested on were corrected, withdrawn or moved to another person, or the "
        "person turned out to be excluded"
    )
    rule_changed: str = (
        "the rule or the trend model was changed; with it the same draws do not alert"
    )


CLOSING = Closing()
"""In force."""
