"""Fasting pairs: insulin and glucose of one draw, and for every other draw why it is not one.

A draw is a patient's local day. On a day with several values of an analyte the best-known state
of fasting counts (yes before unknown before no), and repeats of one visit are averaged
geometrically. A value whose fasting is unknown takes the state of the other analyte of the same
instant: fasting is a property of the draw, not of the tube.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from transforms.catalog import words
from transforms.conform import FASTING_HOURS
from transforms.frozen import SHIPPED, FrozenModel, bridged, in_force

SAME_DRAW_MINUTES = 60
"""Insulin and glucose further apart than this are not one draw (judgement)."""
HAEMOLYSIS_LIMIT = 50.0
"""Haemolysis index above which insulin is not used (clinical.md section 5, judgement)."""
MIN_SPAN_DAYS, MIN_PAIRS, FRESH_DAYS = 365, 3, 400
COPIED_DAYS = 370
"""Both values again, to the last digit, within this many days: a copy under a new date."""

DRAW = ("patient_id", "drawn_on")
ANALYTES = ("insulin", "glucose")
REASONS: dict[str, str] = {
    "no insulin": "Glucose without insulin that day.",
    "no glucose": "Insulin without glucose that day.",
    "haemolysed": "The sample was haemolysed, which destroys insulin.",
    "not fasting": "The draw is known not to be fasting.",
    "fasting unknown": "Nothing says that the draw was fasting.",
    "censored": "Glucose, or insulin of every draw, is only known to lie beyond a limit.",
    "not one draw": "Insulin and glucose were taken more than an hour apart.",
    "copied": "Both values are those of the draw before, to the last digit.",
    "other assay": "Measured on another platform than the series that is used.",
}
"""Reason -> sentence; a draw under a drug or condition has ``during <exclusion>`` instead."""


def fasting_pairs(
    observations: pl.LazyFrame,
    barred: pl.LazyFrame,
    models: Sequence[FrozenModel] = (SHIPPED,),
) -> pl.LazyFrame:
    """One row per patient and day with a value of insulin or glucose.

    Args:
        observations: standing results: ``patient_id``, ``analyte``, ``observed_at``,
            ``observed_on``, ``observed_precision``, ``value``, ``comparator``, ``fasting``,
            ``lab``, ``assay``, ``absent_reason``, ``comment``, ``known_at``.
        barred: days on which draws are not used: ``patient_id``, ``name``, ``from_on``,
            ``to_on`` (null: open), see :func:`transforms.exclusions.barred_days`.
        models: the trend models that were ever in force, see :mod:`transforms.frozen`.

    Returns:
        ``patient_id``, ``drawn_on``, ``insulin_uiu_ml``, ``insulin_comparator`` (where insulin is
        only known to lie beyond that value), ``repeats`` (draws of that visit that are averaged),
        ``is_ill`` (a comment says so: the draw counts for less), ``glucose_mg_dl``, ``lab`` and
        ``assay`` (of insulin, where there is any), ``known_on`` (the night the newest of its
        results became known), ``model_version`` (of the patient), ``platform`` and
        ``platform_effect`` (:func:`transforms.frozen.bridged`), ``used``, ``reason`` (null when
        used), sorted.
    """
    judged = _with_bars(_days(observations), barred).with_columns(reason=_own_reason())
    usable = _with_model(_some_exact(_without_copies(judged)), models)
    return (
        _one_platform(bridged(usable, models))
        .select(
            *DRAW,
            "insulin_uiu_ml",
            "insulin_comparator",
            "repeats",
            "is_ill",
            "glucose_mg_dl",
            "lab",
            "assay",
            "known_on",
            "model_version",
            "platform",
            "platform_effect",
            used=pl.col("reason").is_null(),
            reason="reason",
        )
        .sort(DRAW)
    )


def _with_model(days: pl.LazyFrame, models: Sequence[FrozenModel]) -> pl.LazyFrame:
    """Adds ``model_version``: in force when the newest usable draw of the patient became known."""
    usable = pl.col("known_on").filter(pl.col("reason").is_null()).max()
    newest = pl.coalesce(usable, pl.col("known_on").max()).over("patient_id")
    return (
        days.with_columns(newest=newest)
        .sort("newest")
        .join_asof(in_force(models), left_on="newest", right_on="in_force_from")
    )


def _days(observations: pl.LazyFrame) -> pl.LazyFrame:
    """One row per patient and day: both analytes side by side."""
    stated = _promoted(observations).cache()
    insulin, glucose = (_best(stated, analyte) for analyte in ANALYTES)
    haemolysed = (
        stated.filter(
            (pl.col("analyte") == "haemolysis_index") & (pl.col("value") > HAEMOLYSIS_LIMIT)
        )
        .select("patient_id", drawn_on="observed_on", index_high=pl.lit(value=True))
        .unique()
    )
    return (
        insulin.join(glucose, on=DRAW, how="full", coalesce=True, suffix="_glucose")
        .join(haemolysed, on=DRAW, how="left")
        .with_columns(
            insulin_uiu_ml="value",
            glucose_mg_dl="value_glucose",
            insulin_comparator="bound",
            is_ill=(pl.col("is_ill") | pl.col("is_ill_glucose")).fill_null(value=False),
            lab=pl.when(pl.col("value").is_null())
            .then(pl.coalesce("lab", "lab_glucose"))
            .otherwise("lab"),
            known_on=pl.max_horizontal("known_on", "known_on_glucose"),
        )
    )


def _promoted(observations: pl.LazyFrame) -> pl.LazyFrame:
    """Unknown fasting takes the state of what else was drawn at that instant."""
    at = ["patient_id", "observed_at"]
    state = pl.col("fasting")
    by_hours = (pl.col("analyte") == "fasting_duration") & (pl.col("value") >= FASTING_HOURS)
    instants = observations.group_by(at).agg(
        is_fasting=((state == "yes") | by_hours).any() & ~(state == "no").any()
    )
    promoted = (state == "unknown") & pl.col("is_fasting").fill_null(value=False)
    return observations.join(instants, on=at, how="left").with_columns(
        fasting=pl.when(promoted).then(pl.lit("yes")).otherwise(state)
    )


def _best(stated: pl.LazyFrame, analyte: str) -> pl.LazyFrame:
    """Per patient and day, the values of the best-known fasting state as one."""
    rank = pl.col("fasting").replace_strict({"yes": 0, "unknown": 1}, default=2)
    word = pl.concat_str("absent_reason", "comment", separator=" ", ignore_nulls=True)
    rows = stated.filter(pl.col("analyte") == analyte).with_columns(
        rank=rank,
        is_haemolysed=words.is_haemolysed(word),
        is_ill=words.is_ill(pl.col("comment")),
        value=pl.when((pl.col("value") > 0) & pl.col("value").is_finite()).then("value"),
    )
    best = rows.filter(pl.col("rank") == pl.col("rank").min().over("patient_id", "observed_on"))
    timed = pl.when(pl.col("observed_precision") == "time").then("observed_at")
    known, sound = pl.col("value").is_not_null(), ~pl.col("is_haemolysed")
    has_sound = (known & sound).any()
    fit = known & (sound | ~has_sound)
    is_exact = fit & pl.col("comparator").is_null()
    exact, bound = pl.col("value").filter(is_exact), pl.col("comparator").filter(fit)
    return best.group_by("patient_id", drawn_on="observed_on").agg(
        value=pl.when(exact.n_unique() == 1)
        .then(exact.first())
        .when(exact.count() > 0)
        .then(exact.sort().log().mean().exp().round_sig_figs(10))
        .otherwise(pl.col("value").filter(fit).max()),
        bound=pl.when(exact.count() == 0).then(bound.sort_by(pl.col("value").filter(fit)).last()),
        repeats=timed.filter(is_exact).n_unique(),
        fasting=pl.col("fasting").first(),
        is_haemolysed=pl.col("is_haemolysed").any() & ~has_sound,
        is_ill=pl.col("is_ill").any(),
        at=timed.min(),
        known_on=pl.col("known_at").max().dt.date(),
        lab=pl.col("lab").drop_nulls().sort().first(),
        assay=pl.col("assay").drop_nulls().sort().first(),
    )


def _with_bars(days: pl.LazyFrame, barred: pl.LazyFrame) -> pl.LazyFrame:
    """Adds ``bar``: the name of what forbids the use of the draw, if anything."""
    within = (pl.col("drawn_on") >= pl.col("from_on").fill_null(pl.date(1, 1, 1))) & (
        pl.col("to_on").is_null() | (pl.col("drawn_on") <= pl.col("to_on"))
    )
    bars = (
        days.select(DRAW)
        .join(barred, on="patient_id")
        .filter(within)
        .group_by(DRAW)
        .agg(bar=pl.col("name").min())
    )
    return days.join(bars, on=DRAW, how="left")


def _own_reason() -> pl.Expr:
    """Why the draw by itself cannot be used; null when it can."""
    states = pl.concat_list("fasting", "fasting_glucose")
    minutes = (pl.col("at") - pl.col("at_glucose")).dt.total_minutes().abs()
    haemolysed = pl.col("is_haemolysed") | pl.col("index_high")
    checks = (
        ("haemolysed", haemolysed.fill_null(value=False)),
        ("no insulin", pl.col("insulin_uiu_ml").is_null()),
        ("no glucose", pl.col("glucose_mg_dl").is_null()),
        ("not fasting", states.list.contains("no")),
        ("fasting unknown", ~states.list.eval(pl.element() == "yes").list.all()),
        ("censored", pl.col("bound_glucose").is_not_null()),
        ("not one draw", minutes > SAME_DRAW_MINUTES),
    )
    own = [pl.when(wrong).then(pl.lit(reason)) for reason, wrong in checks]
    return pl.coalesce(*own, "during " + pl.col("bar"))


def _without_copies(days: pl.LazyFrame) -> pl.LazyFrame:
    """Equal pairs in a row are a copy, unless both are whole numbers: those repeat by chance."""
    values = ("insulin_uiu_ml", "glucose_mg_dl")
    usable = days.filter(pl.col("reason").is_null()).sort(DRAW)
    again = pl.all_horizontal(pl.col(v) == pl.col(v).shift().over("patient_id") for v in values)
    near = (pl.col("drawn_on") - pl.col("drawn_on").shift().over("patient_id")).dt.total_days()
    is_whole = pl.all_horizontal(pl.col(v) % 1 == 0 for v in values)
    copies = usable.filter(again & (near <= COPIED_DAYS) & ~is_whole).select(
        *DRAW, copy=pl.lit("copied")
    )
    return days.join(copies, on=DRAW, how="left").with_columns(reason=pl.coalesce("reason", "copy"))


def _some_exact(days: pl.LazyFrame) -> pl.LazyFrame:
    """Limits alone make no series: without one exact insulin no draw of the patient is used."""
    is_usable = pl.col("reason").is_null()
    exact = (is_usable & pl.col("insulin_comparator").is_null()).any().over("patient_id")
    return days.with_columns(
        reason=pl.when(is_usable & ~exact).then(pl.lit("censored")).otherwise("reason")
    )


def _one_platform(days: pl.LazyFrame) -> pl.LazyFrame:
    """Keep the platform whose series can be judged and is newest; the others are not mixed in.

    Draws whose platform is not known go with any.
    """
    usable = days.filter(pl.col("reason").is_null(), pl.col("platform") != "")
    series = usable.group_by("patient_id", "platform").agg(
        n=pl.len(), first_on=pl.col("drawn_on").min(), last_on=pl.col("drawn_on").max()
    )
    newest = pl.col("last_on").max().over("patient_id")
    enough = (
        (pl.col("n") >= MIN_PAIRS)
        & ((pl.col("last_on") - pl.col("first_on")).dt.total_days() >= MIN_SPAN_DAYS)
        & ((newest - pl.col("last_on")).dt.total_days() <= FRESH_DAYS)
    )
    chosen = (
        series.with_columns(enough=enough)
        .sort("patient_id", "enough", "last_on", "n", "platform")
        .group_by("patient_id", maintain_order=True)
        .agg(chosen=pl.col("platform").last())
    )
    other = (pl.col("platform") != "") & (pl.col("platform") != pl.col("chosen"))
    return days.join(chosen, on="patient_id", how="left").with_columns(
        reason=pl.when(pl.col("reason").is_null() & other)
        .then(pl.lit("other assay"))
        .otherwise("reason")
    )
