"""Context of issue 5: indices, their trends and tissues of six draws with twelve analytes each.

The floor is one group-by over the same rows: the mean of every patient's analyte.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from transforms.catalog.fields import FIELDS
from transforms.catalog.tables import DERIVED
from transforms.exclusions import SPAN

DRAWS = 6
RESULTS, PAIRS, PERSONS = "results.parquet", "pairs.parquet", "persons.parquet"
ANALYTES = {
    "insulin": (8.0, 0.4, "27873-9"),
    "glucose": (92.0, 0.06, "1558-6"),
    "triglyceride": (110.0, 0.4, "2571-8"),
    "hdl": (50.0, 0.2, "2085-9"),
    "hba1c": (5.4, 0.05, "4548-4"),
    "alt": (25.0, 0.4, "1742-6"),
    "ast": (24.0, 0.3, "1920-8"),
    "ggt": (28.0, 0.5, "2324-2"),
    "platelets": (240.0, 0.2, "777-3"),
    "waist": (92.0, 0.1, "8280-0"),
    "weight": (78.0, 0.15, "29463-7"),
    "height": (170.0, 0.0, "8302-2"),
}
"""Name -> median, spread (ln) and LOINC."""


def draws(folder: Path, size: int) -> None:
    """Standing results of ``size`` patients, and what the night has of them by then."""
    from transforms.pairs import fasting_pairs

    results = pl.concat(
        _results(size, name, np.random.default_rng(710 + number))
        for number, name in enumerate(ANALYTES)
    )
    results.sort("patient_id", "observed_on", maintain_order=True).write_parquet(folder / RESULTS)
    barred = pl.LazyFrame(schema=SPAN)
    fasting_pairs(results.lazy(), barred).collect().write_parquet(folder / PAIRS)
    people = results.select(pl.col("patient_id").unique().sort())
    people.with_columns(birth_date=pl.lit(date(1970, 3, 1)), sex=pl.lit("female")).write_parquet(
        folder / PERSONS
    )


def _results(size: int, analyte: str, rng: np.random.Generator) -> pl.DataFrame:
    median, spread, code = ANALYTES[analyte]
    number = pl.col("i") // DRAWS
    at = pl.datetime(2019, 1, 10, 8) + pl.duration(days=pl.col("i") % DRAWS * 340)
    blank = pl.lit(None, dtype=pl.String)
    return pl.DataFrame(
        {"i": np.arange(size * DRAWS), "value": rng.lognormal(np.log(median), spread, size * DRAWS)}
    ).select(
        patient_id=pl.format("P{}", number),
        analyte=pl.lit(analyte),
        timing=pl.lit("fasting" if analyte in {"insulin", "glucose"} else "any"),
        code_system=pl.lit("loinc"),
        source_code=pl.lit(code),
        observed_at=at,
        observed_local=at,
        observed_on=at.dt.date(),
        observed_precision=pl.lit("time"),
        value=pl.col("value").round(1),
        comparator=blank,
        fasting=pl.lit("yes"),
        fasting_hours=pl.lit(None, dtype=pl.Float64),
        lab=pl.lit("L1"),
        assay=pl.lit("roche"),
        source=pl.lit("lab"),
        absent_reason=blank,
        comment=blank,
        known_at=at,
    )


def context(folder: Path) -> None:
    """Indices, trends of indices, tissue months, as a night makes them."""
    from transforms.catalog.variations import variation_frame
    from transforms.index_inputs import index_inputs
    from transforms.indices import index_values
    from transforms.series_trends import series_trends
    from transforms.tissues import signal_series, tissue_values

    known, pairs, persons = (
        pl.read_parquet(folder / name).lazy() for name in (RESULTS, PAIRS, PERSONS)
    )
    spans = pl.LazyFrame(schema=SPAN)
    inputs = index_inputs(known, pairs, persons, spans, spans.select("patient_id", "from_on"))
    values = index_values(inputs.collect().lazy()).collect().lazy()
    variation = variation_frame().lazy()
    said = values.filter(pl.col("value").is_not_null()).select(
        "patient_id", "observed_on", "platform", signal="index", value="bridged_value"
    )
    series_trends(said, variation).collect()
    beside = [_none(name) for name in ("cgm_window", "wearable_month", "weight_month")]
    series = signal_series(values, known, *beside).collect().lazy()
    tissue_values(series, series_trends(series.drop("unit"), variation)).collect()


def _none(table: str) -> pl.LazyFrame:
    """A kept table without rows."""
    columns = ", ".join(f'NULL::{FIELDS[c].type} AS "{c}"' for c in DERIVED[table].columns)
    return duckdb.sql(f"SELECT {columns} LIMIT 0").pl().lazy()


def means(folder: Path) -> None:
    """One group-by pass: the mean of each patient's analyte."""
    pl.scan_parquet(folder / RESULTS).group_by("patient_id", "analyte").agg(
        pl.col("value").mean()
    ).collect()


Run = Callable[[Path], None]
CONTEXT: dict[str, tuple[int, Callable[[Path, int], None], Run, Run]] = {
    "context of draws / one group-by": (25_000, draws, context, means),
}
"""Case -> patients at full size, and what is run."""
