"""Frames to FHIR R4 NDJSON."""

from __future__ import annotations

import polars as pl

from transforms.synthetic.columns import CONDITIONS, LABS, MEDICATIONS, PATIENTS, filled

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
LOCAL = "https://lab.example/codes"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFIED = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"

NAME = {
    "27873-9": "Insulin, fasting",
    "59179-2": "Insulin, fasting",
    "20448-7": "Insulin",
    "14796-7": "Insulin",
    "1558-6": "Glucose, fasting",
    "14771-0": "Glucose, fasting",
    "2345-7": "Glucose",
    "14749-6": "Glucose",
    "4548-4": "Haemoglobin A1c",
    "2571-8": "Triglyceride",
    "2085-9": "HDL cholesterol",
    "1742-6": "Alanine aminotransferase",
    "1920-8": "Aspartate aminotransferase",
    "2324-2": "Gamma-glutamyltransferase",
    "777-3": "Platelets",
    "1986-9": "C-peptide",
    "14633-2": "C-peptide",
    "15066-4": "Free fatty acids",
    "30522-7": "C-reactive protein, high sensitivity",
    "21365-2": "Leptin",
    "47828-9": "Adiponectin",
    "29463-7": "Body weight",
    "8280-0": "Waist circumference",
    "8302-2": "Body height",
    "8480-6": "Systolic blood pressure",
    "8462-4": "Diastolic blood pressure",
    "49541-6": "Fasting status",
    "87527-8": "Fasting duration",
}
"""What a clinic calls it: the text of a code, where it has one."""
VITAL_CODES = ("29463-7", "8280-0", "8302-2", "8480-6", "8462-4")
FASTING_STATUS = "49541-6"
STATUS = {
    "F": "final",
    "C": "corrected",
    "P": "preliminary",
    "X": "cancelled",
    "D": "entered-in-error",
    "W": "entered-in-error",
}
"""HL7 table 0085 -> FHIR observation-status; a FHIR word stays as it is."""
UCUM_UNITS = (
    *("u[IU]/mL", "pmol/L", "mg/dL", "mmol/L", "%", "U/L"),
    *("10*3/uL", "10*9/L", "ng/mL", "nmol/L", "umol/L", "mg/L"),
    *("kg", "cm", "mm[Hg]", "h"),
)
INGREDIENT = {"metformin": "6809", "insulin glargine": "274783", "gliclazide": "4816"}
"""RxNorm concept of an ingredient, found as the beginning of a medication's name."""

QUANTITY = r"^([<>]=?)?(\d+(?:\.\d+)?)$"


def observation_ndjson(results: pl.DataFrame) -> bytes:
    """One Observation per row of :data:`LABS`.

    Times need an offset (``reported_at`` is an instant in FHIR). A number, with or without a
    comparator, becomes a ``valueQuantity`` with the decimals it was written with; an answer to
    "fasting?" a coded value; other text a ``valueString``; a cancelled result says why it has
    no value. ``fasting`` has no element of its own in FHIR: send it as a result.
    """
    code, status = pl.col("code"), pl.col("status").replace(STATUS)
    resource = _resource(
        "Observation",
        "result_id",
        status=status,
        category=_listed_concept(CATEGORY, _category(code)),
        code=pl.struct(
            coding=pl.concat_list(pl.struct(system=_code_system(code), code=code)),
            text=_known(code, NAME),
        ),
        subject=_reference(),
        effectiveDateTime=pl.col("collected_at"),
        issued=pl.col("reported_at"),
        performer=_if(pl.col("lab").is_not_null(), pl.concat_list(pl.struct(display="lab"))),
        **_value(status),
        method=_if(pl.col("assay").is_not_null(), pl.struct(text="assay")),
    )
    # A JSON number keeps its decimals only as text: "12.0" would come out of a float as 12.
    return _lines(filled(results, LABS), resource, (r'"value":"([^"]*)"', '"value":$1'))


def patient_ndjson(patients: pl.DataFrame) -> bytes:
    """One Patient per row of :data:`PATIENTS`; a merged one is linked ``replaced-by``."""
    into = pl.col("merged_into")
    link = pl.struct(
        other=pl.struct(reference=pl.concat_str(pl.lit("Patient/"), into)),
        type=pl.lit("replaced-by"),
    )
    resource = _resource(
        "Patient",
        "patient_id",
        active=into.is_null(),
        gender=pl.col("sex"),
        birthDate=pl.col("birth_date"),
        link=_if(into.is_not_null(), pl.concat_list(link)),
    )
    return _lines(filled(patients, PATIENTS), resource)


def condition_ndjson(conditions: pl.DataFrame) -> bytes:
    """One Condition per row of :data:`CONDITIONS`, coded in ICD-10-CM."""
    state = pl.when(pl.col("end_date").is_null()).then(pl.lit("active"))
    resource = _resource(
        "Condition",
        "id",
        clinicalStatus=_concept(CLINICAL, state.otherwise(pl.lit("resolved"))),
        verificationStatus=_concept(VERIFIED, pl.lit("confirmed")),
        code=_concept(ICD10, pl.col("code"), pl.col("name")),
        subject=_reference(),
        onsetDateTime=pl.col("onset_date"),
        abatementDateTime=pl.col("end_date"),
    )
    named = filled(conditions, CONDITIONS).with_columns(id=_id("code"))
    return _lines(named, resource)


def medication_ndjson(medications: pl.DataFrame) -> bytes:
    """One MedicationStatement per row of :data:`MEDICATIONS`, coded where the ingredient is known.

    FHIR has no element for a class word: ``class`` is left out.
    """
    pattern = rf"^({'|'.join(INGREDIENT)})"
    ingredient = pl.col("name").str.to_lowercase().str.extract(pattern)
    coding = pl.struct(system=pl.lit(RXNORM), code=_known(ingredient, INGREDIENT))
    state = pl.when(pl.col("end_date").is_null()).then(pl.lit("active"))
    resource = _resource(
        "MedicationStatement",
        "id",
        status=state.otherwise(pl.lit("completed")),
        medicationCodeableConcept=pl.struct(
            coding=_if(ingredient.is_not_null(), pl.concat_list(coding)), text="name"
        ),
        subject=_reference(),
        effectivePeriod=_if(
            pl.any_horizontal(pl.col("start_date", "end_date").is_not_null()),
            pl.struct(start="start_date", end="end_date"),
        ),
    )
    named = filled(medications, MEDICATIONS).with_columns(id=_id("name", "start_date"))
    return _lines(named, resource)


def _resource(kind: str, id_column: str, **elements: pl.Expr) -> pl.Expr:
    named = (element.alias(name) for name, element in elements.items())
    return pl.struct(pl.lit(kind).alias("resourceType"), pl.col(id_column).alias("id"), *named)


def _lines(frame: pl.DataFrame, resource: pl.Expr, *edits: tuple[str, str]) -> bytes:
    """NDJSON without nulls, which FHIR forbids.

    The patterns cannot touch text: inside a JSON string every quote is escaped, and a quote that
    ends one is never followed by a letter.
    """
    text = resource.struct.json_encode()
    for pattern, kept in ((r',"\w+":null', ""), (r'\{"\w+":null,?', "{"), *edits):
        text = text.str.replace_all(pattern, kept)
    return "".join(f"{line}\n" for line in frame.select(text).to_series()).encode()


def _if(condition: pl.Expr, value: pl.Expr) -> pl.Expr:
    return pl.when(condition).then(value)


def _known(text: pl.Expr, names: dict[str, str]) -> pl.Expr:
    return text.replace_strict(names, default=None, return_dtype=pl.String)


def _concept(system: str, code: pl.Expr, display: pl.Expr | None = None) -> pl.Expr:
    shown = pl.lit(None, pl.String) if display is None else display
    return pl.struct(
        coding=pl.concat_list(pl.struct(system=pl.lit(system), code=code, display=shown)),
        text=shown,
    )


def _listed_concept(system: str, code: pl.Expr) -> pl.Expr:
    return pl.concat_list(_concept(system, code))


def _reference() -> pl.Expr:
    return pl.struct(reference=pl.concat_str(pl.lit("Patient/"), "patient_id"))


def _id(*columns: str) -> pl.Expr:
    """An id made of the patient's and what tells the patient's entries apart."""
    parts = pl.concat_str("patient_id", *columns, separator="-", ignore_nulls=True)
    return parts.str.replace_all(r"[^A-Za-z0-9.-]+", "-").str.head(64)


def _code_system(code: pl.Expr) -> pl.Expr:
    is_loinc = code.str.contains(r"^\d{1,5}-\d$")
    return pl.when(is_loinc).then(pl.lit(LOINC)).otherwise(pl.lit(LOCAL))


def _category(code: pl.Expr) -> pl.Expr:
    is_vital = code.is_in(VITAL_CODES)
    return pl.when(is_vital).then(pl.lit("vital-signs")).otherwise(pl.lit("laboratory"))


def _value(status: pl.Expr) -> dict[str, pl.Expr]:
    """The choices of ``value[x]``, at most one of them filled."""
    value, unit = pl.col("value"), pl.col("unit")
    is_quantity = value.str.contains(QUANTITY)
    is_answer = pl.col("code") == FASTING_STATUS
    is_ucum = unit.is_in(UCUM_UNITS)
    quantity = pl.struct(
        value=value.str.extract(QUANTITY, 2),
        comparator=value.str.extract(QUANTITY, 1),
        unit=unit,
        system=_if(is_ucum, pl.lit(UCUM)),
        code=_if(is_ucum, unit),
    )
    return {
        "valueQuantity": _if(is_quantity, quantity),
        "valueCodeableConcept": _if(is_answer & value.is_not_null(), _answer(value)),
        "valueString": _if(~is_quantity & ~is_answer, value),
        "dataAbsentReason": _if(
            value.is_null() & (status == "cancelled"), _concept(ABSENT, pl.lit("not-performed"))
        ),
    }


def _answer(value: pl.Expr) -> pl.Expr:
    """LOINC's own answers yes and no; any other word only as text."""
    listed = {"yes": "LA33-6", "no": "LA32-8"}
    coding = pl.struct(system=pl.lit(LOINC), code=_known(value, listed))
    is_listed = value.is_in(list(listed))
    return pl.struct(coding=_if(is_listed, pl.concat_list(coding)), text=value)
