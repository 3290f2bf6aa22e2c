"""Beside the draws: sensors, fasting evidence, indices, wearables, weight, tissues.

Context, and evidence about a draw; what is computed here never makes a flag. Everything is for the
people of the temporary table ``affected``.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import polars as pl

from flows.standing import hypertension, results, sensor_glucose, signals, spans, standing, write
from transforms.catalog.variations import variation_frame
from transforms.cgm import cgm_days, readings
from transforms.cgm_windows import agp, cgm_windows
from transforms.corroboration import corroborations, misleading_spans
from transforms.exclusions import barred_days, excluded_spans
from transforms.fasting_evidence import HOURS, fasting_evidence
from transforms.index_inputs import index_inputs
from transforms.indices import index_values
from transforms.ogtt import challenges
from transforms.series_trends import series_trends
from transforms.tissues import signal_series, tissue_months
from transforms.wearable_months import wearable_months
from transforms.wearables import wearable_days
from transforms.weight import at_constant_weight, daily_weights, weight_slopes
from warehouse.store import frame

Counts = dict[str, int]
SLEEP_HOURS = 24
"""Sleep that ended longer before a draw says nothing of it."""
LABELS = {"not fasting": "no", "fasting unknown": "unknown"}
"""Reason of a pair -> what its label said of fasting; all others said yes."""


def sensors(con: duckdb.DuckDBPyConnection) -> Counts:
    """Days, windows and profiles of worn glucose sensors."""
    told = readings(sensor_glucose(con)).collect().lazy()
    days = cgm_days(told).collect().lazy()
    windows = cgm_windows(days, told).collect().lazy()
    whole = windows.filter("is_main", "is_sufficient")
    return {
        "cgm_day": write(con, "cgm_day", days),
        "cgm_window": write(con, "cgm_window", windows),
        "cgm_profile": write(con, "cgm_profile", agp(told, whole)),
    }


def fasting(
    con: duckdb.DuckDBPyConnection, known: pl.LazyFrame, pairs: pl.LazyFrame
) -> pl.LazyFrame:
    """What is known of the fast before each draw, beside its label; it is kept as well."""
    draws = _draws(known, pairs).collect()
    con.register("timed_draw", draws.select("patient_id", "drawn_at").drop_nulls().to_arrow())
    glucose = _one_sensor(_before(con, "sensor_glucose", HOURS))
    sleep, activity = (
        _before(con, kind, hours)
        for kind, hours in (("sleep_duration", SLEEP_HOURS), ("workout_duration", HOURS))
    )
    found = fasting_evidence(draws.lazy(), glucose, sleep, activity).collect().lazy()
    con.unregister("timed_draw")
    write(con, "fasting_evidence", found)
    return found


def _draws(known: pl.LazyFrame, pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Draws of insulin: when, what their label says, how many hours of fast are stated."""
    timed = pl.col("observed_precision") == "time"
    hours = (
        pl.when(pl.col("analyte") == "fasting_duration").then("value").otherwise("fasting_hours")
    )
    instants = known.group_by("patient_id", drawn_on="observed_on").agg(
        drawn_at=pl.col("observed_at").filter(timed & _is_insulin()).min(),
        drawn_local=pl.col("observed_local").filter(timed & _is_insulin()).min(),
        fasting_hours=hours.min(),
    )
    label = pl.col("reason").replace_strict(LABELS, default="yes")
    return (
        pairs.filter(pl.col("insulin_uiu_ml").is_not_null())
        .select("patient_id", "drawn_on", label=label)
        .join(instants, on=["patient_id", "drawn_on"], how="left")
    )


def _is_insulin() -> pl.Expr:
    return (pl.col("analyte") == "insulin") & (pl.col("timing") != "post_load")


def _before(con: duckdb.DuckDBPyConnection, kind: str, hours: int) -> pl.LazyFrame:
    """Samples of ``kind`` that began within so many hours before a draw."""
    return standing(
        con,
        "sample",
        "kind, coalesce(device, '') AS device, observed_at, observed_on, ended_at, value",
        f"superseded_at IS NULL AND kind = '{kind}' AND EXISTS (FROM timed_draw d WHERE "
        "d.patient_id = coalesce(survivor_id, h.patient_id) AND h.observed_at BETWEEN "
        f"d.drawn_at - INTERVAL {hours} HOUR AND d.drawn_at)",
    )


def _one_sensor(glucose: pl.LazyFrame) -> pl.LazyFrame:
    """Of several sensors of a day the one that told most."""
    day = ["patient_id", "observed_on"]
    counts = glucose.group_by(*day, "device").len().sort(*day, "len", "device")
    most = counts.group_by(day, maintain_order=True).agg(pl.col("device").last())
    return glucose.join(most, on=[*day, "device"], how="semi")


def indices(con: duckdb.DuckDBPyConnection, known: pl.LazyFrame, pairs: pl.LazyFrame) -> Counts:
    """Every index of every draw, each as a series, and what stands beside fasting glucose."""
    conditions, medications = spans(con, "condition"), spans(con, "medication")
    barred = [rows(conditions, medications) for rows in (barred_days, excluded_spans)]
    inputs = index_inputs(known, pairs, _persons(con), pl.concat(barred), hypertension(conditions))
    values = index_values(inputs.collect().lazy()).collect().lazy()
    series = values.filter(pl.col("value").is_not_null()).select(
        "patient_id", "observed_on", "platform", signal="index", value="bridged_value"
    )
    trends = series_trends(series, variation_frame().lazy()).rename({"signal": "index"})
    return {
        "index_value": write(con, "index_value", values),
        "index_trend": write(con, "index_trend", trends),
    }


def devices(con: duckdb.DuckDBPyConnection, known: pl.LazyFrame) -> Counts:
    """Days and months of wearables, and how weight moves."""
    told = signals(con)
    days = wearable_days(known, told).collect().lazy()
    slopes = weight_slopes(daily_weights(known, told))
    return {
        "wearable_day": write(con, "wearable_day", days),
        "wearable_month": write(con, "wearable_month", wearable_months(days)),
        "weight_month": write(con, "weight_month", slopes),
    }


def weighed(
    con: duckdb.DuckDBPyConnection, known: pl.LazyFrame, pairs: pl.LazyFrame
) -> pl.LazyFrame:
    """Used pairs as they would be had weight not moved (:func:`transforms.weight`)."""
    heights = known.filter(pl.col("analyte") == "height").select(
        "patient_id", "observed_on", height_cm="value"
    )
    return at_constant_weight(pairs, daily_weights(known, signals(con)), heights)


def tissues(con: duckdb.DuckDBPyConnection) -> Counts:
    """Tissues by month, and what agrees or disagrees with fine fasting glucose."""
    known, kept = results(con), _kept(con)
    series = signal_series(
        kept("index_value"),
        known,
        kept("cgm_window"),
        kept("wearable_month"),
        kept("weight_month"),
    )
    series = series.collect().lazy()
    months = tissue_months(series, series_trends(series.drop("unit"), variation_frame().lazy()))
    beside = corroborations(
        known, kept("cgm_window"), challenges(known), misleading_spans(spans(con, "condition"))
    )
    return {
        "tissue_month": write(con, "tissue_month", months),
        "corroboration": write(con, "corroboration", beside),
    }


def _kept(con: duckdb.DuckDBPyConnection) -> Callable[[str], pl.LazyFrame]:
    def rows(table: str) -> pl.LazyFrame:
        return frame(con, f"FROM store.{table} SEMI JOIN affected USING (patient_id)").lazy()

    return rows


def _persons(con: duckdb.DuckDBPyConnection) -> pl.LazyFrame:
    return _kept(con)("person")
