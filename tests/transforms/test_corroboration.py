"""What stands beside "glucose fine": each limit on both sides, and the cohorts of disagreement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from transforms.attrition import steps
from transforms.catalog.corroboration import (
    CONTRADICTIONS,
    CORROBORATORS,
    Corroborator,
    Measure,
)
from transforms.catalog.exclusions import matches
from transforms.catalog.words import folded_words
from transforms.corroboration import (
    CORROBORATION,
    MISLED,
    contradiction_ways,
    contradictions,
    corroborations,
    evidence_beside,
    misleading_spans,
)
from transforms.exclusions import SPAN
from transforms.pairs import fasting_pairs
from transforms.statuses import at_draws, statuses
from transforms.trends import trends

DAY = date(2026, 3, 1)
RESULTS = {
    "patient_id": pl.String,
    "analyte": pl.String,
    "observed_on": pl.Date,
    "value": pl.Float64,
    "comparator": pl.String,
}
WINDOWS = {
    "patient_id": pl.String,
    "device": pl.String,
    "window_start": pl.Date,
    "window_end": pl.Date,
    "coverage_pct": pl.Float64,
    "pct_above_140": pl.Float64,
    "pct_above_180": pl.Float64,
    "is_sufficient": pl.Boolean,
    "is_main": pl.Boolean,
}
OGTT = {
    "patient_id": pl.String,
    "drawn_on": pl.Date,
    "glucose_60_mg_dl": pl.Float64,
    "glucose_120_mg_dl": pl.Float64,
    "bounds": pl.String,
}
FINDINGS = {
    "patient_id": pl.String,
    "drawn_on": pl.Date,
    "finding": pl.String,
    "p_glucose_fine": pl.Float64,
}
Rows = Sequence[tuple[Any, ...]]


def frame(rows: Rows, schema: dict[str, Any]) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema=schema, orient="row")


def said(
    results: Rows = (), windows: Rows = (), ogtt: Rows = (), misleading: Rows = ()
) -> pl.DataFrame:
    return corroborations(
        frame(results, RESULTS),
        frame(windows, WINDOWS),
        frame(ogtt, OGTT),
        frame(misleading, MISLED),
    ).collect()


def hba1c(value: float | None, comparator: str | None = None, on: date = DAY) -> tuple[Any, ...]:
    return ("p", "hba1c", on, value, comparator)


def window(
    above_140: float | None,
    above_180: float | None = 0.0,
    *,
    on: date = DAY,
    is_sufficient: bool = True,
    is_main: bool | None = True,
    device: str = "G6",
    coverage: float = 90.0,
    worn: int = 14,
) -> tuple[Any, ...]:
    """A window whose fourteenth day is ``on``, worn for so many days."""
    start = on - timedelta(13)
    days = (start, start + timedelta(worn - 1))
    return ("p", device, *days, coverage, above_140, above_180, is_sufficient, is_main)


def measured(by: Corroborator, values: tuple[float | None, ...]) -> pl.DataFrame:
    """What is said of values of one kind."""
    first = values[0]
    if by.kind == "hba1c":
        return said([hba1c(first)])
    if by.kind == "cgm":
        return said(windows=[window(first, values[-1])])
    drink = (first, None) if by.kind == "glucose_1h" else (None, first)
    return said(ogtt=[("p", DAY, *drink, None)])


EXAMPLES = [(by, values, says) for by in CORROBORATORS for values, says in by.examples]


@pytest.mark.parametrize(("by", "values", "says"), EXAMPLES, ids=str)
def test_the_worked_examples_hold(
    by: Corroborator, values: tuple[float | None, ...], says: str | None
) -> None:
    found = measured(by, values)
    assert found["says"].to_list() == ([] if values == (None,) else [says])


LIMITS = [(by, measure) for by in CORROBORATORS for measure in by.measures]


@pytest.mark.parametrize(("by", "measure"), LIMITS, ids=lambda each: getattr(each, "column", ""))
def test_a_limit_is_not_fine_and_one_digit_below_is(by: Corroborator, measure: Measure) -> None:
    step = 10.0**-measure.digits
    for value, says in ((measure.limit, "not fine"), (measure.limit - step, "fine")):
        values = tuple(value if each is measure else 0.0 for each in by.measures)
        row = measured(by, values).row(0, named=True)
        assert (row["kind"], row["says"]) == (by.kind, says)
        assert row["observed_on"] == DAY


def test_the_measure_that_is_not_fine_is_the_one_shown() -> None:
    assert said(windows=[window(20.0, 6.0)]).select("value", "limit").row(0) == (6.0, 5.0)
    assert said(windows=[window(30.0, 6.0)]).select("value", "limit").row(0) == (30.0, 25.0)
    assert said(windows=[window(20.0, 1.0)]).select("value", "limit").row(0) == (20.0, 25.0)


def test_every_limit_has_its_source_and_its_next_review() -> None:
    for by in CORROBORATORS:
        assert by.citation
        assert by.not_claimed
        assert by.next_review > by.reviewed
    assert [by.kind for by in CORROBORATORS if "judgement" in by.citation] == ["cgm"]


def test_the_targets_of_people_with_diabetes_are_not_the_limits() -> None:
    above_180 = next(m for _, m in LIMITS if m.column == "pct_above_180")
    assert above_180.limit < 25


def test_a_sentence_has_the_value_the_day_and_what_it_says() -> None:
    assert said([hba1c(5.9)])["sentence"].to_list() == [
        "HbA1c 5.9 % on 2026-03-01: not fine, limit 5.7"
    ]
    assert said(windows=[window(12.34)])["sentence"].to_list() == [
        "glucose sensor 12.3 % of readings above 140 mg/dL in 14 days to 2026-03-01: fine, "
        "limit 25 (sensor models differ severalfold in the highs they read)"
    ]


def test_the_columns_are_those_of_the_table() -> None:
    assert dict(said([hba1c(5.9)], [window(1.0)], [("p", DAY, 100.0, 90.0, None)]).schema) == (
        CORROBORATION
    )
    assert dict(said().schema) == CORROBORATION


@pytest.mark.parametrize(
    ("value", "comparator", "expected"),
    [
        (4.0, "<", ["fine"]),
        (14.0, ">", ["not fine"]),
        (5.7, ">=", ["not fine"]),
        (5.7, "<", []),
        (8.0, "<", []),
        (5.0, ">", []),
        (None, None, []),
        (float("nan"), None, []),
        (0.0, None, []),
    ],
)
def test_a_value_beyond_a_limit_counts_where_that_decides(
    value: float | None, comparator: str | None, expected: list[str]
) -> None:
    assert said([hba1c(value, comparator)])["says"].to_list() == expected


def test_two_values_of_a_day_are_their_mean_and_of_two_days_two_rows() -> None:
    assert said([hba1c(5.6), hba1c(5.8)]).select("value", "says").rows() == [(5.7, "not fine")]
    assert said([hba1c(5.6), hba1c(14.0, ">")])["value"].to_list() == [5.6]
    found = said([hba1c(5.6), hba1c(5.8, on=DAY + timedelta(1))])
    assert found["says"].to_list() == ["fine", "not fine"]


def test_only_hba1c_among_results_is_read() -> None:
    assert said([("p", "glucose", DAY, 250.0, None)]).is_empty()
    assert said([("p", "hba1c", DAY, 6.0, None)]).height == 1


@pytest.mark.parametrize(
    ("is_sufficient", "is_main", "rows"),
    [(True, True, 1), (False, True, 0), (True, False, 0), (True, None, 0)],
)
def test_only_a_sufficient_window_of_the_main_sensor_counts(
    is_sufficient: bool, is_main: bool | None, rows: int
) -> None:
    found = said(windows=[window(40.0, is_sufficient=is_sufficient, is_main=is_main)])
    assert found.height == rows


def test_of_two_windows_of_one_day_the_one_that_saw_more_counts() -> None:
    less, more = window(40.0, coverage=75.0), window(1.0, device="A1", coverage=95.0)
    for windows in ([less, more], [more, less]):
        assert said(windows=windows)["says"].to_list() == ["fine"]
    assert said(windows=[less])["says"].to_list() == ["not fine"]


def test_one_hour_and_two_hours_of_one_drink_are_two_rows() -> None:
    found = said(ogtt=[("p", DAY, 160.0, 120.0, None)])
    assert found.select("kind", "says").rows() == [
        ("glucose_1h", "not fine"),
        ("glucose_2h", "fine"),
    ]
    assert said(ogtt=[("p", DAY, None, None, None)]).is_empty()


def test_glucose_after_a_drink_that_is_only_a_limit_says_nothing() -> None:
    found = said(ogtt=[("p", DAY, 160.0, 600.0, "glucose_0_mg_dl, glucose_120_mg_dl")])
    assert found.select("kind", "value").rows() == [("glucose_1h", 160.0)]


def test_the_order_of_the_rows_does_not_matter() -> None:
    results = [hba1c(5.0 + i / 10, on=DAY + timedelta(i % 5)) for i in range(20)]
    windows = [window(float(i), on=DAY + timedelta(i)) for i in range(40)]
    first = said(results, windows)
    mixed = (
        frame(results, RESULTS).collect().sample(fraction=1, shuffle=True, seed=7611).rows(),
        frame(windows, WINDOWS).collect().sample(fraction=1, shuffle=True, seed=7612).rows(),
    )
    assert mixed != (results, windows)
    assert said(*mixed).equals(first)


@pytest.mark.parametrize("night", [10, 11, 12])
def test_the_day_of_a_growing_window_does_not_move_and_no_night_sees_it_open(night: int) -> None:
    above = 20.0 + night
    found = said(windows=[window(above, on=DAY + timedelta(13), worn=night + 1)]).lazy()
    assert found.select("observed_on", "value").collect().rows() == [(DAY + timedelta(13), above)]
    tonight = DAY + timedelta(night)
    people = pl.LazyFrame({"patient_id": ["p"], "as_of": [tonight]})
    draw = frame([("p", DAY, "not_flagged", 0.9)], FINDINGS)
    none = pl.LazyFrame(schema=SPAN)
    assert evidence_beside(people, found).collect().is_empty()
    rows = contradictions(found, draw, none, tonight)
    assert rows.collect().is_empty()
    alone = people_of([("p", "not_flagged", None)])
    told = steps(contradiction_ways(alone, rows, found, draw, tonight))
    left = told.filter(pl.col("n_excluded") == 1, pl.col("cohort") == "glucose_not_fine_by_cgm")
    assert left.collect()["reason"].to_list() == ["no glucose sensor lately"]


@pytest.mark.parametrize("worn", [11, 14])
@pytest.mark.parametrize("night", [13, 14, 20])
def test_a_window_is_told_from_its_fourteenth_day_on_however_long_it_was_worn(
    night: int, worn: int
) -> None:
    found = said(windows=[window(33.0, on=DAY + timedelta(13), worn=worn)]).lazy()
    tonight = DAY + timedelta(night)
    people = pl.LazyFrame({"patient_id": ["p"], "as_of": [tonight]})
    draw = frame([("p", DAY, "not_flagged", 0.9)], FINDINGS)
    rows = contradictions(found, draw, pl.LazyFrame(schema=SPAN), tonight).collect()
    assert evidence_beside(people, found).collect()["contradicts"].to_list() == [True]
    assert rows.select("cohort", "entered_on").rows() == [
        ("glucose_not_fine_by_cgm", DAY + timedelta(13))
    ]


# What misleads


def conditions(*rows: tuple[Any, ...]) -> pl.LazyFrame:
    schema = {
        "patient_id": pl.String,
        "code_system": pl.String,
        "code": pl.String,
        "name": pl.String,
        "start_on": pl.Date,
        "end_on": pl.Date,
    }
    return frame([("p", *row) for row in rows], schema)


def misled(days: int, *condition: Any) -> bool:
    """Whether an HbA1c ``days`` after :data:`DAY` is not judged."""
    spans = misleading_spans(conditions(condition)).collect().rows()
    found = said([hba1c(5.9, on=DAY + timedelta(days))], misleading=spans)
    assert found.height == 1
    return found["says"].to_list() == [None]


def unjudged_drinks(days: int, *condition: Any) -> list[str]:
    """The kinds that are not judged of a drink ``days`` after :data:`DAY`."""
    spans = misleading_spans(conditions(condition)).collect().rows()
    found = said(ogtt=[("p", DAY + timedelta(days), 160.0, 145.0, None)], misleading=spans)
    assert found.height == 2
    return found.filter(pl.col("says").is_null())["kind"].to_list()


@pytest.mark.parametrize(
    ("system", "code", "name"),
    [
        ("icd10", "D57.3", None),
        ("icd10", "D56.3", "Thalassemia minor"),
        ("snomed", "16402000", None),
        (None, None, "Sickle cell trait"),
        (None, None, "Beta-thalassaemia minor"),
        (None, None, "Hemoglobin E trait"),
    ],
)
def test_a_variant_of_haemoglobin_misleads_whenever_it_was_written_down(
    system: str | None, code: str | None, name: str | None
) -> None:
    assert misled(-3000, system, code, name, DAY, None)
    assert misled(3000, system, code, name, DAY, None)


@pytest.mark.parametrize(
    "name",
    [
        "Screening for sickle cell trait",
        "Family history of thalassaemia",
        "Iron overload",
        "Platelet transfusion",
        "Refusal of transfusion: transfusion refused",
        "Normal haemoglobin concentration",
        "Non-haemolytic anaemia: non-haemolytic anemia",
        "Anaemia",
    ],
)
def test_what_looks_like_it_does_not_mislead(name: str) -> None:
    assert not misled(0, None, None, name, DAY, None)


def test_iron_deficiency_misleads_from_a_red_cells_life_before_to_one_after() -> None:
    iron = ("icd10", "D50.9", None, DAY, DAY + timedelta(30))
    assert [misled(days, *iron) for days in (-121, -120, 0, 150, 151)] == [
        False, True, True, True, False,
    ]  # fmt: skip


def test_iron_deficiency_that_nobody_closed_lasts_a_year_and_a_red_cells_life() -> None:
    iron = (None, None, "Iron deficiency", DAY, None)
    assert [misled(days, *iron) for days in (485, 486)] == [True, False]


def test_a_transfusion_misleads_for_a_red_cells_life() -> None:
    blood = ("snomed", "116859006", "Transfusion of blood product", DAY, None)
    assert [misled(days, *blood) for days in (-1, 0, 120, 121)] == [False, True, True, False]


def test_haemolysis_and_pregnancy_mislead_too() -> None:
    assert misled(10, "icd10", "D59.1", None, DAY, None)
    assert misled(10, "icd10", "Z34.9", None, DAY, None)
    assert not misled(1000, "icd10", "Z34.9", None, DAY, None)


BOTH_HOURS = ["glucose_1h", "glucose_2h"]


def test_a_drink_in_pregnancy_is_not_judged_by_the_limits_of_others() -> None:
    pregnant = ("icd10", "Z34.9", None, DAY, DAY + timedelta(200))
    found = [unjudged_drinks(days, *pregnant) for days in (-1, 0, 200, 228, 229)]
    assert found == [[], BOTH_HOURS, BOTH_HOURS, BOTH_HOURS, []]


def test_a_drink_in_a_pregnancy_that_nobody_closed_is_judged_again_some_weeks_after_term() -> None:
    pregnant = (None, None, "Pregnant", DAY, None)
    assert [unjudged_drinks(days, *pregnant) for days in (328, 329)] == [BOTH_HOURS, []]


def test_a_drink_that_is_not_judged_says_why() -> None:
    spans = misleading_spans(conditions(("icd10", "Z34.9", None, DAY, None))).collect().rows()
    found = said(ogtt=[("p", DAY, 160.0, None, None)], misleading=spans)
    assert found["sentence"].to_list() == [
        "glucose 1 hour after a drink 160 mg/dL on 2026-03-01: not judged, pregnancy is on record,"
        " in which a drink has limits of its own"
    ]


@pytest.mark.parametrize("code", ["D50.9", "D59.1", "D57.3", "Z51.3", "E66.9"])
def test_what_misleads_hba1c_alone_leaves_a_drink_judged(code: str) -> None:
    assert unjudged_drinks(0, "icd10", code, None, DAY, None) == []


def test_a_condition_of_one_kind_or_person_does_not_touch_the_others() -> None:
    rows = [("icd10", code, None, DAY, None) for code in ("D50.9", "Z51.3")]
    spans = misleading_spans(conditions(*rows)).collect()
    drink = said(ogtt=[("p", DAY, 160.0, None, None)], misleading=spans.rows())
    assert drink["says"].to_list() == ["not fine"]
    elsewhere = spans.with_columns(patient_id=pl.lit("q")).rows()
    assert said([hba1c(5.9)], misleading=elsewhere)["says"].to_list() == ["not fine"]
    both = said([hba1c(5.9)], misleading=spans.rows())
    assert both.select("says", "sentence").rows() == [
        (None, "HbA1c 5.9 % on 2026-03-01: not judged, iron deficiency is on record, which raises "
         "HbA1c"),
    ]  # fmt: skip


MISLEADING = [(by.kind, item) for by in CORROBORATORS for item in by.misled_by]


def test_pregnancy_misleads_hba1c_and_drinks_and_no_sensor() -> None:
    of_pregnancy = [kind for kind, item in MISLEADING if item.name == "pregnancy"]
    assert of_pregnancy == ["hba1c", "glucose_1h", "glucose_2h"]


@pytest.mark.parametrize("item", [item for _, item in MISLEADING], ids=lambda item: item.name)
def test_a_misleading_condition_is_written_as_the_exclusions_are(item: Any) -> None:
    listed = [*item.words, *item.not_words]
    words = pl.DataFrame({"word": listed}).with_columns(again=folded_words(pl.col("word")))
    assert words.filter(pl.col("word") != pl.col("again")).is_empty()
    for code in item.codes["snomed"]:
        assert is_snomed(code), code
    rows = pl.DataFrame({"code_system": ["icd10"], "code": [item.codes["icd10"][0]], "name": [""]})
    assert rows.select(matches(item)).item()


def is_snomed(code: str) -> bool:
    """Verhoeff's check digit, by which every SNOMED CT identifier ends."""
    product = [[(i + j) % 5 if j < 5 and i < 5 else 0 for j in range(10)] for i in range(10)]
    for i in range(10):
        for j in range(10):
            a, b = i % 5, j % 5
            flip = (i >= 5) != (j >= 5)
            turn = (a - b) % 5 if i >= 5 else (a + b) % 5
            product[i][j] = turn + 5 if flip else turn
    order = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    check, places = 0, list(range(10))
    for digit in reversed(code):
        check = product[check][places[int(digit)]]
        places = [places[each] for each in order]
    return check == 0


def test_a_slip_in_a_snomed_code_is_seen() -> None:
    assert is_snomed("73211009")
    assert not is_snomed("73211090")


# Beside the status


def beside(*rows: tuple[str, int, str | None], as_of: date = DAY) -> list[tuple[Any, ...]]:
    """What stands beside a status: of (kind, days before the night, says)."""
    found = [
        ("p", kind, as_of - timedelta(days), 1.0, "%", 2.0, says, f"{kind} {days}")
        for kind, days, says in rows
    ]
    people = pl.LazyFrame({"patient_id": ["p", "q"], "as_of": [as_of, as_of]})
    return evidence_beside(people, frame(found, CORROBORATION)).collect().rows()


def test_the_newest_of_each_kind_stands_beside_the_status() -> None:
    found = beside(("cgm", 3, "fine"), ("hba1c", 5, "not fine"), ("hba1c", 90, "fine"))
    plain = "HbA1c: not fine; glucose sensor: fine"
    assert found == [("p", DAY, "hba1c 5; cgm 3", plain, True)]


def test_what_is_not_judged_is_shown_and_contradicts_nothing() -> None:
    assert beside(("hba1c", 5, None)) == [("p", DAY, "hba1c 5", "HbA1c: not judged", False)]
    assert beside(("hba1c", 5, "fine"))[0][-1] is False


@pytest.mark.parametrize(("days", "shown"), [(0, 1), (400, 1), (401, 0), (-1, 0)])
def test_what_is_too_old_or_still_to_come_is_not_shown(days: int, shown: int) -> None:
    assert len(beside(("hba1c", days, "fine"))) == shown


def test_the_words_for_mails_hold_no_value() -> None:
    found = said([hba1c(5.9)], [window(33.0)], [("p", DAY, 160.0, 141.0, None)])
    people = pl.LazyFrame({"patient_id": ["p"], "as_of": [DAY]})
    row = evidence_beside(people, found.lazy()).collect().row(0, named=True)
    assert all(value in row["beside"] for value in ("5.9", "33", "160", "141", "2026-03-01"))
    assert not set("0456789.") & set(row["beside_in_mail"].replace("HbA1c", ""))


# Nothing here changes a status


def draws(*extra: dict[str, Any]) -> pl.LazyFrame:
    """Five years of fasting draws with rising insulin, and what else was measured."""
    rows = [
        {"analyte": analyte, "on": date(2021 + year, 2, 1), "value": value}
        for year in range(5)
        for analyte, value in (("insulin", 6.0 * 1.25**year), ("glucose", 88.0 + year / 4))
    ]
    at = pl.col("on").cast(pl.Datetime("us")) + pl.duration(hours=8)
    return pl.LazyFrame([*rows, *extra]).select(
        "analyte",
        "value",
        patient_id=pl.lit("p"),
        observed_at=at,
        observed_on="on",
        observed_precision=pl.lit("time"),
        fasting=pl.lit("yes"),
        known_at=at,
        lab=pl.lit("L"),
        **dict.fromkeys(
            ("comparator", "assay", "absent_reason", "comment"), pl.lit(None, pl.String)
        ),
    )


def status_of(results: pl.LazyFrame) -> tuple[pl.DataFrame, pl.LazyFrame]:
    """The statuses of these results, and the findings they are made from."""
    pairs = fasting_pairs(results, pl.LazyFrame(schema=SPAN)).filter("used")
    series = trends(pairs).with_columns(p_without_one=pl.lit(0.9))
    findings = at_draws(series, pairs)
    people = pl.LazyFrame({"patient_id": ["p"], "birth_date": [date(1970, 1, 1)]})
    facts = pl.LazyFrame({"patient_id": ["p"], "n_draws": [5], "unused": [None]})
    facts = facts.with_columns(pl.col("unused").cast(pl.String))
    newest = findings.group_by("patient_id").last()
    found = statuses(people, newest, facts, pl.LazyFrame(schema=SPAN), date(2025, 6, 1))
    return found.collect(), findings


def test_the_same_draws_give_the_same_status_whatever_sensor_and_hba1c_say() -> None:
    alone, _ = status_of(draws())
    on = date(2025, 2, 1)
    beside_them = [
        {"analyte": "hba1c", "on": on, "value": 6.3},
        {"analyte": "sensor_glucose", "on": on, "value": 240.0},
    ]
    together, findings = status_of(draws(*beside_them))
    assert alone["status"].to_list() == ["climbing"]
    assert together.equals(alone)

    found = said([hba1c(6.3, on=on)], [window(60.0, on=on)]).lazy()
    rows = contradictions(found, findings, pl.LazyFrame(schema=SPAN), date(2025, 6, 1)).collect()
    assert rows["cohort"].to_list() == [each.name for each in CONTRADICTIONS]
    assert status_of(draws())[0].equals(alone)


def test_another_glucose_gives_another_status() -> None:
    high = [{"analyte": "glucose", "on": date(2021 + y, 2, 1), "value": 150.0} for y in range(5)]
    assert status_of(draws(*high))[0]["status"].to_list() != ["climbing"]


# Cohorts of disagreement


START = date(2024, 1, 1)
TONIGHT = date(2026, 11, 1)
Draw = tuple[int, float | None]
"""Days, and the probability that glucose is fine; null: not evaluated."""


def on(days: int) -> date:
    return START + timedelta(days)


def fine_by_draws(*said_then: Draw) -> pl.LazyFrame:
    rows = [("p", on(d), None if p is None else "not_flagged", p) for d, p in said_then]
    return frame(rows, FINDINGS)


def seen(*windows: tuple[int, str | None], kind: str = "cgm") -> pl.LazyFrame:
    rows = [("p", kind, on(d), 1.0, "%", 2.0, says, "") for d, says in windows]
    return frame(rows, CORROBORATION)


def stays(
    draws_then: Sequence[Draw],
    windows: Sequence[tuple[int, str | None]],
    excluded: Rows = (),
    as_of: date = TONIGHT,
    kind: str = "cgm",
) -> list[tuple[date, date | None]]:
    found = contradictions(
        seen(*windows, kind=kind), fine_by_draws(*draws_then), frame(excluded, SPAN), as_of
    ).collect()
    assert set(found["cohort"]) <= {f"glucose_not_fine_by_{kind}"}
    return found.select("entered_on", "left_on").rows()


YES, NO = "not fine", "fine"


@pytest.mark.parametrize("kind", ["cgm", "hba1c"])
@pytest.mark.parametrize(
    ("draws_then", "windows", "expected"),
    [
        ([(0, 0.9)], [(30, YES)], [(on(30), on(401))]),
        ([(0, 0.9)], [(30, NO)], []),
        ([(0, 0.9)], [(30, None)], []),
        ([(0, 0.5)], [(30, YES)], [(on(30), on(401))]),
        ([(0, 0.49)], [(30, YES)], []),
        ([(0, None)], [(30, YES)], []),
        ([], [(30, YES)], []),
        ([(0, 0.9)], [(30, YES), (60, NO)], [(on(30), on(60))]),
        ([(0, 0.9)], [(30, YES), (60, None)], [(on(30), on(401))]),
        ([(0, 0.9)], [(30, NO), (60, YES), (90, YES)], [(on(60), on(401))]),
        ([(0, 0.9), (90, 0.2)], [(30, YES)], [(on(30), on(90))]),
        ([(0, 0.9), (90, None)], [(30, YES)], [(on(30), on(90))]),
        ([(60, 0.9)], [(30, YES)], [(on(60), on(431))]),
        ([(30, 0.9)], [(30, YES)], [(on(30), on(431))]),
        ([(0, 0.9), (300, 0.9)], [(30, YES)], [(on(30), on(431))]),
        ([(0, 0.9), (300, 0.9)], [(30, YES), (431, YES)], [(on(30), on(701))]),
        ([(0, 0.9), (300, 0.9)], [(30, YES), (432, YES)], [(on(30), on(431)), (on(432), on(701))]),
        ([(0, 0.9)], [(400, YES)], [(on(400), on(401))]),
        ([(0, 0.9)], [(401, YES)], []),
    ],
    ids=str,
)
def test_a_stay_is_as_long_as_both_kinds_disagree(
    draws_then: list[Draw],
    windows: list[tuple[int, str | None]],
    expected: list[Any],
    kind: str,
) -> None:
    assert stays(draws_then, windows, kind=kind) == expected


@pytest.mark.parametrize(("finding", "members"), [("not_flagged", 1), ("climbing", 1), (None, 0)])
def test_only_who_was_evaluated_is_a_member_flagged_or_not(
    finding: str | None, members: int
) -> None:
    findings = frame([("p", on(0), finding, 0.9)], FINDINGS)
    rows = contradictions(seen((30, YES)), findings, pl.LazyFrame(schema=SPAN), TONIGHT)
    assert rows.collect().height == members


def test_a_stay_lasts_until_it_is_too_old_and_not_a_day_less() -> None:
    assert stays([(0, 0.9)], [(30, YES)], as_of=on(400)) == [(on(30), None)]
    assert stays([(0, 0.9)], [(30, YES)], as_of=on(401)) == [(on(30), on(401))]
    assert stays([(0, 0.9)], [(30, YES)], as_of=on(29)) == []


def test_an_exclusion_ends_a_stay_and_keeps_others_from_beginning() -> None:
    whole = [(on(30), on(401))]
    assert stays([(0, 0.9)], [(30, YES)], [("p", "diabetes", on(100), None)]) == [(on(30), on(100))]
    assert stays([(0, 0.9)], [(30, YES)], [("p", "diabetes", on(10), None)]) == []
    assert stays([(0, 0.9)], [(30, YES)], [("p", "pregnancy", on(5), on(29))]) == whole
    assert stays([(0, 0.9)], [(30, YES)], [("q", "diabetes", None, None)]) == whole


def test_the_past_of_a_stay_does_not_depend_on_the_night() -> None:
    draws_then, windows = [(0, 0.9), (350, 0.9)], [(30, YES), (90, NO), (360, YES)]
    for days in range(400, 750, 50):
        assert stays(draws_then, windows, as_of=on(days))[0] == (on(30), on(90))


def test_the_two_kinds_do_not_share_a_stay() -> None:
    both = pl.concat([seen((30, YES)), seen((60, YES), kind="hba1c")])
    none = pl.LazyFrame(schema=SPAN)
    rows = contradictions(both, fine_by_draws((0, 0.9)), none, TONIGHT).collect()
    assert rows.select("cohort", "entered_on", "definition_version").rows() == [
        ("glucose_not_fine_by_cgm", on(30), "2"),
        ("glucose_not_fine_by_hba1c", on(60), "1"),
    ]


# Attrition


def people_of(rows: Sequence[tuple[str, str, str | None]]) -> pl.LazyFrame:
    return frame(rows, {"patient_id": pl.String, "status": pl.String, "ground": pl.String})


def test_attrition_tells_who_was_left_out_on_the_way_to_the_cohort() -> None:
    people = [
        ("member", "climbing", None),
        ("minor", "excluded", "under 20 years"),
        ("few", "unresolved", "too few pairs"),
        ("glucose", "not_flagged", None),
        ("unmeasured", "not_flagged", None),
        ("fine", "not_flagged", None),
        ("was_pregnant", "not_flagged", None),
    ]
    draws_then = [(who, on(0), "not_flagged", 0.9) for who, *_ in people]
    draws_then[3] = ("glucose", on(0), "not_flagged", 0.1)
    windows = [
        (who, "cgm", on(30), 1.0, "%", 2.0, NO if who == "fine" else YES, "")
        for who, *_ in people
        if who != "unmeasured"
    ]
    excluded = [
        ("was_pregnant", "pregnancy", on(0), on(60)),
        ("minor", "minor", None, None),
        ("few", "any", None, None),
    ]
    found, findings = frame(windows, CORROBORATION), frame(draws_then, FINDINGS)
    night = on(200)
    rows = contradictions(found, findings, frame(excluded, SPAN), night)
    told = steps(contradiction_ways(people_of(people), rows, found, findings, night)).collect()
    assert rows.collect()["patient_id"].to_list() == ["member"]
    assert told.filter(cohort="glucose_not_fine_by_cgm").select("reason", "n_excluded").rows() == [
        ("everyone", 0),
        ("excluded: under 20 years", 1),
        ("unresolved: too few pairs", 1),
        ("fasting glucose not fine", 1),
        ("no glucose sensor lately", 1),
        ("fine by glucose sensor", 1),
        ("nothing observed since an exclusion ended", 1),
    ]
    assert told.group_by("cohort").agg(pl.col("n_after").last()).sort("cohort")[
        "n_after"
    ].to_list() == [1, 0]
