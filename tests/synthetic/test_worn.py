"""Sensors and phones around the draws of the synthetic clinic: what they saw of the morning."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from transforms.conform import Arrival, conform
from transforms.landing import Opened, Source
from transforms.readers import reader
from transforms.synthetic.breakfasts import (
    FED_BEFORE_H,
    WOKE_BEFORE_DRAW_H,
    watched_draws,
    with_breakfasts,
)
from transforms.synthetic.people import WATCHED, Clientele, clientele
from transforms.synthetic.phones import Carried, carried, carriers, written
from transforms.synthetic.results import visits
from transforms.synthetic.sensors import Wear, readings
from transforms.synthetic.worn import WATCHING, Worn, worn

FIRST = date(2026, 11, 16)
NIGHTS = tuple(FIRST + timedelta(days=i) for i in range(5))
SEED = 14
ZONE = "Europe/Rome"
FED, FASTED = WATCHED


@pytest.fixture(scope="module")
def clients() -> Clientele:
    return clientele(400, SEED, NIGHTS)


@pytest.fixture(scope="module")
def visit(clients: Clientele) -> pl.DataFrame:
    return visits(clients, SEED, FIRST)


@pytest.fixture(scope="module")
def sensors(clients: Clientele, visit: pl.DataFrame) -> dict[str, Worn]:
    made = worn(clients.people, visit, FIRST, SEED)
    return {each.wearer.patient_id: each for each in made}


@pytest.fixture(scope="module")
def phones(visit: pl.DataFrame) -> dict[str, Carried]:
    return {each.patient_id: each for each in carried(visit, FIRST, SEED)}


def people_of(clients: Clientele, *roles: str) -> list[str]:
    return clients.people.filter(pl.col("role").is_in(roles))["patient_id"].to_list()


# ---------------------------------------------------------------- mornings


def test_who_was_fasting_eats_after_the_draw_and_who_was_not_before_it(
    visit: pl.DataFrame,
) -> None:
    at = pl.col("collected_at").dt
    fed = pl.col("contamination") == "non_fasting"
    found = visit.select(fed=fed, since=at.hour() + at.minute() / 60 - pl.col("ate_h"))
    low, high = FED_BEFORE_H
    assert found.filter("fed")["since"].is_between(low, high).all()
    assert (found.filter(~pl.col("fed"))["since"] < 0).all()
    assert found.filter("fed").height > 50


def test_everybody_wakes_before_the_draw_and_before_breakfast(visit: pl.DataFrame) -> None:
    at = pl.col("collected_at").dt
    fed = pl.col("contamination") == "non_fasting"
    found = visit.select("ate_h", "woke_h", fed=fed, drawn=at.hour() + at.minute() / 60)
    assert (found["woke_h"] < found["ate_h"]).all()
    slept = found.filter(~pl.col("fed")).select(pl.col("drawn") - pl.col("woke_h")).to_series()
    assert slept.is_between(*WOKE_BEFORE_DRAW_H).all()


def test_mornings_do_not_depend_on_what_else_is_known_of_a_visit(visit: pl.DataFrame) -> None:
    bare = visit.select("collected_at", "contamination")
    again = with_breakfasts(bare, SEED)
    assert again["ate_h"].equals(visit["ate_h"])
    assert not with_breakfasts(bare, SEED + 1)["ate_h"].equals(visit["ate_h"])


# ---------------------------------------------------------------- sensors


def rise_before(sensor: Worn, drawn_at: datetime) -> float:
    """mg/dL by which the three hours before the draw exceed the two before those."""
    at, value = sensor.readings["local_at"], sensor.readings["glucose_mg_dl"]
    start = drawn_at - timedelta(hours=3)
    after = value.filter(at.is_between(start, drawn_at)).rolling_mean(3).max()
    before = value.filter(at.is_between(start - timedelta(hours=2), start)).median()
    assert isinstance(after, float)
    assert isinstance(before, float)
    return after - before


def watched_rises(
    clients: Clientele, visit: pl.DataFrame, sensors: dict[str, Worn], role: str
) -> list[float]:
    day = watched_draws(visit, [role])
    own = visit.join(day, on=["patient_id", "drawn_on"], how="semi")
    drawn = dict(own.select("patient_id", "collected_at").iter_rows())
    return [rise_before(sensors[p], drawn[p]) for p in people_of(clients, role)]


def test_a_sensor_shows_the_breakfast_before_a_draw_after_food_and_none_before_the_others(
    clients: Clientele, visit: pl.DataFrame, sensors: dict[str, Worn]
) -> None:
    fed = watched_rises(clients, visit, sensors, FED)
    fasted = watched_rises(clients, visit, sensors, FASTED)
    assert len(fed) == len(fasted) == 4
    assert np.mean(fed) > np.mean(fasted) + 15
    assert min(fed) > 15
    assert np.mean(fasted) < 12


def test_a_watching_sensor_is_worn_over_the_draw_and_the_days_around_it(
    visit: pl.DataFrame, sensors: dict[str, Worn]
) -> None:
    for patient_id, drawn_on in (
        watched_draws(visit, WATCHED).select("patient_id", "drawn_on").iter_rows()
    ):
        local = sensors[patient_id].readings["local_at"].dt.date()
        before = local.filter(local < drawn_on).n_unique()
        after = local.filter(local > drawn_on).n_unique()
        assert before >= 7
        assert after >= 3
        assert drawn_on in local


def share_above(sensor: Worn, limit: float) -> float:
    share = (sensor.readings["glucose_mg_dl"] > limit).mean()
    assert isinstance(share, float)
    return share


def test_some_sensors_show_high_glucose_after_meals_only(
    clients: Clientele, sensors: dict[str, Worn]
) -> None:
    high = people_of(clients, "after_meals")
    assert len(high) == 2
    for person in high:
        shown = sensors[person].readings
        assert share_above(sensors[person], 180) > 0.02
        assert share_above(sensors[person], 140) > 0.10
        night = shown.filter(pl.col("local_at").dt.hour() < 5)["glucose_mg_dl"].median()
        assert isinstance(night, float)
        assert night < 105
    fasting = clients.people.filter(pl.col("patient_id").is_in(high))["last_glucose"]
    assert (fasting < 100).all()


def test_other_people_without_diabetes_hardly_pass_180(
    clients: Clientele, sensors: dict[str, Worn]
) -> None:
    for person in people_of(clients, "sensor", FASTED, FED):
        assert share_above(sensors[person], 180) < 0.01


def test_a_moved_breakfast_moves_nothing_but_that_morning() -> None:
    wear = Wear(date(2026, 3, 2), 4, 5, 90)
    usual = readings(wear, np.random.default_rng(1))
    moved = readings(replace(wear, breakfasts=((2, 5.5),)), np.random.default_rng(1))
    change = (moved["glucose_mg_dl"] - usual["glucose_mg_dl"]).abs()
    changed = usual.filter(change > 1)["local_at"]
    assert changed.dt.date().unique().to_list() == [date(2026, 3, 4)]
    assert changed.min() == datetime(2026, 3, 4, 5, 35)  # noqa: DTZ001


def test_everybody_of_a_watching_role_wears_a_sensor(
    clients: Clientele, sensors: dict[str, Worn]
) -> None:
    assert set(people_of(clients, *WATCHING)) <= sensors.keys()


# ---------------------------------------------------------------- phones


@pytest.fixture(scope="module")
def samples(
    phones: dict[str, Carried], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, pl.DataFrame]]:
    """What the house's reader makes of every export: patient -> table -> rows."""
    folder = tmp_path_factory.mktemp("phones")
    return {person: read(folder, phone) for person, phone in phones.items()}


def read(folder: Path, phone: Carried) -> dict[str, pl.DataFrame]:
    path = folder / f"{phone.patient_id}.zip"
    path.write_bytes(phone.file(FIRST))
    source = Source("apple_health", "apple_health", ZONE)
    opened = Opened(path, "export.zip", source, folder, phone.patient_id)
    reading = reader("apple_health")(opened)
    arrival = Arrival("apple_health", 1, FIRST, ZONE, reading.time_formats, reading.decimal)
    tables = {
        name: conform(name, frame, arrival).collect() for name, frame in reading.tables.items()
    }
    return {**tables, "rejects": reading.rejects.collect()}


def test_an_export_is_read_whole(samples: dict[str, dict[str, pl.DataFrame]]) -> None:
    for tables in samples.values():
        assert tables["rejects"]["reason"].str.starts_with("record_not_used:").all()
        assert tables["rejects"].height <= 2
        kinds = dict(tables["sample"]["kind"].value_counts().iter_rows())
        assert kinds == {"sleep_duration": 60, "steps": 900, "resting_heart_rate": 60}
        assert tables["observation"]["analyte"].to_list() == ["weight"] * 31
        assert tables["sample"]["value"].null_count() == 0


def test_sleep_ends_where_the_person_woke_on_the_day_of_a_draw(
    visit: pl.DataFrame, samples: dict[str, dict[str, pl.DataFrame]]
) -> None:
    watched = watched_draws(visit, WATCHED)
    own = visit.join(watched, on=["patient_id", "drawn_on"], how="semi")
    rows = own.select("patient_id", "drawn_on", "woke_h", "ate_h").iter_rows()
    for patient_id, drawn_on, woke, ate in rows:
        sample = samples[patient_id]["sample"].filter(pl.col("kind") == "sleep_duration")
        ended = sample["ended_at"].dt.replace_time_zone("UTC").dt.convert_time_zone(ZONE)
        of_day = ended.filter(ended.dt.date() == drawn_on)
        assert len(of_day) == 1
        hour = of_day.dt.hour().item() + of_day.dt.minute().item() / 60
        assert hour == pytest.approx(woke, abs=0.05)
        assert hour < ate


def test_weights_of_climbers_reach_far_enough_for_a_slope_and_follow_their_visits(
    visit: pl.DataFrame, samples: dict[str, dict[str, pl.DataFrame]]
) -> None:
    climbers = carriers(visit).filter(pl.col("until").is_null())
    assert climbers.height == 4
    for person, patient_id in climbers.select("person", "patient_id").iter_rows():
        weights = samples[patient_id]["observation"]
        span = weights["observed_on"].max() - weights["observed_on"].min()  # type: ignore[operator]
        assert span >= timedelta(days=180)
        own = visit.filter(pl.col("person") == person)["true_weight"]
        low, high = own.min(), own.max()
        assert isinstance(low, float)
        assert isinstance(high, float)
        assert weights["value"].is_between(low - 2, high + 2).all()


def test_no_phone_tells_of_the_night_it_is_delivered_or_later(
    samples: dict[str, dict[str, pl.DataFrame]],
) -> None:
    for tables in samples.values():
        newest = tables["sample"]["observed_at"].max()
        assert isinstance(newest, datetime)
        assert newest.date() < FIRST


def test_times_that_the_clocks_leave_out_are_an_hour_later() -> None:
    local = ["2026-03-29T02:30:00", "2026-03-29T03:30:00", "2026-10-25T02:30:00"]
    shown = written(np.array(local, dtype="datetime64[us]"))
    assert shown.to_list() == [
        "2026-03-29 03:30:00 +0200",
        "2026-03-29 03:30:00 +0200",
        "2026-10-25 02:30:00 +0200",
    ]
