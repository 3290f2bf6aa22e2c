"""The oracle against the simulation whose secrets it knows."""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
import polars as pl
import pytest
from scipy import stats

from transforms.synthetic.oracle import (
    Samples,
    _drawn,
    _glucose,
    _insulin,
    _log_density,
    _meets,
    _observed,
    _persons,
    posterior,
)
from transforms.synthetic.physiology import BASE, CLEAN, Cohort
from transforms.synthetic.worlds import SCENARIOS, Scenario, ScenarioError, Wishes, wished
from transforms.validation import MODEL, judged, ranking

SEED, N, SAMPLES = 1204, 500, 2500
SCENARIO = SCENARIOS["base"]


@pytest.fixture(scope="module")
def made() -> Cohort:
    return SCENARIO.cohort(N, SEED)


@pytest.fixture(scope="module")
def seen(made: Cohort) -> pl.DataFrame:
    return judged(made).join(posterior(made, SCENARIO, SAMPLES), on="patient_id")


def spans(made: Cohort) -> np.ndarray:
    """Planned, as the simulation has them."""
    n = made.people["n_draws"].to_numpy()
    return (n - 1) * BASE.gap * np.where(n <= 3, 1.8, 1)


@pytest.mark.parametrize("name", ["base", "smooth"])
def test_the_oracles_people_change_as_the_simulations_do(name: str) -> None:
    scenario = SCENARIOS[name]
    people = scenario.people(np.random.default_rng(SEED), 400)
    therapy = np.where(people.on_insulin, log(2), 0)
    rows = _persons(people, np.full(400, 3.0))
    assert np.isfinite(people.crosses).any() == (name == "base")
    for t in (0.0, 0.4, 1.0, 2.5, 6.0, 11.0):
        at = np.full(400, t)
        insulin = [_insulin(row, 3.0, t) for row in rows]
        np.testing.assert_allclose(insulin, people.true_insulin(at) + therapy, atol=1e-12)
        glucose = [_glucose(row, t) for row in rows]
        np.testing.assert_allclose(glucose, people.true_glucose(at), rtol=1e-12)


def test_the_oracle_labels_people_as_the_simulation_does(made: Cohort) -> None:
    rows = _persons(SCENARIO.people(np.random.default_rng(SEED), N), spans(made))
    truth = _drawn(SCENARIO, 10, 1)._replace(person=rows)
    ids, people = _observed(made, BASE)
    label = dict(made.people.select(pl.col("person").cast(pl.String), "is_positive").iter_rows())
    found = []
    for i, patient in enumerate(ids):
        mine = slice(people.start[i], people.start[i + 1])
        drawn = (people.draw[mine], people.centred[mine], people.span[i])
        found.append(_meets(truth, int(patient), *drawn) == label[patient])
    assert all(found)
    assert 20 < sum(label.values()) < N / 4


def test_spans_are_those_that_were_planned(made: Cohort) -> None:
    ids, people = _observed(made, BASE)
    assert people.span == pytest.approx(spans(made)[ids.cast(pl.Int64).to_numpy()])


def test_a_draw_is_as_likely_as_the_mixture_of_all_that_may_have_happened() -> None:
    drawn = _drawn(SCENARIO, 50, 1)
    for kind in drawn.kind[:10]:
        for at in ((0.0, 0.0), (1.1, 0.2), (-0.6, 0.02), (1.8, -0.1)):
            expected = sum(
                np.exp(row[5] + log(2 * np.pi) + 0.5 * np.linalg.slogdet(covariance(row))[1])
                * stats.multivariate_normal(row[:2], covariance(row)).pdf(at)
                for row in kind
            )
            assert _log_density(kind, *at) == pytest.approx(log(expected), abs=1e-9)


def covariance(row: np.ndarray) -> np.ndarray:
    return np.linalg.inv([[row[2], row[3]], [row[3], row[4]]])


def test_the_rates_of_what_may_happen_are_those_of_draws_not_reported() -> None:
    drawn = _drawn(SCENARIO, 4000, 1)
    determinant = drawn.kind[..., 2] * drawn.kind[..., 4] - drawn.kind[..., 3] ** 2
    rates = np.exp(drawn.kind[..., 5] + log(2 * np.pi)) / np.sqrt(determinant)
    assert rates.sum(1) == pytest.approx(1 - BASE.haemolysed * BASE.haemolysis_reported)
    assert rates.mean(0)[1:] == pytest.approx([0.05, 0.015, 0.003], abs=0.003)


def test_noise_is_as_wide_as_in_the_simulation() -> None:
    alike = replace(CLEAN, person_noise_sd=0)
    scenario = Scenario(alike, "")
    drawn, made = _drawn(scenario, 10, 1), scenario.cohort(6000, 3)
    free = made.people.filter(pl.col("insulin_therapy") == "none")
    draws = made.draws.filter(~pl.col("on_metformin") & pl.col("draw").ge(2))
    draws = draws.join(free, on="person", how="semi")
    off = draws.select(
        (pl.col("insulin_uiu_ml") / pl.col("true_insulin")).log(),
        (pl.col("glucose_mg_dl") / pl.col("true_glucose")).log(),
    ).to_numpy()
    np.testing.assert_allclose(np.cov(off.T), covariance(drawn.kind[0, 0]), rtol=0.08)


def excess(p: np.ndarray, hit: np.ndarray) -> list[float]:
    """Hits beyond those claimed, in standard errors: people of low, middling and high claims."""
    groups = (p < 0.1, (p >= 0.1) & (p < 0.3), p >= 0.3)
    return [float((hit - p)[some].sum() / np.sqrt((p * (1 - p))[some].sum())) for some in groups]


def test_the_oracle_is_calibrated_in_its_own_world_and_not_in_another(
    made: Cohort, seen: pl.DataFrame
) -> None:
    few = wished(SCENARIO, Wishes(prevalence=0.02))
    wrong = judged(made).join(posterior(made, few, SAMPLES), on="patient_id")
    hit = seen["is_positive"].to_numpy()
    assert all(abs(z) < 3 for z in excess(seen["p"].to_numpy(), hit))
    assert excess(wrong["p"].to_numpy(), hit)[0] > 5


def test_the_oracle_ranks_better_than_the_model(seen: pl.DataFrame) -> None:
    hit = seen["is_positive"].to_numpy()
    best, ours = (ranking(seen[name].to_numpy(), hit) for name in ("p", MODEL))
    assert best.auroc > ours.auroc
    assert best.auprc > 2 * hit.mean()


def test_the_same_samples_say_the_same_and_others_nearly(made: Cohort, seen: pl.DataFrame) -> None:
    same, other = posterior(made, SCENARIO, SAMPLES), posterior(made, SCENARIO, SAMPLES, seed=7)
    both = seen.join(same, on="patient_id").join(other, on="patient_id", suffix="_other")
    assert both["p"].equals(both["p_right"])
    assert not both["p"].equals(both["p_other"])
    assert both.select(pl.corr("p", "p_other")).item() > 0.8


def test_it_speaks_of_everybody_not_known_to_take_insulin(made: Cohort) -> None:
    found = posterior(made, SCENARIO, 200)
    known = made.people.filter(pl.col("insulin_therapy") == "known")["person"].cast(pl.String)
    assert known.len() > 0
    assert found.height == N - known.len()
    assert not found["patient_id"].is_in(known.implode()).any()
    assert found["p"].is_between(0, 1).all()
    assert found["samples"].min() >= 1


def test_repeated_draws_are_refused() -> None:
    dup = SCENARIOS["dup"]
    with pytest.raises(ScenarioError, match="one draw a visit"):
        posterior(dup.cohort(5, 1), dup, 10)


def test_a_sample_is_dropped_only_where_it_weighs_nothing() -> None:
    drawn = _drawn(SCENARIO, 500, 1)
    bound = drawn.most
    densest = max(_log_density(kind, 0.0, 0.0) for kind in drawn.kind)
    assert isinstance(drawn, Samples)
    assert densest <= bound < densest + 0.5
