"""Who was not evaluated, and what would be needed: never what could not help."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from transforms.catalog.criteria import criterion_frame

VIEW = Path(__file__).resolve().parents[2] / "warehouse" / "views" / "not_measured.sql"
TONIGHT = date(2026, 6, 1)
Draw = tuple[date, float | None, float | None, str | None]
"""Day, insulin, glucose, why it is not used (null: it is)."""

BARRED = "a draw when nothing that is on record bars it, such as a medicine"
BOUNDS = "an insulin within the range of the assay, not only a bound"
FASTING = "a draw that can be used: fasting, and stated so"
LAST_YEAR = "a fasting draw of insulin and glucose of the last year"
OLD = [(date(year, 3, 1), 8.0, 90.0, None) for year in (2021, 2022, 2023)]


def missing(con: duckdb.DuckDBPyConnection, *draws: Draw) -> str:
    criteria = criterion_frame()  # noqa: F841 DuckDB finds the frame by its name
    con.execute("INSERT INTO store.criterion BY NAME FROM criteria")
    con.execute("INSERT INTO store.person (patient_id) VALUES ('p')")
    con.execute(
        "INSERT INTO store.patient_status (patient_id, as_of, status) "
        "VALUES ('p', ?, 'unresolved')",
        [TONIGHT],
    )
    con.executemany(
        "INSERT INTO store.fasting_pair (patient_id, drawn_on, insulin_uiu_ml, glucose_mg_dl, "
        "reason, used) VALUES ('p', $1, $2, $3, $4, $4 IS NULL)",
        draws,
    )
    used = [day for day, _, _, reason in draws if reason is None]
    if used:
        con.execute(
            "INSERT INTO store.trend (patient_id, n_pairs, first_on, last_on) "
            "VALUES ('p', ?, ?, ?)",
            [len(used), min(used), max(used)],
        )
    ((found,),) = con.execute(f"SELECT missing FROM ({VIEW.read_text('utf-8')})").fetchall()
    return str(found)


@pytest.mark.parametrize(
    ("draws", "said"),
    [
        (OLD, LAST_YEAR),
        ([*OLD, (date(2026, 3, 1), 8.0, 90.0, "during metformin")], BARRED),
        ([*OLD, (date(2024, 3, 1), 8.0, 90.0, "during metformin")], LAST_YEAR),
        ([(date(2026, 3, 1), 8.0, 90.0, "during metformin")], BARRED),
        ([(date(2026, 3, 1), 2.0, 90.0, "censored")], BOUNDS),
        ([(date(2026, 3, 1), 8.0, 90.0, "fasting unknown")], FASTING),
        ([(date(2026, 3, 1), None, 90.0, "no insulin")], "insulin beside the glucose of one draw"),
    ],
    ids=["old", "barred now", "barred once", "barred alone", "bounds", "not stated", "no insulin"],
)
def test_what_is_missing_is_what_would_help(
    store: duckdb.DuckDBPyConnection, draws: list[Draw], said: str
) -> None:
    assert missing(store, *draws) == said
