"""Transform: from what stands in the warehouse to what is computed, for the patients concerned.

Reads frames out of the build, hands them to the pure transforms, and replaces the results.
What follows from draws is recomputed only for patients whose data changed; what depends on
tonight's date (status, cohorts, attrition) is one cheap pass over everyone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date

import duckdb
import polars as pl

from flows.standing import results, sensor_glucose, signals, spans, write
from transforms import frozen
from transforms.catalog.prior import Noise, Prior
from transforms.catalog.rule import RULE
from transforms.catalog.tables import DERIVED, HISTORY
from transforms.cgm import cgm_days
from transforms.checks import list_check, prediction_checks
from transforms.cohorts import attrition, cohorts
from transforms.exclusions import barred_days, excluded_spans
from transforms.frozen import FrozenModel
from transforms.indices import index_values
from transforms.pairs import fasting_pairs
from transforms.persons import aliases, persons
from transforms.rhythm import feed_checks
from transforms.statuses import at_draws, statuses
from transforms.trends import doubts, forecasts, latest, shuffled, trends, without_each
from transforms.wearables import wearable_days
from warehouse import feeds
from warehouse.store import frame, replace

Models = Sequence[FrozenModel]
Judge = Callable[[pl.LazyFrame, Noise, Prior], pl.LazyFrame]

SHARD = 25_000
"""Patients computed at a time: bounds memory."""
_LASTING_MERGES = (
    "SELECT source, patient_id, arg_max(merged_into, (known_at, file_id, line)) AS into "
    "FROM store.patient WHERE status = 'merge' AND merged_into IS NOT NULL GROUP BY ALL"
)
"""A message tells of a merge once; later messages for the old number say nothing of it."""
_OUTLIVED = """
    SELECT source, patient_id, analyte, timing, result_id FROM (
        SELECT *, row_number() OVER (
            PARTITION BY source, survivor, analyte, timing, replace(result_id, mark, '')
            ORDER BY coalesce(reported_at, known_at) DESC, known_at DESC, file_id DESC, line DESC,
                part DESC) AS place
        FROM (SELECT h.*, '|' || h.patient_id AS mark,
                coalesce(a.survivor_id, h.patient_id) AS survivor
            FROM store.observation h LEFT JOIN store.patient_alias a USING (patient_id)
            WHERE superseded_at IS NULL AND h.patient_id IN (
                SELECT unnest([patient_id, survivor_id]) FROM store.patient_alias))
        WHERE contains(result_id, mark))
    WHERE place > 1
"""
"""A laboratory that uses its numbers again has the patient in them; when two patients turn out to
be one, a number reported for both is one result, and the later report stands."""


def compute(con: duckdb.DuckDBPyConnection, as_of: date, models: Models) -> dict[str, int]:
    """Recompute all derived tables; return the rows written per table.

    ``models``: every trend model in force by ``as_of``, the shipped one first.
    """
    counts = {"patients changed": _count(con)}
    for _ in _shards(con):
        for name, rows in _per_patient(con, models).items():
            counts[name] = counts.get(name, 0) + rows
    counts |= _tonight(con, as_of, models)
    for name in ("affected", "changed", "old_alias"):
        con.execute(f"DROP TABLE {name}")
    return counts


def prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Persons and merges, and who has to be computed anew (``changed``)."""
    _persons(con)
    _changed(con)


def add_known_on(con: duckdb.DuckDBPyConnection, night: date) -> None:
    """Have those computed anew who have a draw that became known on ``night``."""
    con.execute(
        "INSERT INTO changed SELECT DISTINCT patient_id FROM store.fasting_pair "
        "WHERE known_on = ? AND patient_id NOT IN (SELECT patient_id FROM changed)",
        [night],
    )


def refitted(con: duckdb.DuckDBPyConnection, night: date, models: Models) -> FrozenModel | None:
    """A model of this clinic's own draws as they stand tonight; None where people are too few."""
    con.execute("CREATE OR REPLACE TEMP TABLE draws AS SELECT * FROM store.fasting_pair LIMIT 0")
    for _ in _shards(con):
        columns = ", ".join(f'"{c}"' for c in DERIVED["fasting_pair"].columns[:-2])
        pairs = _pairs(con, models).collect()  # noqa: F841 DuckDB finds the frame by its name
        con.execute(f"INSERT INTO draws ({columns}) SELECT {columns} FROM pairs")
    usable = (
        "SELECT patient_id, drawn_on, insulin_uiu_ml, glucose_mg_dl, lab, assay FROM "
        "(FROM draws UNION ALL BY NAME FROM store.fasting_pair WHERE patient_id NOT IN "
        "(SELECT patient_id FROM changed)) WHERE (used OR reason = 'other assay') "
        "AND insulin_comparator IS NULL"
    )
    people = frame(
        con,
        f"SELECT patient_id FROM ({usable}) GROUP BY patient_id HAVING count(*) >= "
        f"{frozen.FEWEST_PAIRS} ORDER BY md5(patient_id), patient_id",
    )
    if people.height < frozen.FEWEST_PEOPLE:
        return None
    draws = frame(con, f"FROM ({usable}) ORDER BY patient_id, drawn_on")
    return frozen.refitted(draws, people.head(frozen.MOST_PEOPLE), night)


def _shards(con: duckdb.DuckDBPyConnection) -> Iterator[int]:
    """Make ``affected`` one part of ``changed`` after the other."""
    for first in range(0, _count(con, "changed"), SHARD):
        con.execute(
            "CREATE OR REPLACE TEMP TABLE affected AS SELECT patient_id FROM changed "
            f"ORDER BY patient_id LIMIT {SHARD} OFFSET {first}"
        )
        yield first


def _count(con: duckdb.DuckDBPyConnection, table: str = "") -> int:
    rows = table or "store.person SEMI JOIN changed USING (patient_id)"
    found = con.execute(f"SELECT count(*) FROM {rows}").fetchone()
    return int(found[0]) if found else 0


def _persons(con: duckdb.DuckDBPyConnection) -> None:
    """Persons and merges; keeps the old merges to see whose data moved."""
    con.execute("CREATE OR REPLACE TEMP TABLE old_alias AS SELECT * FROM store.patient_alias")
    records = frame(
        con,
        "SELECT patient_id, birth_date, sex, time_zone, coalesce(p.merged_into, m.into) AS "
        "merged_into, known_at FROM store.patient p LEFT JOIN "
        f"({_LASTING_MERGES}) m USING (source, patient_id) "
        "WHERE superseded_at IS NULL ORDER BY known_at, file_id, line",
    )
    alias = aliases(records.group_by("patient_id", maintain_order=True).last())
    staged = " UNION ".join(f"SELECT patient_id FROM staging.{name}" for name in HISTORY)
    mentioned = frame(
        con,
        "SELECT patient_id FROM store.person UNION SELECT patient_id FROM old_alias "
        f"UNION {staged}",
    )
    everyone = persons(records.lazy(), mentioned.lazy(), alias.lazy())
    write(con, "patient_alias", alias)
    write(con, "person", everyone.sort("patient_id"))
    replace(con, DERIVED["outlived"], "true", _OUTLIVED)


def _changed(con: duckdb.DuckDBPyConnection) -> None:
    """Make ``changed``: survivors whose data came, changed or moved tonight."""
    staged = " UNION ".join(f"SELECT patient_id FROM staging.{name}" for name in HISTORY)
    moved = (
        "SELECT unnest([patient_id, o.survivor_id, n.survivor_id]) FROM old_alias o "
        "FULL JOIN store.patient_alias n USING (patient_id) "
        "WHERE o.survivor_id IS DISTINCT FROM n.survivor_id"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE changed AS SELECT DISTINCT patient_id FROM ("
        f"SELECT unnest([patient_id, survivor_id]) AS patient_id FROM ({staged} UNION {moved} "
        "UNION SELECT patient_id FROM staging.displaced) s "
        "LEFT JOIN store.patient_alias USING (patient_id)) WHERE patient_id IS NOT NULL"
    )


def _pairs(con: duckdb.DuckDBPyConnection, models: Models) -> pl.LazyFrame:
    bars = barred_days(spans(con, "condition"), spans(con, "medication"))
    return fasting_pairs(results(con), bars, models)


def _per_patient(con: duckdb.DuckDBPyConnection, models: Models) -> dict[str, int]:
    pairs = _pairs(con, models).collect().lazy()
    used = frozen.levelled(pairs.filter("used")).collect().lazy()
    series = _judged(used, models, trends)
    doubted = pairs.join(_judged(used, models, doubts), on=["patient_id", "drawn_on"], how="left")
    known = results(con)
    return {
        "fasting_pair": write(con, "fasting_pair", doubted.sort("patient_id", "drawn_on")),
        "trend_at_draw": write(con, "trend_at_draw", series),
        "trend": write(con, "trend", _newest(series, used, models)),
        "index_value": write(con, "index_value", index_values(_exact(pairs), _lipids(known))),
        "wearable_day": write(con, "wearable_day", wearable_days(known, signals(con))),
        "cgm_day": write(con, "cgm_day", cgm_days(sensor_glucose(con))),
    }


def _judged(used: pl.LazyFrame, models: Models, judge: Judge) -> pl.LazyFrame:
    """What ``judge`` makes of every patient's draws, each by the patient's own model."""
    names = used.select(pl.col("model_version").unique()).collect()["model_version"]
    concerned = [model for model in models if model.version in names] or models[:1]
    parts = [
        judge(used.filter(model_version=model.version), model.noise, model.prior)
        for model in concerned
    ]
    return pl.concat(parts).sort("patient_id", maintain_order=True).collect().lazy()


def _exact(pairs: pl.LazyFrame) -> pl.LazyFrame:
    return pairs.filter("used", pl.col("insulin_comparator").is_null())


def _newest(series: pl.LazyFrame, used: pl.LazyFrame, models: Models) -> pl.LazyFrame:
    """Each patient's newest trend with what was checked about it."""
    newest = latest(series)
    near = newest.filter(pl.col("p_climbing_unseen") >= RULE.tier_b_p).select("patient_id")
    dropped = _judged(used.join(near, on="patient_id", how="semi"), models, without_each)
    weakest = dropped.group_by("patient_id").agg(p_without_one=pl.col("p_climbing_unseen").min())
    version = used.select("patient_id", "model_version").unique()
    for facts in (
        weakest, _judged(used, models, forecasts), _judged(used, models, shuffled), version
    ):  # fmt: skip
        newest = newest.join(facts, on="patient_id", how="left", maintain_order="left")
    return newest


def _lipids(results: pl.LazyFrame) -> pl.LazyFrame:
    """Triglycerides and HDL of a day that are not known to be non-fasting."""
    fit = pl.col("comparator").is_null() & (pl.col("fasting") != "no")
    columns = {"triglyceride_mg_dl": "triglyceride", "hdl_mg_dl": "hdl"}
    return results.group_by("patient_id", drawn_on="observed_on").agg(
        pl.col("value").filter(fit & (pl.col("analyte") == analyte)).mean().alias(name)
        for name, analyte in columns.items()
    )


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


def _tonight(con: duckdb.DuckDBPyConnection, as_of: date, models: Models) -> dict[str, int]:
    con.execute("CREATE OR REPLACE TEMP TABLE affected AS SELECT patient_id FROM store.person")
    excluded = excluded_spans(spans(con, "condition"), spans(con, "medication"))
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
        "patient_status": write(con, "patient_status", status),
        "cohort": write(con, "cohort", cohorts(found, pl.concat([excluded, minors]), as_of)),
        "cohort_attrition": write(con, "cohort_attrition", attrition(status)),
    }
    replace(con, DERIVED["tonight"], "true", f"SELECT DATE '{as_of}' AS as_of")
    counts["feed_check"] = feeds.keep_checks(con, feed_checks(feeds.arrivals(con), as_of))
    return counts | _checks(con) | _models(con, models)


def _checks(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Forecasts against what came, and tonight's list against chance."""
    newest = frame(
        con,
        "SELECT t.patient_id, n_pairs, pit_insulin, pit_glucose, p_climbing_unseen, p_shuffled, "
        "p.lab, p.platform, s.status NOT IN ('excluded', 'unresolved') AS is_evaluated, "
        "coalesce(s.tier IN ('A', 'B'), false) AS is_listed FROM store.trend t "
        "JOIN store.fasting_pair p ON p.patient_id = t.patient_id AND p.drawn_on = t.last_on "
        "JOIN store.patient_status s ON s.patient_id = t.patient_id ORDER BY t.patient_id",
    )
    return {
        "prediction_check": write(con, "prediction_check", prediction_checks(newest.lazy())),
        "list_check": write(con, "list_check", list_check(newest.filter("is_evaluated"))),
    }


def _models(con: duckdb.DuckDBPyConnection, models: Models) -> dict[str, int]:
    return {
        "model": write(con, "model", frozen.models_frame(models)),
        "platform": write(con, "platform", frozen.platforms_frame(models)),
    }


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
