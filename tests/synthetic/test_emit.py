from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.landing import Opened, Source
from transforms.readers import reader
from transforms.synthetic import emit

Emit = Callable[[pl.DataFrame], bytes]

LABS = pl.DataFrame(
    [
        ("P1", "2026-01-02T08:00:00+01:00", "27873-9", "12.0", "u[IU]/mL", "yes", "F", "a"),
        ("P1", "2026-01-02T08:00:00+01:00", "1558-6", "91", "mg/dL", "yes", "C", "b"),
        ("P2", "2026-07-02T08:30:00+02:00", "59179-2", "<12", "pmol/L", None, "P", "c"),
        ("P2", "2026-07-02T08:30:00+02:00", "14771-0", "5.10", "mmol/L", None, "F", "d"),
        ("P3", "2026-07-02T08:30:00+02:00", "27873-9", None, None, None, "X", "e"),
        ("P3", "2026-07-02T08:30:00+02:00", "27873-9", "HEMOLYZED", None, None, "F", "f"),
        ("P4", "2026-07-02T08:30:00+02:00", "49541-6", "no", None, None, "F", "g"),
        ("P4", "2026-07-02T08:30:00+02:00", "27873-9", None, None, None, "W", "h"),
        ("P4", "2026-07-02T08:30:00+02:00", "INS-F", "7.1", "uIU/tube", None, "F", "i"),
    ],
    schema=[
        *("patient_id", "collected_at", "code", "value", "unit", "fasting", "status", "result_id")
    ],
    orient="row",
).with_columns(
    lab=pl.lit("Laboratorio Città Alta, Bergamo"),
    assay=pl.lit('the "new" one'),
    reported_at=pl.lit("2026-07-03T14:00:00+02:00"),
)
PATIENTS = pl.DataFrame(
    {
        "patient_id": ["P1", "P2"],
        "birth_date": ["1970-02-03", "1981-12-31"],
        "sex": ["female", "male"],
        "time_zone": ["Europe/Rome", None],
        "merged_into": [None, "P1"],
    }
)
MEDICATIONS = pl.DataFrame(
    {
        "patient_id": ["P1", "P1"],
        "name": ["Metformin 850 mg", "Some, other"],
        "class": ["biguanide", "other"],
        "start_date": ["2020-01-02", None],
        "end_date": [None, "2021-03-04"],
    }
)
CONDITIONS = pl.DataFrame(
    {
        "patient_id": ["P1", "P2"],
        "code": ["E11.9", "R73.03"],
        "name": ["Type 2 diabetes mellitus, without complications", "Prediabetes"],
        "onset_date": ["2020-01-02", "2021-01-02"],
        "end_date": [None, "2022-03-04"],
    }
)
VITALS = pl.DataFrame(
    {
        "patient_id": ["P1"],
        "observed_at": ["2026-01-02T08:00"],
        "code": ["29463-7"],
        "value": ["81.0"],
        "unit": ["kg"],
    }
)
TABLES: list[tuple[str, Emit, pl.DataFrame, tuple[str, ...]]] = [
    ("labs", emit.labs_csv, LABS, emit.LABS),
    ("patients", emit.patients_csv, PATIENTS, emit.PATIENTS),
    ("medications", emit.medications_csv, MEDICATIONS, emit.MEDICATIONS),
    ("conditions", emit.conditions_csv, CONDITIONS, emit.CONDITIONS),
    ("vitals", emit.vitals_csv, VITALS, emit.VITALS),
]
LANDED = {
    "collected_at": "source_observed_at",
    "observed_at": "source_observed_at",
    "reported_at": "source_reported_at",
    "code": "source_code",
    "value": "source_value",
    "unit": "source_unit",
    "fasting": "source_fasting",
    "status": "source_status",
    "birth_date": "source_birth_date",
    "sex": "source_sex",
}
SPANS = {"start_date": "source_start", "onset_date": "source_start", "end_date": "source_end"}


def read(
    tmp_path: Path, kind: str, name: str, data: bytes, patient_id: str | None = None
) -> dict[str, pl.DataFrame]:
    path = tmp_path / "file"
    path.write_bytes(data)
    source = Source(kind, kind, "Europe/Rome")
    reading = reader(kind)(Opened(path, name, source, tmp_path, patient_id))
    tables = {table: frame.collect() for table, frame in reading.tables.items()}
    return {**tables, "rejects": reading.rejects.collect()}


def landed(frame: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    return frame.rename({old: new for old, new in names.items() if old in frame.columns})


def lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.decode().split("\n") if line]


def members(value: object) -> list[tuple[str, object]]:
    """Every name and value at any depth."""
    if isinstance(value, dict):
        return [*value.items(), *(m for v in value.values() for m in members(v))]
    return [m for v in value for m in members(v)] if isinstance(value, list) else []


@pytest.mark.parametrize(("name", "write", "frame", "columns"), TABLES)
def test_a_csv_has_the_columns_of_the_contract_and_lf_ends(
    name: str, write: Emit, frame: pl.DataFrame, columns: tuple[str, ...]
) -> None:
    text = write(frame).decode("utf-8")
    rows = list(csv.reader(io.StringIO(text)))
    assert tuple(rows[0]) == columns, name
    assert "\r" not in text
    assert text.endswith("\n")
    shown = frame.select(columns).cast(pl.String).fill_null("").rows()
    assert [tuple(row) for row in rows[1:]] == shown


@pytest.mark.parametrize(("name", "write", "frame", "columns"), TABLES)
def test_the_clinics_reader_reads_a_csv_back(
    tmp_path: Path, name: str, write: Emit, frame: pl.DataFrame, columns: tuple[str, ...]
) -> None:
    read_back = read(tmp_path, "clinic_csv", f"{name}-x.csv", write(frame))
    rejects = read_back.pop("rejects")
    (table,) = read_back.values()
    renamed = landed(
        frame.select(columns), SPANS if name in ("medications", "conditions") else LANDED
    )
    assert table.select(renamed.columns).rows() == renamed.rows()
    assert rejects.is_empty()


def test_an_observation_read_back_holds_what_the_row_said(tmp_path: Path) -> None:
    found = read(tmp_path, "fhir", "observation.ndjson", emit.observation_ndjson(LABS))
    observations = found["observation"]
    same = ["patient_id", "source_code", "source_observed_at", "source_reported_at"]
    same += ["lab", "assay", "result_id"]
    expected = landed(LABS, LANDED)
    assert observations.select(same).rows() == expected.select(same).rows()
    # The reader may shorten a JSON number: 12.0 and 12 are one value.
    shown = [v.removesuffix(".0").replace("5.10", "5.1") for v in LABS["value"].fill_null("")]
    comparators = observations["source_comparator"].fill_null("")
    values = observations["source_value"].fill_null("").str.replace(r"(\.\d*?)0+$", "${1}")
    assert [f"{a}{b.removesuffix('.')}" for a, b in zip(comparators, values, strict=True)] == shown
    assert observations["source_unit"].to_list() == LABS["unit"].to_list()
    assert found["rejects"].is_empty()


def test_a_status_of_hl7_becomes_one_of_fhir() -> None:
    statuses = [line["status"] for line in lines(emit.observation_ndjson(LABS))]
    assert statuses == [
        *("final", "corrected", "preliminary", "final", "cancelled", "final", "final"),
        *("entered-in-error", "final"),
    ]


def test_a_decimal_keeps_the_digits_it_was_written_with() -> None:
    written = emit.observation_ndjson(LABS)
    assert b'"value":12.0,' in written
    assert b'"value":5.10,' in written


def test_only_a_known_unit_is_called_ucum_and_only_a_loinc_code_loinc() -> None:
    local = lines(emit.observation_ndjson(LABS))[-1]
    assert local["valueQuantity"] == {"value": 7.1, "unit": "uIU/tube"}
    assert local["code"]["coding"][0]["system"] != "http://loinc.org"


@pytest.mark.parametrize(
    ("write", "frame"),
    [
        (emit.observation_ndjson, LABS),
        (emit.patient_ndjson, PATIENTS),
        (emit.condition_ndjson, CONDITIONS),
        (emit.medication_ndjson, MEDICATIONS),
    ],
)
def test_a_resource_has_no_null_and_nothing_empty_and_one_value_at_most(
    write: Emit, frame: pl.DataFrame
) -> None:
    resources = lines(write(frame))
    assert len(resources) == frame.height
    for resource in resources:
        assert all(value not in (None, "", [], {}) for _, value in members(resource))
        assert sum(name.startswith("value") for name in resource) <= 1
        assert resource["id"]


def test_nothing_at_all_is_an_empty_file() -> None:
    assert emit.observation_ndjson(LABS.clear()) == b""
    assert emit.labs_csv(LABS.clear()).decode() == ",".join(emit.LABS) + "\n"


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), min_size=1, max_size=30))
def test_any_text_survives_csv_and_json(text: str) -> None:
    row = LABS.head(1).with_columns(
        value=pl.lit("x " + text), lab=pl.lit(text), fasting=pl.lit(f'{{"a":null,"b":{text}')
    )
    (read_back,) = csv.DictReader(io.StringIO(emit.labs_csv(row).decode(), newline=""))
    assert read_back["lab"] == text
    (resource,) = lines(emit.observation_ndjson(row.with_columns(lab="fasting")))
    assert resource["valueString"] == "x " + text
    assert resource["performer"][0]["display"] == f'{{"a":null,"b":{text}'


def test_patients_read_back_from_fhir_with_their_merge(tmp_path: Path) -> None:
    found = read(tmp_path, "fhir", "patient.ndjson", emit.patient_ndjson(PATIENTS))["patient"]
    columns = ["patient_id", "source_birth_date", "source_sex", "merged_into"]
    assert found.select(columns).rows() == landed(PATIENTS, LANDED).select(columns).rows()


def test_conditions_read_back_from_fhir(tmp_path: Path) -> None:
    found = read(tmp_path, "fhir", "c.ndjson", emit.condition_ndjson(CONDITIONS))["condition"]
    columns = ["patient_id", "code", "name", "source_start", "source_end"]
    assert found.select(columns).rows() == landed(CONDITIONS, SPANS).select(columns).rows()
    assert found["code_system"].unique().to_list() == ["icd10"]


def test_medications_read_back_from_fhir(tmp_path: Path) -> None:
    found = read(tmp_path, "fhir", "m.ndjson", emit.medication_ndjson(MEDICATIONS))["medication"]
    columns = ["patient_id", "name", "source_start", "source_end"]
    assert found.select(columns).rows() == landed(MEDICATIONS, SPANS).select(columns).rows()
    assert found["code"].to_list() == ["6809", None]


READINGS = pl.DataFrame(
    {
        "local_at": [datetime(2026, 10, 25, 2, minute) for minute in (50, 55, 0, 5)],  # noqa: DTZ001
        "elapsed_s": [0, 300, 600, 900],
        "glucose_mg_dl": [39.2, 100.4, 400.4, 412.0],
        "is_scan": [False, False, True, False],
    }
)
WEARER = emit.Wearer("P7", date(1980, 5, 6), "8X1101")


def test_a_clarity_export_says_low_and_high_beyond_the_range(tmp_path: Path) -> None:
    data = emit.clarity_csv(READINGS, WEARER)
    rows = [row for row in csv.DictReader(io.StringIO(data.decode())) if row["Event Type"] == "EGV"]
    assert [row["Glucose Value (mg/dL)"] for row in rows] == ["Low", "100", "400", "High"]
    samples = read(tmp_path, "dexcom", "clarity.csv", data, "P7")["sample"]
    assert samples["source_value"].to_list() == ["<40", "100", "400", ">400"]
    assert samples["source_observed_at"].to_list() == [
        f"2026-10-25T02:{minute}:00" for minute in ("50", "55", "00", "05")
    ]
    assert samples["patient_id"].unique().to_list() == ["P7"]


def test_a_libre_export_writes_its_limits_and_tells_scans(tmp_path: Path) -> None:
    data = emit.libre_csv(READINGS, WEARER, datetime(2026, 11, 20, 9, 40, tzinfo=UTC))
    assert data.startswith(b"Glucose Data,Generated on,20-11-2026 09:40 UTC,")
    found = read(tmp_path, "libre", "libre.csv", data, "P7")
    assert found["sample"]["source_value"].to_list() == ["40", "100", "400", "412"]
    rows = list(csv.reader(io.StringIO(data.decode())))[2:]
    assert [row[3] for row in rows] == ["0", "0", "1", "0"]
    assert found["rejects"].is_empty()


def test_compressing_twice_gives_the_same_bytes() -> None:
    assert emit.gzipped(b"same") == emit.gzipped(b"same")
