"""How well evidence tells who fasted: loose bounds, for seeds that no ratio was measured on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from transforms.fasting_evidence import draw_measures
from transforms.fasting_validation import AVAILABLE, by_habit, claimed, reliability, score, scores
from transforms.synthetic.mornings import BASE, HARD, Mornings, mornings
from transforms.validation import ranking

REAL = Path(__file__).resolve().parents[2] / "../shared/realdata/shanghai_diabetes/Shanghai_T1DM"
FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M")
INSTANT = pl.Datetime("us")
SLEEP = {"patient_id": pl.String, "observed_at": INSTANT, "ended_at": INSTANT}
ACTIVITY = SLEEP | {"value": pl.Float64, "kind": pl.String}


@pytest.fixture(scope="module")
def made() -> Mornings:
    return mornings(5000, 7041)


@pytest.fixture(scope="module")
def found(made: Mornings) -> pl.DataFrame:
    return scores(made)


@pytest.fixture(scope="module")
def seen(made: Mornings) -> pl.DataFrame:
    return claimed(made, has_sensor=True, has_sleep=True)


def number(found: pl.DataFrame, available: str, label: str, name: str) -> float:
    row = found.filter(pl.col("available") == available, pl.col("label") == label)
    return float(row[name].item())


@pytest.mark.parametrize("label", ["yes", "unknown"])
def test_a_sensor_tells_most_who_ate_from_who_did_not(found: pl.DataFrame, label: str) -> None:
    assert number(found, "sensor", label, "auroc") > 0.82
    assert number(found, "sensor and sleep", label, "auroc") > 0.82


@pytest.mark.parametrize("label", ["yes", "unknown"])
def test_without_a_sensor_little_is_known(found: pl.DataFrame, label: str) -> None:
    for available in ("sleep", "neither"):
        assert 0.5 < number(found, available, label, "auroc") < 0.75


@pytest.mark.parametrize("available", AVAILABLE)
@pytest.mark.parametrize("label", ["yes", "unknown", "all"])
def test_claims_are_nearer_to_the_truth_than_the_label(
    found: pl.DataFrame, available: str, label: str
) -> None:
    brier = number(found, available, label, "brier")
    assert brier < number(found, available, label, "brier_prior")


def test_the_more_is_seen_the_better_the_claims(found: pl.DataFrame) -> None:
    briers = [number(found, of, "unknown", "brier") for of in ("sensor and sleep", "neither")]
    assert briers[0] < 0.7 * briers[1]


def test_claims_come_about_as_often_as_they_say(seen: pl.DataFrame) -> None:
    table = reliability(seen).filter(pl.col("draws") >= 100)
    assert table.height >= 6
    assert ((table["claimed"] - table["true"]).abs() < 0.2).all()
    assert table["true"].is_sorted()
    assert score(seen)["calibration_error"] < 0.08


def test_of_shuffled_truth_nothing_can_be_told(seen: pl.DataFrame) -> None:
    for label in ("yes", "unknown"):
        of = seen.filter(pl.col("label") == label)
        truth = of["is_fasting"].shuffle(seed=7042)
        assert score(of.with_columns(truth))["auroc"] == pytest.approx(0.5, abs=0.07)
        assert score(of)["auroc"] > 0.82


def test_breakfast_is_doubted_and_nothing_eaten_is_not(seen: pl.DataFrame) -> None:
    doubted = dict(by_habit(seen).select("habit", "doubted").iter_rows())
    assert doubted["breakfast"] > 0.75
    assert doubted["nothing"] < 0.05
    assert doubted["coffee with milk"] < doubted["breakfast"]


def test_in_a_harder_world_evidence_is_worse_but_better_than_the_label() -> None:
    hard = score(claimed(mornings(5000, 7043, HARD), has_sensor=True, has_sleep=True))
    assert 0.85 < hard["auroc"] < 0.95
    assert hard["brier"] < hard["brier_prior"]


def test_where_the_hour_says_nothing_the_clock_misleads_only_a_little() -> None:
    same = replace(BASE, afternoon=(0.3, 0.3))
    found = score(claimed(mornings(5000, 7044, same), has_sensor=False, has_sleep=False))
    assert found["brier_prior"] < found["brier"] < found["brier_prior"] + 0.02


def test_where_nothing_speaks_the_claim_is_the_prior(made: Mornings) -> None:
    bare = claimed(made, has_sensor=False, has_sleep=False)
    silent = bare.filter(~pl.col("is_spoken_of"))
    assert (silent["p_fasting"] == silent["prior"]).all()
    spoken = bare.filter("is_spoken_of")
    assert (spoken["p_fasting"] != spoken["prior"]).all()
    assert silent.height > spoken.height > 100


def shanghai() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Readings and breakfasts of people with type 1 diabetes, in whose workbooks meals stand."""
    readings, meals = [], []
    for path in sorted(REAL.glob("*.xls*")):
        book = pl.read_excel(path, infer_schema_length=0)
        at = pl.coalesce(pl.col("Date").str.to_datetime(f, strict=False) for f in FORMATS)
        named = pl.lit(path.stem).alias("patient_id")
        sensor = next(name for name in book.columns if name.startswith("CGM"))
        readings.append(
            book.select(named, observed_at=at.cast(INSTANT), value=pl.col(sensor).cast(float))
        )
        eaten = book.filter(pl.col(next(n for n in book.columns if n.startswith("Diet"))) != "")
        meals.append(eaten.select(named, eaten_at=at.cast(INSTANT)))
    return pl.concat(readings).drop_nulls(), pl.concat(meals).drop_nulls().unique()


def judged(at: pl.DataFrame, readings: pl.DataFrame) -> pl.DataFrame:
    """Evidence on a draw at each of these instants (``patient_id``, ``at``), label unknown."""
    own = at.with_row_index("k").with_columns(own=pl.format("{}/{}", "patient_id", "k"))
    draws = own.select(
        patient_id="own", drawn_on=pl.col("at").dt.date(), drawn_at="at", drawn_local="at",
        label=pl.lit("unknown"), fasting_hours=pl.lit(None, dtype=pl.Float64),
    )  # fmt: skip
    glucose = own.join(readings, on="patient_id").select("observed_at", "value", patient_id="own")
    nothing = [pl.LazyFrame([], schema=schema) for schema in (SLEEP, ACTIVITY)]
    return draw_measures(draws.lazy(), glucose.lazy(), *nothing).collect()


@pytest.mark.skipif(not REAL.exists(), reason="no ../shared/realdata")
def test_most_real_breakfasts_are_found_and_few_real_nights_look_like_one() -> None:
    readings, meals = shanghai()
    hour, eaten = pl.col("eaten_at").dt.hour(), pl.col("eaten_at")
    since = (eaten - eaten.shift().over("patient_id")).dt.total_hours()
    breakfasts = meals.sort("patient_id", "eaten_at").filter(hour.is_between(5, 10))
    fed = judged(breakfasts.select("patient_id", at=eaten.dt.offset_by("90m")), readings)
    nights = meals.sort("patient_id", "eaten_at").filter((since >= 8) & hour.is_between(5, 10))
    fasting = judged(
        nights.select("patient_id", at=eaten.dt.truncate("1d").dt.offset_by("5h")), readings
    )
    risen = [(frame["late_rise_mg_dl"] >= 25).mean() for frame in (fed, fasting)]
    assert fed.height > 100
    assert risen[0] > 0.65
    assert risen[1] < 0.25
    both = pl.concat([fed, fasting])["late_rise_mg_dl"].fill_null(0).to_numpy()
    is_fed = np.arange(both.size) < fed.height
    assert 0.75 < ranking(both, is_fed).auroc < 0.95
