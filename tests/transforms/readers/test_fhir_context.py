"""FHIR R4: what is withdrawn, what results stand under, and versions that are not read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.catalog import words
from transforms.formats import fhir_documents
from transforms.landing import Opened, Reading, Source, UnreadableError
from transforms.readers import fhir
from transforms.synthetic.columns import LABS
from transforms.synthetic.emit_fhir import observation_ndjson

Json = dict[str, Any]
Read = Callable[..., Reading]
LOINC = "http://loinc.org"
GLUCOSE = {"coding": [{"system": LOINC, "code": "2345-7"}]}


def result(**fields: Any) -> Json:
    """A glucose result that is silent about everything a report or specimen may say."""
    whole = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": GLUCOSE,
        "subject": {"reference": "Patient/p1"},
        "valueQuantity": {"value": 90, "unit": "mg/dL"},
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not None}


def report(**fields: Any) -> Json:
    return {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "result": [{"reference": "Observation/o1"}],
        **fields,
    }


def specimen(**fields: Any) -> Json:
    return {"resourceType": "Specimen", "id": "s1", **fields}


def bundle(*entries: Json, **head: Any) -> str:
    return json.dumps({"resourceType": "Bundle", "type": "collection", **head, "entry": entries})


def holding(*resources: Json) -> str:
    return bundle(*({"resource": resource} for resource in resources))


def deleting(*urls: str, **head: Any) -> str:
    return bundle(*({"request": {"method": "DELETE", "url": url}} for url in urls), **head)


@pytest.fixture
def reading(tmp_path: Path) -> Read:
    def of(*lines: str | Json) -> Reading:
        path = tmp_path / "file"
        told = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        path.write_text("".join(f"{line}\n" for line in told))
        return fhir.read(Opened(path, "file.ndjson", Source("hospital", "fhir"), tmp_path))

    return of


def rows(found: Reading, table: str = "observation") -> list[Json]:
    return found.tables[table].collect().sort("line", "part").to_dicts() if found.tables else []


def row(found: Reading, table: str = "observation") -> Json:
    (only,) = rows(found, table)
    return only


def reasons(found: Reading) -> dict[int, str]:
    return {r["line"]: r["reason"] for r in found.rejects.collect().to_dicts()}


def assert_accounted(found: Reading) -> None:
    rejected = found.rejects.collect()["line"].to_list()
    kept = {line for table in found.tables.values() for line in table.collect()["line"]}
    assert len(rejected) == len(set(rejected))
    assert kept.isdisjoint(rejected)
    assert kept | set(rejected) == set(range(1, found.rows_in + 1))


# ------------------------------------------------------------ numbers


@pytest.mark.parametrize("written", ["1.50", "1E2", "-0.0", "12345678901234567890.10", "1e-7"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_number_stays_as_it_was_written(reading: Read, written: str, wrapped: bool) -> None:
    text = json.dumps(result()).replace("90", written)
    whole = f'{{"resourceType": "Bundle", "entry": [{{"resource": {text}}}]}}' if wrapped else text
    assert row(reading(whole))["source_value"] == written


def test_a_text_that_looks_like_a_number_under_its_key_is_not_touched(reading: Read) -> None:
    said = 'x "value": 1.50, "valueInteger":7}'
    found = reading(result(valueQuantity=None, valueString=said))
    assert row(found)["source_value"] == said


@pytest.mark.parametrize("written", ["01", "1.", "+1", "NaN", "--1", "1e"])
def test_what_is_no_json_number_is_rejected_alone(reading: Read, written: str) -> None:
    found = reading(json.dumps(result()).replace("90", written), result(id="o2"))
    assert reasons(found) == {1: "json_broken"}
    assert row(found)["result_id"] == "o2"


def test_a_comparator_that_is_not_known_keeps_the_value_from_being_a_number(reading: Read) -> None:
    quantities = [{"value": 5, "comparator": sign} for sign in ("ad", "<=")]
    found = rows(reading(*(result(valueQuantity=quantity) for quantity in quantities)))
    told = [(r["source_comparator"], r["source_value"]) for r in found]
    assert told == [(None, "ad 5"), ("<=", "5")]


@given(
    st.lists(
        st.tuples(
            st.decimals(0, 10_000, places=2).map(str),
            st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1),
            st.sampled_from(["2024-03-31T01:59:59+01:00", "2024-10-27T02:30:00+02:00"]),
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("round")
    named = [
        {"patient_id": f"p{n}", "collected_at": at, "value": value, "lab": lab}
        for n, (value, lab, at) in enumerate(told)
    ]
    fixed = {"code": "2345-7", "unit": "mg/dL", "status": "final", "result_id": "o"}
    labs = pl.DataFrame([{**fixed, **each} for each in named]).match_to_schema(
        pl.Schema(dict.fromkeys(LABS, pl.String)), missing_columns="insert"
    )
    path = folder / "file"
    path.write_bytes(observation_ndjson(labs))
    found = fhir.read(Opened(path, "file.ndjson", Source("h", "fhir"), folder))
    read = found.tables["observation"].collect().sort("line")
    assert [(r["source_value"], r["lab"], r["source_observed_at"]) for r in read.to_dicts()] == told


# ------------------------------------------------------------ withdrawals


def test_a_deleted_file_takes_back_what_it_names(reading: Read) -> None:
    first = deleting("Observation/123", "Encounter/1", meta={"lastUpdated": "2024-05-01T00:00:00Z"})
    second = deleting("Condition/c", "MedicationStatement/m", "https://a.example/r4/Observation/9")
    found = reading(first, second)
    results = [(r["line"], r["result_id"], r["source_reported_at"]) for r in rows(found)]
    assert results == [(1, "123", "2024-05-01T00:00:00Z"), (2, "9", None)]
    assert {r["source_status"] for r in rows(found)} == {"deleted"}
    assert row(found, "condition")["record_id"] == "c"
    assert row(found, "medication")["record_id"] == "MedicationStatement/m"
    assert_accounted(found)


def test_what_only_a_person_can_delete_waits(reading: Read) -> None:
    found = reading(deleting("Patient/1"), deleting("Observation?identifier=7"), result())
    assert reasons(found) == {1: "deletion_not_read:Patient", 2: "deletion_not_read"}
    assert_accounted(found)


def test_deletions_of_a_history_have_their_own_time(reading: Read) -> None:
    entries: list[Json] = [
        {
            "fullUrl": "https://a.example/Observation/o1",
            "request": {"method": "DELETE", "url": "Observation/o1"},
            "response": {"lastModified": "2024-03-02T00:00:00Z"},
        },
        {
            "request": {"method": "PUT", "url": "Observation/o1"},
            "response": {"lastModified": "2024-03-01T00:00:00Z"},
            "resource": result(),
        },
        {"request": {"method": "GET", "url": "Observation/o1"}},
    ]
    found = reading(bundle(*entries, type="history"))
    told = [(r["source_status"], r["source_reported_at"]) for r in rows(found)]
    assert told == [("deleted", "2024-03-02T00:00:00Z"), ("final", "2024-03-01T00:00:00Z")]
    assert found.rows_in == 2
    assert_accounted(found)


def test_a_later_change_is_later_than_the_issue(reading: Read) -> None:
    late = result(issued="2024-03-01T10:00:00+02:00", meta={"lastUpdated": "2024-03-01T09:00:00Z"})
    early = {**late, "meta": {"lastUpdated": "2024-03-01T07:59:59Z"}}
    told = [row(reading(r))["source_reported_at"] for r in (late, early)]
    assert told == ["2024-03-01T09:00:00Z", "2024-03-01T10:00:00+02:00"]


def test_a_manifest_is_one_row_that_says_what_it_lists(reading: Read) -> None:
    manifest = {
        "transactionTime": "2024-01-01T00:00:00Z",
        "request": "https://a.example/$export",
        "output": [{"type": "Observation", "url": "https://a.example/1"}],
        "deleted": [{"type": "Bundle", "url": "https://a.example/2"}],
        "error": [],
    }
    for text in (json.dumps(manifest), json.dumps(manifest, indent=2)):
        found = reading(text)
        assert (found.rows_in, reasons(found)) == (1, {1: "record_not_used:manifest"})
        assert "1 output, 1 deleted, 0 error" in found.notes[0]
    del manifest["output"]
    assert reasons(reading(manifest)) == {1: "json_broken"}


# ------------------------------------------------------------ reports


def test_a_report_fills_what_its_results_do_not_say(reading: Read) -> None:
    told = report(
        issued="2024-03-01T18:00:00Z",
        effectiveDateTime="2024-03-01T08:00:00Z",
        performer=[{"reference": "Organization/l"}],
    )
    lab = {"resourceType": "Organization", "id": "l", "name": "City Lab"}
    found = row(reading(holding(told, lab, result(status=None))))
    assert (found["source_status"], found["lab"]) == ("final", "City Lab")
    assert found["source_observed_at"] == "2024-03-01T08:00:00Z"
    assert found["source_reported_at"] == "2024-03-01T18:00:00Z"


def test_a_report_changes_nothing_that_its_results_say(reading: Read) -> None:
    told = report(status="preliminary", issued="2025-01-01T00:00:00Z", effectiveDateTime="2025")
    own = result(issued="2024-01-01T00:00:00Z", effectiveDateTime="2024-01-01")
    found = row(reading(holding(told, own)))
    assert (found["source_status"], found["source_observed_at"]) == ("final", "2024-01-01")
    assert found["source_reported_at"] == "2024-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("status", "said"), [("entered-in-error", "entered-in-error"), ("cancelled", "final")]
)
def test_only_a_report_in_error_takes_its_results_back(
    reading: Read, status: str, said: str
) -> None:
    found = reading(holding(report(status=status), result()))
    assert row(found)["source_status"] == said
    assert_accounted(found)


def test_a_result_that_another_report_lists_too_is_not_taken_back(reading: Read) -> None:
    wrong = report(id="r0", status="entered-in-error")
    assert row(reading(holding(wrong, report(), result())))["source_status"] == "final"
    assert row(reading(holding(report(), wrong, result())))["source_status"] == "final"


def test_a_report_in_error_takes_back_results_of_other_files(reading: Read) -> None:
    found = reading(report(status="entered-in-error"), report(id="r2"))
    taken = row(found)
    assert (taken["line"], taken["result_id"], taken["patient_id"]) == (1, "o1", "p1")
    assert (taken["source_status"], taken["source_code"]) == ("entered-in-error", None)
    assert reasons(found) == {2: "resource_not_used:DiagnosticReport"}
    assert_accounted(found)


# ------------------------------------------------------------ specimens


def test_a_result_without_a_time_was_drawn_when_its_specimen_was(reading: Read) -> None:
    drawn = specimen(collection={"collectedPeriod": {"start": "2024-03-01T08:00:00Z"}})
    refers = {"specimen": {"reference": "https://a.example/Specimen/s1/_history/2"}}
    assert row(reading(holding(drawn, result(**refers))))["source_observed_at"] == (
        "2024-03-01T08:00:00Z"
    )
    own = row(reading(holding(drawn, result(effectiveDateTime="2020", **refers))))
    assert own["source_observed_at"] == "2020"
    assert row(reading(holding(drawn, result())))["source_observed_at"] is None


def test_the_specimen_of_a_report_is_that_of_its_results(reading: Read) -> None:
    drawn = specimen(collection={"collectedDateTime": "2024-03-01"})
    told = report(specimen=[{"reference": "Specimen/s1"}])
    assert row(reading(holding(drawn, told, result())))["source_observed_at"] == "2024-03-01"
    two = report(specimen=[{"reference": "Specimen/s1"}, {"reference": "Specimen/s2"}])
    assert row(reading(holding(drawn, two, result())))["source_observed_at"] is None


@pytest.mark.parametrize(
    ("collection", "said"),
    [
        ({"fastingStatusCodeableConcept": {"coding": [{"code": "F"}]}}, "fasting"),
        ({"fastingStatusCodeableConcept": {"coding": [{"code": "NF"}]}}, "not fasting"),
        ({"fastingStatusCodeableConcept": {"text": "nüchtern"}}, "nüchtern"),
        ({"fastingStatusDuration": {"value": 10, "unit": "h", "code": "h"}}, "10.0"),
        ({"fastingStatusDuration": {"value": 90, "code": "min"}}, "1.5"),
        ({"fastingStatusDuration": {"value": 90}}, "90 ?"),
        ({}, None),
    ],
)
def test_fasting_comes_from_the_specimen(reading: Read, collection: Json, said: str | None) -> None:
    contained = specimen(id="x", collection={"collectedDateTime": "2024", **collection})
    found = reading(result(contained=[contained], specimen={"reference": "#x"}))
    assert row(found)["source_fasting"] == said
    assert row(found)["source_observed_at"] == "2024"


@pytest.mark.parametrize(
    ("condition", "haemolysed"),
    [
        ({"coding": [{"system": "urn:v2-0493", "code": "HEM"}]}, True),
        ({"text": "Haemolysed ++"}, True),
        ({"coding": [{"code": "LIP"}]}, False),
        ({"text": "no haemolysis"}, False),
    ],
)  # fmt: skip
def test_the_state_of_the_specimen_is_in_the_comment(
    reading: Read, condition: Json, haemolysed: bool
) -> None:
    drawn = specimen(condition=[condition])
    told = result(specimen={"reference": "Specimen/s1"}, note=[{"text": "seen"}])
    comment = row(reading(holding(drawn, told)))["comment"]
    assert comment.startswith("seen; ")
    assert pl.select(words.is_haemolysed(pl.lit(comment))).item() is haemolysed


# ------------------------------------------------------------ contained and linked resources


def test_contained_results_of_a_report_are_rows_of_its_line(reading: Read) -> None:
    inner = [
        result(id="a", subject=None),
        result(id="b", status=None),
        specimen(id="s", collection={"collectedDateTime": "2024-03-01"}),
    ]
    listed = [{"reference": "#a"}, {"reference": "#b"}]
    told = report(contained=inner, result=listed, specimen=[{"reference": "#s"}])
    found = reading(result(id="first"), told)
    kept = [(r["line"], r["part"], r["result_id"]) for r in rows(found)]
    assert kept == [(1, 0, "first"), (2, 0, "r1#a"), (2, 1, "r1#b")]
    assert [r["source_observed_at"] for r in rows(found)] == [None, "2024-03-01", "2024-03-01"]
    assert_accounted(found)


def test_a_contained_patient_is_known_by_its_number_and_is_no_record(reading: Read) -> None:
    inner = {"resourceType": "Patient", "id": "x", "identifier": [{"value": "MRN7"}]}
    told = result(contained=[inner], subject={"reference": "#x"})
    found = reading(told, result(id="o2", contained=[inner], subject={"reference": "#y"}))
    assert [r["patient_id"] for r in rows(found)] == ["MRN7", None]
    assert set(found.tables) == {"observation"}
    assert_accounted(found)


def test_a_device_is_named_where_the_method_is_not(reading: Read) -> None:
    device = {"resourceType": "Device", "id": "d", "deviceName": [{"name": "Cobas"}]}
    refers = {"device": {"reference": "Device/d"}}
    assert row(reading(holding(device, result(**refers))))["assay"] == "Cobas"
    own = row(reading(holding(device, result(method={"text": "ECLIA"}, **refers))))
    assert own["assay"] == "ECLIA"


def test_a_medication_in_the_same_file_gives_its_code(reading: Read) -> None:
    known = {
        "resourceType": "Medication",
        "id": "9",
        "code": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "6809"}],
            "text": "Metformin",
        },
    }
    order = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "subject": {"reference": "Patient/p1"},
        "medicationReference": {"reference": "Medication/9"},
    }
    found = row(reading(known, order), "medication")
    assert (found["code_system"], found["code"], found["name"]) == ("rxnorm", "6809", "Metformin")
    assert row(reading(order), "medication")["name"] == "Medication/9"


def test_a_panel_without_a_value_is_set_aside_and_a_cancelled_one_is_not(reading: Read) -> None:
    panel = result(valueQuantity=None, hasMember=[{"reference": "Observation/o1"}])
    found = reading(panel, {**panel, "status": "cancelled"})
    assert reasons(found) == {1: "record_not_used:panel"}
    assert row(found)["source_status"] == "cancelled"


def test_lines_that_are_bundles_are_read(reading: Read) -> None:
    found = reading(holding(result(), {"resourceType": "Encounter"}), holding(), result(id="o3"))
    assert [(r["line"], r["result_id"]) for r in rows(found)] == [(1, "o1"), (3, "o3")]
    assert reasons(found) == {2: "record_not_used:Bundle"}
    assert_accounted(found)


def test_a_known_code_is_chosen_before_an_unknown_one_of_its_system(reading: Read) -> None:
    codes = [{"system": LOINC, "code": "99999-9"}, {"system": LOINC, "code": "2345-7"}]
    for coding in (codes, codes[::-1]):
        assert row(reading(result(code={"coding": coding})))["source_code"] == "2345-7"


def test_of_local_codes_the_chosen_one_is_taken(reading: Read) -> None:
    codes = [{"system": "urn:a", "code": "A"}, {"system": "urn:b", "code": "B"}]
    assert row(reading(result(code={"coding": codes})))["source_code"] == "A"
    codes[1]["userSelected"] = True  # type: ignore[assignment]
    assert row(reading(result(code={"coding": codes})))["source_code"] == "B"


# ------------------------------------------------------------ versions


CONDITION = {"resourceType": "Condition", "subject": {"reference": "Patient/p1"}, "id": "c"}
STATEMENT = {"resourceType": "MedicationStatement", "id": "m", "status": "active"}
ACTIVE = {"coding": [{"code": "active"}]}


@pytest.mark.parametrize(
    ("former", "twin"),
    [
        (result(related=[{"type": "has-member"}]), result(hasMember=[{"reference": "x/1"}])),
        (result(comment="late"), result(note=[{"text": "late"}])),
        (result(comments="late"), result(note=[{"text": '"comments": late'}])),
        (result(context={"reference": "E/1"}), result(encounter={"reference": "E/1"})),
        (
            result(meta={"profile": ["https://fhir.hl7.org.uk/STU3/StructureDefinition/X"]}),
            result(meta={"profile": ["http://hl7.org/fhir/StructureDefinition/STU3"]}),
        ),
        ({**CONDITION, "clinicalStatus": "active"}, {**CONDITION, "clinicalStatus": ACTIVE}),
        ({**STATEMENT, "taken": "n"}, {**STATEMENT, "context": {"reference": "E/1"}}),
    ],
)
def test_a_former_version_is_refused_by_name(reading: Read, former: Json, twin: Json) -> None:
    found = reading(former, twin)
    assert reasons(found) == {1: f"version_not_read:{former['resourceType']}"}
    assert_accounted(found)


@pytest.mark.parametrize(
    ("version", "refused"), [("3.0.2", True), ("1.0.2", True), ("4.0.1", False)]
)
def test_a_statement_of_a_former_version_refuses_the_file(
    reading: Read, version: str, refused: bool
) -> None:
    text = json.dumps({"resourceType": "CapabilityStatement", "fhirVersion": version})
    if refused:
        with pytest.raises(UnreadableError, match="version_not_read"):
            reading(text)
    else:
        assert reasons(reading(text)) == {1: "resource_not_used:CapabilityStatement"}


def test_a_medication_of_r5_is_read(reading: Read) -> None:
    five = {**STATEMENT, "medication": {"concept": {"text": "Metformin"}}}
    found = row(reading(five), "medication")
    assert (found["name"], found["record_id"]) == ("Metformin", "MedicationStatement/m")


@pytest.mark.parametrize(
    ("status", "said"), [("not-done", "not-taken"), ("completed", "completed")]
)
def test_a_drug_that_was_not_given_is_not_taken(reading: Read, status: str, said: str) -> None:
    given = {
        "resourceType": "MedicationAdministration",
        "id": "a",
        "status": status,
        "medicationCodeableConcept": {"text": "Insulin"},
        "effectiveDateTime": "2024-01-01",
    }
    found = row(reading(given), "medication")
    assert (found["source_status"], found["source_start"]) == (said, "2024-01-01")


# ------------------------------------------------------------ size and damage


def test_a_bundle_is_read_in_blocks_of_any_size(
    reading: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = holding(*(result(id=f"o{n}", valueString=None) for n in range(40)))
    whole = rows(reading(text))
    monkeypatch.setattr(fhir_documents, "BLOCK", 7)
    assert rows(reading(text)) == whole
    assert len(whole) == 40


def test_of_a_bundle_that_breaks_off_what_came_before_is_read(reading: Read) -> None:
    text = holding(result(), result(id="o2"), result(id="o3"))
    found = reading(text[: text.index('"o3"')])
    assert [r["result_id"] for r in rows(found)] == ["o1", "o2"]
    assert reasons(found) == {3: "json_broken:the rest of the Bundle"}
    assert_accounted(found)


def test_an_entry_longer_than_is_read_ends_the_bundle(
    reading: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fhir_documents, "BLOCK", 100)
    monkeypatch.setattr(fhir_documents, "LONGEST", 1000)
    found = reading(holding(result(), result(valueString="x" * 3000, valueQuantity=None)))
    assert reasons(found) == {2: "json_broken:the rest of the Bundle"}
    assert_accounted(found)


@pytest.mark.parametrize(
    "odd",
    [
        '{"resourceType":"Observation","contained":5}',
        '{"resourceType":"Observation","contained":[5,null,[],{"resourceType":7}]}',
        '{"resourceType":"Observation","contained":[' + "[" * 5000 + "]" * 5000 + "]}",
        '{"resourceType":"Bundle","entry":[{"request":{"method":"DELETE","url":5}}]}',
        '{"resourceType":"Bundle","entry":[{"request":5},{"resource":{"resourceType":"Bundle"}}]}',
        '{"resourceType":"DiagnosticReport","status":"entered-in-error","result":[null,{}]}',
        '{"resourceType":"Specimen","collection":{"fastingStatusDuration":{"value":"x"}}}',
        '{"resourceType":"Observation","resourceType":"Patient","id":"x"}',
    ],
)
def test_hostile_lines_harm_only_themselves(reading: Read, odd: str) -> None:
    assert_accounted(
        reading(bundle({"resource": result()}, {"resource": "odd"}).replace('"odd"', odd))
    )
    found = reading(odd, result(id="good"))
    assert_accounted(found)
    assert "good" in {r["result_id"] for r in rows(found)}
