"""The published file as analysts open it: keys, examples, other sessions, other DuckDBs, sql."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.flows.scene import NIGHT, Scene
from warehouse.publish import macro_names, view_names

OTHERS = "UNDERTOW_OTHER_DUCKDBS"
"""Folders with other versions of DuckDB (``pip install --target``), to try them."""
CALLS = {
    "observation_as_of": f"observation_as_of(DATE '{NIGHT}', DATE '2026-12-31')",
    "status_as_of": f"status_as_of(DATE '{NIGHT}')",
    "cohort_as_of": f"cohort_as_of(NULL, DATE '{NIGHT}', DATE '{NIGHT}')",
}
ASK = """
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=True)
for name in sys.argv[2:]:
    rows = con.execute("SELECT * FROM " + name).fetchall()
    print(name, len(rows))
print("by", duckdb.__version__)
"""


@pytest.fixture(scope="module")
def con(after: Scene) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(after.home.warehouse / "undertow.duckdb"), read_only=True)


def headers(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    found = con.execute(
        "SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal "
        "UNION ALL SELECT function_name, comment FROM duckdb_functions() "
        "WHERE schema_name = 'main' AND NOT internal"
    ).fetchall()
    assert {name for name, _ in found} == {*view_names(), *macro_names()}
    return dict(found)


def rows_of(con: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[Any, ...]]:
    return sorted(con.execute(f"SELECT * FROM {relation}").fetchall(), key=repr)


def test_every_key_is_one(con: duckdb.DuckDBPyConnection) -> None:
    filled = 0
    for name, header in headers(con).items():
        named = re.search(r"Key: ([a-z0-9_, ]+?)\.? (Takes|Example)", header)
        assert named, name
        columns = ", ".join(f'"{column.strip()}"' for column in named[1].split(","))
        relation = CALLS.get(name, f'main."{name}"')
        total, keys = con.execute(
            f"SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT {columns} FROM {relation})) "
            f"FROM {relation}"
        ).fetchone() or (0, 0)
        assert total == keys, name
        filled += total > 1
    assert filled > 25


def test_a_column_that_is_no_key_is_told_from_one(con: duckdb.DuckDBPyConnection) -> None:
    total, keys = con.execute(
        "SELECT count(*), count(DISTINCT patient_id) FROM fasting_pair"
    ).fetchone() or (0, 0)
    assert total > keys


def test_every_example_runs_on_a_built_home(con: duckdb.DuckDBPyConnection) -> None:
    for name, header in headers(con).items():
        example = re.search(r"Example: (SELECT.*;)", header)
        assert example, name
        con.execute(example[1]).fetchall()


@contextmanager
def beside(after: Scene, tmp_path: Path, *, in_memory: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """A session of its own, in memory or on the newer night, with the older one as ``past``.

    The newer file is copied: DuckDB gives all connections of a process to one file one session.
    """
    older, newer = after.published()
    base = tmp_path / newer
    shutil.copyfile(after.home.warehouse / newer, base)
    with duckdb.connect(":memory:" if in_memory else str(base), read_only=not in_memory) as session:
        session.execute(f"ATTACH '{after.home.warehouse / older}' AS past (READ_ONLY)")
        yield session


@pytest.mark.parametrize("in_memory", [True, False], ids=["memory", "newer night"])
def test_a_night_answers_the_same_under_another_name(
    after: Scene, con: duckdb.DuckDBPyConnection, tmp_path: Path, in_memory: bool
) -> None:
    older = after.published()[0]
    with duckdb.connect(str(after.home.warehouse / older), read_only=True) as past:
        direct = {name: rows_of(past, f'main."{name}"') for name in view_names()}

    with beside(after, tmp_path, in_memory=in_memory) as session:
        for name, rows in direct.items():
            assert rows_of(session, f'past.main."{name}"') == rows, name

    other = {name for name in view_names() if rows_of(con, f'main."{name}"') != direct[name]}
    assert {"tonight", "patient_status", "run", "quality_trend"} <= other


@pytest.mark.parametrize("in_memory", [True, False], ids=["memory", "newer night"])
def test_a_macro_of_an_attached_night_answers_after_use_and_never_for_another_night(
    after: Scene, tmp_path: Path, in_memory: bool
) -> None:
    with beside(after, tmp_path, in_memory=in_memory) as session:
        for call in CALLS.values():
            with pytest.raises(duckdb.CatalogException, match="USE an attached night before"):
                session.execute(f"SELECT * FROM past.main.{call}")
            if not in_memory:
                assert rows_of(session, call) != []
        session.execute("USE past")
        for call in CALLS.values():
            assert rows_of(session, call) != []
        assert [row[1] for row in rows_of(session, "published_night")] == [NIGHT]


def test_no_macro_has_what_an_older_duckdb_does_not_read() -> None:
    """DuckDB 1.4.0 does not find the parts of a WITH in a macro that 1.5 wrote."""
    for file in (Path(__file__).parents[2] / "warehouse" / "macros").glob("*.sql"):
        code = [line for line in file.read_text().splitlines() if not line.startswith("--")]
        statement = re.sub(r"/\*.*?\*/", "", "\n".join(code), flags=re.DOTALL)
        assert not re.search(r"\bWITH\b", statement, re.IGNORECASE), file.name


def test_other_versions_of_duckdb_answer_everything(after: Scene) -> None:
    folders = [Path(name) for name in os.environ.get(OTHERS, "").split(os.pathsep) if name]
    if not folders:
        pytest.skip(f"no other DuckDB at hand: name their folders in {OTHERS}")
    asked = [f'main."{name}"' for name in view_names()] + list(CALLS.values())
    answers = set()
    for folder in folders:
        done = subprocess.run(
            [sys.executable, "-c", ASK, str(after.home.warehouse / "undertow.duckdb"), *asked],
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            check=True,
        )
        *rows, version = done.stdout.splitlines()
        assert version != f"by {duckdb.__version__}"
        answers.add(tuple(rows))
    assert len(answers) == 1
    assert len(next(iter(answers))) == len(asked)


def test_tonight_says_how_whole_and_how_fresh_the_night_is(
    after: Scene, con: duckdb.DuckDBPyConnection
) -> None:
    found = con.execute("SELECT * FROM tonight").pl().to_dicts()[0]

    run = after.ledger("SELECT * FROM run ORDER BY started_at")[-1]
    assert (found["run_id"], found["code_version"]) == (run["run_id"], run["code_version"])
    assert (found["patients"], found["n_evaluated"], found["files"]) == (3, 2, 0)
    assert (found["waiting"], found["oldest_waiting_on"]) == (2, NIGHT)
    assert (found["sources_silent"], found["is_held"]) == (["clinic_csv"], False)
    assert str(found["newest_draw_on"]) == "2026-01-09"
    assert not found["is_whole"], "the only source sent nothing"
    first = after.run("sql", "SELECT is_whole, sources_silent FROM tonight", "--night", str(NIGHT))
    assert first.out.split() == ["is_whole", "sources_silent", "True", "[]"]


def test_the_flag_is_followed_to_the_line_of_its_file(
    after: Scene, con: duckdb.DuckDBPyConnection
) -> None:
    rows = con.execute(
        "SELECT status, cohorts, drawn_on, analyte, draw_value, value, source_value, file, line, "
        "sha256, source FROM lineage WHERE patient_id = 'ANN' AND used ORDER BY ALL"
    ).pl()

    assert rows.height == 12
    assert rows["status"].unique().to_list() == ["high_and_climbing"]
    assert "climbing_unseen" in rows["cohorts"][0]
    for row in rows.to_dicts():
        landed = after.home.landed / row["sha256"][:2] / row["sha256"]
        path = landed if landed.exists() else next(after.home.landed.rglob(f"*{row['sha256']}*"))
        line = path.read_text(encoding="utf-8").splitlines()[row["line"] - 1]
        assert line.split(",")[3] == row["source_value"]
        assert row["draw_value"] == row["value"] == float(row["source_value"])


def test_every_draw_is_in_the_lineage_with_its_values(con: duckdb.DuckDBPyConnection) -> None:
    drawn = con.execute(
        "SELECT patient_id, drawn_on, insulin_uiu_ml, glucose_mg_dl FROM fasting_pair ORDER BY ALL"
    ).fetchall()
    traced = con.execute(
        "SELECT patient_id, drawn_on, max(draw_value) FILTER (analyte = 'insulin') AS insulin, "
        "max(draw_value) FILTER (analyte = 'glucose') FROM lineage GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert traced == drawn != []


# the command


def test_sql_shows_a_table_json_and_csv(after: Scene) -> None:
    query = "SELECT patient_id, status FROM patient_status ORDER BY patient_id"

    table = after.run("sql", query)
    assert table.out.splitlines()[:2] == [
        "patient_id  status",
        "ANN         high_and_climbing",
    ]
    rows = after.run("sql", query, "--json").json
    assert rows[0] == {"patient_id": "ANN", "status": "high_and_climbing"}
    assert after.run("sql", query, "--csv").out.splitlines()[1] == "ANN,high_and_climbing"
    assert after.run("sql", query, "--csv", "--json").code == 2


def test_sql_reads_from_standard_input(after: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert after.run("sql").code == 2
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 41 + 1 AS answer"))
    assert after.run("sql", "--json").json == [{"answer": 42}]


def test_text_that_a_spreadsheet_runs_is_not_and_numbers_stay(after: Scene) -> None:
    query = "SELECT '=cmd()' AS a, '\t-2' AS b, -3 AS c, ['@x'] AS d, NULL AS e, 'x-y' AS \"=f\""

    header, row = after.run("sql", query, "--csv").out.splitlines()

    assert header == "a,b,c,d,e,'=f"
    assert row == '\'=cmd(),\'\t-2,-3,"[""@x""]",,x-y'


def test_a_terminal_is_not_sent_commands_and_long_text_is_cut(after: Scene) -> None:
    said = after.run("sql", "SELECT 'a\x1b[31mb' AS a, repeat('x', 200) AS b").out
    assert "\x1b" not in said
    assert "a\ufffd[31mb" in said
    assert max(map(len, said.splitlines())) < 100
    whole = after.run("sql", "SELECT repeat('x', 200) AS b", "--json").json
    assert len(whole[0]["b"]) == 200


def test_what_is_not_shown_is_counted_and_names_are_told_apart(after: Scene) -> None:
    said = after.run("sql", "SELECT * FROM range(25)", "--limit", "10").out.splitlines()
    assert said[-1] == "... and 15 more rows: --limit, --csv or --json"
    assert len(after.run("sql", "SELECT * FROM range(25)", "--csv").out.splitlines()) == 26
    assert after.run("sql", "SELECT 1 AS a, 2 AS a", "--json").json == [{"a": 1, "a_1": 2}]
    assert after.run("sql", "SELECT 'nan'::DOUBLE AS n", "--json").json == [{"n": None}]
    assert after.run("sql", "SELECT 1 AS a WHERE false", "--json").json == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM nothing", "Table with name nothing does not exist"),
        ("SELEC 1", "syntax error"),
        ("COPY (SELECT 1) TO 'x.csv'", "only reads the published warehouse"),
        ("SELECT * FROM read_text('/etc/hostname')", "only reads the published warehouse"),
        ("ATTACH '/tmp/x.duckdb' AS x", "only reads the published warehouse"),
        ("SET memory_limit = '1TB'", "only reads the published warehouse"),
        ("DELETE FROM store.person", "read-only"),
        ("  ", "no query"),
    ],
)
def test_a_query_that_cannot_be_answered_is_told_why(after: Scene, query: str, said: str) -> None:
    answer = after.run("sql", query)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


def test_the_value_that_does_not_go_with_a_query_is_not_told(after: Scene) -> None:
    answer = after.run("sql", "SELECT patient_id::INTEGER FROM patient WHERE patient_id = 'ANN'")
    assert answer.code == 2
    assert "ANN" not in answer.err
    assert "ConversionException" in answer.err


def test_a_past_night_is_asked_in_its_own_file(after: Scene) -> None:
    asked = "SELECT as_of FROM tonight"
    assert after.run("sql", asked, "--night", str(NIGHT), "--json").json == [{"as_of": str(NIGHT)}]
    assert after.run("sql", asked, "--json").json == [{"as_of": "2026-03-02"}]
    gone = after.run("sql", asked, "--night", "2026-02-01")
    assert gone.code == 2
    assert "kept are 2026-03-01, 2026-03-02" in gone.err
