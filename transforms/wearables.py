"""Wearable days: what phones, watches and scales say of a person's local day."""

from __future__ import annotations

import polars as pl

ANALYTES = {
    "steps": ("steps", "max"),
    "resting_heart_rate": ("resting_heart_rate", "mean"),
    "sleep_h": ("sleep_duration", "max"),
    "weight_kg": ("weight", "mean"),
}
"""Column -> (analyte, how several values of a day become one): totals are sent again as they
grow, so their largest counts; readings are averaged."""


def wearable_days(observations: pl.LazyFrame) -> pl.LazyFrame:
    """One row per patient and local day with any of :data:`ANALYTES`.

    Args:
        observations: standing results: ``patient_id``, ``analyte``, ``observed_on``, ``value``.
    """
    columns = [
        getattr(pl.col("value").filter(pl.col("analyte") == analyte), how)().alias(column)
        for column, (analyte, how) in ANALYTES.items()
    ]
    wanted = pl.col("analyte").is_in([analyte for analyte, _ in ANALYTES.values()])
    return (
        observations.filter(wanted, pl.col("value").is_not_null())
        .group_by("patient_id", local_date="observed_on")
        .agg(columns)
        .sort("patient_id", "local_date")
    )
