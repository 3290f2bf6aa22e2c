"""The measures against hand-made cases with a known answer."""

from __future__ import annotations

from dataclasses import replace
from math import isnan

import numpy as np
import polars as pl
import pytest
from scipy import stats

from transforms.lead_time import Follow, caught, followed, lead
from transforms.rivals import RIVALS, Visits
from transforms.synthetic.physiology import BASE, Cohort, cohort
from transforms.synthetic.worlds import (
    SCENARIOS,
    Scenario,
    ScenarioError,
    Wishes,
    wished,
)
from transforms.validation import (
    MODEL,
    ORACLE,
    calibration,
    calibration_error,
    discoveries,
    flags,
    judged,
    ranking,
    ranking_error,
    ratios,
    resamples,
    rows,
    ruled,
    strata,
)

SEED = 1203


@pytest.fixture(scope="module")
def seen() -> pl.DataFrame:
    return judged(cohort(1500, SEED))


def people(seed: int, n: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    hit = rng.random(n) < 0.2
    return rng.normal(0, 1, n) + hit, hit


def test_a_perfect_score_is_perfect_and_its_reverse_is_the_worst() -> None:
    hit = np.arange(200) < 20
    best, worst = ranking(hit.astype(float), hit), ranking(-hit.astype(float), hit)
    assert (best.auroc, best.auprc, best.sensitivity_99, best.ppv) == (1, 1, 1, 1)
    assert (worst.auroc, worst.sensitivity_95, worst.ppv) == (0, 0, 0)


def test_auroc_is_the_mann_whitney_statistic_with_ties_and_without() -> None:
    score, hit = people(1)
    for values in (score, np.round(score)):
        u = stats.mannwhitneyu(values[hit], values[~hit]).statistic
        expected = u / (hit.sum() * (~hit).sum())
        assert ranking(values, hit).auroc == pytest.approx(expected, abs=1e-12)


def test_auprc_and_ppv_are_those_counted_one_by_one() -> None:
    score, hit = people(2)
    best = hit[np.argsort(-score)]
    precision = np.cumsum(best) / np.arange(1, best.size + 1)
    assert ranking(score, hit).auprc == pytest.approx(precision[best].mean())
    assert ranking(score, hit).ppv == best[:40].mean()


def test_sensitivity_is_read_where_so_many_of_the_others_are_flagged() -> None:
    score, hit = people(3)
    for share, found in (
        (0.05, ranking(score, hit).sensitivity_95),
        (0.01, ranking(score, hit).sensitivity_99),
    ):
        threshold = np.quantile(score[~hit], 1 - share)
        assert found == pytest.approx((score[hit] > threshold).mean(), abs=0.01)


def test_people_who_tie_are_shared_out() -> None:
    hit = np.arange(1000) < 100
    same = ranking(np.zeros(1000), hit)
    assert same.auroc == pytest.approx(0.5)
    for value in (same.auprc, same.ppv):
        assert value == pytest.approx(0.1)
    assert same.sensitivity_95 == pytest.approx(0.05)


@pytest.mark.parametrize("everybody", [True, False])
def test_without_both_kinds_of_people_there_is_no_ranking(everybody: bool) -> None:
    score, hit = np.arange(60.0), np.full(60, everybody)
    assert isnan(ranking(score, hit).auroc)
    assert isnan(ranking_error(score, hit, resamples(60, 1)).ppv)


def test_the_bootstrap_error_is_how_much_rankings_of_new_people_differ() -> None:
    score, hit = people(4)
    claimed = ranking_error(score, hit, resamples(hit.size, 5))
    others = [ranking(*people(100 + k)) for k in range(60)]
    for name in ("auroc", "auprc", "ppv"):
        true = np.std([getattr(r, name) for r in others])
        assert getattr(claimed, name) == pytest.approx(true, rel=0.45)


def test_resamples_are_of_everybody_and_repeat_with_their_seed() -> None:
    assert (resamples(50, 1).sum(1) == 50).all()
    assert np.array_equal(resamples(50, 1), resamples(50, 1))
    assert not np.array_equal(resamples(50, 1), resamples(50, 2))


def test_a_rule_is_counted_as_in_the_textbook() -> None:
    flagged = np.array([1, 1, 1, 0, 0, 0, 0, 0], dtype=bool)
    hit = np.array([1, 0, 0, 1, 0, 0, 0, 0], dtype=bool)
    found = flags(flagged, hit)
    assert (found.sensitivity, found.flagged) == (1 / 2, 3 / 8)
    assert (found.specificity, found.ppv) == (4 / 6, 1 / 3)
    assert isnan(flags(~flagged & flagged, hit).ppv)


def test_discoveries_tell_the_false_share_and_the_one_claimed() -> None:
    p, hit = np.array([0.9, 0.7, 0.6, 0.2]), np.array([True, False, True, True])
    found = discoveries(p, hit, 0.6)
    assert (found.flagged, found.false) == (3, pytest.approx(1 / 3))
    assert found.claimed == pytest.approx((0.1 + 0.3 + 0.4) / 3)
    assert discoveries(p, hit, 0.95).flagged == 0
    assert isnan(discoveries(p, hit, 0.95).false)


def test_honest_claims_have_a_small_calibration_error_and_bold_ones_a_large() -> None:
    rng = np.random.default_rng(6)
    p = rng.random(20_000)
    hit = rng.random(p.size) < p
    assert calibration_error(calibration(p, hit)) < 0.012
    assert calibration_error(calibration(p, rng.random(p.size) < p**2)) > 0.1


def test_bins_hold_everybody_once_and_one_belongs_to_the_last() -> None:
    p = np.array([0.0, 0.1, 0.1999, 0.95, 1.0])
    bins = calibration(p, p > 0.5)
    assert [b.people for b in bins] == [1, 2, 0, 0, 0, 0, 0, 0, 0, 2]
    assert isnan(bins[5].claimed)
    assert bins[9].true == 1
    assert bins[9].error > 0.1


def test_everybody_is_judged_by_the_model_and_every_rival(seen: pl.DataFrame) -> None:
    names = [rival.name for rival in RIVALS]
    assert seen.columns == ["patient_id", "n_pairs", MODEL, "is_positive", *names]
    assert seen["n_pairs"].min() == 2
    assert seen["patient_id"].is_unique().all()
    assert seen.select(pl.col(MODEL, *names).is_nan().any()).row(0) == (False,) * (len(names) + 1)


def test_the_model_ranks_better_than_every_rival(seen: pl.DataFrame) -> None:
    first, *others = rows(seen, 1, [MODEL, *(rival.name for rival in RIVALS)])
    assert all(first.ranking.auprc > other.ranking.auprc for other in others)
    assert 0.005 < first.error.auroc < 0.04


def test_strata_hold_everybody_once(seen: pl.DataFrame) -> None:
    found = strata(seen, 1, [MODEL])
    assert [s.visits for s in found] == ["2", "3", "4", "5", "6", "7+"]
    assert sum(s.people for s in found) == seen.height
    assert sum(s.positive for s in found) == seen["is_positive"].sum()


def test_a_method_is_all_of_itself_and_less_of_a_better_one(seen: pl.DataFrame) -> None:
    better = (pl.col(MODEL) + pl.col("is_positive") * 0.1).alias(ORACLE)
    assert ratios(seen, 1, MODEL, MODEL).ranking.auroc == 1
    found = ratios(seen.with_columns(better), 1)
    assert found.ranking.auroc < 1
    assert 0 < found.error.auroc < 0.1


def test_every_rule_of_the_rivals_is_counted(seen: pl.DataFrame) -> None:
    found = {item.name: item.flags for item in ruled(seen)}
    assert list(found) == [rule.name for rival in RIVALS for rule in rival.rules]
    assert found["HOMA-IR > 2.9"].flagged < found["HOMA-IR > 2.5"].flagged
    assert found["HOMA-IR > 2.9"].specificity > found["HOMA-IR > 2.5"].specificity


def follow(n_never: int, crosses: list[float]) -> Follow:
    """So many never positive, and people who cross then; everybody is seen each year, from 0."""
    n = n_never + len(crosses)
    ids = pl.Series("patient_id", [f"{i:03}" for i in range(n)])
    years = np.tile(np.arange(6.0), (n, 1))
    of = Visits(ids, np.full(n, 6), years, np.zeros((n, 6)), np.zeros((n, 6)))
    is_never = np.arange(n) < n_never
    return Follow(of, years, is_never, np.append(np.full(n_never, np.nan), crosses))


def test_lead_time_counts_from_the_first_flag_to_the_crossing() -> None:
    seen = follow(100, [4.5, 4.5, 4.5, 4.5])
    score = np.zeros((104, 6))
    score[:5] = 1.0  # Five of a hundred may be flagged, at the most.
    score[100, 2:], score[101, 4:], score[102, 5:] = 2.0, 2.0, 2.0
    found = caught(seen, score, 0.05)
    assert found.ever_false == 0.05
    assert (found.before, found.one_year, found.two_years) == (0.5, 0.25, 0.25)
    assert found.median_lead == pytest.approx((2.5 + 0.5) / 2)


def test_a_threshold_is_never_looser_than_allowed() -> None:
    seen = follow(100, [4.5])
    score = np.zeros((101, 6))
    score[:30], score[100] = 1.0, 1.0  # Thirty tie: to flag them would be too many.
    assert caught(seen, score, 0.05).ever_false == 0
    assert caught(seen, score, 0.05).before == 0
    assert caught(seen, score, 0.30).before == 1


def test_with_nobody_to_catch_or_to_spare_nothing_is_said() -> None:
    assert isnan(caught(follow(10, []), np.zeros((10, 6)), 0.05).before)
    assert isnan(caught(follow(0, [4.5]), np.ones((1, 6)), 0.05).ever_false)


@pytest.fixture(scope="module")
def long() -> Cohort:
    return wished(SCENARIOS["base"], Wishes(draws=10)).cohort(1200, SEED)


def test_followed_are_climbers_who_cross_and_people_who_never_climb_unseen(long: Cohort) -> None:
    seen = followed(long)
    person = pl.DataFrame({"patient_id": seen.of.patient_id}).join(
        long.people.with_columns(patient_id=pl.col("person").cast(pl.String)),
        on="patient_id", maintain_order="left",
    )  # fmt: skip
    crossing = person.filter(pl.Series(np.isfinite(seen.crosses)))
    assert set(crossing["class_"]) == {"climbing_decompensating"}
    assert crossing.height > 10
    never = person.filter(pl.Series(seen.is_never))
    assert not never["is_positive"].any()
    assert "climbing_compensated" not in set(never["class_"])
    assert never.height > 0.6 * person.height


def test_years_of_visits_are_those_of_the_simulation(long: Cohort) -> None:
    seen, used = followed(long), long.draws.filter(~pl.col("is_haemolysis_reported"))
    years = used.with_columns(pl.col("person").cast(pl.String)).filter(
        pl.col("person").is_in(seen.of.patient_id.implode())
    )
    expected = years.sort("person", "years")["years"].to_numpy()
    np.testing.assert_allclose(seen.years[seen.of.is_made], expected, atol=2.1 / 365.25)


def test_every_method_is_held_to_the_same_share_of_false_flags() -> None:
    found = lead(wished(SCENARIOS["base"], Wishes(draws=8)).cohort(150, SEED))
    assert set(found.caught) == {MODEL, *(rival.name for rival in RIVALS)}
    for strict, loose in found.caught.values():
        assert strict.ever_false <= 0.05 < loose.ever_false + 0.05 <= 0.25
        assert strict.before <= loose.before


def test_nobody_crosses_who_was_not_seen_three_times_before() -> None:
    short = wished(SCENARIOS["base"], Wishes(draws=2)).cohort(100, SEED)
    assert short.people["crosses_years"].is_not_null().any()
    assert lead(short).crossing == 0


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_every_world_can_be_lived_in(name: str) -> None:
    made = SCENARIOS[name].cohort(300, SEED)
    assert 0.01 < made.people["is_positive"].mean() < 0.25
    assert made.pairs().collect().height > 300


def test_a_scenario_of_one_draw_a_visit_is_the_simulation_itself() -> None:
    one, other = SCENARIOS["base"].cohort(200, 9), cohort(200, 9)
    assert one.people.equals(other.people)
    assert one.draws.equals(other.draws)


def test_repeated_draws_share_their_day_and_truth_but_not_their_noise() -> None:
    draws = SCENARIOS["dup"].cohort(200, 9).draws
    visit = draws.group_by("person", "years").agg(pl.len(), pl.all().n_unique())
    assert set(visit["len"]) == {2}
    assert set(visit["true_insulin"]) == {1}
    assert set(visit["insulin_uiu_ml"]) == {2}


def test_the_smooth_world_has_no_classes_but_some_steep_slopes() -> None:
    people = SCENARIOS["smooth"].cohort(4000, 9).people
    assert people["class_"].n_unique() == 1
    assert people["slope"].kurtosis() > 5
    assert people["is_positive"].mean() > 0.05


def test_wishes_change_what_they_name_and_nothing_else() -> None:
    world = wished(SCENARIOS["base"], Wishes(draws=4, every=1.5, insulin_cv=0.3)).world
    assert world.draws == (0, 0, 1, 0, 0, 0, 0, 0, 0)
    assert world.gap == 1.5
    assert np.hypot(world.insulin_cvi, world.insulin_cva) == pytest.approx(0.3)
    assert world.shares == BASE.shares
    assert wished(SCENARIOS["base"], Wishes()) == SCENARIOS["base"]


@pytest.mark.parametrize("draws", [3, 5])
def test_years_between_draws_come_out_as_wished(draws: int) -> None:
    world = wished(SCENARIOS["clean"], Wishes(draws=draws, every=2.0))
    made = world.cohort(1500, 9).draws.sort("person", "draw")
    gaps = made.select(pl.col("years").diff().over("person")).drop_nulls()["years"]
    # Somewhat less: after a high result people come sooner.
    assert 1.7 < gaps.median() < 2.0


@pytest.mark.parametrize("prevalence", [0.02, 0.2])
def test_a_prevalence_comes_out_as_wished(prevalence: float) -> None:
    made = wished(SCENARIOS["base"], Wishes(prevalence=prevalence)).cohort(20_000, 9)
    assert made.people["is_positive"].mean() == pytest.approx(prevalence, abs=0.005)


@pytest.mark.parametrize(
    ("name", "wishes"),
    [
        ("base", Wishes(draws=11)),
        ("base", Wishes(every=0)),
        ("base", Wishes(insulin_cv=-0.1)),
        ("base", Wishes(prevalence=0.95)),
        ("smooth", Wishes(prevalence=0.1)),
    ],
)
def test_what_cannot_be_simulated_is_refused(name: str, wishes: Wishes) -> None:
    with pytest.raises(ScenarioError):
        wished(SCENARIOS[name], wishes)


def test_a_cohort_needs_people_and_draws() -> None:
    for scenario, n in ((SCENARIOS["base"], 0), (Scenario(replace(BASE, repeats=0), ""), 5)):
        with pytest.raises(ScenarioError):
            scenario.cohort(n, 1)
