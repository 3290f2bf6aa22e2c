"""Deletions that name only a record, on a store under construction."""

from __future__ import annotations

import duckdb
import pytest

from warehouse.deletions import carry_out, set_apart

COMPONENTS = [f"panel#{analyte}" for analyte in ("sodium", "potassium", "glucose", "urea", "alt")]
ROW = (
    "INSERT INTO {place}.observation BY NAME SELECT 'lab' AS source, ? AS result_id, "
    "'P1' AS patient_id, ? AS analyte, 'x' AS source_code, 'final' AS status, ? AS file_id, "
    "? AS line, 0 AS part, DATE '2026-03-01' AS known_at"
)
DELETION = (
    "INSERT INTO staging.observation BY NAME SELECT 'lab' AS source, 'panel' AS result_id, "
    "'deleted' AS status, true AS is_withdrawal, 2 AS file_id, 1 AS line, 0 AS part, "
    "DATE '2026-03-02' AS known_at"
)


@pytest.mark.parametrize("place", ["store", "staging"])
@pytest.mark.parametrize("turned", [1, -1])
def test_a_deletion_numbers_what_it_takes_back_by_its_number_and_not_by_its_place(
    store: duckdb.DuckDBPyConnection, place: str, turned: int
) -> None:
    for line, number in enumerate(COMPONENTS[::turned], start=1):
        store.execute(ROW.format(place=place), [number, number.split("#")[1], 1, line])
    store.execute(DELETION)

    set_apart(store)
    assert carry_out(store) == len(COMPONENTS)

    numbered = "SELECT result_id FROM staging.observation WHERE status = 'deleted' ORDER BY part"
    assert [number for (number,) in store.execute(numbered).fetchall()] == sorted(COMPONENTS)
