"""The trend model: bivariate empirical Bayes with bad draws and uneven people, in closed form.

A draw ``v = (ln insulin, ln glucose)`` at time ``t`` (years, 0 at the newest draw) is normal about
``(a_I + b_I t, a_G + b_G t)`` with covariance ``spread R + diag(extra, 0)``: ``R`` is the noise of
one usual draw, the mean of repeats has less of it, and a value that is only roughly known more.
``beta = (a_I, b_I, a_G, b_G)`` has a mixture of normals as prior. A patient's insulin noise may be
smaller or larger than most people's (a few scales), and a draw may be bad: not fasting, haemolysed
or in another unit, each with a shift, a variance and a rate
(:class:`transforms.catalog.prior.Contamination`). Given scale, configuration of bad draws and
component, the posterior is normal; the whole is a mixture over all of them.

Configurations: all draws good, or exactly one bad; two bad where the first answer comes near the
border of a tier. In a series of more than :data:`SUSPECTS` draws, bad may be the newest and those
farthest from the trend. Event probabilities of three jointly normal quantities are by sequential
truncation (Mendell and Elston 1974, Biometrics 30:41), measured in the tests. Terms that weigh 1e-7
together are left out of the averages.

The same mixture foretells a draw from those before it (:func:`foretold`): whether newest draws lie
where they were foretold is a check of the model that needs no truth (Dawid 1984, J R Stat Soc A
147:278).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import log
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.catalog.fasting import CONTAMINATED
from transforms.catalog.prior import Noise, Prior
from transforms.shapes import Bounds, Draws, Floats, Ints, Model, Work, workspace

Part = TypeVar("Part")
Number = TypeVar("Number", bound=np.generic)
Loop = Callable[[Draws, Ints, Model, Bounds, Work], Part]

INSULIN_SLOPE = log(1.05)
"""Per year; above it insulin climbs."""
GLUCOSE_LEVEL = log(100)
"""Below it glucose is fine now."""
GLUCOSE_SLOPE = 0.016
"""Per year, about 1.5 mg/dL at 94; below it glucose is not rising."""
INSULIN_LIMIT = 12.5
"""uIU/mL; a level above it is high, unless the assay has a limit of its own."""
SUSPECTS = 12
"""Draws of a patient that may be bad."""
SUSPECTS_IN_PAIRS = 12
"""Draws of a patient of which two may be bad."""
PAIR_FROM = 0.2
"""``p_climbing_unseen`` from which two draws may be bad: tier C begins at .3."""

NOT_FASTING = "non-fasting"
"""The contamination whose rate evidence about a single draw replaces."""

RESULTS = (
    "insulin_level",
    "insulin_slope",
    "glucose_level",
    "glucose_slope",
    "insulin_slope_low",
    "insulin_slope_high",
    "glucose_slope_low",
    "glucose_slope_high",
    "p_insulin_climbing",
    "p_glucose_fine",
    "p_climbing_unseen",
    "p_insulin_high",
    "p_insulin_falling",
    "p_glucose_rising",
    "insulin_level_low",
    "insulin_level_high",
    "glucose_level_low",
    "glucose_level_high",
)
_BATCH = 2048
"""Cases at a time and thread."""


@dataclass(frozen=True, slots=True)
class Series:
    """Draws of many patients, sorted by patient and day, and the cases to be judged.

    ``day`` (whole days from any origin), ``y`` (ln uIU/mL) and ``g`` (ln mg/dL): one number per
    draw. ``cases`` (N, 3): a patient's first draw, one past the last, and a draw left out (-1 for
    none); at least one draw must remain. Also per draw, for all that are not one usual draw:
    ``spread``, a factor on the whole noise covariance (1 / m for the mean of m repeats; None: all
    1), and ``extra``, a variance on top of the noise of ln insulin (None: all 0); both finite,
    the one above 0, the other not below; and ``odds`` (draws, B), added to the log rate of each
    kind of draw (None: all 0), see :func:`told_apart`.
    """

    day: Ints
    y: Floats
    g: Floats
    cases: Ints
    spread: Floats | None = None
    extra: Floats | None = None
    odds: Floats | None = None

    def continued(self, day: int, y: Floats, g: float) -> Series:
        """All draws, of one patient, and one more: a case for each possible ``y``."""
        n, size = len(y), len(self.day) + 1
        starts = np.arange(n) * size
        odds = None if self.odds is None else np.tile(np.pad(self.odds, ((0, 1), (0, 0))), (n, 1))
        return Series(
            np.tile(np.append(self.day, day), n),
            np.column_stack([np.tile(self.y, (n, 1)), y]).ravel(),
            np.tile(np.append(self.g, g), n),
            np.stack([starts, starts + size, np.full(n, -1)], axis=1),
            np.tile(np.append(self.draws(1).spread, 1.0), n),
            np.tile(np.append(self.draws(1).extra, 0.0), n),
            odds,
        )

    def draws(self, kinds: int) -> Draws:
        """The draws as arrays of one layout, for which a loop is compiled once."""
        spread = np.ones(len(self.day)) if self.spread is None else self.spread
        extra = np.zeros(len(self.day)) if self.extra is None else self.extra
        odds = np.zeros((len(self.day), kinds)) if self.odds is None else self.odds
        values = (_plain(column, np.float64) for column in (self.y, self.g, spread, extra, odds))
        return Draws(_plain(self.day, np.int64), *values)

    def swept(self, loop: Loop[Part], model: Model) -> list[Part]:
        """What the compiled ``loop`` makes of each batch of cases, in order."""
        draws, cases = self.draws(model.rate.size), _plain(self.cases, np.int64)
        bounds = Bounds(SUSPECTS, SUSPECTS_IN_PAIRS, PAIR_FROM)

        def sweep(start: int) -> Part:
            batch = cases[start : start + _BATCH]
            longest = int((batch[:, 1] - batch[:, 0]).max())
            return loop(draws, batch, model, bounds, workspace(model, bounds, longest))

        with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
            return list(threads.map(sweep, range(0, len(cases), _BATCH)))


def _plain(array: NDArray[Any], kind: type[Number]) -> NDArray[Number]:
    return np.require(array, kind, ["C", "W"])


def described(
    series: Series, noise: Noise, prior: Prior, insulin_limit: float = INSULIN_LIMIT
) -> dict[str, Floats]:
    """The posterior of every case: :data:`RESULTS` and ``p_bad_newest``, an array (N,) each.

    Levels are natural logarithms now, slopes natural logarithms per year, all with 90 % intervals;
    ``p_bad_newest`` is the probability that the newest draw is bad.

    Args:
        series: the cases.
        noise: the noise of one draw, and how draws go bad.
        prior: how people differ.
        insulin_limit: uIU/mL, for ``p_insulin_high``.
    """
    names = (*RESULTS, "p_bad_newest")
    if not len(series.cases):
        return {name: np.empty(0) for name in names}
    from transforms import passes

    parts = series.swept(passes.describe, arrays(noise, prior, insulin_limit))
    found = np.ascontiguousarray(np.concatenate(parts).T)
    bad = sum((column for column in found[len(RESULTS) :]), np.zeros(len(series.cases)))
    return dict(zip(names, [*found[: len(RESULTS)], bad], strict=True))


def doubted(series: Series, noise: Noise, prior: Prior) -> Floats:
    """P(bad) of each draw of the cases, one case after the other: (draws, contaminations)."""
    if not len(series.cases):
        return np.empty((0, len(noise.contaminations)))
    from transforms import passes

    return np.concatenate(series.swept(passes.doubt, arrays(noise, prior, INSULIN_LIMIT)))


def foretold(series: Series, noise: Noise, prior: Prior) -> Floats:
    """How each case's newest draw stands among what its earlier draws foretold: (N, 2).

    The probability integral transforms of its ln insulin and its ln glucose: uniform on (0, 1) if
    the model is right. Of the earlier draws at most one is bad; the newest may be bad at the usual
    rates. Not a number for cases of one draw.
    """
    if not len(series.cases):
        return np.empty((0, 2))
    from transforms import passes

    return np.concatenate(series.swept(passes.foretell, arrays(noise, prior, INSULIN_LIMIT)))


def told_apart(fasting: Floats, noise: Noise) -> Floats | None:
    """What P(fasting) of each draw adds to the log rates of the kinds of draw: (draws, B).

    Where it is not a number the noise's own rates stand (a row of 0). The rate of
    :data:`NOT_FASTING` becomes 1 - P(fasting), within bounds; draws that are bad in another way
    are as frequent as ever.
    """
    rates = np.array([item.rate for item in noise.contaminations])
    names = [item.name for item in noise.contaminations]
    if NOT_FASTING not in names or np.isnan(fasting).all():
        return None
    kind, odds = names.index(NOT_FASTING), np.zeros((len(fasting), len(rates) + 1))
    others, (least, most) = rates.sum() - rates[kind], CONTAMINATED
    fed = np.clip(1 - fasting, least, min(most, 0.99 - others))
    odds[:, 0] = np.log(1 - others - fed) - np.log(1 - rates.sum())
    odds[:, 1 + kind] = np.log(fed) - np.log(rates[kind])
    return np.nan_to_num(odds, nan=0.0)


def arrays(noise: Noise, prior: Prior, insulin_limit: float) -> Model:
    """Noise and prior as the compiled loop takes them.

    Raises:
        ValueError: rates of contaminations that leave no draw good.
    """
    rates = [item.rate for item in noise.contaminations]
    if sum(rates) >= 1:
        raise ValueError("the rates of contaminations must add up to less than one", rates)
    kinds = [((0.0, 0.0), (0.0, 0.0)), *((c.insulin, c.glucose) for c in noise.contaminations)]
    shift, added = np.array(kinds).transpose(2, 0, 1)
    rate, spoilt = np.log([1 - sum(rates), *rates]), np.zeros((len(kinds), 2, 2))
    spoilt[:, [0, 1], [0, 1]] = added
    usual = _covariances(noise)
    inverse = np.linalg.inv(usual[:, None] + spoilt)
    flat = [0, 0, 1], [0, 1, 1]
    precision = np.linalg.inv(np.array(prior.covariances))
    pull = np.einsum("kij,kj->ki", precision, np.array(prior.means))
    own = np.log(prior.weights) + 0.5 * np.linalg.slogdet(precision)[1]
    own -= 0.5 * np.einsum("ki,ki->k", pull, np.array(prior.means))
    lower = np.tril_indices(4)
    return Model(
        weight=np.ascontiguousarray(inverse[..., *flat]),
        constant=rate + 0.5 * np.linalg.slogdet(inverse)[1],
        noise=np.ascontiguousarray(usual[:, *flat]),
        added=np.ascontiguousarray(added),
        rate=rate,
        factor=np.array([factor for factor, _ in noise.scales]),
        shift=np.ascontiguousarray(shift),
        scale=np.log([share for _, share in noise.scales]),
        precision=np.ascontiguousarray(precision[:, lower[0], lower[1]]),
        pull=pull,
        own=own,
        limit=np.array([log(insulin_limit), INSULIN_SLOPE, GLUCOSE_LEVEL, GLUCOSE_SLOPE]),
        wander=np.array(noise.wander),
    )


def _covariances(noise: Noise) -> Floats:
    """Of a usual good draw, by scale: (S, 2, 2)."""
    factor = np.array([[scale, 1.0] for scale, _ in noise.scales])
    sd = factor * [noise.insulin_sd, noise.glucose_sd]
    correlation = [[1.0, noise.correlation], [noise.correlation, 1.0]]
    covariance: Floats = sd[:, :, None] * sd[:, None, :] * correlation
    return covariance
