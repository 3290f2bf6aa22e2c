"""Questions that analysts ask, each a query with how to read it and a picture of its result.

They lie in ``warehouse/questions``, one ``.sql`` file each; the page docs/analysts.md and the
notebook docs/analysts_notebook.py show them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import duckdb
import polars as pl

from flows.home import Home
from flows.pictures.charts import bars, lines
from flows.pictures.drawing import Picture
from flows.pictures.palette import fixed
from flows.reading import published
from warehouse.store import frame

ROWS = 16
"""Rows of a result that the page shows."""


class UnknownQuestionError(LookupError):
    """No question has that number."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question: ``number``, ``name``, what it asks, how to read the answer, its query."""

    number: int
    name: str
    question: str
    reading: str
    picture: str
    sql: str


def questions() -> tuple[Question, ...]:
    """Every question, by number."""
    folder = resources.files("warehouse") / "questions"
    files = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return tuple(_question(name, (folder / name).read_text(encoding="utf-8")) for name in files)


def _question(file: str, text: str) -> Question:
    head = dict(line[3:].split(": ", 1) for line in text.splitlines() if line.startswith("-- "))
    number, _, name = file.removesuffix(".sql").partition("_")
    sql = "\n".join(line for line in text.splitlines() if not line.startswith("-- "))
    return Question(int(number), name, head["Question"], head["Reading"], head["Picture"], sql)


def numbered(number: int) -> Question:
    """One question.

    Raises:
        UnknownQuestionError: there are fewer.
    """
    found = {question.number: question for question in questions()}
    if number not in found:
        raise UnknownQuestionError(f"questions are numbered 1 to {max(found)}")
    return found[number]


def answered(con: duckdb.DuckDBPyConnection, question: Question) -> pl.DataFrame:
    """The answer by one published warehouse."""
    return frame(con, question.sql)


def pictured(question: Question, answer: pl.DataFrame) -> Picture:
    """The picture that the question asks for of its answer."""
    kind, x, y = (part.split("=")[-1] for part in question.picture.split())
    return {"line": lines, "bar": bars}[kind](answer.to_dicts(), x, y.split(","))


def as_text(question: Question, answer: pl.DataFrame) -> str:
    """Question, answer and how to read it, for the terminal."""
    return "\n\n".join([question.question, _table(answer), question.reading])


def _table(answer: pl.DataFrame) -> str:
    """Columns aligned, numbers to the right."""
    texts = [[_cell(value) for value in row] for row in (answer.columns, *answer.rows())]
    is_number = [kind.is_numeric() for kind in answer.dtypes]
    wide = [max(len(row[i]) for row in texts) for i in range(len(answer.columns))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, wide, is_number, strict=True)
        ).rstrip()
        for row in texts
    )


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def page(con: duckdb.DuckDBPyConnection) -> tuple[str, dict[str, str]]:
    """The page of all questions with their answers by one warehouse, and its pictures by name."""
    parts, pictures = [_HEAD], dict[str, str]()
    for question in questions():
        answer = answered(con, question)
        name = f"{question.number:02}_{question.name}.svg"
        picture = pictured(question, answer)
        pictures[name] = fixed(picture.svg)
        parts += [
            f"## {question.number}. {question.question}",
            question.reading,
            f"```sql\n{question.sql.strip()}\n```",
            _markdown(answer),
            f"![{_inert(picture.alt)}](analysts/{name})",
        ]
    return "\n\n".join(parts) + "\n", pictures


def _markdown(answer: pl.DataFrame) -> str:
    rows = [answer.columns, ["---"] * len(answer.columns), *answer.head(ROWS).rows()]
    lines_ = ["| " + " | ".join(_inert(_cell(value)) for value in row) + " |" for row in rows]
    more = [f"\n({answer.height - ROWS} more rows)"] if answer.height > ROWS else []
    return "\n".join([*lines_, *more])


def _inert(text: str) -> str:
    return text.replace("|", "\\|").replace("[", "(").replace("]", ")").replace("\n", " ")


_HEAD = """\
# Questions analysts ask

`duckdb -readonly var/warehouse/undertow.duckdb` opens the night's file while nights run;
`undertow sql` opens it shut off from other files. `FROM tonight` says how whole and how fresh it
is, `FROM dictionary` what every column means ([dictionary.md](dictionary.md)). `undertow questions`
lists the questions below, `undertow questions 3` answers one from your own home, and
[analysts_notebook.py](analysts_notebook.py) is a marimo notebook that runs them all.

The answers shown are those of `make demo` (seed 11): nobody in it exists, and no answer says
anything of people. This page is written by `make analysts` after `make demo`; the queries are files
in `warehouse/questions/`."""


def write(home: Home, folder: Path) -> int:
    """Write ``analysts.md`` and its pictures into a folder; returns how many questions."""
    with published(home, for_analysts=True) as con:
        text, pictures = page(con)
    (folder / "analysts.md").write_text(text, encoding="utf-8")
    (folder / "analysts").mkdir(exist_ok=True)
    for name, svg in pictures.items():
        (folder / "analysts" / name).write_text(svg + "\n", encoding="utf-8")
    return len(pictures)


if __name__ == "__main__":
    sys.stdout.write(f"{write(Home(Path(sys.argv[1]).absolute()), Path('docs'))} questions\n")
