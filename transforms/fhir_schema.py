"""What is read of FHIR R4: the decoded shape of each resource type, and the rows it makes.

Only needed fields are named: an explicit shape is several times faster than an inferred one and
cannot change from night to night. A field of another shape than here makes the line a reject.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

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
    {
        "BodySite",
        "Conformance",
        "DataElement",
        "DeviceComponent",
        "DeviceUseRequest",
        "DiagnosticOrder",
        "EligibilityRequest",
        "EligibilityResponse",
        "ExpansionProfile",
        "ImagingManifest",
        "ImagingObjectSelection",
        "MedicationOrder",
        "NutritionRequest",
        "Order",
        "OrderResponse",
        "ProcedureRequest",
        "ProcessRequest",
        "ProcessResponse",
        "ReferralRequest",
        "Sequence",
        "ServiceDefinition",
    }
)
"""Types of DSTU2 and STU3 that R4 dropped or renamed."""

SYSTEMS = {
    "loinc": r"^https?://loinc\.org/?$|^urn:oid:2\.16\.840\.1\.113883\.6\.1$",
    "snomed": r"^https?://snomed\.info/sct(?:/|$)|^urn:oid:2\.16\.840\.1\.113883\.6\.96$",
    "icd10": r"/icd-10(?:-[a-z]+)?/?$|^urn:oid:2\.16\.840\.1\.113883\.6\.(?:3|4|90)$",
    "rxnorm": r"/umls/rxnorm/?$|^urn:oid:2\.16\.840\.1\.113883\.6\.88$",
}
"""Our name of a code system -> the identifiers seen for it. Any other is ``local``."""

VALUED_TWICE = "json_broken:value[x] more than once"
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
    return reference.str.extract(r"(?:^urn:(?:uuid|oid):|^Patient/|/Patient/)([^/?#|]+)")


def lines_without(lines: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """The rows of ``lines`` whose ``line`` is not in ``others``."""
    if others.is_empty():
        return lines
    return lines.join(others.select("line"), on="line", how="anti", maintain_order="left")


def _observations(found: pl.DataFrame) -> list[pl.DataFrame]:
    """Rows of Observations: part 0 for the own value, 1.. for components with one."""
    parts = (
        found.filter(pl.col("component").list.len() > 0)
        .select(pl.exclude("code", *VALUES))
        .explode("component")
        .with_columns(part=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("line"))
        .unnest("component")
        .filter(VALUES_GIVEN > 0)
    )
    twice = pl.concat([f.filter(VALUES_GIVEN > 1).select("line") for f in (found, parts)]).unique()
    parts, found = lines_without(parts, twice), lines_without(found, twice)
    alone = lines_without(found.filter(VALUES_GIVEN == 0), parts)
    own = found if parts.is_empty() else pl.concat([found.filter(VALUES_GIVEN > 0), alone])
    rejects = twice.with_columns(reason=pl.lit(VALUED_TWICE))
    results = _results(own).with_columns(part=pl.lit(0, pl.Int32), result_id=pl.col("id"))
    if parts.is_empty():
        return [rejects, results]
    return [rejects, results, _results(parts).with_columns(result_id=_part_id())]


def _results(found: pl.DataFrame) -> pl.DataFrame:
    """Observations, or components with their Observation's fields, as landing columns."""
    quantity, coding = pl.col("valueQuantity").struct, pl.col("coding").struct
    unit, unit_code = quantity.field("unit"), quantity.field("code")
    is_ucum = quantity.field("system").str.contains(UCUM)
    return (
        found.with_columns(coding=preferred_coding(pl.col("code"), "observation"))
        .with_columns(
            table=pl.lit("observation"),
            patient_id=patient_id(pl.col("subject").struct.field("reference")),
            code_system=code_system(coding.field("system")),
            source_code=pl.coalesce(coding.field("code"), pl.col("code").struct.field("text")),
            source_value=_value_text(),
            source_comparator=quantity.field("comparator"),
            source_unit=pl.when(is_ucum)
            .then(pl.coalesce(unit_code, unit))
            .otherwise(pl.coalesce(unit, unit_code)),
            source_observed_at=_moment("effective", instant=True),
            source_reported_at=pl.coalesce("issued", LAST_UPDATED),
            source_status=pl.col("status"),
            lab=_performer(),
            assay=_assay(),
            comment=_comment(),
        )
        .drop("code", *VALUES)
    )


def _part_id() -> pl.Expr:
    """The Observation's id and the component's code.

    With the part's number where two components have one code: they would else take each other's
    place as versions of one result.
    """
    key = pl.concat_str("id", pl.lit("#"), pl.col("source_code").fill_null(""))
    is_shared = pl.len().over("line", "source_code") > 1
    return pl.when(is_shared).then(pl.concat_str(key, pl.lit("#"), "part")).otherwise(key)


def _value_text() -> pl.Expr:
    range_, ratio = pl.col("valueRange").struct, pl.col("valueRatio").struct
    return pl.coalesce(
        pl.col("valueQuantity").struct.field("value"),
        "valueInteger",
        "valueString",
        concept_text(pl.col("valueCodeableConcept")),
        "valueBoolean",
        "valueTime",
        "valueDateTime",
        pl.col("valuePeriod").struct.field("start"),
        _joined("-", range_.field("low"), range_.field("high")),
        _joined(":", ratio.field("numerator"), ratio.field("denominator")),
    )


def _joined(mark: str, *amounts: pl.Expr) -> pl.Expr:
    values = [amount.struct.field("value") for amount in amounts]
    text = pl.concat_str([value.fill_null("") for value in values], separator=mark)
    return pl.when(pl.any_horizontal(value.is_not_null() for value in values)).then(text)


def _moment(prefix: str, *, instant: bool = False) -> pl.Expr:
    fields = [f"{prefix}DateTime", *([f"{prefix}Instant"] if instant else [])]
    return pl.coalesce(*fields, pl.col(f"{prefix}Period").struct.field("start"))


def _performer() -> pl.Expr:
    """An organisation if one is named (a person is not a laboratory), else the first."""
    reference = pl.element().struct.field("reference")
    is_other = ~reference.fill_null("").str.contains("Organization/", literal=True)
    performers = pl.col("performer")
    chosen = performers.list.get(performers.list.eval(is_other).list.arg_min(), null_on_oob=True)
    return pl.coalesce(chosen.struct.field("display"), chosen.struct.field("reference"))


def _assay() -> pl.Expr:
    method, device = pl.col("method").struct, pl.col("device").struct
    display = method.field("coding").list.first().struct.field("display")
    return pl.coalesce(method.field("text"), display, device.field("display"))


def _comment() -> pl.Expr:
    notes = pl.col("note").list.eval(pl.element().struct.field("text")).list.drop_nulls()
    said = pl.when(notes.list.len() > 0).then(notes.list.join("; "))
    absent = pl.lit("dataAbsentReason=") + concept_code(pl.col("dataAbsentReason"))
    sampled = pl.when(pl.col("valueSampledData").is_not_null()).then(pl.lit("value is SampledData"))
    return pl.concat_str(said, absent, sampled, separator="; ", ignore_nulls=True)


def _patients(found: pl.DataFrame) -> list[pl.DataFrame]:
    link = pl.element().struct
    merged = pl.when(link.field("type") == "replaced-by").then(
        patient_id(link.field("other").struct.field("reference"))
    )
    return [
        found.with_columns(
            table=pl.lit("patient"),
            patient_id=pl.col("id"),
            source_birth_date=pl.col("birthDate"),
            source_sex=pl.col("gender"),
            merged_into=pl.col("link").list.eval(merged).list.drop_nulls().list.first(),
            source_reported_at=LAST_UPDATED,
        )
    ]


def _conditions(found: pl.DataFrame) -> list[pl.DataFrame]:
    coding = preferred_coding(pl.col("code"), "condition").struct
    return [
        found.select(
            "line",
            table=pl.lit("condition"),
            patient_id=patient_id(pl.col("subject").struct.field("reference")),
            code_system=code_system(coding.field("system")),
            code=coding.field("code"),
            name=pl.coalesce(coding.field("display"), concept_text(pl.col("code"))),
            source_start=pl.coalesce(_moment("onset"), "recordedDate"),
            source_end=_moment("abatement"),
            source_status=concept_code(pl.col("verificationStatus")),
            record_id=pl.col("id"),
            source_reported_at=LAST_UPDATED,
        )
    ]


def _medications(found: pl.DataFrame) -> list[pl.DataFrame]:
    reference = pl.col("medicationReference").struct
    concept = pl.coalesce("medicationCodeableConcept", "contained_code")
    coding = preferred_coding(concept, "medication").struct
    supply = pl.col("dispenseRequest").struct.field("validityPeriod").struct.field("end")
    is_prohibition = pl.col("doNotPerform") == "true"
    return [
        _with_contained(found).select(
            "line",
            table=pl.lit("medication"),
            patient_id=patient_id(pl.col("subject").struct.field("reference")),
            code_system=code_system(coding.field("system")),
            code=coding.field("code"),
            name=pl.coalesce(
                concept_text(concept), reference.field("display"), reference.field("reference")
            ),
            source_start=pl.coalesce("authoredOn", _moment("effective")),
            source_end=pl.coalesce(supply, pl.col("effectivePeriod").struct.field("end")),
            source_status=pl.when(is_prohibition)
            .then(pl.lit("do-not-perform"))
            .otherwise("status"),
            record_id=pl.col("id"),
            source_reported_at=pl.coalesce(LAST_UPDATED, "dateAsserted"),
        )
    ]


def _with_contained(found: pl.DataFrame) -> pl.DataFrame:
    """``contained_code``: the code of the contained resource that ``medicationReference`` names."""
    if "contained" not in found.columns:
        return found.with_columns(contained_code=pl.lit(None, CONCEPT))
    wanted = pl.col("medicationReference").struct.field("reference").str.strip_prefix("#")
    named = (
        found.filter(pl.col("contained").list.len() > 0)
        .select("line", "contained", wanted=wanted)
        .explode("contained")
        .unnest("contained")
        .filter(pl.col("id") == pl.col("wanted"))
        .unique("line", keep="first")
        .select("line", contained_code="code")
    )
    return found.join(named, on="line", how="left", maintain_order="left")


LAST_UPDATED: Final = pl.col("meta").struct.field("lastUpdated")
VALUES_GIVEN: Final = pl.sum_horizontal(pl.col(name).is_not_null() for name in VALUES)
ROWS_OF: Final[Mapping[str, Callable[[pl.DataFrame], list[pl.DataFrame]]]] = {
    "Observation": _observations,
    "Patient": _patients,
    "Condition": _conditions,
    "MedicationRequest": _medications,
    "MedicationStatement": _medications,
}
"""Resource type -> its decoded fields and ``line`` as landing rows (``table``) and rejects
(``reason``)."""
