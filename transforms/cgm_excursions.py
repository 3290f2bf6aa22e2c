"""Excursions of a glucose trace: MAGE, CONGA, MODD, and the rises that follow meals.

**The even trace.** MAGE, CONGA and MODD are defined on evenly spaced glucose. It is taken at every
fifth minute of the clock, by a straight line between two readings at most :data:`BRIDGED_MIN`
minutes apart; in a longer gap nothing is known, and no difference is taken with it.

**MAGE** (mean amplitude of glycaemic excursions; Service et al. 1970, Diabetes 19:644) is that of
Fernandes et al. 2022 (J Diabetes Sci Technol 16:576), by moving averages, the mean of both
directions; other algorithms give other numbers. A trace is cut at gaps of more than
:data:`APART_MIN` minutes. In each piece the trailing means of five and of 32 points cross; between
two crossings, from the turning point before, the highest or lowest point is a turning point. An
excursion runs from a lowest turning point to the highest one after it, before the trace has turned
by more than one SD of the piece, and counts where it is itself larger than that SD; likewise down.
The means of both directions over all pieces are weighted by the length of the piece. Pieces of
less than 32 points, or an SD of less than 1 mg/dL, have none.

**CONGA-n** (McDonnell et al. 2005, Diabetes Technol Ther 7:253) is the SD of the differences
between glucose and glucose n hours before; **MODD** (Molnar et al. 1972, Diabetologia 8:342) the
mean absolute difference to the day before. Both at the sensor's own steps: every fifth minute, or
every fifteenth where it reports so. Hours are elapsed ones, also on days when clocks change.

**A rise** is judgement, for there is no agreed rule for people without diabetes: glucose gains
:data:`RISE_MG_DL` within an hour. It begins at the last reading of that hour within
:data:`NOISE_MG_DL` of its lowest, and ends when glucose has lost half of that gain from its top,
or has had no new top for an hour. No rise goes over a gap. Who is below 70 mg/dL after a fall of
as much within the hour before climbs back from a low, or rolled off the sensor: that is no meal.
What a rise was, nothing here knows: also dawn and exercise raise glucose.

Imported only where readings are computed: loading the compiler takes half a second.
"""

from __future__ import annotations

from functools import partial
from math import sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.compiling import compiled
from transforms.shapes import Floats, Ints

STEP_S = 300
"""Seconds between points of the even trace."""
BRIDGED_MIN, APART_MIN = 45, 180
"""Gaps over which a line is drawn, and which end a piece: those of Fernandes et al. 2022."""
SHORT, LONG = 5, 32
"""Points of the moving averages (Fernandes et al. 2022)."""
LEAST_SD = 1.0
"""A piece with less SD, mg/dL, is flat: readings are whole numbers."""
LEVEL = 1e-6
"""Moving averages closer than this, mg/dL, are equal: what differs is rounding."""
SLOW_S = (600, 1200)
"""Gaps above the first, up to the second, are those of a sensor of 15 minutes (judgement)."""
LONGEST = 17 * 24 * 3600
"""Seconds a block may last: days of local dates that say otherwise are none."""

RISE_MG_DL, RISE_MIN = 20.0, 60
"""What makes a rise, and within how many minutes (judgement)."""
NOISE_MG_DL = 5.0
"""A reading this near the lowest is still at the foot of the rise (judgement)."""
LOW_MG_DL = 70.0
"""A climb from below this after a fall of :data:`RISE_MG_DL` is a recovery (judgement)."""

_DAY_BITS = 23
_HOUR = 3600 // STEP_S
_GAP_S, _APART, _RISE_S = BRIDGED_MIN * 60, APART_MIN * 60 // STEP_S, RISE_MIN * 60
_SERIES: dict[str, pl.DataType] = {"patient_id": pl.String(), "device": pl.String()}
_SUMMED = ("mean_mg_dl", "sd_mg_dl", "lbgi", "hbgi")
_MEASURES = ("mage_mg_dl", "conga_1h_mg_dl", "conga_24h_mg_dl", "modd_mg_dl")


def variability(readings: pl.LazyFrame, days: int) -> pl.LazyFrame:
    """Mean, SD and risks, MAGE, CONGA-1, CONGA-24 and MODD of every block of so many local dates.

    A block is computed in order of time and by itself: it has the same numbers to the bit, whoever
    else is in the frame.

    Args:
        readings: :func:`transforms.cgm.readings` with ``lbgi`` and ``hbgi``, the risks of each.
        days: 1, or how many dates a block has: the first begins with a sensor's first date, the
            next with its first date after that block.

    Returns:
        ``patient_id``, ``device``, ``from_on`` (first date of the block), ``mean_mg_dl``,
        ``sd_mg_dl``, ``lbgi``, ``hbgi`` (means), ``mage_mg_dl``, ``conga_1h_mg_dl``,
        ``conga_24h_mg_dl``, ``modd_mg_dl``: null where there are too few points. Nothing outside
        of the block counts.
    """
    numbers = dict.fromkeys((*_SUMMED, *_MEASURES), pl.Float64())
    taken = readings.select(
        *_SERIES, "series", "observed_at", "local_date", "value", "lbgi", "hbgi"
    )
    return taken.map_batches(
        partial(_variability, days=days), schema={**_SERIES, "from_on": pl.Date(), **numbers}
    )


def rises(readings: pl.LazyFrame) -> pl.LazyFrame:
    """The readings with which a rise begins, in their order.

    Args:
        readings: :func:`transforms.cgm.readings`.

    Returns:
        ``patient_id``, ``device``, ``local_date``, ``observed_local``.
    """
    schema = {**_SERIES, "local_date": pl.Date(), "observed_local": pl.Datetime("us")}
    taken = readings.select(*schema, "series", "observed_at", "value")
    return taken.map_batches(partial(_rises, columns=list(schema)), schema=schema)


def block_starts(series: Ints, day: Ints, days: int) -> Ints:
    """Where blocks of so many days begin in rows sorted by series and day.

    >>> block_starts(np.array([0, 0, 0, 0, 1]), np.array([1, 3, 14, 15, 2]), 14).tolist()
    [0, 3, 4]
    """
    code = (series.astype(np.int64) << _DAY_BITS) + day
    if days == 1:
        return np.flatnonzero(np.diff(code, prepend=-1))
    is_first = np.diff(series, prepend=-1) != 0
    following = np.searchsorted(code, code + days)
    is_start, at = np.zeros(code.size, dtype=bool), np.flatnonzero(is_first)
    while at.size:
        is_start[at] = True
        at = following[at]
        at = at[at < code.size]
        at = at[~is_first[at]]
    return np.flatnonzero(is_start)


def _variability(readings: pl.DataFrame, days: int) -> pl.DataFrame:
    series = readings["series"].to_numpy()
    day = readings["local_date"].to_physical().to_numpy() + (1 << (_DAY_BITS - 1))
    order = np.argsort((series.astype(np.int64) << _DAY_BITS) + day, kind="stable")
    starts = block_starts(series[order], day[order], days)
    bounds = np.append(starts, order.size)
    value, lbgi, hbgi = (readings[n].to_numpy()[order] for n in ("value", "lbgi", "hbgi"))
    numbers = np.hstack(
        [
            summed(value, bounds),
            *(summed(risk, bounds)[:, :1] for risk in (lbgi, hbgi)),
            measured(_seconds(readings)[order], value, bounds),
        ]
    )
    named = zip((*_SUMMED, *_MEASURES), numbers.T.copy(), strict=True)
    first = readings[order[starts]].select(*_SERIES, from_on="local_date")
    return first.with_columns(pl.Series(n, v, nan_to_null=True) for n, v in named)


def _rises(readings: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    series, value = readings["series"].to_numpy(), readings["value"].to_numpy()
    begins = rise_begins(_seconds(readings), value, series)
    return readings.select(columns).filter(pl.Series(begins))


def _seconds(readings: pl.DataFrame) -> Ints:
    return readings["observed_at"].dt.epoch("s").to_numpy()


@compiled
def summed(value: Floats, bounds: Ints) -> Floats:
    """Mean and sample SD of each block of values; NaN of one value."""
    found = np.full((bounds.size - 1, 2), np.nan)
    for k in range(bounds.size - 1):
        block = value[bounds[k] : bounds[k + 1]]
        found[k, 0] = block.mean()
        if block.size > 1:
            found[k, 1] = deviation(block)
    return found


@compiled
def measured(at: Ints, value: Floats, bounds: Ints) -> Floats:
    """MAGE, CONGA-1, CONGA-24 and MODD of each block of readings, NaN where there is none.

    ``at`` in seconds; block k is the readings from ``bounds[k]`` to before ``bounds[k + 1]``.
    """
    found = np.full((bounds.size - 1, 4), np.nan)
    for k in range(bounds.size - 1):
        block = slice(bounds[k], bounds[k + 1])
        trace, first = even_trace(at[block], value[block])
        every = 3 if is_slow(at[block]) else 1
        found[k, 0] = mage(trace)
        found[k, 1] = differences(trace, first, every, _HOUR)[0]
        found[k, 2], found[k, 3] = differences(trace, first, every, 24 * _HOUR)
    return found


@compiled
def is_slow(at: Ints) -> bool:
    """Whether more time lies in gaps of a slow sensor's length than in shorter ones."""
    slow = fast = 0
    for i in range(1, at.size):
        gap = at[i] - at[i - 1]
        if 0 < gap <= SLOW_S[0]:
            fast += gap
        elif SLOW_S[0] < gap <= SLOW_S[1]:
            slow += gap
    return slow > fast


@compiled
def even_trace(at: Ints, value: Floats) -> tuple[Floats, int]:
    """Glucose at every fifth minute of the clock, NaN in gaps, and the number of the first."""
    first = -(-at.min() // STEP_S)
    size = at.max() // STEP_S - first + 1
    trace = np.full(size if at.max() - at.min() <= LONGEST else 0, np.nan)
    for i in range(at.size if trace.size else 0):
        gap = at[i] - at[i - 1] if i else 0
        if 0 < gap <= _GAP_S:
            slope = (value[i] - value[i - 1]) / gap
            for point in range(-(-at[i - 1] // STEP_S), -(-at[i] // STEP_S)):
                trace[point - first] = value[i - 1] + slope * (point * STEP_S - at[i - 1])
        if at[i] % STEP_S == 0:
            trace[at[i] // STEP_S - first] = value[i]
    return trace, first


@compiled
def differences(trace: Floats, first: int, every: int, lag: int) -> tuple[float, float]:
    """SD and mean size of the differences so many points apart, at the sensor's own steps."""
    n, total, size, squares = 0, 0.0, 0.0, 0.0
    for i in range(lag + (-(first + lag)) % every, trace.size, every):
        change = trace[i] - trace[i - lag]
        if not np.isnan(change):
            n += 1
            total += change
            size += abs(change)
            squares += change * change
    spread = np.sqrt(max(squares - total * total / n, 0.0) / (n - 1)) if n > 1 else np.nan
    return spread, size / n if n else np.nan


@compiled
def mage(trace: Floats) -> float:
    """Mean amplitude of excursions of an even trace, mg/dL; NaN where there are none."""
    total, weight, begin, last = 0.0, 0, -1, -1
    for i in range(trace.size + 1):
        is_over = i == trace.size
        if not is_over and np.isnan(trace[i]):
            continue
        if begin >= 0 and (is_over or i - last > _APART):
            found, length = excursions(trace[begin : last + 1])
            total, weight, begin = total + found, weight + length, -1
        if begin < 0:
            begin = i
        last = i
    return total / weight if weight else np.nan


@compiled
def excursions(piece: Floats) -> tuple[float, int]:
    """Sum of the mean excursion up and down, times the length of the piece; and their weight."""
    if piece.size < LONG:
        return 0.0, 0
    limit = deviation(piece)
    if limit < LEAST_SD:
        return 0.0, 0
    points, total, weight = turning_points(piece), 0.0, 0
    for height in (mean_climb(points, limit), mean_climb(-points, limit)):
        if not np.isnan(height):
            total += height * (piece.size - 1)
            weight += piece.size - 1
    return total, weight


@compiled
def deviation(piece: Floats) -> float:
    """Sample SD of the known points."""
    known = piece[~np.isnan(piece)]
    return sqrt(((known - known.mean()) ** 2).sum() / (known.size - 1))


@compiled
def moving_mean(piece: Floats, width: int) -> Floats:
    """Mean of the known points among the last ``width``; the first ones have that of the first."""
    means, total, known = np.empty(piece.size), 0.0, 0
    for i in range(piece.size):
        if not np.isnan(piece[i]):
            total, known = total + piece[i], known + 1
        if i >= width and not np.isnan(piece[i - width]):
            total, known = total - piece[i - width], known - 1
        means[i] = total / known if known else np.nan
    means[: width - 1] = means[width - 1]
    return means


@compiled
def turning_points(piece: Floats) -> Floats:
    """Lowest and highest points in turn, one for every crossing of the moving averages.

    A point without glucose, or where both averages are equal, crosses nothing.
    """
    apart = moving_mean(piece, SHORT) - moving_mean(piece, LONG)
    points, n, at, is_high = np.empty(piece.size + 1), 0, 0, apart[0] > LEVEL
    for i in range(1, piece.size + 1):
        is_over = i == piece.size
        if not is_over and (np.isnan(piece[i]) or not abs(apart[i]) > LEVEL):
            continue
        if is_over or (apart[i] > 0) != is_high:
            at = extreme(piece, at, min(i, piece.size - 1), is_high)
            points[n] = piece[at]
            n, is_high = n + 1, not is_high
    return points[:n]


@compiled
def extreme(piece: Floats, begin: int, last: int, is_high: bool) -> int:  # noqa: FBT001 compiled
    """Where the first highest or lowest known point stands, both ends included."""
    at = begin
    for i in range(begin + 1, last + 1):
        if (piece[i] > piece[at]) if is_high else (piece[i] < piece[at]):
            at = i
    return at


@compiled
def mean_climb(points: Floats, limit: float) -> float:
    """Mean height of the climbs above a limit, each until a fall of more than it; NaN if none."""
    low = high = points[0]
    total, n, is_up = 0.0, 0, False
    for point in points:
        if not is_up:
            low = min(low, point)
            high, is_up = point, point - low > limit
            continue
        high = max(high, point)
        if high - point > limit:
            total, n, low, is_up = total + high - low, n + 1, point, False
    if is_up:
        total, n = total + high - low, n + 1
    return total / n if n else np.nan


@compiled
def rise_begins(at: Ints, value: Floats, series: Ints) -> NDArray[np.bool_]:
    """Whether a rise begins with the reading; ``at`` in seconds, in order within a series."""
    begins, is_up = np.zeros(at.size, dtype=np.bool_), False
    run, since, top = 0, 0, 0
    for i in range(at.size):
        if i == 0 or series[i] != series[i - 1] or at[i] - at[i - 1] > _GAP_S:
            run, since, is_up = i, i, False
        if is_up:
            if value[i] > value[top]:
                top = i
            is_over = value[top] - value[i] >= RISE_MG_DL / 2 or at[i] - at[top] >= _RISE_S
            since, is_up = i, not is_over
            continue
        low = lowest_before(at, value, i, since)
        if value[i] - value[low] >= RISE_MG_DL:
            is_up, top = True, i
            begins[foot(value, low, i)] = not is_recovery(at, value, low, run)
    return begins


@compiled
def lowest_before(at: Ints, value: Floats, i: int, since: int) -> int:
    """The last lowest reading of the hour before reading ``i``, none before ``since``."""
    low, k = i, i - 1
    while k >= since and at[i] - at[k] <= _RISE_S:
        if value[k] < value[low]:
            low = k
        k -= 1
    return low


@compiled
def foot(value: Floats, low: int, i: int) -> int:
    """The last reading before reading ``i`` that is no more than noise above reading ``low``."""
    last = i - 1
    while value[last] - value[low] > NOISE_MG_DL:
        last -= 1
    return last


@compiled
def is_recovery(at: Ints, value: Floats, low: int, run: int) -> bool:
    """Whether a reading below 70 mg/dL ends a fall as steep as a rise."""
    if value[low] >= LOW_MG_DL:
        return False
    k = low - 1
    while k >= run and at[low] - at[k] <= _RISE_S:
        if value[k] - value[low] >= RISE_MG_DL:
            return True
        k -= 1
    return False
