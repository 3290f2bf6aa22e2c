"""The hour that clocks repeat in autumn, in samples that follow one another.

A device that writes local time without offset writes that hour twice. Row by row nobody can tell
the two apart; the order of the rows can: where the times jump back, the second hour begins (in a
file that begins with the newest, where they jump forward, it ends). A file sorted by its times
shows each of them twice instead, and the second of each pair is taken for the second hour.
"""

from __future__ import annotations

import polars as pl

SERIES = ("patient_id", "kind", "device", "method", "night")
"""What follows one another: one device's samples of a night, noon to noon: no zone has ever set
its clocks back over noon, and some over midnight."""
DOUBLED_SHARE = 0.5
"""From this share of times that occur twice on, they are two hours and no repeated rows."""


def with_second_hour(samples: pl.LazyFrame) -> pl.LazyFrame:
    """``samples`` with ``observed_at`` of the second hour's rows at their second instant, and so
    the ends that would else lie before.

    Args:
        samples: what :data:`SERIES` names, ``line``, ``part``, and of
            :func:`transforms.instants.with_instants` the columns of ``observed`` and ``ended``.
    """
    second = (
        samples.filter(pl.col("observed_again").is_not_null())
        .with_columns(night=pl.col("observed_local").dt.offset_by("-12h").dt.date())
        .sort("line", "part")
        .filter((_jumped() | _doubled()).over(SERIES))
        .select("line", "part", is_second=pl.lit(value=True))
    )
    began, ended = pl.col("observed_at"), pl.col("ended_at")
    later = pl.coalesce("ended_again", "ended_at")
    return (
        samples.join(second, on=["line", "part"], how="left", maintain_order="left")
        .with_columns(observed_at=pl.when("is_second").then("observed_again").otherwise(began))
        .with_columns(ended_at=pl.when(ended < began).then(later).otherwise(ended))
        .drop("is_second")
    )


def _jumped() -> pl.Expr:
    """Whether a row lies beyond the jump, seen in the direction in which the file runs."""
    step = pl.col("observed_at").diff().dt.total_seconds()
    is_rising = step.median() > 0
    beyond = (step < 0).fill_null(value=False).cum_sum() > 0
    before = (step > 0).fill_null(value=False).cum_sum() == 0
    has_jump = (step > 0).any()
    return pl.when(is_rising).then(beyond).when(step.median() < 0).then(before & has_jump)


def _doubled() -> pl.Expr:
    """Whether a row says a time for the second time, where most times are said twice."""
    at = pl.col("observed_at")
    is_pair = (at == at.shift(1)).fill_null(value=False)
    return is_pair & (2 * is_pair.sum() >= DOUBLED_SHARE * pl.len()) & (is_pair.sum() > 1)
