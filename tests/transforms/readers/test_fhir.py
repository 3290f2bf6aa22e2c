"""FHIR R4: each resource becomes rows or a reject, whatever the file looks like."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from transforms.landing import LANDING, PLACE, REJECTS, Opened, Reading, Source, UnreadableError
from transforms.readers import fhir

REAL = Path(__file__).parents[3].parent / "shared" / "realdata"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"

Read = Callable[[bytes], Reading]
Rows = Callable[..., list[dict[str, Any]]]
Row = Callable[[str, Any], dict[str, Any]]


def observation(**fields: Any) -> dict[str, Any]:
    """An insulin result with ``fields`` set, or left out where None."""
    whole = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "20448-7"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2024-03-01T08:10:00+01:00",
        "issued": "2024-03-01T18:00:00Z",
        "valueQuantity": {"value": 6.25, "unit": "uIU/mL", "system": UCUM, "code": "u[IU]/mL"},
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not None}


def ndjson(*resources: Any) -> bytes:
    lines = (r if isinstance(r, str) else json.dumps(r) for r in resources)
    return "".join(f"{line}\n" for line in lines).encode()


def bundle(*entries: dict[str, Any], indent: int | None = None) -> bytes:
    whole = {"resourceType": "Bundle", "type": "collection", "entry": list(entries)}
    return json.dumps(whole, indent=indent).encode()


@pytest.fixture
def reading(tmp_path: Path) -> Read:
    def of(content: bytes) -> Reading:
        path = tmp_path / "file"
        path.write_bytes(content)
        return fhir.read(Opened(path, "file.ndjson", Source("hospital", "fhir"), tmp_path))

    return of


@pytest.fixture
def rows(reading: Read) -> Rows:
    def of(table: str, *resources: Any) -> list[dict[str, Any]]:
        return reading(ndjson(*resources)).tables[table].collect().to_dicts()

    return of


@pytest.fixture
def row(rows: Rows) -> Row:
    def of(table: str, resource: Any) -> dict[str, Any]:
        found = rows(table, resource)
        assert len(found) == 1
        return found[0]

    return of


def reasons(found: Reading) -> dict[int, str]:
    return {r["line"]: r["reason"] for r in found.rejects.collect().to_dicts()}


def assert_every_row_ends_in_one_place(found: Reading) -> None:
    rejected = found.rejects.collect()["line"].to_list()
    kept = {line for table in found.tables.values() for line in table.collect()["line"]}
    assert len(rejected) == len(set(rejected))
    assert kept.isdisjoint(rejected)
    assert len(kept) + len(rejected) == found.rows_in


# ------------------------------------------------------------ Observation


def test_an_observation_becomes_a_landing_row_of_text(row: Row) -> None:
    found = row("observation", observation())
    assert list(found) == [*PLACE, *LANDING["observation"]]
    assert {name: value for name, value in found.items() if value is not None} == {
        "line": 1,
        "part": 0,
        "patient_id": "p1",
        "code_system": "loinc",
        "source_code": "20448-7",
        "source_value": "6.25",
        "source_unit": "u[IU]/mL",
        "source_observed_at": "2024-03-01T08:10:00+01:00",
        "source_reported_at": "2024-03-01T18:00:00Z",
        "source_status": "final",
        "result_id": "o1",
    }


@pytest.mark.parametrize(
    ("codings", "system", "code"),
    [
        (
            [{"system": "http://lab.example", "code": "INS"}, {"system": LOINC, "code": "1"}],
            "loinc",
            "1",
        ),
        ([{"system": "urn:x", "code": "INS"}, {"system": SNOMED, "code": "2"}], "snomed", "2"),
        ([{"system": SNOMED, "code": "2"}, {"system": LOINC, "code": "1"}], "loinc", "1"),
        ([{"system": "urn:x", "code": "INS"}, {"system": "urn:y", "code": "I"}], "local", "INS"),
        ([{"code": "INS"}], "local", "INS"),
        ([{"system": LOINC}, {"system": SNOMED, "code": "2"}], "snomed", "2"),
        ([{"system": f"{SNOMED}/731000124108", "code": "2"}], "snomed", "2"),
        ([{"system": "urn:oid:2.16.840.1.113883.6.1", "code": "1"}], "loinc", "1"),
        ([{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11"}], "icd10", "E11"),
    ],
)
def test_a_loinc_code_is_preferred_wherever_it_stands(
    row: Row, codings: list[dict[str, str]], system: str, code: str
) -> None:
    found = row("observation", observation(code={"coding": codings, "text": "Insulin"}))
    assert (found["code_system"], found["source_code"]) == (system, code)


def test_a_code_of_text_alone_is_local(row: Row) -> None:
    found = row("observation", observation(code={"text": "Insulin"}))
    assert (found["code_system"], found["source_code"]) == ("local", "Insulin")


@pytest.mark.parametrize(
    ("reference", "patient"),
    [
        ("Patient/x", "x"),
        ("https://a.example/r4/Patient/x", "x"),
        ("https://a.example/r4/Patient/x/_history/3", "x"),
        ("urn:uuid:0a-1b", "0a-1b"),
        ("Group/g", None),
        ("Patient?identifier=http://a|1", None),
    ],
)
def test_the_patient_is_read_from_any_kind_of_reference(
    row: Row, reference: str, patient: str | None
) -> None:
    assert (
        row("observation", observation(subject={"reference": reference}))["patient_id"] == patient
    )


def test_an_observation_of_nobody_has_no_patient(row: Row) -> None:
    assert row("observation", observation(subject=None))["patient_id"] is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"valueQuantity": {"value": 5}}, "5"),
        ({"valueQuantity": {"value": 0.1}}, "0.1"),
        ({"valueQuantity": {"value": -139.9996742575894}}, "-139.9996742575894"),
        ({"valueInteger": 7}, "7"),
        ({"valueString": "<2"}, "<2"),
        ({"valueBoolean": True}, "true"),
        ({"valueCodeableConcept": {"text": "Many", "coding": [{"code": "1"}]}}, "Many"),
        ({"valueCodeableConcept": {"coding": [{"code": "1"}]}}, "1"),
        ({"valueRange": {"low": {"value": 1}, "high": {"value": 3}}}, "1-3"),
        ({"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}}, "1:128"),
        ({"valueDateTime": "2024"}, "2024"),
        ({}, None),
    ],
)
def test_each_kind_of_value_is_kept_as_text(
    row: Row, value: dict[str, Any], said: str | None
) -> None:
    assert (
        row("observation", observation(**{"valueQuantity": None, **value}))["source_value"] == said
    )


@pytest.mark.parametrize("written", ["6.022e23", "1.0e-22", "1E+2", "12345678901234567890", "1.10"])
def test_a_number_keeps_its_worth_however_it_is_written(row: Row, written: str) -> None:
    line = json.dumps(observation(valueQuantity={"value": 1.5})).replace("1.5", written)
    assert float(row("observation", line)["source_value"]) == float(written)


def test_the_comparator_stands_apart_from_the_value(row: Row) -> None:
    found = row("observation", observation(valueQuantity={"value": 60, "comparator": ">"}))
    assert (found["source_comparator"], found["source_value"]) == (">", "60")


@pytest.mark.parametrize(
    ("quantity", "unit"),
    [
        ({"unit": "mU/L", "system": UCUM, "code": "m[IU]/L"}, "m[IU]/L"),
        ({"unit": "mU/L", "system": "METRIC", "code": "1"}, "mU/L"),
        ({"code": "mg/dL"}, "mg/dL"),
        ({"unit": "mU/L", "system": UCUM}, "mU/L"),
    ],
)
def test_the_unit_is_the_ucum_code_where_there_is_one(
    row: Row, quantity: dict[str, str], unit: str
) -> None:
    found = row("observation", observation(valueQuantity={"value": 1, **quantity}))
    assert found["source_unit"] == unit


@pytest.mark.parametrize(
    ("given", "observed"),
    [
        ({"effectiveInstant": "2024-01-01T00:00:00Z"}, "2024-01-01T00:00:00Z"),
        ({"effectivePeriod": {"start": "2013-04-02", "end": "2013-04-05"}}, "2013-04-02"),
        ({"effectiveDateTime": "2010"}, "2010"),
        ({"effectiveDateTime": "2010-05"}, "2010-05"),
        ({"effectiveDateTime": "0385-07-25T07:06:40+00:00"}, "0385-07-25T07:06:40+00:00"),
        ({}, None),
    ],
)
def test_the_time_of_observation_passes_through_as_written(
    row: Row, given: dict[str, Any], observed: str | None
) -> None:
    found = row("observation", observation(**{"effectiveDateTime": None, **given}))
    assert found["source_observed_at"] == observed


def test_last_updated_stands_in_for_a_missing_issue_time(row: Row) -> None:
    found = row("observation", observation(issued=None, meta={"lastUpdated": "2024-05-05"}))
    assert found["source_reported_at"] == "2024-05-05"


def test_absent_data_leaves_no_value_and_says_why_in_the_comment(row: Row) -> None:
    absent = {"coding": [{"code": "unknown"}]}
    notes = [{"text": "Tube broken"}, {"text": "leaked"}]
    found = row(
        "observation",
        observation(valueQuantity=None, dataAbsentReason=absent, note=notes, status="cancelled"),
    )
    assert found["source_value"] is None
    assert found["source_status"] == "cancelled"
    assert found["comment"] == "Tube broken; leaked; dataAbsentReason=unknown"


def test_the_laboratory_is_an_organisation_before_a_person(row: Row) -> None:
    performers = [
        {"reference": "Practitioner/1", "display": "A. Person"},
        {"reference": "Organization/2", "display": "City Lab"},
    ]
    assert row("observation", observation(performer=performers))["lab"] == "City Lab"
    assert row("observation", observation(performer=performers[:1]))["lab"] == "A. Person"
    assert row("observation", observation(performer=[{"reference": "x/1"}]))["lab"] == "x/1"


def test_the_assay_is_the_method_or_else_the_device(row: Row) -> None:
    method = {"coding": [{"display": "Immunoassay"}]}
    assert row("observation", observation(method=method))["assay"] == "Immunoassay"
    assert row("observation", observation(device={"display": "Cobas"}))["assay"] == "Cobas"
    both = observation(method={**method, "text": "ECLIA"}, device={"display": "Cobas"})
    assert row("observation", both)["assay"] == "ECLIA"


def component(code: str, **value: Any) -> dict[str, Any]:
    return {"code": {"coding": [{"system": LOINC, "code": code}]}, **value}


def test_each_component_with_a_value_is_a_row_of_its_own(rows: Rows) -> None:
    parts = [
        component("8480-6", valueQuantity={"value": 120, "unit": "mm[Hg]"}),
        component("8462-4", dataAbsentReason={"coding": [{"code": "unknown"}]}),
        component("8867-4", valueInteger=61),
    ]
    found = rows("observation", observation(valueQuantity=None, component=parts))
    assert [(r["part"], r["result_id"], r["source_value"], r["comment"]) for r in found] == [
        (1, "o1#8480-6", "120", None),
        (2, "o1#8462-4", None, "dataAbsentReason=unknown"),
        (3, "o1#8867-4", "61", None),
    ]
    assert {r["patient_id"] for r in found} == {"p1"}


def test_an_own_value_beside_components_is_part_0(rows: Rows) -> None:
    found = rows("observation", observation(component=[component("1", valueInteger=1)]))
    assert [(r["part"], r["result_id"]) for r in found] == [(0, "o1"), (1, "o1#1")]


def test_components_without_any_value_still_leave_the_observation_a_row(row: Row) -> None:
    found = row("observation", observation(valueQuantity=None, component=[component("1")]))
    assert (found["part"], found["source_value"], found["result_id"]) == (0, None, "o1")


def test_two_components_of_one_code_do_not_take_each_others_place(rows: Rows) -> None:
    parts = [component("1", valueInteger=n) for n in (5, 6)]
    found = rows("observation", observation(valueQuantity=None, component=parts))
    assert [r["result_id"] for r in found] == ["o1#1#1", "o1#1#2"]


@pytest.mark.parametrize(
    "twice",
    [
        observation(valueString="6.3"),
        observation(component=[component("1", valueInteger=1, valueString="1")]),
    ],
)
def test_a_value_given_twice_is_rejected(reading: Read, twice: dict[str, Any]) -> None:
    found = reading(ndjson(observation(), twice))
    assert reasons(found) == {2: "json_broken:value[x] more than once"}
    assert_every_row_ends_in_one_place(found)


# ------------------------------------------------------------ other resources


def test_a_patient_is_read_with_the_one_it_was_merged_into(row: Row) -> None:
    patient = {
        "resourceType": "Patient",
        "id": "p1",
        "birthDate": "1961-02",
        "gender": "female",
        "meta": {"lastUpdated": "2024-01-01"},
        "link": [
            {"type": "seealso", "other": {"reference": "Patient/p0"}},
            {"type": "replaced-by", "other": {"reference": "Patient/p2"}},
        ],
    }
    found = row("patient", patient)
    assert [found[name] for name in LANDING["patient"]] == [
        *("p1", "1961-02", "female", None, "p2", None, "2024-01-01")
    ]


def test_a_condition_is_read(row: Row) -> None:
    condition = {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": SNOMED, "code": "44054006", "display": "Diabetes"}]},
        "verificationStatus": {"coding": [{"code": "refuted"}]},
        "recordedDate": "2020-01-01",
        "abatementDateTime": "2021-01-01",
    }
    found = row("condition", condition)
    assert [found[name] for name in LANDING["condition"]] == [
        *("p1", "snomed", "44054006", "Diabetes", "2020-01-01", "2021-01-01", "refuted", "c1", None)
    ]


def medication(**fields: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2022-01-01",
        **fields,
    }


METFORMIN = {
    "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "6809"}],
    "text": "Metformin",
}


def test_a_medication_request_is_read(row: Row) -> None:
    supply = {"validityPeriod": {"end": "2023-01-01"}}
    found = row(
        "medication", medication(medicationCodeableConcept=METFORMIN, dispenseRequest=supply)
    )
    assert [found[name] for name in LANDING["medication"]] == [
        *(
            "p1",
            "rxnorm",
            "6809",
            "Metformin",
            None,
            "2022-01-01",
            "2023-01-01",
            "active",
            "m1",
            None,
        )
    ]


def test_a_medication_statement_is_read(row: Row) -> None:
    statement = {
        **medication(medicationCodeableConcept=METFORMIN, authoredOn=None),
        "resourceType": "MedicationStatement",
        "effectivePeriod": {"start": "2020", "end": "2021"},
    }
    found = row("medication", statement)
    assert (found["source_start"], found["source_end"], found["code"]) == ("2020", "2021", "6809")


def test_a_contained_medication_is_found_by_its_name(row: Row) -> None:
    contained = [
        {"resourceType": "Medication", "id": "a", "code": {"text": "Aspirin"}},
        {"resourceType": "Medication", "id": "b", "code": METFORMIN},
    ]
    found = row(
        "medication", medication(contained=contained, medicationReference={"reference": "#b"})
    )
    assert (found["code"], found["name"]) == ("6809", "Metformin")


def test_a_contained_resource_of_another_shape_costs_nothing(row: Row) -> None:
    role = {"resourceType": "PractitionerRole", "id": "r", "code": [{"text": "doctor"}]}
    found = row("medication", medication(contained=[role], medicationCodeableConcept=METFORMIN))
    assert found["name"] == "Metformin"


def test_a_medication_kept_elsewhere_is_named_by_its_reference(row: Row) -> None:
    found = row("medication", medication(medicationReference={"reference": "Medication/9"}))
    assert (found["name"], found["code"]) == ("Medication/9", None)


def test_an_order_not_to_take_something_is_not_read_as_taking_it(row: Row) -> None:
    found = row("medication", medication(medicationCodeableConcept=METFORMIN, doNotPerform=True))
    assert found["source_status"] == "do-not-perform"


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ({"resourceType": "Encounter", "status": {"odd": 1}}, "resource_not_used:Encounter"),
        ({"resourceType": "MedicationOrder"}, "version_not_read:MedicationOrder"),
        ({"resourceType": "Jane Doe 555-1234"}, "json_broken"),
        ({"resourceType": ["Observation"]}, "json_broken"),
        ({"exportId": "x"}, "json_broken"),
        ({"resourceType": "Bundle", "entry": []}, "record_not_used:Bundle"),
        ([], "json_broken"),
        ("null", "json_broken"),
        ("5", "json_broken"),
        ('{"resourceType":"Observation","id":"x"', "json_broken"),
        ('{"resourceType":"Observation"},{"resourceType":"Observation"}', "json_broken"),
        ('{"resourceType":"Observation","code":5}', "json_broken"),
        ('{"resourceType":"Observation","valueQuantity":"5 mg"}', "json_broken"),
        ('{"resourceType":"Observation","valueString":"\\ud800 x"}', "json_broken"),
        ('{"resourceType":"Observation","valueString":"a\\u0000"}', "nul_byte"),
        ('{"resourceType":"X","z":' + "[" * 5000 + "]" * 5000 + "}", "json_broken"),
    ],
)
def test_what_gives_no_row_is_rejected_with_its_reason(
    reading: Read, resource: Any, reason: str
) -> None:
    found = reading(ndjson(observation(), resource, observation(id="o3")))
    assert reasons(found) == {2: reason}
    assert found.tables["observation"].collect()["line"].to_list() == [1, 3]
    assert_every_row_ends_in_one_place(found)


def test_a_line_cut_in_two_does_not_borrow_from_its_neighbour(reading: Read) -> None:
    halves = ['{"resourceType":"Observation","note":[{"text":"a"}', '{"text":"b"}]}']
    double = '{"resourceType":"Observation"},{"resourceType":"Observation"}'
    found = reading(ndjson(observation(), *halves, double, observation(id="o5")))
    assert reasons(found) == {2: "json_broken", 3: "json_broken", 4: "json_broken"}
    assert found.tables["observation"].collect()["result_id"].to_list() == ["o1", "o5"]


def test_the_type_is_that_of_the_resource_and_not_of_one_contained_in_it(rows: Rows) -> None:
    inner = {"resourceType": "Patient", "id": "inner"}
    last = {"contained": [inner], **observation(), "id": "outer"}
    del last["resourceType"]
    found = rows("observation", {**last, "resourceType": "Observation"})
    assert [r["result_id"] for r in found] == ["outer"]


def test_paired_surrogates_are_one_character(row: Row) -> None:
    assert (
        row("observation", observation(valueQuantity=None, valueString="😀"))["source_value"]
        == "😀"
    )


# ------------------------------------------------------------ files


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_byte_order_mark_line_ends_and_blank_lines_change_nothing(
    reading: Read, mark: bytes, end: bytes
) -> None:
    content = ndjson(observation(), observation(id="o2")).replace(b"\n", end + b"  " + end)
    found = reading(mark + content)
    assert found.rows_in == 2
    assert found.tables["observation"].collect()["line"].to_list() == [1, 3]
    assert_every_row_ends_in_one_place(found)


def test_undecodable_bytes_reject_their_line_only(reading: Read) -> None:
    broken = ndjson(observation(status="f\N{LATIN SMALL LETTER U WITH DIAERESIS}r")).replace(
        b"\\u00fc", b"\xfc"
    )
    found = reading(ndjson(observation()) + broken + ndjson(observation()))
    assert reasons(found) == {2: "encoding"}


@pytest.mark.parametrize("indent", [None, 2])
def test_a_single_resource_is_one_row(reading: Read, indent: int | None) -> None:
    found = reading(json.dumps(observation(), indent=indent).encode())
    assert found.rows_in == 1
    assert found.tables["observation"].collect()["line"].to_list() == [1]


@pytest.mark.parametrize("indent", [None, 2])
def test_an_entry_of_a_bundle_is_a_row_and_keeps_its_text(
    reading: Read, indent: int | None
) -> None:
    entries = (
        {"resource": {"resourceType": "Encounter"}},
        {"response": {}},
        {"resource": observation(valueString="a\nb  c", valueQuantity=None)},
    )
    found = reading(bundle(*entries, indent=indent))
    kept = found.tables["observation"].collect().row(0, named=True)
    assert (found.rows_in, kept["line"]) == (2, 2)
    assert reasons(found) == {1: "resource_not_used:Encounter"}
    assert found.lines is not None
    lines = [json.loads(line) for line in found.lines.read_text().splitlines()]
    assert lines == [entries[0]["resource"], entries[2]["resource"]]


def test_references_inside_a_transaction_are_resolved(reading: Read) -> None:
    entries = [
        {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "id": "p9"}},
        {"fullUrl": "urn:uuid:2", "resource": {"resourceType": "Medication", "code": METFORMIN}},
        {
            "fullUrl": "urn:uuid:3",
            "resource": observation(id=None, subject={"reference": "urn:uuid:1"}),
        },
        {
            "resource": medication(
                subject={"reference": "urn:uuid:1"}, medicationReference={"reference": "urn:uuid:2"}
            )
        },
    ]
    found = reading(bundle(*entries))
    result = found.tables["observation"].collect().row(0, named=True)
    taken = found.tables["medication"].collect().row(0, named=True)
    assert (result["patient_id"], result["result_id"]) == ("p9", "3")
    assert (taken["patient_id"], taken["code"], taken["name"]) == ("p9", "6809", "Metformin")


def test_odd_entries_are_rejected_one_by_one(reading: Read) -> None:
    found = reading(bundle(5, {"resource": 5}, {"resource": {}}, {"resource": observation()}))
    assert reasons(found) == dict.fromkeys((1, 2, 3), "json_broken")
    assert_every_row_ends_in_one_place(found)


def test_an_empty_bundle_has_no_rows(reading: Read) -> None:
    found = reading(bundle())
    assert (found.rows_in, dict(found.tables)) == (0, {})
    assert found.rejects.collect().schema == REJECTS


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "file_empty"),
        (b"patient,value\nJane,5\n", "json_broken"),
        (b'{"resourceType":"Observation","valueString":"Jane', "json_broken"),
        (bundle({"resource": observation(status="Jane")}, indent=1)[:-99], "json_broken"),
        (b'[{"resourceType":"Observation","status":"Jane"}]', "format_unknown"),
        (b'{"resourceType":"Bundle","entry":{"status":"Jane"}}', "json_broken"),
    ],
)
def test_what_is_no_fhir_file_is_refused_without_repeating_its_data(
    reading: Read, content: bytes, reason: str
) -> None:
    with pytest.raises(UnreadableError) as raised:
        reading(content)
    assert raised.value.reason == reason
    assert "Jane" not in str(raised.value)


def test_a_broken_first_line_is_rejected_alone(reading: Read) -> None:
    found = reading(b'{"resourceType":\n' + ndjson(observation()))
    assert reasons(found) == {1: "json_broken"}
    assert_every_row_ends_in_one_place(found)


# ------------------------------------------------------------ damage


MIXED = ndjson(
    observation(component=[component("1", valueInteger=17)]),
    {"resourceType": "Patient", "id": "p1", "birthDate": "1961-02-03"},
    medication(medicationCodeableConcept=METFORMIN),
)
BUNDLED = bundle({"resource": observation()}, {"resource": medication()}, indent=1)


def texts(found: Reading) -> set[str]:
    frames = [table.collect().drop("source_row") for table in found.tables.values()]
    return {v for frame in frames for row in frame.rows() for v in row if isinstance(v, str)}


@pytest.mark.parametrize("content", [MIXED, BUNDLED], ids=["ndjson", "bundle"])
def test_a_file_cut_anywhere_gives_no_value_that_was_not_in_it(
    reading: Read, content: bytes
) -> None:
    whole = texts(reading(content))
    for size in range(1, len(content), 11):
        try:
            found = reading(content[:size])
        except UnreadableError:
            continue
        assert texts(found) <= whole
        assert_every_row_ends_in_one_place(found)


@pytest.mark.parametrize("content", [MIXED, BUNDLED], ids=["ndjson", "bundle"])
def test_flipped_bits_lose_no_row(reading: Read, content: bytes) -> None:
    chance = np.random.default_rng(20240301)
    for place, bit in chance.integers((0, 0), (len(content), 8), (200, 2)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(bit)
        try:
            found = reading(bytes(damaged))
        except UnreadableError:
            continue
        assert_every_row_ends_in_one_place(found)


def test_many_bad_lines_cost_only_themselves(reading: Read) -> None:
    chance = np.random.default_rng(7)
    lines = [json.dumps(observation(id=f"o{n}")) for n in range(20_000)]
    bad = sorted(chance.choice(20_000, 2_000, replace=False).tolist())
    for n in bad:
        cut, reshaped = lines[n][:-9], lines[n].replace('"code": {', '"code": 5, "x": {')
        lines[n] = cut if n % 2 else reshaped
    found = reading(ndjson(*lines))
    assert reasons(found) == {n + 1: "json_broken" for n in bad}
    assert_every_row_ends_in_one_place(found)


def test_lines_are_numbered_through_all_spans_of_a_file(
    reading: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = reading(ndjson(*(observation(id=f"o{n}") for n in range(50))))
    expected = whole.tables["observation"].collect()
    monkeypatch.setattr(fhir, "SPAN", 700)
    found = reading(ndjson(*(observation(id=f"o{n}") for n in range(50))))
    assert found.tables["observation"].collect().equals(expected)


# ------------------------------------------------------------ real files


def real(*parts: str) -> bytes:
    path = REAL.joinpath(*parts)
    if not path.exists():
        pytest.skip("the real samples are not beside the repository")
    return path.read_bytes()


def test_every_real_sample_is_accounted_for(reading: Read) -> None:
    files = sorted([*REAL.glob("fhir_*/*json"), *REAL.glob("cdc_reportstream/**/*.fhir")])
    if not files:
        pytest.skip("the real samples are not beside the repository")
    for path in files:
        assert_every_row_ends_in_one_place(reading(path.read_bytes()))


def test_synthea_observations_keep_blood_pressure_as_two_results(reading: Read) -> None:
    found = reading(real("fhir_synthea_pathling", "Observation.ndjson"))
    results = found.tables["observation"].collect()
    assert found.rows_in == 1502
    assert found.rejects.collect().is_empty()
    assert results["code_system"].unique().to_list() == ["loinc"]
    assert results.filter(pl.col("part") > 0)["source_code"].n_unique() >= 2
    assert results["result_id"].is_unique().all()


def test_a_synthea_transaction_names_one_patient_throughout(reading: Read) -> None:
    (name,) = [p.name for p in REAL.glob("fhir_bulk_data_server/*.json")] or ["absent"]
    found = reading(real("fhir_bulk_data_server", name))
    patient = found.tables["patient"].collect()["patient_id"].item()
    for table in ("observation", "condition", "medication"):
        assert found.tables[table].collect()["patient_id"].unique().to_list() == [patient]
    assert Counter(r.split(":")[0] for r in reasons(found).values()).keys() == {"resource_not_used"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("observation-example-unsat", {"source_value": None, "source_status": "cancelled"}),
        ("observation-example-f202-temperature", {"source_status": "entered-in-error"}),
        ("observation-example-f205-egfr", {"source_value": "60", "source_comparator": ">"}),
        ("observation-example-bloodpressure-cancel", {"part": 1, "source_value": None}),
        ("observation-example-bloodpressure-dar", {"part": 1, "source_value": "107"}),
        ("observation-example-f001-glucose", {"source_value": "6.3", "source_unit": "mmol/L"}),
    ],
)
def test_the_examples_of_the_standard_say_what_they_say(
    reading: Read, name: str, expected: dict[str, Any]
) -> None:
    found = reading(real("fhir_r4_examples", f"{name}.json")).tables["observation"].collect()
    assert expected.items() <= found.row(0, named=True).items()


def test_a_choice_made_twice_in_a_real_file_is_rejected(reading: Read) -> None:
    name = "observation_invalid_multiple_choicex_provided.json"
    found = reading(real("fhir_google_jsonformat", name))
    assert reasons(found) == {1: "json_broken:value[x] more than once"}
