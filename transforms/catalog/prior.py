"""What the trend model knows before it sees a patient: measurement noise and how people differ.

A patient's state is ``(a_I, b_I, a_G, b_G)``: level of ln insulin (uIU/mL) now and its slope per
year, level of ln glucose (mg/dL) now and its slope per year. "Now" is the newest draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Noise:
    """How far one draw strays from a patient's own trend: SDs of natural logarithms.

    ``correlation`` is that of the two within one draw.
    """

    insulin_sd: float
    glucose_sd: float
    correlation: float
    citation: str
    reviewed: date


@dataclass(frozen=True, slots=True)
class Prior:
    """A mixture of normals over ``(a_I, b_I, a_G, b_G)``.

    ``weights``: K, summing to one; ``means``: K x 4; ``covariances``: K x 4 x 4, positive definite.
    ``fitted_on`` names the cohort, ``people`` how many were used.
    """

    version: str
    weights: Vector
    means: tuple[Vector, ...]
    covariances: tuple[tuple[Vector, ...], ...]
    provenance: str
    fitted_on: str
    people: int
    reviewed: date
