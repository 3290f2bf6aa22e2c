"""What indices are computed from: per patient and day of a blood draw, every input side by side.

Blood of a day counts together, body measures stand for a draw some time before or after, facts of
the person hold always. An input that was measured and may not be used keeps its value here, beside
the reason that voids it.
"""

from __future__ import annotations

import polars as pl

from transforms.catalog.indices import (
    ADULT,
    BODY_DAYS,
    DIABETES,
    HIGH_DIASTOLIC,
    HIGH_SYSTOLIC,
    INPUTS,
    PREGNANCY,
    Input,
)
from transforms.conform import FASTING_HOURS
from transforms.exclusions import holds_on
from transforms.ogtt import challenges
from transforms.pairs import SAME_DRAW_MINUTES

DRAW = ("patient_id", "observed_on")
BLOOD = tuple(item for item in INPUTS.values() if item.kind == "draw")
BODY = ("bmi", "weight", "waist", "systolic_bp", "diastolic_bp")
ANALYTES = (
    *(str(item.analyte) for item in BLOOD),
    *BODY,
    *("height", "fasting_status", "fasting_duration", "haemolysis_index"),
)
"""The analytes whose results :func:`index_inputs` reads."""

FASTING, UNKNOWN, FED = 0, 1, 2
BEYOND = "{} only known to lie beyond a limit"
PAIR_VOIDS: dict[str, str | None] = {
    "haemolysed": "insulin haemolysed",
    "not fasting": "draw not fasting",
    "fasting unknown": "fasting of the draw unknown",
    "not one draw": "insulin and glucose not of one draw",
    "copied": "copied from the draw before",
    # Valid, on a platform of its own
    "other assay": None,
    # Not the pair's to say: the other value is missing, or a limit
    "no insulin": None,
    "no glucose": None,
    "censored": None,
}
"""Reason of a pair -> why insulin of that draw is void; ``during <exclusion>`` stays as it is."""


def index_inputs(
    results: pl.LazyFrame,
    pairs: pl.LazyFrame,
    persons: pl.LazyFrame,
    spans: pl.LazyFrame,
    hypertension: pl.LazyFrame,
) -> pl.LazyFrame:
    """One row per patient and day on which any blood input of an index was drawn.

    Args:
        results: standing results of :data:`ANALYTES`: ``patient_id``, ``analyte``, ``timing``,
            ``code_system``, ``source_code``, ``observed_at``, ``observed_on``,
            ``observed_precision``, ``value`` (canonical units), ``comparator``, ``fasting``,
            ``lab``, ``assay``, ``absent_reason``, ``comment``.
        pairs: all rows of :func:`transforms.pairs.fasting_pairs`, of the same results.
        persons: ``patient_id``, ``birth_date``, ``sex``.
        spans: days that bar draws or patients: ``patient_id``, ``name``, ``from_on`` (null:
            always), ``to_on`` (null: still).
        hypertension: ``patient_id``, ``from_on`` (null: always) of a diagnosis of high pressure.

    Returns:
        ``patient_id``, ``observed_on``; every column of
        :data:`~transforms.catalog.indices.INPUTS` in its unit; of inputs of a draw also
        ``<column>_void`` (why not to be used, null where it may be) and ``<column>_lab`` (assay,
        else laboratory); of body measures ``<column>_on``; ``load_void``; ``insulin_platform``,
        ``platform_effect``; ``bar`` and ``pregnancy_bar`` (exclusion on that day, of any and of
        those by name, null where none); sorted.
    """
    blood = _draws(results)
    loads = challenges(results).rename({"drawn_on": "observed_on"})
    days = blood.join(loads, on=DRAW, how="full", coalesce=True)
    judged = _with_pairs(days, pairs.rename({"drawn_on": "observed_on"}))
    known = _with_person(judged, persons, spans)
    return _with_body(known, results, persons, hypertension).select(_columns()).sort(DRAW)


def _columns() -> list[str]:
    of_draw = [f"{item.column}_{fact}" for item in BLOOD for fact in ("void", "lab")]
    of_body = [f"{item.column}_on" for item in INPUTS.values() if item.kind == "body"]
    others = ["load_void", "insulin_platform", "platform_effect", "bar", "pregnancy_bar"]
    return [*DRAW, *INPUTS, *of_draw, *of_body, *others]


# blood of a day


def _draws(results: pl.LazyFrame) -> pl.LazyFrame:
    """One row per patient and day: value, void and laboratory of every blood input."""
    values = _values(_with_fasting(results)).cache()
    days = values.select(DRAW).unique()
    for item in BLOOD:
        days = days.join(_of(values, item), on=DRAW, how="left")
    return days


def _of(values: pl.LazyFrame, item: Input) -> pl.LazyFrame:
    """One input's value, with why it may not be used."""
    needs = pl.lit(item.is_fasting)
    state = pl.col("state")
    void = pl.coalesce(
        pl.when("is_bound").then(pl.lit(BEYOND.format(item.words))),
        pl.when(needs & (state == FED)).then(pl.lit(f"{item.words} not fasting")),
        pl.when(needs & (state == UNKNOWN)).then(pl.lit(f"fasting of {item.words} unknown")),
    )
    return values.filter(pl.col("analyte") == item.analyte).select(
        *DRAW,
        pl.col("value").alias(item.column),
        void.alias(f"{item.column}_void"),
        pl.col("lab").alias(f"{item.column}_lab"),
    )


def _with_fasting(results: pl.LazyFrame) -> pl.LazyFrame:
    """Blood results with ``rank`` (the best-known state of fasting first) and ``is_promoted``:
    something else says that the draw was fasting."""
    timed = pl.when(pl.col("observed_precision") == "time").then("observed_at")
    stated = results.with_columns(at=timed, fasting=pl.col("fasting").fill_null("unknown"))
    apart = (pl.col("at") - pl.col("fasting_at")).dt.total_minutes().abs()
    is_same = (apart <= SAME_DRAW_MINUTES).fill_null(value=True)
    is_fasting = pl.col("is_fasting").fill_null(value=False)
    return (
        stated.filter(pl.col("analyte").is_in([item.analyte for item in BLOOD]))
        .join(_fasting_days(stated), on=DRAW, how="left")
        .join(_fed_instants(stated), on=["patient_id", "at"], how="left")
        .with_columns(
            rank=pl.col("fasting").replace_strict({"yes": FASTING, "no": FED}, default=UNKNOWN),
            is_promoted=is_fasting & is_same & pl.col("is_fed").is_null(),
        )
    )


def _fasting_days(stated: pl.LazyFrame) -> pl.LazyFrame:
    """Days with a fasting draw, and its instant where that is known."""
    by_hours = (pl.col("analyte") == "fasting_duration") & (pl.col("value") >= FASTING_HOURS)
    return (
        stated.filter((pl.col("fasting") == "yes") | by_hours)
        .group_by(DRAW)
        .agg(is_fasting=pl.lit(value=True), fasting_at=pl.col("at").min())
    )


def _fed_instants(stated: pl.LazyFrame) -> pl.LazyFrame:
    """Instants at which a tube is stated not to be fasting."""
    return (
        stated.filter(pl.col("fasting") == "no", pl.col("at").is_not_null())
        .select("patient_id", "at", is_fed=pl.lit(value=True))
        .unique()
    )


def _values(stated: pl.LazyFrame) -> pl.LazyFrame:
    """Per patient, day and analyte the values of the best-known fasting state as one: their mean,
    or, without an exact one, the largest limit.

    Unknown values count as fasting only where all of them may: their mean cannot be taken apart.
    """
    of = [*DRAW, "analyte"]
    rank, low, first, last = (pl.col(name) for name in ("rank", "low", "first", "last"))
    mean = pl.when(low == pl.col("high")).then(low).otherwise(pl.col("mean").round_sig_figs(10))
    return (
        _ranked(stated)
        .filter(rank == rank.min().over(of))
        .select(
            *of,
            value=pl.coalesce(mean, "limit"),
            is_bound=low.is_null(),
            state=pl.when((rank == UNKNOWN) & pl.col("is_promoted")).then(FASTING).otherwise(rank),
            lab=pl.when(first == last).then(first).otherwise(pl.format("{}, {}", first, last)),
        )
    )


def _ranked(stated: pl.LazyFrame) -> pl.LazyFrame:
    """Sums over a day's values of one analyte and rank.

    Minimum and maximum in place of the values themselves: nearly all days have one, and sorting or
    counting distinct ones within groups costs ten times as much.
    """
    return (
        stated.filter(pl.col("value").is_finite())
        .with_columns(
            exact=pl.when(pl.col("comparator").is_null()).then("value"),
            platform=pl.coalesce("assay", "lab"),
        )
        .group_by(*DRAW, "analyte", "rank")
        .agg(
            low=pl.col("exact").min(),
            high=pl.col("exact").max(),
            mean=pl.col("exact").mean(),
            limit=pl.col("value").max(),
            first=pl.col("platform").min(),
            last=pl.col("platform").max(),
            is_promoted=pl.col("is_promoted").all(),
        )
    )


# the pair of a day


def _with_pairs(days: pl.LazyFrame, pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Insulin and glucose as the pairs have them, and what the pairs say against them."""
    facts = ("insulin_uiu_ml", "glucose_mg_dl", "insulin_comparator", "reason", "used")
    chosen = pairs.select(*DRAW, *facts, "platform", "platform_effect")
    return days.join(chosen, on=DRAW, how="left", suffix="_pair").with_columns(
        insulin_uiu_ml=pl.coalesce("insulin_uiu_ml_pair", "insulin_uiu_ml"),
        glucose_mg_dl=pl.coalesce("glucose_mg_dl_pair", "glucose_mg_dl"),
        insulin_uiu_ml_void=_insulin_void(),
        glucose_mg_dl_void=_glucose_void(),
        load_void=_load_void(),
        insulin_platform=pl.col("platform").fill_null(""),
        platform_effect=pl.col("platform_effect").fill_null(0.0),
    )


def _said() -> pl.Expr:
    """What the pair's reason says against insulin."""
    reason = pl.col("reason")
    return reason.replace_strict(PAIR_VOIDS, default=reason, return_dtype=pl.String)


def _insulin_void() -> pl.Expr:
    is_bound = pl.col("insulin_comparator").is_not_null()
    bound = pl.when(is_bound).then(pl.lit(BEYOND.format("insulin")))
    is_alone = pl.col("used").is_null() | pl.col("reason").is_in(["no glucose", "censored"])
    return pl.coalesce(_said(), bound, pl.when(is_alone).then("insulin_uiu_ml_void"))


def _glucose_void() -> pl.Expr:
    """A pair that stands has judged its glucose; without one glucose is judged alone."""
    stands = (pl.col("used") | (pl.col("reason") == "other assay")).fill_null(value=False)
    copied = pl.when(pl.col("reason") == "copied").then(_said())
    return pl.when(~stands).then(pl.coalesce("glucose_mg_dl_void", copied))


def _load_void() -> pl.Expr:
    """A test begins with a fasting draw, and a value beyond a limit is no value of it."""
    bound = pl.when(pl.col("bounds").is_not_null()).then(
        pl.lit(BEYOND.format("a value of the test"))
    )
    unpaired = pl.when(pl.col("used").is_null()).then(pl.lit(PAIR_VOIDS["fasting unknown"]))
    return pl.coalesce(_said(), bound, unpaired)


# the person


def _with_person(days: pl.LazyFrame, persons: pl.LazyFrame, spans: pl.LazyFrame) -> pl.LazyFrame:
    """Adds age, sex, diabetes, and what bars the day."""
    born, on, sex = pl.col("birth_date"), pl.col("observed_on"), pl.col("sex")
    before = on.dt.strftime("%m%d") < born.dt.strftime("%m%d")
    named = pl.col("name")
    bars = _during(days, spans).agg(
        bar=named.min(),
        pregnancy_bar=named.filter(named.is_in(PREGNANCY)).min(),
        has_diabetes=named.is_in(DIABETES).any(),
    )
    facts = persons.select("patient_id", "birth_date", "sex")
    return (
        days.join(facts, on="patient_id", how="left")
        .join(bars, on=DRAW, how="left")
        .with_columns(
            age_years=on.dt.year() - born.dt.year() - before.cast(pl.Int32),
            is_female=pl.when(sex.is_in(["female", "male"])).then(sex == "female"),
            has_diabetes=pl.col("has_diabetes").fill_null(value=False),
        )
    )


def _during(days: pl.LazyFrame, spans: pl.LazyFrame) -> pl.lazyframe.group_by.LazyGroupBy:
    """Spans that hold on a day, by patient and day."""
    held = days.select(DRAW).join(spans, on="patient_id").filter(holds_on("observed_on"))
    return held.group_by(DRAW)


# the body


def _with_body(
    days: pl.LazyFrame, results: pl.LazyFrame, persons: pl.LazyFrame, hypertension: pl.LazyFrame
) -> pl.LazyFrame:
    """Adds BMI, waist and hypertension with the day each is of."""
    measures = _measures(results).cache()
    for analyte in BODY:
        days = _nearest(days, measures, analyte, f"{BODY_DAYS}d")
    days = _nearest(days, _adult(measures, persons), "height", None)
    sized = _with_bmi(days).rename({"waist": "waist_cm", "waist_on": "waist_cm_on"})
    return _with_hypertension(sized, hypertension)


def _with_bmi(days: pl.LazyFrame) -> pl.LazyFrame:
    """BMI as stated, else of weight and height. An adult's height has no day: it stays."""
    own = pl.col("weight") / (pl.col("height") / 100) ** 2
    is_stated = pl.col("bmi").is_not_null()
    own_on = pl.when(own.is_not_null()).then("weight_on")
    return days.with_columns(
        bmi_kg_m2=pl.coalesce("bmi", own),
        bmi_kg_m2_on=pl.when(is_stated).then("bmi_on").otherwise(own_on),
    )


def _with_hypertension(days: pl.LazyFrame, diagnoses: pl.LazyFrame) -> pl.LazyFrame:
    """High pressure as diagnosed by then, else as measured; null where neither is known."""
    is_high = pl.any_horizontal(
        pl.col("systolic_bp") >= HIGH_SYSTOLIC, pl.col("diastolic_bp") >= HIGH_DIASTOLIC
    )
    still = diagnoses.with_columns(to_on=pl.lit(None, dtype=pl.Date))
    known = _during(days, still).agg(is_diagnosed=pl.lit(value=True))
    is_diagnosed = pl.col("is_diagnosed").is_not_null()
    measured_on = pl.min_horizontal("systolic_bp_on", "diastolic_bp_on")
    return days.join(known, on=DRAW, how="left").with_columns(
        has_hypertension=is_diagnosed | is_high,
        has_hypertension_on=pl.when(~is_diagnosed).then(measured_on),
    )


def _measures(results: pl.LazyFrame) -> pl.LazyFrame:
    """Body measures, the mean of a day."""
    is_sound = pl.col("comparator").is_null() & (pl.col("value") > 0) & pl.col("value").is_finite()
    return (
        results.filter(pl.col("analyte").is_in([*BODY, "height"]) & is_sound)
        .group_by(*DRAW, "analyte")
        .agg(pl.col("value").sort().mean())
        .sort(*DRAW, "analyte")
    )


def _adult(measures: pl.LazyFrame, persons: pl.LazyFrame) -> pl.LazyFrame:
    grown_on = pl.col("birth_date").dt.offset_by(f"{ADULT}y")
    is_grown = (pl.col("observed_on") >= grown_on).fill_null(value=True)
    dated = measures.join(persons.select("patient_id", "birth_date"), on="patient_id", how="left")
    return dated.filter(is_grown)


def _nearest(
    days: pl.LazyFrame, measures: pl.LazyFrame, analyte: str, window: str | None
) -> pl.LazyFrame:
    """Adds the measure nearest to each day, and ``<analyte>_on``."""
    on = pl.col("observed_on")
    found = measures.filter(pl.col("analyte") == analyte).select(
        *DRAW, on.alias(f"{analyte}_on"), pl.col("value").alias(analyte)
    )
    return days.sort("observed_on").join_asof(
        found.sort("observed_on"),
        on="observed_on",
        by="patient_id",
        strategy="nearest",
        tolerance=window,
        check_sortedness=False,
    )
