"""Transform: from what stands in the warehouse to what is computed, for the patients concerned.

Reads frames out of the build, hands them to the pure transforms, and replaces the results.
What follows from draws is recomputed only for patients whose data changed; what depends on
tonight's date (status, cohorts, attrition) is one cheap pass over everyone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial

import duckdb
import polars as pl

from flows import context
from flows.standing import results, spans, write
from flows.tonight import tonight
from transforms import frozen
from transforms.catalog.prior import Noise, Prior
from transforms.catalog.rule import RULE
from transforms.catalog.tables import DERIVED, HISTORY
from transforms.exclusions import barred_days
from transforms.frozen import FrozenModel
from transforms.pairs import fasting_pairs
from transforms.persons import aliases, persons
from transforms.trends import doubts, forecasts, latest, shuffled, trends, without_each
from warehouse.store import frame, replace

Models = Sequence[FrozenModel]
Pass = Callable[[duckdb.DuckDBPyConnection], dict[str, int]]
Judge = Callable[[pl.LazyFrame, Noise, Prior], pl.LazyFrame]

DRAW = ["patient_id", "drawn_on"]
SHARD, SENSOR_SHARD = 10_000, 250
"""Patients computed at a time, of whom a sensor may have told 100,000 times a year: bounds
memory."""
_WORN = (
    "SELECT patient_id FROM changed WHERE patient_id IN (SELECT patient_id FROM store.cgm_day "
    "UNION SELECT coalesce(survivor_id, s.patient_id) FROM store.sample s LEFT JOIN "
    "store.patient_alias USING (patient_id) WHERE kind = 'sensor_glucose')"
)
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

    Three passes over who changed, each from what the ones before it left: sensors, a few people at
    a time, draws, and tissues.

    ``models``: every trend model in force by ``as_of``, the shipped one first.
    """
    counts = {"patients changed": _count(con)}
    con.execute(f"CREATE OR REPLACE TEMP TABLE worn AS {_WORN}")
    passes: tuple[tuple[Pass, str, int], ...] = (
        (context.sensors, "worn", SENSOR_SHARD),
        (lambda con: _per_patient(con, models), "changed", SHARD),
        (context.tissues, "changed", SHARD),
    )
    for step, people, size in passes:
        for _ in _shards(con, people, size):
            for name, rows in step(con).items():
                counts[name] = counts.get(name, 0) + rows
    counts |= tonight(con, as_of, models)
    for name in ("affected", "changed", "worn", "old_alias"):
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
    """A model of this clinic's own draws as they stand tonight; None where people are too few.

    What is known of single fasts is left out: the model's rate is that of draws of which nothing
    is known.
    """
    drawn = "(FROM changed UNION SELECT patient_id FROM store.fasting_pair)"
    if _count(con, drawn) < frozen.FEWEST_PEOPLE:
        return None
    con.execute("CREATE OR REPLACE TEMP TABLE draws AS SELECT * FROM store.fasting_pair LIMIT 0")
    for _ in _shards(con, "changed", SHARD):
        pairs = fasting_pairs(results(con), barred_days(*_records(con)), models)
        con.register("pairs", pairs.collect().to_arrow())
        con.execute("INSERT INTO draws BY NAME FROM pairs")
        con.unregister("pairs")
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


def _shards(con: duckdb.DuckDBPyConnection, people: str, size: int) -> Iterator[int]:
    """Make ``affected`` one part of the table ``people`` after the other."""
    for first in range(0, _count(con, people), size):
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE affected AS SELECT patient_id FROM {people} "
            f"ORDER BY patient_id LIMIT {size} OFFSET {first}"
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


def _records(con: duckdb.DuckDBPyConnection) -> context.Records:
    return spans(con, "condition"), spans(con, "medication")


def _per_patient(con: duckdb.DuckDBPyConnection, models: Models) -> dict[str, int]:
    known, records = results(con), _records(con)
    pairs = fasting_pairs(known, barred_days(*records), models).collect().lazy()
    pairs = _with_fasting(pairs, context.fasting(con, known, pairs)).collect().lazy()
    used = frozen.levelled(pairs.filter("used")).collect().lazy()
    series = _judged(used, models, trends)
    doubted = pairs.join(_judged(used, models, doubts), on=DRAW, how="left")
    at_weight = _at_weight(context.weighed(con, known, pairs), models)
    newest = _newest(series, used, models).join(at_weight, on="patient_id", how="left")
    return {
        "fasting_pair": write(con, "fasting_pair", doubted.sort(DRAW)),
        "trend_at_draw": write(con, "trend_at_draw", series),
        "trend": write(con, "trend", newest.sort("patient_id")),
        **context.indices(con, known, pairs, records),
        **context.devices(con, known),
    }


def _with_fasting(pairs: pl.LazyFrame, evidence: pl.LazyFrame) -> pl.LazyFrame:
    known = evidence.select(*DRAW, "p_fasting")
    return pairs.join(known, on=DRAW, how="left", maintain_order="left")


def _at_weight(pairs: pl.LazyFrame, models: Models) -> pl.LazyFrame:
    """The slope of insulin that weight does not explain, beside the trend."""
    level = frozen.levelled(pairs).collect().lazy()
    found = _judged(level, models, partial(trends, latest_only=True)).select(
        "patient_id",
        insulin_slope_at_weight_pct_year="insulin_slope_pct_year",
        insulin_slope_at_weight_low="insulin_slope_low",
        insulin_slope_at_weight_high="insulin_slope_high",
    )
    newest = level.sort(DRAW).group_by("patient_id", maintain_order=True)
    return found.join(newest.agg(pl.col("weight_change_kg").last()), on="patient_id")


def _judged(used: pl.LazyFrame, models: Models, judge: Judge) -> pl.LazyFrame:
    """What ``judge`` makes of every patient's draws, each by the patient's own model."""
    names = used.select(pl.col("model_version").unique()).collect()["model_version"]
    concerned = [model for model in models if model.version in names] or models[:1]
    parts = [
        judge(used.filter(model_version=model.version), model.noise, model.prior)
        for model in concerned
    ]
    return pl.concat(parts).sort("patient_id", maintain_order=True).collect().lazy()


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
