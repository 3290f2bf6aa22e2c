"""Signals by tissue and day, and the pattern they make together."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from transforms.catalog import indices as index_catalog
from transforms.catalog.tissues import ON_INSULIN, SIGNALS
from transforms.catalog.variations import variation_frame
from transforms.series_trends import series_trends
from transforms.tissues import DAY, signal_series, tissue_patterns, tissue_values

ON = date(2026, 5, 20)
TONIGHT = date(2026, 6, 1)
SERIES = {
    "patient_id": pl.String,
    "signal": pl.String,
    "observed_on": pl.Date,
    "value": pl.Float64,
    "unit": pl.String,
    "platform": pl.String,
}
TREND = {
    **{name: SERIES[name] for name in ("patient_id", "signal", "observed_on", "platform")},
    "n": pl.Int64,
    "first_on": pl.Date,
    "trend": pl.String,
}
RESULT: dict[str, Any] = {
    "patient_id": "p",
    "analyte": "alt",
    "timing": "any",
    "observed_on": ON,
    "value": 30.0,
    "comparator": None,
    "fasting": None,
    "lab": "North",
    "assay": None,
}
RESULTS = dict.fromkeys(RESULT, pl.String) | {"observed_on": pl.Date, "value": pl.Float64}
INDEX: dict[str, Any] = {
    "patient_id": "p",
    "index": "homa_ir",
    "observed_on": ON,
    "value": 3.0,
    "bridged_value": 2.5,
    "unit": "1",
    "platform": "roche",
}
INDICES = dict.fromkeys(INDEX, pl.String) | {
    "observed_on": pl.Date,
    "value": pl.Float64,
    "bridged_value": pl.Float64,
}
WINDOW: dict[str, Any] = {
    "patient_id": "p",
    "device": "Dexcom G6",
    "window_end": ON,
    "is_main": True,
    "is_sufficient": True,
    "eating_window_h": 11.0,
    "night_rises_per_night": 0.25,
}
WINDOWS = {
    "patient_id": pl.String,
    "device": pl.String,
    "window_end": pl.Date,
    "is_main": pl.Boolean,
    "is_sufficient": pl.Boolean,
    "eating_window_h": pl.Float64,
    "night_rises_per_night": pl.Float64,
}
WORN = {
    "patient_id": pl.String,
    "month": pl.Date,
    "steps_median": pl.Float64,
    "sleep_h_mean": pl.Float64,
    "sleep_regularity": pl.Float64,
    "resting_heart_rate_mean": pl.Float64,
}
SLOPES = {"patient_id": pl.String, "month": pl.Date, "kg_per_month": pl.Float64}


def series_of(**frames: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Signal, day, value, unit and platform of what the sources say."""
    schemas = {
        "indices": INDICES,
        "results": RESULTS,
        "windows": WINDOWS,
        "months": WORN,
        "slopes": SLOPES,
    }
    given = {
        name: pl.LazyFrame(frames.get(name, []), schema=schema) for name, schema in schemas.items()
    }
    rows = signal_series(**given).collect()
    return rows.select("signal", "observed_on", "value", "unit", "platform").rows()


def test_an_index_counts_as_brought_to_the_reference_platform() -> None:
    assert series_of(indices=[INDEX]) == [("homa_ir", ON, 2.5, "1", "roche")]


def test_a_void_index_and_one_of_no_tissue_are_no_values() -> None:
    void = INDEX | {"value": None, "bridged_value": None}

    assert series_of(indices=[void, INDEX | {"index": "quicki"}]) == []


def test_a_result_counts_under_its_assay_or_else_its_laboratory() -> None:
    named = [RESULT, RESULT | {"assay": "IFCC"}, RESULT | {"lab": None}]

    assert series_of(results=named) == [
        ("alt", ON, 30.0, "U/L", platform) for platform in ("", "IFCC", "North")
    ]


def test_several_results_of_a_day_count_as_their_mean_and_of_two_days_apart() -> None:
    later = RESULT | {"observed_on": ON + timedelta(1)}
    found = series_of(results=[RESULT, RESULT | {"value": 50.0}, later])

    assert [row[1:3] for row in found] == [(ON, 40.0), (ON + timedelta(1), 30.0)]


@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ({}, True),
        ({"comparator": "<"}, False),
        ({"value": None}, False),
        ({"value": float("inf")}, False),
        ({"timing": "post_load"}, False),
        ({"timing": None}, True),
        ({"fasting": "no"}, True),
        ({"analyte": "ldl"}, False),
        ({"analyte": "nefa"}, False),
        ({"analyte": "nefa", "fasting": "unknown"}, False),
        ({"analyte": "nefa", "fasting": "yes"}, True),
        ({"analyte": "nefa", "timing": "fasting"}, True),
        ({"analyte": "nefa", "timing": "fasting", "fasting": "no"}, False),
        ({"analyte": "hs_crp", "value": 10.0}, True),
        ({"analyte": "hs_crp", "value": 10.1}, False),
    ],
    ids=str,
)
def test_a_result_is_a_value_of_its_signal_or_not(changed: dict[str, Any], counts: bool) -> None:
    assert bool(series_of(results=[RESULT | changed])) == counts


def test_a_window_gives_its_columns_by_sensor() -> None:
    assert series_of(windows=[WINDOW]) == [
        ("eating_window_h", ON, 11.0, "h", "Dexcom G6"),
        ("night_rises", ON, 0.25, "{#}/d", "Dexcom G6"),
    ]


@pytest.mark.parametrize("lacking", ["is_main", "is_sufficient"])
def test_a_window_of_another_sensor_or_too_little_gives_nothing(lacking: str) -> None:
    assert series_of(windows=[WINDOW | {lacking: False}]) == []


def test_a_mean_of_a_day_does_not_depend_on_the_order_of_its_results() -> None:
    results = [RESULT | {"value": value} for value in (0.1, 0.7, 0.3, 1e9, 0.2)]

    assert series_of(results=results) == series_of(results=results[::-1])
    assert series_of(results=results[:3])[0][2] == 0.3666666667


def test_months_and_slopes_give_their_columns_where_they_say_something() -> None:
    month = {"patient_id": "p", "month": date(2026, 5, 1)}
    worn = month | {"steps_median": 7000.0, "sleep_h_mean": None}

    assert series_of(months=[worn], slopes=[month | {"kg_per_month": -0.5}]) == [
        ("steps", date(2026, 5, 1), 7000.0, "{#}/d", ""),
        ("weight_slope", date(2026, 5, 1), -0.5, "kg/mo", ""),
    ]


def a_value(signal: str, on: date = ON, value: float = 1.0, platform: str = "") -> tuple[Any, ...]:
    return ("p", signal, on, value, "1", platform)


def values_of(
    values: list[tuple[Any, ...]], trends: dict[tuple[str, date], str | None]
) -> pl.DataFrame:
    """Values by tissue; trends by signal and day, on the empty platform, third values of theirs."""
    told = [("p", signal, on, "", 3, on, trend) for (signal, on), trend in trends.items()]
    return tissue_values(
        pl.LazyFrame(values, schema=SERIES, orient="row"),
        pl.LazyFrame(told, schema=TREND, orient="row"),
    ).collect()


def test_a_value_stands_in_its_tissue_with_the_trend_as_it_stood() -> None:
    found = values_of([a_value("alt", ON, 50.0)], {("alt", ON): "rising"})

    assert found.rows() == [("p", "liver", "alt", ON, 50.0, "1", "", 3, "rising", "worsening")]


def test_two_values_of_a_month_have_a_row_each_and_a_later_one_leaves_the_earlier() -> None:
    early, late = date(2026, 5, 2), date(2026, 5, 30)
    trends = {("alt", early): "falling", ("alt", late): "rising"}
    before = values_of([a_value("alt", early, 40.0)], trends)
    after = values_of([a_value("alt", late, 50.0), a_value("alt", early, 40.0)], trends)

    assert after["course"].to_list() == ["improving", "worsening"]
    assert after.head(1).equals(before)


@pytest.mark.parametrize(("a_since", "b_since", "newest"), [(2024, 2020, "a"), (2020, 2024, "b")])
def test_of_several_platforms_of_a_day_the_newest_counts(
    a_since: int, b_since: int, newest: str
) -> None:
    since = {"a": date(a_since, 1, 1), "b": date(b_since, 1, 1)}
    told = [("p", "alt", ON, platform, 3, on, None) for platform, on in since.items()]
    found = tissue_values(
        pl.LazyFrame([a_value("alt", platform=p) for p in since], schema=SERIES, orient="row"),
        pl.LazyFrame(told, schema=TREND, orient="row"),
    ).collect()

    assert found["platform"].to_list() == [newest]


def test_a_signal_of_two_tissues_stands_in_both_and_one_of_none_in_none() -> None:
    found = values_of([a_value("leptin"), a_value("quicki")], {})

    assert found["tissue"].to_list() == ["adipose", "brain"]


@pytest.mark.parametrize(
    ("signal", "trend", "course"),
    [
        ("alt", "rising", "worsening"),
        ("alt", "falling", "improving"),
        ("alt", "steady", "steady"),
        ("alt", None, None),
        ("matsuda", "rising", "improving"),
        ("matsuda", "falling", "worsening"),
        ("matsuda", "steady", "steady"),
        ("homa_b", "rising", None),
        ("homa_b", "steady", None),
        ("steps", "falling", None),
    ],
)
def test_a_trend_is_turned_by_the_direction_of_its_signal(
    signal: str, trend: str | None, course: str | None
) -> None:
    found = values_of([a_value(signal)], {(signal, ON): trend})

    assert found.select("trend", "course").row(0) == (trend, course)


def test_the_trend_of_another_platform_is_not_taken() -> None:
    trends = {("alt", ON): "rising"}

    assert values_of([a_value("alt", platform="b")], trends)["trend"].to_list() == [None]
    assert values_of([a_value("alt", platform="")], trends)["trend"].to_list() == ["rising"]


def test_values_do_not_depend_on_the_order_of_rows_and_are_sorted() -> None:
    rng = np.random.default_rng(7502)
    names = sorted({signal.name for signal in SIGNALS})
    values = pl.DataFrame(
        [
            (str(rng.integers(5)), name, ON - timedelta(int(rng.integers(400))), 1.0, "1", "")
            for name in names
            for _ in range(20)
        ],
        schema=SERIES,
        orient="row",
    ).unique(["patient_id", "signal", "observed_on"])
    trends = values.with_columns(n=pl.lit(3), first_on="observed_on", trend=pl.lit("rising"))
    usual = tissue_values(values.lazy(), trends.lazy()).collect()
    shuffled = tissue_values(
        values.sample(fraction=1, shuffle=True, seed=1).lazy(),
        trends.sample(fraction=1, shuffle=True, seed=2).lazy(),
    ).collect()

    assert usual.equals(shuffled)
    assert usual.equals(usual.sort(*DAY))
    assert usual.select(*DAY).is_unique().all()


def test_a_climbing_series_ends_up_worsening_and_across_a_change_of_assay_it_does_not() -> None:
    """From values to course, with the trends as they are computed."""
    years = [date(year, 5, 20) for year in range(2021, 2027)]
    climbing = [a_value("homa_ir", on, 1.0 * 1.4**i) for i, on in enumerate(years)]
    changed = [(*row[:5], "a" if i < 4 else "b") for i, row in enumerate(climbing)]

    def last(values: list[tuple[Any, ...]]) -> str | None:
        series = pl.LazyFrame(values, schema=SERIES, orient="row")
        trends = series_trends(series, variation_frame().lazy())
        found: str | None = tissue_values(series, trends).collect()["course"].to_list()[-1]
        return found

    assert last(climbing) == "worsening"
    assert last(changed) is None


Course = str | None
FINE, NOT_FINE = 0.9, 0.1


def pattern(
    courses: dict[str, Course],
    glucose: list[float] | None = None,
    on: date = ON,
    drawn_on: date = ON,
) -> dict[str, Any]:
    """The pattern of one patient whose signals (tissue.signal) have these courses tonight;
    ``glucose``: P(fine) after yearly draws, the newest on ``drawn_on``."""
    rows = [("p", *name.split("."), on, 1.0, course) for name, course in courses.items()]
    fine = glucose or []
    draws = [("p", drawn_on - timedelta(365 * (len(fine) - 1 - i)), p) for i, p in enumerate(fine)]
    return found_of(rows, draws)[0]


def found_of(rows: list[tuple[Any, ...]], draws: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    values = {
        "patient_id": pl.String,
        "tissue": pl.String,
        "signal": pl.String,
        "observed_on": pl.Date,
        "value": pl.Float64,
        "course": pl.String,
    }
    drawn = {"patient_id": pl.String, "drawn_on": pl.Date, "p_glucose_fine": pl.Float64}
    return (
        tissue_patterns(
            pl.LazyFrame(rows, schema=values, orient="row"),
            pl.LazyFrame(draws, schema=drawn, orient="row"),
            TONIGHT,
        )
        .collect()
        .rows(named=True)
    )


def test_a_selective_pattern_under_fine_glucose_is_said_in_a_sentence() -> None:
    found = pattern(
        {"liver.alt": "worsening", "liver.fli": "worsening", "adipose.tg_hdl": "steady"},
        [FINE, FINE, FINE],
    )

    assert found == {
        "patient_id": "p",
        "liver": "worsening",
        "muscle": None,
        "adipose": "steady",
        "beta_cell": None,
        "clearance": None,
        "signals_measured": 3,
        "signals_with_course": 3,
        "is_selective": True,
        "glucose_fine": "throughout",
        "sentence": "liver signals worsening (ALT, Fatty liver index); adipose signals steady; "
        "no course: muscle, beta cell, clearance; glucose fine throughout (3 draws since "
        "2024-05-20)",
    }


@pytest.mark.parametrize(
    ("courses", "expected"),
    [
        (["worsening"], "worsening"),
        (["worsening", "steady"], "worsening"),
        (["worsening", None], "worsening"),
        (["worsening", "improving"], "mixed"),
        (["worsening", "improving", "steady"], "mixed"),
        (["improving", "steady"], "improving"),
        (["steady", None], "steady"),
        ([None, None], None),
    ],
    ids=str,
)
def test_a_tissues_course_is_that_of_its_signals_together(
    courses: list[Course], expected: Course
) -> None:
    names = ("liver.alt", "liver.ast", "liver.ggt")

    assert pattern(dict(zip(names, courses, strict=False)))["liver"] == expected


@pytest.mark.parametrize(
    ("liver", "adipose", "is_selective"),
    [
        ("worsening", "steady", True),
        ("worsening", "improving", True),
        ("steady", "worsening", True),
        ("worsening", "worsening", False),
        ("steady", "steady", False),
        ("worsening", None, None),
        (None, None, None),
    ],
)
def test_a_pattern_is_selective_where_one_tissue_worsens_and_another_does_not(
    liver: Course, adipose: Course, is_selective: bool | None
) -> None:
    found = pattern({"liver.alt": liver, "adipose.nefa": adipose})

    assert found["is_selective"] is is_selective


@pytest.mark.parametrize(
    ("courses", "is_selective"),
    [
        ({"liver.homa_ir": "worsening", "adipose.tg_hdl": "steady"}, None),
        ({"liver.alt": "worsening", "adipose.tg_hdl": "steady"}, True),
        (
            {"liver.homa_ir": "worsening", "liver.alt": "worsening", "adipose.tg_hdl": "steady"},
            True,
        ),
        ({"liver.homa_ir": "worsening", "liver.alt": "steady", "adipose.tg_hdl": "steady"}, None),
        ({"adipose.adipo_ir": "worsening", "clearance.c_peptide_insulin": "steady"}, None),
        ({"adipose.nefa": "worsening", "clearance.c_peptide_insulin": "steady"}, True),
        (
            {
                "liver.homa_ir": "worsening",
                "adipose.nefa": "worsening",
                "muscle.matsuda": "steady",
            },
            True,
        ),
        ({"liver.homa_ir": "worsening", "adipose.nefa": "worsening"}, False),
        ({"liver.homa_ir": "steady", "adipose.adipo_ir": "improving"}, False),
        (
            {
                "liver.homa_ir": "worsening",
                "adipose.vai": "worsening",
                "adipose.tg_hdl": "improving",
                "clearance.c_peptide_insulin": "steady",
            },
            None,
        ),
    ],
    ids=str,
)
def test_tissues_that_worsen_by_insulin_alone_are_not_called_selective(
    courses: dict[str, Course], is_selective: bool | None
) -> None:
    assert pattern(courses)["is_selective"] is is_selective


def test_the_signals_on_insulin_are_those_with_insulin_in_their_formula() -> None:
    inputs = {i.name: {item.analyte for item in i.inputs} for i in index_catalog.INDICES}
    found = {s.name for s in SIGNALS if s.source == "index" and "insulin" in inputs[s.of]}

    assert found == ON_INSULIN
    assert {"homa_ir", "c_peptide_insulin"} <= found
    assert "tyg" not in found


@pytest.mark.parametrize(
    ("glucose", "fine", "words"),
    [
        ([FINE, FINE], "throughout", "glucose fine throughout (2 draws since 2025-05-20)"),
        ([0.5], "throughout", "glucose fine throughout (1 draw since 2026-05-20)"),
        ([0.49], "no", "glucose not fine"),
        ([NOT_FINE, FINE], "now", "glucose fine now, not throughout (2 draws since 2025-05-20)"),
        ([FINE, NOT_FINE], "no", "glucose not fine"),
        ([], None, "glucose not evaluated"),
    ],
    ids=str,
)
def test_glucose_stands_beside_as_it_was_after_every_draw(
    glucose: list[float], fine: str | None, words: str
) -> None:
    found = pattern({"liver.alt": "steady"}, glucose)

    assert found["glucose_fine"] == fine
    assert found["sentence"].endswith(words)


def test_signals_and_draws_too_old_say_nothing_and_a_day_younger_they_do() -> None:
    old, older = TONIGHT - timedelta(400), TONIGHT - timedelta(401)
    found = pattern({"liver.alt": "steady"}, [FINE], on=old, drawn_on=old)
    none = pattern({"liver.alt": "steady"}, [FINE], on=older, drawn_on=older)

    assert (found["liver"], found["glucose_fine"]) == ("steady", "throughout")
    assert (none["liver"], none["glucose_fine"]) == (None, None)
    assert none["signals_measured"] == 0


def test_what_is_observed_after_tonight_says_nothing() -> None:
    tomorrow = TONIGHT + timedelta(1)
    found = pattern({"liver.alt": "steady"}, [FINE], on=tomorrow, drawn_on=tomorrow)

    assert (found["liver"], found["glucose_fine"]) == (None, None)


def test_context_is_counted_nowhere() -> None:
    found = pattern({"muscle.steps": "worsening", "brain.sleep_h": None, "adipose.nefa": "steady"})

    assert found["muscle"] is None
    assert "brain" not in found
    assert found["signals_measured"] == 1


def test_only_the_newest_row_of_a_signal_counts() -> None:
    earlier = ON - timedelta(90)
    rows = [
        ("p", "liver", "alt", earlier, 1.0, "worsening"),
        ("p", "liver", "alt", ON, 1.0, None),
    ]

    assert found_of(rows, [])[0]["liver"] is None
    assert found_of(rows[:1], [])[0]["liver"] == "worsening"


def test_no_sentence_says_which_tissue_is_resistant() -> None:
    names = [f"{signal.tissue}.{signal.name}" for signal in SIGNALS]
    sentences = [
        pattern(dict.fromkeys(names, course), [FINE])["sentence"].lower()
        for course in ("worsening", "improving", "steady", None)
    ]

    assert all("resist" not in sentence and "diagnos" not in sentence for sentence in sentences)
    assert "liver signals worsening" in sentences[0]
