"""What the shapes of the field ask for, as data; and the code under which a value may be said.

A table is its columns in order, with type and whether a value is required. The OMOP columns are
those of the Common Data Model 5.4 (OHDSI/CommonDataModel at f853f6e,
``inst/csv/OMOP_CDMv5.4_Field_Level.csv``, read 2026-11-22), the MEDS ones those of MEDS 0.4
(Medical-Event-Data-Standard/meds at 0fd1ff6, ``src/meds/schema.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from transforms.catalog.analytes import ANALYTES, Analyte, Code

CDM_FACTS = "OHDSI/CommonDataModel, inst/csv/OMOP_CDMv5.4_Field_Level.csv"
MEDS_SOURCE = "Medical-Event-Data-Standard/meds 0.4.0, src/meds/schema.py"
REVIEWED = date(2026, 11, 22)
NEXT_REVIEW = date(2027, 11, 22)

TYPES: dict[str, tuple[type[pl.DataType] | pl.DataType, str]] = {
    "integer": (pl.Int32, "INTEGER"),
    "bigint": (pl.Int64, "BIGINT"),
    "float": (pl.Float64, "DOUBLE"),
    "real": (pl.Float32, "FLOAT"),
    "date": (pl.Date, "DATE"),
    "datetime": (pl.Datetime("us"), "TIMESTAMP"),
    "text": (pl.String, "VARCHAR"),
    "longtext": (pl.String, "VARCHAR"),
    "texts": (pl.List(pl.String), "VARCHAR[]"),
}
"""Type -> its Polars type, its SQL type. ``text50`` is a text of at most 50 characters;
``longtext`` has offsets of 64 bits where it leaves as Arrow."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, its type (a key of ``TYPES``), its most characters, whether required."""

    name: str
    kind: str
    required: bool = False
    most: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """A table to be written: its columns in order, its primary key, and who says so."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    source: str

    @property
    def schema(self) -> pl.Schema:
        """The Polars schema."""
        return pl.Schema({column.name: TYPES[column.kind][0] for column in self.columns})


def _column(told: str) -> Column:
    name, kind = told.rstrip("!").split(":")
    word = kind.rstrip("0123456789")
    return Column(name, word, told.endswith("!"), int(kind[len(word) :] or 0))


def _shape(name: str, source: str, key: str, told: str) -> Shape:
    return Shape(name, tuple(_column(each) for each in told.split()), tuple(key.split()), source)


PERSON = _shape(
    "person",
    CDM_FACTS,
    "person_id",
    "person_id:integer! gender_concept_id:integer! year_of_birth:integer! month_of_birth:integer"
    " day_of_birth:integer birth_datetime:datetime race_concept_id:integer!"
    " ethnicity_concept_id:integer! location_id:integer provider_id:integer care_site_id:integer"
    " person_source_value:text50 gender_source_value:text50 gender_source_concept_id:integer"
    " race_source_value:text50 race_source_concept_id:integer ethnicity_source_value:text50"
    " ethnicity_source_concept_id:integer",
)
OBSERVATION_PERIOD = _shape(
    "observation_period",
    CDM_FACTS,
    "observation_period_id",
    "observation_period_id:integer! person_id:integer! observation_period_start_date:date!"
    " observation_period_end_date:date! period_type_concept_id:integer!",
)
MEASUREMENT = _shape(
    "measurement",
    CDM_FACTS,
    "measurement_id",
    "measurement_id:integer! person_id:integer! measurement_concept_id:integer!"
    " measurement_date:date! measurement_datetime:datetime measurement_time:text10"
    " measurement_type_concept_id:integer! operator_concept_id:integer value_as_number:float"
    " value_as_concept_id:integer unit_concept_id:integer range_low:float range_high:float"
    " provider_id:integer visit_occurrence_id:integer visit_detail_id:integer"
    " measurement_source_value:text50 measurement_source_concept_id:integer"
    " unit_source_value:text50 unit_source_concept_id:integer value_source_value:text50"
    " measurement_event_id:integer meas_event_field_concept_id:integer",
)
COHORT = _shape(
    "cohort",
    CDM_FACTS,
    "",
    "cohort_definition_id:integer! subject_id:integer! cohort_start_date:date!"
    " cohort_end_date:date!",
)
COHORT_DEFINITION = _shape(
    "cohort_definition",
    CDM_FACTS,
    "",
    "cohort_definition_id:integer! cohort_definition_name:text255!"
    " cohort_definition_description:text definition_type_concept_id:integer!"
    " cohort_definition_syntax:text subject_concept_id:integer! cohort_initiation_date:date",
)
CDM_SOURCE = _shape(
    "cdm_source",
    CDM_FACTS,
    "",
    "cdm_source_name:text255! cdm_source_abbreviation:text25! cdm_holder:text255!"
    " source_description:text source_documentation_reference:text255 cdm_etl_reference:text255"
    " source_release_date:date! cdm_release_date:date! cdm_version:text10"
    " cdm_version_concept_id:integer! vocabulary_version:text20!",
)
CDM = (PERSON, OBSERVATION_PERIOD, MEASUREMENT, COHORT_DEFINITION, COHORT, CDM_SOURCE)
"""The tables written, those that others refer to first."""

CONCEPT = ("concept", "concept_id")
ELSEWHERE: dict[str, tuple[str, str]] = {
    "person_id": ("person", "person_id"),
    "location_id": ("location", "location_id"),
    "provider_id": ("provider", "provider_id"),
    "care_site_id": ("care_site", "care_site_id"),
    "visit_occurrence_id": ("visit_occurrence", "visit_occurrence_id"),
    "visit_detail_id": ("visit_detail", "visit_detail_id"),
}
"""Column -> the table and column of the CDM that its values must be in (the same file: columns
``isForeignKey``, ``fkTableName``); of the tables written, every ``*_concept_id`` is one of CONCEPT.
``cohort.subject_id`` and ``cohort_definition_id`` are no foreign keys there."""


def foreign_keys(shape: Shape) -> dict[str, tuple[str, str]]:
    """Column -> the table and column that it refers to.

    >>> foreign_keys(OBSERVATION_PERIOD)
    {'person_id': ('person', 'person_id'), 'period_type_concept_id': ('concept', 'concept_id')}
    """
    referring = [column.name for column in shape.columns if column.name not in shape.key]
    return {
        name: CONCEPT if name.endswith("_concept_id") else ELSEWHERE[name]
        for name in referring
        if name.endswith("_concept_id") or name in ELSEWHERE
    }


EVENT = _shape(
    "data",
    MEDS_SOURCE,
    "",
    "subject_id:bigint! time:datetime code:text! numeric_value:real text_value:longtext unit:text"
    " fasting:text",
)
"""MEDS asks for the first three; ``numeric_value`` and ``text_value`` are its own, the others
extra columns that ``dataset.json`` names."""

CODES = _shape("codes", MEDS_SOURCE, "code", "code:text! description:text parent_codes:texts")


def shaped(rows: pl.LazyFrame, shape: Shape) -> pl.LazyFrame:
    """``rows`` with the columns of ``shape``: in order, cast, null where there are none, texts cut
    at what the shape allows.

    >>> one = pl.LazyFrame({"code": ["x"]})
    >>> shaped(one, CODES).collect().columns
    ['code', 'description', 'parent_codes']
    """
    there = set(rows.collect_schema().names())
    return rows.select(
        (_cut(column) if column.name in there else pl.lit(None, TYPES[column.kind][0]))
        .cast(TYPES[column.kind][0])
        .alias(column.name)
        for column in shape.columns
    )


def _cut(column: Column) -> pl.Expr:
    value = pl.col(column.name)
    return value.cast(pl.String).str.head(column.most) if column.most else value


def departures(rows: pl.DataFrame, shape: Shape) -> list[str]:
    """Where ``rows`` departs from ``shape``, a sentence each: columns, order, types, what is
    required, lengths, the key.

    >>> departures(pl.DataFrame({"code": [None]}), CODES)[0]
    "codes: columns are ['code'], not ['code', 'description', 'parent_codes']"
    """
    if rows.columns != shape.schema.names():
        return [f"{shape.name}: columns are {rows.columns}, not {shape.schema.names()}"]
    found = [
        f"{shape.name}.{name}: {rows.schema[name]}, not {kind}"
        for name, kind in shape.schema.items()
        if rows.schema[name] != kind
    ]
    found += [
        f"{shape.name}.{column.name}: required, and null in {rows[column.name].null_count()} rows"
        for column in shape.columns
        if column.required and rows[column.name].null_count()
    ]
    found += [
        f"{shape.name}.{column.name}: longer than {column.most} characters"
        for column in shape.columns
        if column.most and rows[column.name].str.len_chars().gt(column.most).any()
    ]
    if shape.key and rows.select(shape.key).is_duplicated().any():
        found.append(f"{shape.name}: two rows of one {', '.join(shape.key)}")
    return found


def definition_sql(shape: Shape) -> str:
    """``CREATE TABLE`` with NOT NULL, the primary key and the foreign keys.

    >>> definition_sql(Shape("t", (Column("a", "text", True),), ("a",), ""))
    'CREATE TABLE t (a VARCHAR NOT NULL, PRIMARY KEY (a))'
    """
    lines = [
        f"{column.name} {TYPES[column.kind][1]}{' NOT NULL' if column.required else ''}"
        for column in shape.columns
    ]
    lines += [f"PRIMARY KEY ({', '.join(shape.key)})"] if shape.key else []
    lines += [
        f"FOREIGN KEY ({name}) REFERENCES {table} ({column})"
        for name, (table, column) in foreign_keys(shape).items()
    ]
    return f"CREATE TABLE {shape.name} ({', '.join(lines)})"


KINDS: dict[str, str] = {"u[IU]/mL": "arbitrary"} | dict.fromkeys(
    ("mg/dL", "ng/mL", "mg/L", "g/dL"), "mass"
)
"""Canonical unit -> the property of the codes whose values are said in it; the rest is molar."""

SIBLINGS: dict[str, str | None] = {
    # insulin: molar or mass -> arbitrary
    "59179-2": "27873-9",
    "1573-5": "30363-6",
    "14796-7": "20448-7",
    "3695-4": "20448-7",
    "14293-5": "56482-3",
    "1570-1": "56482-3",
    # molar -> mass, same specimen and timing
    "14771-0": "1558-6",
    "14749-6": "2345-7",
    "15074-8": "2339-0",
    "14743-9": "41653-7",
    "105272-9": "99504-3",
    "42180-0": "13037-7",
    "14633-2": "1986-9",
    "47210-0": "3048-6",
    "14927-8": "2571-8",
    "14646-4": "2085-9",
    "22748-8": "2089-1",
    "39469-2": "13457-7",
    "14647-2": "2093-3",
    "14933-6": "3084-1",
    "14682-9": "2160-0",
    # HbA1c: IFCC mmol/mol -> NGSP percent
    "59261-8": "4548-4",
}
"""Code as received -> LOINC of the same specimen and timing whose unit is our canonical one.

A value in mg/dL under a code of moles would be read eighteenfold wrong. What has no sibling here
(whole blood by moles, glucose after a load by moles) leaves without a code.
Sources: clinical.md section 1 and the analytes' own codes (LOINC 2.67)."""


def code_said_frame() -> pl.DataFrame:
    """One row a known code: ``source_code``, ``code_said`` (LOINC that fits the canonical unit,
    null where there is none).

    >>> code_said_frame().filter(source_code="59179-2")["code_said"].item()
    '27873-9'
    """
    rows = [
        (code.code, _said(analyte, code))
        for analyte in ANALYTES
        for code in analyte.codes
        if code.system == "loinc"
    ]
    schema = {"source_code": pl.String, "code_said": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("source_code")


def _said(analyte: Analyte, code: Code) -> str | None:
    if code.code in SIBLINGS:
        return SIBLINGS[code.code]
    fits = code.property in ("other", KINDS.get(analyte.unit, "molar"))
    return code.code if fits else None


def with_code_said(observations: pl.LazyFrame) -> pl.LazyFrame:
    """Adds ``code_said``: the LOINC code that fits value and unit as they are."""
    return observations.join(code_said_frame().lazy(), on="source_code", how="left").sort(
        "patient_id", "observed_at", "analyte", "source", "file_id", "line", "result_id", "value"
    )


NUMBER_AS_WRITTEN = r"^\s*[<>≤≥]?\s*=?\s*[-+]?[0-9][0-9 .,']*(?:[eE][-+]?[0-9]+)?\s*$"


def written_value() -> pl.Expr:
    """``source_value`` where it is a number as written, else ``absent_reason``: free text stays."""
    is_number = pl.col("source_value").str.contains(NUMBER_AS_WRITTEN)
    return pl.when(is_number).then("source_value").otherwise("absent_reason")


def person_codes(patients: pl.LazyFrame) -> pl.LazyFrame:
    """``patient_id``, ``person_id`` (1, 2, ... in the order of ``patient_id``).

    Dense, because OMOP's integers have 31 bits and a hash of a million patients would meet itself
    there; so a code is of one export, and the map is written beside it.

    >>> person_codes(pl.LazyFrame({"patient_id": ["b", "a"]})).collect()["person_id"].to_list()
    [1, 2]
    """
    return (
        patients.select("patient_id")
        .unique()
        .sort("patient_id")
        .select("patient_id", person_id=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    )
