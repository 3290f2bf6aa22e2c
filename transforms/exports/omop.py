"""OMOP Common Data Model 5.4: person, observation_period, measurement, cohort, cohort_definition.

Concept ids stand only where they were verified (clinical.md section 1); everywhere else is 0,
OMOP's own "no matching concept", with the text as received beside it. A bound ("<2") is no number:
with no verified operator concept it would read as exact, so its ``value_as_number`` is null and
``value_source_value`` keeps it.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from transforms.exports.tables import (
    CDM_SOURCE,
    COHORT,
    COHORT_DEFINITION,
    MEASUREMENT,
    OBSERVATION_PERIOD,
    PERSON,
    shaped,
    with_code_said,
    written_value,
)

NO_CONCEPT = 0

CONCEPTS: dict[str, int] = {
    "1558-6": 3037110,
    "14771-0": 3018251,
    "2345-7": 3004501,
    "14749-6": 3013826,
    "59179-2": 40762271,
    "20448-7": 3016244,
    "14796-7": 3016523,
    "42180-0": 3032836,
    "14633-2": 3027923,
    "4548-4": 3004410,
    "2571-8": 3022192,
    "14927-8": 3025839,
    "47210-0": 3048773,
    "2085-9": 3007070,
    "14646-4": 3023602,
    "13457-7": 3028288,
    "18262-6": 3009966,
    "1742-6": 3006923,
    "1920-8": 3013721,
    "2324-2": 3026910,
    "777-3": 3024929,
    "26515-7": 3007461,
    "15066-4": 3009471,
    "1988-5": 3020460,
    "30522-7": 3010156,
    "3084-1": 3037556,
    "14933-6": 3026493,
    "2160-0": 3016723,
    "14682-9": 3020564,
    "62238-1": 40764999,
    "8867-4": 3027018,
    "99504-3": 1989265,
}
"""LOINC -> concept id: clinical.md section 1, where the row says which code an id belongs to."""

UNITS: dict[str, int] = {
    "u[IU]/mL": 9093,
    "mg/dL": 8840,
    "mg/L": 8751,
    "mmol/L": 8753,
    "g/dL": 8713,
    "ng/mL": 8842,
    "U/L": 8645,
    "%": 8554,
    "10*3/uL": 8848,
    "10*6/uL": 8815,
    "mm[Hg]": 8876,
    "/min": 8541,
    "kg": 9529,
    "kg/m2": 9531,
    "cm": 8582,
    "h": 8505,
    "min": 8550,
    "ms": 9593,
    "Cel": 586323,
}
"""Canonical unit -> standard concept of the vocabulary UCUM in OMOP's own (it spells u[IU]/mL as
10*-6.[iU]/mL, "micro-international unit per milliliter", and U/L as [U]/L)."""

SAID = (NO_CONCEPT, *CONCEPTS.values(), *UNITS.values())
"""Every concept an export may name."""


def persons(patients: pl.LazyFrame, codes: pl.LazyFrame) -> pl.LazyFrame:
    """PERSON of everyone whose year of birth is known: the model requires it.

    Args:
        patients: ``patient_id``, ``birth_date``, ``sex``.
        codes: ``patient_id``, ``person_id``.
    """
    born = pl.col("birth_date").dt
    rows = patients.filter(pl.col("birth_date").is_not_null()).join(codes, on="patient_id")
    return shaped(
        rows.with_columns(
            year_of_birth=born.year(),
            month_of_birth=born.month(),
            day_of_birth=born.day(),
            person_source_value="patient_id",
            gender_source_value="sex",
            **_no_concepts("gender", "race", "ethnicity"),
        ).sort("person_id"),
        PERSON,
    )


def _no_concepts(*names: str) -> dict[str, pl.Expr]:
    return {f"{name}_concept_id": pl.lit(NO_CONCEPT) for name in names}


def measurements(observations: pl.LazyFrame, codes: pl.LazyFrame, after: int = 0) -> pl.LazyFrame:
    """MEASUREMENT: one row an observation, in canonical units, dated by the wall clock.

    ``value_as_number`` is in the unit of ``unit_concept_id``; the three source columns are code,
    value and unit as they came, of one result and in one unit.

    Args:
        observations: rows of the view ``observation``.
        codes: ``patient_id``, ``person_id`` of those who are in PERSON.
        after: the last ``measurement_id`` of the rows before.
    """
    is_bound = pl.col("comparator").is_not_null()
    has_time = pl.col("observed_precision") == "time"
    rows = with_code_said(observations.join(codes, on="patient_id"))
    return shaped(
        rows.with_columns(
            measurement_id=pl.int_range(after + 1, after + pl.len() + 1, dtype=pl.Int64),
            measurement_concept_id=_concept("code_said"),
            measurement_date="observed_on",
            measurement_datetime=pl.when(has_time).then("observed_local"),
            value_as_number=pl.when(~is_bound).then("value"),
            unit_concept_id=pl.col("unit").replace_strict(
                UNITS, default=NO_CONCEPT, return_dtype=pl.Int32
            ),
            unit_source_value=pl.when(pl.col("value").is_not_null()).then("source_unit"),
            measurement_source_value="source_code",
            measurement_source_concept_id=_concept("source_code"),
            value_source_value=written_value(),
            **_no_concepts("measurement_type", "operator"),
        ),
        MEASUREMENT,
    )


def _concept(code: str) -> pl.Expr:
    return pl.col(code).replace_strict(CONCEPTS, default=NO_CONCEPT, return_dtype=pl.Int32)


def observation_periods(measurement: pl.LazyFrame) -> pl.LazyFrame:
    """OBSERVATION_PERIOD: from a person's first measurement to the last.

    Nothing else is known of when a person was under observation, so the period says no more; rows
    of several batches are brought together by :func:`joined_periods`.
    """
    day = pl.col("measurement_date")
    return _periods(measurement.group_by("person_id").agg(first=day.min(), last=day.max()))


def joined_periods(periods: pl.LazyFrame) -> pl.LazyFrame:
    """One period a person, of the periods of several batches."""
    first, last = (pl.col(f"observation_period_{end}_date") for end in ("start", "end"))
    return _periods(periods.group_by("person_id").agg(first=first.min(), last=last.max()))


def _periods(spans: pl.LazyFrame) -> pl.LazyFrame:
    return shaped(
        spans.with_columns(
            observation_period_id="person_id",
            observation_period_start_date="first",
            observation_period_end_date="last",
            **_no_concepts("period_type"),
        ).sort("person_id"),
        OBSERVATION_PERIOD,
    )


def cohort_definitions(definitions: pl.LazyFrame) -> pl.LazyFrame:
    """COHORT_DEFINITION, numbered in the order of name and version; the description says what must
    not be claimed of a member."""
    name = pl.concat_str("cohort", pl.lit(" v"), "definition_version")
    told = pl.concat_str("sentence", pl.lit(" Not claimed: "), "not_claimed")
    rows = definitions.sort("cohort", "definition_version")
    return shaped(
        rows.with_columns(
            cohort_definition_id=pl.int_range(1, pl.len() + 1, dtype=pl.Int32),
            cohort_definition_name=name,
            cohort_definition_description=told,
            cohort_initiation_date="reviewed",
            **_no_concepts("definition_type", "subject"),
        ),
        COHORT_DEFINITION,
    )


def cohorts(
    stays: pl.LazyFrame, definitions: pl.LazyFrame, codes: pl.LazyFrame, as_of: pl.Expr
) -> pl.LazyFrame:
    """COHORT: one row a stay; a stay that lasts ends on ``as_of``, for the model requires an end.

    Args:
        stays: rows of the view ``cohort``.
        definitions: :func:`cohort_definitions`.
        codes: ``patient_id``, ``person_id`` of those who are in PERSON.
        as_of: the day the warehouse shows.
    """
    named = definitions.select("cohort_definition_id", "cohort_definition_name")
    name = pl.concat_str("cohort", pl.lit(" v"), "definition_version")
    rows = stays.join(codes, on="patient_id").with_columns(cohort_definition_name=name)
    return shaped(
        rows.join(named, on="cohort_definition_name", how="left")
        .with_columns(
            subject_id="person_id",
            cohort_start_date="entered_on",
            cohort_end_date=pl.coalesce("left_on", as_of),
        )
        .sort("cohort_definition_id", "subject_id", "cohort_start_date"),
        COHORT,
    )


def cdm_source(as_of: date, made_on: date, version: str) -> pl.LazyFrame:
    """CDM_SOURCE, one row: whence the tables are, of which night; no vocabulary came with them."""
    told = {
        "cdm_source_name": "Undertow, results of fasting insulin and what stands beside them",
        "cdm_source_abbreviation": "UNDERTOW",
        "cdm_holder": "not stated",
        "source_description": "Standing results in canonical units. No visits: none are known.",
        "cdm_etl_reference": f"undertow {version}",
        "source_release_date": as_of,
        "cdm_release_date": made_on,
        "cdm_version": "v5.4",
        "cdm_version_concept_id": NO_CONCEPT,
        "vocabulary_version": "none",
    }
    return shaped(pl.LazyFrame([told]), CDM_SOURCE)
