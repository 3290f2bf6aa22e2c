"""Publish a night over many rows, beside a plain copy of the same bytes; and what is asked of it.

A fifth of the rows are results, the rest days of wearables; fifty rows a person. Tonight one status
in a hundred changes. Everyone is there with what decides of cohorts: views that compare it with
every criterion are as long as people times criteria, and publishing must not ask for their rows.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb

from transforms.catalog.criteria import criterion_frame
from warehouse import nights, publish, store
from warehouse.landed import sha256
from warehouse.reading import connect

LAST, TONIGHT = date(2026, 3, 1), date(2026, 3, 2)
ROWS = {
    "observation": "SELECT 'P' || i // 10 AS patient_id, 'R' || i AS result_id, "
    "['insulin', 'glucose'][1 + i % 2] AS analyte, 'fasting' AS timing, "
    "(hash(i) % 400) / 10.0 AS value, 'u[IU]/mL' AS unit, 'final' AS status, "
    "TIMESTAMP '2016-01-01' + to_days((i % 10 * 365)::INTEGER) AS observed_at, "
    "observed_at::DATE AS observed_on, 'yes' AS fasting, 'L' || hash(i) % 5 AS lab, "
    "'clinic' AS source, '20448-7' AS source_code, '12.3' AS source_value, "
    "i // 100000 AS file_id, i % 100000 AS line, 0 AS part, TIMESTAMP '2026-03-01' AS known_at "
    "FROM range({results}) r(i)",
    "wearable_day": "SELECT 'P' || i // 40 AS patient_id, "
    "DATE '2026-01-01' + (i % 40)::INTEGER AS local_date, (hash(i) % 20000)::DOUBLE AS steps, "
    "50 + hash(i) % 30 AS resting_heart_rate, 5 + (hash(i) % 40) / 10 AS sleep_h, 1 AS devices, "
    "24 AS hours_seen FROM range({days}) r(i)",
    "person": "SELECT 'P' || i AS patient_id, DATE '1970-01-01' AS birth_date, 'female' AS sex "
    "FROM range({people}) r(i)",
    "patient_status": "SELECT 'P' || i AS patient_id, DATE '2026-03-01' AS as_of, "
    "'not_flagged' AS status, 'probability of climbing unseen ' || hash(i) % 30 AS reason, "
    "'status-1' AS rule_version, '{{\"n_pairs\": ' || hash(i) % 9 || '}}' AS evidence "
    "FROM range({people}) r(i)",
    "cohort": "SELECT 'climbing_unseen' AS cohort, 'P' || i AS patient_id, "
    "DATE '2025-01-01' AS entered_on, 'v1' AS definition_version FROM range({people} // 20) r(i)",
    "deciding_draw": "SELECT 'P' || i AS patient_id, DATE '2026-02-01' AS drawn_on, "
    "20 + hash(i) % 60 AS age_years, 0 AS n_exclusions, 0 AS raised_before, "
    "80 + hash(i) % 30 AS lower_glucose_mg_dl, 0 AS decompensation_signs FROM range({people}) r(i)",
    "tonight": "SELECT DATE '2026-03-01' AS as_of",
}


def prepare(folder: Path, size: int) -> None:
    """The file of the night before."""
    counts = {"results": size // 5, "days": size - size // 5, "people": size // 50}
    build = folder / ".build.duckdb"
    con = store.connect(build, folder)
    store.create(con)
    for name, rows in ROWS.items():
        con.execute(f"INSERT INTO store.{name} BY NAME {rows.format(**counts)}")
    con.register("criteria", criterion_frame().to_arrow())
    con.execute("INSERT INTO store.criterion BY NAME FROM criteria")
    con.execute(
        "INSERT INTO store.source_file (source, file_id, known_at) SELECT DISTINCT 'clinic', "
        "file_id, known_at FROM store.observation"
    )
    nights.record(con, LAST)
    publish.create_views(con)
    publish.create_macros(con, "last")
    _close(con)
    publish.publish(folder, build, f"{LAST}-last")


def ours(folder: Path) -> None:
    """From the copy to the swap, with all that publishing looks at; then a copy in this process."""
    began = time.perf_counter()
    build, start = folder / ".build.duckdb", publish.current(folder)
    publish.begin_build(start, build)
    con = store.connect(build, folder)
    con.execute(
        "UPDATE store.patient_status SET status = 'climbing', tier = 'A' "
        "WHERE hash(patient_id) % 100 = 0"
    )
    nights.record(con, TONIGHT)
    publish.create_macros(con, "tonight")
    digest = store.digest(con)
    _close(con)
    publish.verify(build, digest)
    sha256(build)
    made = publish.publish(folder, build, f"{TONIGHT}-tonight")
    took = time.perf_counter() - began
    began = time.perf_counter()
    shutil.copyfile(made, folder / "copy")
    copied = time.perf_counter() - began
    ratio = made.stat().st_size / start.stat().st_size if start else 0
    print(
        f"  {made.stat().st_size / 1e6:,.0f} MB, {ratio:.3f} of the night before's; publish "
        f"{took:.2f} s, plain copy {copied:.2f} s: {took / copied:.1f}",
        file=sys.stderr,
    )
    publish.swap(folder, folder / publish.version_name(f"{LAST}-last"))
    made.unlink()


def _close(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("DETACH staging")
    con.execute("CHECKPOINT")
    con.close()


def copy(folder: Path) -> None:
    """A plain copy of the same bytes."""
    start = publish.current(folder)
    if start:
        shutil.copyfile(start, folder / "copy")


def asked(query: str) -> Callable[[Path], None]:
    """A question to the published file, as an analyst asks it."""

    def ask(folder: Path) -> None:
        with connect(folder / publish.LINK, memory_limit="4GB") as con:
            con.execute(query).fetchall()

    return ask


PUBLISHED = {
    "publish / plain copy": (50_000_000, prepare, ours, copy),
    "observation_as_of / one scan": (
        50_000_000,
        prepare,
        asked("SELECT analyte, count(*) FROM "
              "observation_as_of(DATE '2026-03-01', DATE '2026-01-01') GROUP BY analyte"),
        asked("SELECT analyte, count(*), max(value) FROM store.observation "
              "WHERE observed_on <= DATE '2026-01-01' GROUP BY analyte"),
    ),
    "status_as_of / one scan": (
        50_000_000,
        prepare,
        asked("SELECT status, count(*) FROM status_as_of(DATE '2026-03-01') GROUP BY status"),
        asked("SELECT status, count(*) FROM store.patient_status GROUP BY status"),
    ),
}  # fmt: skip
