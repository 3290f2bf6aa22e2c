"""MEDS 0.4."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl

from tests.transforms.exports.observed import AT, observed, people
from transforms.exports import meds
from transforms.exports.tables import CODES, EVENT, departures, person_codes


def events(*rows: dict[str, Any], ids: tuple[str, ...] = ("p1",)) -> pl.DataFrame:
    persons = people(*ids)
    return meds.events(observed(*rows), persons, person_codes(persons)).collect()


def test_a_subject_has_sex_birth_and_results_in_the_order_of_time() -> None:
    found = events({})
    assert found["code"].to_list() == ["SEX/female", "MEDS_BIRTH", "LOINC/20448-7"]
    assert found["time"].to_list() == [None, datetime(1970, 2, 3), AT]  # noqa: DTZ001
    assert found["numeric_value"].to_list() == [None, None, 6.25]
    assert departures(found, EVENT) == []


def test_a_bound_is_text() -> None:
    row = events({"value": 2.0, "comparator": "<"}).row(2, named=True)
    assert (row["numeric_value"], row["text_value"]) == (None, "<2.0")


def test_a_code_that_does_not_fit_the_unit_is_not_said() -> None:
    glucose = {"analyte": "glucose", "source_code": "77145-1", "timing": "fasting"}
    assert events(glucose)["code"][2] == "UNDERTOW/glucose/fasting"


def test_subjects_are_together_whatever_the_order_of_the_input() -> None:
    rows = [{"patient_id": f"p{1 + line % 2}", "line": line} for line in range(8)]
    found = events(*rows, ids=("p1", "p2"))
    assert found["subject_id"].is_sorted()
    assert found.equals(events(*reversed(rows), ids=("p2", "p1")))


def test_every_code_of_the_data_is_in_the_metadata() -> None:
    found = events({}, {"source_code": "LOCAL"})
    codes = meds.code_metadata(found.lazy()).collect()
    assert set(codes["code"]) == set(found["code"])
    assert departures(codes, CODES) == []
    parents = dict(codes.select("code", "parent_codes").iter_rows())
    assert parents["LOINC/20448-7"] == ["LOINC/20448-7"]
    assert parents["UNDERTOW/insulin/any"] == []


def test_the_extra_columns_are_named_in_the_metadata() -> None:
    told = meds.dataset_metadata("2026-03-01", "0.1", datetime(2026, 3, 1, tzinfo=UTC))
    extra = [*told["code_modifier_columns"], *told["other_extension_columns"]]  # type: ignore[misc]
    core = ["subject_id", "time", "code", "numeric_value", "text_value"]
    assert [*core, *extra] == EVENT.schema.names()
