"""Analytes: what is measured, by which codes, in which unit, within which possible limits.

Codes were taken from LOINC (2.67 unit and component tables) and from the sources' own files; a
code that claims nothing about the draw has timing ``any``. Finger-stick and test-strip codes are
an analyte of their own: their error is larger than the drift the trend looks for. Left out
are the two race-specific eGFR codes (48642-3, 48643-1), which come in pairs for one specimen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

import polars as pl

Timing = Literal["fasting", "any", "post_load", "baseline"]
Property = Literal["mass", "molar", "arbitrary", "other"]

REVIEWED = date(2026, 11, 22)
NEXT_REVIEW = date(2027, 11, 22)


@dataclass(frozen=True, slots=True)
class Code:
    """One code of an analyte: what it claims about the draw's timing and the unit's kind."""

    code: str
    timing: Timing = "any"
    property: Property = "other"
    system: str = "loinc"


@dataclass(frozen=True, slots=True)
class Analyte:
    """One analyte.

    ``low`` and ``high`` are limits of the *possible* in canonical units (outside: quarantine,
    probably a unit slip), not of the normal. ``cvi`` and ``cva`` are within-person and analytical
    coefficients of variation as fractions, None where no source was found.
    """

    name: str
    unit: str
    description: str
    codes: tuple[Code, ...]
    low: float
    high: float
    citation: str
    reviewed: date
    next_review: date
    cvi: float | None = None
    cva: float | None = None


def _codes(listed: str, prop: Property = "other", timing: Timing = "any") -> tuple[Code, ...]:
    return tuple(Code(code, timing, prop) for code in listed.split())


def _analyte(
    name: str,
    unit: str,
    possible: tuple[float, float],
    description: str,
    codes: tuple[Code, ...],
    citation: str,
    variation: tuple[float | None, float | None] = (None, None),
) -> Analyte:
    return Analyte(
        name,
        unit,
        description,
        codes,
        *possible,
        citation=citation,
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        cvi=variation[0],
        cva=variation[1],
    )


LOINC = "codes: LOINC 2.67; limits: judgement"
LIMITS = "limits: judgement"
HOMA2 = "Levy 1998, Diabetes Care 21:2191; the official calculator is licensed; limits: judgement"
FILES = "codes: Synthea and OMOP files, LOINC names; limits: judgement"

INSULIN_CODES = (
    *_codes("27873-9 30363-6", "arbitrary", "fasting"),
    *_codes("59179-2", "molar", "fasting"),
    *_codes("1573-5", "mass", "fasting"),
    *_codes("20448-7", "arbitrary"),
    *_codes("14796-7", "molar"),
    *_codes("3695-4", "mass"),
    *_codes("56482-3", "arbitrary", "baseline"),
    *_codes("14293-5", "molar", "baseline"),
    *_codes("1570-1", "mass", "baseline"),
    *_codes("27827-5 27379-7 27330-0 27826-7", "arbitrary", "post_load"),
)
"""Serum or plasma insulin. A "baseline" of a challenge is no proof of fasting."""

GLUCOSE_CODES = (
    *_codes("1558-6 1557-8 17865-7 10450-5 1554-5", "mass", "fasting"),
    *_codes("14771-0 76629-5 77145-1", "molar", "fasting"),
    *_codes("2345-7 2339-0", "mass"),
    *_codes("14749-6 15074-8", "molar"),
    *_codes("1507-3 1518-0 20438-8 20436-2 20437-0", "mass", "post_load"),
    *_codes("14756-1 14759-5 14995-5", "molar", "post_load"),
)
"""Laboratory glucose in serum, plasma or whole blood, not finger-stick."""

ANALYTES: tuple[Analyte, ...] = (
    # The rule's own two
    _analyte(
        "insulin",
        "u[IU]/mL",
        (0.1, 2000),
        "Insulin in serum or plasma, at 6.00 pmol per uIU",
        INSULIN_CODES,
        "CVi: Widjaja 1999 Clin Chem 45:561, Mooy 1996 Diabetologia 39:298; CVa: upper end of"
        " 2.7-5 %; limits: judgement (insulin poisoning and antibodies reach hundreds)",
        (0.26, 0.05),
    ),
    # 20 and 1250 hold mmol/L under an mg/dL label (5.3) and mg/dL under a mmol/L label (from 70).
    _analyte(
        "glucose",
        "mg/dL",
        (20, 1250),
        "Glucose in serum, plasma or whole blood, laboratory method",
        GLUCOSE_CODES,
        "CVi: meta-analysis in a glycated-albumin review (5.0, 4.1-12.0 %); CVa: goal <=2.4 %,"
        " 2 % taken; limits: judgement",
        (0.05, 0.02),
    ),
    # Glucose control and secretion
    _analyte(
        "c_peptide",
        "ng/mL",
        (0.01, 50),
        "C-peptide in serum or plasma",
        _codes("13037-7", "mass", "fasting")
        + _codes("42180-0", "molar", "fasting")
        + _codes("1986-9", "mass")
        + _codes("14633-2", "molar"),
        "CVi: Widjaja 1999 Clin Chem 45:561; CVa: upper end of 2-5 %; limits: judgement",
        (0.24, 0.05),
    ),
    # Property stays open: LOINC's own example unit for the IFCC code is "%".
    _analyte(
        "hba1c",
        "%",
        (3, 20),
        "Glycated haemoglobin, NGSP percent",
        _codes("4548-4 17856-6 59261-8"),
        "CVi: meta-analysis in a glycated-albumin review (1.2 %); CVa: 1.5-2 %; limits: judgement,"
        " so that 20-140 mmol/mol under a % label falls outside",
        (0.012, 0.015),
    ),
    _analyte(
        "sensor_glucose",
        "mg/dL",
        (20, 600),
        "Interstitial glucose by a worn sensor (CGM)",
        _codes("99504-3", "mass") + _codes("105272-9", "molar"),
        "codes: HL7 CGM implementation guide 1.0.0; limits: judgement (sensors report 40-500)",
    ),
    _analyte(
        "capillary_glucose",
        "mg/dL",
        (10, 1250),
        "Glucose by meter or test strip; its error is larger than the drift the trend looks for",
        _codes("41653-7 2340-8 2341-6 32016-8", "mass") + _codes("14743-9", "molar"),
        "codes: LOINC names, check digits verified; limits: judgement",
    ),
    # Lipids and fat tissue
    _analyte(
        "triglyceride",
        "mg/dL",
        (10, 8000),
        "Triglyceride in serum or plasma",
        _codes("3048-6", "mass", "fasting")
        + _codes("47210-0", "molar", "fasting")
        + _codes("2571-8", "mass")
        + _codes("14927-8", "molar")
        + _codes("35217-9"),
        "CVi: Widjaja 1999 Clin Chem 45:561; CVa 3 %; limits: judgement",
        (0.21, 0.03),
    ),
    _analyte(
        "hdl",
        "mg/dL",
        (4, 250),
        "HDL cholesterol in serum or plasma",
        _codes("2085-9", "mass") + _codes("14646-4", "molar"),
        LOINC,
    ),
    _analyte(
        "ldl",
        "mg/dL",
        (7, 1500),
        "LDL cholesterol in serum or plasma, direct or calculated",
        _codes("2089-1 13457-7 18262-6", "mass") + _codes("22748-8 39469-2", "molar"),
        LOINC,
    ),
    _analyte(
        "total_cholesterol",
        "mg/dL",
        (20, 2000),
        "Total cholesterol in serum or plasma",
        _codes("2093-3", "mass") + _codes("14647-2", "molar") + _codes("35200-5"),
        LOINC,
    ),
    _analyte(
        "nefa",
        "mmol/L",
        (0.01, 5),
        "Non-esterified (free) fatty acids in serum or plasma",
        _codes("15066-4", "molar"),
        "CVi: Widjaja 1999 Clin Chem 45:561; CVa 5 %; limits: judgement",
        (0.45, 0.05),
    ),
    _analyte(
        "adiponectin",
        "mg/L",
        (0.1, 100),
        "Adiponectin in serum or plasma",
        _codes("47828-9", "mass"),
        LOINC,
    ),
    _analyte(
        "leptin",
        "ng/mL",
        (0.05, 500),
        "Leptin in serum or plasma",
        _codes("21365-2", "mass"),
        LOINC,
    ),
    # Liver and inflammation
    _analyte("alt", "U/L", (1, 20000), "Alanine aminotransferase", _codes("1742-6"), LOINC),
    _analyte("ast", "U/L", (1, 40000), "Aspartate aminotransferase", _codes("1920-8"), LOINC),
    _analyte("ggt", "U/L", (1, 10000), "Gamma-glutamyltransferase", _codes("2324-2"), LOINC),
    _analyte("alp", "U/L", (2, 10000), "Alkaline phosphatase", _codes("6768-6"), FILES),
    _analyte(
        "bilirubin",
        "mg/dL",
        (0.01, 100),
        "Total bilirubin in serum or plasma",
        _codes("1975-2", "mass"),
        FILES,
    ),
    _analyte(
        "crp",
        "mg/L",
        (0.01, 1000),
        "C-reactive protein in serum or plasma",
        _codes("1988-5", "mass"),
        LOINC,
    ),
    _analyte(
        "hs_crp",
        "mg/L",
        (0.01, 1000),
        "C-reactive protein by a high-sensitivity method",
        _codes("30522-7", "mass"),
        LOINC,
    ),
    # Kidney and salts
    _analyte(
        "urate",
        "mg/dL",
        (0.2, 60),
        "Urate in serum or plasma",
        _codes("3084-1", "mass") + _codes("14933-6", "molar"),
        LOINC,
    ),
    _analyte(
        "creatinine",
        "mg/dL",
        (0.1, 50),
        "Creatinine in serum, plasma or blood",
        _codes("2160-0 38483-4", "mass") + _codes("14682-9", "molar"),
        LOINC,
    ),
    _analyte(
        "egfr",
        "mL/min/{1.73_m2}",
        (1, 400),
        "Estimated glomerular filtration rate per 1.73 m2",
        _codes("62238-1 98979-8 33914-3"),
        LOINC,
    ),
    _analyte(
        "urea_nitrogen",
        "mg/dL",
        (1, 400),
        "Urea nitrogen in serum, plasma or blood",
        _codes("6299-2 3094-0", "mass"),
        FILES,
    ),
    _analyte("sodium", "mmol/L", (80, 250), "Sodium", _codes("2947-0 2951-2", "molar"), FILES),
    _analyte(
        "potassium", "mmol/L", (0.5, 20), "Potassium", _codes("6298-4 2823-3", "molar"), FILES
    ),
    _analyte("chloride", "mmol/L", (40, 200), "Chloride", _codes("2069-3 2075-0", "molar"), FILES),
    _analyte(
        "co2", "mmol/L", (1, 80), "Total carbon dioxide", _codes("20565-8 2028-9", "molar"), FILES
    ),
    _analyte(
        "calcium", "mg/dL", (3.5, 30), "Total calcium", _codes("49765-1 17861-6", "mass"), FILES
    ),
    _analyte("albumin", "g/dL", (0.5, 10), "Albumin", _codes("1751-7", "mass"), FILES),
    _analyte("total_protein", "g/dL", (1, 20), "Total protein", _codes("2885-2", "mass"), FILES),
    # Blood count and specimen quality
    _analyte(
        "haemoglobin", "g/dL", (2, 30), "Haemoglobin in blood", _codes("718-7", "mass"), FILES
    ),
    _analyte(
        "haematocrit", "%", (5, 80), "Haematocrit, volume percent", _codes("4544-3 20570-8"), FILES
    ),
    _analyte("leukocytes", "10*3/uL", (0.01, 1500), "Leukocytes in blood", _codes("6690-2"), FILES),
    _analyte("erythrocytes", "10*6/uL", (0.5, 12), "Erythrocytes", _codes("789-8"), FILES),
    _analyte(
        "platelets", "10*3/uL", (1, 5000), "Platelets in blood", _codes("777-3 26515-7"), LOINC
    ),
    _analyte(
        "haemolysis_index",
        "{index}",
        (0, 5000),
        "Haemolysis index of serum or plasma, about mg/dL of free haemoglobin",
        _codes("46424-8"),
        LOINC,
    ),
    # The person, at the clinic and by wearable
    _analyte("weight", "kg", (1, 650), "Body weight", _codes("29463-7 3141-9"), LOINC),
    _analyte("height", "cm", (30, 280), "Body height", _codes("8302-2"), LOINC),
    _analyte("bmi", "kg/m2", (5, 200), "Body mass index", _codes("39156-5"), LOINC),
    # 40 holds inches under a cm label for most adults.
    _analyte("waist", "cm", (40, 350), "Waist circumference", _codes("8280-0 56086-2"), LOINC),
    _analyte(
        "systolic_bp", "mm[Hg]", (30, 370), "Systolic blood pressure", _codes("8480-6"), LOINC
    ),
    _analyte(
        "diastolic_bp", "mm[Hg]", (15, 250), "Diastolic blood pressure", _codes("8462-4"), LOINC
    ),
    _analyte("heart_rate", "/min", (15, 350), "Heart rate", _codes("8867-4"), LOINC),
    _analyte(
        "resting_heart_rate", "/min", (20, 200), "Resting heart rate", _codes("40443-4"), LOINC
    ),
    _analyte("respiratory_rate", "/min", (1, 120), "Respiratory rate", _codes("9279-1"), FILES),
    _analyte(
        "body_temperature", "Cel", (20, 46), "Body temperature", _codes("8310-5 8331-1"), FILES
    ),
    _analyte(
        "steps",
        "{#}",
        (0, 200000),
        "Steps counted over the record's interval",
        _codes("41950-7 41952-3 55423-8"),
        LOINC,
    ),
    _analyte("sleep_duration", "h", (0, 24), "Sleep duration", _codes("93832-4"), LOINC),
    # By wearable alone: a kind of sample, without a code
    _analyte("in_bed_duration", "h", (0, 48), "Time in bed", (), LIMITS),
    _analyte("workout_duration", "min", (0, 2880), "A workout's length", (), LIMITS),
    _analyte("active_energy", "kcal", (0, 30000), "Energy spent by activity", (), LIMITS),
    _analyte(
        "heart_rate_variability_sdnn",
        "ms",
        (0, 1000),
        "Heart rate variability, standard deviation of normal beat intervals",
        (),
        LIMITS,
    ),
    _analyte(
        "heart_rate_variability_rmssd",
        "ms",
        (0, 1000),
        "Heart rate variability, root mean square of successive differences",
        (),
        LIMITS,
    ),
    _analyte("oxygen_saturation", "%", (30, 100), "Oxygen saturation by a sensor", (), LIMITS),
    _analyte("body_fat", "%", (1, 90), "Body fat by impedance", _codes("41982-0"), LIMITS),
    _analyte("menstrual_flow", "min", (0, 44640), "Menstruation noted", (), LIMITS),
    _analyte("symptom", "min", (0, 525600), "A symptom of illness noted", (), LIMITS),
    # Computed elsewhere: no LOINC code says which HOMA it is, so a site maps its own to these
    _analyte(
        "homa2_ir",
        "1",
        (0.05, 50),
        "HOMA2-IR as imported",
        (Code("HOMA2-IR", system="local"),),
        HOMA2,
    ),
    _analyte(
        "homa2_b", "%", (1, 1000), "HOMA2-%B as imported", (Code("HOMA2-B", system="local"),), HOMA2
    ),
    _analyte(
        "homa2_s", "%", (1, 1000), "HOMA2-%S as imported", (Code("HOMA2-S", system="local"),), HOMA2
    ),
    # What a source says about the draw itself
    _analyte(
        "fasting_status",
        "1",
        (0, 1),
        "Whether the patient said to be fasting at the draw; its value is a word",
        _codes("49541-6"),
        LOINC,
    ),
    _analyte(
        "fasting_duration", "h", (0, 120), "Hours fasted before the draw", _codes("87527-8"), LOINC
    ),
)

NEVER_INSULIN: tuple[str, ...] = (
    "1554-5",  # glucose, 12 h fasting
    "1558-6",  # glucose, fasting
    "20436-2",  # glucose, 2 h
    "1986-9",  # C-peptide
    "2484-4",  # IGF-1
    "24357-6",  # urinalysis panel
    "2492-2",  # no such code: wrong check digit, as are the next three
    "20448-4",
    "1989-4",
    "81576-7",
)
"""Codes found labelled "insulin" (or as its neighbours) in public code, which are not."""


def system_of(code: str) -> str:
    """The code system a catalog code belongs to; LOINC for codes of no analyte.

    >>> system_of("HOMA2-IR"), system_of("27873-9")
    ('local', 'loinc')
    """
    return _SYSTEMS.get(code, "loinc")


_SYSTEMS = {c.code: c.system for a in ANALYTES for c in a.codes}


def code_frame() -> pl.DataFrame:
    """One row a code: ``code_system``, ``source_code``, ``analyte``, ``timing``, ``property``."""
    rows = [(c.system, c.code, a.name, c.timing, c.property) for a in ANALYTES for c in a.codes]
    columns = ["code_system", "source_code", "analyte", "timing", "property"]
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")


def limit_frame() -> pl.DataFrame:
    """Columns ``analyte``, ``canonical_unit``, ``low``, ``high``: one row an analyte."""
    rows = [(a.name, a.unit, a.low, a.high) for a in ANALYTES]
    schema = {
        "analyte": pl.String,
        "canonical_unit": pl.String,
        "low": pl.Float64,
        "high": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")
