"""Transform: from what stands in the warehouse to what is computed, for the patients concerned.

Reads frames out of the build, hands them to the pure transforms, and replaces the results.
What follows from draws is recomputed only for patients whose data changed; what depends on
tonight's date (status, cohorts, attrition) is one cheap pass over everyone.
"""

from __future__ import annotations

from datetime import date

import duckdb
import polars as pl

from transforms.catalog.rule import RULE
from transforms.catalog.tables import DERIVED, HISTORY
from transforms.cgm import cgm_days
from transforms.cohorts import attrition, cohorts
from transforms.exclusions import barred_days, excluded_spans
from transforms.indices import index_values
from transforms.pairs import fasting_pairs
from transforms.persons import aliases, persons
from transforms.statuses import at_draws, statuses
from transforms.trends import doubts, latest, trends, without_each
from transforms.wearables import wearable_days
from warehouse.store import frame, replace, replace_frame

_LIVE = (
    "superseded_at IS NULL AND status NOT IN "
    "('cancelled', 'deleted', 'wrong_patient', 'entered_in_error')"
)
_AFFECTED = "patient_id IN (SELECT patient_id FROM affected)"


def compute(con: duckdb.DuckDBPyConnection, as_of: date) -> dict[str, int]:
    """Recompute all derived tables; return the rows written per table."""
    _persons(con)
    counts = {"patients changed": _affected(con)}
    if counts["patients changed"]:
        counts |= _per_patient(con)
    counts |= _tonight(con, as_of)
    con.execute("DROP TABLE affected")
    con.execute("DROP TABLE old_alias")
    return counts


def _write(con: duckdb.DuckDBPyConnection, name: str, rows: pl.LazyFrame | pl.DataFrame) -> int:
    table = DERIVED[name]
    return replace_frame(con, table, _AFFECTED if table.per else "true", rows.lazy().collect())


def _persons(con: duckdb.DuckDBPyConnection) -> None:
    """Persons and merges; keeps the old merges to see whose data moved."""
    con.execute("CREATE OR REPLACE TEMP TABLE old_alias AS SELECT * FROM store.patient_alias")
    records = frame(
        con,
        "SELECT patient_id, birth_date, sex, time_zone, merged_into, known_at "
        "FROM store.patient WHERE superseded_at IS NULL ORDER BY known_at, file_id, line",
    )
    alias = aliases(records.group_by("patient_id", maintain_order=True).last())
    staged = " UNION ".join(f"SELECT patient_id FROM staging.{name}" for name in HISTORY)
    mentioned = frame(
        con,
        "SELECT patient_id FROM store.person UNION SELECT patient_id FROM old_alias "
        f"UNION {staged}",
    )
    everyone = persons(records.lazy(), mentioned.lazy(), alias.lazy())
    _write(con, "patient_alias", alias)
    _write(con, "person", everyone.sort("patient_id"))


def _affected(con: duckdb.DuckDBPyConnection) -> int:
    """Make ``affected``: survivors whose data came, changed or moved tonight."""
    staged = " UNION ".join(f"SELECT patient_id FROM staging.{name}" for name in HISTORY)
    moved = (
        "SELECT unnest([patient_id, o.survivor_id, n.survivor_id]) FROM old_alias o "
        "FULL JOIN store.patient_alias n USING (patient_id) "
        "WHERE o.survivor_id IS DISTINCT FROM n.survivor_id"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE affected AS SELECT DISTINCT patient_id FROM ("
        f"SELECT unnest([patient_id, survivor_id]) AS patient_id FROM ({staged} UNION {moved} "
        "UNION SELECT patient_id FROM staging.displaced) s "
        "LEFT JOIN store.patient_alias USING (patient_id)) WHERE patient_id IS NOT NULL"
    )
    count = con.execute(f"SELECT count(*) FROM store.person WHERE {_AFFECTED}").fetchone()
    return int(count[0]) if count else 0


def _standing(con: duckdb.DuckDBPyConnection, table: str, columns: str, where: str) -> pl.LazyFrame:
    """Standing rows of a history table for the affected persons, under the survivor."""
    return frame(
        con,
        f"SELECT {columns}, coalesce(survivor_id, h.patient_id) AS patient_id FROM store.{table} h "
        f"LEFT JOIN store.patient_alias USING (patient_id) WHERE {where} "
        "AND coalesce(survivor_id, h.patient_id) IN (SELECT patient_id FROM affected)",
    ).lazy()


def _spans(con: duckdb.DuckDBPyConnection, table: str) -> pl.LazyFrame:
    columns = "code_system, code, name, start_on, end_on"
    return _standing(con, table, f'{columns}, "class"' if table == "medication" else columns, _LIVE)


def _per_patient(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    analytes = (
        "'insulin', 'glucose', 'fasting_status', 'fasting_duration', 'haemolysis_index', "
        "'triglyceride', 'hdl', 'steps', 'sleep_duration', 'resting_heart_rate', 'weight'"
    )
    results = _standing(
        con,
        "observation",
        "analyte, observed_at, observed_on, observed_precision, value, comparator, fasting, lab, "
        "assay, absent_reason, comment",
        f"{_LIVE} AND analyte IN ({analytes})",
    )
    pairs = fasting_pairs(results, barred_days(_spans(con, "condition"), _spans(con, "medication")))
    pairs = pairs.collect().lazy()
    used = pairs.filter("used")
    series = trends(used).collect().lazy()
    doubted = pairs.join(doubts(used), on=["patient_id", "drawn_on"], how="left")
    return {
        "fasting_pair": _write(con, "fasting_pair", doubted.sort("patient_id", "drawn_on")),
        "trend_at_draw": _write(con, "trend_at_draw", series),
        "trend": _write(con, "trend", _with_weakest(latest(series), used)),
        "index_value": _write(con, "index_value", index_values(used, _lipids(results))),
        "wearable_day": _write(con, "wearable_day", wearable_days(results)),
        "cgm_day": _cgm(con),
    }


def _with_weakest(newest: pl.LazyFrame, used: pl.LazyFrame) -> pl.LazyFrame:
    """Adds ``p_without_one`` where a flag is near enough for it to matter."""
    near = newest.filter(pl.col("p_climbing_unseen") >= RULE.tier_b_p).select("patient_id")
    dropped = without_each(used.join(near, on="patient_id", how="semi"))
    weakest = dropped.group_by("patient_id").agg(p_without_one=pl.col("p_climbing_unseen").min())
    return newest.join(weakest, on="patient_id", how="left")


def _lipids(results: pl.LazyFrame) -> pl.LazyFrame:
    """Triglycerides and HDL of a day that are not known to be non-fasting."""
    fit = pl.col("comparator").is_null() & (pl.col("fasting") != "no")
    columns = {"triglyceride_mg_dl": "triglyceride", "hdl_mg_dl": "hdl"}
    return results.group_by("patient_id", drawn_on="observed_on").agg(
        pl.col("value").filter(fit & (pl.col("analyte") == analyte)).mean().alias(name)
        for name, analyte in columns.items()
    )


def _cgm(con: duckdb.DuckDBPyConnection) -> int:
    samples = _standing(
        con,
        "sample",
        "coalesce(device, '') AS device, observed_at, observed_on AS local_date, value, comparator",
        "superseded_at IS NULL AND kind = 'sensor_glucose'",
    )
    return _write(con, "cgm_day", cgm_days(samples))


def findings(con: duckdb.DuckDBPyConnection) -> pl.LazyFrame:
    """What the rule says after every draw of everyone (:func:`transforms.statuses.at_draws`)."""
    series = frame(
        con,
        "SELECT d.*, t.p_without_one FROM store.trend_at_draw d LEFT JOIN store.trend t "
        "ON t.patient_id = d.patient_id AND t.last_on = d.drawn_on",
    )
    pairs = frame(
        con, "SELECT patient_id, drawn_on, glucose_mg_dl FROM store.fasting_pair WHERE used"
    )
    return at_draws(series.lazy(), pairs.lazy())


def _tonight(con: duckdb.DuckDBPyConnection, as_of: date) -> dict[str, int]:
    con.execute("CREATE OR REPLACE TEMP TABLE affected AS SELECT patient_id FROM store.person")
    excluded = excluded_spans(_spans(con, "condition"), _spans(con, "medication"))
    excluded = excluded.collect().lazy()
    found = findings(con).collect().lazy()
    newest = found.group_by("patient_id", maintain_order=True).last()
    people = frame(con, "SELECT patient_id, birth_date FROM store.person").lazy()
    minors = people.filter(pl.col("birth_date").is_not_null()).select(
        "patient_id",
        name=pl.lit("minor"),
        from_on=pl.lit(None, dtype=pl.Date),
        to_on=pl.col("birth_date").dt.offset_by(f"{RULE.adult_age}y") - pl.duration(days=1),
    )
    draws = frame(con, "SELECT patient_id, used, reason FROM store.fasting_pair").lazy()
    status = statuses(people, newest, _draw_facts(draws), excluded, as_of).collect().lazy()
    counts = {
        "patient_status": _write(con, "patient_status", status),
        "cohort": _write(con, "cohort", cohorts(found, pl.concat([excluded, minors]), as_of)),
        "cohort_attrition": _write(con, "cohort_attrition", attrition(status)),
    }
    replace(con, DERIVED["tonight"], "true", f"SELECT DATE '{as_of}' AS as_of")
    return counts


def _draw_facts(draws: pl.LazyFrame) -> pl.LazyFrame:
    """Per patient: days with a draw, and the most frequent reason for not using one."""
    reasons = (
        draws.filter(~pl.col("used"))
        .group_by("patient_id", "reason")
        .len()
        .sort("patient_id", "len", "reason", descending=[False, True, False])
        .group_by("patient_id", maintain_order=True)
        .agg(unused=pl.col("reason").first())
    )
    counts = draws.group_by("patient_id").agg(n_draws=pl.len().cast(pl.Int64))
    return counts.join(reasons, on="patient_id", how="left")
