"""Patterns: which signals of tissues worsen together while others do not, as cohorts.

The source article asks whether tissues can fail apart while glucose looks fine. A pattern says only
that the signals listed for one tissue moved and those listed for another did not; no signal here
belongs to one tissue alone, and no study has shown that such a pattern foretells anything. All
definitions are judgement, their evidence grade is D, and none of them opens an alert. Where true
drift is rarer than what ``measured`` says noise does, most members are noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import combinations
from typing import Literal

from transforms.catalog.lifecycle import State, in_force
from transforms.catalog.rule import STATUS_1, Rule

REVIEWED = date(2026, 11, 22)
NEXT_REVIEW = date(2027, 11, 22)

Course = Literal["worsening", "steady", "improving"]


@dataclass(frozen=True, slots=True)
class Sign:
    """A signal of a tissue (:mod:`transforms.catalog.tissues`).

    ``origin`` is the kind of evidence; ``rests_on`` names what is measured for it and moves it:
    two signs that rest on one measurement are one piece of evidence told twice.
    """

    tissue: str
    signal: str
    origin: str
    rests_on: tuple[str, ...]

    @property
    def name(self) -> str:
        """The sign's own name: a signal may serve several tissues."""
        return f"{self.tissue}.{self.signal}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A pattern: glucose fine, two signs of ``worsening`` worsen, and of ``not_worsening``, where
    any are listed, one at least is known and none worsens. The two must differ in origin and share
    no measurement. ``not_measured`` is the step of who cannot be judged; ``example`` is a course of
    signals (by name) with which the pattern holds; ``measured``: how often noise alone makes a
    member and a true drift does, in simulation (six yearly draws, 3,000 people)."""

    name: str
    version: str
    sentence: str
    not_claimed: str
    worsening: tuple[Sign, ...]
    not_worsening: tuple[Sign, ...]
    not_measured: str
    example: dict[str, Course]
    citation: str
    measured: str
    rule: Rule = STATUS_1
    state: State = "draft"
    accepted_on: date | None = None
    reviewed: date = REVIEWED
    next_review: date = NEXT_REVIEW

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The names of two worsening signs that suffice."""
        return tuple(
            (one.name, other.name)
            for one, other in combinations(self.worsening, 2)
            if one.origin != other.origin and not set(one.rests_on) & set(other.rests_on)
        )

    @property
    def signs(self) -> tuple[Sign, ...]:
        """All of its signs."""
        return (*self.worsening, *self.not_worsening)


# FIB-4 is left out: it rises with age alone. HIRI needs a drink, which few have twice. Of the fatty
# liver index no variation is known, so it never has a course.
LIVER = (
    Sign("liver", "alt", "enzyme", ("alt",)),
    Sign("liver", "ast", "enzyme", ("ast",)),
    Sign("liver", "ggt", "enzyme", ("ggt",)),
    Sign("liver", "hsi", "score", ("alt", "ast", "body")),
    Sign("liver", "tyg", "lipid", ("triglyceride",)),
    Sign("liver", "homa_ir", "insulin", ("insulin",)),
)
"""Glucose is part of TyG and HOMA-IR; it is fine throughout, so it is not what moves both."""

# Leptin, waist and hs-CRP are left out: they tell of how much fat there is, or of an infection.
ADIPOSE = (
    Sign("adipose", "nefa", "fatty acids", ("nefa",)),
    Sign("adipose", "adipo_ir", "fatty acids", ("nefa", "insulin")),
    Sign("adipose", "revised_quicki", "fatty acids", ("nefa", "insulin")),
    Sign("adipose", "tg_hdl", "lipid", ("triglyceride", "hdl")),
    Sign("adipose", "lar", "adipokine", ("leptin", "adiponectin")),
)

CLEARANCE = (
    Sign("liver", "homa_ir", "insulin", ("insulin",)),
    # What it adds to insulin, which is in both, is C-peptide.
    Sign("clearance", "c_peptide_insulin", "ratio", ("c_peptide",)),
)

_NOT_LIVER = (
    "That the liver, or any tissue, is insulin resistant; fatty liver; a diagnosis; that fat tissue"
    " is healthy because nothing was seen there."
)

PATTERN_VERSIONS: tuple[Pattern, ...] = (
    Pattern(
        name="liver_pattern",
        version="2",
        sentence="Two independent signals listed for the liver worsen, none listed for fat tissue"
        " does, and fasting glucose is fine.",
        not_claimed=_NOT_LIVER,
        worsening=LIVER,
        not_worsening=ADIPOSE,
        not_measured="no two independent liver signals, or no signal of fat tissue, with a course",
        example={"alt": "worsening", "tyg": "worsening", "nefa": "steady"},
        citation="Signals: clinical reference, section 4 (liver, adipose); selective failure: Brown"
        " and Goldstein 2008, PMID 18249166; the combination: judgement",
        measured="Of steady people noise made 4 % members at some time, 1 % at the end; of those"
        " whose ALT and GGT rose by 12 % a year and triglyceride by 5 %, 65 % and 48 %.",
        state="accepted",
        accepted_on=REVIEWED,
    ),
    Pattern(
        name="adipose_pattern",
        version="2",
        sentence="Two independent signals listed for fat tissue worsen, none listed for the liver"
        " does, and fasting glucose is fine.",
        not_claimed="That fat tissue leaks, is inflamed or is insulin resistant; a diagnosis; that"
        " the liver is healthy because nothing was seen there.",
        worsening=ADIPOSE,
        not_worsening=LIVER,
        not_measured="no two independent signals of fat tissue, or no liver signal, with a course",
        example={"nefa": "worsening", "tg_hdl": "worsening", "alt": "improving"},
        citation="Signals: clinical reference, section 4 (adipose; NEFA varies by 45 %, three"
        " samples or more); the combination: judgement",
        measured="Of steady people noise made 2 % members at some time, under 1 % at the end; of"
        " those whose NEFA rose by 15 % a year, triglyceride by 8 % and leptin by 10 % while HDL"
        " fell by 4 %, 30 % and 18.5 %.",
        state="accepted",
        accepted_on=REVIEWED,
    ),
    Pattern(
        name="clearance_pattern",
        version="1",
        sentence="Fasting insulin rises and C-peptide falls behind it, while fasting glucose is"
        " fine: less of the insulin may be cleared.",
        not_claimed="That secretion is normal; that the liver is the cause; that the rise of insulin"
        " is harmless.",
        worsening=CLEARANCE,
        not_worsening=(),
        not_measured="insulin, or C-peptide beside it, has no course",
        example={"homa_ir": "worsening", "c_peptide_insulin": "worsening"},
        citation="PROMISE 2019 (clearance fell by 20 % in 9 years, n 492); the combination:"
        " judgement",
        measured="Both signs hold the same insulin, so its noise moves both: of steady people 6 %"
        " were members at some time, 2 % at the end; of those whose insulin alone rose by 12 % a"
        " year 41 % and 33 %, and where C-peptide rose as much 11 % and 5 %.",
        state="accepted",
        accepted_on=REVIEWED,
    ),
)
"""Every version, old ones and drafts too."""

PATTERNS = in_force(PATTERN_VERSIONS)
"""The pattern cohorts in force."""
