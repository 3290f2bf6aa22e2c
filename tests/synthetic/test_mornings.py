"""Simulated mornings against the numbers they were made from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from transforms.synthetic.mornings import BASE, HABITS, HARD, Mornings, mornings

FRAMES = ("draws", "glucose", "sleep", "activity", "truth")
DRAW = ["patient_id", "drawn_on"]
QUIET = replace(BASE, dawn=(0.1, 0.1), stressed=0, noise_sd=0.1, pressed=0, silent=0, workouts=0)


@pytest.fixture(scope="module")
def base() -> Mornings:
    return mornings(4000, 7031)


def traced(made: Mornings) -> pl.DataFrame:
    """Readings with hours before the draw and the truth."""
    hours = (pl.col("drawn_at") - pl.col("observed_at")).dt.total_seconds() / 3600
    return (
        made.glucose.join(made.draws, on="patient_id")
        .join(made.truth, on=DRAW)
        .with_columns(hours=hours)
    )


def test_the_same_numbers_make_the_same_mornings_and_others_do_not() -> None:
    one, again, other = (mornings(50, seed) for seed in (7032, 7032, 7033))
    for name in FRAMES:
        assert getattr(one, name).equals(getattr(again, name))
    assert not one.glucose.equals(other.glucose)


@pytest.mark.parametrize(("label", "rate"), BASE.not_fasting)
def test_labels_are_as_true_as_the_world_says(base: Mornings, label: str, rate: float) -> None:
    of = base.draws.join(base.truth, on=DRAW).filter(pl.col("label") == label)
    assert 1 - of["is_fasting"].to_numpy().mean() == pytest.approx(rate, abs=0.03)


def test_people_do_what_their_habits_say_as_often_as_they_do(base: Mornings) -> None:
    fed = base.truth.filter(~pl.col("is_fasting"))["habit"].value_counts(normalize=True)
    shares = dict(fed.iter_rows())
    assert shares == pytest.approx({h.name: h.share for h in HABITS if not h.is_fasting}, abs=0.04)
    assert set(base.truth.filter("is_fasting")["habit"]) == {"nothing"}


def test_who_breakfasts_rises_and_who_fasts_does_not() -> None:
    quiet = mornings(1500, 7034, QUIET)
    early = quiet.draws.filter(pl.col("drawn_local").dt.hour() < 11).select(DRAW)
    seen = traced(quiet).join(early, on=DRAW, how="semi").filter(pl.col("hours") < 4)
    spread = seen.group_by("patient_id", "habit").agg(
        rise=pl.col("value").max() - pl.col("value").min()
    )
    median = dict(spread.group_by("habit").agg(pl.col("rise").median()).iter_rows())
    assert median["nothing"] < 8
    assert 30 < median["breakfast"] < 60
    assert median["coffee with milk"] < median["slow breakfast"] < median["breakfast"]


def test_as_many_rise_at_dawn_by_twenty_as_the_source_says() -> None:
    still = mornings(
        6000, 7035, replace(QUIET, dawn=BASE.dawn, not_fasting=(("yes", 0.0),), labels=(1.0,))
    )
    local = pl.col("drawn_local") - pl.duration(seconds=pl.col("hours") * 3600)
    night = traced(still).with_columns(at=local.dt.hour()).filter(pl.col("at").is_between(3, 9))
    spans = night.group_by("patient_id").agg(rise=pl.col("value").max() - pl.col("value").min())
    assert 0.05 < (spans["rise"] >= 20).mean() < 0.13


def test_sensors_report_every_five_minutes_or_fifteen(base: Mornings) -> None:
    gap = pl.col("observed_at").diff().dt.total_seconds().median() / 60
    steps = base.glucose.group_by("patient_id").agg(step=gap)
    shares = dict(steps["step"].value_counts(normalize=True).iter_rows())
    assert set(shares) == {5.0, 15.0}
    assert shares[15.0] == pytest.approx(BASE.slow_sensors, abs=0.03)


def test_some_sensors_fall_silent_and_none_in_a_world_without() -> None:
    def longest(made: Mornings) -> pl.Series:
        gap = pl.col("observed_at").diff().dt.total_minutes().max()
        return made.glucose.group_by("patient_id").agg(gap=gap)["gap"]

    assert 0.08 < (longest(mornings(1500, 7036)) >= 30).mean() < 0.16
    assert (longest(mornings(300, 7036, replace(BASE, silent=0))) >= 30).sum() == 0


def test_nothing_is_seen_after_the_draw_or_long_before(base: Mornings) -> None:
    hours = traced(base)["hours"]
    assert hours.min() >= 0
    assert hours.max() <= 12.1
    for frame in (base.sleep, base.activity):
        late = frame.join(base.draws, on="patient_id").filter(
            pl.col("ended_at") > pl.col("drawn_at")
        )
        assert late.is_empty()
        assert (frame["ended_at"] > frame["observed_at"]).all()


def test_everybody_slept_and_woke_before_the_draw(base: Mornings) -> None:
    awake = (
        base.sleep.filter(pl.col("ended_at") - pl.col("observed_at") > pl.duration(hours=1))
        .join(base.draws, on="patient_id")
        .group_by("patient_id")
        .agg(h=(pl.col("drawn_at") - pl.col("ended_at")).dt.total_minutes().min() / 60)
    )
    assert awake.height == base.draws.height
    assert awake["h"].min() >= 0
    assert 1 < float(np.median(awake["h"])) < 4


def test_who_ate_is_drawn_later(base: Mornings) -> None:
    hour = pl.col("drawn_local").dt.hour()
    late = base.draws.join(base.truth, on=DRAW).group_by("is_fasting").agg(p=(hour >= 11).mean())
    shares = dict(late.iter_rows())
    assert shares[True] == pytest.approx(BASE.afternoon[0], abs=0.03)
    assert shares[False] == pytest.approx(BASE.afternoon[1], abs=0.04)


def test_the_hard_world_is_noisier() -> None:
    spreads = []
    for world in (BASE, HARD):
        last = traced(mornings(800, 7037, world)).filter("is_fasting", pl.col("hours") < 4)
        rise = pl.col("value").max() - pl.col("value").median()
        spreads.append(last.group_by("patient_id").agg(rise=rise)["rise"].median())
    assert spreads[1] > 1.2 * spreads[0]
