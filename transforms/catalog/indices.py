"""Indices: one record each, with its formula as an expression, its source and worked examples.

A formula names columns of a person's day (:data:`INPUTS`); what an index needs follows from it, so
that a record is all there is to an index. Outside its limits an index is void: it has a reason and
no value. Examples are the cases of :mod:`transforms.catalog.index_cases`, computed in the clinical
reference independently; where it prints too few digits to be compared, the missing ones were worked
out by hand. Three of its last digits are rounded wrongly, and the exact values stand here: FGIR of
B 5.3047 (printed 5.31), Stumvoll with age of C 0.119948 (0.1200), second phase of C 242.549
(242.6).

Grades, judged from sections 3 and 4 of the clinical reference: A agrees with a reference method in
several populations and serves single people (no index here does); B agrees with one (clamp, tracer,
biopsy) in more than one study of groups; C in one or a small study, or by association alone; D is
used outside the people it was made for, or was not found again by others. None of them says which
tissue is resistant.

HOMA2 has no record. It has no closed form, and the codes that could import it (47214-2, 92845-7,
93792-0) do not say which HOMA they hold, so a number under them cannot be told from HOMA1. A site that
has it maps its own codes to the analytes homa2_ir, homa2_b and homa2_s, and it is kept as it came.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

import polars as pl

from transforms.catalog.index_cases import GLUCOSE_MG_MMOL, TRIGLYCERIDE_MG_MMOL
from transforms.catalog.variations import VARIATIONS, Variation

REVIEWED, NEXT_REVIEW = date(2026, 11, 22), date(2027, 11, 22)
BODY_DAYS = 90
"""Weight, waist and blood pressure stand for a draw at most this far away (judgement)."""
ADULT = 20
"""Years from which indices are computed: all were derived in adults, and puberty raises insulin
(clinical reference, section 5)."""
HIGH_SYSTOLIC, HIGH_DIASTOLIC = 140.0, 90.0
"""mm[Hg] from which pressure counts as hypertension in eGDR (Williams 2000)."""
PREGNANCY = ("pregnancy", "pregnancy_draw")
DIABETES = ("diabetes",)
"""Exclusions by name: what voids every index, and what HSI counts as diabetes."""

VARIATION = {variation.signal: variation for variation in VARIATIONS}
Kind = Literal["draw", "load", "body", "person"]
Checks = tuple[tuple[pl.Expr, str], ...]


@dataclass(frozen=True, slots=True)
class Input:
    """A column that formulas may name, and where it comes from.

    ``kind``: ``draw`` blood of that day; ``load`` blood of that day's oral glucose test,
    ``minutes`` after the drink; ``body`` nearest within ``window_days`` before or after; ``person``
    a fact. ``is_fasting``: only of a fasting draw. ``is_method_bound``: an immunoassay or kit whose
    platform alone decides which values compare.
    """

    column: str
    words: str
    unit: str
    kind: Kind
    analyte: str | None = None
    is_fasting: bool = False
    is_method_bound: bool = False
    minutes: int | None = None
    window_days: int | None = None


def _blood(column: str, analyte: str, unit: str, words: str, *, bound: bool = False) -> Input:
    return Input(column, words, unit, "draw", analyte, is_method_bound=bound)


def _fasting(column: str, analyte: str, unit: str, words: str, *, bound: bool = False) -> Input:
    return Input(column, words, unit, "draw", analyte, is_fasting=True, is_method_bound=bound)


MINUTES = (0, 30, 60, 90, 120)
"""When an oral glucose test is sampled, minutes after the drink."""

_LOADS = (
    *(
        Input(f"glucose_{m}_mg_dl", f"glucose at {m} min", "mg/dL", "load", "glucose", minutes=m)
        for m in MINUTES
    ),
    *(
        Input(
            f"insulin_{m}_uiu_ml",
            f"insulin at {m} min",
            "u[IU]/mL",
            "load",
            "insulin",
            is_method_bound=True,
            minutes=m,
        )
        for m in MINUTES
    ),
)
INPUTS: dict[str, Input] = {
    item.column: item
    for item in (
        _fasting("insulin_uiu_ml", "insulin", "u[IU]/mL", "insulin", bound=True),
        _fasting("glucose_mg_dl", "glucose", "mg/dL", "glucose"),
        _fasting("triglyceride_mg_dl", "triglyceride", "mg/dL", "triglyceride"),
        _fasting("nefa_mmol_l", "nefa", "mmol/L", "NEFA"),
        _fasting("c_peptide_ng_ml", "c_peptide", "ng/mL", "C-peptide", bound=True),
        _blood("hdl_mg_dl", "hdl", "mg/dL", "HDL"),
        _blood("hba1c_pct", "hba1c", "%", "HbA1c"),
        _blood("alt_u_l", "alt", "U/L", "ALT"),
        _blood("ast_u_l", "ast", "U/L", "AST"),
        _blood("ggt_u_l", "ggt", "U/L", "GGT"),
        _blood("platelets_10e3_ul", "platelets", "10*3/uL", "platelets"),
        _blood("leptin_ng_ml", "leptin", "ng/mL", "leptin", bound=True),
        _blood("adiponectin_mg_l", "adiponectin", "mg/L", "adiponectin", bound=True),
        *_LOADS,
        Input("bmi_kg_m2", "BMI", "kg/m2", "body", "bmi", window_days=BODY_DAYS),
        Input("waist_cm", "waist", "cm", "body", "waist", window_days=BODY_DAYS),
        Input("has_hypertension", "blood pressure", "1", "body", window_days=BODY_DAYS),
        Input("age_years", "birth date", "a", "person"),
        Input("is_female", "sex as female or male", "1", "person"),
        Input("has_diabetes", "diabetes", "1", "person"),
    )
}
"""BMI is the one stated or, without it, weight over squared height. NEFA kits differ less than
immunoassays do (judgement): they are told apart only in indices without insulin."""

LOAD_MINUTES: dict[str, int] = {
    "27827-5": 30,  # insulin 30 minutes post XXX challenge
    "27379-7": 60,  # insulin 1 hour post XXX challenge
    "27330-0": 90,  # insulin 1.5 hours post XXX challenge
    "27826-7": 120,  # insulin 2 hours post XXX challenge
    "20438-8": 60,  # glucose 1 hour post dose glucose
    "1507-3": 60,  # glucose 1 hour post 75 g glucose PO
    "14756-1": 60,  # glucose, molar, 1 hour post dose glucose
    "20436-2": 120,  # glucose 2 hours post dose glucose
    "1518-0": 120,  # glucose 2 hours post 75 g glucose PO
    "14759-5": 120,  # glucose, molar, 2 hours post dose glucose
    "14995-5": 120,  # glucose, molar, 2 hours post 75 g glucose PO
    "20437-0": 180,  # glucose 3 hours post dose glucose: no index reads it
}
"""LOINC code -> minutes after the drink that its name states. The load itself is stated by the
75 g codes only; the others are taken for 75 g, which nothing in the result confirms."""


SYMBOLS = (
    "I, I0, I30 ... insulin in uIU/mL, fasting or so many minutes after the drink; G glucose in mmol/L, "
    "Gm in mg/dL; TG, HDL in mmol/L, TGm, HDLm in mg/dL; NEFA in mmol/L; CP C-peptide in ng/mL; WC waist in "
    "cm; BMI in kg/m2; ALT, AST, GGT in U/L; PLT platelets in 10^9/L; A1c HbA1c in percent; leptin in "
    "ng/mL, adiponectin in mg/L; ln and log10 logarithms; mean over the five points of a glucose drink; "
    "fall the least-squares fall of glucose per minute from its peak to its lowest value after"
)
"""What stands in ``written``."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Index:
    """An index.

    ``written`` is the formula as people read it (:data:`SYMBOLS`), ``formula`` as it is computed.
    ``gives`` are its values for the two cases it has inputs for (A and B, or C and D). ``checks``
    pair what voids it with the reason. ``direction``: 1 higher is worse, -1 lower is worse, 0
    neither by itself. ``ages``: years from and to which it was made for.
    """

    name: str
    title: str
    unit: str
    written: str
    formula: pl.Expr
    gives: tuple[float, float]
    citation: str
    population: str
    limits: str
    direction: Literal[-1, 0, 1]
    evidence_grade: Literal["A", "B", "C", "D"]
    checks: Checks = ()
    ages: tuple[int, int | None] = (ADULT, None)
    reviewed: date = REVIEWED
    next_review: date = NEXT_REVIEW

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns the formula needs."""
        return tuple(dict.fromkeys(self.formula.meta.root_names()))

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What the formula needs, with unit, kind and window."""
        return tuple(INPUTS[column] for column in self.columns)

    @property
    def examples(self) -> tuple[tuple[str, float], ...]:
        """Case -> value."""
        is_load = any(item.kind == "load" for item in self.inputs)
        return tuple(zip("CD" if is_load else "AB", self.gives, strict=True))

    @property
    def variation(self) -> Variation | None:
        """How much it varies in a person who does not change; None where that is not known."""
        return VARIATION.get(self.name)

    @property
    def bars(self) -> tuple[str, ...] | None:
        """Exclusions by name during which it is void; None: all of them, because insulin and
        glucose are what drugs and diabetes change."""
        bound = {"insulin", "glucose"}
        return None if any(item.analyte in bound for item in self.inputs) else PREGNANCY


I0, GM = pl.col("insulin_uiu_ml"), pl.col("glucose_mg_dl")
TGM, HDLM = pl.col("triglyceride_mg_dl"), pl.col("hdl_mg_dl")
NEFA, C_PEPTIDE = pl.col("nefa_mmol_l"), pl.col("c_peptide_ng_ml")
ALT, AST, GGT = pl.col("alt_u_l"), pl.col("ast_u_l"), pl.col("ggt_u_l")
PLATELETS, HBA1C = pl.col("platelets_10e3_ul"), pl.col("hba1c_pct")
LEPTIN, ADIPONECTIN = pl.col("leptin_ng_ml"), pl.col("adiponectin_mg_l")
BMI, WAIST, AGE = pl.col("bmi_kg_m2"), pl.col("waist_cm"), pl.col("age_years")
FEMALE, HYPERTENSION = pl.col("is_female"), pl.col("has_hypertension")
G, TG = GM / GLUCOSE_MG_MMOL, TGM / TRIGLYCERIDE_MG_MMOL
HDL = HDLM / 38.67
PMOL_UIU, C_PEPTIDE_PMOL = 6.0, 1000 / 3.02
"""pmol of insulin per uIU (Knopp 2019, PMID 30318910); pmol/L of C-peptide per ng/mL."""

G_LOAD = [pl.col(f"glucose_{m}_mg_dl") for m in MINUTES]
I_LOAD = [pl.col(f"insulin_{m}_uiu_ml") for m in MINUTES]
G_0, G_30, _, G_90, G_120 = G_LOAD
I_0, I_30, _, _, I_120 = I_LOAD


def _mean(columns: list[pl.Expr]) -> pl.Expr:
    """Arithmetic mean; null where one is missing."""
    total = columns[0]
    for column in columns[1:]:
        total = total + column
    return total / len(columns)


def _by_sex(female: pl.Expr | float, male: pl.Expr | float) -> pl.Expr:
    """Null where sex is neither."""
    return pl.when(FEMALE).then(female).when(~FEMALE).then(male)


def _peak_at() -> pl.Expr:
    """Place of the highest glucose among the five samples, the first of equals."""
    return pl.concat_list(G_LOAD).list.arg_max().cast(pl.Float64)


def _fall() -> pl.Expr:
    """Least-squares fall of glucose from its peak to the nadir after it, mg/dL per minute.

    Samples are evenly spaced, so that the sums over times of a least-squares line are known from
    the number of samples alone.
    """
    peak = _peak_at()
    after = [pl.when(peak <= place).then(glucose) for place, glucose in enumerate(G_LOAD)]
    nadir = pl.concat_list(after).list.arg_min().cast(pl.Float64)
    n = nadir - peak + 1
    centred = [
        pl.when((peak <= place) & (nadir >= place))
        .then((place - (peak + nadir) / 2) * glucose)
        .otherwise(0.0)
        for place, glucose in enumerate(G_LOAD)
    ]
    return -pl.sum_horizontal(centred) / (n * (n**2 - 1) / 12) / (MINUTES[1] - MINUTES[0])


MATSUDA = 10_000 / (G_0 * I_0 * _mean(G_LOAD) * _mean(I_LOAD)).sqrt()
IGI = (I_30 - I_0) / (G_30 - G_0)
NO_RISE = (G_30 <= G_0, "glucose does not rise from 0 to 30 min")
TYG = (TGM * GM / 2).log()

INDICES: tuple[Index, ...] = (
    # insulin and glucose of a fasting draw
    Index(
        name="homa_ir",
        written="I0 * G / 22.5",
        title="HOMA-IR",
        unit="1",
        formula=I0 * G / 22.5,
        gives=(1.3333, 4.2400),
        citation="Matthews 1985, PMID 3899825",
        population="adults without and with type 2 diabetes, against clamp",
        limits="steady state; not on insulin, not in type 1 diabetes; compare logarithms; r 0.64 "
        "with liver, 0.56 with muscle: not the liver alone",
        direction=1,
        evidence_grade="B",
    ),
    Index(
        name="homa_b",
        written="20 * I0 / (G - 3.5)",
        title="HOMA-%B",
        unit="%",
        formula=20 * I0 / (G - 3.5),
        gives=(80.0, 200.0),
        citation="Matthews 1985, PMID 3899825",
        population="adults without and with type 2 diabetes",
        limits="undefined at 3.5 mmol/L and below, unstable below about 4; secretion, not health",
        direction=0,
        evidence_grade="C",
        checks=((G <= 3.5, "glucose at or below 3.5 mmol/L"),),
    ),
    Index(
        name="quicki",
        written="1 / (log10(I0) + log10(Gm))",
        title="QUICKI",
        unit="1",
        formula=1 / (I0.log10() + GM.log10()),
        gives=(0.36593, 0.30910),
        citation="Katz 2000, J Clin Endocrinol Metab 85:2402",
        population="lean, obese and diabetic adults, against clamp",
        limits="decimal logarithms of uIU/mL and mg/dL",
        direction=-1,
        evidence_grade="B",
        checks=((I0 * GM <= 1, "insulin and glucose too low for their logarithms"),),
    ),
    Index(
        name="firi",
        written="I0 * G / 25",
        title="FIRI",
        unit="1",
        formula=I0 * G / 25,
        gives=(1.200, 3.816),
        citation="Duncan 1995",
        population="adults",
        limits="0.9 times HOMA-IR: says nothing that HOMA-IR does not",
        direction=1,
        evidence_grade="B",
    ),
    Index(
        name="fgir",
        written="Gm / I0",
        title="Glucose to insulin ratio",
        unit="mg/dL/(u[IU]/mL)",
        formula=GM / I0,
        gives=(15.0133, 5.3047),
        citation="Legro 1998",
        population="women with polycystic ovary syndrome",
        limits="noisy at low insulin; falls when glucose falls",
        direction=-1,
        evidence_grade="C",
    ),
    # with fatty acids
    Index(
        name="revised_quicki",
        written="1 / (log10(I0) + log10(Gm) + log10(NEFA))",
        title="Revised QUICKI",
        unit="1",
        formula=1 / (I0.log10() + GM.log10() + NEFA.log10()),
        gives=(0.42829, 0.32807),
        citation="Perseghin 2001; repeatability: Hudak 2021, PMID 34679116",
        population="lean adults, against clamp",
        limits="decimal logarithms; NEFA in mmol/L, sensitive to handling of the sample",
        direction=-1,
        evidence_grade="C",
        checks=((I0 * GM * NEFA <= 1, "insulin, glucose and NEFA too low for their logarithms"),),
    ),
    Index(
        name="adipo_ir",
        written="NEFA * I0",
        title="Adipo-IR",
        unit="mmol/L.(u[IU]/mL)",
        formula=NEFA * I0,
        gives=(2.40, 11.70),
        citation="Sondergaard 2017: r 0.86 with palmitate tracer, n=25",
        population="25 adults",
        limits="biased by age and fitness; NEFA varies 45 % within a person: three samples or more",
        direction=1,
        evidence_grade="C",
    ),
    # with lipids and body measures
    Index(
        name="tyg",
        written="ln(TGm * Gm / 2)",
        title="TyG",
        unit="1",
        formula=TYG,
        gives=(8.2913, 9.1381),
        citation="Simental-Mendia 2008; scale: its correction, Eur J Pediatr 2020",
        population="apparently healthy adults in Mexico",
        limits="ln(TG x G / 2) in mg/dL, about 8 to 9; the scale ln(TG x G) / 2 is another",
        direction=1,
        evidence_grade="B",
    ),
    Index(
        name="tyg_bmi",
        written="ln(TGm * Gm / 2) * BMI",
        title="TyG-BMI",
        unit="kg/m2",
        formula=TYG * BMI,
        gives=(182.41, 301.56),
        citation="TyG of Simental-Mendia 2008 times BMI (clinical reference, section 3)",
        population="adults",
        limits="mostly BMI",
        direction=1,
        evidence_grade="C",
    ),
    Index(
        name="tyg_wc",
        written="ln(TGm * Gm / 2) * WC",
        title="TyG-waist",
        unit="cm",
        formula=TYG * WAIST,
        gives=(646.72, 1005.19),
        citation="TyG of Simental-Mendia 2008 times waist (clinical reference, section 3)",
        population="adults",
        limits="mostly waist",
        direction=1,
        evidence_grade="C",
    ),
    Index(
        name="tg_hdl",
        written="TGm / HDLm",
        title="Triglyceride to HDL ratio",
        unit="1",
        formula=TGM / HDLM,
        gives=(1.527, 5.304),
        citation="McLaughlin 2003, PMID 14623617",
        population="overweight adults without diabetes",
        limits="ratio of mg/dL (3.0 is 1.31 molar); fails in Black and South Asian women",
        direction=1,
        evidence_grade="C",
    ),
    Index(
        name="mcauley",
        written="exp(2.63 - 0.28 * ln(I0) - 0.31 * ln(TG))",
        title="McAuley index",
        unit="1",
        formula=(2.63 - 0.28 * I0.log() - 0.31 * TG.log()).exp(),
        gives=(8.4006, 4.8369),
        citation="McAuley 2001",
        population="adults with normal glucose, against clamp",
        limits="triglyceride in mmol/L, natural logarithms",
        direction=-1,
        evidence_grade="C",
    ),
    Index(
        name="mets_ir",
        written="ln(2 * Gm + TGm) * BMI / ln(HDLm)",
        title="METS-IR",
        unit="1",
        formula=(2 * GM + TGM).log() * BMI / HDLM.log(),
        gives=(30.307, 54.534),
        citation="Bello-Chavolla 2018",
        population="adults in Mexico, against clamp",
        limits="BMI is inside: rises with weight by itself",
        direction=1,
        evidence_grade="C",
        checks=((HDLM <= 1, "HDL at or below 1 mg/dL"),),
    ),
    Index(
        name="spise",
        written="600 * HDLm**0.185 / (TGm**0.2 * BMI**1.338)",
        title="SPISE",
        unit="1",
        formula=600 * HDLM**0.185 / (TGM**0.2 * BMI**1.338),
        gives=(8.294, 3.784),
        citation="Paulmichl 2016",
        population="adults in Europe without diabetes, against clamp",
        limits="BMI is inside: falls with weight by itself",
        direction=-1,
        evidence_grade="C",
    ),
    Index(
        name="vai",
        written="WC / (36.58 + 1.89 * BMI) * TG / 0.81 * 1.52 / HDL if female else "
        "WC / (39.68 + 1.88 * BMI) * TG / 1.03 * 1.31 / HDL",
        title="Visceral adiposity index",
        unit="1",
        formula=_by_sex(
            WAIST / (36.58 + 1.89 * BMI) * TG / 0.81 * 1.52 / HDL,
            WAIST / (39.68 + 1.88 * BMI) * TG / 1.03 * 1.31 / HDL,
        ),
        gives=(1.2485, 3.1851),
        citation="Amato 2010",
        population="white adults in Sicily",
        limits="mmol/L; not above BMI 40; no measure of visceral fat",
        direction=1,
        evidence_grade="C",
        checks=((BMI > 40, "BMI above 40"),),
    ),
    Index(
        name="lap",
        written="(WC - (58 if female else 65)) * TG",
        title="Lipid accumulation product",
        unit="cm.mmol/L",
        formula=(WAIST - _by_sex(58.0, 65.0)) * TG,
        gives=(20.0, 99.0),
        citation="Kahn 2005",
        population="adults in the United States",
        limits="needs a waist above 65 cm (men) or 58 cm (women)",
        direction=1,
        evidence_grade="C",
        checks=((WAIST - _by_sex(58.0, 65.0) <= 0, "waist at or below the constant of LAP"),),
    ),
    # liver
    Index(
        name="fli",
        written="100 / (1 + exp(15.745 - 0.953 * ln(TGm) - 0.139 * BMI "
        "- 0.718 * ln(GGT) - 0.053 * WC))",
        title="Fatty liver index",
        unit="1",
        formula=100
        / (
            1 + (15.745 - 0.953 * TGM.log() - 0.139 * BMI - 0.718 * GGT.log() - 0.053 * WAIST).exp()
        ),
        gives=(9.93, 91.91),
        citation="Bedogni 2006",
        population="adults in northern Italy, against ultrasound",
        limits="fat in the liver, not its cause: alcohol and hepatitis C raise it too",
        direction=1,
        evidence_grade="B",
    ),
    Index(
        name="hsi",
        written="8 * ALT / AST + BMI + 2 * female + 2 * diabetes",
        title="Hepatic steatosis index",
        unit="1",
        formula=8 * ALT / AST
        + BMI
        + _by_sex(2.0, 0.0)
        + 2 * pl.col("has_diabetes").cast(pl.Float64),
        gives=(31.2, 45.0),
        citation="Lee 2010",
        population="adults in Korea, against ultrasound",
        limits="not with viral hepatitis or much alcohol, which are not looked up here",
        direction=1,
        evidence_grade="C",
    ),
    Index(
        name="fib_4",
        written="age * AST / (PLT * sqrt(ALT))",
        title="FIB-4",
        unit="1",
        formula=AGE * AST / (PLATELETS * ALT.sqrt()),
        gives=(0.660, 1.004),
        citation="Sterling 2006",
        population="adults with HIV and hepatitis C, against biopsy",
        limits="35 to 65 years; rules fibrosis out, says nothing of fat",
        direction=1,
        evidence_grade="B",
        ages=(35, 65),
    ),
    # hormones
    Index(
        name="lar",
        written="leptin / adiponectin",
        title="Leptin to adiponectin ratio",
        unit="ng/mL/(mg/L)",
        formula=LEPTIN / ADIPONECTIN,
        gives=(0.6667, 4.400),
        citation="clinical reference, section 3",
        population="adults",
        limits="women have more of both: compare within a sex; leptin follows fat mass",
        direction=1,
        evidence_grade="C",
    ),
    Index(
        name="egdr",
        written="21.158 - 0.09 * WC - 3.407 * hypertension - 0.551 * A1c",
        title="Estimated glucose disposal rate, by waist",
        unit="mg/kg/min",
        formula=21.158 - 0.09 * WAIST - 3.407 * HYPERTENSION.cast(pl.Float64) - 0.551 * HBA1C,
        gives=(11.273, 4.821),
        citation="Williams 2000 family, waist version: 90 cm, HbA1c 6.5 % give 9.4765",
        population="adults with type 1 diabetes, against clamp",
        limits="a tool for type 1 diabetes; in others waist and pressure by another name",
        direction=-1,
        evidence_grade="D",
    ),
    Index(
        name="c_peptide_insulin",
        written="CP * 1000 / 3.02 / (6 * I0)",
        title="C-peptide to insulin, molar",
        unit="mol/mol",
        formula=C_PEPTIDE * C_PEPTIDE_PMOL / (I0 * PMOL_UIU),
        gives=(13.7969, 10.7309),
        citation="clearance falls as insulin climbs: PROMISE 2019 (-20 % in 9 years); conversions: "
        "clinical reference, section 1",
        population="adults; no agreed range",
        limits="a proxy of clearance by the liver; C-peptide stays longer where kidneys fail",
        direction=-1,
        evidence_grade="C",
    ),
    # oral glucose load
    Index(
        name="matsuda",
        written="10000 / sqrt(Gm0 * I0 * mean(Gm) * mean(I))",
        title="Matsuda index",
        unit="1",
        formula=MATSUDA,
        gives=(6.579, 1.817),
        citation="Matsuda 1999",
        population="adults with normal to diabetic glucose, against clamp (r 0.69)",
        limits="arithmetic means of 0, 30, 60, 90 and 120 min; whole body, not muscle alone",
        direction=-1,
        evidence_grade="B",
    ),
    Index(
        name="igi",
        written="(I30 - I0) / (Gm30 - Gm0)",
        title="Insulinogenic index",
        unit="(u[IU]/mL)/(mg/dL)",
        formula=IGI,
        gives=(0.880, 1.569),
        citation="clinical reference, section 3",
        population="adults",
        limits="undefined where glucose does not rise; read beside sensitivity only",
        direction=0,
        evidence_grade="C",
        checks=(NO_RISE,),
    ),
    Index(
        name="disposition",
        written="(I30 - I0) / (Gm30 - Gm0) * 10000 / sqrt(Gm0 * I0 * mean(Gm) * mean(I))",
        title="Oral disposition index",
        unit="1",
        formula=IGI * MATSUDA,
        gives=(5.790, 2.852),
        citation="insulinogenic index times Matsuda index (clinical reference, section 3)",
        population="adults",
        limits="supposes a hyperbola between both; no universal limit",
        direction=-1,
        evidence_grade="C",
        checks=(NO_RISE,),
    ),
    Index(
        name="hiri",
        written="(Gm0 + Gm30) / 4 / 100 * (I0 + I30) / 4",
        title="Hepatic insulin resistance index",
        unit="(mg/dL/100.h).(u[IU]/mL.h)",
        formula=(G_0 + G_30) / 4 / 100 * (I_0 + I_30) / 4,
        gives=(8.05, 21.99),
        citation="Abdul-Ghani 2007, PMID 17192339; not specific: Muniyappa 2018, PMID 30675598",
        population="155 Mexican American adults, against clamp with tracer (r 0.64)",
        limits="an index, never the liver: not specific to a tissue in 659 clamps",
        direction=1,
        evidence_grade="C",
    ),
    Index(
        name="misi",
        written="fall(G) / (6 * mean(I))",
        title="Muscle insulin sensitivity index",
        unit="(mmol/L)/min/(pmol/L)",
        formula=_fall() / GLUCOSE_MG_MMOL / (_mean(I_LOAD) * PMOL_UIU),
        gives=(11.191e-5, 4.9103e-5),
        citation="Abdul-Ghani 2007, PMID 17192339; not specific: Muniyappa 2018, PMID 30675598; "
        "not found again: Ohashi 2018, npj Syst Biol Appl 4:14 (docs/evidence-indices.md)",
        population="155 Mexican American adults, against clamp with tracer (r 0.78)",
        limits="least-squares fall from peak to nadir over all five samples; an index, never the "
        "muscle: not specific to a tissue in 659 clamps; with the clamp of 61 to 68 others without "
        "diabetes rho .22 (-.06 to .45)",
        direction=-1,
        evidence_grade="D",
        checks=(
            (_peak_at() == len(MINUTES) - 1, "glucose peaks at the last sample"),
            (_peak_at() == 0, "glucose does not rise after the load"),
        ),
    ),
    Index(
        name="stumvoll_isi",
        written="0.226 - 0.0032 * BMI - 6.45e-5 * 6 * I120 - 0.00375 * G90",
        title="Stumvoll insulin sensitivity",
        unit="umol/kg/min/(pmol/L)",
        formula=0.226
        - 0.0032 * BMI
        - 6.45e-5 * I_120 * PMOL_UIU
        - 0.00375 * G_90 / GLUCOSE_MG_MMOL,
        gives=(0.12005, 0.0350),
        citation="Stumvoll 2000",
        population="adults in Germany without diabetes, against clamp",
        limits="BMI is inside; below zero at high insulin",
        direction=-1,
        evidence_grade="C",
    ),
    Index(
        name="stumvoll_isi_age",
        written="0.222 - 0.00333 * BMI - 7.79e-5 * 6 * I120 - 4.22e-4 * age",
        title="Stumvoll insulin sensitivity, with age",
        unit="umol/kg/min/(pmol/L)",
        formula=0.222 - 0.00333 * BMI - 7.79e-5 * I_120 * PMOL_UIU - 4.22e-4 * AGE,
        gives=(0.119948, 0.025574),
        citation="Stumvoll (clinical reference, section 3)",
        population="adults in Germany without diabetes, against clamp",
        limits="BMI and age are inside",
        direction=-1,
        evidence_grade="C",
    ),
    Index(
        name="stumvoll_isi_no_bmi",
        written="0.156 - 4.59e-5 * 6 * I120 - 3.21e-4 * 6 * I0 - 0.00541 * G120",
        title="Stumvoll insulin sensitivity, without BMI",
        unit="umol/kg/min/(pmol/L)",
        formula=0.156
        - 4.59e-5 * I_120 * PMOL_UIU
        - 3.21e-4 * I_0 * PMOL_UIU
        - 0.00541 * G_120 / GLUCOSE_MG_MMOL,
        gives=(0.1062, 0.043738),
        citation="Stumvoll (clinical reference, section 3)",
        population="adults in Germany without diabetes, against clamp",
        limits="below zero at high insulin",
        direction=-1,
        evidence_grade="C",
    ),
    Index(
        name="stumvoll_mcr",
        written="18.8 - 0.271 * BMI - 0.0052 * 6 * I120 - 0.27 * G90",
        title="Stumvoll metabolic clearance rate",
        unit="mL/kg/min",
        formula=18.8 - 0.271 * BMI - 0.0052 * I_120 * PMOL_UIU - 0.27 * G_90 / GLUCOSE_MG_MMOL,
        gives=(10.18, 3.24),
        citation="Stumvoll 2000; 18.3 in a methods paper is a misprint",
        population="adults in Germany without diabetes, against clamp",
        limits="BMI is inside",
        direction=-1,
        evidence_grade="C",
    ),
    Index(
        name="stumvoll_first",
        written="1283 + 1.829 * 6 * I30 - 138.7 * G30 + 3.772 * 6 * I0",
        title="Stumvoll first-phase secretion",
        unit="pmol/L",
        formula=1283
        + 1.829 * I_30 * PMOL_UIU
        - 138.7 * G_30 / GLUCOSE_MG_MMOL
        + 3.772 * I_0 * PMOL_UIU,
        gives=(889.7, 1775.5),
        citation="Stumvoll 2000",
        population="adults in Germany without diabetes, against hyperglycaemic clamp",
        limits="secretion rises with resistance: read beside sensitivity only",
        direction=0,
        evidence_grade="C",
    ),
    Index(
        name="stumvoll_second",
        written="287 + 0.416 * 6 * I30 - 26.07 * G30 + 0.926 * 6 * I0",
        title="Stumvoll second-phase secretion",
        unit="pmol/L",
        formula=287
        + 0.416 * I_30 * PMOL_UIU
        - 26.07 * G_30 / GLUCOSE_MG_MMOL
        + 0.926 * I_0 * PMOL_UIU,
        gives=(242.549, 455.0),
        citation="Stumvoll 2000",
        population="adults in Germany without diabetes, against hyperglycaemic clamp",
        limits="secretion rises with resistance: read beside sensitivity only",
        direction=0,
        evidence_grade="C",
    ),
)
