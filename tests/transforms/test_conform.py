"""Conforming: what a row means, and nulls where it cannot be said."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.catalog.units import INSULIN_FACTOR_DOUBT, SPELLINGS
from transforms.conform import Arrival, conform
from transforms.landing import shaped

ARRIVAL = Arrival("clinic", 7, date(2026, 3, 1), "Europe/Rome")
RESULT = {
    "patient_id": "p1",
    "code_system": "loinc",
    "source_code": "27873-9",
    "source_value": "5",
    "source_unit": "uIU/mL",
    "source_observed_at": "2026-02-01T08:00:00",
    "source_fasting": None,
    "source_status": "F",
}


def conformed(table: str, row: dict[str, Any], arrival: Arrival = ARRIVAL) -> dict[str, Any]:
    frame = pl.LazyFrame([{"line": 2} | row], infer_schema_length=None)
    found = conform(table, shaped(table, frame), arrival).collect()
    assert found.height == 1
    return found.row(0, named=True)


def result(arrival: Arrival = ARRIVAL, **more: str | None) -> dict[str, Any]:
    return conformed("observation", RESULT | more, arrival)


def test_a_plain_result_is_understood_in_full() -> None:
    row = result()
    assert (row["analyte"], row["timing"]) == ("insulin", "fasting")
    assert (row["value"], row["unit"], row["comparator"]) == (5.0, "u[IU]/mL", None)
    assert (row["observed_at"], row["observed_on"]) == (
        datetime(2026, 2, 1, 7),  # noqa: DTZ001
        date(2026, 2, 1),
    )
    assert (row["status"], row["is_withdrawal"]) == ("final", False)
    assert (row["source"], row["file_id"], row["known_at"]) == (
        "clinic",
        7,
        datetime(2026, 3, 1),  # noqa: DTZ001
    )


@pytest.mark.parametrize(
    ("code", "value", "unit", "expected", "canonical"),
    [
        ("27873-9", "60", "pmol/L", 10.0, "u[IU]/mL"),
        ("27873-9", "60", "uIU/mL", 60.0, "u[IU]/mL"),
        ("27873-9", "8.7", "mU/L", 8.7, "u[IU]/mL"),
        ("27873-9", "8.7", " µIU / mL ", 8.7, "u[IU]/mL"),
        ("27873-9", "8.7", "μU/ml", 8.7, "u[IU]/mL"),
        ("1558-6", "5", "mmol/L", 90.08, "mg/dL"),
        ("1558-6", "0.95", "g/L", 95.0, "mg/dL"),
        ("1558-6", "95", "mg/dL", 95.0, "mg/dL"),
        ("4548-4", "38.8", "mmol/mol", 5.701424, "%"),
        ("8310-5", "98.6", "[degF]", 37.0, "Cel"),
    ],
)
def test_a_value_is_converted_by_its_stated_unit(
    code: str, value: str, unit: str, expected: float, canonical: str
) -> None:
    row = result(source_code=code, source_value=value, source_unit=unit)
    assert row["value"] == pytest.approx(expected)
    assert (row["unit"], row["source_value"], row["source_unit"]) == (
        canonical,
        value,
        unit.strip(),
    )


@pytest.mark.parametrize("unit", [None, "spoons", "mIU/mL", "mmol/L", "kg", "pmol"])
def test_a_value_whose_unit_is_not_known_for_it_stays_null_and_is_not_guessed(
    unit: str | None,
) -> None:
    row = result(source_unit=unit)
    assert (row["value"], row["unit"], row["number"]) == (None, None, 5.0)


@given(st.floats(0.1, 5000), st.sampled_from(sorted(SPELLINGS)))
def test_insulin_is_never_divided_by_the_old_factor(value: float, unit: str) -> None:
    row = result(source_value=f"{value:.4f}", source_unit=unit)
    if row["value"] is not None:
        ratio = row["number"] / row["value"]
        assert abs(ratio - INSULIN_FACTOR_DOUBT) > 0.5
    if unit == "pmol/L":
        assert row["value"] == pytest.approx(row["number"] / 6.00)


def test_the_older_codes_unit_does_not_override_the_stated_one() -> None:
    molar = result(source_code="14796-7", source_value="60", source_unit="uIU/mL")
    assert (molar["value"], molar["property"]) == (60.0, "molar")


@pytest.mark.parametrize(
    ("value", "comparator", "expected"),
    [
        ("<2", None, (2.0, "<")),
        ("2", "<", (2.0, "<")),
        ("2", ">=", (2.0, ">=")),
        ("2", None, (2.0, None)),
        ("2", "about", (2.0, None)),
        (">300", "<", (300.0, ">")),
    ],
)
def test_a_limit_is_a_limit_wherever_it_stands(
    value: str, comparator: str | None, expected: tuple[float, str | None]
) -> None:
    row = result(source_value=value, source_comparator=comparator)
    assert (row["value"], row["comparator"]) == expected


def test_a_decimal_comma_is_read_where_the_file_has_one() -> None:
    comma = Arrival("clinic", 7, date(2026, 3, 1), decimal=",")
    assert result(comma, source_value="5,4")["value"] == 5.4
    assert result(source_value="5,4")["value"] is None


@pytest.mark.parametrize(
    ("said", "code", "expected"),
    [
        ("yes", "20448-7", ("yes", None, "stated")),
        ("no", "20448-7", ("no", None, "stated")),
        ("no", "27873-9", ("no", None, "stated")),
        ("unknown", "20448-7", ("unknown", None, None)),
        ("unknown", "27873-9", ("yes", None, "code")),
        (None, "27873-9", ("yes", None, "code")),
        (None, "20448-7", ("unknown", None, None)),
        (None, "56482-3", ("unknown", None, None)),
        (None, "27827-5", ("no", None, "code")),
        ("yes", "27827-5", ("no", None, "code")),
        ("12", "27827-5", ("no", 12.0, "code")),
        ("10", "20448-7", ("yes", 10.0, "hours")),
        ("8", "20448-7", ("yes", 8.0, "hours")),
        ("7.9", "20448-7", ("no", 7.9, "hours")),
        ("3", "27873-9", ("no", 3.0, "hours")),
        ("nüchtern", "20448-7", ("yes", None, "stated")),
        ("à jeun", "20448-7", ("yes", None, "stated")),
        ("perhaps", "20448-7", ("unknown", None, None)),
    ],
)
def test_fasting_is_what_is_said_then_the_hours_then_the_code_but_never_after_a_drink(
    said: str | None, code: str, expected: tuple[str, float | None, str | None]
) -> None:
    row = result(source_fasting=said, source_code=code)
    assert (row["fasting"], row["fasting_hours"], row["fasting_basis"]) == expected


def test_less_than_eight_hours_is_not_fasting() -> None:
    assert result(source_fasting="<8", source_code="20448-7")["fasting"] != "yes"


@pytest.mark.parametrize(
    ("said", "status", "is_withdrawal"),
    [
        (None, "final", False),
        ("F", "final", False),
        ("C", "corrected", False),
        ("P", "preliminary", False),
        ("X", "cancelled", False),
        ("D", "deleted", True),
        ("W", "wrong_patient", True),
        ("entered-in-error", "entered_in_error", True),
        ("Final", "final", False),
    ],
)
def test_a_status_is_one_of_ours(said: str | None, status: str, is_withdrawal: bool) -> None:
    row = result(source_status=said)
    assert (row["status"], row["is_withdrawal"]) == (status, is_withdrawal)


def test_a_status_that_is_not_known_stays_null() -> None:
    assert result(source_status="?!")["status"] is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("haemolysed", "haemolysed"),
        ("QNS", "quantity_insufficient"),
        ("see comment", "see_comment"),
        ("-", "not_available"),
        ("five", None),
        ("5", None),
        (None, None),
    ],
)
def test_words_in_place_of_a_number_say_why_there_is_none(
    value: str | None, reason: str | None
) -> None:
    row = result(source_value=value)
    assert row["absent_reason"] == reason
    assert (row["value"] is None) == (value != "5")


@pytest.mark.parametrize(
    ("code", "system", "analyte"),
    [("27873-9", "loinc", "insulin"), ("27873-9", "local", None), ("99999-9", "loinc", None)],
)
def test_a_code_means_something_in_its_own_system_only(
    code: str, system: str, analyte: str | None
) -> None:
    row = result(source_code=code, code_system=system)
    assert (row["analyte"], row["source_code"]) == (analyte, code)


def test_a_sources_own_code_is_what_it_is_mapped_to() -> None:
    mapped = Arrival("clinic", 7, date(2026, 3, 1), codes={"INS": "27873-9"})
    row = result(mapped, source_code="INS", code_system="local")
    assert (row["analyte"], row["source_code"]) == ("insulin", "INS")
    assert result(source_code="INS", code_system="local")["analyte"] is None


@pytest.mark.parametrize(
    ("code", "codes"), [("HOMA2-IR", {}), ("H2", {"H2": "HOMA2-IR"}), ("H2", {"H2": "27873-9"})]
)
def test_homa2_comes_in_as_a_column_under_a_code_of_its_own(
    code: str, codes: dict[str, str]
) -> None:
    mapped = Arrival("clinic", 7, date(2026, 3, 1), codes=codes)
    row = result(mapped, source_code=code, code_system="local", source_unit="1", source_value="1.4")
    imported = codes.get(code, code) == "HOMA2-IR"
    assert (row["analyte"] == "homa2_ir") == imported
    assert (row["value"] == 1.4) == imported


def test_rows_stay_in_order_and_none_is_lost() -> None:
    rows = [{"line": i} | RESULT | {"source_code": str(i)} for i in range(50)]
    frame = pl.LazyFrame(rows, infer_schema_length=None)
    found = conform("observation", shaped("observation", frame), ARRIVAL).collect()
    assert found["line"].to_list() == list(range(50))


def test_a_person_and_a_span_are_understood() -> None:
    person = conformed(
        "patient", {"patient_id": "p", "source_birth_date": "1980-02-29", "source_sex": "F"}
    )
    assert (person["birth_date"], person["sex"]) == (date(1980, 2, 29), "female")
    drug = {"patient_id": "p", "name": "x", "source_start": "2020-01-01", "source_end": "soon"}
    span = conformed("medication", drug)
    assert (span["start_on"], span["end_on"], span["status"]) == (date(2020, 1, 1), None, "final")


@pytest.mark.parametrize(
    ("kind", "unit", "value"),
    [
        ("sensor_glucose", "mmol/L", 90.08),
        ("sensor_glucose", "mg/dL", 5.0),
        ("sensor_glucose", "uIU/mL", None),
        ("nothing", "mg/dL", None),
    ],
)
def test_a_sample_is_converted_like_a_result(kind: str, unit: str, value: float | None) -> None:
    row = conformed(
        "sample",
        {"patient_id": "p", "kind": kind, "source_value": "5", "source_unit": unit}
        | {"source_observed_at": "2026-02-01T08:00:00Z"},
    )
    assert row["value"] == (None if value is None else pytest.approx(value))
