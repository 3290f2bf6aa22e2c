"""Read a person's series for its picture."""

from __future__ import annotations

import duckdb

from flows.pictures.rows import Series
from warehouse.store import frame


def series_of(con: duckdb.DuckDBPyConnection, patient_id: str) -> Series:
    """What is known of one person, from a build or a published warehouse."""
    draws, at_draws, trends = (
        frame(con, f"FROM store.{name} WHERE patient_id = ? ORDER BY {order}", [patient_id])
        for name, order in _TABLES
    )
    trend = next(trends.iter_rows(named=True), None)
    return Series(draws.to_dicts(), at_draws.to_dicts(), trend)


_TABLES = (("fasting_pair", "drawn_on"), ("trend_at_draw", "drawn_on"), ("trend", "patient_id"))
