"""The arrays that the trend model's compiled loop takes and gives; see :mod:`transforms.kernel`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SUMS = 14
"""What a draw says about a patient: precision 9, weighted values 4, log likelihood 1."""
INFO = 15
"""What a situation says: precision 10 (by rows), precision x mean 4, log likelihood 1."""
LANES = 16
"""Terms that the compiler takes together; of fewer it makes no vector instructions."""
SPREAD = 9
"""A term's weight; mean and SD of insulin's slope, glucose's, insulin's level, glucose's."""
FORM = 15
"""A term: its weight; precision 10 and precision x mean 4, or mean 4 and covariance 10."""


class Model(NamedTuple):
    """Noise, contamination and prior: S scales, B kinds of draw (0 is good), K components.

    ``weight`` (S, B, 3): precision of a usual draw (spread 1, nothing extra): insulin, cross,
    glucose; ``constant`` (S, B): its log rate and half its log determinant; for other draws
    ``noise`` (S, 3): the variance of insulin, the covariance, the variance of glucose, ``added``
    (B, 2): the variance of a bad draw on top, ``rate`` (B,): log rates. ``factor`` (S,): the
    scales; ``shift`` (B, 2); ``scale`` (S,): log weights;
    ``precision`` (K, 10): lower triangle by rows; ``pull`` (K, 4): precision times mean;
    ``own`` (K,): log weight and constants; ``limit`` (4,): insulin level, insulin slope, glucose
    level, glucose slope; ``wander`` (2,): SD and time of insulin's slow wander.
    """

    weight: Floats
    constant: Floats
    noise: Floats
    added: Floats
    rate: Floats
    factor: Floats
    shift: Floats
    scale: Floats
    precision: Floats
    pull: Floats
    own: Floats
    limit: Floats
    wander: Floats


class Draws(NamedTuple):
    """All draws, sorted by patient and day; see :class:`transforms.model.Series`.

    ``odds`` (draws, B): what is known of a draw beside its values, on the log rate of each kind.
    """

    day: Ints
    y: Floats
    g: Floats
    spread: Floats
    extra: Floats
    odds: Floats


class Bounds(NamedTuple):
    """How many draws of a case may be bad, how many two at a time, and from which probability.

    See :data:`transforms.model.SUSPECTS`, :data:`transforms.model.PAIR_FROM`.
    """

    suspects: int
    suspects_in_pairs: int
    pair_from: float


class Work(NamedTuple):
    """Scratch space of one thread.

    ``t`` to ``residual`` by draw; ``base``, ``delta``: sums of all draws and what each mark changes
    in them, by scale; ``mark``: of which draw, and how it is bad; ``pair``: two marks, by
    configuration. A situation is a scale and a configuration; a term, a situation and a component.
    ``drift``: variance of the slope that wander feigns, and the middle of the draws. In rows of
    :data:`LANES`: ``info`` (what situations say), ``belief`` (their weights), ``weight`` (of all
    terms, and room for their roots), ``form``, ``moment`` and ``slope`` (of the terms kept, see
    :data:`FORM` and :data:`SPREAD`) and ``lanes`` (accumulators). ``squares``: sums of one
    situation, of all draws, of its good ones. ``at``: situation and component of the terms kept.
    """

    t: Floats
    y: Floats
    g: Floats
    spread: Floats
    extra: Floats
    odds: Floats
    residual: Floats
    suspect: Ints
    base: Floats
    delta: Floats
    mark: Ints
    pair: Ints
    drift: Floats
    sums: Floats
    info: Floats
    belief: Floats
    weight: Floats
    form: Floats
    moment: Floats
    slope: Floats
    at: Ints
    lanes: Floats
    squares: Floats


class Gathered(NamedTuple):
    """Expected sums over cases, see :class:`transforms.fitting.Moments`.

    ``good`` and ``evidence`` have the shape (1,).
    """

    people: Floats
    first: Floats
    second: Floats
    scale: Floats
    bad: Floats
    noise: Floats
    good: Floats
    evidence: Floats


def workspace(model: Model, bounds: Bounds, longest: int) -> Work:
    """Room for cases of up to ``longest`` draws."""
    scales, kinds = model.constant.shape
    marks = bounds.suspects * (kinds - 1)
    in_pairs = bounds.suspects_in_pairs * (kinds - 1)
    configurations = 1 + marks + in_pairs * in_pairs // 2
    blocks = -(-scales * configurations // LANES)
    rows = blocks * model.own.size
    return Work(
        t=np.empty(longest),
        y=np.empty(longest),
        g=np.empty(longest),
        spread=np.empty(longest),
        extra=np.empty(longest),
        odds=np.empty((longest, kinds)),
        residual=np.empty(longest),
        suspect=np.empty(bounds.suspects, np.int64),
        base=np.zeros((scales, SUMS)),
        delta=np.zeros((scales, marks + 1, SUMS)),
        mark=np.zeros((marks + 1, 2), np.int64),
        pair=np.zeros((configurations, 2), np.int64),
        drift=np.zeros(2),
        sums=np.empty(SUMS),
        info=np.empty((blocks, INFO * LANES)),
        belief=np.empty((blocks, LANES)),
        weight=np.empty((blocks, model.own.size, 2 * LANES)),
        form=np.empty((rows, FORM * LANES)),
        moment=np.empty((rows, FORM * LANES)),
        slope=np.empty((rows, SPREAD * LANES)),
        at=np.empty((rows * LANES, 2), np.int64),
        lanes=np.empty(FORM * LANES),
        squares=np.zeros((3, FORM)),
    )
