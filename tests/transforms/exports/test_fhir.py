"""FHIR R4 resources, held to the published model by fhir.resources."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from fhir.resources.R4B.flag import Flag
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.provenance import Provenance
from pydantic import ValidationError

from tests.transforms.exports.observed import observed, people
from transforms.exports import fhir
from transforms.exports.tables import person_codes

IDS = fhir.patient_ids(person_codes(people("p1")))


def documents(rows: pl.LazyFrame) -> list[dict[str, Any]]:
    return [json.loads(text) for text in rows.collect()["resource"]]


def observation(**row: Any) -> dict[str, Any]:
    [found] = documents(fhir.observations(fhir.numbered_observations(observed(row), IDS)))
    Observation.model_validate(found)
    return found


def test_an_observation_is_whole() -> None:
    assert observation() == {
        "resourceType": "Observation",
        "id": "o-1",
        "status": "final",
        "code": {"coding": [{"system": fhir.LOINC, "code": "20448-7"}], "text": "insulin"},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2024-03-01T08:10:00+01:00",
        "valueQuantity": {
            "value": 6.25,
            "unit": "u[IU]/mL",
            "system": fhir.UCUM,
            "code": "u[IU]/mL",
        },
    }


def test_the_published_model_refuses_an_observation_without_status() -> None:
    with pytest.raises(ValidationError):
        Observation.model_validate({**observation(), "status": None})


@pytest.mark.parametrize(
    ("local", "said"),
    [
        (datetime(2024, 3, 1, 2, 10), "2024-03-01T02:10:00-05:00"),  # noqa: DTZ001
        (datetime(2024, 3, 1, 12, 40), "2024-03-01T12:40:00+05:30"),  # noqa: DTZ001
        (datetime(2024, 3, 1, 3, 40), "2024-03-01T03:40:00-03:30"),  # noqa: DTZ001
        (None, "2024-03-01T07:10:00Z"),
    ],
)
def test_a_time_has_its_offset(local: datetime | None, said: str) -> None:
    assert observation(observed_local=local)["effectiveDateTime"] == said


def test_a_day_stays_a_day() -> None:
    assert observation(observed_precision="day")["effectiveDateTime"] == "2024-03-01"


def test_a_bound_keeps_its_comparator() -> None:
    assert observation(comparator="<", value=2.0)["valueQuantity"]["comparator"] == "<"


def test_what_is_absent_has_a_reason_and_no_value() -> None:
    found = observation(value=None, unit=None, absent_reason="haemolysed")
    assert found["dataAbsentReason"] == {"text": "haemolysed"}
    assert "valueQuantity" not in found


def test_a_value_without_a_fitting_code_has_none() -> None:
    assert observation(source_code="77145-1", analyte="glucose")["code"] == {"text": "glucose"}


def test_a_hostile_text_stays_text() -> None:
    hostile = 'a","status":"x\n\\'
    assert observation(absent_reason=hostile, value=None)["dataAbsentReason"]["text"] == hostile


def test_an_id_that_fhir_forbids_is_coded_and_meets_no_other() -> None:
    given = ["n-1", "a b", "ok", "ü", "x" * 65]
    ids = fhir.patient_ids(person_codes(people(*given))).collect()
    logical = dict(ids.iter_rows())
    assert logical["ok"] == "ok"
    assert len(set(logical.values())) == len(given)
    assert ids["logical_id"].str.contains(r"^[A-Za-z0-9.-]{1,64}$").all()


def test_a_patient_is_an_id_a_sex_and_a_birth_date() -> None:
    [found] = documents(fhir.patients(people("p1"), IDS))
    Patient.model_validate(found)
    assert found == {
        "resourceType": "Patient",
        "id": "p1",
        "gender": "female",
        "birthDate": "1970-02-03",
    }


def test_provenance_names_file_and_line() -> None:
    files = pl.LazyFrame(
        {"file_id": [1], "sha256": ["abc"]}, schema_overrides={"file_id": pl.Int32}
    )
    [found] = documents(fhir.provenances(fhir.numbered_observations(observed({}), IDS), files))
    Provenance.model_validate(found)
    assert found["target"] == [{"reference": "Observation/o-1"}]
    assert found["entity"][0]["what"] == {
        "identifier": {"system": fhir.FILE, "value": "abc"},
        "display": "line 7",
    }


@pytest.mark.parametrize(("left", "status"), [(None, "active"), (date(2025, 6, 1), "inactive")])
def test_a_flag_names_the_cohort_alone(left: date | None, status: str) -> None:
    stays = pl.LazyFrame(
        {
            "cohort": ["high_stable"],
            "patient_id": ["p1"],
            "entered_on": [date(2025, 1, 1)],
            "left_on": pl.Series([left], dtype=pl.Date),
        }
    )
    [found] = documents(fhir.flags(fhir.numbered_flags(stays, IDS)))
    Flag.model_validate(found)
    assert (found["status"], found["code"]) == (status, {"text": "high_stable"})


def test_a_flag_rests_on_every_used_draw_up_to_the_day_it_began() -> None:
    days = (date(2024, 3, 1), date(2025, 1, 1), date(2025, 1, 2))
    lines = [{"line": n, "part": 0, "observed_on": day} for n, day in enumerate(days)]
    results = fhir.numbered_observations(observed(*lines), IDS, after=100)
    drawn = observed(*lines[1:]).select(*fhir.DRAWN, drawn_on="observed_on")
    stays = pl.LazyFrame({"cohort": ["high_stable"], "patient_id": ["p1"], "entered_on": days[1]})
    flags = fhir.numbered_flags(stays, IDS)
    made_at = datetime(2026, 3, 3, tzinfo=UTC)
    [found] = documents(fhir.flag_provenances(flags, drawn, results, made_at))
    Provenance.model_validate(found)
    assert found["target"] == [{"reference": "Flag/f-1"}]
    assert found["entity"] == [{"role": "derivation", "what": {"reference": "Observation/o-102"}}]
