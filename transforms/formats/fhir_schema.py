"""What is read of FHIR R4 (R4B, and R5 where alike): the decoded shape of each resource type, and
the rows it makes.

Only needed fields are named: an explicit shape is several times faster than an inferred one and
cannot change from night to night. A field of another shape than here makes the line a reject.
Numbers are quoted before a line is decoded, so that they stay as they were written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import polars as pl

from transforms.catalog.analytes import code_frame

T = pl.String
REFERENCE = pl.Struct({"reference": T, "display": T})
PARTY = pl.Struct({"reference": T, "display": T, "identifier": pl.Struct({"value": T})})
PERIOD = pl.Struct({"start": T, "end": T})
CONCEPT = pl.Struct(
    {
        "coding": pl.List(pl.Struct({"system": T, "code": T, "display": T, "userSelected": T})),
        "text": T,
    }
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
CODEABLE = pl.Struct({"concept": CONCEPT, "reference": REFERENCE})
"""R5's CodeableReference."""
_MEDICATION: dict[str, pl.DataType] = {
    **_ANY,
    "status": T(),
    "doNotPerform": T(),
    "subject": REFERENCE,
    "medicationCodeableConcept": CONCEPT,
    "medicationReference": REFERENCE,
    "medication": CODEABLE,
    "authoredOn": T(),
    "dateAsserted": T(),
    "effectiveDateTime": T(),
    "effectivePeriod": PERIOD,
    "occurenceDateTime": T(),
    "occurencePeriod": PERIOD,
    "dispenseRequest": pl.Struct({"validityPeriod": PERIOD}),
}

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
            "performer": pl.List(PARTY),
            "method": CONCEPT,
            "device": REFERENCE,
            "specimen": REFERENCE,
            "hasMember": pl.List(REFERENCE),
            "note": pl.List(pl.Struct({"text": T})),
            "component": pl.List(
                pl.Struct({**VALUES, "code": CONCEPT, "dataAbsentReason": CONCEPT})
            ),
        }
    ),
    "Patient": pl.Struct(
        {
            **_ANY,
            "birthDate": T,
            "gender": T,
            "identifier": pl.List(pl.Struct({"value": T})),
            "link": pl.List(pl.Struct({"type": T, "other": REFERENCE})),
        }
    ),
    "Condition": pl.Struct(
        {
            **_ANY,
            "code": CONCEPT,
            "subject": REFERENCE,
            "clinicalStatus": CONCEPT,
            "verificationStatus": CONCEPT,
            "onsetDateTime": T,
            "onsetPeriod": PERIOD,
            "recordedDate": T,
            "abatementDateTime": T,
            "abatementPeriod": PERIOD,
        }
    ),
    **dict.fromkeys(
        ("MedicationRequest", "MedicationStatement", "MedicationAdministration"),
        pl.Struct(_MEDICATION),
    ),
}
"""Resource type -> what is decoded of it."""

SYSTEMS = {
    "loinc": r"^https?://loinc\.org/?$|^urn:oid:2\.16\.840\.1\.113883\.6\.1$",
    "snomed": r"^https?://snomed\.info/sct(?:/|$)|^urn:oid:2\.16\.840\.1\.113883\.6\.96$",
    "icd10": r"/icd-10(?:-[a-z]+)?/?$|^urn:oid:2\.16\.840\.1\.113883\.6\.(?:3|4|90)$",
    "rxnorm": r"/umls/rxnorm/?$|^urn:oid:2\.16\.840\.1\.113883\.6\.88$",
}
"""Our name of a code system -> the identifiers seen for it. Any other is ``local``."""

COMPARATORS = ("<", "<=", ">=", ">")
"""Any other (R5's ``ad``) stays before the value, where nobody takes it for a number."""
PANEL = "record_not_used:panel"
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
    """The coding of ``concept`` that says most to us, wherever it stands in the list: a code of
    the catalog before others, then by system, then what the user chose."""
    order = {name: rank for rank, name in enumerate(PREFERENCE[table])}
    element = pl.element().struct
    code, chosen = element.field("code"), element.field("userSelected") == "true"
    rank = code_system(element.field("system")).replace_strict(
        order, default=len(order), return_dtype=pl.Int8
    )
    known = code.is_in(KNOWN_CODES) & (rank < len(order))
    ranks = 2 * rank - chosen.fill_null(value=False) - pl.when(known).then(8).otherwise(0)
    codings = concept.struct.field("coding")
    best = codings.list.eval(pl.when(code.is_null()).then(99).otherwise(ranks)).list.arg_min()
    return codings.list.get(best, null_on_oob=True)


def concept_text(concept: pl.Expr) -> pl.Expr:
    """A concept in words: its text, else its first coding's display, else that one's code."""
    first = concept.struct.field("coding").list.first().struct
    return pl.coalesce(concept.struct.field("text"), first.field("display"), first.field("code"))


def concept_code(concept: pl.Expr) -> pl.Expr:
    """A concept as a code of the standard's own systems, else its first code, else its text."""
    element, codings = pl.element().struct, concept.struct.field("coding")
    is_other = ~element.field("system").str.contains("hl7.org", literal=True).fill_null(value=False)
    first = codings.list.get(codings.list.eval(is_other).list.arg_min(), null_on_oob=True)
    return pl.coalesce(first.struct.field("code"), concept.struct.field("text"))


def later(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    """The later of two instants as text: what was issued once and changed later is that late."""
    first, second = (
        text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
        for text in (one, other)
    )
    return pl.when(second > first).then(other).otherwise(pl.coalesce(one, other))


def link(reference: pl.Expr) -> pl.Expr:
    """A reference as the address of a resource: ``Type/id``, ``line#id`` or ``urn:...``."""
    named = reference.str.extract(r"(?:^|/)([A-Z][A-Za-z]+/[^/?#|]+)(?:/_history/.*)?$")
    inside = pl.when(reference.str.starts_with("#")).then(pl.concat_str("line", reference))
    return pl.coalesce(inside, pl.when(reference.str.starts_with("urn:")).then(reference), named)


def of_person(reference: pl.Expr) -> dict[str, pl.Expr]:
    """``patient_id``, and ``patient_link`` where a contained Patient must say who is meant."""
    inside = pl.when(reference.str.starts_with("#")).then(pl.concat_str("line", reference))
    return {"patient_id": patient_id(reference), "patient_link": inside}


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
        .select(pl.exclude("code", "dataAbsentReason", *VALUES))
        .explode("component")
        .with_columns(part=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("line"))
        .unnest("component")
        .filter((VALUES_GIVEN > 0) | pl.col("dataAbsentReason").is_not_null())
    )
    twice = pl.concat([f.filter(VALUES_GIVEN > 1).select("line") for f in (found, parts)]).unique()
    parts, found = lines_without(parts, twice), lines_without(found, twice)
    panels = lines_without(found.filter(IS_PANEL), parts)
    alone = lines_without(found.filter(VALUES_GIVEN == 0), parts)
    own = found if parts.is_empty() else pl.concat([found.filter(VALUES_GIVEN > 0), alone])
    own = lines_without(own, panels)
    rejects = pl.concat(
        [
            twice.with_columns(reason=pl.lit(VALUED_TWICE)),
            panels.select("line", reason=pl.lit(PANEL)),
        ]
    )
    results = _results(own).with_columns(part=pl.lit(0, pl.Int32), result_id=pl.col("id"))
    if parts.is_empty():
        return [rejects, results]
    return [rejects, results, _results(parts).with_columns(result_id=_part_id())]


def _results(found: pl.DataFrame) -> pl.DataFrame:
    """Observations, or components with their Observation's fields, as landing columns."""
    codings = pl.col("code").struct.field("coding")
    is_one = not found.select((codings.list.len() > 1).any()).item()
    chosen = codings.list.first() if is_one else CHOSEN
    return found.with_columns(coding=chosen).with_columns(RESULT).drop("code", *VALUES)


def _result() -> dict[str, pl.Expr]:
    quantity, coding = pl.col("valueQuantity").struct, pl.col("coding").struct
    unit, unit_code = quantity.field("unit"), quantity.field("code")
    is_ucum = quantity.field("system").str.contains(UCUM)
    sign, device = quantity.field("comparator"), pl.col("device").struct.field("reference")
    return {
        "table": pl.lit("observation"),
        **of_person(pl.col("subject").struct.field("reference")),
        "code_system": code_system(coding.field("system")),
        "source_code": pl.coalesce(coding.field("code"), pl.col("code").struct.field("text")),
        "source_value": _value_text(),
        "source_comparator": pl.when(sign.is_in(COMPARATORS)).then(sign),
        "source_unit": pl.when(is_ucum)
        .then(pl.coalesce(unit_code, unit))
        .otherwise(pl.coalesce(unit, unit_code)),
        "source_observed_at": _moment("effective", instant=True),
        "source_reported_at": later(pl.col("issued"), LAST_UPDATED),
        "source_status": pl.col("status"),
        **laboratory(),
        "assay": _assay(),
        "device_link": pl.when(_assay().is_null()).then(link(device)),
        "specimen_link": link(pl.col("specimen").struct.field("reference")),
        "comment": _comment(),
    }


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
    quantity = pl.col("valueQuantity").struct
    sign, amount = quantity.field("comparator"), quantity.field("value")
    is_odd = ~sign.is_in(COMPARATORS)
    return pl.coalesce(
        pl.when(is_odd).then(pl.concat_str(sign, pl.lit(" "), amount)).otherwise(amount),
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


def laboratory() -> dict[str, pl.Expr]:
    """``lab``: an organisation if one is named (a person is not a laboratory), else the first;
    ``lab_link`` where only the reference tells which."""
    reference = pl.element().struct.field("reference")
    is_other = ~reference.fill_null("").str.contains("Organization/", literal=True)
    performers = pl.col("performer")
    chosen = performers.list.get(performers.list.eval(is_other).list.arg_min(), null_on_oob=True)
    display, where = chosen.struct.field("display"), chosen.struct.field("reference")
    number = chosen.struct.field("identifier").struct.field("value")
    return {
        "lab": pl.coalesce(display, where, number),
        "lab_link": pl.when(display.is_null()).then(link(where)),
    }


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
            number=pl.col("identifier").list.first().struct.field("value"),
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
            **of_person(pl.col("subject").struct.field("reference")),
            code_system=code_system(coding.field("system")),
            code=coding.field("code"),
            name=pl.coalesce(coding.field("display"), concept_text(pl.col("code"))),
            source_start=pl.coalesce(_moment("onset"), "recordedDate"),
            source_end=_moment("abatement"),
            source_status=pl.coalesce(
                concept_code(pl.col("verificationStatus")), concept_code(pl.col("clinicalStatus"))
            ),
            record_id=pl.col("id"),
            source_reported_at=LAST_UPDATED,
        )
    ]


def _medications(found: pl.DataFrame) -> list[pl.DataFrame]:
    either = pl.col("medication").struct
    reference = pl.coalesce("medicationReference", either.field("reference")).struct
    concept = pl.coalesce("medicationCodeableConcept", either.field("concept"))
    coding = preferred_coding(concept, "medication").struct
    supply = pl.col("dispenseRequest").struct.field("validityPeriod").struct.field("end")
    named = pl.coalesce(concept_text(concept), reference.field("display"))
    return [
        found.select(
            "line",
            table=pl.lit("medication"),
            **of_person(pl.col("subject").struct.field("reference")),
            code_system=code_system(coding.field("system")),
            code=coding.field("code"),
            name=pl.coalesce(named, reference.field("reference")),
            medication_link=pl.when(coding.field("code").is_null()).then(
                link(reference.field("reference"))
            ),
            source_start=pl.coalesce("authoredOn", _moment("effective"), _moment("occurence")),
            source_end=pl.coalesce(
                supply,
                pl.col("effectivePeriod").struct.field("end"),
                pl.col("occurencePeriod").struct.field("end"),
            ),
            source_status=_taken_or_not(),
            record_id=pl.when(pl.col("resourceType") == "MedicationRequest")
            .then("id")
            .otherwise(pl.concat_str("resourceType", pl.lit("/"), "id")),
            source_reported_at=pl.coalesce(LAST_UPDATED, "dateAsserted"),
        )
    ]


def _taken_or_not() -> pl.Expr:
    """The status; where nothing was to be given, or nothing was, in the words of that."""
    was_not_given = pl.col("status") == "not-done"
    return (
        pl.when(pl.col("doNotPerform") == "true")
        .then(pl.lit("do-not-perform"))
        .when((pl.col("resourceType") == "MedicationAdministration") & was_not_given)
        .then(pl.lit("not-taken"))
        .otherwise("status")
    )


KNOWN_CODES: Final = code_frame()["source_code"].unique().to_list()
CHOSEN: Final = preferred_coding(pl.col("code"), "observation")
LAST_UPDATED: Final = pl.col("meta").struct.field("lastUpdated")
VALUES_GIVEN: Final = pl.sum_horizontal(pl.col(name).is_not_null() for name in VALUES)
IS_PANEL: Final = (
    (VALUES_GIVEN == 0)
    & (pl.col("hasMember").list.len() > 0)
    & pl.col("dataAbsentReason").is_null()
    & ~pl.col("status").is_in(["cancelled", "entered-in-error"]).fill_null(value=False)
)
"""Only a heading of other results."""
RESULT: Final = [column.alias(name) for name, column in _result().items()]
"""An Observation's landing columns; made once, because that costs more than a small file."""
ROWS_OF: Final[Mapping[str, Callable[[pl.DataFrame], list[pl.DataFrame]]]] = {
    "Observation": _observations,
    "Patient": _patients,
    "Condition": _conditions,
    "MedicationRequest": _medications,
    "MedicationStatement": _medications,
    "MedicationAdministration": _medications,
}
"""Resource type -> its decoded fields and ``line`` as landing rows (``table``) and rejects
(``reason``)."""
