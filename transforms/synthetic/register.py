"""The clinic's register: persons, conditions and medications, with the night each is sent.

Frames have the columns of their file (:mod:`transforms.synthetic.columns`) and ``source`` and
``night``. Diagnoses follow roles; metformin is what the simulation says was taken.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from transforms.synthetic.people import Clientele
from transforms.synthetic.results import ZONE

DIABETES = ("E11.9", "Type 2 diabetes mellitus, without complications")
PREDIABETES = ("R73.03", "Prediabetes")
PREGNANCY = ("Z33.1", "Pregnant state, incidental")
DIAGNOSES = {
    **dict.fromkeys(("diabetes", "insulin", "sulfonylurea", "high_sensor"), DIABETES),
    "prediabetes": PREDIABETES,
    "pregnancy": PREGNANCY,
}
"""Role -> code and name of the diagnosis made."""
COMMON = {
    ("I10", "Essential (primary) hypertension"): 0.15,
    ("E66.9", "Obesity, unspecified"): 0.10,
}
"""Diagnosis that excludes nobody -> share of people with it."""
PRESCRIBED = {
    "insulin": ("Insulin glargine 100 units/mL", "insulin"),
    "sulfonylurea": ("Gliclazide 30 mg", "sulfonylurea"),
}
"""Role -> name and class of the medication."""
METFORMIN = ("Metformin 850 mg", "biguanide")
BEFORE_DRAW = timedelta(days=30)
"""Metformin began so long before the first draw made on it, if no draw lies between."""


def patients(clients: Clientele) -> pl.DataFrame:
    """Everybody's record, and the former records of those registered twice.

    A merge that becomes known after the first night is a second version of the former record.
    """
    people = clients.people.with_columns(
        time_zone=pl.lit(ZONE), merged_into=pl.lit(None, pl.String), role_night="night"
    )
    own = people.with_columns(night=pl.lit(1, pl.Int32))
    twice = people.filter(pl.col("former_id").is_not_null())
    former = twice.with_columns(patient_id="former_id", merged_into="patient_id")
    is_later = pl.col("role_night") > 1
    before = former.filter(is_later).with_columns(
        merged_into=pl.lit(None, pl.String), night=pl.lit(1, pl.Int32)
    )
    columns = ("patient_id", "birth_date", "sex", "time_zone", "merged_into", "source", "night")
    return pl.concat([own, before, former]).select(columns)


def conditions(clients: Clientele, seed: int, first_night: date) -> pl.DataFrame:
    """Diagnoses of the roles, and common ones of anybody."""
    rng = np.random.default_rng((seed, 4))
    people = clients.people
    since = pl.Series(rng.integers(60, 220, people.height))
    is_tonight = pl.col("night") > 1
    made = pl.lit(first_night) - pl.duration(days=pl.lit(since))
    told = pl.lit(first_night) + pl.duration(days=pl.col("night") - 2)
    diagnosed = people.with_columns(onset_date=pl.when(is_tonight).then(told).otherwise(made))
    special = diagnosed.filter(pl.col("role").is_in(list(DIAGNOSES))).with_columns(
        code=_listed(DIAGNOSES, 0), name=_listed(DIAGNOSES, 1)
    )
    others = [
        diagnosed.filter(pl.Series(rng.random(people.height) < share)).with_columns(
            code=pl.lit(code), name=pl.lit(name), night=pl.lit(1, pl.Int32), onset_date="first_on"
        )
        for (code, name), share in COMMON.items()
    ]
    columns = ("patient_id", "code", "name", "onset_date", "end_date", "source", "night")
    rows = pl.concat([special, *others]).with_columns(end_date=pl.lit(None, pl.Date))
    return rows.select(columns)


def medications(clients: Clientele, first_night: date) -> pl.DataFrame:
    """Metformin as simulated, insulin and gliclazide as the roles have it."""
    year_ago = pl.lit(first_night - timedelta(days=365))
    prescribed = clients.people.filter(pl.col("role").is_in(list(PRESCRIBED))).select(
        *("patient_id", "source"),
        name=_listed(PRESCRIBED, 0),
        **{"class": _listed(PRESCRIBED, 1)},
        start_date=year_ago,
    )
    rows = pl.concat([prescribed, _metformin(clients)], how="diagonal_relaxed")
    return rows.with_columns(end_date=pl.lit(None, pl.Date), night=pl.lit(1, pl.Int32))


def _metformin(clients: Clientele) -> pl.DataFrame:
    """From 30 days before the first draw on it, but after the last draw without."""
    first, name = pl.col("drawn_on").filter("on_metformin").min(), pl.lit(METFORMIN[0])
    without = pl.col("drawn_on").filter(~pl.col("on_metformin")).max()
    began = (
        clients.draws.group_by("patient_id", maintain_order=True)
        .agg(first=first, without=without)
        .filter(pl.col("first").is_not_null())
    )
    return began.join(
        clients.people.select("patient_id", "source"), on="patient_id", maintain_order="left"
    ).select(
        *("patient_id", "source"),
        name=name,
        **{"class": pl.lit(METFORMIN[1])},
        start_date=pl.max_horizontal(
            pl.col("first") - BEFORE_DRAW, pl.col("without") + timedelta(days=1)
        ),
    )


def _listed(by_role: dict[str, tuple[str, str]], place: int) -> pl.Expr:
    words = {role: pair[place] for role, pair in by_role.items()}
    return pl.col("role").replace_strict(words, default=None, return_dtype=pl.String)
