"""SQL on FHIR: tables out of the FHIR export, as ViewDefinitions and as DuckDB's SQL.

A view is a record. From it come a ViewDefinition that any SQL on FHIR runner takes, and a
statement that reads the same columns from the ``.ndjson`` files without a runner. Paths are
FHIRPath of a small part: members, ``[0]``, ``ofType``, ``getResourceKey`` and ``getReferenceKey``.

Source: SQL on FHIR 2.0, https://sql-on-fhir.org/ig/ (profile ShareableViewDefinition).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

PROFILE = "https://sql-on-fhir.org/ig/StructureDefinition/"
URL = "urn:undertow:view:"
SQL_TYPES = {"decimal": "DOUBLE", "date": "DATE"}
"""FHIR's type of a column -> DuckDB's; the others stay text, as runners give them."""


@dataclass(frozen=True)
class ViewColumn:
    """A column: its name, a FHIRPath, the FHIR type of its values, what it is."""

    name: str
    path: str
    type: str
    about: str


@dataclass(frozen=True)
class Entities:
    """The members ``entity`` of one role, a row each."""

    role: str
    columns: tuple[ViewColumn, ...]


@dataclass(frozen=True)
class View:
    """A table out of one kind of resource.

    Args:
        name: of the table.
        resource: the kind.
        about: what a row is.
        columns: from the resource.
        entities: where a row is not a resource but one of its entities, their columns.
    """

    name: str
    resource: str
    about: str
    columns: tuple[ViewColumn, ...]
    entities: Entities | None = None


PATIENT_ID = ViewColumn(
    "patient_id", "subject.getReferenceKey(Patient)", "id", "Whose: patient_id of fhir_patient."
)

VIEWS = (
    View(
        "fhir_patient",
        "Patient",
        "One row per person.",
        (
            ViewColumn("patient_id", "getResourceKey()", "id", "The person."),
            ViewColumn("sex", "gender", "code", "Administrative gender as the source gave it."),
            ViewColumn("birth_date", "birthDate", "date", "Day of birth."),
        ),
    ),
    View(
        "fhir_observation",
        "Observation",
        "One row per result that stands.",
        (
            ViewColumn("observation_id", "getResourceKey()", "id", "The result, in this export."),
            PATIENT_ID,
            ViewColumn("analyte", "code.text", "string", "What was measured."),
            ViewColumn("loinc", "code.coding[0].code", "code", "LOINC code that fits the unit."),
            ViewColumn("value", "value.ofType(Quantity).value", "decimal", "In `unit`."),
            ViewColumn("unit", "value.ofType(Quantity).code", "code", "UCUM unit."),
            ViewColumn(
                "comparator",
                "value.ofType(Quantity).comparator",
                "code",
                "Where the value is a bound: <, <=, >= or >.",
            ),
            ViewColumn(
                "observed", "effective.ofType(dateTime)", "dateTime", "A day, or an instant."
            ),
            ViewColumn("issued", "issued", "instant", "When the laboratory reported it."),
            ViewColumn("status", "status", "code", "FHIR's status of the result."),
            ViewColumn(
                "absent_reason", "dataAbsentReason.text", "string", "Why no value is there."
            ),
        ),
    ),
    View(
        "fhir_flag",
        "Flag",
        "One row per stay in a cohort: a rule's finding, no diagnosis.",
        (
            ViewColumn("flag_id", "getResourceKey()", "id", "The stay, in this export."),
            PATIENT_ID,
            ViewColumn("cohort", "code.text", "string", "Name of the cohort."),
            ViewColumn("status", "status", "code", "active while the stay lasts, else inactive."),
            ViewColumn("entered_on", "period.start", "date", "First day of the stay."),
            ViewColumn("left_on", "period.end", "date", "First day after it."),
        ),
    ),
    View(
        "fhir_flag_draw",
        "Provenance",
        "One row per flag and result of a draw it rests on.",
        (ViewColumn("flag_id", "target[0].getReferenceKey(Flag)", "id", "flag_id of fhir_flag."),),
        Entities(
            "derivation",
            (
                ViewColumn(
                    "observation_id",
                    "what.getReferenceKey(Observation)",
                    "id",
                    "observation_id of fhir_observation.",
                ),
            ),
        ),
    ),
    View(
        "fhir_observation_file",
        "Provenance",
        "One row per result: the file and line it came from.",
        (
            ViewColumn(
                "observation_id",
                "target[0].getReferenceKey(Observation)",
                "id",
                "observation_id of fhir_observation.",
            ),
        ),
        Entities(
            "source",
            (
                ViewColumn("sha256", "what.identifier.value", "string", "Hash of the file."),
                ViewColumn("place", "what.display", "string", "Its line."),
            ),
        ),
    ),
)


def definition(view: View) -> dict[str, Any]:
    """The ViewDefinition.

    >>> definition(VIEWS[0])["select"][0]["column"][0]["path"]
    'getResourceKey()'
    """
    select: list[dict[str, Any]] = [{"column": [_column(column) for column in view.columns]}]
    if view.entities:
        each = f"entity.where(role = '{view.entities.role}')"
        columns = [_column(column) for column in view.entities.columns]
        select.append({"forEach": each, "column": columns})
    return {
        "resourceType": f"{PROFILE}ViewDefinition",
        "meta": {
            "profile": [f"{PROFILE}{kind}ViewDefinition" for kind in ("Shareable", "Tabular")]
        },
        "url": f"{URL}{view.name}",
        "name": view.name,
        "status": "active",
        "description": view.about,
        "fhirVersion": ["4.0.1"],
        "resource": view.resource,
        "select": select,
    }


def _column(column: ViewColumn) -> dict[str, str]:
    return {
        "path": column.path,
        "name": column.name,
        "type": column.type,
        "description": column.about,
    }


def statement(view: View, file: str) -> str:
    """The view as DuckDB's SQL over a file of such resources, one a line.

    >>> print(statement(VIEWS[0], "Patient.ndjson"))
    CREATE OR REPLACE VIEW fhir_patient AS
    SELECT json ->> '$.id' AS patient_id,
        json ->> '$.gender' AS sex,
        CAST(json ->> '$.birthDate' AS DATE) AS birth_date
    FROM read_ndjson_objects('Patient.ndjson');
    """
    source = f"read_ndjson_objects('{file}')"
    columns = [_sql(column, "json") for column in view.columns]
    where = ""
    if view.entities:
        source += ", unnest(CAST(json -> '$.entity' AS JSON[])) AS each(entity)"
        columns += [_sql(column, "entity") for column in view.entities.columns]
        where = f"\nWHERE entity ->> '$.role' = '{view.entities.role}'"
    listed = ",\n    ".join(columns)
    return f"CREATE OR REPLACE VIEW {view.name} AS\nSELECT {listed}\nFROM {source}{where};"


def _sql(column: ViewColumn, context: str) -> str:
    told = _told(column.path, context)
    cast = SQL_TYPES.get(column.type)
    return f"{f'CAST({told} AS {cast})' if cast else told} AS {column.name}"


def _told(path: str, context: str) -> str:
    """A FHIRPath of the part above as text out of JSON.

    >>> _told("value.ofType(Quantity).code", "json")
    "json ->> '$.valueQuantity.code'"
    >>> _told("what.getReferenceKey(Flag)", "entity")
    "nullif(regexp_extract(entity ->> '$.what.reference', '^Flag/(.+)$', 1), '')"
    >>> _told("name.where(use = 'official')", "json")
    Traceback (most recent call last):
    ValueError: not of the part of FHIRPath that is made into SQL: name.where(use = 'official')
    """
    if path == "getResourceKey()":
        return f"{context} ->> '$.id'"
    if key := re.fullmatch(r"(.+)\.getReferenceKey\((\w+)\)", path):
        reference = _told(f"{key[1]}.reference", context)
        return f"nullif(regexp_extract({reference}, '^{key[2]}/(.+)$', 1), '')"
    members = re.sub(r"\.ofType\((\w)(\w*)\)", lambda kind: kind[1].upper() + kind[2], path)
    if not re.fullmatch(r"\w+(\[0\])?(\.\w+(\[0\])?)*", members):
        raise ValueError(f"not of the part of FHIRPath that is made into SQL: {path}")
    return f"{context} ->> '$.{members}'"
