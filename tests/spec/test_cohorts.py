"""Every cohort by named patients: who is in, who is out, and the value that decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from tests.spec.named_patients import Named, lacking, named_patients, night_over
from transforms.catalog.acceptance import VERSIONS
from transforms.catalog.criteria import IN_FORCE
from warehouse.store import connect, create

ROWS = named_patients()
CURRENT = [
    row for row in ROWS if (row.cohort, row.version) in {(d.name, d.version) for d in IN_FORCE}
]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    con = connect(Path(":memory:"), tmp_path_factory.mktemp("named"))
    create(con)
    night_over(con, CURRENT)
    yield con
    con.close()


@pytest.mark.parametrize("row", CURRENT, ids=lambda row: f"{row.cohort}: {row.patient}")
def test_a_named_patient_is_in_or_out_by_the_value_that_decides(
    clinic: duckdb.DuckDBPyConnection, row: Named
) -> None:
    who = [row.cohort, row.patient_id]
    member = "SELECT count(*) FROM cohort WHERE left_on IS NULL AND cohort = ? AND patient_id = ?"
    decided = (
        "SELECT holds, value FROM criterion_value "
        "WHERE cohort = ? AND patient_id = ? AND criterion = ?"
    )
    inside = clinic.execute(member, who).fetchone()
    found = clinic.execute(decided, [*who, row.decided_by]).fetchone()

    assert inside == (int(row.expected == "in"),)
    assert found is not None
    assert found[0] == (row.expected == "in")
    known = None if row.value == "unknown" else pytest.approx(float(row.value), abs=0.011)
    assert found[1] == known


def test_nothing_is_accepted_without_somebody_in_and_somebody_out_by_every_criterion() -> None:
    assert [
        text for each in VERSIONS if each.state == "accepted" for text in lacking(each, ROWS)
    ] == []
    assert len(CURRENT) == len(ROWS), "a table of a version that is not in force"


def test_a_draft_without_them_is_told_what_it_lacks() -> None:
    draft = replace(IN_FORCE[0], version="2", state="draft")
    nobody_fresh = [row for row in ROWS if row.decided_by != "fresh"]

    assert lacking(draft, ROWS)[0] == "climbing_unseen 2 names nobody who is in"
    assert len(lacking(draft, ROWS)) == 8
    assert lacking(IN_FORCE[0], nobody_fresh) == [
        "climbing_unseen 1 names nobody whom fresh keeps out"
    ]
