"""Real files by others go through a night by configuration alone; every row has its place."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from flows.home import Home, make
from flows.running import run_here
from flows.settings import load

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "realdata"
pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real files are not beside the project"
)

DROPPED = {
    "ipop": ("ipop_t2d/clinical_tests.subjects_dev.txt",),
    "nhanes": ("nhanes_2017_2018/nhanes_2017_2018_fasting_even_seqn.csv",),
    "altuve": ("altuve_venezuela/resultsclassif.csv",),
    "fhir": (
        "fhir_synthea_pathling/Observation.ndjson",
        "fhir_synthea_pathling/Condition.ndjson",
        "fhir_synthea_pathling/Patient.ndjson",
        "fhir_r4_examples/observation-example-f001-glucose.json",
        "fhir_r4_examples/observation-example-unsat.json",
        "fhir_r4_examples/observation-example-f205-egfr.json",
    ),
    "dexcom/D1": ("cgm_glu_rpackage/CLARITY_Export__111111-example.csv",),
    "libre/L1": ("cgm_cgmanalysis/Libre.csv",),
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    home = Home(tmp_path_factory.mktemp("real"))
    make(home)
    examples = sorted((ROOT / "docs" / "examples").glob("*.toml"))
    home.settings.write_text("\n".join(path.read_text() for path in examples))
    for folder, files in DROPPED.items():
        (home.inbox / folder).mkdir(parents=True)
        for name in files:
            shutil.copy(REAL / name, home.inbox / folder)
    run_here(
        home, load(home.settings), lambda: datetime.now(UTC), lambda *_: None, date(2026, 11, 1)
    )
    return duckdb.connect(str(home.warehouse / "undertow.duckdb"), read_only=True)


def _one(warehouse: duckdb.DuckDBPyConnection, query: str) -> int:
    found = warehouse.execute(query).fetchone()
    assert found is not None
    return int(found[0])


def test_every_row_of_every_real_file_is_in_one_place(warehouse: duckdb.DuckDBPyConnection) -> None:
    rows = warehouse.execute(
        "SELECT file, rows_in, rows_accepted + rows_quarantined + rows_duplicate + rows_superseded "
        "FROM source_file"
    ).fetchall()
    assert len(rows) == sum(len(files) for files in DROPPED.values())
    assert all(rows_in == placed and rows_in > 0 for _, rows_in, placed in rows)


def test_the_tables_mapped_by_configuration_lose_nothing(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    counts = dict(
        warehouse.execute(
            "SELECT source, sum(rows_accepted) FROM source_file GROUP BY source"
        ).fetchall()
    )
    assert (counts["ipop"], counts["nhanes"], counts["altuve"]) == (385, 1511, 2835)


def test_ipop_keeps_its_comparators_and_its_whole_numbers(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    assert _one(warehouse, "SELECT count(*) FROM observation WHERE comparator = '>'") >= 290
    odd = (
        "SELECT count(*) FROM fasting_pair WHERE patient_id LIKE '69-%' AND insulin_uiu_ml % 1 > 0"
    )
    stated = (
        "SELECT count(*) FROM observation WHERE source = 'ipop' AND analyte = 'insulin' "
        "AND patient_id LIKE '69-%' AND source_code = '27873-9' AND value % 1 > 0"
    )
    assert _one(warehouse, odd) == _one(warehouse, stated)


def test_a_person_measured_once_is_unresolved_and_never_normal(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    once = (
        "SELECT count(*) FROM patient_status WHERE status NOT IN ('unresolved', 'excluded') "
        "AND patient_id IN (SELECT patient_id FROM fasting_pair GROUP BY 1 HAVING count(*) = 1)"
    )
    assert _one(warehouse, once) == 0
    assert _one(warehouse, "SELECT count(*) FROM patient_status") == _one(
        warehouse, "SELECT count(*) FROM patient"
    )


def test_the_known_unit_slip_in_the_synthetic_protein_values_waits(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    """Synthea writes total protein of 60 to 80 as g/dL; it is g/L. The gate must not let it in."""
    waiting = (
        "SELECT count(*) FROM quarantine WHERE source = 'fhir' "
        "AND list_contains(reasons, 'value_is_possible')"
    )
    assert _one(warehouse, waiting) == 14


def test_sensor_days_come_of_sensor_files(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert _one(warehouse, "SELECT count(*) FROM cgm_day WHERE patient_id = 'L1'") >= 14
    assert _one(warehouse, "SELECT count(*) FROM cgm_day WHERE patient_id = 'D1'") == 2
