"""FHIR resources through whole nights: climbing is seen, reports in error take results back."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

from tests.flows.scene import CLIMBING, FIRST_DRAW, FLAT, MARKED
from tests.flows.senders import Nights, Sender, source

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
UNITS = {"20448-7": "u[IU]/mL", "1558-6": "mg/dL"}
VALUE = {"20448-7": 7, "1558-6": 90}

Json = dict[str, Any]


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


PEOPLE = bundle(*series("FAY", CLIMBING), *series("FLO", FLAT))
TWICE = Sender({"fhir/all.json": PEOPLE}, {"fhir/again.json": PEOPLE + "\n"})


def test_a_climbing_patient_is_seen_and_the_same_file_again_changes_nothing(nights: Nights) -> None:
    home = nights.after(TWICE)
    statuses = home.statuses()
    assert statuses["FAY"] in MARKED
    assert statuses["FLO"] not in MARKED
    told = home.rows("SELECT DISTINCT fasting, fasting_basis FROM observation")
    assert told == [("yes", "stated")]
    account = "SELECT rows_in, rows_accepted, rows_quarantined, rows_duplicate FROM source_file"
    assert home.rows(account) == [(38, 26, 12, 0)]
    assert home.rows("SELECT DISTINCT state FROM quarantine") == [("set_aside",)]

    before = home.rows("SELECT * FROM observation ORDER BY ALL")
    again = nights.after(TWICE, night=2)
    assert again.rows("SELECT * FROM observation ORDER BY ALL") == before
    accounts = again.rows(f"{account} ORDER BY file")
    assert accounts == [(38, 0, 12, 26), (38, 26, 12, 0)]


DAYS = FIRST_DRAW, FIRST_DRAW + timedelta(days=365)
SPOILT = {"condition": [{"coding": [{"system": "urn:v2-0493", "code": "HEM"}]}]}
HAEMOLYSED = Sender(
    {
        "fhir_haemolysed/1.json": bundle(
            *(draw("HAZEL", on, code, VALUE[code]) for on in DAYS for code in UNITS),
            specimen("HAZEL", DAYS[0], **SPOILT),
            specimen("HAZEL", DAYS[1]),
        )
    },
    settings=source("fhir_haemolysed", "fhir"),
)


def test_a_haemolysed_specimen_spoils_its_insulin_alone(nights: Nights) -> None:
    used = dict(nights.after(HAEMOLYSED).rows("SELECT drawn_on, used FROM fasting_pair"))
    assert used == {DAYS[0]: False, DAYS[1]: True}


def reported() -> Sender:
    """Results of two people, of whom one's report is then in error."""
    results = {
        person: [draw(person, FIRST_DRAW, code, VALUE[code]) for code in UNITS]
        for person in ("WRONG", "RIGHT")
    }
    drawn = [specimen(person, FIRST_DRAW) for person in results]
    sent = [*results["WRONG"], *results["RIGHT"], *drawn]
    issued = f"{FIRST_DRAW + timedelta(days=2)}T15:00:00Z"
    wrong = {**report("entered-in-error", *results["WRONG"]), "issued": issued}
    right = {**report("final", *results["RIGHT"]), "issued": issued, "id": "r2"}
    return Sender(
        {"fhir_in_error/1.json": bundle(*sent)},
        {"fhir_in_error/2.json": bundle(wrong, right, *sent)},
        settings=source("fhir_in_error", "fhir"),
    )


REPORTED = reported()


def test_only_a_report_in_error_takes_back_its_results_in_the_same_file(nights: Nights) -> None:
    counts = "SELECT patient_id, count(*) FROM observation GROUP BY ALL ORDER BY ALL"
    assert nights.after(REPORTED).rows(counts) == [("RIGHT", 2), ("WRONG", 2)]
    assert nights.after(REPORTED, night=2).rows(counts) == [("RIGHT", 2)]
