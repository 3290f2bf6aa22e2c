"""Frozen models: kept to the bit, platforms placed, effects taken off."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from math import exp, log

import numpy as np
import polars as pl
import pytest

from transforms.catalog.prior import SHIPPED_NOISE, SHIPPED_PRIOR
from transforms.frozen import (
    SHIPPED,
    FrozenModel,
    bridged,
    decoded,
    encoded,
    in_force,
    levelled,
    models_frame,
    platforms_frame,
    refitted,
)
from transforms.platforms import Platform
from transforms.synthetic.physiology import CLEAN, cohort

NIGHT = date(2026, 3, 1)
CHANGE = date(2020, 7, 1)
PEOPLE = 150
DAYS = {"drawn_on": pl.Date, "lab": pl.String, "assay": pl.String, "model_version": pl.String}


def platform(
    lab: str | None,
    assay: str | None,
    bridge: str,
    effect: float = 0.0,
    people: int = 100,
    from_on: date | None = None,
) -> Platform:
    return Platform(lab, assay, from_on, bridge, effect, 0.03, people, from_on is not None)


def model(*known: Platform, version: str = "m", night: date = NIGHT) -> FrozenModel:
    return FrozenModel(version, night, SHIPPED_NOISE, SHIPPED_PRIOR, known)


def placed(
    known: FrozenModel, *days: tuple[str | None, str | None], on: date = CHANGE
) -> list[tuple[str, float]]:
    """Platform and effect of draws of these laboratories and assays."""
    rows = [(on, lab, assay, known.version) for lab, assay in days]
    frame = pl.LazyFrame(rows, DAYS, orient="row")
    models = {item.version: item for item in (SHIPPED, known)}
    told = bridged(frame, list(models.values())).select("platform", "platform_effect")
    return [(name, effect) for name, effect in told.collect().rows()]


@cache
def draws() -> pl.DataFrame:
    """People of a clean world; every other one passes from lab A to B, where 30 % is added."""
    at_b = (pl.col("drawn_on") >= date(2019, 1, 1)) & (pl.col("patient_id").cast(pl.Int64) % 2 == 0)
    pairs = cohort(PEOPLE, 2001, CLEAN).pairs().collect()
    return pairs.with_columns(
        lab=pl.when(at_b).then(pl.lit("B")).otherwise(pl.lit("A")),
        assay=pl.lit("X"),
        insulin_uiu_ml=pl.col("insulin_uiu_ml") * pl.when(at_b).then(1.3).otherwise(1.0),
    )


@cache
def fitted(first: int = PEOPLE) -> FrozenModel:
    """A refit to the first people."""
    people = draws().select("patient_id").unique().sort(pl.col("patient_id").cast(pl.Int64))
    return refitted(draws(), people.head(first), NIGHT)


# kept


def test_a_model_comes_back_to_the_last_bit() -> None:
    for known in (SHIPPED, fitted(), model(platform("L", "X", "L / X", 0.1, from_on=CHANGE))):
        again = decoded(encoded(known))
        assert again == known
        assert encoded(again) == encoded(known)
    assert fitted().platforms
    assert fitted() != SHIPPED


@pytest.mark.parametrize("text", ["", "{}", '{"version": "m"}', encoded(SHIPPED)[:-9]])
def test_what_is_no_model_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        decoded(text)


def test_a_row_per_model_names_it_and_holds_it_whole() -> None:
    frame = models_frame([SHIPPED, fitted()]).collect()

    assert frame["model_version"].to_list() == [SHIPPED_PRIOR.version, "fitted-2026-03-01"]
    assert frame["in_force_from"].to_list() == [date.min, NIGHT]
    assert frame["people"].to_list() == [SHIPPED_PRIOR.people, fitted().prior.people]
    assert [decoded(text) for text in frame["content"]] == [SHIPPED, fitted()]


def test_a_row_per_platform_says_its_effect_in_percent() -> None:
    frame = platforms_frame([SHIPPED, model(platform("B", "X", "A / X", log(1.3)))]).collect()

    assert frame.height == 1
    assert frame.row(0, named=True)["effect_pct"] == pytest.approx(30)
    assert frame.row(0, named=True)["bridge"] == "A / X"
    assert platforms_frame([SHIPPED]).collect().is_empty()


# fitted


def test_a_refit_says_where_it_is_from_and_knows_more_than_before() -> None:
    found = fitted()

    assert (found.version, found.in_force_from) == ("fitted-2026-03-01", NIGHT)
    assert found.prior.version == found.version
    assert found.prior.people == draws()["patient_id"].n_unique()
    assert "without labels on the night of 2026-03-01" in found.prior.provenance
    assert found.prior.weights != SHIPPED_PRIOR.weights
    assert sum(found.prior.weights) == pytest.approx(1)
    assert found.noise != SHIPPED_NOISE
    assert found.noise.insulin_sd < SHIPPED_NOISE.insulin_sd, "draws of a clean world"


def test_a_refit_estimates_the_step_between_two_laboratories() -> None:
    by_lab = {item.lab: item for item in fitted().platforms}

    assert by_lab["A"].bridge == by_lab["B"].bridge
    step = by_lab["B"].effect - by_lab["A"].effect
    assert abs(step - log(1.3)) < 3 * by_lab["B"].se


def test_a_sample_decides_the_prior_and_not_the_platforms() -> None:
    some = fitted(60)

    assert some.prior.people <= 60 < fitted().prior.people
    assert some.prior.weights != fitted().prior.weights
    assert some.platforms == fitted().platforms


def test_a_refit_does_not_depend_on_the_order_of_rows() -> None:
    mixed = draws().sample(fraction=1, shuffle=True, seed=3)
    people = mixed.select("patient_id").unique(maintain_order=True)

    assert encoded(refitted(mixed, people, NIGHT)) == encoded(fitted())


def test_the_size_of_a_platforms_effect_does_not_reach_the_prior() -> None:
    at_b = pl.col("lab") == "B"
    twice = draws().with_columns(pl.col("insulin_uiu_ml") * pl.when(at_b).then(1.5).otherwise(1.0))
    found = refitted(twice, draws().select("patient_id").unique(), NIGHT)

    np.testing.assert_allclose(found.prior.weights, fitted().prior.weights, atol=0.02)
    assert found.noise.insulin_sd == pytest.approx(fitted().noise.insulin_sd, rel=0.03)


def test_a_patients_draws_on_another_platform_do_not_reach_the_prior() -> None:
    people = draws().select("patient_id").unique()
    of_a = draws().filter(pl.col("lab") == "A")
    last = of_a.sort("drawn_on").group_by("patient_id", maintain_order=True).last().head(5)
    high = pl.col("insulin_uiu_ml") * 6

    def with_extra(assay: str) -> FrozenModel:
        extra = last.select(
            pl.exclude("lab", "assay", "insulin_uiu_ml"), high, lab=pl.lit("Z"), assay=pl.lit(assay)
        ).with_columns(pl.col("drawn_on").dt.offset_by("1mo"))
        return refitted(pl.concat([of_a, extra.select(of_a.columns)]), people, NIGHT)

    alone = refitted(of_a, people, NIGHT)
    assert with_extra("Y").prior == alone.prior
    assert with_extra("X").prior != alone.prior, "the same assay in another place"


def test_a_refit_to_people_of_even_noise_leaves_room_for_noisy_ones() -> None:
    even = replace(CLEAN, insulin_cvi=0.1, person_noise_sd=0.0, insulin_wander=0.03)
    pairs = cohort(PEOPLE, 2002, even).pairs().collect()
    of_one = pairs.with_columns(lab=pl.lit("A"), assay=pl.lit("X"))
    found = refitted(of_one, pairs.select("patient_id").unique(), NIGHT)

    shares = [share for _, share in found.noise.scales]
    assert sum(shares) == pytest.approx(1)
    assert min(shares) > 0
    assert found.noise.insulin_sd < fitted().noise.insulin_sd


def test_a_refit_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="no one"):
        refitted(draws(), draws().select("patient_id").clear(), NIGHT)


# placed

A = platform("A", "X", "A / X", 0.0, 500)
B = platform("B", "Y", "A / X", 0.3, 80)


def test_platforms_of_one_bridge_stand_in_one_series_each_with_its_effect() -> None:
    assert placed(model(A, B), ("A", "X"), ("B", "Y")) == [("A / X", 0.0), ("A / X", 0.3)]


def test_without_a_bridge_platforms_stand_apart_and_have_no_effect() -> None:
    own = platform("B", "Y", "B / Y")
    assert placed(model(A, own), ("A", "X"), ("B", "Y")) == [("A / X", 0.0), ("B / Y", 0.0)]


@pytest.mark.parametrize(("on", "effect"), [(date(2020, 6, 30), 0.0), (CHANGE, 0.25)])
def test_a_draw_belongs_to_the_era_of_its_day(on: date, effect: float) -> None:
    era = platform("A", "X", "A / X", 0.25, 300, CHANGE)
    assert placed(model(A, era), ("A", "X"), on=on) == [("A / X", effect)]


@pytest.mark.parametrize(("on", "name"), [(date(2020, 6, 30), "A / X"), (CHANGE, "A / X from")])
def test_an_era_that_is_not_bridged_breaks_the_series(on: date, name: str) -> None:
    era = platform("A", "X", "A / X from", 0.0, 300, CHANGE)
    assert placed(model(A, era), ("A", "X"), on=on) == [(name, 0.0)]


def test_a_laboratory_nobody_bridges_is_put_beside_its_assays_largest() -> None:
    lone = platform("C", "Y", "C / Y", 0.0, 3)
    assert placed(model(A, B, lone), ("C", "Y")) == [("A / X", 0.3)]
    other = platform("C", "Z", "C / Z", 0.0, 3)
    assert placed(model(A, B, other), ("C", "Z")) == [("C / Z", 0.0)]


def test_laboratories_of_one_assay_are_put_together_though_nobody_bridges_any() -> None:
    alone = [platform(lab, "X", f"{lab} / X", 0.0, n) for lab, n in (("A", 9), ("B", 90))]
    assert placed(model(*alone), ("A", "X"), ("B", "X")) == [("B / X", 0.0)] * 2


def test_a_laboratory_that_is_bridged_stays_where_it_is_though_another_is_larger() -> None:
    far = [platform("D", "Y", "D / Y", 0.0, 900), platform("E", "W", "D / Y", 0.1, 800)]
    assert placed(model(A, B, *far), ("B", "Y")) == [("A / X", 0.3)]


def test_a_laboratory_without_a_stated_assay_is_put_beside_nobody() -> None:
    nameless = platform("C", None, "C / assay not stated", 0.0, 3)
    also = platform("D", None, "D / assay not stated", 0.0, 90)
    told = placed(model(nameless, also), ("C", None), ("D", None))
    assert told == [("C / assay not stated", 0.0), ("D / assay not stated", 0.0)]


def test_what_the_model_does_not_know_goes_by_assay_or_laboratory_as_stated() -> None:
    unknown = (("Z", "W"), (None, "W"), ("Z", None), (None, None))
    assert placed(model(A, B), *unknown) == [("W", 0.0), ("W", 0.0), ("Z", 0.0), ("", 0.0)]


def test_a_laboratory_that_came_since_the_fit_is_put_beside_its_assays_largest() -> None:
    """As one with few people is: else the first patients of a new laboratory lose their series,
    and keep it lost until their next draw."""
    assert placed(model(A, B), ("N", "Y"), ("N", "X")) == [("A / X", 0.3), ("A / X", 0.0)]


def test_the_shipped_model_knows_assays_and_no_laboratory() -> None:
    assert placed(SHIPPED, ("A", "X"), ("B", "X"), ("A", "Y")) == [
        ("X", 0.0),
        ("X", 0.0),
        ("Y", 0.0),
    ]


def test_every_draw_is_placed_by_its_own_model() -> None:
    rows = [(CHANGE, "B", "Y", version) for version in ("m", SHIPPED.version, None)]
    told = bridged(pl.LazyFrame(rows, DAYS, orient="row"), [SHIPPED, model(A, B)]).collect()

    found = {row["model_version"]: row["platform_effect"] for row in told.iter_rows(named=True)}
    assert found == {"m": 0.3, SHIPPED.version: 0.0, None: 0.0}
    assert set(told.columns) == {*DAYS, "platform", "platform_effect"}


def test_no_draws_are_placed_nowhere() -> None:
    none = bridged(pl.LazyFrame(schema=DAYS), [SHIPPED, model(A, B)]).collect()

    assert none.is_empty()
    assert none.schema["platform"] == pl.String
    assert none.schema["platform_effect"] == pl.Float64


# taken off


def test_levelling_takes_the_effect_off_insulin_and_touches_nothing_else() -> None:
    pairs = pl.LazyFrame(
        {
            "insulin_uiu_ml": [13.0, 10.0, None],
            "glucose_mg_dl": [90.0, 91.0, 92.0],
            "platform_effect": [log(1.3), 0.0, 0.3],
        }
    )
    flat = levelled(pairs).collect()

    assert flat["insulin_uiu_ml"].to_list() == [pytest.approx(10), 10.0, None]
    assert flat.drop("insulin_uiu_ml").equals(pairs.drop("insulin_uiu_ml").collect())


def test_a_series_over_two_platforms_is_level_once_bridged_and_levelled() -> None:
    known = model(A, platform("B", "Y", "A / X", log(1.3)))
    rows = [(CHANGE, "A", "X", "m", 10.0), (CHANGE, "B", "Y", "m", 13.0)]
    frame = pl.LazyFrame(rows, {**DAYS, "insulin_uiu_ml": pl.Float64}, orient="row")
    values = levelled(bridged(frame, [known])).collect()["insulin_uiu_ml"].to_list()

    assert values == pytest.approx([10, 10])
    assert 13 * exp(-log(1.3)) == pytest.approx(10)


def test_who_holds_from_when_is_told_oldest_first() -> None:
    later = model(version="later", night=date(2026, 3, 8))
    rows = in_force([later, model(version="first"), SHIPPED]).collect().rows()

    assert rows == [
        (date.min, SHIPPED.version),
        (NIGHT, "first"),
        (date(2026, 3, 8), "later"),
    ]
