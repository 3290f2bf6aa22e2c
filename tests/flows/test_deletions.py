"""Deletions that name only a record, as Bulk Data tells them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.flows.scene import NIGHT
from tests.flows.senders import Nights, sends

pytestmark = pytest.mark.slow

STANDING = "SELECT result_id, value FROM observation ORDER BY result_id"


Resource = dict[str, Any]


def glucose(
    patient: str, number: str, value: float, issued: str = "2026-02-01T12:00:00Z"
) -> Resource:
    return {
        "resourceType": "Observation",
        "id": number,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "1558-6"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-02-01T08:00:00Z",
        "issued": issued,
        "valueQuantity": {"value": value, "unit": "mg/dL"},
    }


def pressure(patient: str, number: str) -> Resource:
    parts = [("8480-6", 120), ("8462-4", 80)]
    return glucose(patient, number, 0) | {
        "valueQuantity": None,
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "component": [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "valueQuantity": {"value": value, "unit": "mm[Hg]"},
            }
            for code, value in parts
        ],
    }


def ndjson(*resources: Resource) -> str:
    told = [
        json.dumps({key: value for key, value in one.items() if value is not None})
        for one in resources
    ]
    return "\n".join(told) + "\n"


def deletion(*urls: str) -> str:
    entries = [{"request": {"method": "DELETE", "url": url}} for url in urls]
    return ndjson({"resourceType": "Bundle", "type": "transaction", "entry": entries})


ONE_OF_TWO = sends(
    "one_of_two",
    "fhir",
    {"Observation.ndjson": ndjson(glucose("DON", "a", 90), glucose("DON", "b", 91))},
    {"deleted.ndjson": deletion("Observation/a")},
)
SAME_NIGHT = sends(
    "same_night",
    "fhir",
    {
        "a-Observation.ndjson": ndjson(glucose("DOT", "a", 90, issued=f"{NIGHT}T14:00:00Z")),
        "deleted.ndjson": deletion("Observation/a"),
    },
)
COMPONENTS = sends(
    "components",
    "fhir",
    {"Observation.ndjson": ndjson(pressure("DEB", "bp"), pressure("DEB", "other"))},
    {"deleted.ndjson": deletion("Observation/bp")},
)
SENT_AGAIN = sends(
    "sent_again",
    "fhir",
    {"Observation.ndjson": ndjson(glucose("DAN", "a", 90))},
    {"deleted.ndjson": deletion("Observation/a")},
    {"again.ndjson": ndjson(glucose("DAN", "a", 92, issued="2026-03-02T12:00:00Z"))},
)
OF_NOTHING = {
    url: sends(
        name,
        "fhir",
        {"Observation.ndjson": ndjson(glucose(patient, "a", 90))},
        {"deleted.ndjson": deletion(url)},
    )
    for name, patient, url in (
        ("of_no_result", "DEX", "Observation/zz"),
        ("of_no_condition", "DEE", "Condition/a"),
    )
}
NO_RESULT, NO_CONDITION = OF_NOTHING.values()  # what has a name is sent
STAYS = sends("one_source", "fhir", {"Observation.ndjson": ndjson(glucose("DIA", "a", 90))})
ANOTHERS = sends("other_source", "fhir", {}, {"deleted.ndjson": deletion("Observation/a")})
DIABETES = {
    "resourceType": "Condition",
    "id": "c1",
    "subject": {"reference": "Patient/DORA"},
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}]},
    "onsetDateTime": "2020-01-01",
}
CONDITION = sends(
    "condition",
    "fhir",
    {"Condition.ndjson": ndjson(DIABETES)},
    {"deleted.ndjson": deletion("Condition/c1")},
)


def test_a_deleted_result_stands_no_more_and_others_do(nights: Nights) -> None:
    scene = nights.after(ONE_OF_TWO, night=2)
    assert scene.rows(STANDING) == [("b", 91.0)]
    ended = scene.rows("SELECT reason FROM observation_history WHERE result_id = 'a' ORDER BY 1")
    assert ended == [("withdrawn",), (None,)]
    assert nights.replay(1)
    assert nights.replay(2)


def test_a_deletion_in_the_night_of_its_result_takes_it_back(nights: Nights) -> None:
    assert nights.after(SAME_NIGHT).rows(STANDING) == []
    assert nights.after(SAME_NIGHT).rows("SELECT count(*) FROM source_file") == [(2,)]


def test_all_components_of_a_deleted_result_go(nights: Nights) -> None:
    standing = nights.after(COMPONENTS, night=2).rows(STANDING)
    assert {number.split("#")[0] for number, _ in standing} == {"other"}
    assert len(standing) == 2


def test_a_result_that_comes_again_after_its_deletion_stands(nights: Nights) -> None:
    assert nights.after(SENT_AGAIN, night=2).rows(STANDING) == []
    assert nights.after(SENT_AGAIN, night=3).rows(STANDING) == [("a", 92.0)]
    assert all(nights.replay(night) for night in (1, 2, 3))


@pytest.mark.parametrize("url", OF_NOTHING)
def test_a_deletion_of_nothing_known_is_set_aside(nights: Nights, url: str) -> None:
    scene = nights.after(OF_NOTHING[url], night=2)
    assert scene.rows(STANDING) == [("a", 90.0)]
    found = scene.rows("SELECT state, reasons FROM quarantine")
    assert found == [("set_aside", ["deletion_of_nothing"])]


def test_another_sources_result_of_that_number_stays(nights: Nights) -> None:
    assert nights.after(STAYS, night=2).rows(STANDING) == [("a", 90.0)]
    came = nights.after(ANOTHERS, night=2).rows("SELECT count(*) FROM source_file")
    assert came == [(1,)]


def test_a_deleted_condition_excludes_nobody_any_more(nights: Nights) -> None:
    status = "SELECT status FROM store.patient_status WHERE patient_id = 'DORA'"
    assert nights.after(CONDITION).rows(status) == [("excluded",)]
    assert nights.after(CONDITION, night=2).rows(status) == [("unresolved",)]
