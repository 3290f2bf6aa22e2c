"""The account: every line of every file in exactly one place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from random import Random
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.catalog.tables import TABLES
from warehouse.account import account, keep_duplicates, keep_rejected, unaccounted
from warehouse.merge import merge
from warehouse.store import reject, wrong_digests
from warehouse.store import stage as empty_staging

HEADER = "patient_id,collected_at,code,value,unit,fasting,lab,assay,status,result_id,reported_at\n"
SENTENCES = {"too_few_fields": "Send it whole.", "code_is_known": "Map the code."}
Con = duckdb.DuckDBPyConnection
Stage = Callable[..., Any]


def lab(result: str, value: float = 5, reported: str = "2026-02-02", patient: str = "p1") -> str:
    return (
        f"{patient},2026-02-01T08:00:00Z,27873-9,{value},u[IU]/mL,yes,L,A,F,{result},{reported}\n"
    )


def settle(con: Con) -> None:
    """The rest of a night after reading, without the gate."""
    keep_rejected(con, SENTENCES)
    merge(con)
    keep_duplicates(con)
    account(con)


def places(con: Con) -> dict[int, tuple[int, ...]]:
    """File -> rows in, accepted, quarantined, duplicate, superseded."""
    rows = con.execute(
        "SELECT file_id, rows_in, rows_accepted, rows_quarantined, rows_duplicate, rows_superseded "
        "FROM store.source_file"
    ).fetchall()
    return {row[0]: tuple(row[1:]) for row in rows}


def test_rows_that_stand_are_accepted_and_cut_ones_wait(store: Con, stage: Stage) -> None:
    stage(HEADER + lab("r1") + lab("r2") + "p1,2026-02-01,278\n")
    assert unaccounted(store) == []
    settle(store)
    assert places(store) == {1: (3, 2, 1, 0, 0)}
    assert store.execute(
        "SELECT reasons, what_to_do, state, row FROM store.quarantine"
    ).fetchall() == [(["too_few_fields"], "Send it whole.", "waiting", "p1,2026-02-01,278")]


def test_a_later_file_moves_an_earlier_files_rows(store: Con, stage: Stage) -> None:
    stage(HEADER + lab("r1") + lab("r2"))
    settle(store)
    assert places(store) == {1: (2, 2, 0, 0, 0)}
    empty_staging(store)
    stage(HEADER + lab("r1", 6, "2026-02-03") + lab("r2"), file_id=2, known_on=date(2026, 3, 2))
    settle(store)
    assert places(store) == {1: (2, 1, 0, 0, 1), 2: (2, 1, 0, 1, 0)}
    assert wrong_digests(store) == []


def test_a_file_of_which_every_row_waits_is_quarantined_and_one_with_a_good_row_is_read(
    store: Con, stage: Stage
) -> None:
    stage(HEADER + "p1,2026-02-01,278\n")
    stage(HEADER + "p1,2026-02-01,278\n" + lab("r1"), file_id=2)
    settle(store)
    assert store.execute("SELECT file_id, state FROM store.source_file ORDER BY 1").fetchall() == [
        (1, "quarantined"),
        (2, "read"),
    ]


def test_what_needs_nobody_is_set_aside_and_what_needs_somebody_waits(
    store: Con, stage: Stage
) -> None:
    stage(HEADER)
    store.execute("UPDATE staging.file SET rows_in = 2")
    rows = {
        "line": [2, 3],
        "reason": ["resource_not_used:Encounter", "json_broken"],
        "source_row": ["{}", "{"],
    }
    reject(store, 1, pl.LazyFrame(rows))
    settle(store)
    found = store.execute("SELECT line, state FROM store.quarantine ORDER BY 1").fetchall()
    assert found == [(2, "set_aside"), (3, "waiting")]


def test_a_row_that_waits_has_the_same_number_in_every_run_and_another_in_another_file(
    store: Con, stage: Stage
) -> None:
    stage(HEADER + "cut\n")
    settle(store)
    first = store.execute("SELECT quarantine_id FROM store.quarantine").fetchall()
    store.execute("DELETE FROM store.quarantine")
    settle(store)
    assert store.execute("SELECT quarantine_id FROM store.quarantine").fetchall() == first
    store.execute("UPDATE staging.file SET name = 'p2/labs.csv'")  # the same bytes, elsewhere
    settle(store)
    ids = store.execute("SELECT DISTINCT quarantine_id FROM store.quarantine").fetchall()
    assert len(ids) == 2


@pytest.mark.parametrize(("said", "is_lie"), [(2, False), (3, True), (1, True), (0, True)])
def test_a_reader_that_lies_about_its_rows_is_found(
    store: Con, stage: Stage, said: int, is_lie: bool
) -> None:
    stage(HEADER + lab("r1") + "cut\n")
    store.execute("UPDATE staging.file SET rows_in = ?", [said])
    assert unaccounted(store) == ([1] if is_lie else [])


def test_a_reader_that_loses_a_row_is_found(store: Con, stage: Stage) -> None:
    stage(HEADER + lab("r1") + lab("r2"))
    assert unaccounted(store) == []
    store.execute("DELETE FROM staging.observation WHERE line = 3")
    assert unaccounted(store) == [1]


def test_a_file_without_rows_is_accounted_for_and_one_that_should_have_some_is_not(
    store: Con, stage: Stage
) -> None:
    stage(HEADER)
    assert unaccounted(store) == []
    store.execute("UPDATE staging.file SET rows_in = 1")
    assert unaccounted(store) == [1]


@settings(max_examples=max(8, settings.default.max_examples // 6))
@given(st.randoms(use_true_random=False))
def test_rows_in_is_the_sum_of_its_places(store: Con, random: Random) -> None:
    """Lines of several parts, some of which wait, stand, were superseded or say nothing new."""
    for name in (*TABLES, "digest"):
        store.execute(f"DELETE FROM store.{name}")
    for night in range(random.randint(1, 3)):
        empty_staging(store)
        for file in range(random.randint(1, 3)):
            _stage_parts(store, random, 10 * night + file, night)
        assert unaccounted(store) == []
        settle(store)
    found = places(store)
    assert found
    assert all(row[0] == sum(row[1:]) for row in found.values()), found
    assert wrong_digests(store) == []


def _stage_parts(con: Con, random: Random, file: int, night: int) -> None:
    lines = random.randint(0, 6)
    con.execute(
        "INSERT INTO staging.file VALUES (?, 'clinic', ?, ?, ?, 'r', NULL, ?)",
        [file, f"f{file}", f"{file:064x}", date(2026, 3, 1 + night), lines],
    )
    for line in range(1, lines + 1):
        for part in range(random.randint(1, 3)):
            if random.random() < 0.25:
                con.execute(
                    "INSERT INTO staging.rejected VALUES (?, ?, ?, 'observation', "
                    "['code_is_known'], [], 'text')",
                    [file, line, part],
                )
            else:
                con.execute(
                    "INSERT INTO staging.observation BY NAME SELECT ? AS file_id, ? AS line, "
                    "? AS part, 'clinic' AS source, 'p' AS patient_id, 'insulin' AS analyte, "
                    "? AS result_id, ? AS value, 'final' AS status, ? AS known_at",
                    [file, line, part, random.choice("abcd"), random.choice([1.0, 2.0])]
                    + [date(2026, 3, 1 + night)],
                )
