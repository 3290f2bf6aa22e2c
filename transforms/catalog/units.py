"""Units: how sources write them, and the factor from each to the analyte's canonical unit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from transforms.catalog.analytes import ANALYTES, REVIEWED

INSULIN_PMOL_PER_UIU = 6.00
"""pmol of insulin in one uIU: Knopp 2019, PMID 30318910 (28.8 IU/mg, 5807.6 g/mol)."""

INSULIN_FACTOR_DOUBT = 6.945
"""The older factor (24.8 IU/mg, a superseded standard), still used by some laboratories.

Never used to convert. It overstates pmol/L by 15.75 % and understates uIU/mL by 13.6 %, so a
laboratory that changes from one to the other makes a step of that size in every series: where a
source sends both units, the ratio of the two tells which factor it used.
"""

INSULIN_PMOL_PER_UG = 172.19
"""pmol of insulin in one microgram, from 5807.6 g/mol."""


@dataclass(frozen=True, slots=True)
class Factor:
    """``canonical = factor * value + offset`` for one analyte and one UCUM unit."""

    analyte: str
    unit: str
    factor: float
    citation: str
    reviewed: date
    example: tuple[float, float]
    offset: float = 0.0


SPELLINGS: dict[str, str] = {
    # "ulU" is a misread "uIU". "UI/mL" is no spelling of it: that is French for IU/mL.
    "u[IU]/mL": "uiu/ml uu/ml uiu.ml-1 uu.ml-1 mcu/ml mciu/ml ulu/ml microu/ml microiu/ml"
    " uui/ml uie/ml ue/ml u[u]/ml",
    "m[IU]/L": "miu/l mu/l mui/l mie/l mlu/l miu.l-1 mu.l-1 m[u]/l miu/liter miu/litre",
    "m[IU]/mL": "miu/ml mu/ml mui/ml mie/ml",
    # Amount and mass in a volume
    "pmol/L": "pmol/l pmol.l-1 pmol/liter pmol/litre pmol/dm3",
    "nmol/L": "nmol/l nmol.l-1 nmol/liter nmol/litre",
    "umol/L": "umol/l umol.l-1 mcmol/l micromol/l umol/liter umol/litre",
    "mmol/L": "mmol/l mmol.l-1 mmol/liter mmol/litre mmol/dm3 mmole/l mmoles/l",
    "meq/L": "meq/l mval/l meq.l-1 meq/liter",
    "pg/mL": "pg/ml",
    "ng/L": "ng/l",
    "ng/mL": "ng/ml ng.ml-1",
    "ug/L": "ug/l mcg/l ug.l-1",
    "ug/mL": "ug/ml mcg/ml",
    "mg/L": "mg/l mg.l-1 mg/liter mg/litre",
    "mg/dL": "mg/dl mg% mg/100ml mgs/dl mg.dl-1 mg/deciliter",
    "g/dL": "g/dl g% gm/dl gr/dl g/100ml g.dl-1 gm% gms/dl",
    # Folding makes giga per litre (G/l) the same text; the blood counts below have a factor for it.
    "g/L": "g/l g.l-1 g/l-1 gm/l gr/l",
    # Shares
    "%": "% percent pct prozent %{hb} %{hba1c} %hba1c %hb %ngsp %(ngsp) %{ngsp} %dcct %(dcct)"
    " %{dcct} %oftotalhgb %oftotalhb %oftotal %{oftotalhgb} vol%",
    "mmol/mol": "mmol/mol mmol/molhb mmol/mol{hb} mmol/mol(ifcc) mmol/molifcc mmol/mol{ifcc}"
    " mmol/molhba1c mmol/mol{hba1c}",
    "L/L": "l/l",
    "1": "{ratio} ratio quotient",
    # Enzymes
    "U/L": "u/l e/l u.l-1 units/l unit/l",
    "[IU]/L": "iu/l ui/l ie/l iu.l-1",
    "ukat/L": "ukat/l mckat/l",
    "nkat/L": "nkat/l",
    # Cells
    "10*3/uL": "10*3/ul 10^3/ul 10e3/ul 10³/ul x10e3/ul x10^3/ul x10*3/ul x10³/ul x103/ul 10x3/ul"
    " x10(3)/ul 10(3)/ul x10(3)/mcl 10*3/mcl 10^3/mcl 10e3/mcl 10*3/mm3 10^3/mm3 10³/mm³ 10³/mm3"
    " k/ul k/mcl k/mm3 k/mm³ k/cumm thou/ul thou/mcl thou/mm3 thous/ul tsd/ul tsd./ul 1000/ul"
    " x1000/ul x1000/mm3 x1000/mm³",
    "10*9/L": "10*9/l 10^9/l 10e9/l 10⁹/l x10e9/l x10^9/l x10*9/l x10⁹/l x109/l 10(9)/l x10(9)/l"
    " x10s9/l giga/l giga.l-1 gpt/l bil/l bill/l",
    "10*6/uL": "10*6/ul 10^6/ul 10e6/ul 10⁶/ul x10e6/ul x10^6/ul x10*6/ul x10⁶/ul x106/ul"
    " x10(6)/ul 10(6)/ul 10*6/mcl 10^6/mcl 10e6/mcl 10*6/mm3 10^6/mm3 m/ul m/mcl m/mm3 m/cumm"
    " mio/ul mio./ul mio/mm3 mio./mm3 mio./mm³ mill/ul mil/ul million/ul",
    "10*12/L": "10*12/l 10^12/l 10e12/l 10¹²/l x10e12/l x10^12/l x10*12/l x10¹²/l x1012/l"
    " 10(12)/l x10(12)/l x10s12/l tera/l tera.l-1 t/l tpt/l",
    "/uL": "/ul /mcl /mm3 /mm³ /cumm cells/ul cells/mcl cells/mm3 {cells}/ul",
    # Kidney
    "mL/min/{1.73_m2}": "ml/min/{1.73_m2} ml/min/1.73m2 ml/min/1.73m² ml/min/1.73m^2 ml/min/1.73"
    " ml/min/1,73m2 ml/min/1,73m² ml/min/1.73sqm ml/min/1.73_m2 ml/min/{1.73m2} ml/min/1.73m*2"
    " ml/min/1.73m**2 ml/min/{1.73} ml/min/1,73",
    "mL/min": "ml/min",
    # Body
    "kg": "kg kgs kilo kilos kilogram kilograms",
    "g": "g gm gram grams",
    "[lb_av]": "[lb_av] lb lbs lb. lbs. pound pounds",
    "[stone_av]": "[stone_av] st stone stones",
    "cm": "cm cms centimeter centimeters centimetre centimetres",
    "m": "m meter meters metre metres",
    "mm": "mm millimeter millimetre",
    "[in_i]": "[in_i] in in. inch inches [in_us]",
    "[ft_i]": "[ft_i] ft ft. feet foot",
    "kg/m2": "kg/m2 kg/m² kg/m^2 kg/m*2 kg/m**2 kg/sqm kg.m-2",
    "mm[Hg]": "mm[hg] mmhg mm(hg) mm/hg torr",
    "kPa": "kpa",
    "/min": "/min 1/min min-1 perminute /minute bpm b/min beat/min beats/min beats/minute"
    " {beat}/min {beats}/min {beats}/minute count/min {count}/min breaths/min {breaths}/min"
    " {breath}/min brpm {resp}/min",
    "Cel": "cel c degc deg.c °c ºc ℃ celsius",
    "[degF]": "[degf] f degf deg.f °f ºf ℉ fahrenheit",
    # Time and counts
    "h": "h hr hrs hour hours std stunden",
    "min": "min mins minute minutes",
    "s": "s sec secs second seconds",
    "ms": "ms msec millisecond milliseconds",
    "kcal": "kcal cal_th kilocalorie kilocalories",
    "kJ": "kj kilojoule kilojoules",
    "{#}": "{#} # count counts step steps {step} {steps}",
    "{#}/d": "{#}/d {#}/(24.h) {#}/24h steps/day steps/d {steps}/d {steps}/day step/day",
    "{index}": "{index} index {index_val} idx",
}
"""UCUM -> the spellings of it seen in files and manuals, folded, blank-separated."""

ALIASES: dict[str, str] = {
    text: ucum for ucum, listed in SPELLINGS.items() for text in (ucum.lower(), *listed.split())
}
"""Folded unit text (see :func:`folded`) -> UCUM."""


def _factor(
    analyte: str,
    unit: str,
    factor: float,
    example: tuple[float, float],
    citation: str,
    offset: float = 0.0,
) -> Factor:
    return Factor(analyte, unit, factor, citation, REVIEWED, example, offset)


def _canonical() -> tuple[Factor, ...]:
    """Every analyte in its own canonical unit: factor 1 by definition."""
    return tuple(_factor(a.name, a.unit, 1.0, (1.0, 1.0), "canonical unit") for a in ANALYTES)


def _each(
    analytes: str, unit: str, factor: float, example: tuple[float, float], citation: str
) -> tuple[Factor, ...]:
    """The same factor for several analytes (named, blank-separated)."""
    return tuple(_factor(name, unit, factor, example, citation) for name in analytes.split())


KNOPP = "Knopp 2019, PMID 30318910"
METRIC = "metric identity"
GLUCOSE = "glucose 180.16 g/mol; Matthews 1985 uses 18 (HOMA 405 = 22.5 x 18)"
COLUMNS = "factor in common laboratory use (triglyceride 88.57, cholesterol 38.67)"
MEMORY = "factor in common laboratory use, not looked up again: judgement"
KATAL = "1 U = 1 umol/min, 1 kat = 1 mol/s"
CHOLESTEROLS = "hdl ldl total_cholesterol"
ENZYMES = "alt ast ggt alp"
COUNTS = "platelets leukocytes"
BOUTS = "workout_duration menstrual_flow symptom"
VARIABILITY = "heart_rate_variability_sdnn heart_rate_variability_rmssd"
SALTS = "sodium potassium chloride co2"

FACTORS: tuple[Factor, ...] = (
    *_canonical(),
    # No factor for m[IU]/mL: no laboratory means it for insulin, so it waits for a person.
    _factor("insulin", "pmol/L", 1 / INSULIN_PMOL_PER_UIU, (60.0, 10.0), KNOPP),
    _factor("insulin", "nmol/L", 1000 / INSULIN_PMOL_PER_UIU, (0.06, 10.0), KNOPP),
    _factor("insulin", "m[IU]/L", 1.0, (8.7, 8.7), METRIC),
    _factor(
        "insulin",
        "ug/L",
        INSULIN_PMOL_PER_UG / INSULIN_PMOL_PER_UIU,
        (0.6, 17.219),
        "172.19 pmol/ug from 5807.6 g/mol; " + KNOPP,
    ),
    _factor(
        "insulin",
        "ng/mL",
        INSULIN_PMOL_PER_UG / INSULIN_PMOL_PER_UIU,
        (0.6, 17.219),
        "172.19 pmol/ug from 5807.6 g/mol; " + KNOPP,
    ),
    *_each("glucose sensor_glucose capillary_glucose", "mmol/L", 18.016, (5.0, 90.08), GLUCOSE),
    _factor("glucose", "g/L", 100.0, (0.95, 95.0), METRIC),
    _factor("c_peptide", "nmol/L", 3.02, (0.5, 1.51), "C-peptide 3020 g/mol: ng/mL x 0.331"),
    _factor("c_peptide", "pmol/L", 0.00302, (500.0, 1.51), "C-peptide 3020 g/mol: ng/mL x 0.331"),
    _factor("c_peptide", "ug/L", 1.0, (1.5, 1.5), METRIC),
    _factor(
        "hba1c",
        "mmol/mol",
        0.09148,
        (38.8, 5.701424),
        "NGSP master equation: 0.09148 x IFCC + 2.152",
        offset=2.152,
    ),
    _factor("triglyceride", "mmol/L", 88.57, (2.2, 194.854), COLUMNS),
    _factor("triglyceride", "g/L", 100.0, (1.5, 150.0), METRIC),
    *_each(CHOLESTEROLS, "mmol/L", 38.67, (1.5, 58.005), COLUMNS),
    *_each(CHOLESTEROLS, "g/L", 100.0, (0.55, 55.0), METRIC),
    _factor("nefa", "meq/L", 1.0, (0.4, 0.4), "one charge per molecule"),
    _factor("nefa", "umol/L", 0.001, (400.0, 0.4), METRIC),
    _factor("adiponectin", "ug/mL", 1.0, (7.5, 7.5), METRIC),
    _factor("adiponectin", "ng/mL", 0.001, (7500.0, 7.5), METRIC),
    _factor("leptin", "ug/L", 1.0, (8.0, 8.0), METRIC),
    _factor("leptin", "pg/mL", 0.001, (8000.0, 8.0), METRIC),
    _factor("leptin", "ng/L", 0.001, (8000.0, 8.0), METRIC),
    *_each(ENZYMES, "[IU]/L", 1.0, (25.0, 25.0), METRIC),
    *_each(ENZYMES, "ukat/L", 60.0, (0.5, 30.0), KATAL),
    *_each(ENZYMES, "nkat/L", 0.06, (500.0, 30.0), KATAL),
    _factor("bilirubin", "umol/L", 1 / 17.104, (17.104, 1.0), "bilirubin 584.66 g/mol"),
    *_each("crp hs_crp", "mg/dL", 10.0, (0.3, 3.0), METRIC),
    *_each("crp hs_crp", "ug/mL", 1.0, (3.0, 3.0), METRIC),
    *_each("crp hs_crp", "ug/L", 0.001, (3000.0, 3.0), METRIC),
    *_each("crp hs_crp", "ng/mL", 0.001, (3000.0, 3.0), METRIC),
    *_each("crp hs_crp", "nmol/L", 1 / 9.52, (95.2, 10.0), MEMORY),
    _factor("urate", "umol/L", 1 / 59.48, (356.88, 6.0), MEMORY),
    _factor("urate", "mmol/L", 1000 / 59.48, (0.35688, 6.0), MEMORY),
    _factor("urate", "mg/L", 0.1, (60.0, 6.0), METRIC),
    _factor("creatinine", "umol/L", 1 / 88.4, (88.4, 1.0), MEMORY),
    _factor("creatinine", "mg/L", 0.1, (9.0, 0.9), METRIC),
    _factor("egfr", "mL/min", 1.0, (90.0, 90.0), "the codes mean per 1.73 m2: judgement"),
    _factor("urea_nitrogen", "mmol/L", 2.8014, (5.0, 14.007), "28.014 mg nitrogen per mmol urea"),
    *_each(SALTS, "meq/L", 1.0, (4.2, 4.2), "one charge per ion"),
    _factor("calcium", "mmol/L", 4.008, (2.4, 9.6192), "calcium 40.08 g/mol"),
    _factor("calcium", "meq/L", 2.004, (4.8, 9.6192), "calcium 40.08 g/mol, two charges"),
    *_each("albumin total_protein haemoglobin", "g/L", 0.1, (42.0, 4.2), METRIC),
    _factor("haemoglobin", "mmol/L", 1.6114, (8.7, 14.01918), "haemoglobin (Fe) 16114 g/mol"),
    _factor("haematocrit", "L/L", 100.0, (0.42, 42.0), METRIC),
    *_each(COUNTS, "10*9/L", 1.0, (250.0, 250.0), METRIC),
    *_each(COUNTS, "g/L", 1.0, (250.0, 250.0), "G/l is giga per litre; a count has no grams"),
    *_each(COUNTS, "/uL", 0.001, (250000.0, 250.0), METRIC),
    _factor("erythrocytes", "10*12/L", 1.0, (4.8, 4.8), METRIC),
    _factor("haemolysis_index", "mg/dL", 1.0, (50.0, 50.0), "about mg/dL: judgement"),
    _factor("haemolysis_index", "1", 1.0, (50.0, 50.0), "an index has no unit"),
    _factor("weight", "[lb_av]", 0.45359237, (150.0, 68.0388555), "international pound"),
    _factor("weight", "[stone_av]", 6.35029318, (11.0, 69.85322498), "international stone"),
    _factor("weight", "g", 0.001, (68000.0, 68.0), METRIC),
    *_each("height waist", "m", 100.0, (0.92, 92.0), METRIC),
    *_each("height waist", "mm", 0.1, (920.0, 92.0), METRIC),
    *_each("height waist", "[in_i]", 2.54, (36.0, 91.44), "international inch"),
    _factor("height", "[ft_i]", 30.48, (5.5, 167.64), "international foot"),
    *_each("systolic_bp diastolic_bp", "kPa", 7.500617, (16.0, 120.009872), "133.322 Pa per mmHg"),
    _factor("body_temperature", "[degF]", 5 / 9, (98.6, 37.0), "definition", offset=-160 / 9),
    _factor("steps", "{#}/d", 1.0, (8000.0, 8000.0), "a day's record: count per that day"),
    *_each("sleep_duration fasting_duration", "min", 1 / 60, (450.0, 7.5), METRIC),
    *_each("sleep_duration fasting_duration", "s", 1 / 3600, (27000.0, 7.5), METRIC),
    *_each(BOUTS, "ms", 1 / 60000, (2700000.0, 45.0), METRIC),
    *_each(BOUTS, "s", 1 / 60, (2700.0, 45.0), METRIC),
    *_each(BOUTS, "h", 60.0, (0.75, 45.0), METRIC),
    *_each("in_bed_duration", "min", 1 / 60, (480.0, 8.0), METRIC),
    *_each("in_bed_duration", "s", 1 / 3600, (28800.0, 8.0), METRIC),
    _factor("active_energy", "kJ", 1 / 4.184, (418.4, 100.0), "thermochemical calorie"),
    *_each(VARIABILITY, "s", 1000.0, (0.045, 45.0), METRIC),
    _factor("oxygen_saturation", "1", 100.0, (0.97, 97.0), METRIC),
    _factor("body_fat", "1", 100.0, (0.25, 25.0), METRIC),
)


def folded(unit: pl.Expr) -> pl.Expr:
    """Unit text without case, blanks and the several micro signs, to look up in ``ALIASES``."""
    return (
        unit.str.to_lowercase()
        .str.replace_all("[µμ]", "u")
        .str.replace_all(r"[\s\u200b\ufeff]", "")
    )


def alias_frame() -> pl.DataFrame:
    """Columns ``folded_unit``, ``ucum``."""
    return pl.DataFrame(
        list(ALIASES.items()), schema={"folded_unit": pl.String, "ucum": pl.String}, orient="row"
    )


def factor_frame() -> pl.DataFrame:
    """Columns ``analyte``, ``ucum``, ``factor``, ``offset``."""
    schema = {"analyte": pl.String, "ucum": pl.String, "factor": pl.Float64, "offset": pl.Float64}
    rows = [(f.analyte, f.unit, f.factor, f.offset) for f in FACTORS]
    return pl.DataFrame(rows, schema=schema, orient="row")
