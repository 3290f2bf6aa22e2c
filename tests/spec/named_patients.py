"""Named patients of the cohorts' tables, from their results to the night's cohorts.

A table is Markdown, one file a definition (``<cohort>-<version>.md``), one row a patient:

    patient | born | drawn | insulin | glucose | beside | on record | expected | decided by | value

``drawn``: "yearly to 2026-01-10", or "every 100 days to ..."; ``insulin`` (uIU/mL) and ``glucose``
(mg/dL): one number a draw, the newest last, "-" where it was not measured. ``beside``: other
analytes ("alt 15 21; nefa 0.5 0.5"), the newest of the day of the newest draw unless a day follows
("hba1c 6.0 on 2024-06-01"), or "sensor 30 % to 2026-02-20": two weeks of a sensor, so much of it
above 140 mg/dL. ``on record``: an ICD-10 code "from" a day, and "to" one. ``expected``: in or out;
``decided by``: the criterion, its ``value`` beside it to two figures after the point.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from flows.compute import compute, prepare
from transforms.catalog.criteria import Definition, criteria
from transforms.catalog.tables import TABLES
from transforms.frozen import SHIPPED
from warehouse.publish import create_views
from warehouse.store import replace_frame

FOLDER = Path(__file__).with_name("cohorts")
NIGHT = date(2026, 3, 1)
_EVERY = re.compile(r"(?:yearly|every (\d+) days) to (\S+)")
_SENSOR = re.compile(r"sensor (\d+) % to (\S+)")
_UNITS = {"insulin": "u[IU]/mL", "glucose": "mg/dL", "hba1c": "%", "alt": "U/L", "ggt": "U/L"}
_UNITS |= {"triglyceride": "mg/dL", "hdl": "mg/dL", "nefa": "mmol/L", "c_peptide": "ng/mL"}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Named:
    """A row of a table, as written."""

    cohort: str
    version: str
    patient: str
    born: str
    drawn: str
    insulin: str
    glucose: str
    beside: str
    on_record: str
    expected: str
    decided_by: str
    value: str

    @property
    def patient_id(self) -> str:
        """Unique: names come again in other tables."""
        return f"{self.cohort} {self.patient}"


def named_patients() -> list[Named]:
    """Every row of every table."""
    return [row for path in sorted(FOLDER.glob("*.md")) for row in _rows(path)]


def _rows(path: Path) -> Iterator[Named]:
    cohort, _, version = path.stem.rpartition("-")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    for line in lines[2:]:
        yield Named(cohort, version, *(cell.strip() for cell in line.strip()[1:-1].split("|")))


def night_over(con: duckdb.DuckDBPyConnection, rows: list[Named]) -> None:
    """Keep what the rows say as standing results, and compute one night over them."""
    for table, kept in (
        ("patient", [_person(row) for row in rows]),
        ("observation", [result for row in rows for result in _results(row)]),
        ("condition", [_condition(row) for row in rows if row.on_record]),
        ("sample", [sample for row in rows for sample in _samples(row)]),
    ):
        _keep(con, table, kept)
    con.execute("INSERT INTO staging.displaced SELECT patient_id FROM store.patient")
    prepare(con)
    compute(con, NIGHT, [SHIPPED])
    create_views(con)


def _keep(con: duckdb.DuckDBPyConnection, table: str, rows: list[Row]) -> None:
    frame = pl.from_dicts(rows, infer_schema_length=None).with_row_index("line")
    place = {"source": "clinic", "file_id": 1, "part": 0, "known_at": NIGHT}
    frame = frame.with_columns(**{name: pl.lit(value) for name, value in place.items()})
    missing = [name for name in TABLES[table].columns if name not in frame.columns]
    replace_frame(con, TABLES[table], "true", frame.with_columns(**dict.fromkeys(missing)))


def _person(row: Named) -> Row:
    born = date.fromisoformat(row.born) if row.born else None
    return {"patient_id": row.patient_id, "birth_date": born, "sex": "female"}


def _days(row: Named, n: int) -> list[date]:
    found = _EVERY.fullmatch(row.drawn)
    assert found, f"{row.patient_id}: drawn {row.drawn!r}"
    step, last = int(found[1] or 365), date.fromisoformat(found[2])
    return [last - timedelta(days=step * back) for back in reversed(range(n))]


def _results(row: Named) -> Iterator[Row]:
    series = [f"insulin {row.insulin}", f"glucose {row.glucose}", *row.beside.split(";")]
    for text in series:
        analyte, *words = text.split()[:1] + text.split()[1:] or [""]
        if not words or analyte == "sensor":
            continue
        on = date.fromisoformat(words[-1]) if "on" in words else None
        values = words[:-2] if on else words
        days = [on] * len(values) if on else _days(row, len(values))
        for day, value in zip(days, values, strict=True):
            if value != "-" and day:
                yield _result(row.patient_id, analyte, day, float(value))


def _result(who: str, analyte: str, on: date, value: float) -> Row:
    at = datetime.combine(on, time(8))
    return {
        "patient_id": who,
        "result_id": f"{who}-{analyte}-{on}",
        "analyte": analyte,
        "timing": "fasting" if analyte in ("insulin", "glucose") else "any",
        "value": value,
        "unit": _UNITS[analyte],
        "observed_at": at,
        "observed_local": at,
        "observed_on": on,
        "observed_precision": "time",
        "fasting": "yes",
        "fasting_basis": "stated",
        "lab": "Lab A",
        "assay": "Assay A",
        "status": "final",
    }


def _condition(row: Named) -> Row:
    code, _, start, *end = row.on_record.split()
    return {
        "patient_id": row.patient_id,
        "code_system": "icd10",
        "code": code,
        "name": "",
        "start_on": date.fromisoformat(start),
        "end_on": date.fromisoformat(end[1]) if end else None,
        "status": "active",
        "record_id": row.patient_id,
    }


def _samples(row: Named) -> Iterator[Row]:
    """Two weeks of a sensor, a reading every 15 minutes; at night the high ones."""
    found = _SENSOR.search(row.beside)
    if not found:
        return
    share, last = int(found[1]), date.fromisoformat(found[2])
    start = datetime.combine(last - timedelta(days=13), time(0))
    for place in range(14 * 96):
        at = start + timedelta(minutes=15 * place)
        yield {
            "patient_id": row.patient_id,
            "kind": "sensor_glucose",
            "device": "sensor",
            "value": 150.0 if place % 100 < share else 100.0,
            "unit": "mg/dL",
            "observed_at": at,
            "observed_local": at,
            "observed_on": at.date(),
            "observed_precision": "time",
        }


def lacking(definition: Definition, rows: list[Named]) -> list[str]:
    """What a definition's table lacks before it can be accepted, a sentence each."""
    own = [
        row for row in rows if (row.cohort, row.version) == (definition.name, definition.version)
    ]
    named = f"{definition.name} {definition.version}"
    shown = {row.decided_by for row in own if row.expected == "out"}
    found = [
        f"{named} names nobody whom {item.criterion} keeps out"
        for item in criteria(definition)
        if item.criterion not in shown
    ]
    members = any(row.expected == "in" for row in own)
    return found if members else [f"{named} names nobody who is in", *found]
