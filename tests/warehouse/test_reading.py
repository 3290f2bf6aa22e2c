"""The analyst's connection: it reads the published file, and nothing else of the machine."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest

from warehouse.reading import connect

HOSTILE = (
    "COPY (SELECT 1) TO '{outside}/out.csv'",
    "COPY (SELECT 1) TO '{outside}/out.parquet' (FORMAT parquet)",
    "COPY main.night TO '/dev/stdout'",
    "COPY main.night FROM '{secret}'",
    "EXPORT DATABASE '{outside}/export'",
    "IMPORT DATABASE '{outside}'",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM read_json('{secret}')",
    "SELECT * FROM read_parquet('https://clinic.example/x.parquet')",
    "SELECT * FROM sniff_csv('{secret}')",
    "SELECT * FROM parquet_metadata('{secret}')",
    "SELECT * FROM glob('{outside}/*')",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM 's3://bucket/x.parquet'",
    "FROM query('SELECT * FROM read_text(''{secret}'')')",
    "FROM query_table(['{secret}'])",
    "PREPARE p AS SELECT * FROM read_text(?); EXECUTE p('{secret}')",
    "WITH x AS (SELECT * FROM read_text('{secret}')) FROM x",
    "CREATE TEMP TABLE t AS SELECT * FROM read_text('{secret}')",
    "ATTACH '{outside}/other.duckdb' AS other",
    "ATTACH '{other}' AS other (READ_ONLY)",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{outside}/evil.so'",
    "CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "RESET lock_configuration",
    "RESET enable_external_access",
    "SET temp_directory = '{outside}'",
    "SET memory_limit = '900GB'",
    "SET threads = 64",
    "SET log_query_path = '{outside}/log'",
    "SET profiling_output = '{outside}/profile'",
    "PRAGMA enable_profiling = 'json'",
    "SET secret_directory = '{outside}'",
    "SET python_enable_replacements = true",
    "SET allowed_paths = ['{secret}']",
    "SET home_directory = '{outside}'",
    "SELECT getenv('HOME')",
    "FROM mine",
    "CREATE TABLE main.t AS SELECT 1",
    "DELETE FROM main.night",
    "UPDATE main.night SET number = 2",
    "DROP TABLE main.night",
    "ALTER TABLE main.night ADD COLUMN x INTEGER",
)
"""Every way of reading or writing something else that we know of."""


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """A warehouse, a file that is a secret, another database, and a folder to write to."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "secret.csv").write_text("token\n42\n")
    for name in ("night", "other"):
        with duckdb.connect(str(tmp_path / f"{name}.duckdb")) as con:
            con.execute(f"CREATE TABLE night AS SELECT '{name}' AS name, 1 AS number")
    return {
        "outside": str(outside),
        "secret": str(tmp_path / "secret.csv"),
        "other": str(tmp_path / "other.duckdb"),
        "night": str(tmp_path / "night.duckdb"),
    }


@pytest.fixture
def con(places: dict[str, str]) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(places["night"]) as opened:
        yield opened


@pytest.mark.parametrize("query", HOSTILE)
def test_a_hostile_query_is_refused_and_leaves_nothing(places: dict[str, str], query: str) -> None:
    mine = pl.DataFrame({"private": [1]})
    before = Path(places["night"]).read_bytes()

    con = connect(places["night"])
    with pytest.raises(duckdb.Error):
        con.execute(query.format(**places)).fetchall()
    con.close()

    assert list(Path(places["outside"]).iterdir()) == []
    assert Path(places["night"]).read_bytes() == before
    assert mine.height == 1


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('{secret}')",
        "ATTACH '{other}' AS other (READ_ONLY); FROM other.night",
        "COPY (SELECT 1) TO '{outside}/out.csv'",
        "FROM mine",
        "SET threads = 1",
    ],
)
def test_the_same_is_possible_over_a_plain_connection(places: dict[str, str], query: str) -> None:
    mine = pl.DataFrame({"private": [1]})
    with duckdb.connect(places["night"], read_only=True) as con:
        con.execute(query.format(**places)).fetchall()
    assert mine.height == 1


def test_it_reads_and_has_room_for_its_own(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TEMP TABLE mine AS SELECT name FROM night")
    assert con.execute("FROM mine").fetchall() == [("night",)]


def test_what_it_spills_is_private_and_gone_with_it(places: dict[str, str]) -> None:
    con = connect(places["night"], memory_limit="40MB")
    (spill,) = con.execute("SELECT current_setting('temp_directory')").fetchone() or ()
    assert Path(spill).stat().st_mode & 0o777 == 0o700
    big = "SELECT count(*) FROM (SELECT md5(i::VARCHAR) AS h FROM range({}) t(i) ORDER BY h)"
    assert con.execute(big.format(800_000)).fetchone() == (800_000,)
    con.close()
    del con
    gc.collect()
    assert not Path(spill).exists()


def test_a_query_that_would_fill_the_disk_ends_before_it_does(places: dict[str, str]) -> None:
    query = "CREATE TEMP TABLE t AS SELECT md5(i::VARCHAR) AS h FROM range(600000) t(i) ORDER BY h"
    with (
        connect(places["night"], memory_limit="40MB", spill_limit="5MB") as con,
        pytest.raises(duckdb.OutOfMemoryException, match="max_temp_directory_size"),
    ):
        con.execute(query)
    with connect(places["night"], memory_limit="40MB") as con:
        con.execute(query)


def test_another_night_is_read_beside_it_and_no_third_one(places: dict[str, str]) -> None:
    with connect(places["night"], beside={"then": Path(places["other"])}) as con:
        names = con.execute('SELECT name FROM night UNION FROM (SELECT name FROM "then".night)')
        assert sorted(names.fetchall()) == [("night",), ("other",)]
        with pytest.raises(duckdb.PermissionException):
            con.execute(f"ATTACH '{places['secret']}' AS third (READ_ONLY)")


def test_two_connections_of_a_process_do_not_stand_in_each_others_way(
    places: dict[str, str],
) -> None:
    link = Path(places["night"]).with_name("link.duckdb")
    link.symlink_to("night.duckdb")
    with connect(link) as first, connect(link, memory_limit="100MB") as second:
        link.unlink()
        link.symlink_to("other.duckdb")
        with connect(link) as third:
            names = [con.execute("SELECT name FROM night").fetchall() for con in (first, second)]
            assert names == [[("night",)], [("night",)]]
            assert third.execute("SELECT name FROM night").fetchall() == [("other",)]


def test_logging_to_a_file_harms_nobody_but_who_asks_for_it(places: dict[str, str]) -> None:
    """DuckDB 1.5 takes the call, fails at all that follows, and may abort its own process."""
    code = (
        f"from warehouse.reading import connect\ncon = connect({places['night']!r})\n"
        "con.execute(\"CALL enable_logging(storage = 'file', storage_config = "
        f"{{'path': '{places['outside']}/logs'}})\")\ncon.execute('FROM night')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode != 0
    assert "file system operations are disabled" in done.stderr
    assert list(Path(places["outside"]).iterdir()) == []


def test_a_file_that_is_not_there_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(duckdb.Error):
        connect(tmp_path / "none.duckdb")
