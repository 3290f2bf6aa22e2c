"""Climbers added to the clinic, so that a few hundred people hold some whom nobody can miss.

They come from the same simulation, as people of one class who were seen often; of many, those are
chosen whose draws speak clearly. Chosen people would flatter any measure of a model: the truth
table marks them.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from transforms.synthetic.physiology import BASE, CLIMBING, cohort

# Platform effects are the clinic's own (results.ASSAYS), by calendar; unit slips are planted.
CLINIC = replace(
    BASE, name="clinic", labs=2, lab_bias_sd=0, platform_changes=(1, 0, 0),
    insulin_pmol=0, glucose_mmol=0,
)  # fmt: skip
CLIMBERS = replace(
    CLINIC, name="climbers", shares=(0, 0, 1, 0, 0, 0, 0), draws=(0, 0, 0, 0, 0, 0.4, 0.3, 0.2, 0.1)
)
ENRICHED, CROSSING = 12, 6
"""How many are added, and how many of them at most become clear only by their newest draw."""
AMONG = 4000
STEADY_LAB = 1
"""The laboratory that never changes its insulin assay (results.ASSAYS)."""
NOISE_SD = 0.30
"""Of one draw's ln insulin, about: within-person, analytical and wander together."""
CLEAR, UNCLEAR = 2.0, 1.3
"""Standard errors by which the slope of all draws, and of all but the newest, exceeds climbing."""


def climbers(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """:data:`ENRICHED` people and their draws as of a cohort, and ``is_crossing``, numbered from 0.

    Raises:
        ValueError: the simulation holds too few clear climbers.
    """
    pool = cohort(AMONG, seed, CLIMBERS)
    chosen = _chosen(_evidence(pool.draws))
    if chosen.height < ENRICHED:
        raise ValueError("too few clear climbers were simulated", chosen.height)
    people = pool.people.join(chosen, on="person", maintain_order="right")
    draws = pool.draws.join(chosen.select("person", "number"), on="person", maintain_order="left")
    return _renumbered(people), _renumbered(draws)


def _renumbered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(person="number").drop("number")


def _chosen(evidence: pl.DataFrame) -> pl.DataFrame:
    """``person``, ``is_crossing`` and the new ``number``."""
    sound = evidence.filter("is_sound", pl.col("all") >= CLEAR)
    crossing = sound.filter(pl.col("before") <= UNCLEAR).head(CROSSING)
    clear = sound.filter(pl.col("before") > UNCLEAR).head(ENRICHED - crossing.height)
    both = pl.concat(
        [crossing.with_columns(is_crossing=True), clear.with_columns(is_crossing=False)]
    )
    return both.select("person", "is_crossing").with_row_index("number").cast({"number": pl.Int64})


def _evidence(draws: pl.DataFrame) -> pl.DataFrame:
    """Per person: how far the slope exceeds climbing, with all draws and ``before`` the newest."""
    is_newest = pl.col("draw") == pl.col("draw").max()
    return draws.group_by("person", maintain_order=True).agg(
        all=_excess(pl.col("years"), pl.col("reported_insulin").log()),
        before=_excess(
            pl.col("years").filter(~is_newest), pl.col("reported_insulin").log().filter(~is_newest)
        ),
        is_sound=(pl.col("contamination") == "good").all()
        & ~pl.col("on_metformin").any()
        & (pl.col("lab") == STEADY_LAB).all()
        & (pl.col("reported_glucose").mean() < 94)
        & (pl.col("reported_glucose").last() < 97),
    )


def _excess(years: pl.Expr, level: pl.Expr) -> pl.Expr:
    """(slope - climbing) / standard error of the slope."""
    spread = ((years - years.mean()) ** 2).sum()
    slope = ((years - years.mean()) * level).sum() / spread
    return (slope - CLIMBING) * spread.sqrt() / NOISE_SD
