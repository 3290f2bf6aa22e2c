"""OMOP CDM 5.4."""

from __future__ import annotations

import csv
from datetime import date, datetime
from typing import Any

import polars as pl
import pytest

from tests.transforms.exports.observed import observed, people
from tests.transforms.readers.test_omop import REAL
from transforms.exports import omop
from transforms.exports.tables import MEASUREMENT, PERSON, departures, person_codes
from transforms.readers.omop import UNITS


def measured(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    codes = person_codes(people("p1", "p2"))
    return omop.measurements(observed(*rows), codes).collect().to_dicts()


def test_a_measurement_holds_value_code_unit_and_wall_clock() -> None:
    [row] = measured({})
    assert row["measurement_concept_id"] == 3016244
    assert (row["value_as_number"], row["unit_concept_id"]) == (6.25, 9093)
    assert row["unit_source_value"] == "uIU/mL"
    assert row["measurement_datetime"] == datetime(2024, 3, 1, 8, 10)  # noqa: DTZ001
    assert (row["measurement_source_value"], row["value_source_value"]) == ("20448-7", "6.25")


def test_a_molar_result_is_not_said_under_the_molar_concept() -> None:
    glucose = {"analyte": "glucose", "unit": "mg/dL", "value": 90.08, "source_value": "5.0"}
    [row] = measured({**glucose, "source_code": "14771-0", "source_unit": "mmol/L"})
    assert row["measurement_concept_id"] == 3037110
    assert (row["value_as_number"], row["unit_concept_id"]) == (90.08, 8840)
    assert row["measurement_source_concept_id"] == 3018251
    source = ("measurement_source_value", "value_source_value", "unit_source_value")
    assert [row[name] for name in source] == ["14771-0", "5.0", "mmol/L"]


@pytest.mark.parametrize(("value", "unit"), [(None, None), (6.25, "uIU/mL")], ids=["text", "value"])
def test_a_unit_is_said_of_a_value_alone(value: float | None, unit: str | None) -> None:
    [row] = measured({"value": value})
    assert row["unit_source_value"] == unit


def test_a_unit_means_to_the_reader_what_it_means_here() -> None:
    assert {str(concept): unit for unit, concept in omop.UNITS.items()}.items() <= UNITS.items()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside the project")
def test_every_unit_is_standard_in_a_published_vocabulary() -> None:
    with (REAL / "CONCEPT.csv").open(newline="") as stream:
        rows = {row["concept_id"]: row for row in csv.DictReader(stream)}
    own = {"u[IU]/mL": "10*-6.[iU]/mL", "U/L": "[U]/L"}
    for unit, concept in omop.UNITS.items():
        found = rows[str(concept)]
        assert (found["vocabulary_id"], found["standard_concept"]) == ("UCUM", "S")
        assert found["concept_code"] == own.get(unit, unit)


def test_what_was_not_verified_is_concept_0_with_its_source_kept() -> None:
    [row] = measured({"source_code": "27873-9"})
    assert row["measurement_concept_id"] == 0
    assert row["measurement_source_value"] == "27873-9"


def test_a_bound_is_no_number() -> None:
    [row] = measured({"value": 2.0, "comparator": "<", "source_value": "<2"})
    assert (row["value_as_number"], row["value_source_value"]) == (None, "<2")


def test_a_day_has_no_time() -> None:
    [row] = measured({"observed_precision": "day"})
    assert row["measurement_datetime"] is None
    assert row["measurement_date"] == date(2024, 3, 1)


def test_numbers_go_on_after_the_last_batch() -> None:
    codes = person_codes(people("p1"))
    rows = omop.measurements(observed({}, {"line": 8}), codes, after=10).collect()
    assert rows["measurement_id"].to_list() == [11, 12]


def test_the_order_of_the_input_changes_nothing() -> None:
    rows = [{"line": line, "patient_id": f"p{1 + line % 2}"} for line in range(1, 9)]
    assert measured(*rows) == measured(*reversed(rows))


def test_frames_keep_to_the_model() -> None:
    codes = person_codes(people("p1"))
    assert departures(omop.persons(people("p1"), codes).collect(), PERSON) == []
    assert departures(omop.measurements(observed({}), codes).collect(), MEASUREMENT) == []


@pytest.mark.parametrize(("birth", "n"), [(date(1970, 2, 3), 1), (None, 0)])
def test_a_person_needs_a_year_of_birth(birth: date | None, n: int) -> None:
    persons = people("p1", birth=birth)
    assert omop.persons(persons, person_codes(persons)).collect().height == n


def test_a_period_runs_from_the_first_measurement_of_any_batch_to_the_last() -> None:
    days = [date(2020, 1, 1), date(2024, 1, 1), date(2022, 1, 1)]
    codes = person_codes(people("p1"))
    batches = [
        omop.observation_periods(omop.measurements(observed({"observed_on": day}), codes))
        for day in days
    ]
    [row] = omop.joined_periods(pl.concat(batches)).collect().to_dicts()
    assert row["observation_period_start_date"] == days[0]
    assert row["observation_period_end_date"] == days[1]


def test_a_stay_that_lasts_ends_on_the_warehouse_day() -> None:
    defined = pl.LazyFrame(
        {
            "cohort": ["high_stable"],
            "definition_version": ["1"],
            "sentence": ["High."],
            "not_claimed": ["A diagnosis."],
            "reviewed": [date(2026, 1, 1)],
        }
    )
    stays = pl.LazyFrame(
        {
            "cohort": ["high_stable"] * 2,
            "patient_id": ["p1", "p2"],
            "entered_on": [date(2025, 1, 1)] * 2,
            "left_on": [None, date(2025, 6, 1)],
            "definition_version": ["1"] * 2,
        }
    )
    definitions = omop.cohort_definitions(defined)
    codes = person_codes(people("p1", "p2"))
    rows = omop.cohorts(stays, definitions, codes, pl.lit(date(2026, 3, 1))).collect()
    assert rows["cohort_end_date"].to_list() == [date(2026, 3, 1), date(2025, 6, 1)]
    assert "Not claimed: A diagnosis." in definitions.collect()["cohort_definition_description"][0]
