"""Frames to tables of the OMOP Common Data Model 5.4 as CSV, with the model's columns in order."""

from __future__ import annotations

import polars as pl

from transforms.synthetic.columns import csv

MEASUREMENT = (
    *("measurement_id", "person_id", "measurement_concept_id", "measurement_date"),
    *("measurement_datetime", "measurement_time", "measurement_type_concept_id"),
    *("operator_concept_id", "value_as_number", "value_as_concept_id", "unit_concept_id"),
    *("range_low", "range_high", "provider_id", "visit_occurrence_id", "visit_detail_id"),
    *("measurement_source_value", "measurement_source_concept_id", "unit_source_value"),
    *("unit_source_concept_id", "value_source_value", "measurement_event_id"),
    "meas_event_field_concept_id",
)
PERSON = (
    *("person_id", "gender_concept_id", "year_of_birth", "month_of_birth", "day_of_birth"),
    *("birth_datetime", "race_concept_id", "ethnicity_concept_id", "location_id", "provider_id"),
    *("care_site_id", "person_source_value", "gender_source_value", "gender_source_concept_id"),
    *("race_source_value", "race_source_concept_id", "ethnicity_source_value"),
    "ethnicity_source_concept_id",
)


def measurement_csv(rows: pl.DataFrame) -> bytes:
    """``measurement.csv``: any of the columns :data:`MEASUREMENT`; one not given is left empty."""
    return csv(rows, MEASUREMENT)


def person_csv(rows: pl.DataFrame) -> bytes:
    """``person.csv``: any of the columns :data:`PERSON`."""
    return csv(rows, PERSON)
