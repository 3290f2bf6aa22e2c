"""Who, and which draws, the status rule leaves out, by conditions and medications.

Age is the rule's own. Not here on purpose: GLP-1 agonists and tirzepatide (a stratum of their
own, shown, not left out); acute illness, surgery and weight change (notes beside a draw);
thiazides, niacin, protease inhibitors and tacrolimus. That choice and all windows are judgement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from typing import Literal

import polars as pl

from transforms.catalog.words import folded_words

REVIEWED = date(2026, 11, 22)
NEXT_REVIEW = date(2027, 11, 22)

Table = Literal["condition", "medication"]


@dataclass(frozen=True, slots=True, eq=False)
class Exclusion:
    """One ground for leaving out a patient or some draws.

    ``effect`` ``patient``: from its start (or, with ``after_days`` set, while it lasts and that
    many days more) the patient is ``excluded``. ``effect`` ``draw``: draws between ``before_days``
    before its start and ``after_days`` after its end are not used. An open end is still going on,
    or, with ``open_days`` set, that many days after the start (a pregnancy nobody closed).

    A row matches by code within a code system (ICD-10 and ATC by prefix, dots ignored; others
    whole), by its whole class, or by the beginning of a word of its name; ``not_words`` veto a
    name match, never a code. ``classes``, ``words`` and ``not_words`` are written folded.
    """

    name: str
    sentence: str
    table: Literal["condition", "medication"]
    effect: Literal["patient", "draw"]
    citation: str
    reviewed: date
    next_review: date
    codes: dict[str, tuple[str, ...]]
    classes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    not_words: tuple[str, ...] = ()
    before_days: int = 0
    after_days: int | None = None
    open_days: int | None = None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|"))


NOBODY = _listed(
    "family history|family hx|fh of|no history of|maternal history of|paternal history of"
)
"""A condition's name that speaks of somebody else, or of its absence."""

PREGNANCY = Exclusion(
    name="pregnancy",
    sentence="Pregnant, or within 12 weeks after: insulin rises with pregnancy itself.",
    table="condition",
    effect="patient",
    citation="Pregnancy and 6-12 weeks after: insulin up; handling: judgement",
    reviewed=REVIEWED,
    next_review=NEXT_REVIEW,
    codes={
        "icd10": ("O", "Z33", "Z34", "Z3A"),
        "snomed": _listed(
            "72892002|77386006|47200007|609496007|198992004|34801009|79586000|199223000|11687002"
        ),
    },
    words=_listed(
        "pregnan|gravid|gestational diabet|schwanger|grossesse|embaraz|zwanger|postpartum"
    ),
    not_words=(
        *NOBODY,
        *_listed(
            "history of|pregnancy test|not pregnan|no pregnan|non pregnan|counsel|contracept"
            "|planning|screening|prevention of|before pregnan|before confirmation|past pregnan"
            "|risk of pregnan|wants pregnan|trying for"
        ),
    ),
    after_days=84,
    open_days=300,  # term, and some days more
)

CONDITIONS: tuple[Exclusion, ...] = (
    Exclusion(
        name="diabetes",
        sentence="Diabetes is on record: the rule is for people whose glucose is still normal.",
        table="condition",
        effect="patient",
        citation="Design rule, section 5; codes: ICD-10, SNOMED CT names seen in public value sets",
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        # Gestational diabetes (O24.4, O24.9) ends with the pregnancy: it is excluded there, and
        # the years after it are just when climbing insulin is worth seeing.
        codes={
            "icd10": _listed("E08|E09|E10|E11|E12|E13|E14|O24.0|O24.1|O24.2|O24.3|O24.8"),
            "snomed": _listed(
                "73211009|44054006|46635009|8801005|5368009|5969009|11530004|427089005|609562003"
                "|443694000|444073006|444074000|290002008|420868002|422014003|74627003|472969004"
                "|127013003|4855003|422034002|1501000119109|1551000119108|97331000119101"
                "|368581000119106|157141000119108|90781000119102|60951000119105|424736006"
                "|420422005|421075007|9859006|237633009|120731000119103"
            ),
        },
        words=_listed("diabet|pregestational diabet|zuckerkrank|t2dm|t1dm|niddm|iddm|lada|mody"),
        not_words=(
            *NOBODY,
            *_listed(
                "pre diabet|prediabet|insipid|gestational|non diabet|no diabet|not diabet"
                "|without diabet|screening for diabet|screen for diabet|diabetes screening"
                "|diabetes mellitus screening|diabetic screening|diabetes risk|risk of diabet"
                "|risk for diabet|risk of developing|prevention of diabet"
                "|diabetes prevention|suspected|rule out|fear of|latent diabet|borderline diabet"
            ),
        ),
    ),
    Exclusion(
        name="insulin_use",
        sentence="Use of insulin is on record: measured insulin may not be the patient's own.",
        table="condition",
        effect="patient",
        citation="Insulin therapy: insulin uninterpretable (PMID 37598742, Dayaldasani 2015)",
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        codes={"icd10": ("Z79.4",)},
        words=_listed(
            "use of insulin|insulin treated|insulin therapy|insulin requiring|on insulin"
        ),
        not_words=(
            *NOBODY,
            *_listed("non insulin|not on insulin|not insulin|without insulin|not requiring"),
        ),
    ),
    PREGNANCY,
    # The same rows once more: a pregnancy long past excludes nobody, but its draws stay unusable.
    replace(
        PREGNANCY,
        name="pregnancy_draw",
        sentence="Drawn in pregnancy or within 12 weeks after it.",
        effect="draw",
    ),
    Exclusion(
        name="pancreas_disease",
        sentence="Pancreatitis or pancreas surgery is on record: insulin may be low by it.",
        table="condition",
        effect="patient",
        citation="Pancreatitis, pancreatectomy: insulin low; handling: judgement",
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        codes={
            "icd10": _listed("K85|K86.0|K86.1|Z90.41|E89.1"),
            "snomed": _listed(
                "75694006|197456007|235494005|59154002|445507008|95563007|721724009|68072000"
                "|154211000119108|33149006"
            ),
        },
        words=_listed(
            "pancreatit|pankreatit|pancreatect|pancreaticoduoden|pancreatoduoden|whipple"
        ),
        not_words=(*NOBODY, *_listed("risk of|without pancreat|no pancreat|suspected|rule out")),
    ),
    Exclusion(
        name="kidney_disease",
        sentence="Chronic kidney disease from stage 3b (eGFR below 45): insulin is cleared slowly.",
        table="condition",
        effect="patient",
        citation="CKD with eGFR <45: clearance down, insulin up; handling: judgement",
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        # N18.3 and N18.30 do not say which half of stage 3: the measured eGFR has to.
        codes={
            "icd10": _listed("N18.32|N18.4|N18.5|N18.6|Z99.2"),
            "snomed": _listed(
                "700379002|431857002|433146000|46177005|691401000119104|691411000119101"
            ),
        },
        words=_listed(
            "chronic kidney disease stage 3b|chronic kidney disease stage 4"
            "|chronic kidney disease stage 5|chronic kidney disease stage iv"
            "|chronic kidney disease stage v|ckd stage 3b|ckd stage 4|ckd stage 5"
            "|ckd 3b|ckd 4|ckd 5|ckd g3b|ckd g4|ckd g5|end stage renal|end stage kidney|esrd|eskd"
            "|haemodialysis|hemodialysis|peritoneal dialysis|dependence on renal dialysis"
        ),
        not_words=NOBODY,
    ),
    Exclusion(
        name="cirrhosis",
        sentence="Cirrhosis of the liver is on record: insulin is cleared slowly.",
        table="condition",
        effect="patient",
        citation="Cirrhosis: clearance down, insulin up; handling: judgement",
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        # K74.0-K74.2 are fibrosis and sclerosis, common in fatty liver and no cirrhosis.
        codes={
            "icd10": _listed("K70.3|K71.7|K74.3|K74.4|K74.5|K74.6"),
            "snomed": _listed(
                "19943007|1761006|420054005|123604002|425413006|716203000|197362001"
                "|103611000119102|831000119103|1082601000119104"
            ),
        },
        words=_listed("cirrho|zirrhos|cirros"),
        not_words=(
            *NOBODY,
            *_listed("without cirrho|no cirrho|non cirrho|risk of|suspected|rule out"),
        ),
    ),
    Exclusion(
        name="insulinoma",
        sentence="Insulinoma is on record: insulin does not follow glucose. A matter for safety.",
        table="condition",
        effect="patient",
        citation="Insulinoma (insulin >=3 uIU/mL with glucose <55 mg/dL): safety route, not a flag",
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        # E16.1 is left out: it is also written for plain hyperinsulinaemia, which is what we seek.
        codes={"icd10": ("D13.7",), "snomed": ("788390005",)},
        words=_listed("insulinoma|nesidioblastosis"),
        not_words=(*NOBODY, *_listed("suspected|rule out|no insulinoma")),
    ),
    Exclusion(
        name="insulin_antibodies",
        sentence="Antibodies to insulin or its receptor are on record: results mislead.",
        table="condition",
        effect="patient",
        citation="Insulin antibodies, extreme insulin resistance: spurious results; handling:"
        " judgement",
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        codes={},
        words=_listed(
            "insulin antibod|insulin autoantibod|anti insulin antibod|insulin autoimmun"
            "|insulin receptor antibod|hirata"
        ),
        not_words=(*NOBODY, *_listed("negative|no insulin|absent|not detected")),
    ),
    Exclusion(
        name="bariatric_surgery",
        sentence="Drawn within a year after bariatric surgery, while weight and insulin fall fast.",
        table="condition",
        effect="draw",
        citation="Bariatric surgery <12 months: shifts; handling: judgement",
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        codes={"icd10": ("Z98.84",)},
        words=_listed(
            "bariatric|gastric bypass|sleeve gastrectomy|gastric sleeve|gastric band|roux en y"
            "|biliopancreatic diversion|duodenal switch|one anastomosis gastric"
        ),
        not_words=(
            *NOBODY,
            *_listed(
                "counsel|consider|candidate|evaluation|planned|pre operative|preoperative|refer"
            ),
        ),
        after_days=365,
        open_days=0,
    ),
)

MEDICATIONS: tuple[Exclusion, ...] = (
    Exclusion(
        name="insulin_therapy",
        sentence="Insulin therapy: measured insulin may not be the patient's own.",
        table="medication",
        effect="patient",
        citation="Exogenous insulin is read by most assays (PMID 37598742, Dayaldasani 2015, Glenn"
        " 2010): any insulin therapy is excluded",
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        codes={"atc": ("A10A",), "rxnorm": ("106892", "865098")},
        classes=_listed(
            "insulin|insulins|insulin therapy|insulins and analogues|basal insulin|bolus insulin"
            "|rapid acting insulin|short acting insulin|intermediate acting insulin"
            "|long acting insulin|insuline"
        ),
        words=_listed(
            "insulin|lantus|toujeo|basaglar|semglee|rezvoglar|levemir|tresiba|humalog|admelog"
            "|lyumjev|novolog|novorapid|fiasp|apidra|humulin|novolin|actrapid|insulatard|mixtard"
            "|novomix|ryzodeg|xultophy|soliqua|suliqua|afrezza"
        ),
        # Pens and needles are used for other injections too.
        not_words=_listed(
            "insulin syringe|insulin pen needle|pen needle|insulin like|insulin resistance"
            "|insulin sensiti"
        ),
    ),
    Exclusion(
        name="sulfonylurea",
        sentence="Sulfonylurea: it makes the pancreas release insulin.",
        table="medication",
        effect="patient",
        citation="Sulfonylurea: insulin up, uninterpretable; handling: judgement",
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        codes={"atc": ("A10BB",)},
        classes=_listed("sulfonylurea|sulfonylureas|sulphonylurea|sulphonylureas|su"),
        words=_listed(
            "glipizide|glimepirid|glyburide|glibenclamid|gliclazid|gliquidon|tolbutamid|tolazamid"
            "|chlorpropamid|acetohexamid|glucotrol|amaryl|diamicron|diabeta|glynase|micronase"
            "|glucovance|duetact|sulfonylurea|sulphonylurea"
        ),
    ),
    Exclusion(
        name="glinide",
        sentence="Glinide: it makes the pancreas release insulin.",
        table="medication",
        effect="patient",
        citation="Glinide: insulin up, uninterpretable; handling: judgement",
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        codes={"atc": ("A10BX02", "A10BX03")},
        classes=_listed("glinide|glinides|meglitinide|meglitinides"),
        words=_listed("repaglinid|nateglinid|mitiglinid|prandin|prandimet|starlix|novonorm"),
    ),
    Exclusion(
        name="metformin",
        sentence="Drawn on metformin, or within 90 days after: it lowers insulin and its slope.",
        table="medication",
        effect="draw",
        citation="Metformin: insulin down, slope changed; restart after 90 d: judgement",
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        codes={"atc": ("A10BA02",), "rxnorm": ("860975",)},
        classes=_listed("metformin|biguanide|biguanides"),
        words=_listed(
            "metformin|glucophage|fortamet|glumetza|riomet|janumet|jentadueto|kombiglyze|komboglyze"
            "|eucreas|galvumet|vipdomet|kazano|actoplus|competact|synjardy|xigduo|invokamet"
            "|vokanamet|segluromet"
        ),
        after_days=90,
    ),
    Exclusion(
        name="thiazolidinedione",
        sentence="Drawn on a glitazone, or within 90 days after: it lowers insulin and its slope.",
        table="medication",
        effect="draw",
        citation="TZD: insulin down, slope changed; restart after 90 d: judgement",
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        codes={"atc": ("A10BG",)},
        classes=_listed("tzd|thiazolidinedione|thiazolidinediones|glitazone|glitazones"),
        words=_listed(
            "pioglitazon|rosiglitazon|lobeglitazon|actos|avandia|actoplus|competact|duetact|oseni"
            "|tandemact"
        ),
        after_days=90,
    ),
    Exclusion(
        name="sglt2_inhibitor",
        sentence="Drawn on an SGLT2 inhibitor, or within 90 days after: it lowers both.",
        table="medication",
        effect="draw",
        citation="SGLT2: glucose and insulin down, NEFA up: out of slopes; 90 d as for metformin:"
        " judgement",
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        codes={
            "atc": ("A10BK",),
            "rxnorm": _listed("1373458|1488564|1545653|1992672"),
        },
        classes=_listed(
            "sglt2|sglt 2|sglt2i|sglt2 inhibitor|sglt2 inhibitors|sglt 2 inhibitor"
            "|sglt 2 inhibitors|gliflozin|gliflozins"
        ),
        words=_listed(
            "canagliflozin|dapagliflozin|empagliflozin|ertugliflozin|sotagliflozin|bexagliflozin"
            "|ipragliflozin|luseogliflozin|tofogliflozin|remogliflozin|enavogliflozin|henagliflozin"
            "|invokana|invokamet|vokanamet|farxiga|forxiga|xigduo|qtern|jardiance|synjardy"
            "|glyxambi|trijardy|steglatro|segluromet|steglujan|inpefa|brenzavvy"
        ),
        after_days=90,
    ),
    Exclusion(
        name="systemic_glucocorticoid",
        sentence="Drawn on a systemic glucocorticoid, or within 6 weeks after: it raises insulin.",
        table="medication",
        effect="draw",
        citation="Steroids: insulin up, window 4-6 weeks: judgement",
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        codes={
            "atc": ("H02AB",),
            "rxnorm": _listed("8640|8638|6902|312615|312617"),
        },
        classes=_listed(
            "glucocorticoid|glucocorticoids|systemic glucocorticoid|systemic glucocorticoids"
            "|systemic corticosteroid|systemic corticosteroids|oral corticosteroid|oral steroid"
        ),
        words=_listed(
            "prednison|prednisolon|methylprednisolon|dexamethason|hydrocortison|betamethason"
            "|cortisone|deflazacort|triamcinolon|medrol|decadron|deltasone|meprednison"
        ),
        not_words=_listed(
            "topical|cream|ointment|lotion|shampoo|foam|nasal|inhal|ophthalmic|eye drop|otic"
            "|ear drop|intravitreal|rectal|enema|suppositor|mouthwash|oral paste|transdermal"
        ),
        after_days=42,
    ),
    Exclusion(
        name="antipsychotic",
        sentence="Drawn on an antipsychotic that raises insulin, or within 90 days after.",
        table="medication",
        effect="draw",
        citation="Antipsychotics: insulin up; olanzapine, clozapine, quetiapine, risperidone and"
        " the 90 d: judgement",
        reviewed=REVIEWED,
        next_review=NEXT_REVIEW,
        codes={
            "atc": ("N05AH02", "N05AH03", "N05AH04", "N05AX08"),
            "rxnorm": _listed("61381|2626|51272|35636"),
        },
        words=_listed(
            "olanzapin|clozapin|quetiapin|risperidon|zyprexa|clozaril|leponex|seroquel|risperdal"
            "|symbyax|lybalvi|perseris"
        ),
        after_days=90,
    ),
)

EXCLUSIONS: tuple[Exclusion, ...] = (*CONDITIONS, *MEDICATIONS)

SHAPES = {
    "icd10": r"^[A-Z]\d\d(?:\.?[0-9A-Z]{1,4})?$",
    "atc": r"^[A-Z]\d\d[A-Z](?:[A-Z](?:\d\d)?)?$",
    "snomed": r"^\d{6,18}$",
}
"""What a code looks like where its system is not told (``clinic_csv`` has no column for it).
RxNorm has no shape of its own: its numbers are like any local number."""

PREFIXED = frozenset({"icd10", "atc"})

_PRESSURE = _listed(
    "hypertensi|high blood pressure|hypertonie|ipertensi|hipertensi|bluthochdruck|hochdruckkrank"
)
_NOT = _listed(
    "no|not|non|without|no evidence of|no sign of|no signs of|negative for|rules out|ruled out"
    "|kein|keine|ohne|kein hinweis auf|keine hinweise auf|kein anhalt fur|ausschluss"
    "|pas d|absence d|sin|senza|nessuna|assenza di|geen"
)
_ARTERIAL = ("", "arterial ", "arterielle ", "arteriellen ")
_ELSEWHERE = _listed(
    "pulmo|polmonar|portal|portopulmonar|pfortader|intracran|intrakran|endocran|ocula|okula"
    "|intraocul|intraokul|gestation|gestacion|gestazion|gravid|pregnancy induced"
    "|in der schwangerschaft|muskular"
)

HYPERTENSION = Exclusion(
    name="hypertension",
    sentence="High blood pressure is on record.",
    table="condition",
    effect="draw",
    citation="ICD-10 I10-I15; SNOMED CT 38341003 and 59621000; words: judgement",
    reviewed=REVIEWED,
    next_review=NEXT_REVIEW,
    codes={"icd10": _listed("I10|I11|I12|I13|I15"), "snomed": _listed("38341003|59621000")},
    words=_PRESSURE,
    not_words=(
        *NOBODY,
        *_ELSEWHERE,
        *_listed("white coat|screening|risk of"),
        *(f"{no} {kind}{word}" for no in _NOT for kind in _ARTERIAL for word in _PRESSURE),
    ),
)
"""Leaves nobody out: an index asks for it. In the names of five languages; a denial counts only
right before the word, for "without heart failure" denies no high pressure."""


@cache
def matches(exclusion: Exclusion) -> pl.Expr:
    """Whether a landing row of the exclusion's table falls under it. Boolean, never null.

    Reads ``code_system``, ``code``, ``name`` and, for a medication, ``class``; case, dots, accents
    and punctuation do not matter, and any of the columns may be null.
    """
    found = [_has_code(system, codes) for system, codes in exclusion.codes.items()]
    if exclusion.words:
        found.append(_has_word(exclusion.words) & ~_has_word(exclusion.not_words))
    if exclusion.table == "medication" and exclusion.classes:
        found.append(folded_words(pl.col("class")).is_in(exclusion.classes))
    return pl.any_horizontal(*(each.fill_null(value=False) for each in found))


def matching(table: Table) -> pl.Expr:
    """The names of all exclusions a row of ``table`` falls under: a list of text, often empty."""
    names = [
        pl.when(matches(each)).then(pl.lit(each.name)) for each in EXCLUSIONS if each.table == table
    ]
    return pl.concat_list(*names).list.drop_nulls()


def exclusion_frame() -> pl.DataFrame:
    """One row an exclusion.

    Columns ``exclusion``, ``table_name``, ``effect``, ``before_days``, ``after_days``,
    ``open_days``, ``sentence``.
    """
    schema = {
        "exclusion": pl.String,
        "table_name": pl.String,
        "effect": pl.String,
        "before_days": pl.Int32,
        "after_days": pl.Int32,
        "open_days": pl.Int32,
        "sentence": pl.String,
    }
    rows = [
        (e.name, e.table, e.effect, e.before_days, e.after_days, e.open_days, e.sentence)
        for e in EXCLUSIONS
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _has_code(system: str, codes: tuple[str, ...]) -> pl.Expr:
    code = pl.col("code").str.strip_chars().str.to_uppercase()
    bare = code.str.replace_all(".", "", literal=True)
    wanted = [each.replace(".", "") for each in codes]
    if system in PREFIXED:
        found = bare.str.contains("^(?:" + "|".join(wanted) + ")")
    else:
        found = bare.is_in(wanted)
    return found & _is_of(system, code)


def _is_of(system: str, code: pl.Expr) -> pl.Expr:
    told = pl.col("code_system").str.to_lowercase()
    if system not in SHAPES:
        return told == system
    is_untold = told.is_null() | (told == "local")
    return (told == system) | (is_untold & code.str.contains(SHAPES[system]))


def _has_word(words: tuple[str, ...]) -> pl.Expr:
    if not words:
        return pl.lit(value=False)
    starts = "|".join(re.escape(word) for word in words)
    return folded_words(pl.col("name")).str.contains(rf"\b(?:{starts})")
