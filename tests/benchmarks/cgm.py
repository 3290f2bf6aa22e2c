"""Cases of issue 5: days and windows of the glucose sensors of a thousand people, 90 days each.

The floor is one group-by over the same bytes: the mean of every day. The library that people would
take, iglu 0.4.3 for Python, is in no lock of this project; it took 11 CPU seconds for one person.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from transforms.synthetic.sensors import Wear
from transforms.synthetic.sensors import readings as worn

DAYS = 90
A_DAY = 288
SHAPES = 20
"""Different traces; the others are theirs, moved by a few mg/dL and minutes."""
SAMPLES = "samples.parquet"


def samples(folder: Path, size: int) -> None:
    """Sensors that report every five minutes; ``size`` counts readings."""
    people = max(size // (DAYS * A_DAY), 1)
    wear = Wear(date(2024, 1, 1), DAYS, 5, 92, 1.0, (3, 30, 60))
    shapes = [worn(wear, np.random.default_rng(700 + k)) for k in range(min(SHAPES, people))]
    moved = pl.col("local_at") + pl.duration(minutes=pl.col("person") // SHAPES % 97)
    frames = [
        shapes[person % SHAPES]
        .with_columns(person=pl.lit(person))
        .select(
            patient_id=pl.lit(f"P{person:05}"),
            device=pl.lit("Dexcom G6"),
            observed_at=moved,
            observed_local=moved,
            local_date=moved.dt.date(),
            value=(pl.col("glucose_mg_dl") + person % 11).round(),
        )
        for person in range(people)
    ]
    pl.concat(frames).write_parquet(folder / SAMPLES, compression="lz4")


def days_and_windows(folder: Path) -> None:
    """Days, then windows, of readings that are put in order once."""
    from transforms.cgm import cgm_days, readings
    from transforms.cgm_windows import cgm_windows

    told = readings(pl.scan_parquet(folder / SAMPLES)).collect().lazy()
    days = cgm_days(told).collect().lazy()
    cgm_windows(days, told).collect()


def means(folder: Path) -> None:
    """One group-by pass: the mean of each day."""
    pl.scan_parquet(folder / SAMPLES).group_by("patient_id", "device", "local_date").agg(
        pl.col("value").mean()
    ).collect()


Parts = tuple[int, Callable[[Path, int], None], Callable[[Path], None], Callable[[Path], None]]
CGM: dict[str, Parts] = {
    "glucose days, windows / one group-by": (
        1_000 * DAYS * A_DAY,
        samples,
        days_and_windows,
        means,
    ),
}
