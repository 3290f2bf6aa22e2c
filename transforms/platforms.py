"""What each platform adds to ln insulin, from patients who were measured on several.

A platform is a laboratory with an assay, and within it an era: a change of calibration that nobody
wrote down is looked for in the data. Assays differ by up to a factor of two (Manley 2007, Clin Chem
53:922), so a series may pass from one platform to another only if the difference is known well;
platforms for which it is share a *bridge*.

The model is ``y = a_i + b t + gamma_platform`` within patients: Huber weights, a ridge on gamma,
normal equations of size 1 + platforms that are sums over patients. A step is looked for in one
platform at a time, among draws of one patient on that platform, with a slope of the platform's own
(its people may age or gain weight) and with people, not draws, as the independent units.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from math import inf, log

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from transforms.shapes import Floats, Ints

FOUND_FROM = 5_000
"""Patients from which an effect is estimated across a change that was only found in the data."""
BRIDGE_SE = 0.05
"""Two platforms share a bridge if their difference (ln) is known at least this well."""
EFFECT_SD = 0.25
"""How far platforms differ before anything is measured (ln)."""
LEAST_Z, LEAST_STEP = 5.0, log(1.05)
"""A change is believed from this many SEs and from this size on (ln)."""
NEAR_DAYS, NEAR_Z = 548, 2.5
"""...and if it is still this many SEs among draws of the year and a half on either side."""
MOST_STEPS = 8
"""Changes looked for in one platform."""
SHARD = 1_000_000
"""Draws whose sums are taken at once: bounds memory."""

_HUBER, _PASSES, _MAD = 1.345, 3, 1.4826
_NOISE_SD, _NOISE_DRAWS = 0.28, 50.0
"""What is believed of the noise of a draw (ln) before the cohort speaks, and its worth in draws:
with a handful of draws the residuals vanish for want of freedom, not of noise."""
_LEAST_SCALE = 0.05
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Platform:
    """A laboratory's assay in one era.

    ``from_on``: first day of an era found in the data, None from the beginning. ``bridge`` names
    the platforms that may stand in one series; ``effect`` is added to ln insulin relative to the
    bridge's reference, the one with most patients, and ``se`` is its standard error. ``people``:
    patients with a draw here. ``is_found``: the era's first day was found, not stated.
    """

    lab: str | None
    assay: str | None
    from_on: date | None
    bridge: str
    effect: float
    se: float
    people: int
    is_found: bool


def bridged(draws: pl.DataFrame, known: Iterable[Platform]) -> pl.DataFrame:
    """Draws with ``bridge`` and ``platform_effect`` of the platform each was measured on.

    Args:
        draws: ``drawn_on``, ``lab``, ``assay`` and any other columns, in any order, which is kept.
        known: what :func:`platforms` returned.

    Returns:
        ``bridge`` is null and ``platform_effect`` 0 where the platform is not known.
    """
    columns = ("lab", "assay", "from_on", "bridge", "platform_effect")
    rows = [(p.lab, p.assay, p.from_on or date.min, p.bridge, p.effect) for p in known]
    types = (pl.String, pl.String, pl.Date, pl.String, pl.Float64)
    eras = pl.DataFrame(rows, schema=dict(zip(columns, types, strict=True)), orient="row")
    stated = eras.select("lab", "assay").unique().sort("lab", "assay").with_row_index("_stated")
    place = ["lab", "assay"]
    eras = eras.join(stated, on=place, nulls_equal=True).drop(place).sort("from_on")
    return (
        draws.with_row_index("_row")
        .join(stated, on=place, how="left", nulls_equal=True)
        .sort("drawn_on")
        .join_asof(
            eras, left_on="drawn_on", right_on="from_on", by="_stated", check_sortedness=False
        )
        .with_columns(pl.col("platform_effect").fill_null(0.0))
        .sort("_row")
        .drop("_row", "_stated", "from_on")
    )


def platforms(draws: pl.DataFrame, *, found_from: int = FOUND_FROM) -> tuple[Platform, ...]:
    """Every platform of the cohort with its effect and its bridge.

    Args:
        draws: ``patient_id``, ``drawn_on``, ``insulin_uiu_ml``, ``lab``, ``assay``, in any order.
            Rows without a day, a positive insulin, or any of lab and assay are left out: nothing
            can be learned about a platform without a name, and it gets no record.
        found_from: patients in the cohort from which an era found in the data may be bridged;
            below, the series is broken there.

    Returns:
        Sorted by lab, assay (None first) and era; the same to the bit for the same rows.
    """
    rows, stated = _coded(draws)
    if not stated.height:
        return ()
    breaks = _breaks(rows, stated.height)
    code, names = _eras(rows, breaks)
    units = _units(rows, rows.patient, np.arange(code.size))
    regression = _regression(units, code[units.rows], len(names))
    people = _people(rows, code, len(names))
    is_found = np.array([from_on is not None for _, from_on in names])
    is_alone = is_found & (rows.patient[-1] < found_from)
    reference = _references(regression.variances(), people, is_alone)
    return _records(stated, names, regression, people, reference)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Usable draws by patient, platform as stated, and day (since 1970)."""

    patient: Ints
    stated: Ints
    day: Ints
    y: Floats


def _coded(draws: pl.DataFrame) -> tuple[_Rows, pl.DataFrame]:
    """Draws as numbers, and the stated platforms they count."""
    insulin = pl.col("insulin_uiu_ml").cast(pl.Float64)
    named = pl.any_horizontal(pl.col("lab", "assay").is_not_null())
    usable = draws.filter(
        named, insulin.is_finite(), insulin > 0, pl.col("drawn_on", "patient_id").is_not_null()
    )
    stated = usable.select(pl.col("lab", "assay").cast(pl.String)).unique().sort("lab", "assay")
    coded = (
        usable.select(
            pl.col("lab", "assay").cast(pl.String),
            patient=pl.col("patient_id").rank("dense").cast(pl.Int64),
            day=pl.col("drawn_on").cast(pl.Int32).cast(pl.Int64),
            y=insulin.log(),
        )
        .join(stated.with_row_index("stated"), on=["lab", "assay"], nulls_equal=True)
        .select("patient", pl.col("stated").cast(pl.Int64), "day", "y")
        .sort("patient", "stated", "day", "y")
    )
    return _Rows(*(coded[name].to_numpy() for name in coded.columns)), stated


@dataclass(frozen=True, slots=True)
class Units:
    """Draws of independent units side by side: a patient, or a patient on one platform.

    ``years`` and ``y`` (ln insulin) per draw, ``unit`` its unit from 0, ``starts`` the first draw
    of each unit. ``rows``: where the draws stand among those they were taken from.
    """

    rows: Ints
    y: Floats
    years: Floats
    unit: Ints
    starts: Ints

    def part(self, of: slice) -> Units:
        """Consecutive draws of whole units."""
        first = self.unit[of.start]
        units = slice(first, self.unit[of.stop - 1] + 1)
        return Units(
            self.rows[of], self.y[of], self.years[of], self.unit[of] - first,
            self.starts[units] - of.start,
        )  # fmt: skip

    def shards(self) -> Iterator[slice]:
        """Cuts between units, some :data:`SHARD` draws apart."""
        wanted = np.arange(0, self.y.size, SHARD)
        first = self.starts[np.searchsorted(self.starts[:-1], wanted)] if wanted.size else wanted
        return (slice(a, b) for a, b in pairwise([*np.unique(first).tolist(), self.y.size]))

    def sums(self, values: Floats) -> Floats:
        """Sum over each unit's draws."""
        return np.add.reduceat(values, self.starts) if self.starts.size else np.zeros(0)

    def within(self, values: Floats, weight: Floats) -> Floats:
        """Deviations from the unit's weighted mean."""
        mean = self.sums(weight * values) / self.sums(weight)
        return np.asarray(values - mean[self.unit])

    def later(self, values: Floats) -> Floats:
        """Sum over the unit's draws after this one."""
        so_far = np.cumsum(values)
        until = (so_far - values)[self.starts] + self.sums(values)
        return np.asarray(until[self.unit] - so_far)


def _units(rows: _Rows, key: Ints, where: Ints) -> Units:
    """Units are runs of one ``key``; those of a single draw say nothing and are left out."""
    ends = _run_starts(key[where], closed=True)
    size = np.repeat(np.diff(ends), np.diff(ends))
    where = where[size > 1]
    starts = _run_starts(key[where])
    unit = np.repeat(np.arange(starts.size), np.diff([*starts, where.size]))
    years = rows.day[where] / 365.25
    return Units(where, rows.y[where], years - (years.mean() if years.size else 0), unit, starts)


def _run_starts(key: Ints, *, closed: bool = False) -> Ints:
    """Where runs of equal keys begin; ``closed``: and where the last one ends."""
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    return np.append(starts, key.size) if closed else starts


@dataclass(frozen=True, slots=True)
class Sums:
    """Normal equations over slope and effects; those of disjoint patients add up."""

    normal: Floats
    right: Floats

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.normal + other.normal, self.right + other.right)


def sums(units: Units, code: Ints, weight: Floats, n_codes: int) -> Sums:
    """Weighted normal equations of ``y`` on years and platform, unit means taken out.

    Args:
        units: the draws.
        code: platform of each draw, below ``n_codes``, equal ones of a unit side by side.
        weight: of each draw.
        n_codes: how many platforms there are.
    """
    normal, right = np.zeros((1 + n_codes, 1 + n_codes)), np.zeros(1 + n_codes)
    years, y = units.within(units.years, weight), weight * units.within(units.y, weight)
    normal[0, 0], right[0] = np.sum(weight * years**2), np.sum(years * y)
    normal[0, 1:] = normal[1:, 0] = np.bincount(code, weight * years, n_codes)
    right[1:] = np.bincount(code, y, n_codes)
    share = _by_cell(units, code, weight, n_codes)
    each = sparse.diags_array(1 / units.sums(weight))
    normal[1:, 1:] = (
        np.diag(np.bincount(code, weight, n_codes)) - (share.T @ each @ share).toarray()
    )
    return Sums(normal, right)


def _by_cell(units: Units, code: Ints, values: Floats, n_codes: int) -> sparse.csr_array:
    """Sums per unit (rows) and platform (columns)."""
    at = _run_starts(units.unit * n_codes + code)
    places = units.unit[at], code[at]
    shape = units.starts.size, n_codes
    data = np.add.reduceat(values, at) if at.size else np.zeros(0)
    return sparse.csr_array((data, places), shape=shape)


@dataclass(frozen=True, slots=True)
class _Regression:
    """Effects per platform, the normal matrix over slope and effects, and what is left over."""

    effects: Floats
    weight: Floats
    residual: Floats
    normal: Floats
    noise: float

    def covariance(self) -> Floats:
        """Of slope and effects."""
        return np.asarray(np.linalg.inv(self.normal / self.noise + _ridge(self.effects.size)))

    def variances(self) -> Floats:
        """Of the difference of every two effects."""
        covariance = self.covariance()[1:, 1:]
        own = np.diag(covariance)
        return np.asarray(np.maximum(own[:, None] + own - 2 * covariance, 0))


def _regression(units: Units, code: Ints, n_codes: int) -> _Regression:
    """Fit again and again, each time with the weights that the residuals before call for."""
    weight, noise = np.ones(code.size), _NOISE_SD**2
    for _ in range(_PASSES - 1):
        *_, residual = _pass(units, code, weight, noise, n_codes)
        weight = _weight(units, residual)
        noise = _noise(units, residual, weight, n_codes)
    total, solution, residual = _pass(units, code, weight, noise, n_codes)
    return _Regression(solution[1:], weight, residual, total.normal, noise)


def _pass(
    units: Units, code: Ints, weight: Floats, noise: float, n_codes: int
) -> tuple[Sums, Floats, Floats]:
    """Sums, slope and effects, residuals."""
    total = Sums(np.zeros((1 + n_codes, 1 + n_codes)), np.zeros(1 + n_codes))
    for at in units.shards():
        total += sums(units.part(at), code[at], weight[at], n_codes)
    precision = total.normal / noise + _ridge(n_codes)
    solution = np.asarray(np.linalg.solve(precision, total.right / noise), dtype=np.float64)
    fitted = solution[0] * units.years + solution[1:][code]
    return total, solution, units.within(units.y - fitted, weight)


def _ridge(n_codes: int) -> Floats:
    """Precision of what is believed of slope (next to nothing) and effects beforehand."""
    return np.diag([1e-6, *[EFFECT_SD**-2.0] * n_codes])


def _weight(units: Units, residual: Floats) -> Floats:
    """Huber's; a residual from the mean of few draws is smaller than the noise."""
    free = np.sqrt(1 - 1 / units.sums(np.ones(residual.size)))
    size = np.abs(residual) / free[units.unit]
    scale = max(_MAD * float(np.median(size)), _LEAST_SCALE) if size.size else _LEAST_SCALE
    return 1 / np.maximum(size / (_HUBER * scale), 1)


def _noise(units: Units, residual: Floats, weight: Floats, n_codes: int) -> float:
    """Variance that the inverse of the weighted normal matrix is to be multiplied with."""
    freedom = max(residual.size - units.starts.size - n_codes, 0)
    squares = float(np.sum((weight * residual) ** 2))
    if residual.size:
        squares *= float(weight.mean() / np.mean(weight == 1) ** 2)
    return (_NOISE_DRAWS * _NOISE_SD**2 + squares) / (_NOISE_DRAWS + freedom)


def _breaks(rows: _Rows, n_stated: int) -> list[list[int]]:
    """First days of the eras found in each stated platform."""
    order = np.argsort(rows.stated, kind="stable")
    ends = np.searchsorted(rows.stated[order], np.arange(n_stated + 1))
    return [_steps(rows, order[a:b]) for a, b in pairwise(ends)]


def _steps(rows: _Rows, where: Ints) -> list[int]:
    """Greedy: the step that explains most, until none is sure; each moved as others come."""
    units = _units(rows, rows.patient, where)
    days, at = np.unique(rows.day[units.rows], return_inverse=True)
    found: list[int] = []
    while units.starts.size >= LEAST_Z**2 and len(found) < MOST_STEPS:
        scan = _scan(units, at, days.size, found)
        sure = (np.abs(scan.z) >= LEAST_Z) & (np.abs(scan.size) >= LEAST_STEP)
        if not sure.any():
            break
        best = int(np.argmax(np.where(sure, scan.gain, 0)))
        if not _is_sharp(rows, where, days[best], days[found], np.sign(scan.size[best])):
            break
        found.append(best)
        found = _moved(units, at, days.size, sorted(found))
    return [int(days[step]) for step in found]


def _is_sharp(rows: _Rows, where: Ints, day: int, others: Ints, sign: float) -> bool:
    """Whether the step is still there among draws near it, where a bend of a trend is not.

    Within the span a slope of its own takes a ramp, and a bend is as high on both sides.
    """
    near = np.abs(rows.day[where] - day) <= NEAR_DAYS
    side = np.searchsorted(np.sort(others), rows.day[where], side="right")
    own = side == np.searchsorted(np.sort(others), day, side="right")
    units = _units(rows, rows.patient, where[near & own])
    if units.starts.size < LEAST_Z**2:
        return False
    scan = _scan(units, (rows.day[units.rows] >= day).astype(np.int64), 2, [])
    return bool(sign * scan.z[1] >= NEAR_Z and sign * scan.size[1] >= LEAST_STEP)


def _moved(units: Units, at: Ints, n_days: int, steps: list[int]) -> list[int]:
    """Each step where it explains most, given the others."""
    for k in range(len(steps) if len(steps) > 1 else 0):
        others = steps[:k] + steps[k + 1 :]
        low, high = [0, *others][k], [*others, n_days][k]
        gain = _scan(units, at, n_days, others).gain
        steps[k] = low + 1 + int(np.argmax(gain[low + 1 : high]))
    return steps


@dataclass(frozen=True, slots=True)
class _Scan:
    """A step on each day: ``size`` (ln), ``z`` over people, ``gain`` in the fit."""

    size: Floats
    z: Floats
    gain: Floats


def _scan(units: Units, at: Ints, n_days: int, steps: Sequence[int]) -> _Scan:
    """Score test of a step on every day, beside the platform's own slope and the steps so far.

    What a step would add is freed of slope and steps (``load``); its variance is the sum over
    people of their squared scores.
    """
    code = np.searchsorted(np.asarray(steps, dtype=np.int64), at, side="right")
    fit = _regression(units, code, len(steps) + 1)
    w, score = fit.weight, fit.weight * fit.residual

    def from_day_on(*values: Floats) -> Floats:
        sums = [np.bincount(at, v, n_days)[::-1].cumsum()[::-1] for v in values]
        return np.asarray(np.stack(sums, axis=1))

    columns = [units.years, *((code == era).astype(np.float64) for era in range(len(steps) + 1))]
    own = np.stack([units.sums(score * x) for x in columns], axis=1)
    crossed = from_day_on(*(w * units.within(x, w) for x in columns))
    shared = from_day_on(*(score * of[units.unit] for of in own.T))
    load = crossed @ fit.covariance() / fit.noise
    plain, squares, total = from_day_on(w - _grown(units, w, w), _grown(units, score), score).T
    information = plain - (load * crossed).sum(1)
    variance = squares - 2 * (load * shared).sum(1) + ((load @ (own.T @ own)) * load).sum(1)
    s = total - load @ own.sum(0)
    information = np.where(information > 1, information, inf)
    z = np.where(np.isfinite(information), s / np.sqrt(np.maximum(variance, 1e-12)), 0)
    return _Scan(s / information, z, s**2 / information)


def _grown(units: Units, x: Floats, over: Floats | None = None) -> Floats:
    """By how much each draw lets the square of its unit's sum from its day on grow."""
    grown = x * (x + 2 * units.later(x))
    return np.asarray(grown if over is None else grown / units.sums(over)[units.unit])


def _eras(rows: _Rows, breaks: list[list[int]]) -> tuple[Ints, list[tuple[int, date | None]]]:
    """Platform of each draw, and of each platform what was stated and its first day."""
    before = np.cumsum([0, *(1 + len(steps) for steps in breaks)])
    code = before[rows.stated]
    for stated, steps in enumerate(breaks):
        for day in steps:
            code += (rows.stated == stated) & (rows.day >= day)
    names = [
        (stated, None if day is None else _EPOCH + timedelta(days=day))
        for stated, steps in enumerate(breaks)
        for day in [None, *steps]
    ]
    return code, names


def _people(rows: _Rows, code: Ints, n_codes: int) -> Ints:
    first = _run_starts(rows.patient * n_codes + code)
    return np.bincount(code[first], minlength=n_codes)


def _references(variances: Floats, people: Ints, is_alone: NDArray[np.bool_]) -> Ints:
    """The reference of each platform: largest first, every platform joins the first it knows."""
    reference = np.full(people.size, -1)
    for big in np.argsort(-people, kind="stable"):
        if reference[big] >= 0:
            continue
        joins = (reference < 0) & (variances[big] <= BRIDGE_SE**2) & ~is_alone & ~is_alone[big]
        reference[joins] = big
        reference[big] = big
    return reference


def _records(
    stated: pl.DataFrame,
    names: list[tuple[int, date | None]],
    regression: _Regression,
    people: Ints,
    reference: Ints,
) -> tuple[Platform, ...]:
    labs, assays = stated["lab"].to_list(), stated["assay"].to_list()
    effect = regression.effects - regression.effects[reference]
    se = np.sqrt(regression.variances()[np.arange(people.size), reference])
    texts = [_text(labs[k], assays[k], from_on) for k, from_on in names]
    return tuple(
        Platform(
            labs[k], assays[k], from_on, texts[reference[p]],
            float(effect[p]), float(se[p]), int(people[p]), from_on is not None,
        )
        for p, (k, from_on) in enumerate(names)
    )  # fmt: skip


def _text(lab: str | None, assay: str | None, from_on: date | None) -> str:
    """A slash within a name is doubled, so that no two platforms read alike."""
    parts = (lab or "lab not stated", assay or "assay not stated")
    era = "" if from_on is None else f" from {from_on}"
    return " / ".join(part.replace("/", "//") for part in parts) + era
