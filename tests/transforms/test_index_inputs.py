"""Inputs of indices, day by day: what they are, how old, and why they may not be used."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from transforms.catalog.indices import INPUTS
from transforms.index_inputs import PAIR_VOIDS, index_inputs
from transforms.pairs import REASONS, fasting_pairs

DAY = date(2026, 1, 10)
SCHEMA = {
    "patient_id": pl.String,
    "analyte": pl.String,
    "timing": pl.String,
    "code_system": pl.String,
    "source_code": pl.String,
    "observed_at": pl.Datetime("us"),
    "observed_on": pl.Date,
    "observed_precision": pl.String,
    "value": pl.Float64,
    "comparator": pl.String,
    "fasting": pl.String,
    "lab": pl.String,
    "assay": pl.String,
    "absent_reason": pl.String,
    "comment": pl.String,
    "known_at": pl.Datetime("us"),
}
PERSON = {"patient_id": pl.String, "birth_date": pl.Date, "sex": pl.String}
SPAN = {"patient_id": pl.String, "name": pl.String, "from_on": pl.Date, "to_on": pl.Date}
SINCE = {"patient_id": pl.String, "from_on": pl.Date}
Row = dict[str, Any]
ALICE = ("p", date(1980, 6, 1), "female")
NO, UNKNOWN = {"fasting": "no"}, {"fasting": "unknown"}


def result(analyte: str, value: float | None, days: int = 0, minute: int = 480, **more: Any) -> Row:
    """A result, ``days`` after :data:`DAY`; stated to be fasting."""
    on = DAY + timedelta(days=days)
    at = datetime.combine(on, datetime.min.time()) + timedelta(minutes=minute)
    row: Row = {
        "patient_id": "p",
        "analyte": analyte,
        "timing": "any",
        "code_system": "loinc",
        "observed_at": at,
        "observed_on": on,
        "observed_precision": "time",
        "value": value,
        "fasting": "yes",
        "lab": "L",
        "known_at": at,
    }
    return {name: (row | more).get(name) for name in SCHEMA}


def body(analyte: str, value: float, days: int = 0, **more: Any) -> Row:
    return result(analyte, value, days, fasting=None, lab=None, **more)


def inputs(
    rows: list[Row],
    person: tuple[Any, ...] = ALICE,
    spans: list[tuple[Any, ...]] = (),
    high: list[tuple[Any, ...]] = (),
) -> pl.DataFrame:
    results = pl.LazyFrame(rows, schema=SCHEMA)
    barred = pl.LazyFrame(list(spans), schema=SPAN, orient="row")
    return index_inputs(
        results,
        fasting_pairs(results, barred),
        pl.LazyFrame([person], schema=PERSON, orient="row"),
        barred,
        pl.LazyFrame(list(high), schema=SINCE, orient="row"),
    ).collect()


def day(rows: list[Row], **more: Any) -> Row:
    """The inputs of :data:`DAY`."""
    found = inputs(rows, **more).filter(pl.col("observed_on") == DAY).to_dicts()
    assert len(found) == 1
    return found[0]


PAIR = [result("insulin", 6.0), result("glucose", 90.0)]


def test_a_day_has_a_column_for_every_input() -> None:
    (row,) = inputs(PAIR).to_dicts()
    assert set(INPUTS) <= set(row)
    assert (row["insulin_uiu_ml"], row["glucose_mg_dl"], row["hdl_mg_dl"]) == (6.0, 90.0, None)
    assert (row["insulin_uiu_ml_void"], row["glucose_mg_dl_void"]) == (None, None)
    assert (row["insulin_platform"], row["platform_effect"]) == ("L", 0.0)


def test_only_days_of_a_draw_have_a_row() -> None:
    rows = [*PAIR, body("weight", 70, 5), result("ldl", 100, 6), result("alt", 20, 7)]
    assert inputs(rows)["observed_on"].to_list() == [DAY, DAY + timedelta(days=7)]


def test_the_order_of_results_does_not_matter() -> None:
    rows = [
        *PAIR,
        result("glucose", 93.1, minute=490),
        *[result("triglyceride", v, minute=m) for v, m in ((90.1, 480), (95.7, 485), (99.9, 490))],
        *[body("weight", v, d) for v, d in ((70, -3), (71, 3), (72, 3))],
        body("height", 170),
        result("alt", 20, 200),
    ]
    assert inputs(rows).equals(inputs(rows[::-1]))


# fasting

TG = "triglyceride"


def tg(**more: Any) -> Row:
    return result(TG, 100.0, **more)


UNTIMED = {"observed_precision": "day"}
STATES: dict[str, tuple[list[Row], str | None]] = {
    "its own yes": ([tg()], None),
    "its own no": ([tg(**NO)], "triglyceride not fasting"),
    "its own no beside a fasting pair": ([*PAIR, tg(**NO)], "triglyceride not fasting"),
    "unknown alone": ([tg(**UNKNOWN)], "fasting of triglyceride unknown"),
    "nothing said": ([tg(fasting=None)], "fasting of triglyceride unknown"),
    "unknown beside a fasting pair": ([*PAIR, tg(**UNKNOWN)], None),
    "unknown an hour from it": ([*PAIR, tg(**UNKNOWN, minute=540)], None),
    "unknown later that day": (
        [*PAIR, tg(**UNKNOWN, minute=541)],
        "fasting of triglyceride unknown",
    ),
    "unknown at an hour not known": ([*PAIR, tg(**UNKNOWN, **UNTIMED)], None),
    "unknown beside hours": (
        [tg(**UNKNOWN), result("fasting_duration", 8, **UNKNOWN)],
        None,
    ),
    "unknown beside too few hours": (
        [tg(**UNKNOWN), result("fasting_duration", 7.9, **UNKNOWN)],
        "fasting of triglyceride unknown",
    ),
    "unknown beside an answer": ([tg(**UNKNOWN), result("fasting_status", None)], None),
    "unknown at an instant that was not fasting": (
        [
            *PAIR,
            tg(**UNKNOWN, minute=510),
            result("glucose", 150, minute=510, **NO),
        ],
        "fasting of triglyceride unknown",
    ),
    "one of two unknown later": (
        [*PAIR, tg(**UNKNOWN), tg(**UNKNOWN, minute=720)],
        "fasting of triglyceride unknown",
    ),
    "a yes beside a no": ([tg(), tg(**NO, minute=720)], None),
    "a limit": ([tg(comparator="<")], "triglyceride only known to lie beyond a limit"),
    "a limit beside an exact one": ([tg(comparator="<"), tg(minute=485)], None),
}


@pytest.mark.parametrize("case", STATES)
def test_triglyceride_is_used_of_a_fasting_draw_only(case: str) -> None:
    rows, reason = STATES[case]
    assert day(rows)["triglyceride_mg_dl_void"] == reason
    assert day(rows)["triglyceride_mg_dl"] == 100.0


def test_hdl_may_be_of_any_draw_where_nefa_may_not() -> None:
    row = day([result("hdl", 50.0, **NO), result("nefa", 0.5, **NO)])
    assert (row["hdl_mg_dl"], row["hdl_mg_dl_void"]) == (50.0, None)
    assert row["nefa_mmol_l_void"] == "NEFA not fasting"


def test_values_of_the_best_known_state_are_averaged() -> None:
    rows = [tg(), result(TG, 110.0, minute=485), result(TG, 300.0, minute=500, **UNKNOWN)]
    assert day(rows)["triglyceride_mg_dl"] == 105.0


def test_a_glucose_alone_is_used_when_it_is_fasting() -> None:
    alone = day([result("glucose", 90.0)])
    assert (alone["glucose_mg_dl"], alone["glucose_mg_dl_void"]) == (90.0, None)
    fed = day([result("glucose", 90.0, **NO)])
    assert (fed["glucose_mg_dl"], fed["glucose_mg_dl_void"]) == (90.0, "glucose not fasting")
    assert day([result("glucose", 90.0, **UNKNOWN)])["glucose_mg_dl_void"] == (
        "fasting of glucose unknown"
    )


# pairs

G90 = result("glucose", 90.0)
PAIRS: dict[str, tuple[list[Row], str | None]] = {
    "haemolysed": ([result("insulin", 6.0, comment="hemolyzed"), G90], "insulin haemolysed"),
    "not fasting": ([result("insulin", 6.0, **NO), G90], "draw not fasting"),
    "fasting unknown": (
        [result("insulin", 6.0, **UNKNOWN), result("glucose", 90.0, **UNKNOWN)],
        "fasting of the draw unknown",
    ),
    "not one draw": (
        [*PAIR[:1], result("glucose", 90.0, minute=600)],
        "insulin and glucose not of one draw",
    ),
    "no glucose": (PAIR[:1], None),
    "no glucose, and insulin not fasting": (
        [result("insulin", 6.0, **NO)],
        "insulin not fasting",
    ),
    "a limit": (
        [result("insulin", 6.0, comparator="<"), G90, result("insulin", 7, -300)]
        + [result("glucose", 91.0, -300)],
        "insulin only known to lie beyond a limit",
    ),
    "only limits": (
        [result("insulin", 6.0, comparator="<"), G90],
        "insulin only known to lie beyond a limit",
    ),
}


@pytest.mark.parametrize("case", PAIRS)
def test_a_pair_that_is_not_used_says_why_its_insulin_is_not(case: str) -> None:
    rows, reason = PAIRS[case]
    row = day(rows)
    assert (row["insulin_uiu_ml"], row["insulin_uiu_ml_void"]) == (6.0, reason)


def test_every_reason_of_a_pair_has_its_words_here() -> None:
    assert set(PAIR_VOIDS) == set(REASONS)


def test_haemolysis_of_insulin_leaves_glucose_as_it_is() -> None:
    assert day(PAIRS["haemolysed"][0])["glucose_mg_dl_void"] is None


def test_a_limit_of_glucose_voids_glucose() -> None:
    row = day([*PAIR[:1], result("glucose", 90.0, comparator=">")])
    assert row["glucose_mg_dl_void"] == "glucose only known to lie beyond a limit"
    assert row["insulin_uiu_ml_void"] is None


def test_a_copied_pair_voids_both() -> None:
    copies = [result(a, v, d) for d in (-100, 0) for a, v in (("insulin", 6.1), ("glucose", 90.3))]
    row = day(copies)
    assert row["insulin_uiu_ml_void"] == row["glucose_mg_dl_void"] == "copied from the draw before"
    copies[-1]["value"] = 90.4
    row = day(copies)
    assert (row["insulin_uiu_ml_void"], row["glucose_mg_dl_void"]) == (None, None)


def test_another_assay_voids_nothing_and_is_named() -> None:
    mine = [
        result(analyte, value + d / 1000, d, assay="old")
        for d in (-900, -600, -300)
        for analyte, value in (("insulin", 6.1), ("glucose", 90.3))
    ]
    row = day([*mine, *[row | {"assay": "new"} for row in PAIR]])
    assert (row["insulin_uiu_ml_void"], row["insulin_platform"]) == (None, "new")


def test_a_load_takes_the_voids_of_its_day_and_of_its_limits() -> None:
    late = result("insulin", 50.0, minute=600, timing="post_load", source_code="27826-7", **NO)
    assert day([*PAIR, late])["load_void"] is None
    assert day([*PAIR, late])["insulin_120_uiu_ml"] == 50.0
    limit = late | {"comparator": ">"}
    assert day([*PAIR, limit])["load_void"] == (
        "a value of the test only known to lie beyond a limit"
    )
    fed = [row | NO for row in PAIR]
    assert day([*fed, late])["load_void"] == "draw not fasting"


# the body


@pytest.mark.parametrize(
    ("days", "waist"), [(90, 80.0), (-90, 80.0), (91, None), (-91, None), (0, 80.0)]
)
def test_a_waist_stands_for_draws_of_ninety_days(days: int, waist: float | None) -> None:
    row = day([*PAIR, body("waist", 80.0, days)])
    on = None if waist is None else DAY + timedelta(days=days)
    assert (row["waist_cm"], row["waist_cm_on"]) == (waist, on)


def test_of_several_measures_the_nearest_counts_and_those_of_a_day_are_averaged() -> None:
    rows = [*PAIR, body("waist", 90.0, -20), body("waist", 80.0, 10), body("waist", 82.0, 10)]
    assert day(rows)["waist_cm"] == 81.0
    rows.append(body("waist", 70.0, -9))
    assert day(rows)["waist_cm"] == 70.0


def test_bmi_is_the_stated_one_or_weight_over_height_of_any_adult_day() -> None:
    rows = [*PAIR, body("weight", 80.0, 3), body("height", 200.0, -3000)]
    row = day(rows)
    assert (row["bmi_kg_m2"], row["bmi_kg_m2_on"]) == (20.0, DAY + timedelta(days=3))
    row = day([*rows, body("bmi", 22.0, -50)])
    assert (row["bmi_kg_m2"], row["bmi_kg_m2_on"]) == (22.0, DAY - timedelta(days=50))


def test_a_height_of_childhood_does_not_count() -> None:
    person = ("p", date(2000, 1, 10), "male")
    rows = [*PAIR, body("weight", 80.0), body("height", 200.0, -365 * 6 - 3)]
    assert day(rows, person=person)["bmi_kg_m2"] is None
    rows[-1]["observed_on"] = date(2020, 1, 10)
    assert day(rows, person=person)["bmi_kg_m2"] == 20.0


PRESSURE: dict[str, tuple[list[Row], list[tuple[Any, ...]], bool | None]] = {
    "systolic high": ([body("systolic_bp", 140), body("diastolic_bp", 80)], [], True),
    "diastolic high": ([body("systolic_bp", 120), body("diastolic_bp", 90)], [], True),
    "neither": ([body("systolic_bp", 139), body("diastolic_bp", 89)], [], False),
    "half of it": ([body("systolic_bp", 139)], [], None),
    "too long ago": ([body("systolic_bp", 150, -91), body("diastolic_bp", 95, -91)], [], None),
    "not measured": ([], [], None),
    "diagnosed": ([], [("p", date(2020, 1, 1))], True),
    "diagnosed, no day": ([], [("p", None)], True),
    "diagnosed that day": ([], [("p", DAY)], True),
    "diagnosed later": ([], [("p", DAY + timedelta(days=1))], None),
    "another person": ([], [("q", None)], None),
}


@pytest.mark.parametrize("case", PRESSURE)
def test_hypertension_is_high_pressure_or_a_diagnosis(case: str) -> None:
    rows, high, expected = PRESSURE[case]
    assert day([*PAIR, *rows], high=high)["has_hypertension"] is expected


# the person


@pytest.mark.parametrize(
    ("born", "age"),
    [(date(1980, 1, 10), 46), (date(1980, 1, 11), 45), (date(1980, 12, 31), 45), (None, None)],
)
def test_age_is_in_completed_years(born: date | None, age: int | None) -> None:
    assert day(PAIR, person=("p", born, "male"))["age_years"] == age


@pytest.mark.parametrize(
    ("sex", "is_female"),
    [("female", True), ("male", False), ("other", None), ("unknown", None), (None, None)],
)
def test_sex_is_known_when_it_is_stated(sex: str | None, is_female: bool | None) -> None:
    assert day(PAIR, person=("p", None, sex))["is_female"] is is_female


@pytest.mark.parametrize(
    ("begin", "end", "bar"),
    [
        (DAY, DAY, "metformin"),
        (None, None, "metformin"),
        (None, DAY - timedelta(days=1), None),
        (DAY + timedelta(days=1), None, None),
    ],
)
def test_an_exclusion_bars_its_days(begin: date | None, end: date | None, bar: str | None) -> None:
    row = day(PAIR, spans=[("p", "metformin", begin, end)])
    assert (row["bar"], row["pregnancy_bar"], row["has_diabetes"]) == (bar, None, False)


def test_pregnancy_is_told_apart_and_diabetes_is_known() -> None:
    spans = [("p", name, None, None) for name in ("pregnancy", "diabetes")]
    row = day(PAIR, spans=spans)
    assert (row["bar"], row["pregnancy_bar"], row["has_diabetes"]) == (
        "diabetes",
        "pregnancy",
        True,
    )


def test_nothing_is_taken_of_another_person() -> None:
    others = [
        row | {"patient_id": "q"} for row in [tg(), body("waist", 80.0), body("height", 170.0)]
    ]
    row = day([*PAIR, *others[1:]], spans=[("q", "diabetes", None, None)])
    assert (row["waist_cm"], row["bar"], row["has_diabetes"]) == (None, None, False)
    assert inputs([*PAIR, *others])["patient_id"].to_list() == ["p", "q"]


def test_no_results_give_no_inputs() -> None:
    assert inputs([]).height == 0
