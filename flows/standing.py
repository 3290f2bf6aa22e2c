"""Standing rows: what the newest versions of the sources say of the people concerned, as frames.

People are those of the temporary table ``affected``; merged records come under their survivor.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import polars as pl
from polars import selectors

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
DIGITS = 12
"""Significant ones of what is computed."""
_PEOPLE = (
    "SELECT patient_id, patient_id AS person FROM affected "
    "ANTI JOIN store.patient_alias USING (patient_id) UNION ALL "
    "SELECT a.patient_id, survivor_id FROM store.patient_alias a "
    "JOIN affected f ON f.patient_id = a.survivor_id"
)
"""Everyone concerned, and those merged into them: a join by the stored column itself lets DuckDB
pass over the blocks of other people."""
_IS_OUTLIVED = (
    "EXISTS (FROM store.outlived x WHERE x.source = h.source AND x.patient_id = h.patient_id AND "
    "x.analyte = h.analyte AND x.timing = h.timing AND x.result_id = h.result_id)"
)

_HOURS = (
    "person, date_trunc('hour', observed_local), date_trunc('hour', greatest(observed_local, "
    "observed_local + (ended_at - observed_at) - INTERVAL 1 MICROSECOND))"
)
"""First and last local hour that a sample touches."""
_SHOWS = (
    "value IS NOT NULL AND observed_precision IS DISTINCT FROM 'day' "
    "AND (ended_at IS NULL OR ended_at - observed_at <= INTERVAL 24 HOUR)"
)
"""What :func:`transforms.wearables.wearable_days` takes for a sign of being worn."""


def standing(con: duckdb.DuckDBPyConnection, table: str, columns: str, where: str) -> pl.LazyFrame:
    """Standing rows of a history table (``h``) for the people concerned (``person``)."""
    return frame(
        con,
        f"SELECT {columns}, person AS patient_id FROM store.{table} h "
        f"JOIN ({_PEOPLE}) USING (patient_id) WHERE {where}",
    ).lazy()


def spans(con: duckdb.DuckDBPyConnection, table: str) -> pl.LazyFrame:
    """Conditions or medications."""
    columns = "code_system, code, name, start_on, end_on"
    return standing(con, table, f'{columns}, "class"' if table == "medication" else columns, LIVE)


def hypertension(conditions: pl.LazyFrame) -> pl.LazyFrame:
    """``patient_id``, ``from_on`` of a diagnosis of high blood pressure."""
    return days_of(HYPERTENSION, conditions).select("patient_id", "from_on")


def results(con: duckdb.DuckDBPyConnection, beside: str = "") -> pl.LazyFrame:
    """Results of :data:`ANALYTES`; ``beside`` names further columns, each after a comma."""
    analytes = ", ".join(f"'{name}'" for name in ANALYTES)
    return standing(
        con,
        "observation",
        "analyte, timing, code_system, source_code, observed_at, observed_local, observed_on, "
        "observed_precision, value, comparator, fasting, fasting_hours, lab, assay, absent_reason, "
        f"comment, known_at{beside}",
        f"{LIVE} AND analyte IN ({analytes}) AND NOT {_IS_OUTLIVED}",
    )


def signals(con: duckdb.DuckDBPyConnection) -> pl.LazyFrame:
    """Samples of phones, watches, rings and scales (:data:`transforms.wearables.SIGNAL`).

    Of kinds that only show that a device was worn, one sample stands for all that touch the same
    hours: a watch tells of the heart every few seconds.
    """
    told = _signals(con, wearables.KINDS, "kind")
    kinds = [kind for kind in wearables.SEEN_KINDS if kind not in wearables.KINDS]
    return pl.concat([told, _signals(con, kinds, f"DISTINCT ON ({_HOURS}) kind", _SHOWS)])


def weights(con: duckdb.DuckDBPyConnection) -> pl.LazyFrame:
    """Samples of scales (:data:`transforms.wearables.SIGNAL`)."""
    return _signals(con, ["weight"], "kind")


def _signals(
    con: duckdb.DuckDBPyConnection, kinds: Iterable[str], kind: str, where: str = "true"
) -> pl.LazyFrame:
    names = ", ".join(f"'{name}'" for name in kinds)
    return standing(
        con,
        "sample",
        f"{kind}, h.source || ' ' || coalesce(device, '') AS device, coalesce(method, '') AS "
        "method, observed_at, ended_at, observed_local, observed_precision, value",
        f"superseded_at IS NULL AND kind IN ({names}) AND {where}",
    )


def sensor_glucose(con: duckdb.DuckDBPyConnection) -> pl.LazyFrame:
    """Samples of worn glucose sensors."""
    return standing(
        con,
        "sample",
        "coalesce(device, '') AS device, observed_at, observed_local, observed_on AS local_date, "
        "value",
        "superseded_at IS NULL AND kind = 'sensor_glucose'",
    )


def write(con: duckdb.DuckDBPyConnection, name: str, rows: pl.LazyFrame | pl.DataFrame) -> int:
    """Replace what a derived table says of the people concerned, or all of it; count the rows.

    Numbers are kept to :data:`DIGITS`: their last bits depend on who else is computed with them (a
    frame of one row is divided where a longer one is multiplied by the inverse).
    """
    table = DERIVED[name]
    kept = rows.lazy().with_columns(selectors.float().round_sig_figs(DIGITS)).collect()
    where = AFFECTED if table.per else "true"
    if (
        kept.is_empty()
        and not frame(con, f"SELECT 1 FROM store.{name} WHERE {where} LIMIT 1").height
    ):
        return 0
    return replace_frame(con, table, where, kept)
