"""FHIR resources through whole nights: climbing is seen, reports in error take results back."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.flows.scene import CLIMBING, FIRST_DRAW, FLAT, MARKED, NIGHT, Scene, scene

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
UNITS = {"20448-7": "u[IU]/mL", "1558-6": "mg/dL"}
VALUE = {"20448-7": 7, "1558-6": 90}

Json = dict[str, Any]


@pytest.fixture
def home(tmp_path: Path) -> Scene:
    return scene(tmp_path / "home")


def draw(patient: str, on: date, code: str, value: float, **fields: Any) -> Json:
    """A result that leaves its time and its fasting to the specimen."""
    unit = UNITS[code]
    return {
        "resourceType": "Observation",
        "id": f"{patient}-{code}-{on}",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "specimen": {"reference": f"Specimen/{patient}-{on}"},
        "issued": f"{on}T15:00:00Z",
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit},
        **fields,
    }


def specimen(patient: str, on: date, **fields: Any) -> Json:
    fasting = {"coding": [{"system": "urn:v2-0916", "code": "F"}]}
    taken = {"collectedDateTime": f"{on}T08:00:00Z", "fastingStatusCodeableConcept": fasting}
    return {"resourceType": "Specimen", "id": f"{patient}-{on}", "collection": taken, **fields}


def series(patient: str, insulin: tuple[float, ...]) -> list[Json]:
    found: list[Json] = [
        {"resourceType": "Patient", "id": patient, "birthDate": "1970-02-03", "gender": "female"}
    ]
    for year, value in enumerate(insulin):
        on = FIRST_DRAW + timedelta(days=365 * year)
        found += [
            draw(patient, on, "20448-7", value),
            draw(patient, on, "1558-6", 88 + year % 2),
            specimen(patient, on),
        ]
    return found


def bundle(*resources: Json) -> str:
    entries = [{"resource": resource} for resource in resources]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})


def report(status: str, *listed: Json) -> Json:
    results = [{"reference": f"Observation/{each['id']}"} for each in listed]
    return {"resourceType": "DiagnosticReport", "id": "r", "status": status, "result": results}


def test_a_climbing_patient_is_seen_and_the_same_file_again_changes_nothing(home: Scene) -> None:
    text = bundle(*series("ANN", CLIMBING), *series("FLO", FLAT))
    home.drop("fhir/all.json", text)
    home.night()
    statuses = home.statuses()
    assert statuses["ANN"] in MARKED
    assert statuses["FLO"] not in MARKED
    told = home.rows("SELECT DISTINCT fasting, fasting_basis FROM observation")
    assert told == [("yes", "stated")]
    account = "SELECT rows_in, rows_accepted, rows_quarantined, rows_duplicate FROM source_file"
    assert home.rows(account) == [(38, 26, 12, 0)]
    assert home.rows("SELECT DISTINCT state FROM quarantine") == [("set_aside",)]

    before = home.rows("SELECT * FROM observation ORDER BY ALL")
    home.drop("fhir/again.json", text + "\n")
    home.night(NIGHT + timedelta(days=1))
    assert home.rows("SELECT * FROM observation ORDER BY ALL") == before
    accounts = home.rows(f"{account} ORDER BY file")
    assert accounts == [(38, 0, 12, 26), (38, 26, 12, 0)]


def test_a_haemolysed_specimen_spoils_its_insulin_alone(home: Scene) -> None:
    spoilt = {"condition": [{"coding": [{"system": "urn:v2-0493", "code": "HEM"}]}]}
    days = FIRST_DRAW, FIRST_DRAW + timedelta(days=365)
    results = [draw("ANN", on, code, VALUE[code]) for on in days for code in UNITS]
    home.drop(
        "fhir/1.json",
        bundle(*results, specimen("ANN", days[0], **spoilt), specimen("ANN", days[1])),
    )
    home.night()
    used = dict(home.rows("SELECT drawn_on, used FROM fasting_pair"))
    assert used == {days[0]: False, days[1]: True}


def test_only_a_report_in_error_takes_back_its_results_in_the_same_file(home: Scene) -> None:
    results = {
        person: [draw(person, FIRST_DRAW, code, VALUE[code]) for code in UNITS]
        for person in ("ANN", "FLO")
    }
    drawn = [specimen(person, FIRST_DRAW) for person in results]
    home.drop("fhir/1.json", bundle(*results["ANN"], *results["FLO"], *drawn))
    home.night()
    counts = "SELECT patient_id, count(*) FROM observation GROUP BY ALL ORDER BY ALL"
    assert home.rows(counts) == [("ANN", 2), ("FLO", 2)]
    issued = f"{FIRST_DRAW + timedelta(days=2)}T15:00:00Z"
    wrong = {**report("entered-in-error", *results["ANN"]), "issued": issued}
    right = {**report("final", *results["FLO"]), "issued": issued, "id": "r2"}
    home.drop("fhir/2.json", bundle(wrong, right, *results["ANN"], *results["FLO"], *drawn))
    home.night(NIGHT + timedelta(days=1))
    assert home.rows(counts) == [("FLO", 2)]
