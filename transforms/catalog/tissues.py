"""Tissues: what each can be watched by, how good the evidence is, what may be said and what not.

Insulin's pathways fail selectively, and differently in liver, muscle, fat and brain (Brown and
Goldstein 2008, PMID 18249166; Samuel and Shulman 2012, PMID 22385956; Guo 2014, PMID 24281010).
No routine test looks into one of them. A record says which measured signal speaks of which tissue
and how far; it never says that a tissue is insulin resistant. What is added to the four: the beta
cell and the clearance of insulin, for insulin also climbs when more of it is made or less of it is
cleared. Grades, directions and ceilings are judgements on the sources named; the tissue map is
section 4 of the clinical reference. ``docs/tissues.md`` is :func:`page`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

import polars as pl

Source = Literal["index", "analyte", "cgm", "wearable", "weight"]

REVIEWED = date(2026, 11, 22)
NEXT_REVIEW = date(2027, 11, 22)

GRADES: dict[str, str] = {
    "A": "measures this tissue itself; nothing that is stored here does",
    "B": "agreed with a measurement of this tissue, or with its outcome, in many people",
    "C": "indirect: goes along with this tissue's trouble, and with much else",
    "D": "context: describes the person, says nothing of this tissue",
}
"""What an evidence grade means. Context has no better and no worse: its direction is 0."""

_MAP = "clinical reference, section 4"


@dataclass(frozen=True, slots=True)
class Tissue:
    """A tissue.

    ``mechanism``: what fails there; ``ceiling``: the best grade that a stored signal of it can
    have; ``beyond``: what would look at the tissue itself, or is not stored.
    """

    name: str
    title: str
    mechanism: str
    claim: str
    not_claimed: str
    ceiling: str
    beyond: str
    citation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One signal of one tissue; several tissues may share it, each with a record of its own.

    ``of`` is its name in ``source``: an index, an analyte, a column of sensor windows, of months
    of wearables, or of weight slopes; ``unit`` is given where that catalog has none.
    ``direction``: 1 where higher is worse, -1 where lower is, 0 where neither can be said.
    ``next_test``: what measures it. ``is_fasting``: a value not known to be fasting is no value of
    it. ``at_most``: a value above tells of something else.
    """

    tissue: str
    name: str
    title: str
    source: Source
    of: str
    direction: Literal[-1, 0, 1]
    evidence_grade: str
    claim: str
    not_claimed: str
    next_test: str
    citation: str
    unit: str = ""
    is_fasting: bool = False
    at_most: float | None = None
    reviewed: date = REVIEWED
    next_review: date = NEXT_REVIEW


TISSUES: tuple[Tissue, ...] = (
    Tissue(
        "liver",
        "Liver",
        "Insulin no longer stops the release of glucose, and goes on driving the making of fat.",
        "The fasting pattern weighs towards the liver, or a score of fatty liver is raised.",
        "That this liver is insulin resistant; which of its two pathways fails; fatty liver or "
        "fibrosis as a diagnosis.",
        "B",
        "Elastography or MRI shows fat and stiffness; only a tracer shows the release of glucose.",
        "Brown and Goldstein 2008, PMID 18249166; METSIM, PLoS One 2014 e109772 (a liver score "
        "foretold diabetes, HR 1.83 against 1.37 for fasting insulin, n 8,749)",
    ),
    Tissue(
        "muscle",
        "Muscle",
        "Fat inside the muscle cell stalls the signal that lets glucose in.",
        "An index after a glucose drink is low against the person's own baseline.",
        "Anything about muscle from steps, heart rate or a fasting draw; fat inside muscle.",
        "B",
        "A clamp measures the uptake of glucose, magnetic resonance spectroscopy the fat.",
        "Shulman 2000, PMID 10903330; Muniyappa 2018, PMID 30675598 (indices of a glucose drink "
        "are not specific to a tissue, n 659)",
    ),
    Tissue(
        "adipose",
        "Fat tissue",
        "Insulin no longer holds stored fat in place, while sugar is still taken up.",
        "A proxy of the release of fatty acids is high; it needs three samples or more.",
        "That fat tissue leaks or is inflamed, from one NEFA or one CRP.",
        "C",
        "Turnover of labelled palmitate measures the release of fatty acids.",
        "Samuel and Shulman 2012, PMID 22385956; Guo 2014, PMID 24281010; Sondergaard 2017",
    ),
    Tissue(
        "brain",
        "Brain: context only",
        "Insulin reaches the centres of appetite, and the meal does not register.",
        "Weight, sleep and the hours of eating are described, beside the rest.",
        "Any score of the brain's response to insulin; appetite inferred from weight or sleep.",
        "D",
        "Insulin given by the nose with imaging, in research. Appetite: no scale of hunger is "
        "stored; 44251-7 asks for poor appetite and overeating in one item and is never used, "
        "65507-6 (decreased) and 65508-4 (increased) would be two records.",
        "Gerozissis 2008, PMID 18407262; Kullmann 2020, PMID 32296068; a trial of insulin by the "
        "nose over 24 weeks, no effect on eating, PMID 37084469",
    ),
    Tissue(
        "beta_cell",
        "Beta cell",
        "More insulin is made for the same glucose, until it no longer suffices.",
        "An index of secretion, to be read beside an index of sensitivity.",
        "The health, the mass or the reserve of beta cells.",
        "C",
        "A clamp at high glucose, or glucose given into a vein, measures secretion.",
        "Weyer 1999, PMID 10491414; Tabak 2009, PMID 19515410 (HOMA-%B rose before it fell)",
    ),
    Tissue(
        "clearance",
        "Clearance of insulin",
        "The liver takes less insulin out of the blood, and insulin rises without being made.",
        "C-peptide stands lower against insulin than before: less of it may be cleared.",
        "That secretion is normal; that the liver is the cause.",
        "C",
        "Insulin infused at a known rate measures its clearance.",
        "PROMISE 2019 (clearance fell by 20 % in 9 years, n 492)",
    ),
)

_PAIR = "insulin and glucose of one fasting draw"
_ENZYMES = "ALT, AST, GGT and platelets"
_LIPIDS = "fasting triglyceride and HDL cholesterol"
_LIPIDS_BODY = "fasting triglyceride and HDL cholesterol, with waist, weight and height"
_LIVER_BODY = "GGT, ALT, AST and fasting triglyceride, with waist, weight and height"
_DRINK = "glucose and insulin 0, 30, 60, 90 and 120 minutes after a 75 g glucose drink"
_NEFA = "NEFA beside fasting insulin, at three draws or more, kept cold"
_ADIPOKINES = "leptin and adiponectin of one draw"
_CRP = "hs-CRP twice, two weeks apart, when well"
_C_PEPTIDE = "C-peptide beside insulin of one fasting draw"
_SENSOR = "two weeks of a glucose sensor"
_WATCH = "a month of a watch, ring or phone"
_SCALES = "eight weights within half a year"
_NOT_TISSUE = "Anything about the muscle."
_NOT_BRAIN = "Anything about the brain's response to insulin."

LIVER: tuple[Signal, ...] = (
    Signal(
        tissue="liver",
        name="homa_ir",
        title="HOMA-IR",
        source="index",
        of="homa_ir",
        direction=1,
        evidence_grade="B",
        claim="Fasting insulin and glucose go with the liver's response (r .64) more than with "
        "muscle's (r .56).",
        not_claimed="That the liver and not another tissue is meant: the difference is small.",
        next_test=_PAIR,
        citation="Matthews 1985, PMID 3899825; r with tracer and clamp: clinical reference, "
        "section 4; Tripathy 2004, Diabetes Care 27:2204 (r .40, .63 with impaired glucose)",
    ),
    Signal(
        tissue="liver",
        name="alt",
        title="ALT",
        source="analyte",
        of="alt",
        direction=1,
        evidence_grade="C",
        claim="An enzyme that rises with fat in the liver, among other things.",
        not_claimed="Fatty liver; drink, drugs, muscle work and viruses raise it too.",
        next_test=_ENZYMES,
        citation=_MAP + "; ln ALT with ln insulin r .27 (NHANES 2017-18, section 6)",
    ),
    Signal(
        tissue="liver",
        name="ast",
        title="AST",
        source="analyte",
        of="ast",
        direction=1,
        evidence_grade="C",
        claim="An enzyme of liver and muscle; beside ALT it helps to read it.",
        not_claimed="Liver disease; exercise raises it.",
        next_test=_ENZYMES,
        citation=_MAP,
    ),
    Signal(
        tissue="liver",
        name="ggt",
        title="GGT",
        source="analyte",
        of="ggt",
        direction=1,
        evidence_grade="C",
        claim="An enzyme that rises with fat in the liver and with alcohol.",
        not_claimed="Fatty liver; how much somebody drinks.",
        next_test=_ENZYMES,
        citation=_MAP + "; Bedogni 2006 (a term of FLI)",
    ),
    Signal(
        tissue="liver",
        name="fli",
        title="Fatty liver index",
        source="index",
        of="fli",
        direction=1,
        evidence_grade="B",
        claim="A score of the risk of fatty liver, from triglyceride, GGT, waist and BMI.",
        not_claimed="Fatty liver: an image shows it; the response to insulin.",
        next_test=_LIVER_BODY,
        citation="Bedogni 2006 (against ultrasound)",
    ),
    Signal(
        tissue="liver",
        name="hsi",
        title="Hepatic steatosis index",
        source="index",
        of="hsi",
        direction=1,
        evidence_grade="C",
        claim="A score of the risk of fatty liver, from ALT, AST, BMI and sex.",
        not_claimed="Fatty liver; much of it is BMI.",
        next_test=_LIVER_BODY,
        citation="Lee 2010 (against ultrasound)",
    ),
    Signal(
        tissue="liver",
        name="fib_4",
        title="FIB-4",
        source="index",
        of="fib_4",
        direction=0,
        evidence_grade="B",
        claim="Low values speak against advanced fibrosis.",
        not_claimed="Fibrosis, from a high value; fat; the response to insulin; worsening, from a "
        "rise: age alone raises it.",
        next_test=_ENZYMES,
        citation="Sterling 2006",
    ),
    Signal(
        tissue="liver",
        name="hiri",
        title="HIRI (glucose drink)",
        source="index",
        of="hiri",
        direction=1,
        evidence_grade="C",
        claim="Glucose and insulin of the first half hour after a drink, an index made for the "
        "liver (r .64).",
        not_claimed="That it is the liver's alone: in 659 people it was not specific.",
        next_test=_DRINK,
        citation="Abdul-Ghani 2007, PMID 17192339; Muniyappa 2018, PMID 30675598",
    ),
    Signal(
        tissue="liver",
        name="tyg",
        title="TyG",
        source="index",
        of="tyg",
        direction=1,
        evidence_grade="C",
        claim="Fasting triglyceride and glucose, without insulin: fat made and glucose let go at "
        "once.",
        not_claimed="Which of the two the liver does; triglyceride follows meals and drink.",
        next_test=_LIPIDS,
        citation="Simental-Mendia 2008; Brown and Goldstein 2008, PMID 18249166",
    ),
)

MUSCLE: tuple[Signal, ...] = (
    Signal(
        tissue="muscle",
        name="matsuda",
        title="Matsuda index (glucose drink)",
        source="index",
        of="matsuda",
        direction=-1,
        evidence_grade="B",
        claim="Response of the whole body after a drink; goes with muscle's (r .69) more than with "
        "the liver's (r .49).",
        not_claimed="That muscle is meant: it is of the whole body.",
        next_test=_DRINK,
        citation="Matsuda 1999; r with clamp: clinical reference, section 4; Muniyappa 2018, "
        "PMID 30675598",
    ),
    Signal(
        tissue="muscle",
        name="misi",
        title="MISI (glucose drink)",
        source="index",
        of="misi",
        direction=0,
        evidence_grade="D",
        claim="How fast glucose falls from its peak for the insulin there is, an index made for "
        "muscle (r .78; not found again in 61 and 43 people).",
        not_claimed="Anything about muscle from it alone: in 659 people it was not specific.",
        next_test=_DRINK,
        citation="Abdul-Ghani 2007, PMID 17192339; Muniyappa 2018, PMID 30675598; Ohashi 2018 (r "
        ".22 with a clamp); docs/evidence-indices.md",
    ),
    Signal(
        tissue="muscle",
        name="stumvoll_isi",
        title="Stumvoll ISI (glucose drink)",
        source="index",
        of="stumvoll_isi",
        direction=-1,
        evidence_grade="C",
        claim="Response of the whole body, by regression from the end of a drink and BMI.",
        not_claimed="That muscle is meant; BMI is part of the formula.",
        next_test=_DRINK,
        citation="Stumvoll 2000",
    ),
    Signal(
        tissue="muscle",
        name="steps",
        title="Steps a day",
        source="wearable",
        of="steps_median",
        unit="{#}/d",
        direction=0,
        evidence_grade="D",
        claim="How much this person walks.",
        not_claimed=_NOT_TISSUE,
        next_test=_WATCH,
        citation=_MAP + "; WEAR-ME 2025, arXiv 2505.03784",
    ),
    Signal(
        tissue="muscle",
        name="resting_heart_rate",
        title="Resting heart rate",
        source="wearable",
        of="resting_heart_rate_mean",
        unit="/min",
        direction=0,
        evidence_grade="D",
        claim="Goes with fitness, illness, sleep and drugs.",
        not_claimed=_NOT_TISSUE,
        next_test=_WATCH,
        citation=_MAP + "; WEAR-ME 2025, arXiv 2505.03784",
    ),
    Signal(
        tissue="muscle",
        name="sleep_h",
        title="Hours of sleep",
        source="wearable",
        of="sleep_h_mean",
        unit="h",
        direction=0,
        evidence_grade="D",
        claim="How long this person sleeps.",
        not_claimed=_NOT_TISSUE,
        next_test=_WATCH,
        citation=_MAP,
    ),
)

ADIPOSE: tuple[Signal, ...] = (
    Signal(
        tissue="adipose",
        name="adipo_ir",
        title="Adipo-IR",
        source="index",
        of="adipo_ir",
        direction=1,
        evidence_grade="C",
        claim="Fatty acids in the blood for the insulin there is: a proxy of how well insulin "
        "holds fat (r .86, but 25 people); read three samples or more.",
        not_claimed="That fat is released too freely, from one sample; NEFA varies by 45 %.",
        next_test=_NEFA,
        citation="Sondergaard 2017 (palmitate clamp, n 25; biased by age and fitness)",
    ),
    Signal(
        tissue="adipose",
        name="revised_quicki",
        title="Revised QUICKI",
        source="index",
        of="revised_quicki",
        direction=-1,
        evidence_grade="C",
        claim="Fasting response of the whole body, with fatty acids in it.",
        not_claimed="That fat tissue is meant.",
        next_test=_NEFA,
        citation="Perseghin 2001; Hudak 2021, PMID 34679116",
    ),
    Signal(
        tissue="adipose",
        name="nefa",
        title="NEFA",
        source="analyte",
        of="nefa",
        is_fasting=True,
        direction=1,
        evidence_grade="C",
        claim="Fatty acids in the blood after a fast; read three samples or more.",
        not_claimed="That fat is released too freely: length of fast, stress and handling of the "
        "sample move it, by 45 % from day to day.",
        next_test=_NEFA,
        citation="Widjaja 1999, Clin Chem 45:561; " + _MAP,
    ),
    Signal(
        tissue="adipose",
        name="tg_hdl",
        title="TG/HDL",
        source="index",
        of="tg_hdl",
        direction=1,
        evidence_grade="C",
        claim="A lipid pattern that goes with a low response of the whole body.",
        not_claimed="The same of people of other ancestry: it failed in Black and South Asian women.",
        next_test=_LIPIDS,
        citation="McLaughlin 2003, PMID 14623617",
    ),
    Signal(
        tissue="adipose",
        name="lar",
        title="Leptin/adiponectin",
        source="index",
        of="lar",
        direction=1,
        evidence_grade="C",
        claim="Two hormones of fat tissue against each other; women and men differ.",
        not_claimed="Inflammation of fat tissue.",
        next_test=_ADIPOKINES,
        citation=_MAP,
    ),
    Signal(
        tissue="adipose",
        name="vai",
        title="Visceral adiposity index",
        source="index",
        of="vai",
        direction=1,
        evidence_grade="C",
        claim="Waist, BMI and lipids as a proxy of fat in the belly.",
        not_claimed="How much fat lies there: an image shows it.",
        next_test=_LIPIDS_BODY,
        citation="Amato 2010",
    ),
    Signal(
        tissue="adipose",
        name="lap",
        title="Lipid accumulation product",
        source="index",
        of="lap",
        direction=1,
        evidence_grade="C",
        claim="Waist and triglyceride as a proxy of fat stored in the wrong places.",
        not_claimed="Where it is stored.",
        next_test=_LIPIDS_BODY,
        citation="Kahn 2005",
    ),
    Signal(
        tissue="adipose",
        name="hs_crp",
        title="hs-CRP",
        source="analyte",
        of="hs_crp",
        at_most=10.0,
        direction=0,
        evidence_grade="D",
        claim="Low-grade inflammation of whatever origin; above 10 mg/L it is illness and left "
        "out.",
        not_claimed="That fat tissue is inflamed.",
        next_test=_CRP,
        citation="Pearson 2003, PMID 12551878 (10 mg/L; twice, two weeks apart); " + _MAP,
    ),
    Signal(
        tissue="adipose",
        name="leptin",
        title="Leptin",
        source="analyte",
        of="leptin",
        direction=0,
        evidence_grade="D",
        claim="Follows the amount of fat.",
        not_claimed="How fat tissue works.",
        next_test=_ADIPOKINES,
        citation=_MAP,
    ),
)

BRAIN: tuple[Signal, ...] = (
    Signal(
        tissue="brain",
        name="weight_slope",
        title="Weight, change a month",
        source="weight",
        of="kg_per_month",
        unit="kg/mo",
        direction=0,
        evidence_grade="D",
        claim="Where weight is going.",
        not_claimed=_NOT_BRAIN,
        next_test=_SCALES,
        citation=_MAP,
    ),
    Signal(
        tissue="brain",
        name="sleep_h",
        title="Hours of sleep",
        source="wearable",
        of="sleep_h_mean",
        unit="h",
        direction=0,
        evidence_grade="D",
        claim="How long this person sleeps.",
        not_claimed=_NOT_BRAIN,
        next_test=_WATCH,
        citation=_MAP,
    ),
    Signal(
        tissue="brain",
        name="sleep_regularity",
        title="Spread of the middle of sleep",
        source="wearable",
        of="sleep_regularity",
        unit="min",
        direction=0,
        evidence_grade="D",
        claim="How much the hours of sleep move from night to night.",
        not_claimed=_NOT_BRAIN,
        next_test=_WATCH,
        citation=_MAP,
    ),
    Signal(
        tissue="brain",
        name="eating_window_h",
        title="Hours between first and last rise of glucose",
        source="cgm",
        of="eating_window_h",
        unit="h",
        direction=0,
        evidence_grade="D",
        claim="The hours of the day in which a sensor saw glucose rise as after meals.",
        not_claimed=_NOT_BRAIN + " What or how much was eaten.",
        next_test=_SENSOR,
        citation=_MAP,
    ),
    Signal(
        tissue="brain",
        name="night_rises",
        title="Rises of glucose at night",
        source="cgm",
        of="night_rises_per_night",
        unit="{#}/d",
        direction=0,
        evidence_grade="D",
        claim="How often a sensor saw glucose rise between midnight and five.",
        not_claimed=_NOT_BRAIN + " Eating at night: sensors err when lain on.",
        next_test=_SENSOR,
        citation=_MAP,
    ),
    Signal(
        tissue="brain",
        name="leptin",
        title="Leptin",
        source="analyte",
        of="leptin",
        direction=0,
        evidence_grade="D",
        claim="Follows the amount of fat.",
        not_claimed=_NOT_BRAIN + " Whether the brain hears leptin.",
        next_test=_ADIPOKINES,
        citation=_MAP,
    ),
)

BETA_CELL: tuple[Signal, ...] = (
    Signal(
        tissue="beta_cell",
        name="homa_b",
        title="HOMA-%B",
        source="index",
        of="homa_b",
        direction=0,
        evidence_grade="C",
        claim="Fasting secretion for the glucose there is; it rises as insulin is needed and falls "
        "late.",
        not_claimed="Health of beta cells: high is no more good than low.",
        next_test=_PAIR,
        citation="Matthews 1985, PMID 3899825; Tabak 2009, PMID 19515410",
    ),
    Signal(
        tissue="beta_cell",
        name="igi",
        title="Insulinogenic index (glucose drink)",
        source="index",
        of="igi",
        direction=0,
        evidence_grade="C",
        claim="First insulin for the first glucose after a drink; to be read with an index of "
        "sensitivity.",
        not_claimed="Health of beta cells: a more sensitive person needs less.",
        next_test=_DRINK,
        citation="clinical reference, section 3; Tripathy 2004, Diabetes Care 27:2204 (r .47 with "
        "the first phase)",
    ),
    Signal(
        tissue="beta_cell",
        name="disposition",
        title="Oral disposition index (glucose drink)",
        source="index",
        of="disposition",
        direction=-1,
        evidence_grade="C",
        claim="Secretion for the sensitivity there is; low goes before high glucose.",
        not_claimed="Time to diabetes; there is no accepted limit.",
        next_test=_DRINK,
        citation="clinical reference, section 3; Weyer 1999, PMID 10491414",
    ),
    Signal(
        tissue="beta_cell",
        name="stumvoll_first",
        title="Stumvoll, first phase (glucose drink)",
        source="index",
        of="stumvoll_first",
        direction=0,
        evidence_grade="C",
        claim="First phase of secretion, by regression from a drink.",
        not_claimed="Health of beta cells: a more sensitive person needs less.",
        next_test=_DRINK,
        citation="Stumvoll 2000",
    ),
    Signal(
        tissue="beta_cell",
        name="stumvoll_second",
        title="Stumvoll, second phase (glucose drink)",
        source="index",
        of="stumvoll_second",
        direction=0,
        evidence_grade="C",
        claim="Second phase of secretion, by regression from a drink.",
        not_claimed="Health of beta cells: a more sensitive person needs less.",
        next_test=_DRINK,
        citation="Stumvoll 2000",
    ),
)

CLEARANCE: tuple[Signal, ...] = (
    Signal(
        tissue="clearance",
        name="c_peptide_insulin",
        title="C-peptide/insulin",
        source="index",
        of="c_peptide_insulin",
        direction=-1,
        evidence_grade="C",
        claim="Both leave the beta cell one to one; where the ratio falls, less insulin is cleared.",
        not_claimed="That no more insulin is made; the kidney clears C-peptide, and its failure "
        "raises the ratio.",
        next_test=_C_PEPTIDE,
        citation="PROMISE 2019 (clearance -20 % in 9 years, n 492); O'Rahilly 1987, "
        "Diabetologia 30:394 (C-peptide stands haemolysis, insulin does not)",
    ),
)

SIGNALS: tuple[Signal, ...] = (*LIVER, *MUSCLE, *ADIPOSE, *BRAIN, *BETA_CELL, *CLEARANCE)

ON_INSULIN = frozenset(
    {"homa_ir", "hiri", "matsuda", "misi", "stumvoll_isi", "adipo_ir", "revised_quicki"}
    | {"homa_b", "igi", "disposition", "stumvoll_first", "stumvoll_second", "c_peptide_insulin"}
)
"""Signals with insulin in their formula. Those of a draw share one insulin and move together, those
of a glucose drink share its insulins: tissues that worsen by these alone are one piece of evidence,
not several."""

JUDGED = ("A", "B", "C")
"""Grades whose course counts in a tissue's course; context does not."""


@dataclass(frozen=True, slots=True)
class Combination:
    """What the courses of a tissue's signals give together: whether any is worsening, improving,
    steady; None: either way."""

    course: str
    worsening: bool | None = None
    improving: bool | None = None
    steady: bool | None = None


COMBINATIONS: tuple[Combination, ...] = (
    Combination("mixed", worsening=True, improving=True),
    Combination("worsening", worsening=True),
    Combination("improving", improving=True),
    Combination("steady", steady=True),
)
"""The first that applies is the tissue's course; none does: no signal has a course. One worsening
signal suffices where none improves (judgement): this is a pattern to look at, not a finding."""


def signals_frame() -> pl.DataFrame:
    """The catalog as rows, in its order.

    Returns:
        ``tissue``, ``signal``, ``title``, ``direction``, ``evidence_grade``, ``claim``,
        ``not_claimed``, ``next_test``, ``citation``, ``reviewed``.

    >>> signals_frame().select("tissue", "signal", "evidence_grade").row(0)
    ('liver', 'homa_ir', 'B')
    """
    texts = ["evidence_grade", "claim", "not_claimed", "next_test", "citation"]
    schema = (
        dict.fromkeys(["tissue", "signal", "title"], pl.String)
        | {"direction": pl.Int64}
        | dict.fromkeys(texts, pl.String)
        | {"reviewed": pl.Date}
    )
    rows = [
        (s.tissue, s.name, s.title, s.direction, *(getattr(s, text) for text in texts), s.reviewed)
        for s in SIGNALS
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def page() -> str:
    """The catalog as a page for people, ``docs/tissues.md``."""
    grades = [f"| {grade} | {meaning} |" for grade, meaning in GRADES.items()]
    return "\n".join(
        [*_INTRODUCTION, "| grade | the signal ... |", "|---|---|", *grades, *_sections(), ""]
    )


_INTRODUCTION = (
    "# Tissues",
    "",
    "Generated from `transforms/catalog/tissues.py`; a test keeps it so.",
    "",
    "What each tissue is watched by, how good the evidence is, what may be said and what may not. A "
    "signal is a measured number that goes along with something in a tissue. No row, and no number of "
    "rows, says that a tissue is insulin resistant.",
    "",
    "A **course** (`worsening`, `improving`, `steady`) is a trend beyond the signal's own variation, "
    "turned by its direction. Signals of grade D have none: they describe. A tissue's course in "
    "`tissue_pattern` is `worsening` where a signal of grade A to C worsens and none improves, "
    "`mixed` where some do each.",
    "",
    "**One insulin.** HOMA-IR (liver), Adipo-IR and revised QUICKI (fat tissue) and C-peptide/insulin "
    "(clearance) share the insulin of one draw and move together; so do the indices of a glucose drink, whose "
    "insulins they share. Tissues that worsen by these alone are one piece of evidence, not several: a raised, "
    "or a wrong, insulin worsens them all. `is_selective` in `tissue_pattern` is therefore null unless a tissue "
    "that worsens has a worsening signal without insulin. All that muscle and clearance are judged by has "
    "insulin in it, and so has what the beta cell is: these alone never make a pattern selective.",
    "",
    "A **percentile** is the share of comparable people of this clinic who lie below, plus half of those "
    "who lie equal. Comparable: measured on the same platform within 400 days, not left out by the status "
    "rule, of the same sex and age (20 to 39, 40 to 59, 60 and over). Fewer than 40 such people: all adults "
    "of that sex; still fewer: all adults; still fewer: no percentile. `compared_with` says which. High is "
    "not bad by itself: see the direction.",
    "",
)
_HIGHER = {1: "worse", -1: "better", 0: "neither"}


def _sections() -> Iterator[str]:
    for tissue in TISSUES:
        yield from (
            "",
            f"## {tissue.title}",
            "",
            f"- **What fails**: {tissue.mechanism}",
            f"- **May be said**: {tissue.claim}",
            f"- **Never said**: {tissue.not_claimed}",
            f"- **Would look at the tissue itself**: {tissue.beyond}",
            f"- **Sources**: {tissue.citation}",
            "",
            "| signal | grade | higher is | may be said | never said | measured by | source |",
            "|---|---|---|---|---|---|---|",
        )
        yield from (_line(signal) for signal in SIGNALS if signal.tissue == tissue.name)


def _line(signal: Signal) -> str:
    cells = (
        f"{signal.title} (`{signal.name}`)",
        signal.evidence_grade,
        _HIGHER[signal.direction],
        signal.claim,
        signal.not_claimed,
        signal.next_test,
        signal.citation,
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(page())
