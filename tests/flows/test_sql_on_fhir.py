"""Views out of the FHIR export: what a runner makes of them, our SQL's rows, the warehouse's."""

from __future__ import annotations

import copy
import json
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlonfhir import evaluate

from tests.flows.test_export import Published, after, documents, made
from transforms.exports.view_definitions import VIEWS

__all__ = ["after"]

SUITE = os.environ.get("SQL_ON_FHIR_SUITE")
BEYOND = ("fn_boundary", "fhirpath_numbers", "repeat", "row_index")
"""Files of the standard's suite about what no view of ours uses, and the runner does not know."""


@pytest.fixture(scope="module")
def folder(after: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("fhir") / "out"
    made(after, "fhir", to)
    return to


def by_runner(folder: Path, name: str) -> list[dict[str, Any]]:
    view = json.loads((folder / "ViewDefinition" / f"{name}.json").read_text())
    return list(evaluate(documents(folder / f"{view['resource']}.ndjson"), view))


def by_sql(folder: Path, query: str) -> list[dict[str, Any]]:
    script = (folder / "views.sql").read_text()
    with duckdb.connect() as con:
        con.execute(re.sub(r"'(\w+\.ndjson)'", rf"'{folder}/\1'", script))
        return con.execute(query).to_arrow_table().to_pylist()


def as_rows(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True, default=plain) for row in rows)


def plain(value: object) -> float | str:
    """Numbers alike, however exact."""
    return float(value) if isinstance(value, Decimal) else str(value)


@pytest.mark.parametrize("name", [view.name for view in VIEWS])
def test_a_runner_and_our_sql_make_the_same_rows(folder: Path, name: str) -> None:
    rows = by_runner(folder, name)
    assert as_rows(rows) == as_rows(by_sql(folder, f"FROM {name}"))
    assert rows


def test_the_rows_are_the_warehouses(after: Published, folder: Path) -> None:
    query = (
        "SELECT patient_id, analyte, value, unit, comparator FROM {} "
        "WHERE value IS NOT NULL ORDER BY ALL"
    )
    found = [tuple(row.values()) for row in by_sql(folder, query.format("fhir_observation"))]
    assert found == after.rows(query.format("observation"))
    stays = "SELECT patient_id, cohort, entered_on, left_on FROM {} ORDER BY ALL"
    found = [tuple(row.values()) for row in by_sql(folder, stays.format("fhir_flag"))]
    assert found == after.rows(stays.format("cohort"))


def test_a_flag_leads_to_the_results_and_lines_it_rests_on(after: Published, folder: Path) -> None:
    chain = (
        "SELECT cohort, patient_id, place, sha256 FROM fhir_flag JOIN fhir_flag_draw USING "
        "(flag_id) JOIN fhir_observation_file USING (observation_id) ORDER BY ALL"
    )
    own = (
        "SELECT cohort, patient_id, 'line ' || line AS place, sha256 FROM cohort JOIN lineage "
        "USING (patient_id) WHERE used AND drawn_on <= entered_on ORDER BY ALL"
    )
    assert [tuple(row.values()) for row in by_sql(folder, chain)] == after.rows(own)
    assert len(after.rows(own)) == 11 + 9


def test_definitions_keep_to_the_shareable_profile(folder: Path) -> None:
    """Its required members and names: sql-name is ``^[A-Za-z][A-Za-z0-9_]*$``."""
    for path in (folder / "ViewDefinition").iterdir():
        view = json.loads(path.read_text())
        assert view["url"]
        assert view["fhirVersion"] == ["4.0.1"]
        columns = [column for select in view["select"] for column in select["column"]]
        assert all(column["type"] and column["path"] for column in columns)
        names = [column["name"] for column in columns]
        assert len(names) == len(set(names))
        assert all(re.fullmatch(r"[A-Za-z]\w*", name) for name in [view["name"], *names])


@pytest.mark.skipif(not SUITE, reason="SQL_ON_FHIR_SUITE: the folder tests of FHIR/sql-on-fhir-v2")
def test_the_runner_passes_the_suite_of_the_standard() -> None:
    """So that what it says of our views is worth something."""
    failed, passed = [], 0
    for path in sorted(Path(str(SUITE)).glob("*.json")):
        suite = json.loads(path.read_text())
        for case in suite["tests"]:
            is_right = keeps(case, suite["resources"])
            passed += is_right
            if not is_right and path.stem not in BEYOND:
                failed.append(f"{path.stem}: {case['title']}")
    assert failed == []
    assert passed > 100


def keeps(case: dict[str, Any], resources: list[dict[str, Any]]) -> bool:
    try:
        rows = list(evaluate(copy.deepcopy(resources), copy.deepcopy(case["view"])))
    except Exception:  # noqa: BLE001 (the runner raises plain exceptions)
        return bool(case.get("expectError"))
    return "expect" in case and as_rows(rows) == as_rows(case["expect"])
