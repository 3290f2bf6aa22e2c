"""Standing rows: what the newest versions of the sources say of the people concerned, as frames.

People are those of the temporary table ``affected``; merged records come under their survivor.
"""

from __future__ import annotations

import duckdb
import polars as pl

from transforms import wearables
from transforms.catalog.exclusions import HYPERTENSION
from transforms.catalog.tables import DERIVED
from transforms.catalog.tissues import SIGNALS
from transforms.exclusions import days_of
from transforms.index_inputs import ANALYTES as INDEX_ANALYTES
from warehouse.store import frame, replace_frame

LIVE = (
    "superseded_at IS NULL AND status NOT IN "
    "('cancelled', 'deleted', 'wrong_patient', 'entered_in_error')"
)
TISSUE_ANALYTES = [signal.of for signal in SIGNALS if signal.source == "analyte"]
AFFECTED = "patient_id IN (SELECT patient_id FROM affected)"
ANALYTES = sorted(
    {"insulin", "glucose", "hba1c", "height", *INDEX_ANALYTES, *TISSUE_ANALYTES, *wearables.KINDS}
)
"""What is computed from."""
_IS_OUTLIVED = (
    "EXISTS (FROM store.outlived x WHERE x.source = h.source AND x.patient_id = h.patient_id AND "
    "x.analyte = h.analyte AND x.timing = h.timing AND x.result_id = h.result_id)"
)


def standing(con: duckdb.DuckDBPyConnection, table: str, columns: str, where: str) -> pl.LazyFrame:
    """Standing rows of a history table (``h``) for the people concerned."""
    return frame(
        con,
        f"SELECT {columns}, coalesce(survivor_id, h.patient_id) AS patient_id FROM store.{table} h "
        f"LEFT JOIN store.patient_alias USING (patient_id) WHERE {where} "
        "AND coalesce(survivor_id, h.patient_id) IN (SELECT patient_id FROM affected)",
    ).lazy()


def spans(con: duckdb.DuckDBPyConnection, table: str) -> pl.LazyFrame:
    """Conditions or medications."""
    columns = "code_system, code, name, start_on, end_on"
    return standing(con, table, f'{columns}, "class"' if table == "medication" else columns, LIVE)


def hypertension(conditions: pl.LazyFrame) -> pl.LazyFrame:
    """``patient_id``, ``from_on`` of a diagnosis of high blood pressure."""
    return days_of(HYPERTENSION, conditions).select("patient_id", "from_on")


def results(con: duckdb.DuckDBPyConnection) -> pl.LazyFrame:
    """Results of :data:`ANALYTES`."""
    analytes = ", ".join(f"'{name}'" for name in ANALYTES)
    return standing(
        con,
        "observation",
        "analyte, timing, code_system, source_code, observed_at, observed_local, observed_on, "
        "observed_precision, value, comparator, fasting, fasting_hours, lab, assay, absent_reason, "
        "comment, known_at",
        f"{LIVE} AND analyte IN ({analytes}) AND NOT {_IS_OUTLIVED}",
    )


def signals(con: duckdb.DuckDBPyConnection) -> pl.LazyFrame:
    """Samples of phones, watches, rings and scales (:data:`transforms.wearables.SIGNAL`)."""
    kinds = ", ".join(f"'{kind}'" for kind in (*wearables.KINDS, *wearables.SEEN_KINDS))
    return standing(
        con,
        "sample",
        "kind, h.source || ' ' || coalesce(device, '') AS device, coalesce(method, '') AS method, "
        "observed_at, ended_at, observed_local, observed_precision, value",
        f"superseded_at IS NULL AND kind IN ({kinds})",
    )


def sensor_glucose(con: duckdb.DuckDBPyConnection) -> pl.LazyFrame:
    """Samples of worn glucose sensors."""
    return standing(
        con,
        "sample",
        "coalesce(device, '') AS device, observed_at, observed_local, observed_on AS local_date, "
        "value, comparator",
        "superseded_at IS NULL AND kind = 'sensor_glucose'",
    )


def write(con: duckdb.DuckDBPyConnection, name: str, rows: pl.LazyFrame | pl.DataFrame) -> int:
    """Replace what a derived table says of the people concerned, or all of it; count the rows."""
    table = DERIVED[name]
    return replace_frame(con, table, AFFECTED if table.per else "true", rows.lazy().collect())
