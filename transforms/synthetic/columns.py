"""The columns of the contract's files, and frames brought to them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

LABS = (
    *("patient_id", "collected_at", "code", "value", "unit", "fasting", "lab", "assay"),
    *("status", "result_id", "reported_at"),
)
PATIENTS = ("patient_id", "birth_date", "sex", "time_zone", "merged_into")
MEDICATIONS = ("patient_id", "name", "class", "start_date", "end_date")
CONDITIONS = ("patient_id", "code", "name", "onset_date", "end_date")
VITALS = ("patient_id", "observed_at", "code", "value", "unit")


def csv(frame: pl.DataFrame, columns: Sequence[str]) -> bytes:
    """``frame`` as CSV with exactly ``columns``: UTF-8, LF, quotes where needed."""
    return filled(frame, columns).write_csv().encode()


def filled(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Exactly ``columns``, as text; missing ones null."""
    text = (
        pl.col(name).cast(pl.String) if name in frame.columns else pl.lit(None, pl.String)
        for name in columns
    )
    return frame.select(expr.alias(name) for expr, name in zip(text, columns, strict=True))
