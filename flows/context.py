"""Beside the draws: sensors, fasting evidence, indices, wearables, weight, tissues.

Context, and evidence about a draw; what is computed here never makes a flag. Everything is for the
people of the temporary table ``affected``.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import polars as pl

from flows.standing import (
    hypertension,
    results,
    sensor_glucose,
    signals,
    spans,
    standing,
    weights,
    write,
)
from transforms.catalog.exclusions import PREGNANCY
from transforms.catalog.variations import variation_frame
from transforms.cgm import cgm_days, readings
from transforms.cgm_windows import agp, cgm_windows
from transforms.corroboration import corroborations, misleading_spans
from transforms.exclusions import barred_days, days_of, excluded_spans, holds_on
from transforms.fasting_evidence import HOURS, fasting_evidence
from transforms.index_inputs import index_inputs
from transforms.indices import index_values
from transforms.ogtt import challenges
from transforms.series_trends import series_trends
from transforms.tissues import signal_series, tissue_values
from transforms.wearable_months import wearable_months
from transforms.wearables import wearable_days
from transforms.weight import at_constant_weight, daily_weights, weight_slopes
from warehouse.store import frame

Counts = dict[str, int]
Records = tuple[pl.LazyFrame, pl.LazyFrame]
SLEEP_HOURS = 24
"""Sleep that ended longer before a draw says nothing of it."""
BEFORE = {"sensor_glucose": HOURS, "sleep_duration": SLEEP_HOURS, "workout_duration": HOURS}
"""Samples that may tell of a fast, by the hours before the draw within which they began."""
LABELS = {"not fasting": "no", "fasting unknown": "unknown"}
"""Reason of a pair -> what its label said of fasting; all others said yes."""
UNLABELLED = ("no insulin", "no glucose", "not one draw")
"""Reasons that leave open what the label said."""


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
    timed = draws.select("patient_id", "drawn_at").drop_nulls()
    con.register("timed_draw", timed.to_arrow())
    seen = _before(con)
    glucose, sleep, activity = (seen.filter(kind=kind) for kind in BEFORE)
    evidence = fasting_evidence(draws.lazy(), _one_sensor(glucose, timed.lazy()), sleep, activity)
    found = evidence.collect().lazy()
    con.unregister("timed_draw")
    write(con, "fasting_evidence", found)
    return found


def _draws(known: pl.LazyFrame, pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Draws of insulin: when, what their label says, how many hours of fast are stated then."""
    draw = ["patient_id", "drawn_on"]
    at = pl.when(pl.col("observed_precision") == "time").then("observed_at")
    timed = known.with_columns(drawn_on="observed_on", drawn_at=at)
    insulin = timed.filter(pl.col("analyte") == "insulin", pl.col("timing") != "post_load")
    first = insulin.sort("drawn_at", "observed_local", nulls_last=True).group_by(draw).first()
    is_hours = pl.col("analyte") == "fasting_duration"
    hours = pl.when(is_hours).then("value").otherwise("fasting_hours")
    stated = timed.group_by(*draw, "drawn_at").agg(fasting_hours=hours.min())
    label = pl.col("reason").replace_strict(LABELS, default="yes")
    return (
        pairs.filter(pl.col("reason").is_in(UNLABELLED).not_().fill_null(value=True))
        .select(*draw, label=label)
        .join(
            first.select(
                *draw, "drawn_at", drawn_local=pl.when(at.is_not_null()).then("observed_local")
            ),
            on=draw,
        )
        .join(stated, on=[*draw, "drawn_at"], how="left", nulls_equal=True)
    )


def _before(con: duckdb.DuckDBPyConnection) -> pl.LazyFrame:
    """Samples of :data:`BEFORE` that began within their hours before a draw."""
    kinds = ", ".join(f"'{kind}'" for kind in BEFORE)
    hours = " ".join(f"WHEN '{kind}' THEN {hours}" for kind, hours in BEFORE.items())
    return standing(
        con,
        "sample",
        "kind, coalesce(device, '') AS device, observed_at, ended_at, value",
        f"superseded_at IS NULL AND kind IN ({kinds}) AND EXISTS (FROM timed_draw d WHERE "
        "d.patient_id = person AND h.observed_at BETWEEN "
        f"d.drawn_at - to_hours(CASE kind {hours} END) AND d.drawn_at)",
    )


def _one_sensor(glucose: pl.LazyFrame, draws: pl.LazyFrame) -> pl.LazyFrame:
    """Of several sensors before a draw the one that told most: from one to the other is no rise."""
    before = ["patient_id", "drawn_at"]
    told = glucose.sort("observed_at").join_asof(
        draws.sort("drawn_at"),
        left_on="observed_at",
        right_on="drawn_at",
        by="patient_id",
        strategy="forward",
        check_sortedness=False,
    )
    counts = told.group_by(*before, "device").len().sort(*before, "len", "device")
    most = counts.group_by(before, maintain_order=True).agg(pl.col("device").last())
    return told.join(most, on=[*before, "device"], how="semi")


def indices(
    con: duckdb.DuckDBPyConnection, known: pl.LazyFrame, pairs: pl.LazyFrame, records: Records
) -> Counts:
    """Every index of every draw, and each as a series.

    ``records``: conditions and medications.
    """
    conditions, medications = records
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
    return at_constant_weight(pairs, daily_weights(known, weights(con)), heights)


def tissues(con: duckdb.DuckDBPyConnection) -> Counts:
    """Every value of every tissue, and what agrees or disagrees with fine fasting glucose."""
    kept, conditions = _kept(con), spans(con, "condition")
    known = _comparable(results(con), kept("fasting_pair"), conditions)
    series = signal_series(
        kept("index_value"),
        known,
        kept("cgm_window"),
        kept("wearable_month"),
        kept("weight_month"),
    )
    series = series.collect().lazy()
    values = tissue_values(series, series_trends(series.drop("unit"), variation_frame().lazy()))
    beside = corroborations(
        known, kept("cgm_window"), challenges(known), misleading_spans(conditions)
    )
    return {
        "tissue_value": write(con, "tissue_value", values),
        "corroboration": write(con, "corroboration", beside),
    }


def _comparable(known: pl.LazyFrame, pairs: pl.LazyFrame, conditions: pl.LazyFrame) -> pl.LazyFrame:
    """Results outside pregnancy, which moves most of them; of unknown fasting as the day's pair."""
    day = ["patient_id", "observed_on"]
    fasting = pairs.filter(pl.col("used") | (pl.col("reason") == "other assay"))
    fasting = fasting.select("patient_id", observed_on="drawn_on", is_fasting=pl.lit(value=True))
    is_known = (pl.col("fasting") == "unknown") & pl.col("is_fasting").fill_null(value=False)
    state = pl.when(is_known).then(pl.lit("yes")).otherwise("fasting")
    pregnant = days_of(PREGNANCY, conditions)
    spanned = known.join(pregnant, on="patient_id").filter(holds_on("observed_on"))
    return (
        known.join(spanned.select(day).unique(), on=day, how="anti")
        .join(fasting, on=day, how="left")
        .with_columns(fasting=state)
        .drop("is_fasting")
    )


def _kept(con: duckdb.DuckDBPyConnection) -> Callable[[str], pl.LazyFrame]:
    def rows(table: str) -> pl.LazyFrame:
        return frame(con, f"FROM store.{table} SEMI JOIN affected USING (patient_id)").lazy()

    return rows


def _persons(con: duckdb.DuckDBPyConnection) -> pl.LazyFrame:
    return _kept(con)("person")
