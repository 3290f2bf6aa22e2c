"""The status rule as tables: what a trend must say for a status, and where its borders lie."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from transforms.catalog.exclusions import EXCLUSIONS
from transforms.catalog.rule import RULE, STATUSES
from transforms.statuses import at_draws, statuses

TONIGHT = date(2026, 3, 1)
Row = dict[str, Any]

CALM: Row = {
    "n_pairs": 5,
    "p_insulin_climbing": 0.2,
    "p_glucose_fine": 0.9,
    "p_climbing_unseen": 0.1,
    "p_insulin_high": 0.1,
    "p_insulin_falling": 0.1,
    "p_glucose_rising": 0.05,
    "p_without_one": 0.6,
    "p_bad_newest": 0.0,
    "insulin_slope_pct_year": 2.0,
    "insulin_level_uiu_ml": 6.0,
    "glucose_level_mg_dl": 90.0,
    "glucose_slope_mg_dl_year": 0.1,
}
TYPES = dict.fromkeys(CALM, pl.Float64) | {"n_pairs": pl.Int64}
TREND = {"patient_id": pl.String, "drawn_on": pl.Date, "first_on": pl.Date, "last_on": pl.Date}


def draw(on: date, glucose: float = 90.0, span: int = 1200, who: str = "p", **more: Any) -> Row:
    """The trend after one draw, and the draw's glucose."""
    place = {
        "patient_id": who,
        "drawn_on": on,
        "last_on": on,
        "first_on": on - timedelta(days=span),
    }
    return CALM | place | {"glucose_mg_dl": glucose} | more


def found(*draws: Row) -> pl.DataFrame:
    rows = pl.DataFrame(list(draws), schema=TREND | TYPES | {"glucose_mg_dl": pl.Float64})
    trends, pairs = (
        rows.drop("glucose_mg_dl"),
        rows.select("patient_id", "drawn_on", "glucose_mg_dl"),
    )
    return at_draws(trends.lazy(), pairs.lazy()).collect()


def finding(**more: Any) -> tuple[str | None, str | None]:
    return found(draw(TONIGHT, **more)).select("finding", "climbing_tier").row(0)


CLIMBS: Row = {"p_climbing_unseen": 0.85, "p_insulin_climbing": 0.9}


@pytest.mark.parametrize(
    ("trend", "expected"),
    [
        ({}, ("not_flagged", None)),
        ({"p_climbing_unseen": 0.29}, ("not_flagged", None)),
        ({"p_climbing_unseen": 0.30}, ("climbing", "C")),
        ({"p_climbing_unseen": 0.49}, ("climbing", "C")),
        ({"p_climbing_unseen": 0.50}, ("climbing", "B")),
        ({"p_climbing_unseen": 0.79}, ("climbing", "B")),
        ({"p_climbing_unseen": 0.80}, ("climbing", "A")),
        (CLIMBS | {"n_pairs": 4}, ("climbing", "A")),
        (CLIMBS | {"n_pairs": 3}, ("climbing", "B")),
        (CLIMBS | {"span": 1095}, ("climbing", "A")),
        (CLIMBS | {"span": 1094}, ("climbing", "B")),
        (CLIMBS | {"p_without_one": 0.5}, ("climbing", "A")),
        (CLIMBS | {"p_without_one": 0.49}, ("climbing", "B")),
        (CLIMBS | {"p_without_one": None}, ("climbing", "B")),
        (CLIMBS | {"p_bad_newest": 0.49}, ("climbing", "A")),
        (CLIMBS | {"p_bad_newest": 0.50}, ("climbing", "B")),
        ({"p_insulin_high": 0.80}, ("high_stable", None)),
        ({"p_insulin_high": 0.79}, ("not_flagged", None)),
        ({"p_insulin_high": 0.9, "p_glucose_fine": 0.50}, ("high_stable", None)),
        ({"p_insulin_high": 0.9, "p_glucose_fine": 0.49}, ("not_flagged", None)),
        (CLIMBS | {"p_insulin_high": 0.9}, ("high_and_climbing", "A")),
        ({"p_climbing_unseen": 0.3, "p_insulin_high": 0.9}, ("high_and_climbing", "C")),
        (CLIMBS | {"n_pairs": 2}, (None, None)),
        (CLIMBS | {"span": 364}, (None, None)),
        (CLIMBS | {"span": 365}, ("climbing", "B")),
    ],
)
def test_the_finding_of_a_draw_lies_within_its_borders(
    trend: Row, expected: tuple[str | None, str | None]
) -> None:
    assert finding(**trend) == expected


def after(first: Row, *glucose: float, **last: Any) -> list[str | None]:
    """Findings of a raised (or calm) draw, then of draws with these glucoses."""
    days = [TONIGHT - timedelta(days=100 * i) for i in range(len(glucose), -1, -1)]
    later = [draw(on, value, **last) for on, value in zip(days[1:], glucose, strict=True)]
    return found(draw(days[0], **first), *later)["finding"].to_list()


HIGH: Row = {"p_insulin_high": 0.9}
FLAT: Row = {"p_insulin_climbing": 0.3}


@pytest.mark.parametrize(
    ("first", "glucose", "last", "expected"),
    [
        (HIGH, (101, 100), FLAT, "decompensating"),
        (CLIMBS, (101, 100), FLAT, "decompensating"),
        (HIGH, (101, 99.9), FLAT, "not_flagged"),
        (HIGH, (99.9, 101), FLAT, "not_flagged"),
        (HIGH, (90,), FLAT | {"p_glucose_rising": 0.9}, "decompensating"),
        (HIGH, (90,), FLAT | {"p_glucose_rising": 0.89}, "not_flagged"),
        (HIGH, (101, 101), {"p_insulin_climbing": 0.49}, "decompensating"),
        (HIGH, (101, 101), {"p_insulin_climbing": 0.50}, "not_flagged"),
        ({}, (101, 101), FLAT, "not_flagged"),
        ({"p_climbing_unseen": 0.4}, (101, 101), FLAT, "not_flagged"),
        (HIGH, (101, 101), FLAT | HIGH, "decompensating"),
        (CLIMBS, (101, 101), FLAT | {"p_climbing_unseen": 0.4}, "decompensating"),
    ],
)
def test_decompensating_needs_a_raised_past_glucose_that_rises_and_insulin_that_does_not(
    first: Row, glucose: tuple[float, ...], last: Row, expected: str
) -> None:
    assert after(first, *glucose, **last)[-1] == expected


def test_the_past_is_a_patients_own() -> None:
    day = timedelta(days=1)
    mine = [draw(TONIGHT - day, 101, who="q"), draw(TONIGHT, 101, who="q", **FLAT)]
    raised = draw(TONIGHT - 2 * day, who="p", **HIGH)
    assert found(raised, *mine).filter(patient_id="q")["finding"].to_list()[-1] == "not_flagged"
    own = [row | {"patient_id": "p"} for row in mine]
    assert found(raised, *own)["finding"].to_list()[-1] == "decompensating"


def test_a_draw_is_judged_by_itself_and_its_past_only() -> None:
    draws = [
        draw(TONIGHT - timedelta(days=i), who="p", **trend) for i, trend in enumerate((HIGH, {}))
    ]
    alone = found(draws[1])["finding"].to_list()
    assert found(*draws).sort("drawn_on")["finding"].to_list()[:1] == alone


# tonight


def tonight(
    trend: Row | None = None,
    birth: date | None = date(1970, 1, 1),
    n_draws: int | None = 6,
    excluded: list[tuple[str, date | None, date | None]] = (),
    unused: str | None = None,
    last: date = TONIGHT,
) -> Row:
    rows = [] if trend is None else [draw(last, **trend)]
    persons = pl.LazyFrame(
        {"patient_id": ["p"], "birth_date": [birth]}, schema_overrides={"birth_date": pl.Date}
    )
    draws = pl.LazyFrame(
        [] if n_draws is None else [("p", n_draws, unused)],
        schema={"patient_id": pl.String, "n_draws": pl.Int64, "unused": pl.String},
        orient="row",
    )
    spans = pl.LazyFrame(
        [("p", *span) for span in excluded],
        schema={"patient_id": pl.String, "name": pl.String, "from_on": pl.Date, "to_on": pl.Date},
        orient="row",
    )
    rows_out = statuses(persons, found(*rows).lazy(), draws, spans, TONIGHT).collect()
    assert rows_out.height == 1
    return rows_out.row(0, named=True)


DIABETES = ("diabetes", date(2020, 1, 1), None)
TOO_FEW, TOO_SHORT = CLIMBS | {"n_pairs": 2}, CLIMBS | {"span": 364}
OLD = TONIGHT - timedelta(days=401)


@pytest.mark.parametrize(
    ("facts", "status", "reason"),
    [
        ({"trend": CLIMBS}, "climbing", "insulin climbs while glucose is fine, probability 85 %"),
        ({"trend": {}}, "not_flagged", "probability of climbing unseen 10 %, 30 % needed"),
        ({"trend": HIGH}, "high_stable", "insulin is above 12.5 uIU/mL"),
        ({"trend": CLIMBS | HIGH}, "high_and_climbing", "insulin is above 12.5 uIU/mL"),
        ({"trend": CLIMBS, "birth": date(2006, 3, 2)}, "excluded", "under 20 years"),
        ({"trend": CLIMBS, "birth": date(2006, 3, 1)}, "climbing", "insulin climbs"),
        ({"trend": CLIMBS, "excluded": [DIABETES]}, "excluded", "Diabetes is on record"),
        ({"n_draws": None}, "unresolved", "no insulin or glucose result"),
        ({"n_draws": 2}, "unresolved", "0 usable fasting pairs, 3 needed"),
        ({"trend": TOO_FEW}, "unresolved", "2 usable fasting pairs, 3 needed"),
        (
            {"trend": TOO_FEW, "unused": "fasting unknown"},
            "unresolved",
            "2 usable fasting pairs, 3 needed; draws not used, mostly: fasting unknown",
        ),
        ({"trend": TOO_SHORT}, "unresolved", "pairs span 364 days, 365 needed"),
        ({"trend": CLIMBS, "last": OLD}, "unresolved", "newest pair is 401 days old, at most 400"),
        ({"trend": CLIMBS, "last": OLD + timedelta(1)}, "climbing", "insulin climbs"),
    ],
)
def test_tonights_status_and_its_reason(facts: Row, status: str, reason: str) -> None:
    row = tonight(**facts)
    assert row["status"] == status
    assert row["reason"].startswith(reason)


@pytest.mark.parametrize(
    ("first", "facts", "status", "reason"),
    [
        (
            "age before every exclusion",
            {"trend": CLIMBS, "birth": date(2015, 1, 1), "excluded": [DIABETES]},
            "excluded",
            "under 20",
        ),
        (
            "exclusion before what is unresolved",
            {"trend": TOO_FEW, "excluded": [DIABETES]},
            "excluded",
            "Diabetes",
        ),
        (
            "too few before too short",
            {"trend": TOO_FEW | {"span": 10}},
            "unresolved",
            "2 usable",
        ),
        (
            "too short before too old",
            {"trend": TOO_SHORT, "last": OLD},
            "unresolved",
            "pairs span",
        ),
    ],
)
def test_the_first_ground_that_holds_is_the_reason(
    first: str, facts: Row, status: str, reason: str
) -> None:
    row = tonight(**facts)
    assert (row["status"], row["reason"].startswith(reason)) == (status, True), first


@pytest.mark.parametrize(
    ("begin", "end", "holds"),
    [
        (TONIGHT, None, True),
        (TONIGHT + timedelta(1), None, False),
        (None, TONIGHT, True),
        (None, TONIGHT - timedelta(1), False),
        (None, None, True),
    ],
)
def test_an_exclusion_holds_on_its_days_only(
    begin: date | None, end: date | None, holds: bool
) -> None:
    row = tonight(trend=CLIMBS, excluded=[("pregnancy", begin, end)])
    assert row["status"] == ("excluded" if holds else "climbing")


def test_every_exclusion_of_a_patient_has_a_sentence_for_its_reason() -> None:
    for item in EXCLUSIONS:
        if item.effect == "patient":
            row = tonight(trend=CLIMBS, excluded=[(item.name, None, None)])
            assert row["reason"] == item.sentence


def test_only_climbing_has_a_tier() -> None:
    assert tonight(trend=CLIMBS)["tier"] == "A"
    assert tonight(trend=CLIMBS | HIGH)["tier"] == "A"
    assert tonight(trend=HIGH)["tier"] is None
    assert tonight(trend=CLIMBS, excluded=[DIABETES])["tier"] is None
    assert tonight(trend=CLIMBS, last=OLD)["tier"] is None


def test_an_unknown_date_of_birth_is_evaluated_and_said_to_be_missing() -> None:
    row = tonight(trend=CLIMBS, birth=None)
    assert row["status"] == "climbing"
    assert "date of birth" in json.loads(row["evidence"])["missing"]
    assert "date of birth" not in json.loads(tonight(trend=CLIMBS)["evidence"])["missing"]


def test_the_evidence_says_the_numbers_what_is_missing_and_how_near() -> None:
    told = json.loads(
        tonight(trend={"n_pairs": 3, "span": 400, "p_climbing_unseen": 0.1})["evidence"]
    )
    assert told["missing"] == ["fasting pairs", "years of follow-up"]
    assert told["needed_for_c"] == pytest.approx(0.2)
    assert (told["n_pairs"], told["n_draws"], told["span_days"], told["days_old"]) == (3, 6, 400, 0)


def test_every_person_has_exactly_one_status_and_nobody_else_has_one() -> None:
    persons = pl.LazyFrame(
        {"patient_id": ["a", "b", "c"], "birth_date": [None, date(2020, 1, 1), date(1950, 1, 1)]}
    )
    spans = pl.LazyFrame(
        {"patient_id": ["c", "c", "x"], "name": ["diabetes", "cirrhosis", "diabetes"]}
        | {"from_on": [None] * 3, "to_on": [None] * 3},
        schema_overrides={"from_on": pl.Date, "to_on": pl.Date},
    )
    draws = pl.LazyFrame(
        {"patient_id": ["a", "y"], "n_draws": [1, 1], "unused": [None, None]},
        schema_overrides={"unused": pl.String},
    )
    trends = found(draw(TONIGHT, who="a", **CLIMBS), draw(TONIGHT, who="z"))
    rows = statuses(persons, trends.lazy(), draws, spans, TONIGHT).collect()
    assert rows["patient_id"].to_list() == ["a", "b", "c"]
    assert rows["status"].to_list() == ["climbing", "excluded", "excluded"]
    assert set(rows["status"]) <= set(STATUSES)
    assert rows["rule_version"].unique().to_list() == [RULE.version]
