"""The parts of FHIR R4 that are read: the decoded shape of each resource type, and the
expressions that choose one code, one patient, one text out of what FHIR allows.

Only needed fields are named: an explicit shape is several times faster than an inferred one and
cannot change from night to night. A field of another shape than here makes the line a reject.
"""

from __future__ import annotations

import polars as pl

T = pl.String
REFERENCE = pl.Struct({"reference": T, "display": T})
PERIOD = pl.Struct({"start": T, "end": T})
CONCEPT = pl.Struct(
    {"coding": pl.List(pl.Struct({"system": T, "code": T, "display": T})), "text": T}
)
QUANTITY = pl.Struct({"value": T, "comparator": T, "unit": T, "system": T, "code": T})
AMOUNT = pl.Struct({"value": T})

VALUES: dict[str, pl.DataType] = {
    "valueQuantity": QUANTITY,
    "valueCodeableConcept": CONCEPT,
    "valueString": T(),
    "valueBoolean": T(),
    "valueInteger": T(),
    "valueRange": pl.Struct({"low": AMOUNT, "high": AMOUNT}),
    "valueRatio": pl.Struct({"numerator": AMOUNT, "denominator": AMOUNT}),
    "valueSampledData": pl.Struct({"period": T}),
    "valueTime": T(),
    "valueDateTime": T(),
    "valuePeriod": PERIOD,
}
"""Every R4 choice of ``Observation.value[x]``: at most one may be given."""

HEAD = pl.Struct({"resourceType": T})
"""What is decoded of a resource whose type is not used, or not yet known."""

_ANY: dict[str, pl.DataType] = {
    "resourceType": T(),
    "id": T(),
    "meta": pl.Struct({"lastUpdated": T}),
}
_MEDICATION: dict[str, pl.DataType] = {
    **_ANY,
    "status": T(),
    "doNotPerform": T(),
    "subject": REFERENCE,
    "medicationCodeableConcept": CONCEPT,
    "medicationReference": REFERENCE,
    "authoredOn": T(),
    "dateAsserted": T(),
    "effectiveDateTime": T(),
    "effectivePeriod": PERIOD,
    "dispenseRequest": pl.Struct({"validityPeriod": PERIOD}),
}
_CONTAINED = pl.List(pl.Struct({"resourceType": T, "id": T, "code": CONCEPT}))

SHAPES: dict[str, pl.Struct] = {
    "Observation": pl.Struct(
        {
            **_ANY,
            **VALUES,
            "status": T,
            "code": CONCEPT,
            "subject": REFERENCE,
            "effectiveDateTime": T,
            "effectiveInstant": T,
            "effectivePeriod": PERIOD,
            "issued": T,
            "dataAbsentReason": CONCEPT,
            "performer": pl.List(REFERENCE),
            "method": CONCEPT,
            "device": REFERENCE,
            "note": pl.List(pl.Struct({"text": T})),
            "component": pl.List(pl.Struct({**VALUES, "code": CONCEPT})),
        }
    ),
    "Patient": pl.Struct(
        {
            **_ANY,
            "birthDate": T,
            "gender": T,
            "link": pl.List(pl.Struct({"type": T, "other": REFERENCE})),
        }
    ),
    "Condition": pl.Struct(
        {
            **_ANY,
            "code": CONCEPT,
            "subject": REFERENCE,
            "verificationStatus": CONCEPT,
            "onsetDateTime": T,
            "onsetPeriod": PERIOD,
            "recordedDate": T,
            "abatementDateTime": T,
            "abatementPeriod": PERIOD,
        }
    ),
    "MedicationRequest": pl.Struct({**_MEDICATION, "contained": _CONTAINED}),
    "MedicationStatement": pl.Struct({**_MEDICATION, "contained": _CONTAINED}),
}
"""Resource type -> what is decoded of it."""

PLAIN_SHAPES: dict[str, pl.Struct] = dict.fromkeys(
    ("MedicationRequest", "MedicationStatement"), pl.Struct(_MEDICATION)
)
"""The same without contained resources, whose ``code`` has another shape in some types (a
PractitionerRole's is a list): tried before such a line is given up."""

FORMER_TYPES = frozenset(
    (
        "MedicationOrder DiagnosticOrder Conformance ProcedureRequest ReferralRequest DeviceUseRequest "
        "DeviceUseStatement DeviceComponent EligibilityRequest EligibilityResponse ExpansionProfile "
        "ImagingManifest ImagingObjectSelection DataElement ServiceDefinition "
        "NutritionRequest Order OrderResponse ProcessRequest ProcessResponse Sequence BodySite"
    ).split()
)
"""Types of DSTU2 and STU3 that R4 dropped or renamed."""

SYSTEMS = {
    "loinc": r"^https?://loinc\.org/?$|^urn:oid:2\.16\.840\.1\.113883\.6\.1$",
    "snomed": r"^https?://snomed\.info/sct(?:/|$)|^urn:oid:2\.16\.840\.1\.113883\.6\.96$",
    "icd10": r"/icd-10(?:-[a-z]+)?/?$|^urn:oid:2\.16\.840\.1\.113883\.6\.(?:3|4|90)$",
    "rxnorm": r"/umls/rxnorm/?$|^urn:oid:2\.16\.840\.1\.113883\.6\.88$",
}
"""Our name of a code system -> the identifiers seen for it. Any other is ``local``."""

UCUM = r"^https?://unitsofmeasure\.org/?$|^urn:oid:2\.16\.840\.1\.113883\.6\.8$"

PREFERENCE = {
    "observation": ("loinc", "snomed"),
    "condition": ("icd10", "snomed"),
    "medication": ("rxnorm", "snomed"),
}
"""Landing table -> code systems in the order they are chosen from a list of codings."""


def code_system(system: pl.Expr) -> pl.Expr:
    """Our name for a coding's ``system``."""
    known = (
        pl.when(system.str.contains(pattern)).then(pl.lit(name))
        for name, pattern in SYSTEMS.items()
    )
    return pl.coalesce(*known, pl.lit("local"))


def preferred_coding(concept: pl.Expr, table: str) -> pl.Expr:
    """The coding of ``concept`` that says most to us, wherever it stands in the list."""
    order = {name: rank for rank, name in enumerate(PREFERENCE[table])}
    element = pl.element().struct
    rank = code_system(element.field("system")).replace_strict(
        order, default=len(order), return_dtype=pl.Int8
    )
    ranks = pl.when(element.field("code").is_null()).then(len(order) + 1).otherwise(rank)
    codings = concept.struct.field("coding")
    return codings.list.get(codings.list.eval(ranks).list.arg_min(), null_on_oob=True)


def concept_text(concept: pl.Expr) -> pl.Expr:
    """A concept in words: its text, else its first coding's display, else that one's code."""
    first = concept.struct.field("coding").list.first().struct
    return pl.coalesce(concept.struct.field("text"), first.field("display"), first.field("code"))


def concept_code(concept: pl.Expr) -> pl.Expr:
    """A concept as its first coding's code, else its text."""
    first = concept.struct.field("coding").list.first().struct
    return pl.coalesce(first.field("code"), concept.struct.field("text"))


def patient_id(reference: pl.Expr) -> pl.Expr:
    """The patient a reference names (relative, absolute, versioned or ``urn:uuid:``), else null.

    >>> pl.select(patient_id(pl.lit("https://a.example/r4/Patient/7/_history/2"))).item()
    '7'
    """
    return reference.str.extract(r"^(?:urn:(?:uuid|oid):|(?:.*/)?Patient/)([^/?#|]+)")
