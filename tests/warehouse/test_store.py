"""The running digest, and staging."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from random import Random

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.catalog.fields import FIELDS
from transforms.catalog.tables import DERIVED, INCOMING, TABLES
from warehouse.store import (
    append,
    connect,
    create,
    digest,
    forget,
    receive,
    reject,
    replace,
    replace_frame,
    wrong_digests,
)

INDEX = DERIVED["index_value"]
OTHERS = INDEX.columns[5:]


def values(*rows: tuple[str, float | None]) -> str:
    listed = ", ".join(
        f"('{who}', 'homa_ir', DATE '2026-01-01', {'NULL' if value is None else value}, '1')"
        for who, value in rows
    )
    columns = 'patient_id, "index", observed_on, value, unit'
    others = ", ".join(f"NULL AS {name}" for name in OTHERS)
    return f"SELECT *, {others} FROM (VALUES {listed}) t({columns})"


def test_every_column_of_every_table_is_documented() -> None:
    used = {column for table in TABLES.values() for column in table.columns}
    assert used <= set(FIELDS)


def test_an_empty_warehouse_has_every_table_and_whole_digests(
    store: duckdb.DuckDBPyConnection,
) -> None:
    made = store.execute(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store'"
    ).fetchall()
    assert {name for (name,) in made} == {*TABLES, "digest"}
    assert wrong_digests(store) == []


def test_replace_says_how_many_rows_came_and_takes_out_only_those_named(
    store: duckdb.DuckDBPyConnection,
) -> None:
    assert replace(store, INDEX, "true", values(("a", 1), ("b", 2))) == 2
    assert replace(store, INDEX, "patient_id = 'a'", values(("a", 3))) == 1
    rows = store.execute("SELECT patient_id, value FROM store.index_value ORDER BY 1").fetchall()
    assert rows == [("a", 3), ("b", 2)]


def test_the_digest_comes_back_with_the_rows_and_not_before(
    store: duckdb.DuckDBPyConnection,
) -> None:
    nothing = digest(store)
    replace(store, INDEX, "false", values(("a", 1), ("b", None)))
    two = digest(store)
    replace(store, INDEX, "patient_id = 'b'", values(("b", 5)))
    assert digest(store) not in (nothing, two)
    replace(store, INDEX, "patient_id = 'b'", values(("b", None)))
    assert digest(store) == two
    replace(store, INDEX, "true", "SELECT * FROM store.index_value WHERE false")
    assert digest(store) == nothing


def test_the_same_rows_in_other_batches_and_another_order_have_the_same_digest(
    store: duckdb.DuckDBPyConnection,
) -> None:
    replace(store, INDEX, "true", values(("a", 1), ("b", 2), ("c", 3)))
    once = digest(store)
    replace(store, INDEX, "true", values(("c", 3)))
    replace(store, INDEX, "false", values(("b", 2)))
    replace(store, INDEX, "false", values(("a", 1)))
    assert digest(store) == once


def test_values_that_change_places_change_the_digest(store: duckdb.DuckDBPyConnection) -> None:
    replace(store, INDEX, "true", values(("a", 1), ("b", 2)))
    before = digest(store)
    replace(store, INDEX, "true", values(("a", 2), ("b", 1)))
    assert digest(store) != before


def test_a_row_twice_is_not_a_row_once(store: duckdb.DuckDBPyConnection) -> None:
    replace(store, INDEX, "true", values(("a", 1)))
    once = digest(store)
    replace(store, INDEX, "false", values(("a", 1)))
    assert digest(store) != once


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE store.index_value SET value = 1.0000000001 WHERE patient_id = 'a'",
        "UPDATE store.index_value SET value = NULL WHERE patient_id = 'a'",
        "UPDATE store.index_value SET unit = '' WHERE patient_id = 'a'",
        "DELETE FROM store.index_value WHERE patient_id = 'a'",
        "INSERT INTO store.index_value SELECT * FROM store.index_value LIMIT 1",
        "UPDATE store.digest SET total = total + 1",
    ],
)
def test_a_row_changed_behind_the_digest_is_found(
    store: duckdb.DuckDBPyConnection, tampering: str
) -> None:
    replace(store, INDEX, "true", values(("a", 1), ("b", 2)))
    assert wrong_digests(store) == []
    store.execute(tampering)
    assert wrong_digests(store) == ["index_value"]


def test_tables_that_tell_of_runs_are_not_in_the_digest_and_others_are(
    store: duckdb.DuckDBPyConnection,
) -> None:
    before = digest(store)
    row = "SELECT 'r' AS run_id, NULL AS night, NULL AS started_at, NULL AS finished_at, 'done' AS "
    replace(store, TABLES["run"], "true", f"{row} state, 'v' AS code_version")
    assert digest(store) == before
    replace(store, INDEX, "true", values(("a", 1)))
    assert digest(store) != before


@settings(max_examples=max(10, settings.default.max_examples // 5))
@given(st.randoms(use_true_random=False))
def test_the_running_digest_is_the_digest_computed_from_nothing(
    house: duckdb.DuckDBPyConnection, random: Random
) -> None:
    for _ in range(random.randint(1, 4)):
        people = random.sample("abcdef", random.randint(1, 5))
        rows = pl.DataFrame(
            {
                "patient_id": people,
                "index": ["homa_ir"] * len(people),
                "observed_on": [None] * len(people),
                "value": [random.choice([None, 1.0, -0.0, 1e300, random.random()]) for _ in people],
                "unit": [random.choice(["1", None, "'", "NULL"]) for _ in people],
            },
            schema_overrides={"observed_on": pl.Date, "value": pl.Float64, "unit": pl.String},
        ).with_columns(pl.lit(None).alias(name) for name in OTHERS)
        listed = ", ".join(f"'{who}'" for who in random.sample("abcdef", 3))
        replace_frame(house, INDEX, f"patient_id IN ({listed})", rows)
    assert wrong_digests(house) == []


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    con = connect(Path(":memory:"), tmp_path_factory.mktemp("store"))
    create(con)
    return con


def test_a_frame_may_have_its_columns_in_any_order(store: duckdb.DuckDBPyConnection) -> None:
    rows = store.execute(values(("a", 1))).pl()
    replace_frame(store, INDEX, "true", rows.select(reversed(rows.columns)))
    assert store.execute("SELECT patient_id, unit FROM store.index_value").fetchall() == [
        ("a", "1")
    ]


def test_rows_of_plain_values_are_appended_as_their_columns_type_them(
    store: duckdb.DuckDBPyConnection,
) -> None:
    columns = ("run_id", "night", "finished_at", "state")
    append(store, "store.run", columns, [])
    append(store, "store.run", columns, [("a", "2026-03-01", None, "it's; done")])
    append(store, "store.run", columns, [["b", "2026-03-02", "2026-03-02 05:00:00", None]] * 2)

    kept = "SELECT run_id, night, hour(finished_at), state FROM store.run ORDER BY ALL"
    assert store.execute(kept).fetchall() == [
        ("a", date(2026, 3, 1), None, "it's; done"),
        *[("b", date(2026, 3, 2), 5, None)] * 2,
    ]


def test_staging_takes_the_columns_it_knows_and_forgets_one_file_only(
    store: duckdb.DuckDBPyConnection,
) -> None:
    rows = pl.LazyFrame({"file_id": [1, 1, 2], "line": [2, 3, 2], "unheard": ["x", "y", "z"]})
    assert receive(store, "observation", rows) == 3
    reject(store, 1, pl.LazyFrame({"line": [4], "reason": ["encoding"], "source_row": [None]}))
    forget(store, 1)
    left = store.execute("SELECT file_id, line FROM staging.observation").fetchall()
    assert left == [(2, 2)]
    assert store.execute("SELECT * FROM staging.rejected").fetchall() == []


def test_staging_has_what_the_gate_sees(store: duckdb.DuckDBPyConnection) -> None:
    for name, extra in INCOMING.items():
        columns = {row[0] for row in store.execute(f"DESCRIBE staging.{name}").fetchall()}
        assert set(extra) | {"source_row", "file_id", "line", "part"} <= columns
