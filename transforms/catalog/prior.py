"""What the trend model knows before it sees a patient: measurement noise and how people differ.

A patient's state is ``(a_I, b_I, a_G, b_G)``: level of ln insulin (uIU/mL) now and its slope per
year, level of ln glucose (mg/dL) now and its slope per year. "Now" is the newest draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Contamination:
    """A way in which a draw labelled as sound is not: what it adds to the natural logarithms.

    ``insulin`` and ``glucose``: mean shift and the variance on top of the noise; ``rate``: share of
    draws used.
    """

    name: str
    insulin: tuple[float, float]
    glucose: tuple[float, float]
    rate: float
    citation: str
    reviewed: date


@dataclass(frozen=True, slots=True)
class Noise:
    """How far one draw strays from a patient's own trend: SDs of natural logarithms.

    ``correlation`` is that of the two within one draw. ``scales``: how noisy people are, pairs of
    a factor on ``insulin_sd`` and the share of people. ``contaminations``: how a draw may be bad.
    Without these two the model is the plain one: everybody alike, every draw good.
    """

    insulin_sd: float
    glucose_sd: float
    correlation: float
    citation: str
    reviewed: date
    scales: tuple[tuple[float, float], ...] = ((1.0, 1.0),)
    contaminations: tuple[Contamination, ...] = ()


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


LITERATURE_NOISE = Noise(
    insulin_sd=0.261,
    glucose_sd=0.0538,
    correlation=0.25,
    citation=(
        "sqrt(ln(1 + CVi^2 + CVa^2)): insulin CVi 26 %, CVa 5 % (Widjaja 1999, Clin Chem 45:561);"
        " glucose CVi 5 % (Carlsen 2011, CCLM 49:1501), CVa 2 %; correlation assumed"
    ),
    reviewed=date(2026, 11, 22),
)
"""What careful draws of truly fasting people show: a cross-check, too narrow for clinics."""

SHIPPED_NOISE = Noise(
    insulin_sd=0.302,
    glucose_sd=0.058,
    correlation=0.25,
    citation=(
        "robust moment (median residual sum of squares over the median of chi-squared) with"
        " undeclared non-fasting and haemolysed draws among them: insulin variance .091 on the"
        " simulated cohort of the detection reference, 85 % of it for clean draws;"
        " glucose between literature (.056 with CVa 2.5 %) and the same moment (.061)"
    ),
    reviewed=date(2026, 11, 22),
)
"""What draws labelled fasting show, until a clinic of some thousand people has its own."""

SHIPPED_PRIOR = Prior(
    version="simulated-202-1",
    weights=(0.3236639, 0.324351, 0.0571103, 0.015761, 0.0769889, 0.0174652, 0.0350077, 0.149652),
    means=(
        (2.09144, 0.005, 4.4908, 0.00183398),
        (2.15175, 0.005, 4.5195, 0.00212855),
        (2.27102, 0.035, 4.50266, 0.00173481),
        (2.58535, 0.09, 4.51553, 0.00292938),
        (2.83047, 0.16, 4.51801, 0.0033564),
        (2.58639, 0.08, 4.6059, 0.0210941),
        (1.80338, -0.09, 4.50925, -0.00411984),
        (2.62851, -0.0331183, 4.71051, 0.0113994),
    ),
    covariances=(
        (
            (0.194983, 0.00076615, -0.00102612, -9.72769e-05),
            (0.00076615, 0.000225, -5.92946e-05, -2.34803e-06),
            (-0.00102612, -5.92946e-05, 0.00364161, 4.69833e-05),
            (-9.72769e-05, -2.34803e-06, 4.69833e-05, 1.67707e-05),
        ),
        (
            (0.195831, 0.000772244, -0.000128174, -0.000148723),
            (0.000772244, 0.000225, -4.01168e-05, -1.88862e-06),
            (-0.000128174, -4.01168e-05, 0.0020387, 4.17159e-05),
            (-0.000148723, -1.88862e-06, 4.17159e-05, 1.68627e-05),
        ),
        (
            (0.200258, 0.00114098, -0.000333769, -8.39011e-05),
            (0.00114098, 0.0004, -5.027e-05, -1.96041e-06),
            (-0.000333769, -5.027e-05, 0.00268907, 4.18786e-05),
            (-8.39011e-05, -1.96041e-06, 4.18786e-05, 1.66464e-05),
        ),
        (
            (0.176015, 0.00177077, 0.000192374, -2.93309e-05),
            (0.00177077, 0.0009, 1.03807e-05, 2.37127e-06),
            (0.000192374, 1.03807e-05, 0.00247957, 3.75916e-05),
            (-2.93309e-05, 2.37127e-06, 3.75916e-05, 1.66817e-05),
        ),
        (
            (0.160632, 0.0063625, -0.000540693, 5.63064e-05),
            (0.0063625, 0.0025, -2.03957e-07, 6.00022e-06),
            (-0.000540693, -2.03957e-07, 0.0024555, 7.34985e-05),
            (5.63064e-05, 6.00022e-06, 7.34985e-05, 1.8342e-05),
        ),
        (
            (0.162782, 0.00580034, 0.00082728, -6.20963e-05),
            (0.00580034, 0.0025, 2.46961e-05, 8.62676e-05),
            (0.00082728, 2.46961e-05, 0.00270297, 0.000165078),
            (-6.20963e-05, 8.62676e-05, 0.000165078, 9.41672e-05),
        ),
        (
            (0.296021, 0.00921363, 0.000569773, -0.000398888),
            (0.00921363, 0.0036, 4.89224e-05, 9.84788e-06),
            (0.000569773, 4.89224e-05, 0.00321427, 5.46822e-05),
            (-0.000398888, 9.84788e-06, 5.46822e-05, 4.37546e-05),
        ),
        (
            (0.435049, 0.0751173, 0.0118354, 0.00414655),
            (0.0751173, 0.0529139, 0.00925488, 0.00412669),
            (0.0118354, 0.00925488, 0.0213716, 0.00202464),
            (0.00414655, 0.00412669, 0.00202464, 0.00124508),
        ),
    ),
    provenance=(
        "fitted on simulated cohort seed 202, not on patients: 25 passes of"
        " transforms.model.fit with SHIPPED_NOISE, platform effects known and taken off;"
        " the insulin slope of the first seven components held (mean, SD): two that do not climb"
        " .005, .015; shoulder .035, .02; climbing .09, .03 and .16, .05; climbing with rising"
        " glucose .08, .05; falling -.09, .06; the eighth, dysglycaemic, free"
    ),
    fitted_on="simulated, world base, 40,000 people, seed 202",
    people=39546,
    reviewed=date(2026, 11, 22),
)
