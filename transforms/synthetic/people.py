"""The people of the synthetic clinic: who they are, when they came, what was arranged for them.

The course of everybody is :mod:`transforms.synthetic.physiology`'s. Added here: names, dates, the
way their data comes in, and a role for those in whom something is planted. A person has at most
one role, so that what is planted can be counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import cycle, islice

import numpy as np
import polars as pl

from transforms.synthetic.climbers import CLINIC, CROSSING, ENRICHED, climbers
from transforms.synthetic.physiology import cohort
from transforms.synthetic.tissues import with_courses

FEWEST = 120
"""Below that many patients there are not enough people for the roles."""
NIGHTS = 5
FHIR_SHARE = 0.25
SI_SHARE = 0.08
NEW_SHARE = 0.04
"""Share of patients with a new draw, per night after the first."""
STALE_SHARE = 0.08
RECENT_DAYS, STALE_DAYS = (2, 391), (410, 700)
"""Age of the newest draw at the first night: of most people, and of those who stayed away."""


@dataclass(frozen=True, slots=True)
class Role:
    """What is arranged for up to ``count`` people; ``nights`` are dealt to them in turn.

    ``is_new`` says that their last draw is delivered, and was made, on their night.
    """

    name: str
    count: int
    who: pl.Expr
    nights: tuple[int, ...] = (1,)
    is_new: bool = False


_CLASS = pl.col("class_")
_CSV = (pl.col("source") == "clinic_csv") & ~pl.col("is_si")
_FHIR = (pl.col("source") == "fhir") & ~pl.col("is_si")
_SOUND = pl.col("is_last_sound") & ~pl.col("is_enriched")
_SEEN_OFTEN = _SOUND & (pl.col("n_draws") >= 4)
_SLIPPING = _CSV & _SEEN_OFTEN & (pl.col("last_insulin") > 9)
_DYSGLYCAEMIC = _CLASS == "dysglycaemic"
_IS_YOUNG = pl.col("age_at_last").is_between(20, 40)
_QUIET = _CLASS.is_in(["stable", "grey_zone"]) & ~pl.col("is_enriched")
PATTERN_SHARE = 0.03
"""Share of patients whose liver worsens and nothing else; as many, whose fat tissue does."""
WATCHED_YEARS = 4
WATCHED = ("watched_fed", "watched_fasted")
"""Roles of those who wear a sensor around a draw: after food, and not."""


def _special_roles(patients: int) -> Iterator[Role]:
    """In order of precedence: rare people first. Nobody of FHIR is due on the fourth night."""
    yield Role("climber", CROSSING, pl.col("is_crossing"), (2, 3, 4, 5), is_new=True)
    yield Role("insulin", patients, pl.col("insulin_therapy") == "known")
    yield Role("insulin", 1, _DYSGLYCAEMIC & (pl.col("insulin_therapy") == "none"))
    yield Role("sulfonylurea", 2, _DYSGLYCAEMIC)
    yield Role("high_sensor", 1, _DYSGLYCAEMIC)
    yield Role("diabetes", 4, _DYSGLYCAEMIC & _CSV, (1, 1, 1, 4))
    yield Role("prediabetes", 5, _DYSGLYCAEMIC & (pl.col("last_glucose") < 126))
    yield Role("pregnancy", 2, (_CLASS == "stable") & (pl.col("sex") == "female") & _IS_YOUNG)
    yield Role("minor", 3, (_CLASS == "stable") & (pl.col("n_draws") <= 5))
    yield Role("corrected", 3, _CSV & _SEEN_OFTEN, (2, 3, 5))
    yield Role("corrected", 1, _FHIR & _SEEN_OFTEN, (5,))
    yield Role("deleted", 2, _CSV & _SEEN_OFTEN, (3, 4))
    yield Role("deleted", 1, _FHIR & _SEEN_OFTEN, (5,))
    yield Role("late", 4, _CSV & _SEEN_OFTEN, (2, 3, 4, 5))
    yield Role("late", 1, _FHIR & _SEEN_OFTEN, (2,))
    yield Role("misfiled", 2, _CSV & _SEEN_OFTEN, (2,), is_new=True)
    yield Role("mistaken_for", 2, _CSV & _SEEN_OFTEN)
    yield Role("preliminary", 2, _CSV & _SOUND, (2, 3), is_new=True)
    yield Role("cancelled", 2, _CSV & _SOUND, (3, 5), is_new=True)
    yield Role("glucose_slip", 2, _CSV & _SOUND, (2, 4), is_new=True)
    yield Role("insulin_slip", 2, _SLIPPING, (3, 5), is_new=True)
    yield Role("unknown_code", 2, _CSV & _SOUND, (4, 5), is_new=True)
    yield Role("unknown_unit", 1, _CSV & _SOUND, (3,), is_new=True)
    yield Role("merged", 3, _SEEN_OFTEN, (1, 1, 3))
    yield Role("sensor", 5, _SOUND & ~_DYSGLYCAEMIC)
    yield Role("stale", round(STALE_SHARE * patients), ~pl.col("is_enriched"))


def _roles(patients: int) -> tuple[Role, ...]:
    """All roles; as many ordinary new draws as the share of new draws leaves."""
    special = tuple(_special_roles(patients))
    taken = sum(role.count for role in special if role.is_new)
    new = max(12, round(NEW_SHARE * (NIGHTS - 1) * patients) - taken)
    return (
        *special,
        Role("new", new // 3, _FHIR & _SOUND, (2, 3, 5), is_new=True),
        Role("new", new - new // 3, _CSV & _SOUND, (4, 2, 3, 5, 4, 3), is_new=True),
        *_watched_roles(patients),
    )


def _watched_roles(patients: int) -> Iterator[Role]:
    """People who are measured more closely; last, so that nobody else's role moves for them."""
    pattern = max(4, round(PATTERN_SHARE * patients))
    yield Role("watched_fed", 4, pl.col("ate_lately") & ~pl.col("is_enriched") & ~_DYSGLYCAEMIC)
    # Fat tissue's signals are the noisier: they need the longer series.
    yield Role("adipose", pattern, _QUIET & (pl.col("n_draws") >= 6))
    yield Role("liver", pattern, _QUIET & (pl.col("n_draws") >= 5))
    yield Role("after_meals", 2, _SOUND & _QUIET & (pl.col("last_glucose") < 97))
    yield Role("watched_fasted", 4, _SOUND & ~_DYSGLYCAEMIC)
    yield Role("challenge", 6, _CSV & _SOUND & ~_DYSGLYCAEMIC)


@dataclass(frozen=True, slots=True)
class Clientele:
    """Everybody, and every visit they made.

    ``people``: a row a person, the cohort's columns and ``patient_id``, ``source``, ``is_si``,
    ``is_enriched``, ``role``, ``night`` (the role's), ``newest_on``, ``birth_date``,
    ``former_id`` (a second registration) and the courses of :mod:`transforms.synthetic.tissues`.
    ``draws``: the cohort's columns and ``patient_id``, ``drawn_on``, ``from_last`` (0 for the
    newest).
    """

    people: pl.DataFrame
    draws: pl.DataFrame


def clientele(patients: int, seed: int, nights: tuple[date, ...]) -> Clientele:
    """Simulate ``patients`` people and arrange their visits before and during ``nights``.

    Raises:
        ValueError: fewer than :data:`FEWEST` patients.
    """
    if patients < FEWEST:
        raise ValueError("a clinic needs more patients: at least", FEWEST)
    usual = cohort(patients - ENRICHED, seed, CLINIC)
    added, drawn = climbers(seed + 1)
    people = pl.concat([usual.people, _after(usual.people, added)], how="diagonal").with_columns(
        is_enriched=pl.col("is_crossing").is_not_null()
    )
    draws = pl.concat([usual.draws, _after(usual.people, drawn)])
    people = _enrolled(people, draws, np.random.default_rng((seed, 1)))
    people = _with_roles(people, _roles(patients))
    people = with_courses(people, seed)
    people = _dated(people, np.random.default_rng((seed, 2)), nights)
    draws = _visits(people, draws)
    return Clientele(_born(people, draws, nights[-1]), draws)


def _after(people: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """``frame`` with its persons numbered on after those of ``people``."""
    return frame.with_columns(pl.col("person") + people.height)


def _enrolled(people: pl.DataFrame, draws: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """In the order of their numbers, with the way their data comes in and the newest draw."""
    n = people.height
    newest = draws.filter(pl.col("draw") == pl.col("draw").max().over("person")).select(
        "person",
        last_years="years",
        last_insulin="reported_insulin",
        last_glucose="true_glucose",
        is_last_sound=(pl.col("contamination") == "good") & (pl.col("reported_insulin") >= 3),
    )
    ate = _ate_lately(draws)
    joined = people.join(newest, on="person", maintain_order="left").join(
        ate, on="person", maintain_order="left"
    )
    shuffled = joined[rng.permutation(n)]
    is_fhir = np.arange(n) % round(1 / FHIR_SHARE) == 0
    return shuffled.with_columns(
        patient_id=_numbered(pl.int_range(1, pl.len() + 1), n),
        is_crossing=pl.col("is_crossing").fill_null(value=False),
        source=pl.when(pl.Series(is_fhir) & pl.col("is_crossing").fill_null(value=False).not_())
        .then(pl.lit("fhir"))
        .otherwise(pl.lit("clinic_csv")),
        is_si=pl.Series(rng.random(n) < SI_SHARE) & ~pl.col("is_enriched"),
        age_at_last=pl.col("age_at_first") + pl.col("last_years"),
    )


def _ate_lately(draws: pl.DataFrame) -> pl.DataFrame:
    """Who came after food once within some years of the newest draw."""
    years = pl.col("years")
    is_late = years.max() - years <= WATCHED_YEARS
    ate = ((pl.col("contamination") == "non_fasting") & is_late).any()
    return draws.group_by("person").agg(ate_lately=ate)


def _numbered(number: pl.Expr, of: int) -> pl.Expr:
    width = max(4, len(str(of + 9)))
    return pl.concat_str(pl.lit("P"), number.cast(pl.String).str.zfill(width))


def _with_roles(people: pl.DataFrame, roles: tuple[Role, ...]) -> pl.DataFrame:
    given = people.with_columns(
        role=pl.lit(None, pl.String), night=pl.lit(1, pl.Int32), is_new=pl.lit(value=False)
    )
    for role in roles:
        given = _given(given, role)
    return given


def _given(people: pl.DataFrame, role: Role) -> pl.DataFrame:
    """The role to the first free people it suits."""
    free = people.select(fits=pl.col("role").is_null() & role.who)["fits"].fill_null(value=False)
    chosen = free & (free.cum_sum() <= role.count)
    turns = list(islice(cycle(role.nights), int(chosen.sum())))
    nights = np.ones(people.height, dtype=np.int32)
    nights[chosen.to_numpy()] = turns
    return people.with_columns(
        role=pl.when(chosen).then(pl.lit(role.name)).otherwise("role"),
        night=pl.when(chosen).then(pl.Series(nights)).otherwise("night"),
        is_new=pl.when(chosen).then(pl.lit(role.is_new)).otherwise("is_new"),
    )


def _dated(
    people: pl.DataFrame, rng: np.random.Generator, nights: tuple[date, ...]
) -> pl.DataFrame:
    """``newest_on``: the day before their night, or long ago; ``former_id`` of the merged."""
    n = people.height
    age = np.where(
        people["role"].eq_missing("stale").to_numpy(),
        rng.integers(*STALE_DAYS, n),
        rng.integers(*RECENT_DAYS, n),
    )
    # A new draw is of the day before its night; night 1 is the first.
    ago = pl.when("is_new").then(2 - pl.col("night")).otherwise(pl.Series(age))
    is_merged = pl.col("role") == "merged"
    return people.with_columns(
        newest_on=pl.lit(nights[0]) - pl.duration(days=ago),
        former_id=pl.when(is_merged).then(_numbered(is_merged.cum_sum() + n, n)),
    )


def _visits(people: pl.DataFrame, draws: pl.DataFrame) -> pl.DataFrame:
    """The cohort's years from the first draw, as days that end with the person's newest."""
    joined = draws.join(
        people.select("person", "patient_id", "newest_on", "last_years"), on="person"
    )
    before = ((pl.col("last_years") - pl.col("years")) * 365.25).round().cast(pl.Int64)
    return joined.with_columns(
        drawn_on=pl.col("newest_on") - pl.duration(days=before),
        from_last=pl.col("draw").max().over("person") - pl.col("draw"),
    ).sort("patient_id", "draw")


def _born(people: pl.DataFrame, draws: pl.DataFrame, last_night: date) -> pl.DataFrame:
    first = draws.group_by("person").agg(first_on=pl.col("drawn_on").min())
    # Adults by simulation; a minor is in their seventeenth year on the last night.
    young = last_night - timedelta(days=round(16.4 * 365.25))
    born = pl.col("first_on") - pl.duration(days=(pl.col("age_at_first") * 365.25).cast(pl.Int64))
    return people.join(first, on="person", maintain_order="left").with_columns(
        birth_date=pl.when(pl.col("role") == "minor").then(pl.lit(young)).otherwise(born)
    )
