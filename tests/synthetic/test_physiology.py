"""The simulated cohort against the numbers it was made from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from transforms.synthetic.physiology import (
    BASE,
    CLEAN,
    COURSES,
    HEAVY,
    RARE,
    Cohort,
    World,
    cohort,
)

TUNING_SEED = 202


@pytest.fixture(scope="module")
def base() -> Cohort:
    return cohort(20_000, TUNING_SEED)


def shares(values: pl.Series) -> dict[str, float]:
    counted = values.value_counts(normalize=True)
    return dict(zip(counted[values.name], counted["proportion"], strict=True))


def test_every_course_has_its_share(base: Cohort) -> None:
    found = shares(base.people["class_"])
    for course, expected in zip(COURSES, BASE.shares, strict=True):
        assert found[course.name] == pytest.approx(expected, abs=0.011)


@pytest.mark.parametrize(("world", "expected"), [(BASE, 0.115), (CLEAN, 0.115), (RARE, 0.039)])
def test_the_positive_are_as_many_as_the_reference_says(world: World, expected: float) -> None:
    people = cohort(20_000, TUNING_SEED, world).people
    assert people["is_positive"].mean() == pytest.approx(expected, abs=0.006)


def test_first_draws_have_the_insulin_and_homa_ir_of_the_reference(base: Cohort) -> None:
    first = base.draws.filter(pl.col("draw") == 0)
    insulin = first["insulin_uiu_ml"]
    homa_ir = insulin * first["glucose_mg_dl"] / 405
    assert insulin.median() == pytest.approx(8.6, abs=0.8)
    assert insulin.quantile(0.05) == pytest.approx(3.1, abs=0.5)
    assert insulin.quantile(0.95) == pytest.approx(28, abs=4)
    assert homa_ir.median() == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize(("n", "span"), [(2, 1.2), (4, 2.1), (6, 3.5), (8, 4.9), (10, 6.3)])
def test_median_span_grows_with_the_number_of_draws(base: Cohort, n: int, span: float) -> None:
    spans = base.draws.group_by("person").agg(pl.len(), pl.col("years").max())
    assert spans.filter(pl.col("len") == n)["years"].median() == pytest.approx(span, abs=0.2)


@pytest.mark.parametrize(
    ("world", "non_fasting", "haemolysed"),
    [(BASE, 0.05, 0.03), (HEAVY, 0.08, 0.05), (CLEAN, 0.0, 0.0)],
)
def test_contaminations_come_as_often_as_the_world_says(
    world: World, non_fasting: float, haemolysed: float
) -> None:
    draws = cohort(10_000, TUNING_SEED, world).draws
    found = shares(draws["contamination"])
    assert found.get("non_fasting", 0) == pytest.approx(non_fasting, abs=0.005)
    assert found.get("haemolysed", 0) == pytest.approx(haemolysed, abs=0.004)
    assert draws["is_haemolysis_reported"].mean() == pytest.approx(haemolysed / 2, abs=0.003)


def test_a_quiet_world_measures_the_truth() -> None:
    quiet = replace(
        CLEAN, insulin_cvi=0, insulin_cva=0, insulin_wander=0, metformin_insulin=0,
        glucose_cvi=0, glucose_cva=0, glucose_wander=0, metformin_glucose=0,
    )  # fmt: skip
    made = cohort(2_000, 1, quiet)
    free = made.people.filter(pl.col("insulin_therapy") == "none")
    draws = made.draws.join(free, on="person", how="semi")
    np.testing.assert_allclose(draws["insulin_uiu_ml"], draws["true_insulin"], rtol=1e-12)
    np.testing.assert_allclose(draws["glucose_mg_dl"], draws["true_glucose"], rtol=1e-12)


def test_true_glucose_is_100_when_a_decompensating_person_crosses(base: Cohort) -> None:
    crossing = base.people.filter(pl.col("class_") == "climbing_decompensating")
    draws = base.draws.join(crossing.select("person", "crosses_years"), on="person")
    after = draws["years"] >= draws["crosses_years"]
    assert crossing["crosses_years"].null_count() == 0
    assert draws.filter(after)["true_glucose"].min() >= 100 - 1e-6
    assert draws.filter(~after)["true_glucose"].max() < 100


def test_the_label_is_a_climbing_slope_under_fine_glucose(base: Cohort) -> None:
    last = base.draws.group_by("person").agg(pl.col("true_glucose").sort_by("draw").last())
    people = base.people.join(last, on="person").sort("person")
    expected = (
        (people["slope"] >= np.log(1.05))
        & (people["true_glucose"] < 100)
        & (people["glucose_slope"] < 1.5)
    )
    assert people["is_positive"].equals(expected)


def test_the_same_seed_gives_the_same_cohort_and_another_does_not() -> None:
    one, again, other = cohort(300, 5), cohort(300, 5), cohort(300, 6)
    assert one.people.equals(again.people)
    assert one.draws.equals(again.draws)
    assert not one.draws.equals(other.draws)


def test_pairs_leave_out_reported_haemolysis_and_known_insulin_therapy(base: Cohort) -> None:
    pairs = base.pairs().collect()
    known = base.people.filter(pl.col("insulin_therapy") == "known")["person"]
    kept = ~base.draws["is_haemolysis_reported"] & ~base.draws["person"].is_in(known.implode())
    assert pairs.height == kept.sum()
    assert pairs["glucose_mg_dl"].min() > 30


def test_pairs_with_platforms_known_hold_no_platform_effect() -> None:
    made, key = cohort(500, 9), ["patient_id", "drawn_on"]
    uncorrected = made.pairs(is_platform_known=False).sort(key).collect()["insulin_uiu_ml"]
    removed = (uncorrected / made.pairs().sort(key).collect()["insulin_uiu_ml"]).log()
    assert removed.std() == pytest.approx(made.draws["platform_effect"].std(), rel=0.05)
    assert removed.mean() == pytest.approx(made.draws["platform_effect"].mean(), abs=0.01)


@pytest.mark.parametrize("n", [0, -3])
def test_a_cohort_of_nobody_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="at least one person"):
        cohort(n, 1)


def test_a_world_whose_shares_do_not_sum_to_one_is_refused() -> None:
    with pytest.raises(ValueError, match="sum to one"):
        cohort(10, 1, replace(BASE, draws=(0.5,) * 9))
