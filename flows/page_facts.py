"""What the night's page shows: counts from the published warehouse and the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import duckdb

from flows.pictures.bars import COLUMNS, over_nights, shares
from flows.pictures.calibration import coverage, tenths
from flows.pictures.drawing import Picture
from transforms.catalog.rule import STATUSES
from warehouse.ledger import Ledger
from warehouse.store import frame

Row = dict[str, Any]
PLACES = ("accepted", "quarantined", "duplicate", "superseded")
FEWEST_OF_A_LAB = 20
"""Newest draws of a laboratory below which its forecasts say little."""
NAME = 14
"""Letters of a laboratory's name that fit beside its forecasts."""
MEASURES: tuple[tuple[str, str, str], ...] = (
    ("rows_in", "Rows that came", ""),
    ("quarantined_pct", "Of them quarantined", " %"),
    ("waiting", "Rows that wait", ""),
    ("alarms", "Feeds out of rhythm", ""),
    ("checks_failed", "Expectations that failed", ""),
    ("evaluated", "Patients evaluated", ""),
    ("opened", "Alerts opened", ""),
    ("seconds", "Seconds the night took", ""),
)
"""What is followed over nights: a column of :func:`nights`, its name, its unit."""
_QUALITY = (
    "SELECT night, rows_in, 100 * rows_quarantined / nullif(rows_in, 0) AS quarantined_pct, "
    "waiting, alarms, checks_failed FROM quality_trend WHERE night <= ? "
    "ORDER BY night DESC LIMIT ?"
)
_REASONS = (
    "SELECT source, split_part(reason, ':', 1) AS reason, count(*) AS n, "
    "any_value(what_to_do) AS sentence FROM (SELECT source, unnest(reasons) AS reason, "
    "what_to_do FROM quarantine WHERE state = 'waiting') GROUP BY ALL ORDER BY n DESC, 1, 2"
)
_FORECASTS = (
    "SELECT * FROM prediction_check WHERE n > 0 "
    f"AND (grouped_by <> 'lab' OR n >= {FEWEST_OF_A_LAB}) "
    "ORDER BY analyte DESC, grouped_by, CASE grouped_by WHEN 'draws' THEN level END, n DESC"
)
_COHORTS = (
    "SELECT d.cohort, d.sentence, count(c.patient_id) FILTER (c.left_on IS NULL) AS n, "
    "count(c.patient_id) FILTER (c.left_on IS NOT NULL) AS n_left FROM cohort_definition d "
    "LEFT JOIN cohort c USING (cohort) WHERE d.state = 'accepted' "
    "GROUP BY ALL ORDER BY d.cohort"
)
_ATTRITION = "SELECT * FROM cohort_attrition WHERE cohort = 'climbing_unseen' ORDER BY step"
_FEEDS = "FROM feed_check ORDER BY alarm IS NULL, source, analyte"


def warehouse_facts(con: duckdb.DuckDBPyConnection) -> Row:
    """Tables of the page, as the published file has them."""
    return {
        "statuses": STATUSES,
        "cohorts": frame(con, _COHORTS).to_dicts(),
        "attrition": funnel(frame(con, _ATTRITION).to_dicts()),
        "quarantine": frame(con, _REASONS).to_dicts(),
        "feeds": frame(con, _FEEDS).to_dicts(),
        **model_pictures(frame(con, _FORECASTS).to_dicts()),
    }


def funnel(steps: Sequence[Row]) -> list[Row]:
    """Steps of the attrition, each with a bar of who is left."""
    everyone = max((step["n_before"] for step in steps[:1]), default=0)
    return [
        {
            **step,
            "bar": shares(
                [("glucose", step["n_after"])], everyone, f"{step['n_after']} of {everyone} left"
            ),
        }
        for step in steps
    ]


def model_pictures(checks: Sequence[Row]) -> Row:
    """Pictures of the forecasts, one of coverage and one of tenths for each analyte."""
    pictures: list[tuple[str, Picture, list[tuple[str, Picture]]]] = []
    for analyte in dict.fromkeys(check["analyte"] for check in checks):
        rows = [(_group(check), check) for check in checks if check["analyte"] == analyte]
        said = f"Fasting {analyte}"
        fell = [(name, tenths(row["pit_deciles"], f"{said}, {name}")) for name, row in rows]
        pictures.append((said, coverage(rows, said), fell))
    return {"forecasts": pictures}


def _group(check: Row) -> str:
    if check["grouped_by"] == "all":
        return "all"
    if check["grouped_by"] == "draws":
        return f"{check['level']} draws{' or more' if check['level'] == '7' else ''}"
    name = str(check["level"]).strip(" ,")
    return (name if len(name) <= NAME else f"{name[: NAME - 1]}…") or "no laboratory"


def sources(files: Sequence[Row]) -> list[Row]:
    """Tonight's sources, each with a bar of where its rows are."""
    found = []
    for file in files:
        rows = {place: int(file[place]) for place in (*PLACES, "rows_in")}
        told = ", ".join(f"{rows[place]:,} {place}" for place in PLACES)
        bar = shares(
            [(place, rows[place]) for place in PLACES],
            rows["rows_in"],
            f"{told} of {rows['rows_in']:,} rows",
        )
        found.append({**file, **rows, "bar": bar})
    return found


def statuses(counts: Mapping[str, int]) -> list[Row]:
    """Every status with its patients, and a bar of them all."""
    everyone = sum(counts.values())
    return [
        {
            "status": status,
            "sentence": sentence,
            "n": counts.get(status, 0),
            "bar": shares(
                [(_COLOURS.get(status, "glucose"), counts.get(status, 0))],
                everyone,
                f"{counts.get(status, 0)} of {everyone}",
            ),
        }
        for status, sentence in STATUSES.items()
    ]


_COLOURS = {
    **dict.fromkeys(("climbing", "high_and_climbing", "decompensating"), "insulin"),
    **dict.fromkeys(("unresolved", "excluded"), "duplicate"),
}
"""Marked, not marked, and not evaluated."""


def steps(ledger: Ledger, run_id: str) -> list[Row]:
    """The steps of a run so far, each with a bar of its seconds."""
    rows = ledger.rows("SELECT * FROM step WHERE run_id = ? ORDER BY rowid", [run_id])
    return with_bars([{**dict(row), "counts": json.loads(row["counts"])} for row in rows])


def with_bars(rows: Sequence[Row]) -> list[Row]:
    """Steps with a bar of their seconds, against the longest of them."""
    longest = max((row["seconds"] for row in rows), default=0.0)
    return [
        {
            **row,
            "bar": shares([("glucose", row["seconds"])], longest, f"{row['seconds']:.2f} seconds"),
        }
        for row in rows
    ]


def nights(con: duckdb.DuckDBPyConnection, ledger: Ledger, run_id: str, night: date) -> list[Row]:
    """The last nights with what is followed over them, oldest first; ``run_id`` is tonight's.

    A night's last completed run speaks for it.
    """
    runs = ledger.rows(
        "SELECT night, run_id, max(started_at) FROM run WHERE (state = 'done' OR run_id = ?) "
        "AND night <= ? GROUP BY night ORDER BY night DESC LIMIT ?",
        [run_id, night.isoformat(), COLUMNS],
    )
    found = frame(con, _QUALITY, [night, COLUMNS])
    unknown = dict.fromkeys(found.columns)
    quality = {str(row["night"]): row for row in found.to_dicts()}
    return [
        {
            **quality.get(run["night"], unknown),
            **of_steps(ledger, run["run_id"]),
            "night": run["night"],
        }
        for run in reversed(runs)
    ]


def of_steps(ledger: Ledger, run_id: str) -> Row:
    """What the steps of a run say: patients evaluated, alerts opened, seconds."""
    rows = ledger.rows("SELECT name, seconds, counts FROM step WHERE run_id = ?", [run_id])
    counts = {row["name"]: json.loads(row["counts"]) for row in rows}
    return {
        "evaluated": counts.get("transform", {}).get("patients changed"),
        "opened": counts.get("alert", {}).get("opened"),
        "seconds": round(sum(row["seconds"] for row in rows), 1),
    }


def courses(rows: Sequence[Row]) -> list[Row]:
    """A picture over nights of each of :data:`MEASURES`, with its newest value."""
    return [
        {
            "name": name,
            "now": _number(rows[-1][column] if rows else None, unit),
            "picture": over_nights(
                [(str(row["night"]), _rounded(row[column])) for row in rows], name, unit
            ),
        }
        for column, name, unit in MEASURES
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 2)


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}{unit}" if value >= 10 or value == int(value) else f"{value:.1f}{unit}"
