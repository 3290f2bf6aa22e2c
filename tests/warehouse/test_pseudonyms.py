"""The analyst file is written afresh, column by column, by what is allowed and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest

from transforms.catalog.fields import FIELDS
from transforms.catalog.passages import KINDS, PASSAGES, Passage, passage
from transforms.catalog.tables import HISTORY, TABLES
from transforms.pseudonyms import SAID, CollisionError, Pads, pads, pseudonym
from warehouse import pseudonyms
from warehouse.pseudonyms import undecided, write
from warehouse.publish import NotWholeError, create_views
from warehouse.store import connect, create

KEY = pads(b"a key of this test, 32 bytes long")
NOBODY = pl.DataFrame(schema=SAID)
SECRET = "Canarina"
PEOPLE = 9


def filled(table_name: str, person: int) -> list[str]:
    """SQL of one row of a table that says the secret in every text."""
    table, values = TABLES[table_name], []
    for column in table.columns:
        how = passage(table_name, column)
        is_name = how is not None and how.way == "person"
        text = f"{SECRET}-{person}" if is_name else f"{SECRET} {column} {person}"
        values.append(
            {
                "VARCHAR": f"'{text}'",
                "VARCHAR[]": f"['a_name: {text}']",
                "BOOLEAN": "true",
                "DATE": "DATE '2026-03-01'",
                "TIME": "TIME '08:00'",
                "TIMESTAMP": "TIMESTAMP '2026-03-01 08:00:00'",
            }.get(FIELDS[column].type, "[1]" if FIELDS[column].type.endswith("[]") else f"{person}")
        )
    return values


@pytest.fixture(scope="module")
def care(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every table with rows of nine people, in the order of their names; a tenth was deleted."""
    folder = tmp_path_factory.mktemp("care")
    path = folder / "care.duckdb"
    con = connect(path, folder)
    con.execute("SET force_compression = 'uncompressed'")
    create(con)
    for table in TABLES:
        for person in range(1, PEOPLE + 1):
            con.execute(f"INSERT INTO store.{table} VALUES ({', '.join(filled(table, person))})")
    con.execute("UPDATE store.observation SET lab = 'Lab A', source_code = '20448-7'")
    con.execute("INSERT INTO store.person (patient_id) VALUES ('Deleted-Person')")
    con.execute("CHECKPOINT")
    con.execute("DELETE FROM store.person WHERE patient_id = 'Deleted-Person'")
    create_views(con)
    con.execute("DETACH staging")
    con.execute("CHECKPOINT")
    con.close()
    return path


@pytest.fixture(scope="module")
def fresh(care: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with written(care, care.parent / "fresh.duckdb") as con:
        con.execute("CHECKPOINT")
        yield con


def written(
    care: Path, to: Path, key: Pads = KEY, known: pl.DataFrame = NOBODY
) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(str(to))
    con.execute("SET force_compression = 'uncompressed'")
    write(con, care, key, known)
    return con


def secrets(con: duckdb.DuckDBPyConnection) -> set[str]:
    """The columns that say the secret."""
    return {
        f"{table.name}.{column}"
        for table in TABLES.values()
        for column in table.columns
        if con.execute(
            f'SELECT 1 FROM store.{table.name} WHERE contains("{column}"::VARCHAR, ?) LIMIT 1',
            [SECRET],
        ).fetchone()
    }


def test_only_our_own_words_pass_as_they_are(fresh: duckdb.DuckDBPyConnection) -> None:
    ours = {
        f"{table.name}.{column}"
        for table in TABLES.values()
        if table.name != "dictionary"  # written anew for every file
        for column in table.columns
        if passage(table.name, column) == Passage("open")
        and FIELDS[column].type.startswith("VARCHAR")
    }

    assert secrets(fresh) == ours


def test_the_care_teams_file_says_it_in_every_text(care: Path) -> None:
    texts = {
        f"{table.name}.{column}"
        for table in TABLES.values()
        if table.name != "dictionary"
        for column in table.columns
        if FIELDS[column].type.startswith("VARCHAR")
    }
    with duckdb.connect(str(care), read_only=True) as con:
        assert secrets(con) == texts - {"observation.lab", "observation.source_code"}


def test_no_text_that_a_person_or_device_wrote_is_among_the_open_columns() -> None:
    written_by_sources = {
        "comment row notes name class lab assay device method source_code source_value "
        "source_unit code code_system result_id record_id file time_zone patient_id merged_into "
        "survivor_id absent_reason platform"
    }
    for column in " ".join(written_by_sources).split():
        assert PASSAGES[column].way != "open", column


def test_a_deleted_row_is_in_the_old_pages_and_not_in_the_fresh_file(
    care: Path, fresh: duckdb.DuckDBPyConnection
) -> None:
    assert fresh.execute("SELECT count(*) FROM store.person").fetchone() == (PEOPLE,)
    assert b"Deleted-Person" in care.read_bytes()
    assert b"Deleted-Person" not in (care.parent / "fresh.duckdb").read_bytes()


def test_a_person_has_one_pseudonym_in_every_table_and_column(
    fresh: duckdb.DuckDBPyConnection,
) -> None:
    expected = {pseudonym(KEY, "person", f"{SECRET}-{n}") for n in range(1, PEOPLE + 1)}
    for table in TABLES.values():
        for column in table.columns:
            if passage(table.name, column) == PASSAGES["patient_id"]:
                rows = fresh.execute(f"SELECT {column} FROM store.{table.name}").fetchall()
                assert {row[0] for row in rows} == expected, (table.name, column)


def test_ids_of_results_are_the_hmac_that_the_pure_function_gives(
    fresh: duckdb.DuckDBPyConnection,
) -> None:
    rows = fresh.execute("SELECT result_id FROM store.observation ORDER BY line").fetchall()

    assert [row[0] for row in rows] == [
        pseudonym(KEY, "result", f"{SECRET} result_id {n}") for n in range(1, PEOPLE + 1)
    ]


def test_what_many_people_share_passes_and_what_few_have_does_not(
    fresh: duckdb.DuckDBPyConnection,
) -> None:
    labs = fresh.execute("SELECT DISTINCT lab FROM store.observation").fetchall()
    assays = fresh.execute("SELECT DISTINCT assay FROM store.observation").fetchall()
    units = fresh.execute("SELECT DISTINCT source_unit FROM store.observation").fetchall()

    assert labs == [("Lab A",)]
    assert len(assays) == PEOPLE
    assert all(name.startswith(KINDS["assay"].letter) for (name,) in assays)
    assert units == [(None,)]


def test_a_reason_passes_up_to_its_colon(fresh: duckdb.DuckDBPyConnection) -> None:
    assert fresh.execute("SELECT DISTINCT reasons FROM store.quarantine").fetchall() == [
        (["a_name"],)
    ]


def test_a_value_as_it_came_passes_where_it_was_read_as_a_number(tmp_path: Path) -> None:
    con = connect(tmp_path / "care.duckdb", tmp_path)
    create(con)
    con.execute(
        "INSERT INTO store.observation (patient_id, line, value, source_value) VALUES "
        "('P', 1, 5, '5.0'), ('P', 2, 5, '<5'), ('P', 3, 5, '5 says Ann'), ('P', 4, NULL, '5551')"
    )
    con.close()
    with written(tmp_path / "care.duckdb", tmp_path / "fresh.duckdb") as con:
        told = con.execute("SELECT source_value FROM store.observation ORDER BY line").fetchall()

    assert [text for (text,) in told] == ["5.0", "<5", None, None]


def test_people_do_not_stand_in_the_order_of_their_names(
    fresh: duckdb.DuckDBPyConnection,
) -> None:
    for table in ("person", "patient_status", "trend"):
        rows = fresh.execute(f"SELECT patient_id FROM store.{table}").fetchall()
        assert rows == sorted(rows)
        by_name = [pseudonym(KEY, "person", f"{SECRET}-{n}") for n in range(1, PEOPLE + 1)]
        assert [row[0] for row in rows] != by_name


def test_a_known_person_keeps_what_the_crosswalk_says(care: Path, tmp_path: Path) -> None:
    kept = pl.DataFrame({"value": [f"{SECRET}-1"], "said": ["pkept"]})
    with written(care, tmp_path / "fresh.duckdb", known=kept) as con:
        rows = con.execute("SELECT patient_id FROM store.person").fetchall()

    assert ("pkept",) in rows
    assert len(rows) == PEOPLE


def test_two_people_of_one_pseudonym_stop_it(care: Path, tmp_path: Path) -> None:
    taken = pseudonym(KEY, "person", f"{SECRET}-1")
    kept = pl.DataFrame({"value": ["somebody else"], "said": [taken]})
    with pytest.raises(CollisionError, match="another key"):
        written(care, tmp_path / "fresh.duckdb", known=kept)


def test_every_column_of_every_table_is_decided_on() -> None:
    assert undecided() == []


def test_a_new_column_is_undecided_and_stops_the_publish(
    care: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    observation = HISTORY["observation"]
    wider = replace(observation, columns=(*observation.columns, "shoe_size"))
    assert undecided({"observation": wider}) == ["observation.shoe_size"]
    monkeypatch.setattr(pseudonyms, "undecided", lambda: ["observation.shoe_size"])
    with pytest.raises(pseudonyms.UndecidedColumnError, match=r"passages\.py .*shoe_size"):
        written(care, tmp_path / "fresh.duckdb")


def test_a_table_that_is_not_kept_does_not_pass(care: Path, tmp_path: Path) -> None:
    beside = tmp_path / "care.duckdb"
    beside.write_bytes(care.read_bytes())
    with duckdb.connect(str(beside)) as con:
        con.execute(f"CREATE TABLE store.notebook AS SELECT '{SECRET}' AS remark")
    with written(beside, tmp_path / "fresh.duckdb") as con:
        tables = con.execute("SELECT table_name FROM duckdb_tables()").fetchall()

    assert ("notebook",) not in tables
    assert {row[0] for row in tables} == {*TABLES, "digest"}


def test_a_name_that_is_lost_on_the_way_stops_it(
    care: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pseudonyms, "of_people", lambda *_: NOBODY)
    with pytest.raises(NotWholeError, match="lacks rows or names of observation"):
        written(care, tmp_path / "fresh.duckdb")


def test_the_digests_of_the_care_teams_rows_do_not_pass(
    fresh: duckdb.DuckDBPyConnection,
) -> None:
    """A sum of row hashes of a table with few rows could be tried until it fits."""
    assert fresh.execute("SELECT count(*) FROM store.digest").fetchone() == (0,)
