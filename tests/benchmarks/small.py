"""What must answer at once, or end soon, beside what any program of its kind costs.

The size of ``help`` and of the archive is fixed: only that of series grows with the scale.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import zlib
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

HELPS = 10
"""Starts of a process that are measured together: one is too short to compare."""
FIRST = date(1990, 1, 1)


def nothing(_folder: Path, _size: int) -> None:
    """No input."""


def helps(_folder: Path) -> None:
    """``undertow --help``."""
    _started(f"{Path(sys.executable).with_name('undertow')}", "--help")


def bare_click(_folder: Path) -> None:
    """An interpreter that loads the library of the command line and says nothing."""
    _started(sys.executable, "-c", "import click")


def _started(*command: str) -> None:
    for _ in range(HELPS):
        subprocess.run(command, capture_output=True, check=True)


def bomb(folder: Path, _size: int) -> None:
    """A gigabyte of nothing in a megabyte of gzip."""
    (folder / "bomb.gz").write_bytes(gzip.compress(bytes(1 << 20)) * 1000)


def refused(folder: Path) -> None:
    """Our opening, which gives up at the limit."""
    from flows.opening import open_landed
    from transforms.landing import Source, UnreadableError

    limits = (20_000_000_000, 300)
    source = Source("clinic_csv", "clinic_csv")
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    try:
        open_landed(folder / "bomb.gz", "bomb.gz", None, source, scratch, limits)
    except UnreadableError as error:
        if error.reason != "too_large":
            raise
    else:
        raise SystemExit("the archive was not refused")


def inflated(folder: Path) -> None:
    """zlib alone, as far as the limit lets ours go, written to a file."""
    with (folder / "bomb.gz").open("rb") as packed, (folder / "plain").open("wb") as out:
        left, stream = 300 * (folder / "bomb.gz").stat().st_size, zlib.decompressobj(31)
        for piece in iter(lambda: packed.read(1 << 16), b""):
            rest = piece
            while rest and left > 0:
                left -= out.write(stream.decompress(rest))
                rest = stream.unused_data
                if stream.eof:
                    stream = zlib.decompressobj(31)


def limits(folder: Path, size: int) -> None:
    """Six draws a patient, two in a hundred below what the assay can tell."""
    rng = np.random.default_rng(1004)
    n = size * 6
    high = rng.normal(2.2, 0.6, n)
    pl.DataFrame(
        {
            "day": np.tile(np.arange(6) * 365, size),
            "start": np.repeat(np.arange(0, n, 6), 6),
            "low": np.where(rng.random(n) < 0.02, -np.inf, high),
            "high": high,
        }
    ).write_parquet(folder / "limits.parquet")


def placed(folder: Path) -> None:
    """Where values that are only limits are taken to lie."""
    from transforms.catalog.prior import SHIPPED_NOISE, SHIPPED_PRIOR
    from transforms.censored import sites

    columns = pl.read_parquet(folder / "limits.parquet")
    sites(*(column.to_numpy() for column in columns), SHIPPED_NOISE, SHIPPED_PRIOR)


def limit_sums(folder: Path) -> None:
    """One group-by over the same rows."""
    pl.scan_parquet(folder / "limits.parquet").group_by("start").agg(
        pl.len(), pl.col("high").mean(), pl.col("high").std()
    ).collect(engine="streaming")


def long_series(folder: Path, size: int) -> None:
    """``size`` draws of one patient."""
    rng = np.random.default_rng(1)
    pl.DataFrame(
        {
            "patient_id": "a",
            "drawn_on": [FIRST + timedelta(day) for day in range(size)],
            "insulin_uiu_ml": np.exp(2.3 + 0.0003 * np.arange(size) + rng.normal(0, 0.3, size)),
            "glucose_mg_dl": 90.0,
        }
    ).write_parquet(folder / "pairs.parquet")


def one_trend(folder: Path) -> None:
    """The newest trend of that patient."""
    from transforms.trends import trends

    trends(pl.scan_parquet(folder / "pairs.parquet"), latest_only=True).collect()


def many_trends(folder: Path) -> None:
    """The same draws as patients of six draws each."""
    from transforms.trends import trends

    number = pl.int_range(pl.len()) // 6
    rows = pl.scan_parquet(folder / "pairs.parquet").with_columns(patient_id=number.cast(pl.String))
    trends(rows, latest_only=True).collect()


Work = Callable[[Path], None]
SMALL: dict[str, tuple[int, Callable[[Path, int], None], Work, Work]] = {
    "undertow --help / bare click": (1, nothing, helps, bare_click),
    "an archive's bomb refused / zlib": (1, bomb, refused, inflated),
    "limits instead of values / group-by": (1_000_000, limits, placed, limit_sums),
    "one patient's draws / patients of six": (
        100_000,
        long_series,
        one_trend,
        many_trends,
    ),
}
"""Name -> full size, input, ours, floor."""
