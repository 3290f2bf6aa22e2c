"""The tissue profile: signals by tissue and day, and the pattern they make.

A selective pattern (the signals of one tissue worsen, those of another are steady, glucose is
fine) is shown as such. It is a pattern of numbers: nothing here says which tissue is resistant.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from transforms.catalog.analytes import ANALYTES
from transforms.catalog.rule import RULE, Rule
from transforms.catalog.tissues import (
    COMBINATIONS,
    JUDGED,
    ON_INSULIN,
    SIGNALS,
    TISSUES,
    Combination,
    Source,
)

VALUE = ("patient_id", "signal", "observed_on", "platform")
"""What a value of a series is known by."""
SHOWN = ("patient_id", "tissue", "signal")
DAY = (*SHOWN, "observed_on")


def signal_series(
    indices: pl.LazyFrame,
    results: pl.LazyFrame,
    windows: pl.LazyFrame,
    months: pl.LazyFrame,
    slopes: pl.LazyFrame,
) -> pl.LazyFrame:
    """Every value of every signal of the catalog, as one long frame.

    Args:
        indices: :func:`transforms.indices.index_values`; a void value is no value. Insulin counts
            as brought to the reference platform, for these are compared.
        results: standing results in canonical units: ``patient_id``, ``analyte``, ``timing``,
            ``observed_on``, ``value``, ``comparator``, ``fasting``, ``lab``, ``assay``. Several of
            a day on a platform count as their mean; a limit ("<0.2") is no value.
        windows: sensor windows: ``patient_id``, ``device``, ``window_end``, ``is_main``,
            ``is_sufficient`` and the columns that signals name.
        months: months of wearables: ``patient_id``, ``month`` and those columns.
        slopes: weight slopes: ``patient_id``, ``month`` and those columns.

    Returns:
        ``patient_id``, ``signal``, ``observed_on``, ``value``, ``unit``, ``platform`` (insulin's
        platform, the assay or else the laboratory, or the sensor; empty where not stated), sorted
        by :data:`VALUE`.
    """
    good = windows.filter("is_main", "is_sufficient").rename(
        {"window_end": "observed_on", "device": "platform"}
    )
    no_platform = pl.lit("").alias("platform")
    parts = [
        _of_indices(indices),
        _of_results(results),
        *_of_columns(good, "cgm"),
        *_of_columns(months.with_columns(no_platform, observed_on="month"), "wearable"),
        *_of_columns(slopes.with_columns(no_platform, observed_on="month"), "weight"),
    ]
    return pl.concat(parts).sort(*VALUE)


def _listed(source: Source) -> pl.LazyFrame:
    """The signals of ``source``, each once: ``of``, ``signal``, ``unit``, ``is_fasting``,
    ``at_most``."""
    units = {analyte.name: analyte.unit for analyte in ANALYTES}
    rows = {
        (s.of, s.name, s.unit or units.get(s.of), s.is_fasting, s.at_most)
        for s in SIGNALS
        if s.source == source
    }
    schema = {
        "of": pl.String,
        "signal": pl.String,
        "unit": pl.String,
        "is_fasting": pl.Boolean,
        "at_most": pl.Float64,
    }
    return pl.LazyFrame(sorted(rows, key=lambda row: row[1]), schema=schema, orient="row")


def _of_indices(indices: pl.LazyFrame) -> pl.LazyFrame:
    return (
        indices.filter(pl.col("value").is_not_null())
        .join(_listed("index").drop("unit"), left_on="index", right_on="of")
        .select(
            "patient_id",
            "signal",
            "observed_on",
            pl.coalesce("bridged_value", "value").alias("value"),
            "unit",
            "platform",
        )
    )


def _of_results(results: pl.LazyFrame) -> pl.LazyFrame:
    value = pl.col("value")
    timing, fasting = pl.col("timing"), pl.col("fasting")
    is_of_a_fast = (fasting == "yes") | ((timing == "fasting") & fasting.ne_missing("no"))
    return (
        results.join(_listed("analyte"), left_on="analyte", right_on="of")
        .filter(
            value.is_finite() & pl.col("comparator").is_null(),
            timing.ne_missing("post_load"),
            is_of_a_fast.fill_null(value=False) | ~pl.col("is_fasting"),
            (value <= pl.col("at_most")) | pl.col("at_most").is_null(),
        )
        .with_columns(platform=pl.coalesce("assay", "lab", pl.lit("")))
        .group_by(*VALUE)
        .agg(value.sort().mean().round_sig_figs(10), pl.col("unit").first())
        .select("patient_id", "signal", "observed_on", "value", "unit", "platform")
    )


def _of_columns(rows: pl.LazyFrame, source: Source) -> list[pl.LazyFrame]:
    """A wide frame's columns as signals; ``rows`` have ``observed_on`` and ``platform``."""
    listed = _listed(source).collect().rows(named=True)
    return [
        rows.select(
            "patient_id",
            pl.lit(signal["signal"]).alias("signal"),
            "observed_on",
            pl.col(signal["of"]).cast(pl.Float64).alias("value"),
            pl.lit(signal["unit"], dtype=pl.String).alias("unit"),
            "platform",
        ).filter(pl.col("value").is_finite())
        for signal in listed
    ]


def tissue_values(series: pl.LazyFrame, trends: pl.LazyFrame) -> pl.LazyFrame:
    """Every value of every signal, by tissue, with its trend as it stood.

    What stands on a day rests on that day and what was before it: values that come later leave it.

    Args:
        series: :func:`signal_series`; what no tissue has is left out. Of several platforms of a
            day the newest counts: the one on which the person's series began last.
        trends: :func:`transforms.series_trends.series_trends` of it: at each value (:data:`VALUE`)
            ``n``, ``first_on`` and ``trend``.

    Returns:
        ``patient_id``, ``tissue``, ``signal``, ``observed_on``, ``value`` in ``unit``,
        ``platform``, ``n`` (values so far on the platform), ``trend`` as it stood and ``course``:
        the trend turned by the signal's direction, null where the signal has none. Sorted by
        :data:`DAY`; a signal that serves two tissues stands in both.
    """
    stood = trends.select(*VALUE, "n", "first_on", "trend")
    return (
        series.join(stood, on=VALUE, how="left", nulls_equal=True)
        .join(_tissues(), on="signal")
        .sort(*DAY, "first_on", "platform", "value", nulls_last=False)
        .unique(DAY, keep="last", maintain_order=True)
        .with_columns(pl.col("n").cast(pl.Int64), course=_course())
        .select(*DAY, "value", "unit", "platform", "n", "trend", "course")
    )


def _tissues() -> pl.LazyFrame:
    """``signal``, ``tissue``, ``direction``, ``signal_title``, ``is_judged``,
    ``is_on_insulin``."""
    rows = [
        (s.name, s.tissue, s.direction, s.title, s.evidence_grade in JUDGED, s.name in ON_INSULIN)
        for s in SIGNALS
    ]
    columns = ["signal", "tissue", "direction", "signal_title", "is_judged", "is_on_insulin"]
    return pl.LazyFrame(rows, schema=columns, orient="row")


def _course() -> pl.Expr:
    """The trend, turned by ``direction``.

    >>> falling = pl.DataFrame({"trend": ["falling", "falling"], "direction": [1, 0]})
    >>> falling.select(_course()).to_series().to_list()
    ['improving', None]
    """
    way = {"rising": 1, "steady": 0, "falling": -1}
    turned = pl.col("trend").replace_strict(way, default=None) * pl.col("direction")
    named = turned.replace_strict({1: "worsening", 0: "steady", -1: "improving"}, default=None)
    return pl.when(pl.col("direction") != 0).then(named)


_COURSED = tuple(tissue for tissue in TISSUES if tissue.ceiling in JUDGED)
"""The tissues that can have a course; the brain, context only, cannot."""


def tissue_patterns(
    values: pl.LazyFrame, draws: pl.LazyFrame, as_of: date, rule: Rule = RULE
) -> pl.LazyFrame:
    """What the newest signals of each tissue do together, beside glucose.

    Args:
        values: :func:`tissue_values`; of each patient and signal the newest counts.
        draws: the trend after each used draw: ``patient_id``, ``drawn_on``, ``p_glucose_fine``.
        as_of: the night; signals and draws older than ``rule.max_age_days`` say nothing.
        rule: thresholds.

    Returns:
        One row per patient with any signal ever: ``patient_id``, a column per tissue but the brain
        with its course (``worsening``, ``mixed``, ``improving``, ``steady``, null where no signal
        has one), ``signals_measured`` and ``signals_with_course`` (of grade A to C),
        ``is_selective`` (one tissue worsens while another is steady or improves; null where fewer
        than two have a course, or where no tissue that worsens does so by a signal beside
        :data:`transforms.catalog.tissues.ON_INSULIN`: one insulin moves them all),
        ``glucose_fine`` (``throughout``: after every draw; ``now``: after the newest; ``no``;
        null: not evaluated) and ``sentence``. Sorted by patient.
    """
    oldest = as_of - timedelta(days=rule.max_age_days)
    by_tissue = _by_tissue(values.filter(pl.col("observed_on").is_between(oldest, as_of)))
    glucose = _glucose(draws.filter(pl.col("drawn_on") <= as_of), oldest, rule)
    return (
        values.select("patient_id")
        .unique()
        .join(_side_by_side(by_tissue), on="patient_id", how="left")
        .join(glucose, on="patient_id", how="left")
        .with_columns(pl.col("signals_measured", "signals_with_course").fill_null(0))
        .with_columns(is_selective=_is_selective(), sentence=_sentence())
        .select(
            "patient_id",
            *(tissue.name for tissue in _COURSED),
            *("signals_measured", "signals_with_course", "is_selective"),
            *("glucose_fine", "sentence"),
        )
        .sort("patient_id")
    )


def _by_tissue(values: pl.LazyFrame) -> pl.LazyFrame:
    """Per patient and tissue: ``course``, ``moved`` (titles), ``worsens_beside_insulin``,
    ``measured`` and ``with_course``."""
    moves = pl.col("course").is_in(["worsening", "improving"])
    worsens = pl.col("course").eq_missing("worsening")
    return (
        values.sort(*DAY)
        .unique(SHOWN, keep="last", maintain_order=True)
        .join(_tissues().filter("is_judged"), on=["tissue", "signal"])
        .group_by("patient_id", "tissue")
        .agg(
            _combined().alias("course"),
            pl.col("signal_title").filter(moves).sort().str.join(", ").alias("moved"),
            worsens_beside_insulin=(worsens & ~pl.col("is_on_insulin")).any(),
            measured=pl.len(),
            with_course=pl.col("course").count(),
        )
    )


def _combined() -> pl.Expr:
    """The tissue's course, by :data:`transforms.catalog.tissues.COMBINATIONS`."""
    kinds = [pl.when(_applies(item)).then(pl.lit(item.course)) for item in COMBINATIONS]
    return pl.coalesce(kinds)


def _applies(item: Combination) -> pl.Expr:
    wanted = {
        "worsening": item.worsening,
        "improving": item.improving,
        "steady": item.steady,
    }
    return pl.all_horizontal(
        (pl.col("course") == course).any() == is_there
        for course, is_there in wanted.items()
        if is_there is not None
    )


def _side_by_side(by_tissue: pl.LazyFrame) -> pl.LazyFrame:
    """One row a patient; ``<tissue>``, ``<tissue>_moved``, ``worsens_beside_insulin`` (any tissue
    whose course that is)."""
    of = {t.name: pl.col("tissue") == t.name for t in _COURSED}
    return by_tissue.group_by("patient_id").agg(
        *(pl.col("course").filter(is_it).first().alias(name) for name, is_it in of.items()),
        *(
            pl.col("moved").filter(is_it).first().alias(f"{name}_moved")
            for name, is_it in of.items()
        ),
        worsens_beside_insulin=(
            (pl.col("course") == "worsening") & pl.col("worsens_beside_insulin")
        ).any(),
        signals_measured=pl.col("measured").sum().cast(pl.Int64),
        signals_with_course=pl.col("with_course").sum().cast(pl.Int64),
    )


def _glucose(draws: pl.LazyFrame, oldest: date, rule: Rule) -> pl.LazyFrame:
    """``glucose_fine`` and ``glucose_words`` of patients whose newest draw is not too old."""
    is_fine = pl.col("p_glucose_fine") >= rule.glucose_fine_p
    since = pl.col("drawn_on").min().dt.to_string()
    draws_word = pl.when(pl.len() == 1).then(pl.lit("draw")).otherwise(pl.lit("draws"))
    said = draws.filter(pl.col("p_glucose_fine").is_not_null()).sort("patient_id", "drawn_on")
    facts = said.group_by("patient_id").agg(
        newest_on=pl.col("drawn_on").max(),
        always=is_fine.all(),
        now=is_fine.last(),
        draws=pl.format("{} {} since {}", pl.len(), draws_word, since),
    )
    return facts.filter(pl.col("newest_on") >= oldest).select(
        "patient_id",
        glucose_fine=pl.when("always")
        .then(pl.lit("throughout"))
        .when("now")
        .then(pl.lit("now"))
        .otherwise(pl.lit("no")),
        glucose_words=pl.when("always")
        .then(pl.format("glucose fine throughout ({})", "draws"))
        .when("now")
        .then(pl.format("glucose fine now, not throughout ({})", "draws"))
        .otherwise(pl.lit("glucose not fine")),
    )


def _is_selective() -> pl.Expr:
    names = [tissue.name for tissue in _COURSED]
    worsens = pl.any_horizontal(pl.col(name).eq_missing("worsening") for name in names)
    holds = pl.any_horizontal(
        pl.col(name).is_in(["steady", "improving"]).fill_null(value=False) for name in names
    )
    with_course = pl.sum_horizontal(pl.col(name).is_not_null() for name in names)
    is_told = pl.col("worsens_beside_insulin") | ~(worsens & holds)
    return pl.when(with_course >= 2, is_told).then(worsens & holds)


def _sentence() -> pl.Expr:
    """Courses, what moved, which tissues have none, and glucose."""
    said = [_said_of(tissue.name) for tissue in _COURSED]
    without = [pl.when(pl.col(t.name).is_null()).then(pl.lit(_word(t.name))) for t in _COURSED]
    none = pl.concat_str(without, separator=", ", ignore_nulls=True)
    lacking = pl.when(none != "").then(pl.format("no course: {}", none))
    glucose = pl.col("glucose_words").fill_null("glucose not evaluated")
    return pl.concat_str(*said, lacking, glucose, separator="; ", ignore_nulls=True)


def _said_of(tissue: str) -> pl.Expr:
    moved, named = pl.col(f"{tissue}_moved"), pl.lit(_word(tissue))
    plain = pl.format("{} signals {}", named, pl.col(tissue))
    return pl.when(moved != "").then(pl.format("{} ({})", plain, moved)).otherwise(plain)


def _word(tissue: str) -> str:
    return tissue.replace("_", " ")
