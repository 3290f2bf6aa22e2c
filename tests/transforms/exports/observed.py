"""Observations as the warehouse's view has them, a few fields at a time."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl

AT = datetime(2024, 3, 1, 7, 10)  # noqa: DTZ001
SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("patient_id", "analyte"), pl.String),
    "observed_at": pl.Datetime("us"),
    "value": pl.Float64,
    **dict.fromkeys(("unit", "comparator", "fasting", "status", "source", "result_id"), pl.String),
    **dict.fromkeys(("known_at", "observed_local", "reported_at"), pl.Datetime("us")),
    "observed_on": pl.Date,
    **dict.fromkeys(("observed_precision", "timing", "absent_reason"), pl.String),
    **dict.fromkeys(("source_code", "source_value", "source_unit"), pl.String),
    "file_id": pl.Int32,
    "line": pl.Int64,
    "part": pl.Int32,
}
PLAIN: dict[str, Any] = {
    "patient_id": "p1",
    "analyte": "insulin",
    "observed_at": AT,
    "value": 6.25,
    "unit": "u[IU]/mL",
    "fasting": "yes",
    "status": "final",
    "source": "hospital",
    "known_at": datetime(2024, 3, 2),  # noqa: DTZ001
    "observed_local": datetime(2024, 3, 1, 8, 10),  # noqa: DTZ001
    "observed_on": date(2024, 3, 1),
    "observed_precision": "time",
    "timing": "any",
    "source_code": "20448-7",
    "source_value": "6.25",
    "source_unit": "uIU/mL",
    "file_id": 1,
    "line": 7,
}


def observed(*rows: dict[str, Any]) -> pl.LazyFrame:
    """One observation per dict of what differs from a plain fasting insulin."""
    return pl.LazyFrame([{**dict.fromkeys(SCHEMA), **PLAIN, **row} for row in rows], schema=SCHEMA)


def people(*ids: str, birth: date | None = date(1970, 2, 3)) -> pl.LazyFrame:
    """Women of one birthday."""
    rows = [(one, birth, "female") for one in ids]
    kinds = {"patient_id": pl.String, "birth_date": pl.Date, "sex": pl.String}
    return pl.LazyFrame(rows, schema=kinds, orient="row")
