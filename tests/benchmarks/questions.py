"""The questions of docs/analysts.md to a large clinic: the demo's people many times over.

A night of the synthetic clinic (300 people) is published; then every row that tells of a person is
written once for each copy of them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import duckdb

from flows.home import Home, make
from flows.questions import questions
from flows.running import run_here
from flows.settings import load
from tests.flows.scene import QUICK, now
from transforms.catalog.tables import TABLES
from transforms.synthetic.clinic import clinic
from warehouse import publish
from warehouse.reading import connect

PEOPLE = 300
AS_THEY_ARE = (
    "sample",
    "observation",
    "wearable_day",
    "cgm_day",
    "cgm_profile",
    "index_value",
    "index_trend",
    "tissue_value",
)
"""Tables that stay those of one copy: no question reads them, and they are most of a file."""
LINK = "large.duckdb"


def prepare(folder: Path, size: int) -> None:
    """The large file: ``size`` people."""
    home = Home(folder / "home")
    make(home)
    home.settings.write_text(QUICK, encoding="utf-8")
    made = clinic(PEOPLE)
    for night in made.nights:
        for name, data in night.files.items():
            path = home.inbox / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        run_here(home, load(home.settings), now, lambda *_: None, night.as_of)
    small = publish.current(home.warehouse)
    enlarge(small, folder / LINK, max(1, size // PEOPLE)) if small else None


def enlarge(small: Path, large: Path, times: int) -> None:
    """Write every person of a published file ``times`` over into another."""
    large.unlink(missing_ok=True)
    con = duckdb.connect(str(large))
    con.execute(f"ATTACH '{small}' AS small (READ_ONLY)")
    con.execute("CREATE SCHEMA store")
    for table in TABLES.values():
        columns = ", ".join(
            f'CASE WHEN i = 0 THEN "{c}" ELSE "{c}" || \'.\' || i END AS "{c}"'
            if c in ("patient_id", "survivor_id", "alert_id", "result_id")
            else f'"{c}"'
            for c in table.columns
        )
        is_personal = "patient_id" in table.columns and table.name not in AS_THEY_ARE
        copies = times if is_personal else 1
        con.execute(
            f"CREATE TABLE store.{table.name} AS SELECT {columns} "
            f"FROM range({copies}) r(i), small.store.{table.name}"
        )
    con.execute("DETACH small")
    publish.create_views(con)
    publish.create_macros(con, "large")
    con.execute("CHECKPOINT")
    con.close()


def ours(folder: Path) -> None:
    """Every question once, and what each took."""
    took = {}
    with connect(folder / LINK, memory_limit="4GB") as con:
        for question in questions():
            began = time.perf_counter()
            con.execute(question.sql).fetchall()
            took[question.name] = time.perf_counter() - began
    said = ", ".join(f"{name} {seconds:.2f}" for name, seconds in took.items())
    print(f"  seconds: {said}", file=sys.stderr)


def floor(folder: Path) -> None:
    """A bare scan of what the questions read most: every draw's numbers."""
    with connect(folder / LINK, memory_limit="4GB") as con:
        for _ in questions():
            con.execute(
                "SELECT sum(insulin_uiu_ml), sum(glucose_mg_dl), max(drawn_on) FROM fasting_pair"
            ).fetchall()


QUESTIONS = {"questions of analysts": (1_000_000, prepare, ours, floor)}
