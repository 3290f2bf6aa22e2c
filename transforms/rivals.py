"""Simpler ways to rank people by their fasting draws: what the trend model must beat.

Every rival is a record: a name, a sentence, a source, a score (higher is more suspect) and the
fixed thresholds in use, if any. One gate stands before all of them, as in practice: people whose
mean glucose so far is 100 mg/dL or more, or of whom nothing can be computed, come last. Trends are
of ln insulin over years. Everybody is computed at once, on padded arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

from transforms.catalog.prior import LITERATURE_NOISE
from transforms.model import INSULIN_SLOPE
from transforms.shapes import Floats, Ints

Bools = NDArray[np.bool_]

GATE = 100.0
"""mg/dL, of mean glucose."""
_Z95 = float(ndtri(0.95))
RCV = _Z95 * sqrt(2) * LITERATURE_NOISE.insulin_sd
"""Rise of ln insulin between two draws that noise alone exceeds once in twenty: + 84 %."""
PASSES = 40
"""Of expectation-maximisation."""
_DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Visits:
    """Visits of N people, one row a person, padded on the right to L.

    ``patient_id`` (N,), sorted; ``n`` (N,); ``t`` years from the first visit, ``y`` ln insulin
    (uIU/mL) and ``g`` ln glucose (mg/dL), all (N, L) and 0 beyond a person's ``n`` visits.
    """

    patient_id: pl.Series
    n: Ints
    t: Floats
    y: Floats
    g: Floats

    @cached_property
    def is_made(self) -> Bools:
        """Which cells are visits, (N, L)."""
        return np.asarray(np.arange(self.t.shape[1]) < self.n[:, None])

    @cached_property
    def is_gated(self) -> Bools:
        """Whose mean glucose so far is at the gate or above, (N,)."""
        return np.asarray((np.exp(self.g) * self.is_made).sum(1) >= GATE * self.n)

    def upto(self, k: int) -> Visits:
        """What was known after everybody's ``k``-th visit."""
        kept = np.arange(self.t.shape[1]) < k
        t, y, g = (np.where(kept, a, 0)[:, :k] for a in (self.t, self.y, self.g))
        return Visits(self.patient_id, np.minimum(self.n, k), t, y, g)

    def newest(self, values: Floats) -> Floats:
        """The newest of each row of ``values``, (N,)."""
        return np.take_along_axis(values, self.n[:, None] - 1, axis=1)[:, 0]


def visits(pairs: pl.LazyFrame) -> Visits:
    """Pairs as for :func:`transforms.trends.trends`; those of one day are averaged (logarithms)."""
    logs = pairs.select(
        "patient_id", "drawn_on", y=pl.col("insulin_uiu_ml").log(), g=pl.col("glucose_mg_dl").log()
    )
    key = ("patient_id", "drawn_on")
    days = logs.group_by(key).agg(pl.col("y", "g").sort().mean()).sort(key)
    since = (pl.col("drawn_on") - pl.col("drawn_on").min()).dt.total_days() / _DAYS_PER_YEAR
    place = pl.int_range(pl.len()).over("patient_id")
    rows = days.with_columns(t=since.over("patient_id"), place=place).collect()
    patients = rows["patient_id"].unique(maintain_order=True)
    at = rows["patient_id"].rle_id().to_numpy(), rows["place"].to_numpy()
    n = np.bincount(at[0], minlength=patients.len())
    shape = (patients.len(), int(n.max(initial=1)))
    return Visits(patients, n, *(_padded(rows[name].to_numpy(), at, shape) for name in "tyg"))


def _padded(values: Floats, at: tuple[Ints, Ints], shape: tuple[int, int]) -> Floats:
    padded = np.zeros(shape)
    padded[at] = values
    return padded


Score = Callable[[Visits], Floats]
"""Visits -> one number a person, not a number where nothing can be said."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A fixed threshold as practised: flagged is whose score lies above ``above``."""

    name: str
    above: float


@dataclass(frozen=True, slots=True)
class Rival:
    """One way to rank people; ``rules`` are the thresholds in use."""

    name: str
    sentence: str
    source: str
    score: Score
    rules: tuple[Rule, ...] = ()

    def scored(self, of: Visits) -> Floats:
        """The score behind the gate, (N,): minus infinity for who comes last."""
        score = self.score(of)
        return np.where(of.is_gated | np.isnan(score), -np.inf, score)


def latest_homa_ir(of: Visits) -> Floats:
    """HOMA-IR of the newest visit."""
    return np.asarray(np.exp(of.newest(of.y + of.g)) / 405)


def latest_insulin(of: Visits) -> Floats:
    """Insulin of the newest visit, uIU/mL."""
    return np.asarray(np.exp(of.newest(of.y)))


def risen(of: Visits) -> Floats:
    """Newest minus first insulin, uIU/mL."""
    return np.asarray(np.exp(of.newest(of.y)) - np.exp(of.y[:, 0]))


def log_ratio(of: Visits) -> Floats:
    """Ln of newest over first insulin."""
    return np.asarray(of.newest(of.y) - of.y[:, 0])


class Line(NamedTuple):
    """Least squares of ln insulin, (N,) each; ``slope`` per year."""

    slope: Floats
    residual: Floats
    spread: Floats


def line(of: Visits) -> Line:
    """Slope, residual sum of squares, and the sum of squares of time."""
    made, n = of.is_made, of.n[:, None]
    t = np.where(made, of.t - of.t.sum(1, keepdims=True) / n, 0)
    y = np.where(made, of.y - of.y.sum(1, keepdims=True) / n, 0)
    spread = (t * t).sum(1)
    with np.errstate(invalid="ignore"):
        slope = (t * y).sum(1) / spread
    return Line(slope, ((y - slope[:, None] * t) ** 2).sum(1), spread)


def ols_slope(of: Visits) -> Floats:
    """Least-squares slope, ln units per year."""
    return line(of).slope


def ols_p(of: Visits) -> Floats:
    """Minus the one-sided p-value of the least-squares slope; two visits, or none risen, say .5."""
    slope, residual, spread = line(of)
    freedom = np.maximum(of.n - 2, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = slope / np.sqrt(residual / freedom / spread)
    says = (of.n > 2) & (slope != 0)
    return np.asarray(-np.where(says, stdtr(freedom, -np.where(says, t, 0)), 0.5))


def _slopes(of: Visits) -> tuple[Floats, Ints]:
    """Slopes between any two visits, ascending, not a number beyond; how many, (N,)."""
    first, second = np.triu_indices(of.t.shape[1], 1)
    made = of.is_made[:, second]
    with np.errstate(invalid="ignore", divide="ignore"):
        slopes = (of.y[:, second] - of.y[:, first]) / (of.t[:, second] - of.t[:, first])
    slopes = np.sort(np.where(made, slopes, np.nan), axis=1)
    # A column for people without two visits.
    return np.column_stack([slopes, np.full(len(slopes), np.nan)]), made.sum(1)


def _at(rows: Floats, place: Ints) -> Floats:
    return np.take_along_axis(rows, place[:, None], axis=1)[:, 0]


def theil_sen_slope(of: Visits) -> Floats:
    """Median slope between any two visits."""
    slopes, m = _slopes(of)
    return 0.5 * (_at(slopes, np.maximum(m - 1, 0) // 2) + _at(slopes, m // 2))


def theil_sen_low(of: Visits) -> Floats:
    """Lower end of the 90 % interval of the Theil-Sen slope."""
    slopes, m = _slopes(of)
    place = np.round((m - _Z95 * np.sqrt(_kendall_variance(of))) / 2) - 1
    return _at(slopes, np.maximum(place, 0).astype(np.int64))


def _kendall_variance(of: Visits) -> Floats:
    """Variance of Kendall's S without trend, less for equal values."""
    n = of.n
    same = (of.y[:, :, None] == of.y[:, None, :]) & of.is_made[:, :, None] & of.is_made[:, None, :]
    tied = same.sum(2)
    # Each of k equal values brings one k-th of k (k - 1) (2 k + 5).
    less = np.where(of.is_made, (tied - 1) * (2 * tied + 5), 0).sum(1)
    return np.asarray((n * (n - 1) * (2 * n + 5) - less) / 18)


def mann_kendall(of: Visits) -> Floats:
    """The Mann-Kendall Z, with continuity correction; 0 where all values are equal."""
    first, second = np.triu_indices(of.t.shape[1], 1)
    s = (np.sign(of.y[:, second] - of.y[:, first]) * of.is_made[:, second]).sum(1)
    sd = np.sqrt(_kendall_variance(of))
    return np.where(sd > 0, (s - np.sign(s)) / np.where(sd > 0, sd, 1), 0)


class _Sums(NamedTuple):
    """``xx`` (N, 2, 2) and ``xy`` (N, 2), x = (1, years before the newest visit); ``yy``, ``n``."""

    xx: Floats
    xy: Floats
    yy: Floats
    n: Ints


class Spread(NamedTuple):
    """How levels and slopes differ between people: ``mean`` (2,), ``covariance`` (2, 2); noise."""

    mean: Floats
    covariance: Floats
    variance: float


def _sums(of: Visits) -> _Sums:
    t = (of.t - of.newest(of.t)[:, None]) * of.is_made
    x = np.stack([of.is_made.astype(float), t], axis=2)
    xx, xy = np.einsum("nli,nlj->nij", x, x), np.einsum("nli,nl->ni", x, of.y)
    return _Sums(xx, xy, (of.y**2).sum(1), of.n)


def _posterior(sums: _Sums, spread: Spread) -> tuple[Floats, Floats]:
    """Mean (N, 2) and covariance (N, 2, 2) of everybody's level and slope."""
    prior = np.linalg.inv(spread.covariance)
    covariance = np.linalg.inv(prior + sums.xx / spread.variance)
    pull = prior @ spread.mean + sums.xy / spread.variance
    return np.asarray(np.einsum("nij,nj->ni", covariance, pull)), np.asarray(covariance)


def _refined(sums: _Sums, spread: Spread) -> Spread:
    """One pass of expectation-maximisation."""
    mean, covariance = _posterior(sums, spread)
    centre = mean.mean(0)
    apart = mean - centre
    between = (covariance + apart[:, :, None] * apart[:, None, :]).mean(0)
    about = covariance + mean[:, :, None] * mean[:, None, :]
    rest = sums.yy - 2 * (mean * sums.xy).sum(1) + (sums.xx * about).sum((1, 2))
    return Spread(centre, between, float(rest.sum() / sums.n.sum()))


def gaussian(of: Visits) -> Floats:
    """How many SDs the posterior slope lies above 5 % a year: level and slope normal, all alike."""
    sums = _sums(of)
    spread = Spread(np.array([of.y[of.is_made].mean(), 0]), np.diag([0.25, 0.0025]), 0.08)
    for _ in range(PASSES):
        spread = _refined(sums, spread)
    mean, covariance = _posterior(sums, spread)
    return np.asarray((mean[:, 1] - INSULIN_SLOPE) / np.sqrt(covariance[:, 1, 1]))


RIVALS: tuple[Rival, ...] = (
    Rival(
        "HOMA-IR",
        "HOMA-IR of the newest draw",
        "Matthews 1985, Diabetologia 28:412; cut-offs as practised",
        latest_homa_ir,
        (Rule("HOMA-IR > 2.5", 2.5), Rule("HOMA-IR > 2.9", 2.9)),
    ),
    Rival(
        "insulin",
        "insulin of the newest draw",
        "cut-off as practised",
        latest_insulin,
        (Rule("insulin > 15", 15),),
    ),
    Rival(
        "last - first",
        "newest minus first insulin",
        "as practised",
        risen,
        (Rule("last - first > 5", 5),),
    ),
    Rival(
        "RCV",
        "newest over first insulin against the reference change value",
        "Harris and Yasaka 1983, Clin Chem 29:25; of logarithms; CV of the literature noise",
        log_ratio,
        (Rule("rise above RCV", RCV),),
    ),
    Rival("OLS slope", "least-squares slope of ln insulin", "textbook", ols_slope),
    Rival(
        "OLS p",
        "one-sided p-value of that slope",
        "textbook",
        ols_p,
        (Rule("OLS p < .05", -0.05),),
    ),
    Rival(
        "Theil-Sen",
        "median slope between any two draws",
        "Sen 1968, JASA 63:1379",
        theil_sen_slope,
    ),
    Rival(
        "Theil-Sen low",
        "lower end of that slope's 90 % interval",
        "Sen 1968, JASA 63:1379",
        theil_sen_low,
        (Rule("Theil-Sen interval > 0", 0),),
    ),
    Rival(
        "Mann-Kendall",
        "Z of the Mann-Kendall test for a rise",
        "Mann 1945, Econometrica 13:245; Kendall 1975",
        mann_kendall,
        (Rule("Mann-Kendall p < .05", _Z95),),
    ),
    Rival(
        "EB Gaussian",
        "posterior P(slope > 5 %/y), level and slope bivariate normal, fitted to the cohort",
        "Laird and Ware 1982, Biometrics 38:963",
        gaussian,
        (Rule("EB Gaussian P > .8", float(ndtri(0.8))),),
    ),
)


def scores(pairs: pl.LazyFrame) -> pl.DataFrame:
    """Every rival's score, behind the gate, of every patient.

    Returns:
        ``patient_id``, sorted, and a column per name of :data:`RIVALS`.
    """
    of = visits(pairs)
    columns = {rival.name: pl.Series(rival.scored(of)) for rival in RIVALS}
    return pl.DataFrame({"patient_id": of.patient_id}).with_columns(**columns)
