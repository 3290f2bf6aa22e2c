"""Fasting pairs, draw by draw: which are used, and why the others are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from transforms.frozen import SHIPPED, FrozenModel
from transforms.pairs import REASONS, fasting_pairs
from transforms.platforms import Platform
from transforms.trends import trends

DAY = date(2026, 1, 10)
SCHEMA = {
    "patient_id": pl.String,
    "analyte": pl.String,
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
BARS = {"patient_id": pl.String, "name": pl.String, "from_on": pl.Date, "to_on": pl.Date}
Row = dict[str, Any]
Bar = tuple[str, str, date | None, date | None]


def result(
    analyte: str, value: float | None, on: date = DAY, minute: int = 480, **more: Any
) -> Row:
    at = datetime.combine(on, datetime.min.time()) + timedelta(minutes=minute)
    row: Row = {
        "patient_id": "p",
        "analyte": analyte,
        "observed_at": at,
        "observed_on": on,
        "observed_precision": "time",
        "value": value,
        "fasting": "yes",
        "lab": "L",
        "known_at": at,
    }
    return {name: (row | more).get(name) for name in SCHEMA}


def insulin(value: float | None = 6.1, on: date = DAY, minute: int = 480, **more: Any) -> Row:
    return result("insulin", value, on, minute, **more)


def glucose(value: float | None = 90.3, on: date = DAY, minute: int = 480, **more: Any) -> Row:
    return result("glucose", value, on, minute, **more)


def pairs(
    rows: list[Row],
    bars: list[tuple[str, str, date | None, date | None]] = (),
    models: Sequence[FrozenModel] = (SHIPPED,),
) -> pl.DataFrame:
    barred = pl.LazyFrame(list(bars), schema=BARS, orient="row")
    found = fasting_pairs(pl.LazyFrame(rows, schema=SCHEMA), barred, models).collect()
    return found.drop("known_on", "model_version", "platform_effect")


def seen(rows: list[Row]) -> list[tuple[Any, ...]]:
    columns = ("patient_id", "drawn_on", "insulin_uiu_ml", "glucose_mg_dl", "lab", "assay")
    return pairs(rows).select(*columns, "used", "reason").rows()


def reasons(rows: list[Row], *bars: Bar) -> list[str | None]:
    found = pairs(rows, list(bars))
    assert (found["used"] == found["reason"].is_null()).all()
    return found["reason"].to_list()


def test_insulin_and_glucose_of_one_fasting_draw_are_a_pair() -> None:
    assert seen([insulin(6.1, assay="A"), glucose(90.3)]) == [
        ("p", DAY, 6.1, 90.3, "L", "A", True, None)
    ]


NO, UNKNOWN = {"fasting": "no"}, {"fasting": "unknown"}
HAEMOLYSED: dict[str, list[Row]] = {
    "insulin's comment": [insulin(comment="slightly hemolyzed"), glucose()],
    "instead of insulin's value": [insulin(None, absent_reason="haemolysed"), glucose()],
    "the index": [insulin(), glucose(), result("haemolysis_index", 51)],
}
UNUSED: list[tuple[str, list[Row]]] = [
    ("no insulin", [glucose()]),
    ("no glucose", [insulin()]),
    ("no insulin", [insulin(None), glucose()]),
    ("no insulin", [insulin(0.0), glucose()]),
    ("no glucose", [insulin(), glucose(-1.0)]),
    ("not fasting", [insulin(), glucose(**NO)]),
    ("not fasting", [insulin(**NO), glucose()]),
    ("not fasting", [insulin(**UNKNOWN), glucose(**NO)]),
    ("fasting unknown", [insulin(**UNKNOWN), glucose(**UNKNOWN)]),
    ("fasting unknown", [insulin(**UNKNOWN, minute=490), glucose()]),
    ("censored", [insulin(comparator="<"), glucose()]),
    ("censored", [insulin(), glucose(comparator=">")]),
    ("not one draw", [insulin(), glucose(minute=480 + 61)]),
    *[("haemolysed", rows) for rows in HAEMOLYSED.values()],
]


@pytest.mark.parametrize(("reason", "rows"), UNUSED)
def test_a_draw_that_is_not_used_says_why(reason: str, rows: list[Row]) -> None:
    assert reasons(rows) == [reason]


def test_every_reason_has_a_sentence_and_a_test() -> None:
    tested = {reason for reason, _ in UNUSED} | {"copied", "other assay"}
    assert tested == set(REASONS)


USED: dict[str, list[Row]] = {
    "an hour apart": [insulin(), glucose(minute=480 + 60)],
    "one of them only to the day": [insulin(minute=0, observed_precision="day"), glucose()],
    "the index at its limit": [insulin(), glucose(), result("haemolysis_index", 50)],
    "not haemolysed": [insulin(comment="no haemolysis"), glucose()],
    "glucose haemolysed, which does not matter": [insulin(), glucose(comment="hemolyzed")],
    "fasting of one tube is fasting of the draw": [insulin(**UNKNOWN), glucose()],
    "eight stated hours": [
        insulin(**UNKNOWN),
        glucose(**UNKNOWN),
        result("fasting_duration", 8, fasting="unknown"),
    ],
    "a fasting answer": [
        insulin(**UNKNOWN),
        glucose(**UNKNOWN),
        result("fasting_status", None, fasting="yes"),
    ],
    "a fasting draw before a load on the same day": [
        insulin(),
        glucose(),
        insulin(60.0, minute=600, **NO),
        glucose(150.0, minute=600, **NO),
    ],
    "an exact repeat beside a censored value": [insulin(), insulin(9, comparator="<"), glucose()],
}


@pytest.mark.parametrize("case", USED)
def test_a_sound_draw_is_used(case: str) -> None:
    assert reasons(USED[case]) == [None]


@pytest.mark.parametrize(
    "rows",
    [
        [
            insulin(**UNKNOWN),
            glucose(**UNKNOWN),
            result("fasting_duration", 7.9, fasting="unknown"),
        ],
        [insulin(**UNKNOWN), glucose(), result("triglyceride", 90, **NO)],
    ],
    ids=["too few hours", "another tube says it was not"],
)
def test_unknown_fasting_is_not_taken_for_yes(rows: list[Row]) -> None:
    assert reasons(rows) == ["fasting unknown"]


def test_haemolysis_comes_before_a_missing_value_and_fasting_before_a_limit() -> None:
    assert reasons([insulin(None, comment="hemolyzed")]) == ["haemolysed"]
    assert reasons([insulin(comparator="<", **NO), glucose()]) == ["not fasting"]


def test_repeats_of_one_visit_are_averaged_geometrically() -> None:
    (row,) = seen([insulin(4.0), insulin(9.0, minute=490), glucose()])
    assert row[2] == pytest.approx(6.0)


def test_a_single_value_stays_exactly_as_it_is() -> None:
    (row,) = seen([insulin(7.3), glucose(93.7)])
    assert row[2:4] == (7.3, 93.7)


def test_the_best_known_state_of_fasting_of_the_day_counts() -> None:
    (row,) = seen([insulin(5.0), insulin(50.0, minute=700, **UNKNOWN), glucose()])
    assert (row[2], row[6]) == (5.0, True)


# bars

BAR_FROM, BAR_TO = DAY - timedelta(days=1), DAY + timedelta(days=1)


@pytest.mark.parametrize(
    ("begin", "end", "is_barred"),
    [
        (DAY, DAY, True),
        (BAR_FROM, BAR_TO, True),
        (DAY, None, True),
        (None, DAY, True),
        (None, None, True),
        (BAR_TO, None, False),
        (None, BAR_FROM, False),
    ],
)
def test_a_draw_is_not_used_on_barred_days_only(
    begin: date | None, end: date | None, is_barred: bool
) -> None:
    found = reasons([insulin(), glucose()], ("p", "metformin", begin, end))
    assert found == ["during metformin" if is_barred else None]


def test_another_patients_bar_is_not_mine() -> None:
    assert reasons([insulin(), glucose()], ("q", "metformin", None, None)) == [None]
    assert reasons([insulin(), glucose()], ("p", "metformin", None, None)) != [None]


def test_two_bars_of_one_draw_make_one_row_with_the_first_by_name() -> None:
    bars = [("p", "b", None, None), ("p", "a", None, None)]
    assert reasons([insulin(), glucose()], *bars) == ["during a"]


# copies


def series(*draws: tuple[int, float, float], **more: Any) -> list[Row]:
    """(days after the first draw, insulin, glucose)."""
    return [
        row
        for days, one, other in draws
        for on in [DAY + timedelta(days=days)]
        for row in (insulin(one, on, **more), glucose(other, on))
    ]


@pytest.mark.parametrize(
    ("draws", "second"),
    [
        (((0, 6.1, 90.3), (100, 6.1, 90.3)), "copied"),
        (((0, 6.1, 90.3), (370, 6.1, 90.3)), "copied"),
        (((0, 6.1, 90.3), (371, 6.1, 90.3)), None),
        (((0, 6.1, 90.3), (100, 6.1, 90.4)), None),
        (((0, 6.0, 90.0), (100, 6.0, 90.0)), None),
        (((0, 6.1, 90.0), (100, 6.1, 90.0)), "copied"),
    ],
    ids=["both again", "within 370 days", "later", "one differs", "whole numbers", "one whole"],
)
def test_both_values_again_to_the_last_digit_are_a_copy(
    draws: tuple[tuple[int, float, float], ...], second: str | None
) -> None:
    assert reasons(series(*draws)) == [None, second]


def test_a_copy_is_made_of_a_patients_own_draw_only() -> None:
    mine, theirs = series((0, 6.1, 90.3)), series((1, 6.1, 90.3))
    other = [row | {"patient_id": "q"} for row in theirs]
    assert reasons([*mine, *other]) == [None, None]
    assert reasons([*mine, *theirs]) == [None, "copied"]


# platforms

OLD = series((0, 5.1, 90.1), (300, 5.2, 90.2), (600, 5.3, 90.3), assay="old")


def test_a_new_platform_takes_over_once_its_series_can_be_judged() -> None:
    first = [*OLD, *series((700, 8.1, 90.4), (900, 8.2, 90.5), assay="new")]
    assert reasons(first) == [None, None, None, "other assay", "other assay"]
    enough = [*first, *series((1065, 8.3, 90.6), assay="new")]
    assert reasons(enough) == [*["other assay"] * 3, None, None, None]


def test_an_old_series_is_left_when_it_is_too_old_to_be_judged() -> None:
    fresh = [*OLD, *series((1000, 8.1, 90.4), assay="new")]
    assert reasons(fresh)[-1] == "other assay"
    stale = [*OLD, *series((1001, 8.1, 90.4), assay="new")]
    assert reasons(stale) == [*["other assay"] * 3, None]


def test_the_laboratory_is_the_platform_where_the_assay_is_not_stated() -> None:
    elsewhere = series((100, 5.4, 90.4), assay=None, lab="M")
    assert "other assay" in reasons([*series((0, 5.1, 90.1), (700, 5.2, 90.3)), *elsewhere])


def test_a_draw_whose_platform_is_not_known_goes_with_any() -> None:
    nameless = series((100, 5.4, 90.4), assay=None, lab=None)
    assert reasons([*OLD, *nameless]) == [None] * 4


def test_no_draws_give_no_pairs_and_one_gives_one() -> None:
    assert pairs([]).height == 0
    assert pairs([insulin()]).height == 1


# what is known of a draw beside its values


def known(rows: list[Row], models: Sequence[FrozenModel] = (SHIPPED,)) -> list[dict[str, Any]]:
    barred = pl.LazyFrame(schema=BARS)
    return fasting_pairs(pl.LazyFrame(rows, schema=SCHEMA), barred, models).collect().to_dicts()


def test_a_limit_stands_with_its_comparator_beside_an_exact_draw() -> None:
    rows = [*series((0, 6.1, 90.3)), *series((400, 2.0, 91.3), comparator="<")]
    rows[3]["comparator"] = None
    first, second = known(rows)

    assert (first["insulin_comparator"], first["used"]) == (None, True)
    assert (second["insulin_comparator"], second["insulin_uiu_ml"]) == ("<", 2.0)
    assert (second["used"], second["reason"]) == (True, None)


def test_an_exact_repeat_stands_for_the_visit_and_of_limits_the_highest() -> None:
    (mixed,) = known([insulin(5.0), insulin(9.0, minute=490, comparator="<"), glucose()])
    (limits,) = known([insulin(2, comparator="<"), insulin(9, minute=490, comparator=">")])

    assert (mixed["insulin_uiu_ml"], mixed["insulin_comparator"]) == (5.0, None)
    assert (limits["insulin_uiu_ml"], limits["insulin_comparator"]) == (9.0, ">")


@pytest.mark.parametrize(
    ("rows", "repeats"),
    [
        ([insulin()], 1),
        ([insulin(5.0), insulin(6.0, minute=490)], 2),
        ([insulin(5.0), insulin(5.0, minute=490)], 2),
        ([insulin(5.0), insulin(6.0, minute=490), insulin(7.0, minute=500)], 3),
        ([insulin(5.0), insulin(5.2)], 1),
        ([insulin(5.0), insulin(6.0, minute=490, comparator="<")], 1),
        ([insulin(5.0), insulin(6.0, minute=490, **UNKNOWN)], 1),
        ([insulin(5.0), insulin(6.0, minute=490, comment="hemolyzed")], 1),
    ],
    ids=["one", "two", "two alike", "three", "one tube twice", "a limit", "not fasting", "spoilt"],
)
def test_repeats_are_the_draws_that_are_averaged(rows: list[Row], repeats: int) -> None:
    (draw,) = known([*rows, glucose()])

    assert draw["repeats"] == repeats
    assert draw["used"]


def test_a_draw_became_known_when_the_newest_of_its_results_did() -> None:
    late, later = (datetime.combine(date(2026, m, 1), datetime.min.time()) for m in (2, 3))
    rows = [
        insulin(),
        glucose(known_at=late),
        result("triglyceride", 90, known_at=later),
    ]

    assert known(rows)[0]["known_on"] == late.date()
    assert known([insulin(known_at=late), glucose()])[0]["known_on"] == late.date()
    assert known([insulin(), glucose()])[0]["known_on"] == DAY


# the model in force

REFIT = date(2026, 3, 1)
NEW = replace(SHIPPED, version="new", in_force_from=REFIT)
NEWEST = replace(SHIPPED, version="newest", in_force_from=REFIT + timedelta(days=7))
BEFORE, AFTER = REFIT - timedelta(days=1), REFIT + timedelta(days=1)


def came(night: date, *rows: Row) -> list[Row]:
    """Results that became known on that night."""
    return [row | {"known_at": datetime.combine(night, datetime.min.time())} for row in rows]


def judges(rows: list[Row]) -> set[str]:
    """The models of the patient's draws: there is but one."""
    return {row["model_version"] for row in known(rows, [NEWEST, SHIPPED, NEW])}


OLDER = came(BEFORE, *series((0, 6.1, 90.3), (400, 6.3, 91.3)))
LATER = DAY + timedelta(days=800)


@pytest.mark.parametrize(
    ("night", "version"),
    [
        (BEFORE, SHIPPED.version),
        (REFIT, "new"),
        (REFIT + timedelta(days=6), "new"),
        (REFIT + timedelta(days=7), "newest"),
    ],
)
def test_the_model_in_force_when_the_newest_draw_became_known_judges_all_of_them(
    night: date, version: str
) -> None:
    draw = came(night, insulin(6.5, LATER), glucose(92.3, LATER))

    assert judges([*OLDER, *draw]) == {version}


def test_a_draw_of_long_ago_that_came_late_moves_the_patient_too() -> None:
    ago = DAY + timedelta(days=200)
    assert judges([*OLDER, *came(AFTER, insulin(6.5, ago), glucose(92.3, ago))]) == {"new"}
    assert judges(OLDER) == {SHIPPED.version}


LATE_AND_UNUSED: dict[str, list[Row]] = {
    "no insulin": [glucose(92.3, LATER)],
    "not fasting": [insulin(6.5, LATER, **NO), glucose(92.3, LATER, **NO)],
    "haemolysed": [insulin(6.5, LATER, comment="hemolyzed"), glucose(92.3, LATER)],
    "copied": series((700, 6.3, 91.3)),
    "another analyte": [result("triglyceride", 90, LATER)],
}


@pytest.mark.parametrize("reason", LATE_AND_UNUSED)
def test_a_later_draw_that_cannot_be_used_moves_nobody_to_a_newer_model(reason: str) -> None:
    assert judges([*OLDER, *came(AFTER, *LATE_AND_UNUSED[reason])]) == {SHIPPED.version}
    usable = came(AFTER, insulin(6.5, LATER), glucose(92.3, LATER))
    assert judges([*OLDER, *usable]) == {"new"}


def test_a_correction_is_a_draw_that_became_known_anew() -> None:
    corrected = came(AFTER, insulin(6.4, DAY + timedelta(days=400)))
    assert judges([*OLDER[:2], *corrected, OLDER[3]]) == {"new"}


def test_another_patients_draw_moves_only_that_patient() -> None:
    theirs = [row | {"patient_id": "q"} for row in came(AFTER, insulin(), glucose())]
    rows = known([*OLDER, *theirs], [SHIPPED, NEW])

    assert {(row["patient_id"], row["model_version"]) for row in rows} == {
        ("p", SHIPPED.version),
        ("q", "new"),
    }


def test_who_has_no_usable_draw_goes_by_the_newest_of_any() -> None:
    assert judges(came(BEFORE, glucose())) == {SHIPPED.version}
    assert judges([*came(BEFORE, glucose()), *came(AFTER, glucose(91, LATER))]) == {"new"}


# platforms that are known to differ

TWO = [*OLD, *series((700, 6.8, 90.4), (900, 7.0, 90.5), assay="new")]


def two_platforms(effect: float, *, is_bridged: bool = True) -> FrozenModel:
    bridge = "L / old" if is_bridged else "L / new"
    return replace(
        SHIPPED,
        platforms=(
            Platform("L", "old", None, "L / old", 0.0, 0.0, 500, is_found=False),
            Platform("L", "new", None, bridge, effect, 0.02, 80, is_found=False),
        ),
    )


def test_a_bridged_platform_goes_on_with_the_series_and_says_its_effect() -> None:
    rows = known(TWO, [two_platforms(0.26)])

    assert [row["reason"] for row in rows] == [None] * 5
    assert [row["platform"] for row in rows] == ["L / old"] * 5
    assert [row["platform_effect"] for row in rows] == [0, 0, 0, 0.26, 0.26]
    assert [row["insulin_uiu_ml"] for row in rows[3:]] == [6.8, 7.0], "as measured"


@pytest.mark.parametrize("model", [SHIPPED, two_platforms(0.0, is_bridged=False)])
def test_a_platform_that_is_not_bridged_breaks_the_series(model: FrozenModel) -> None:
    rows = known(TWO, [model])

    assert [row["reason"] for row in rows] == [None, None, None, "other assay", "other assay"]
    assert {row["platform_effect"] for row in rows} == {0}


# illness

ILL = {
    "en": ("acutely ill", "Patient sick with flu", "Infection_Early", "fever 39", "COVID positive"),
    "de": ("Patient krank", "hat Fieber", "fieberhafter Infekt", "Infektion der Atemwege"),
    "it": ("febbre da due giorni", "infezione in corso", "influenza"),
    "fr": ("malade depuis lundi", "fièvre", "infection urinaire"),
    "es": ("fiebre alta", "infección respiratoria", "con enfermedad aguda"),
}
WELL = {
    "en": ("not ill", "no fever", "no sign of infection", "denies recent illness", "well"),
    "de": ("nicht krank", "kein Fieber", "ohne Fieber", "keine Infektion", "fieberfrei"),
    "it": ("senza febbre", "nessuna infezione", "non ha febbre", "digiuno"),
    "fr": ("pas malade", "pas de fièvre", "sans fièvre", "aucune infection"),
    "es": ("sin fiebre", "no tiene fiebre", "ninguna infección", "sin infección"),
    "other words": ("illegible label", "fluid diet", "sickle cell trait", "covid vaccine given"),
}


def said(words: dict[str, tuple[str, ...]]) -> list[str]:
    return [text for texts in words.values() for text in texts]


@pytest.mark.parametrize("comment", said(ILL))
def test_a_comment_that_says_the_person_was_ill_is_understood(comment: str) -> None:
    (of_insulin,) = known([insulin(comment=comment), glucose()])
    (of_glucose,) = known([insulin(), glucose(comment=comment)])

    assert of_insulin["is_ill"] is of_glucose["is_ill"] is True
    assert of_insulin["used"]


@pytest.mark.parametrize("comment", [*said(WELL), "", None])
def test_a_comment_that_says_no_such_thing_is_not_taken_for_illness(comment: str | None) -> None:
    (draw,) = known([insulin(comment=comment), glucose()])

    assert draw["is_ill"] is False


@pytest.mark.parametrize("comment", ["no complaints; infection", "Fasting: no breakfast. Fever."])
def test_the_no_of_another_sentence_hides_no_illness(comment: str) -> None:
    assert known([insulin(comment=comment), glucose()])[0]["is_ill"] is True


def test_a_draw_in_illness_moves_the_trend_less() -> None:
    flat = [(400 * k, 5.0 + 0.1 * k, 90.1 + k) for k in range(4)]

    def slope(last: float, **more: Any) -> float:
        newest = series((1600, last, 94.7), **more)
        used = fasting_pairs(
            pl.LazyFrame([*series(*flat), *newest], schema=SCHEMA), pl.LazyFrame(schema=BARS)
        )
        return float(trends(used.filter("used")).collect()["insulin_slope_pct_year"][-1])

    usual, well, ill = slope(5.4), slope(9.0), slope(9.0, comment="fever")
    assert well - usual > 0.3
    assert 0 < ill - usual < 0.7 * (well - usual)
