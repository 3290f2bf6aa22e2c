"""Was the person fasting at the draw? What sensors, sleep, the clock and stated hours say of it.

Evidence and its likelihood ratios are records of :mod:`transforms.catalog.fasting`, where it is
said which of them may be multiplied. P(fasting) has the odds of the label times the product of
the ratios. A draw of which nothing speaks has no row: for it the label alone counts, as ever.

How it feeds the trend model: 1 - P(fasting) of a draw takes the place of the model's rate of draws
that are not fasting, the other rates stay, and good is what they leave
(:func:`transforms.model.told_apart`). With a label "yes" and no evidence it is the model's own .05.

A meal is a rise above the lowest quarter of the hour before that is as well a rise above the
median of the two hours before and above the level that glucose last fell from steeply. The lowest
alone would take every return from the dip of a wearer who lies on the sensor for a meal: in
simulation (seed 7001) it finds 11 % of those who ate where 1 % of fasting people rise as much,
with the median beside it 41 %, with the fall as well 55 %. The median alone (48 %) misses
more of the breakfasts of people whose glucose falls before they eat (Shanghai T1DM: an area under
the curve of .82 instead of .84 against nights), and one of six hours still more (.78), where the
fall costs little (.83). Dawn is too slow to rise much above its own hour.
In diabetes glucose rises without food and ratios mean little; its draws are not used anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log

import polars as pl

from transforms.catalog.fasting import (
    EVIDENCE,
    FAMILIES,
    FASTING_RATES,
    MOST_RATIO,
    Evidence,
)

BIN_MINUTES = 15
"""Readings are brought to the median of a quarter of an hour, the step of the slower sensors."""
BEFORE_BINS, EARLY_BINS, LATE_BINS = 8, 16, 16
"""Two hours to compare with, then 8 to 4 hours before the draw, then the last 4."""
BINS = BEFORE_BINS + EARLY_BINS + LATE_BINS
LOWEST_BINS = 4
MEDIAN_FACTOR = 1.5
"""A rise is at most so many times the height above the median, most of a meal's hour being in it
(judgement, of 1.5, 2 and 3), and of that above the level before a fall."""
STEEP_FALL_MG_DL, FALL_BINS, LOW_BINS = 20.0, 3, 12
"""A fall of so much within so many quarters of an hour (its first and last among them) may be the
wearer's weight upon the sensor, for so many after it (judgement: of 15, 20 and 25 mg/dL, two and
three quarters, two to three hours; in a fast glucose seldom falls as fast)."""
FEWEST_BEFORE = 3
"""Quarters of an hour of the two hours that must be known."""
HOURS = BINS * BIN_MINUTES // 60
LONGEST_AWAKE_H = 16.0
"""A night that ended longer ago is not the one before the draw (judgement)."""
APART, NIGHT = "1h", "3h"
"""Records of sleep closer than the first are one sleep; a shorter one than the second a nap."""
AFTER_WORKOUT_H = 2.0

DRAW = ("patient_id", "drawn_on")


def fasting_evidence(
    draws: pl.LazyFrame,
    glucose: pl.LazyFrame,
    sleep: pl.LazyFrame,
    activity: pl.LazyFrame,
    rates: Mapping[str, float] = FASTING_RATES,
) -> pl.LazyFrame:
    """P(fasting) of every draw of which anything speaks, and what does.

    Args:
        draws: ``patient_id``, ``drawn_on``, ``drawn_at`` (UTC, null where only a day is known),
            ``drawn_local``, ``label`` (yes, no, unknown), ``fasting_hours`` (h, stated, or null).
            Midnight to the second is a day without a time. Of a patient's day the first draw
            counts.
        glucose: ``patient_id``, ``observed_at`` (UTC), ``value`` (mg/dL); before one draw of one
            sensor only, for from one to another is a step that looks like a rise.
        sleep: ``patient_id``, ``observed_at``, ``ended_at`` (UTC).
        activity: ``patient_id``, ``observed_at``, ``ended_at``, ``value``, ``kind``; of it only
            ``workout_duration`` is read, which may explain a rise. Steps say nothing.
        rates: P(fasting) by label, within 0 and 1, see
            :data:`transforms.catalog.fasting.FASTING_RATES`.

    Returns:
        ``patient_id``, ``drawn_on``, ``p_fasting`` (0 to 1), ``evidence`` (text), sorted.
    """
    measured = draw_measures(draws, glucose, sleep, activity)
    label = pl.col("label")
    prior = label.replace_strict(dict(rates), default=rates["unknown"], return_dtype=pl.Float64)
    ratios = pl.sum_horizontal(_ratio(family) for family in FAMILIES)
    weighed = (prior / (1 - prior)).log() + ratios.clip(-log(MOST_RATIO), log(MOST_RATIO))
    said = pl.concat_str([_said(family) for family in FAMILIES], separator="; ", ignore_nulls=True)
    return (
        measured.select(*DRAW, p_fasting=1 / (1 + (-weighed).exp()), evidence=said)
        .filter(pl.col("evidence") != "")
        .sort(DRAW)
    )


def draw_measures(
    draws: pl.LazyFrame, glucose: pl.LazyFrame, sleep: pl.LazyFrame, activity: pl.LazyFrame
) -> pl.LazyFrame:
    """What records of evidence look at, one row per patient and day of the frames above.

    Returns:
        ``patient_id``, ``drawn_on``, ``label``, ``fasting_hours``; ``late_rise_mg_dl`` and
        ``early_rise_mg_dl``, the highest rise of glucose in the last four hours and in the four
        before; ``late_at``, ``early_at`` (HH:MM) and ``late_h``, ``early_h`` (h before the draw)
        of their tops; ``covered`` and ``covered_pct`` of eight hours; ``is_seen_to_end``, a
        reading in the last half hour; ``is_trained``, a workout in the two hours before the
        late top; ``awake_h``; ``local_hour`` (h) and ``drawn_time``.
    """
    known = _known(draws).cache()
    rises = _rises(known, glucose).cache()
    return (
        known.join(rises, on="draw", how="left")
        .join(_trained(known, rises, activity), on="draw", how="left")
        .join(_awake(known, sleep), on="draw", how="left")
        .select(
            *DRAW,
            "label",
            "fasting_hours",
            *_TOPS,
            "covered",
            "is_seen_to_end",
            covered_pct=pl.col("covered") * 100,
            late_at=_clock(_before("late_h")),
            early_at=_clock(_before("early_h")),
            is_trained=pl.col("is_trained").fill_null(value=False),
            awake_h="awake_h",
            local_hour=_hour(pl.col("drawn_local")),
            drawn_time=_clock(pl.col("drawn_local")),
        )
    )


_TOPS = ("late_rise_mg_dl", "late_h", "early_rise_mg_dl", "early_h")


def _known(draws: pl.LazyFrame) -> pl.LazyFrame:
    """One draw per patient and day, numbered; a draw at midnight is one of unknown time."""
    local = pl.coalesce("drawn_local", "drawn_at")
    is_timed = local.dt.time() != pl.time(0)
    order = [*DRAW, "drawn_at", "label", "fasting_hours"]
    return (
        draws.with_columns(
            pl.when(is_timed).then(pl.col("drawn_at", "drawn_local")),
            pl.col("label").fill_null("unknown"),
        )
        .sort(order, nulls_last=True)
        .unique(DRAW, keep="first", maintain_order=True)
        .with_row_index("draw")
    )


def _hours_before(known: pl.LazyFrame) -> pl.LazyFrame:
    """A row per draw and hour of the clock that its window touches.

    Readings are then found by equal hours, however many there are of a patient.
    """
    back = pl.duration(hours=pl.col("back"))
    return (
        known.filter(pl.col("drawn_at").is_not_null())
        .select("draw", "patient_id", "drawn_at", back=pl.int_ranges(0, HOURS + 1))
        .explode("back")
        .select("draw", "patient_id", "drawn_at", hour=pl.col("drawn_at").dt.truncate("1h") - back)
    )


def _within(known: pl.LazyFrame, seen: pl.LazyFrame) -> pl.LazyFrame:
    """What began in the hours before a draw, with ``minutes_before`` it."""
    minutes = (pl.col("drawn_at") - pl.col("observed_at")).dt.total_minutes()
    return (
        seen.with_columns(hour=pl.col("observed_at").dt.truncate("1h"))
        .join(_hours_before(known), on=["patient_id", "hour"])
        .filter(pl.col("observed_at") <= pl.col("drawn_at"))
        .with_columns(minutes_before=minutes)
        .filter(pl.col("minutes_before") < HOURS * 60)
    )


def _quarters(known: pl.LazyFrame, glucose: pl.LazyFrame) -> pl.LazyFrame:
    """``draw``, ``bin`` (0 the oldest), ``value``: every quarter of an hour, null where silent.

    A lone quarter without a reading keeps the value before it: slow sensors are not punctual.
    """
    value = pl.col("value")
    positive = glucose.filter((value > 0) & value.is_finite(), pl.col("observed_at").is_not_null())
    read = (
        _within(known, positive)
        .with_columns(bin=BINS - 1 - pl.col("minutes_before") // BIN_MINUTES)
        .group_by("draw", "bin")
        .agg(value.median())
        .cache()
    )
    every = pl.LazyFrame({"bin": range(BINS)}, schema={"bin": pl.Int64})
    return (
        read.select("draw")
        .unique()
        .join(every, how="cross")
        .join(read, on=["draw", "bin"], how="left")
        .sort("draw", "bin")
        .with_columns(pl.coalesce(value, pl.when(_is_between_two()).then(value.shift(1))))
    )


def _is_between_two() -> pl.Expr:
    known = pl.col("value").is_not_null()
    return known.shift(1) & known.shift(-1) & pl.col("bin").is_between(1, BINS - 2)


def _rises(known: pl.LazyFrame, glucose: pl.LazyFrame) -> pl.LazyFrame:
    """Per draw with readings :data:`_TOPS`, ``covered`` and ``is_seen_to_end``."""
    place, early = pl.col("bin"), BEFORE_BINS + EARLY_BINS
    is_early, is_late = place.is_between(BEFORE_BINS, early - 1), place >= early
    return (
        _quarters(known, glucose)
        .with_columns(rise=_rise(pl.col("value")).over("draw"))
        .group_by("draw")
        .agg(
            *_top("late", is_late),
            *_top("early", is_early),
            covered=pl.col("value").filter(place >= BEFORE_BINS).count() / (BINS - BEFORE_BINS),
            is_seen_to_end=pl.col("value").tail(2).count() > 0,
        )
    )


def _rise(value: pl.Expr) -> pl.Expr:
    """Of each quarter of an hour; null where the two hours before it are not known."""
    lowest = value.rolling_min(LOWEST_BINS, min_samples=1).shift(1)
    usual = value.rolling_median(BEFORE_BINS, min_samples=FEWEST_BEFORE).shift(1)
    heights = [MEDIAN_FACTOR * (value - level) for level in (usual, _level_before_fall(value))]
    risen = pl.min_horizontal(value - lowest, *heights)
    return pl.when(lowest.is_not_null() & usual.is_not_null()).then(risen)


def _level_before_fall(value: pl.Expr) -> pl.Expr:
    """The level of the last steep fall's beginning, for three hours; null where there is none."""
    top = value.rolling_max(FALL_BINS, min_samples=1)
    fallen = pl.when(top - value >= STEEP_FALL_MG_DL).then(top)
    return fallen.forward_fill(LOW_BINS).shift(1)


def _top(part: str, of: pl.Expr) -> list[pl.Expr]:
    """The highest rise of a part of the window, and how many hours before the draw it was."""
    rise, hours = pl.col("rise").filter(of), (BINS - 1 - pl.col("bin")) * BIN_MINUTES / 60
    highest = hours.filter(of & (pl.col("rise") == rise.max())).min()
    return [rise.max().alias(f"{part}_rise_mg_dl"), highest.alias(f"{part}_h")]


def _trained(known: pl.LazyFrame, rises: pl.LazyFrame, activity: pl.LazyFrame) -> pl.LazyFrame:
    """Draws whose last rise had its top in the two hours after a workout began."""
    workouts = activity.filter(pl.col("kind") == "workout_duration")
    before_top = pl.col("minutes_before") / 60 - pl.col("late_h")
    return (
        _within(known, workouts.select("patient_id", "observed_at"))
        .join(rises, on="draw")
        .filter(before_top.is_between(-BIN_MINUTES / 60, AFTER_WORKOUT_H))
        .select("draw", is_trained=pl.lit(value=True))
        .unique()
    )


def _awake(known: pl.LazyFrame, sleep: pl.LazyFrame) -> pl.LazyFrame:
    """``awake_h``, since the night before the draw."""
    timed = known.filter(pl.col("drawn_at").is_not_null()).select("draw", "patient_id", "drawn_at")
    awake = (pl.col("drawn_at") - pl.col("ended_at")).dt.total_minutes() / 60
    return (
        timed.sort("drawn_at")
        .join_asof(
            _nights(sleep),
            left_on="drawn_at",
            right_on="ended_at",
            by="patient_id",
            check_sortedness=False,
        )
        .select("draw", awake_h=pl.when(awake <= LONGEST_AWAKE_H).then(awake))
    )


def _nights(sleep: pl.LazyFrame) -> pl.LazyFrame:
    """``patient_id``, ``ended_at`` of sleeps, records near in time as one, without naps."""
    start, end = pl.col("observed_at"), pl.col("ended_at")
    before = end.cum_max().shift(1).over("patient_id")
    is_new = (start > before.dt.offset_by(APART)).fill_null(value=True)
    return (
        sleep.filter(end > start)
        .sort("patient_id", "observed_at", "ended_at")
        .with_columns(night=is_new.cum_sum().over("patient_id"))
        .group_by("patient_id", "night")
        .agg(start.min(), end.max())
        .filter(end >= start.dt.offset_by(NIGHT))
        .select("patient_id", "ended_at")
        .sort("ended_at")
    )


def _before(hours: str) -> pl.Expr:
    return pl.col("drawn_local") - pl.duration(minutes=pl.col(hours) * 60)


def _hour(local: pl.Expr) -> pl.Expr:
    return local.dt.hour().cast(pl.Int64) + local.dt.minute() / 60


def _clock(local: pl.Expr) -> pl.Expr:
    """HH:MM, or that nobody knows."""
    return local.dt.strftime("%H:%M").fill_null("an unknown hour")


def _first(family: str) -> list[tuple[pl.Expr, Evidence]]:
    """The records of a family, each with whether it is the first that applies."""
    records = [item for item in EVIDENCE if item.family == family]
    applies = [item.applies.fill_null(value=False) for item in records]
    return [
        (now & ~pl.any_horizontal(pl.lit(value=False), *applies[:k]), item)
        for k, (now, item) in enumerate(zip(applies, records, strict=True))
    ]


def _ratio(family: str) -> pl.Expr:
    """Natural logarithm of the ratio that a family brings; 0 where it says nothing."""
    speaking = [pl.when(now).then(log(item.ratio)) for now, item in _first(family)]
    return pl.coalesce(*speaking, 0.0)


def _said(family: str) -> pl.Expr:
    """The sentence of a family; null where it says nothing or what it says weighs nothing."""
    return pl.coalesce(
        pl.when(now).then(pl.format(item.sentence, *item.shows))
        for now, item in _first(family)
        if item.ratio != 1
    )
