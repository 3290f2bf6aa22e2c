"""Corroboration: what else agrees with fine fasting glucose, or contradicts it, and from where.

HbA1c, two weeks of a worn sensor and the glucose after a drink stand beside the status, never in
it: no threshold here changes a status or a tier. Consensus targets of sensors are goals for people
with diabetes and are not used. What is not fine is a reason to look again, no diagnosis.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from transforms.catalog.exclusions import NOBODY, PREGNANCY, Exclusion
from transforms.catalog.lifecycle import State, in_force
from transforms.catalog.rule import STATUS_1, Rule

REVIEWED = date(2026, 11, 22)
NEXT_REVIEW = date(2027, 11, 22)

Kind = Literal["hba1c", "cgm", "glucose_1h", "glucose_2h"]
Says = Literal["fine", "not fine"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A measured column and the value from which it is not fine.

    Values are rounded to ``digits`` decimals, those of the limit, before they are compared: 8.6
    mmol/L is 154.9 mg/dL, and its limit is written 8.6 and 155. ``words`` stand between the value
    and the day.
    """

    column: str
    limit: float
    unit: str
    digits: int = 0
    words: str = "on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Corroborator:
    """One kind of evidence: not fine where any of its measures reaches its limit, fine where all
    are known and none does. It says nothing where any of ``misled_by`` is on record. ``caveat``
    stands behind what it says, whichever way; ``examples`` are values of the measures and what
    they say."""

    kind: Kind
    name: str
    measures: tuple[Measure, ...]
    citation: str
    not_claimed: str
    examples: tuple[tuple[tuple[float | None, ...], Says | None], ...]
    caveat: str = ""
    misled_by: tuple[Exclusion, ...] = ()
    reviewed: date = REVIEWED
    next_review: date = NEXT_REVIEW


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|"))


RED_CELL_DAYS = 120
"""How long a red cell lives: so long HbA1c remembers."""
_ADA = "ADA Standards of Care, section 2: then glucose alone is to be used"
_DENIED = (*NOBODY, *_listed("no evidence|without|screening|screen for|suspected|rule out|risk of"))
_PLAIN = Exclusion(
    name="",
    sentence="",
    table="condition",
    effect="draw",
    citation=_ADA,
    reviewed=REVIEWED,
    next_review=NEXT_REVIEW,
    codes={},
)

MISLEADING_HBA1C: tuple[Exclusion, ...] = (
    replace(
        _PLAIN,
        name="haemoglobin_variant",
        sentence="a variant of haemoglobin is on record, which misleads some methods",
        citation=_ADA + "; Little 2015, PMID 25691657 (variants against methods). The method is"
        " seldom told, so a trait counts as well: judgement",
        codes={
            "icd10": _listed("D56|D57|D58"),
            "snomed": _listed("80141007|16402000|417357006|127040003|35434009|40108008"),
        },
        words=_listed(
            "haemoglobinopath|hemoglobinopath|hamoglobinopath|sickle|sichelzell|drepanocyt"
            "|thalassaem|thalassem|thalassam|talasem|haemoglobin variant|hemoglobin variant"
            "|abnormal haemoglobin|abnormal hemoglobin|haemoglobin c disease|hemoglobin c disease"
            "|haemoglobin c trait|hemoglobin c trait|haemoglobin e disease|hemoglobin e disease"
            "|haemoglobin e trait|hemoglobin e trait|hereditary spherocyt"
        ),
        not_words=(*_DENIED, *_listed("no sickle|no thalass|not sickle|negative for")),
        before_days=36_525,  # inborn, whenever it was written down
    ),
    replace(
        _PLAIN,
        name="iron_deficiency",
        sentence="iron deficiency is on record, which raises HbA1c",
        citation="English 2015, doi 10.1007/s00125-015-3599-3 (too high in iron deficiency); a year"
        " where no end is told, and a red cell's life before and after: judgement",
        codes={"icd10": _listed("D50|E61.1"), "snomed": _listed("87522002|35240004")},
        words=_listed("iron defic|eisenmangel|carence martiale|deficit de hierro|sideropen"),
        not_words=(*_DENIED, *_listed("no iron|not iron|prevention of iron")),
        before_days=RED_CELL_DAYS,
        after_days=RED_CELL_DAYS,
        open_days=365,
    ),
    replace(
        _PLAIN,
        name="haemolysis_or_blood_loss",
        sentence="red cells were lost or destroyed, which lowers HbA1c",
        citation=_ADA + "; window as for iron: judgement",
        codes={"icd10": _listed("D55|D59|D62|D75.A"), "snomed": _listed("61261009|62403005")},
        words=_listed(
            "haemolytic an|hemolytic an|hamolytische an|haemolytic disease|g6pd"
            "|glucose 6 phosphate dehydrogenase|acute blood loss|posthaemorrhagic|posthemorrhagic"
        ),
        not_words=(*_DENIED, *_listed("no haemoly|no hemoly|non haemoly|non hemoly|normal g6pd")),
        after_days=RED_CELL_DAYS,
        open_days=365,
    ),
    replace(
        _PLAIN,
        name="transfusion",
        sentence="blood was given in the four months before: part of it is somebody else's",
        citation=_ADA + "; a red cell's life: judgement",
        codes={"icd10": ("Z51.3",), "snomed": _listed("116859006|116863004|5447007")},
        words=_listed("transfusion|blood transfus|bluttransfus"),
        not_words=(
            *_DENIED,
            *_listed("no transfus|refus|declin|history of|platelet|plasma|agrees|accept|consent"),
        ),
        after_days=RED_CELL_DAYS,
        open_days=0,
    ),
    replace(
        PREGNANCY,
        effect="draw",
        sentence="pregnancy is on record, in which HbA1c runs low",
        citation=_ADA + "; days: as for draws",
    ),
)
"""When HbA1c says nothing of glucose. A row matches as in :mod:`transforms.catalog.exclusions`."""

MISLEADING_DRINK: tuple[Exclusion, ...] = (
    replace(
        PREGNANCY,
        effect="draw",
        sentence="pregnancy is on record, in which a drink has limits of its own",
        citation="ADA Standards of Care, sections 2 and 15: in pregnancy 180 and 153 mg/dL, 1 and 2 hours"
        " after 75 g; limits of other people again from 4 weeks after birth",
        after_days=28,
    ),
)
"""When glucose after a drink is not to be judged by limits of people who are not pregnant."""

HBA1C_LIMITS = (Measure("hba1c_pct", 5.7, "%", 1),)
CGM_LIMITS = (
    Measure("pct_above_140", 25.0, "%", 1, "of readings above 140 mg/dL in 14 days to"),
    Measure("pct_above_180", 5.0, "%", 1, "of readings above 180 mg/dL in 14 days to"),
)
"""Cohorts were accepted on these: another limit is another constant, and a new version of them."""

CORROBORATORS: tuple[Corroborator, ...] = (
    Corroborator(
        kind="hba1c",
        name="HbA1c",
        measures=HBA1C_LIMITS,
        citation="ADA: below 5.7 % is normal, 5.7-6.4 % is not yet diabetes. 39 mmol/mol is 5.72 %",
        not_claimed="Prediabetes, from one value; that glucose after meals is fine, from a low one.",
        examples=(((5.6,), "fine"), ((5.7,), "not fine"), ((5.72,), "not fine"), ((None,), None)),
        misled_by=MISLEADING_HBA1C,
    ),
    # Two populations disagree: 2.1 % above 140 mg/dL (median of 153 healthy lean people aged 7 to
    # 80, Dexcom G6 calibrated daily) and 12.1 % (mean of 560 normoglycaemic people of 58 years on
    # average, G6 Pro; with prediabetes 77.1 % within 70-140, so about 22 % above). A limit of 10 %
    # would call many of the second group not fine; 25 % is twice their mean and above the mean of
    # prediabetes, 5 % above 180 is four times their 1.2 %. The limits are judgement.
    Corroborator(
        kind="cgm",
        name="glucose sensor",
        measures=CGM_LIMITS,
        citation="People without diabetes: Shah 2019, PMID 31127824 (median 2.1 % above 140 mg/dL)"
        " and Spartano 2024, doi 10.1210/clinem/dgae626 (mean 12.1 % above 140, 1.2 % above 180);"
        " the limits, about twice and four times the higher means, are judgement",
        not_claimed="Diabetes or prediabetes; that after-meal glucose is fine, from a sensor that"
        " reads few highs (an older one showed 0.4 % above 140 mg/dL in such people).",
        caveat="sensor models differ severalfold in the highs they read",
        examples=(
            ((2.1, 0.0), "fine"),
            ((12.1, 1.2), "fine"),
            ((24.9, 4.9), "fine"),
            ((25.0, 0.0), "not fine"),
            ((20.0, 5.0), "not fine"),
            ((20.0, None), None),
        ),
    ),
    Corroborator(
        kind="glucose_1h",
        name="glucose 1 hour after a drink",
        measures=(Measure("glucose_60_mg_dl", 155.0, "mg/dL"),),
        citation="IDF position statement 2024, doi 10.1016/j.diabres.2024.111589: from 155 mg/dL"
        " (8.6 mmol/L) intermediate hyperglycaemia",
        not_claimed="A diagnosis from one test; ADA and WHO have no 1-hour criterion.",
        examples=(((154.0,), "fine"), ((8.6 * 18.016,), "not fine"), ((155.0,), "not fine")),
        misled_by=MISLEADING_DRINK,
    ),
    Corroborator(
        kind="glucose_2h",
        name="glucose 2 hours after a drink",
        measures=(Measure("glucose_120_mg_dl", 140.0, "mg/dL"),),
        citation="ADA and WHO: below 140 mg/dL (7.8 mmol/L) is normal tolerance",
        not_claimed="A diagnosis from one test: 2-hour glucose repeats poorly.",
        examples=(((139.0,), "fine"), ((140.0,), "not fine"), ((7.8 * 18.016,), "not fine")),
        misled_by=MISLEADING_DRINK,
    ),
)
"""In the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A cohort of people of whose glucose two kinds of evidence disagree: fine by the draws, not
    fine by ``kind``, whose limits are ``measures``."""

    name: str
    version: str
    kind: Kind
    sentence: str
    not_claimed: str
    measures: tuple[Measure, ...]
    rule: Rule = STATUS_1
    state: State = "draft"
    accepted_on: date | None = None
    reviewed: date = REVIEWED
    next_review: date = NEXT_REVIEW


CONTRADICTION_VERSIONS: tuple[Contradiction, ...] = (
    Contradiction(
        "glucose_not_fine_by_cgm",
        "2",
        "cgm",
        "Fasting glucose is fine by the rule, and two weeks of a sensor say otherwise.",
        "That the sensor is right: limits for people without diabetes are judgement.",
        CGM_LIMITS,
        state="accepted",
        accepted_on=REVIEWED,
    ),
    Contradiction(
        "glucose_not_fine_by_hba1c",
        "1",
        "hba1c",
        "Fasting glucose is fine by the rule, and HbA1c says otherwise.",
        "That HbA1c is right: it also follows the life of red cells.",
        HBA1C_LIMITS,
        state="accepted",
        accepted_on=REVIEWED,
    ),
)
"""Every version, old ones and drafts too."""

CONTRADICTIONS = in_force(CONTRADICTION_VERSIONS)
"""The cohorts in force."""
