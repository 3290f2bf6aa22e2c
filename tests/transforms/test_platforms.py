"""Platform effects: planted ones are found, absent ones are not, few people bridge none."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from transforms import platforms as module
from transforms.platforms import Platform, Units, bridged, platforms, sums
from transforms.shapes import Floats, Ints

EFFECTS = {"A": 0.0, "B": 0.3, "C": -0.2}
CHANGE = date(2018, 7, 1)


def simulated(
    people: int,
    seed: int,
    *,
    moves: float = 0.5,
    step: float = 0.0,
    slope: float = 0.03,
    meals: tuple[float, float, float] = (0.0, 0.0, 0.0),
    effects: dict[str, float] = EFFECTS,
) -> pl.DataFrame:
    """Six draws, some nine months apart, of each of ``people`` between 2014 and 2023.

    ``moves``: share of people who change lab midway. ``step``: added to ln insulin in lab A from
    2018-07-01 on. ``meals``: share of draws of each lab after a meal, insulin five times.
    """
    rng = np.random.default_rng(seed)
    names = np.array(list(effects))
    lab = np.repeat(rng.integers(0, names.size, (people, 1)), 6, axis=1)
    lab[rng.random(people) < moves, 3:] += 1
    lab %= names.size
    gaps = rng.uniform(0.5, 1.0, (people, 6)).cumsum(1)
    t = np.floor((rng.uniform(0, 5, (people, 1)) + gaps) * 365.25).astype(np.int64)
    person = np.repeat(rng.normal(2.1, 0.5, (people, 1)), 6, axis=1)
    own_slope = slope + 0.05 * rng.normal(size=(people, 1))
    y = person + own_slope * t / 365.25 + 0.27 * rng.normal(size=lab.shape)
    y += np.array(list(effects.values()))[lab]
    y += step * ((lab == 0) & (t >= (CHANGE - date(2013, 6, 1)).days))
    y += np.log(5) * (rng.random(lab.shape) < np.array(meals)[lab])
    return pl.DataFrame(
        {
            "patient_id": [f"p{i}" for i in np.repeat(np.arange(people), 6)],
            "drawn_on": pl.Series(t.ravel()).cast(pl.Int32)
            + (date(2013, 6, 1) - date(1970, 1, 1)).days,
            "insulin_uiu_ml": np.exp(y.ravel()),
            "lab": names[lab.ravel()],
            "assay": "Roche",
        }
    ).with_columns(pl.col("drawn_on").cast(pl.Date))


def errors(found: tuple[Platform, ...], effects: dict[str, float] = EFFECTS) -> Floats:
    """Estimated minus planted, relative to the bridge's reference, by lab."""
    reference = {p.bridge: p.lab for p in found if p.effect == p.se == 0}
    return np.array(
        [p.effect - effects[str(p.lab)] + effects[str(reference[p.bridge])] for p in found]
    )


def steps(draws: pl.DataFrame) -> list[date]:
    return [p.from_on for p in platforms(draws) if p.from_on]


def test_planted_effects_are_recovered_relative_to_the_largest_platform() -> None:
    draws = simulated(600, 1001)
    found = platforms(draws)
    people = dict(draws.group_by("lab").agg(pl.col("patient_id").n_unique()).iter_rows())

    assert [p.lab for p in found] == ["A", "B", "C"]
    assert {p.lab: p.people for p in found} == people
    largest = max(found, key=lambda p: p.people)
    assert (largest.effect, largest.se) == (0, 0)
    assert {p.bridge for p in found} == {f"{largest.lab} / Roche"}
    assert np.abs(errors(found)).max() < 0.06


def test_standard_errors_are_as_large_as_the_errors() -> None:
    found = [p for seed in range(1100, 1120) for p in [platforms(simulated(600, seed))]]
    z = [error / p.se for of in found for p, error in zip(of, errors(of), strict=True) if p.se > 0]

    assert len(z) == 40
    assert 0.7 < np.sqrt(np.mean(np.square(z))) < 1.4


def test_people_who_stay_where_they_are_bridge_nothing() -> None:
    found = platforms(simulated(600, 1001, moves=0))

    assert [(p.bridge, p.effect, p.se) for p in found] == [
        (f"{lab} / Roche", 0, 0) for lab in "ABC"
    ]


def test_a_few_people_who_move_bridge_nothing() -> None:
    assert len({p.bridge for p in platforms(simulated(600, 1001, moves=0.05))}) == 3


def test_a_lab_with_one_patient_stands_alone_and_disturbs_nobody() -> None:
    draws = simulated(600, 1001)
    lone = draws.head(6).with_columns(patient_id=pl.lit("lone"), lab=pl.lit("D"))
    moved = lone.with_columns(lab=pl.lit("A"), drawn_on=pl.col("drawn_on").dt.offset_by("1mo"))
    found = platforms(pl.concat([draws, lone, moved]))

    assert (found[3].bridge, found[3].effect, found[3].people) == ("D / Roche", 0, 1)
    assert len({p.bridge for p in found[:3]}) == 1


def test_one_patient_is_a_cohort_in_which_nothing_is_known() -> None:
    one = simulated(1, 1001, moves=1)

    assert [(p.effect, p.people) for p in platforms(one)] == [(0, 1), (0, 1)]
    assert [p.people for p in platforms(one.head(1))] == [1]
    assert len({p.bridge for p in platforms(one)}) == 2


def test_two_equal_draws_on_two_platforms_are_no_proof_that_they_agree() -> None:
    two = simulated(1, 1001, moves=1).with_columns(insulin_uiu_ml=8.0)

    assert len({p.bridge for p in platforms(two)}) == 2


def test_one_platform_is_its_own_reference() -> None:
    (only,) = platforms(simulated(300, 1001, effects={"A": 0.0}))

    assert only == Platform("A", "Roche", None, "A / Roche", 0.0, 0.0, 300, is_found=False)


def test_no_usable_draw_is_no_platform() -> None:
    draws = simulated(5, 1001)
    no_value = draws.with_columns(insulin_uiu_ml=pl.lit(0.0))
    no_name = draws.with_columns(lab=pl.lit(None, pl.String), assay=pl.lit(None, pl.String))

    assert platforms(draws.clear()) == platforms(no_value) == platforms(no_name) == ()
    assert platforms(draws) != ()


def test_lab_or_assay_alone_is_a_platform_of_its_own() -> None:
    draws = simulated(600, 1001).with_columns(
        lab=pl.when(pl.col("lab") != "A").then("lab"),
        assay=pl.when(pl.col("lab") != "C").then("assay"),
    )
    found = platforms(draws)

    assert [(p.lab, p.assay) for p in found] == [(None, "Roche"), ("B", "Roche"), ("C", None)]
    assert found[1].effect - found[0].effect == pytest.approx(0.3, abs=0.06)
    assert found[2].effect - found[0].effect == pytest.approx(-0.2, abs=0.06)
    assert len({p.bridge for p in found}) == 1


def test_draws_of_one_day_tell_platforms_apart() -> None:
    draws = simulated(600, 1001, slope=0).with_columns(drawn_on=pl.lit(date(2020, 1, 1)))

    assert np.abs(errors(platforms(draws))).max() < 0.06


def test_the_order_of_rows_does_not_matter() -> None:
    draws = simulated(400, 1001, step=0.3, meals=(0.1, 0.2, 0))

    assert platforms(draws.sample(fraction=1, shuffle=True, seed=1)) == platforms(draws)


def moved(seed: int, meals: tuple[float, float, float]) -> Floats:
    """How far meals move the effects of labs B and C against A."""
    sober, fed = (platforms(simulated(2000, seed, meals=m)) for m in ((0, 0, 0), meals))
    by_meals = np.array([b.effect - a.effect for a, b in zip(sober, fed, strict=True)])
    return np.asarray(by_meals[1:] - by_meals[0])


@pytest.mark.parametrize(("meals", "most"), [((0.1, 0.1, 0.1), 0.015), ((0.05, 0.05, 0.0), 0.03)])
def test_draws_after_meals_hardly_move_the_effects(
    monkeypatch: pytest.MonkeyPatch, meals: tuple[float, float, float], most: float
) -> None:
    robust = np.concatenate([moved(seed, meals) for seed in range(1001, 1005)])
    monkeypatch.setattr(module, "_PASSES", 1)
    plain = np.concatenate([moved(seed, meals) for seed in range(1001, 1005)])

    assert np.sqrt(np.mean(robust**2)) < most
    assert np.sqrt(np.mean(plain**2)) > 1.5 * most


@pytest.mark.parametrize("seed", range(1001, 1005))
@pytest.mark.parametrize("slope", [0.0, 0.1, -0.05])
def test_no_step_is_found_where_there_is_none(seed: int, slope: float) -> None:
    assert steps(simulated(1500, seed, slope=slope)) == []


@pytest.mark.parametrize("seed", range(1001, 1005))
def test_a_step_of_thirty_percent_is_found_where_it_is(seed: int) -> None:
    (found,) = (p for p in platforms(simulated(1500, seed, step=np.log(1.3))) if p.is_found)

    assert found.lab == "A"
    assert found.from_on is not None
    assert abs((found.from_on - CHANGE).days) < 100


def test_two_steps_are_found_in_one_platform() -> None:
    draws = simulated(1500, 1001, effects={"A": 0.0}, moves=0, step=np.log(1.3))
    later = pl.col("drawn_on") >= date(2020, 7, 1)
    twice = draws.with_columns(pl.col("insulin_uiu_ml") * pl.when(later).then(0.7).otherwise(1))

    first, second = steps(twice)
    assert abs((first - CHANGE).days) < 60
    assert abs((second - date(2020, 7, 1)).days) < 60


def test_a_trend_that_bends_is_not_a_step() -> None:
    years = (pl.col("drawn_on") - CHANGE).dt.total_days() / 365.25
    bend = (0.08 * pl.max_horizontal(years, 0)).exp()
    draws = simulated(3000, 1001, effects={"A": 0.0}, moves=0)

    assert steps(draws.with_columns(pl.col("insulin_uiu_ml") * bend)) == []
    jump = pl.when(years >= 0).then(1.3).otherwise(1.0)
    assert len(steps(draws.with_columns(pl.col("insulin_uiu_ml") * bend * jump))) == 1


def test_a_jump_of_a_handful_of_people_is_not_a_step() -> None:
    draws = simulated(1500, 1001, effects={"A": 0.0}, moves=0)
    few = draws["patient_id"].unique().sort().head(20).implode()
    jumped = (pl.col("drawn_on") >= CHANGE) & pl.col("patient_id").is_in(few)
    all_jumped = pl.col("drawn_on") >= CHANGE

    def with_jump(where: pl.Expr) -> pl.DataFrame:
        return draws.with_columns(pl.col("insulin_uiu_ml") * pl.when(where).then(4).otherwise(1))

    assert steps(with_jump(jumped)) == []
    assert len(steps(with_jump(all_jumped))) == 1


def test_an_era_found_in_a_small_cohort_breaks_the_series() -> None:
    draws = simulated(1500, 1001, step=np.log(1.3))
    broken = next(p for p in platforms(draws) if p.is_found)
    joined = next(p for p in platforms(draws, found_from=1500) if p.is_found)
    first = next(p for p in platforms(draws, found_from=1500) if p.lab == "A" and not p.is_found)

    assert (broken.bridge, broken.effect) == (f"A / Roche from {broken.from_on}", 0)
    assert joined.bridge == first.bridge
    assert joined.effect - first.effect == pytest.approx(np.log(1.3), abs=0.06)


def test_no_two_platforms_read_alike() -> None:
    names = [("a / b", "c"), ("a", "b / c"), ("a", None), (None, "a")]
    draws = pl.concat(
        simulated(2, 1001, effects={"A": 0.0}).with_columns(
            lab=pl.lit(lab, pl.String), assay=pl.lit(assay, pl.String)
        )
        for lab, assay in names
    )

    assert {p.bridge for p in platforms(draws)} == {
        "a // b / c",
        "a / b // c",
        "a / assay not stated",
        "lab not stated / a",
    }


def test_draws_are_told_their_bridge_and_effect() -> None:
    draws = simulated(1500, 1001, step=np.log(1.3))
    known = platforms(draws, found_from=0)
    unknown = draws.head(1).with_columns(lab=pl.lit("Z"))
    told = bridged(pl.concat([draws, unknown]), known)
    era = next(p for p in known if p.is_found)

    assert told.select(draws.columns).equals(pl.concat([draws, unknown]))
    assert told.tail(1).select("bridge", "platform_effect").row(0) == (None, 0)
    of_era = told.filter(pl.col("lab") == "A", pl.col("drawn_on") >= era.from_on)
    assert of_era.select("bridge", "platform_effect").unique().rows() == [(era.bridge, era.effect)]


def units(people: int, seed: int) -> tuple[Units, Ints, Floats]:
    rng = np.random.default_rng(seed)
    n = 4 * people
    person = np.repeat(np.arange(people), 4)
    code = np.sort(rng.integers(0, 3, (people, 4)), axis=1).ravel()
    y, years = rng.normal(size=(2, n))
    found = Units(np.arange(n), y, years, person, np.arange(0, n, 4))
    return found, code, rng.uniform(0.2, 1, n)


def test_sums_are_those_of_least_squares_within_people() -> None:
    some, code, weight = units(30, 1001)
    dense = np.column_stack(
        [some.years, code[:, None] == np.arange(3), some.unit[:, None] == np.arange(30)]
    )
    root = np.sqrt(weight)[:, None]
    of_people = root * dense[:, 4:]
    free = np.eye(120) - of_people @ np.linalg.pinv(of_people)
    x, y = free @ (root * dense[:, :4]), root[:, 0] * some.y
    found = sums(some, code, weight, 3)

    np.testing.assert_allclose(found.normal, x.T @ x, atol=1e-9)
    np.testing.assert_allclose(found.right, x.T @ y, atol=1e-9)


def test_sums_of_shards_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    some, code, weight = units(300, 1001)
    monkeypatch.setattr(module, "SHARD", 250)
    shards = list(some.shards())
    total = [sums(some.part(at), code[at], weight[at], 3) for at in shards]
    added = sum(total[1:], start=total[0])

    assert len(shards) == 5
    np.testing.assert_allclose(added.normal, sums(some, code, weight, 3).normal, atol=1e-9)
    np.testing.assert_allclose(added.right, sums(some, code, weight, 3).right, atol=1e-9)


def test_shards_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = simulated(400, 1001, step=0.3)
    whole = platforms(draws)
    monkeypatch.setattr(module, "SHARD", 500)

    assert [p.effect for p in platforms(draws)] == pytest.approx([p.effect for p in whole])
    assert [p.bridge for p in platforms(draws)] == [p.bridge for p in whole]
