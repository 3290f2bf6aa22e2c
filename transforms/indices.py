"""Index values: every index of the catalog for every fasting draw that has its inputs."""

from __future__ import annotations

import polars as pl

from transforms.catalog.indices import INDICES, Index

DRAW = ["patient_id", "drawn_on"]


def index_values(pairs: pl.LazyFrame, lipids: pl.LazyFrame) -> pl.LazyFrame:
    """Indices of used fasting pairs, with lipids of the same day where an index needs them.

    Args:
        pairs: used pairs: ``patient_id``, ``drawn_on``, ``insulin_uiu_ml``, ``glucose_mg_dl``.
        lipids: ``patient_id``, ``drawn_on``, ``triglyceride_mg_dl``, ``hdl_mg_dl``.

    Returns:
        ``patient_id``, ``index``, ``observed_on``, ``value``, ``unit``; only finite values.
    """
    draws = pairs.join(lipids, on=DRAW, how="left")
    return (
        pl.concat([_values(draws, index) for index in INDICES])
        .filter(pl.col("value").is_finite())
        .sort("patient_id", "index", "observed_on")
    )


def _values(draws: pl.LazyFrame, index: Index) -> pl.LazyFrame:
    return draws.select(
        "patient_id",
        index=pl.lit(index.name),
        observed_on="drawn_on",
        value=index.formula,
        unit=pl.lit(index.unit),
    )
