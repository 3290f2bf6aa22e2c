"""Questions analysts ask: each is answered, pictured and shown as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

from flows.questions import answered, as_text, page, pictured, questions
from flows.reading import published
from tests.flows.scene import Scene

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "analysts.md"
ALL = questions()


def test_there_are_a_dozen_numbered_without_a_gap() -> None:
    assert [item.number for item in ALL] == list(range(1, len(ALL) + 1))
    assert len(ALL) >= 12


@pytest.mark.parametrize("number", range(1, len(ALL) + 1))
def test_every_question_is_answered_with_the_columns_of_its_picture(
    after: Scene, number: int
) -> None:
    question = ALL[number - 1]
    with published(after.home, for_analysts=True) as con:
        answer = answered(con, question)
    picture = pictured(question, answer)

    assert question.question.endswith("?")
    assert picture.svg.startswith("<svg")
    assert picture.alt
    assert question.reading in as_text(question, answer)


def test_the_answers_are_those_of_the_home_asked(after: Scene) -> None:
    def answer(number: int) -> pl.DataFrame:
        with published(after.home, for_analysts=True) as con:
            return answered(con, ALL[number - 1])

    marks = answer(2)
    assert marks["marks"].sum() == 1
    assert answer(4)["people"].sum() == 1
    assert answer(5)["number_subjects"].to_list()[0] == 3
    assert answer(5)["number_subjects"].to_list()[-1] == 1
    assert answer(8).filter(pl.col("change").str.starts_with("as it was"))["people"].sum() == 3
    assert answer(11)["told"].sum() == 1
    assert answer(12).height == 2


def test_the_command_lists_and_answers(after: Scene) -> None:
    assert after.run("questions").out.count("?\n") == len(ALL)
    assert after.run("questions", "4").out.startswith(ALL[3].question)
    assert after.run("questions", "4", "--json").json[0]["people"] == 1
    wrong = after.run("questions", "99")
    assert (wrong.code, f"1 to {len(ALL)}" in wrong.err) == (1, True)


def test_the_page_shows_the_queries_as_they_are(after: Scene) -> None:
    told = PAGE.read_text(encoding="utf-8")
    with published(after.home, for_analysts=True) as con:
        again, pictures = page(con)

    def queries(text: str) -> list[str]:
        return re.findall(r"```sql\n(.*?)\n```", text, re.DOTALL)

    assert queries(told) == queries(again), "run `make demo analysts`"
    for name in pictures:
        assert f"](analysts/{name})" in told
        svg = (ROOT / "docs" / "analysts" / name).read_text(encoding="utf-8")
        assert svg.startswith("<svg")
        assert "<script" not in svg


def test_the_notebook_runs_every_question(after: Scene) -> None:
    notebook = ROOT / "docs" / "analysts_notebook.py"
    text = notebook.read_text(encoding="utf-8")
    assert re.findall(r"\n    ask\((\d+)\)", text) == [str(item.number) for item in ALL]
    done = subprocess.run(
        [sys.executable, str(notebook)],
        env={"UNDERTOW_HOME": str(after.home.root), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_notebook_of_no_home_fails(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "analysts_notebook.py")],
        env={"UNDERTOW_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "NothingPublishedError" in done.stderr


def test_a_hostile_name_stays_text_in_page_and_picture() -> None:
    question = ALL[2]
    con = duckdb.connect()
    sql = "SELECT '<script>alert(1)</script> | [x](y)' AS platform, 3 AS marked_pct"
    answer = con.execute(sql).pl()
    picture = pictured(question, answer)
    assert "<script>" not in picture.svg
    assert "&lt;script&gt;" in picture.svg
