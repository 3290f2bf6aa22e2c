"""The sensors people of the clinic wear: whose, of which brand, when, and the files they become.

Some are worn for two weeks before the nights; some around a draw, whose breakfast lies before it
or after it as the draw was fasting or not; two people's glucose is fine when they fast and
passes 180 mg/dL after meals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl

from transforms.synthetic import emit
from transforms.synthetic.breakfasts import watched_draws
from transforms.synthetic.people import WATCHED
from transforms.synthetic.sensors import Wear, autumn_change, readings

STREAM, WATCHED_STREAM = 5, 10
"""Of the seed's random numbers, those of the first sensors and of the watched people's."""
AFTER_MEALS = 2.4
"""Times the usual rise after meals: tops of 170 to 200 mg/dL above a fine fasting glucose."""
BEFORE_DRAW, WATCHED_DAYS = 9, 14
"""A watching sensor is put on so many days before the draw, and worn so long."""
FIRST_ROLES = ("sensor", "high_sensor")
WATCHING = (*WATCHED, "after_meals")


@dataclass(frozen=True, slots=True)
class Worn:
    """One sensor's file to be: whose, of which brand, on which night."""

    brand: str
    night: int
    wearer: emit.Wearer
    readings: pl.DataFrame

    @property
    def path(self) -> str:
        """Below ``inbox/``."""
        name = {"dexcom": "clarity", "libre": "libre"}[self.brand]
        return f"{self.brand}/{self.wearer.patient_id}/{name}.csv"

    def file(self, day: date) -> bytes:
        """The export, as made on the evening of ``day``."""
        if self.brand == "dexcom":
            return emit.clarity_csv(self.readings, self.wearer)
        return emit.libre_csv(self.readings, self.wearer, datetime.combine(day, time(20)))


@dataclass(frozen=True, slots=True)
class _Plan:
    """A brand's sensor: the night its file comes, when it was put on, nights lain upon."""

    brand: str
    night: int
    starts_on: date
    days: int
    low_nights: tuple[int, ...] = ()

    def wear(self, glucose: float, *, is_high: bool) -> Wear:
        """This sensor on somebody of that fasting glucose; ``is_high``: far above it all day."""
        return Wear(
            self.starts_on,
            self.days,
            step=5 if self.brand == "dexcom" else 15,
            base=glucose + (45 if is_high else 3),
            appetite=5.5 if is_high else 1.0,
            low_nights=self.low_nights,
            scanned=0.0 if self.brand == "dexcom" else 0.08,
        )


def _plans(first: date) -> tuple[_Plan, ...]:
    """The first is worn over the night on which the clocks go back."""

    def before(days: int) -> date:
        return first - timedelta(days=days)

    return (
        _Plan("dexcom", 1, autumn_change(first) - timedelta(days=6), 12, (2,)),
        _Plan("dexcom", 1, before(15), 14, (3, 9)),
        _Plan("dexcom", 3, before(9), 10),
        _Plan("libre", 1, before(15), 14, (6,)),
        _Plan("libre", 4, before(10), 11),
        _Plan("dexcom", 2, before(14), 14),
    )


def worn(people: pl.DataFrame, visit: pl.DataFrame, first: date, seed: int) -> Iterator[Worn]:
    """All sensors: six of the first plans, then those of the watched people.

    Args:
        people: a row a person: ``person``, ``patient_id``, ``birth_date``, ``last_glucose``,
            ``role``.
        visit: a row per visit: ``person``, ``drawn_on``, ``contamination``, ``ate_h``.
        first: the first night.
        seed: everything follows from it.
    """
    draws = visit.select("person", "drawn_on", "ate_h")
    chosen = [
        *zip(_wearers(people, FIRST_ROLES), _plans(first), strict=False),
        *_watching(people, visit, first),
    ]
    for i, (wearer, plan) in enumerate(chosen):
        person, patient_id, birth_date, glucose, role = wearer
        is_watched = role not in FIRST_ROLES
        wear = replace(
            plan.wear(glucose, is_high=role == "high_sensor"),
            breakfasts=_breakfasts(draws.filter(pl.col("person") == person), plan),
        )
        if role == "after_meals":
            wear = replace(wear, appetite=AFTER_MEALS)
        stream = (seed, WATCHED_STREAM if is_watched else STREAM, i)
        shown = readings(wear, np.random.default_rng(stream))
        serial = f"8X{seed % 100:02}{i + 1:02}"
        yield Worn(plan.brand, plan.night, emit.Wearer(patient_id, birth_date, serial), shown)


_Wearer = tuple[int, str, date, float, str]


def _wearers(people: pl.DataFrame, roles: tuple[str, ...]) -> Iterator[_Wearer]:
    """By number, the one whose glucose is high last."""
    columns = ("person", "patient_id", "birth_date", "last_glucose", "role")
    found = people.filter(pl.col("role").is_in(roles))
    return iter(found.sort(pl.col("role") == "high_sensor", "patient_id").select(columns).rows())


def _watching(
    people: pl.DataFrame, visit: pl.DataFrame, first: date
) -> Iterator[tuple[_Wearer, _Plan]]:
    """A sensor around each watched draw, of either brand in turn, over before the first night."""
    watched = watched_draws(visit, WATCHING)
    day = dict(watched.select("person", "drawn_on").rows())
    for k, wearer in enumerate(_wearers(people, WATCHING)):
        latest = first - timedelta(days=WATCHED_DAYS + 1)
        starts_on = min(day[wearer[0]] - timedelta(days=BEFORE_DRAW), latest)
        yield wearer, _Plan(("dexcom", "libre")[k % 2], 1, starts_on, WATCHED_DAYS)


def _breakfasts(draws: pl.DataFrame, plan: _Plan) -> tuple[tuple[int, float], ...]:
    """Days of the wear on which the person was drawn, and the hour of their breakfast."""
    nth = (pl.col("drawn_on") - pl.lit(plan.starts_on)).dt.total_days()
    found = draws.select(nth=nth, hour="ate_h").filter(pl.col("nth").is_between(0, plan.days))
    return tuple((nth, hour) for nth, hour in found.rows())
