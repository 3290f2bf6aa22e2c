"""Deletions that name only a record, as Bulk Data tells them."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from tests.flows.scene import NIGHT, Scene

NEXT = NIGHT + timedelta(days=1)
STANDING = "SELECT result_id, value FROM observation ORDER BY result_id"


def glucose(number: str, value: float, issued: str = "2026-02-01T12:00:00Z") -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": number,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "1558-6"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-02-01T08:00:00Z",
        "issued": issued,
        "valueQuantity": {"value": value, "unit": "mg/dL"},
    }


def pressure(number: str) -> dict[str, Any]:
    parts = [("8480-6", 120), ("8462-4", 80)]
    return glucose(number, 0) | {
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


def come(scene: Scene, name: str, *resources: dict[str, Any]) -> None:
    lines = [
        json.dumps({key: value for key, value in one.items() if value is not None})
        for one in resources
    ]
    scene.drop(f"fhir/{name}", "\n".join(lines) + "\n")


def deleted(scene: Scene, name: str, *urls: str) -> None:
    entries = [{"request": {"method": "DELETE", "url": url}} for url in urls]
    come(scene, name, {"resourceType": "Bundle", "type": "transaction", "entry": entries})


def same(scene: Scene, *nights: date) -> bool:
    return all(scene.run("replay", str(night)).code == 0 for night in nights)


def test_a_deleted_result_stands_no_more_and_others_do(scene: Scene) -> None:
    come(scene, "Observation.ndjson", glucose("a", 90), glucose("b", 91))
    scene.night(NIGHT)
    deleted(scene, "deleted.ndjson", "Observation/a")
    scene.night(NEXT)
    assert scene.rows(STANDING) == [("b", 91.0)]
    ended = scene.rows("SELECT reason FROM observation_history WHERE result_id = 'a' ORDER BY 1")
    assert ended == [("withdrawn",), (None,)]
    assert same(scene, NIGHT, NEXT)


def test_a_deletion_in_the_night_of_its_result_takes_it_back(scene: Scene) -> None:
    come(scene, "a-Observation.ndjson", glucose("a", 90, issued=f"{NIGHT}T14:00:00Z"))
    deleted(scene, "deleted.ndjson", "Observation/a")
    scene.night(NIGHT)
    assert scene.rows(STANDING) == []


def test_all_components_of_a_deleted_result_go(scene: Scene) -> None:
    come(scene, "Observation.ndjson", pressure("bp"), pressure("other"))
    scene.night(NIGHT)
    deleted(scene, "deleted.ndjson", "Observation/bp")
    scene.night(NEXT)
    assert {number.split("#")[0] for number, _ in scene.rows(STANDING)} == {"other"}
    assert len(scene.rows(STANDING)) == 2


def test_a_result_that_comes_again_after_its_deletion_stands(scene: Scene) -> None:
    come(scene, "Observation.ndjson", glucose("a", 90))
    scene.night(NIGHT)
    deleted(scene, "deleted.ndjson", "Observation/a")
    scene.night(NEXT)
    come(scene, "again.ndjson", glucose("a", 92, issued="2026-03-02T12:00:00Z"))
    scene.night(NEXT + timedelta(days=1))
    assert scene.rows(STANDING) == [("a", 92.0)]
    assert same(scene, NIGHT, NEXT, NEXT + timedelta(days=1))


@pytest.mark.parametrize("url", ["Observation/zz", "Condition/a"])
def test_a_deletion_of_nothing_known_is_set_aside(scene: Scene, url: str) -> None:
    come(scene, "Observation.ndjson", glucose("a", 90))
    scene.night(NIGHT)
    deleted(scene, "deleted.ndjson", url)
    scene.night(NEXT)
    assert scene.rows(STANDING) == [("a", 90.0)]
    found = scene.rows("SELECT state, reasons FROM quarantine")
    assert found == [("set_aside", ["deletion_of_nothing"])]


def test_another_sources_result_of_that_number_stays(scene: Scene) -> None:
    scene.set('[sources.other]\nreader = "fhir"\n')
    come(scene, "Observation.ndjson", glucose("a", 90))
    scene.night(NIGHT)
    lines = {"resourceType": "Bundle", "type": "transaction"} | {
        "entry": [{"request": {"method": "DELETE", "url": "Observation/a"}}]
    }
    scene.drop("other/deleted.ndjson", json.dumps(lines) + "\n")
    scene.night(NEXT)
    assert scene.rows(STANDING) == [("a", 90.0)]


def test_a_deleted_condition_excludes_nobody_any_more(scene: Scene) -> None:
    diabetes = {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}]},
        "onsetDateTime": "2020-01-01",
    }
    come(scene, "Condition.ndjson", diabetes)
    scene.night(NIGHT)
    assert scene.statuses() == {"p1": "excluded"}
    deleted(scene, "deleted.ndjson", "Condition/c1")
    scene.night(NEXT)
    assert scene.statuses() == {"p1": "unresolved"}
