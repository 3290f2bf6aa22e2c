"""The demo: a synthetic clinic with known truth, five nights, and what they show."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.explain import GLUCOSE_SPAN, as_text, bars, explanation
from flows.home import Home, locate, make
from flows.night import Clock
from flows.reading import published
from flows.running import Done, run_here
from flows.settings import load
from flows.terminal import progress_shown
from transforms.synthetic.clinic import Clinic, clinic
from warehouse.store import frame

MARK = ".demo"
SETTINGS = """\
# The demo's home: a synthetic clinic. Nobody in it exists.
[site]
name = "Demo clinic (synthetic)"
time_zone = "Europe/Rome"

[mail]
detail = "full"  # synthetic people, files on this machine: show what a detailed mail looks like
"""
QUERIES = (
    "SELECT status, count(*) FROM patient_status GROUP BY status ORDER BY 2 DESC",
    "SELECT patient_id, p_climbing_unseen, insulin_slope_pct_year FROM trend "
    "ORDER BY p_climbing_unseen DESC LIMIT 10",
    "SELECT reason, n_excluded, n_after FROM cohort_attrition "
    "WHERE cohort = 'climbing_unseen' ORDER BY step",
)


class OccupiedError(RuntimeError):
    """The demo would overwrite a home that is not a demo's."""


def show(
    given: str | None,
    seed: int,
    patients: int,
    clock: Clock,
    environ: Mapping[str, str],
    *,
    as_json: bool,
) -> None:
    """Build the clinic, run its nights, and show the last one."""
    home = _home(given, environ)
    console = Console(highlight=False, stderr=as_json, soft_wrap=True)
    console.print(Text(f"A synthetic clinic of {patients} people (seed {seed}) in {home.root}"))
    made = clinic(patients=patients, seed=seed)
    nights = [_night(home, made, number, clock, console) for number in range(len(made.nights))]
    with published(home) as con:
        if as_json:
            click.echo(_as_json(con, nights))
            return
        _shown(console, home, con, made)


def _home(given: str | None, environ: Mapping[str, str]) -> Home:
    """An empty demo home; an earlier demo's is wiped, any other home is left alone."""
    home = Home(Path(given).absolute()) if given else Home(locate(None, environ).root / "demo")
    if home.settings.exists() and not (home.root / MARK).exists():
        raise OccupiedError(f"{home.root} is a home that is no demo's; name another with --home")
    shutil.rmtree(home.root, ignore_errors=True)
    make(home)
    home.settings.write_text(SETTINGS, encoding="utf-8")
    (home.root / MARK).touch()
    return home


def _night(home: Home, made: Clinic, number: int, clock: Clock, console: Console) -> Done:
    night = made.nights[number]
    for name, content in night.files.items():
        target = home.inbox / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    with progress_shown() as progress:
        done = run_here(home, load(home.settings), clock, progress, night.as_of)
    read, expect = done["steps"]["read"], done["steps"]["expect"]
    console.print(
        Text(
            f"  night {number + 1} of {night.as_of}: {len(night.files):>2} files, "
            f"{read['staged']:>6} rows, {expect['quarantined']:>4} to quarantine, "
            f"{done['steps']['transform']['patients changed']:>4} patients recomputed, "
            f"{done['steps']['alert']['opened']:>3} alerts, {sum(done['seconds'].values()):.1f} s"
        )
    )
    return done


def _shown(console: Console, home: Home, con: duckdb.DuckDBPyConnection, made: Clinic) -> None:
    console.print()
    console.print(_account(con))
    console.print(_planted(made))
    console.print(_statuses(con))
    console.print()
    console.print(_flagged(con, made))
    first = con.execute(
        "SELECT patient_id FROM patient_status JOIN trend USING (patient_id) "
        "WHERE tier IS NOT NULL ORDER BY tier, p_climbing_unseen DESC LIMIT 1"
    ).fetchone()
    if first:
        console.print(Text(f"\n$ undertow explain {first[0]} --home {home.root}", style="bold"))
        console.print(Text(as_text(explanation(con, first[0]))))
    console.print(_places(home))


def _account(con: duckdb.DuckDBPyConnection) -> Table:
    table = _table("Every row of every file, in one place", "source", "files", "rows in")
    for name in ("accepted", "quarantined", "duplicate", "superseded"):
        table.add_column(name, justify="right")
    rows = con.execute(
        "SELECT source, count(*), sum(rows_in), sum(rows_accepted), sum(rows_quarantined), "
        "sum(rows_duplicate), sum(rows_superseded) FROM source_file GROUP BY ROLLUP (source) "
        "ORDER BY source NULLS LAST"
    ).fetchall()
    for source, *numbers in rows:
        table.add_row(source or "all", *(f"{number:,}" for number in numbers))
    return table


def _planted(made: Clinic) -> Text:
    told = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in made.planted.items())
    return Text(f"Planted in the files: {told}.\n", style="dim")


def _statuses(con: duckdb.DuckDBPyConnection) -> Table:
    table = _table("Every patient, one status", "status", "patients")
    for status, count in con.execute(
        "SELECT status, count(*) FROM patient_status GROUP BY status ORDER BY 2 DESC"
    ).fetchall():
        table.add_row(status.replace("_", " "), str(count))
    return table


def _flagged(con: duckdb.DuckDBPyConnection, made: Clinic) -> Table:
    table = _table("Insulin climbs while glucose looks fine", "patient", "tier", "p")
    for name in ("insulin", "uIU/mL", "% a year", "glucose", "mg/dL", "in truth"):
        table.add_column(
            name, justify="left" if name in ("insulin", "glucose", "in truth") else "right"
        )
    course = dict(made.truth.select("patient_id", "class_").iter_rows())
    rows = frame(
        con,
        "SELECT s.patient_id, s.tier, t.p_climbing_unseen AS p, t.insulin_level_uiu_ml AS level, "
        "t.insulin_slope_pct_year AS slope, t.glucose_level_mg_dl AS glucose FROM patient_status s "
        "JOIN trend t USING (patient_id) WHERE s.tier IS NOT NULL "
        "ORDER BY s.tier, p DESC LIMIT 15",
    ).to_dicts()
    for row in rows:
        table.add_row(*_flag_row(con, row, course.get(row["patient_id"], "?")))
    return table


def _flag_row(con: duckdb.DuckDBPyConnection, row: dict[str, Any], course: str) -> list[str]:
    draws = con.execute(
        "SELECT insulin_uiu_ml, glucose_mg_dl FROM fasting_pair WHERE patient_id = ? AND used "
        "ORDER BY drawn_on",
        [row["patient_id"]],
    ).fetchall()
    return [
        row["patient_id"],
        row["tier"],
        f"{row['p']:.2f}",
        bars([draw[0] for draw in draws]),
        f"{row['level']:.1f}",
        f"{row['slope']:+.0f}",
        bars([draw[1] for draw in draws], GLUCOSE_SPAN),
        f"{row['glucose']:.0f}",
        course.removesuffix("_compensated").replace("_", " "),
    ]


def _places(home: Home) -> Text:
    last = max(home.report.glob("*.html"), default=home.report)
    mails = sorted(home.mail.glob("*digest*.eml")) or [home.mail]
    lines = [
        "",
        f"warehouse  {home.warehouse / 'undertow.duckdb'}",
        f"page       {last}",
        f"mail       {mails[-1]} ({len(list(home.mail.glob('*.eml')))} in all)",
        "",
        "Three queries to try (duckdb -readonly, or duckdb.connect(..., read_only=True)):",
        *(f"  {query};" for query in QUERIES),
    ]
    return Text("\n".join(lines))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for position, name in enumerate(columns):
        table.add_column(name, justify="left" if position == 0 else "right")
    return table


def _as_json(con: duckdb.DuckDBPyConnection, nights: list[Done]) -> str:

    status = dict(
        con.execute("SELECT status, count(*) FROM patient_status GROUP BY status").fetchall()
    )
    return json.dumps({"nights": nights, "status": status}, default=str)
