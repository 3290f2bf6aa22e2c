"""People and tolerance tests of the oracle, as the columns that the catalog's formulas name."""

from __future__ import annotations

import polars as pl

from tests.transforms.index_oracle import FIVE, Ogtt, Person
from transforms.catalog.indices import INPUTS

FLAGS = ("female", "diabetes", "hypertension")
SPELT = {
    **{str(item.analyte): item.column for item in INPUTS.values() if item.kind == "draw"},
    "bmi": "bmi_kg_m2",
    "waist": "waist_cm",
    "age": "age_years",
    "female": "is_female",
    "diabetes": "has_diabetes",
    "hypertension": "has_hypertension",
}
"""The oracle's name -> the column."""


def fasting_frame(people: list[Person]) -> pl.DataFrame:
    """People as the columns that formulas name."""
    frame = pl.DataFrame([{SPELT[name]: v for name, v in one.items()} for one in people])
    return frame.with_columns(pl.col("is_female", "has_diabetes", "has_hypertension") == 1)


def loaded_frame(given: list[Ogtt]) -> pl.DataFrame:
    """Tolerance tests as the columns that formulas name."""
    rows = [
        {f"glucose_{minute}_mg_dl": test.g(minute) for minute in FIVE}
        | {f"insulin_{minute}_uiu_ml": test.i(minute) for minute in FIVE}
        | {"bmi_kg_m2": test.bmi, "age_years": test.age}
        for test in given
    ]
    return pl.DataFrame(rows)
