"""The arrays that the trend model's compiled loop takes and gives; see :mod:`transforms.kernel`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SUMS = 14
"""What a draw says about a patient: precision 9, weighted values 4, log likelihood 1."""


class Model(NamedTuple):
    """Noise, contamination and prior: S scales, B kinds of draw (0 is good), K components.

    ``weight`` (S, B, 3): precision of a draw: insulin, cross, glucose; ``constant`` (S, B): log
    rate and half its log determinant; ``shift`` (B, 2); ``scale`` (S,): log weights;
    ``precision`` (K, 10): lower triangle by rows; ``pull`` (K, 4): precision times mean;
    ``own`` (K,): log weight and constants; ``limit`` (4,): insulin level, insulin slope, glucose
    level, glucose slope.
    """

    weight: Floats
    constant: Floats
    shift: Floats
    scale: Floats
    precision: Floats
    pull: Floats
    own: Floats
    limit: Floats


class Draws(NamedTuple):
    """All draws, sorted by patient and day: ``day`` whole, ``y`` ln insulin, ``g`` ln glucose."""

    day: Ints
    y: Floats
    g: Floats


class Bounds(NamedTuple):
    """How many draws of a case may be bad, how many two at a time, and from which probability.

    See :data:`transforms.model.SUSPECTS`, :data:`transforms.model.PAIR_FROM`.
    """

    suspects: int
    suspects_in_pairs: int
    pair_from: float


class Work(NamedTuple):
    """Scratch space of one thread; ``mark``: of which draw, and how it is bad."""

    t: Floats
    y: Floats
    g: Floats
    residual: Floats
    suspect: Ints
    base: Floats
    delta: Floats
    mark: Ints
    pair: Ints
    info: Floats
    log_weight: Floats
    term: Floats


class Gathered(NamedTuple):
    """Expected sums over cases, see :class:`transforms.fitting.Moments`; ``evidence`` (1,)."""

    people: Floats
    first: Floats
    second: Floats
    scale: Floats
    bad: Floats
    evidence: Floats


def workspace(model: Model, bounds: Bounds, longest: int) -> Work:
    """Room for cases of up to ``longest`` draws."""
    scales, kinds = model.constant.shape
    marks = bounds.suspects * (kinds - 1)
    in_pairs = bounds.suspects_in_pairs * (kinds - 1)
    configurations = 1 + marks + in_pairs * in_pairs // 2
    terms = scales * configurations * model.own.size
    return Work(
        t=np.empty(longest),
        y=np.empty(longest),
        g=np.empty(longest),
        residual=np.empty(longest),
        suspect=np.empty(bounds.suspects, np.int64),
        base=np.zeros((scales, SUMS)),
        delta=np.zeros((scales, marks + 1, SUMS)),
        mark=np.zeros((marks + 1, 2), np.int64),
        pair=np.zeros((configurations, 2), np.int64),
        info=np.empty(SUMS),
        log_weight=np.empty(terms),
        term=np.empty((terms, 5)),
    )
