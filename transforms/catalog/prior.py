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
    ``wander``: SD and time in years of a slow wander that is part of the noise; draws near in time
    wander alike, so that a slope is less sure than scattered noise would leave it.
    ``within_visit``: the share of the variance that repeats in one visit average out; the rest
    is the day's (judgement: insulin comes in pulses of minutes, but days differ as well).
    ``ill_spread``: how many times the variance of a draw is larger in acute illness (judgement:
    illness shifts insulin either way; such a draw counts for a quarter).
    """

    insulin_sd: float
    glucose_sd: float
    correlation: float
    citation: str
    reviewed: date
    scales: tuple[tuple[float, float], ...] = ((1.0, 1.0),)
    contaminations: tuple[Contamination, ...] = ()
    wander: tuple[float, float] = (0.0, 1.0)
    within_visit: float = 0.5
    ill_spread: float = 4.0


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


_REVIEWED = date(2026, 11, 22)

LITERATURE_NOISE = Noise(
    insulin_sd=0.261,
    glucose_sd=0.0538,
    correlation=0.25,
    citation=(
        "sqrt(ln(1 + CVi^2 + CVa^2)): insulin CVi 26 %, CVa 5 % (Widjaja 1999, Clin Chem 45:561);"
        " glucose CVi 5 % (Carlsen 2011, CCLM 49:1501), CVa 2 %; correlation assumed"
    ),
    reviewed=_REVIEWED,
)
"""What careful draws of truly fasting people show: a cross-check, too narrow for clinics."""

CONTAMINATIONS = (
    Contamination(
        name="non-fasting",
        insulin=(1.03, 0.22),
        glucose=(0.10, 0.01),
        rate=0.05,
        citation=(
            "detection reference, section 6: insulin about 2.8 times, glucose 10 % higher after a"
            " meal, rate 5 %, all assumed; at glucose tolerance tests 3.3 % of self-reported fasts"
            " were doubtful (Sargazi 2011, J Clin Pathol 64:430), and of draws taken to be fasting"
            " because it was morning half were not (Diabetes Care 2019;42:e133)"
        ),
        reviewed=_REVIEWED,
    ),
    Contamination(
        name="haemolysed",
        insulin=(-0.55, 0.09),
        glucose=(0.0, 0.0),
        rate=0.015,
        citation=(
            "insulin is lost with trace haemolysis, up to 90 % if severe (O'Rahilly 1987,"
            " Diabetologia 30:394); size and rate assumed: half of 3 % go unreported"
        ),
        reviewed=_REVIEWED,
    ),
    Contamination(
        name="unit",
        insulin=(1.79, 0.0056),
        glucose=(0.0, 0.0),
        rate=0.003,
        citation=(
            "pmol/L printed as uIU/mL: ln 6.00 = 1.79 (a factor of 6.945 is also in use: .0056);"
            " rate assumed"
        ),
        reviewed=_REVIEWED,
    ),
)
"""How a draw labelled fasting and sound may yet be bad."""

SHIPPED_NOISE = Noise(
    insulin_sd=0.281624,
    glucose_sd=0.058743,
    correlation=0.218988,
    citation=(
        "fitted with SHIPPED_PRIOR, held back by the robust moment of the same simulated cohort"
        " (median residual sum of squares over the median of chi-squared: insulin variance .091,"
        " 85 % of it for clean draws; glucose .061, literature .056 with CVa 2.5 %); wander as the"
        " detection reference assumes"
    ),
    reviewed=_REVIEWED,
    scales=((0.775716, 0.444408), (1.086002, 0.416485), (1.75829, 0.139107)),
    contaminations=CONTAMINATIONS,
    wander=(0.10, 0.75),
)
"""What draws labelled fasting show, until a clinic of some thousand people has its own."""

SHIPPED_PRIOR = Prior(
    version="simulated-202-3",
    weights=(
        0.3740949,
        0.3737474,
        0.0692341,
        0.0168644,
        0.0365411,
        0.0261357,
        0.0229593,
        0.0009115,
        0.0795116,
    ),
    means=(
        (2.11471, 0.005, 4.48225, 0.00176439),
        (2.11625, 0.005, 4.5275, 0.00241692),
        (2.37008, 0.035, 4.4919, 0.00134561),
        (2.69479, 0.09, 4.50703, 0.00237067),
        (2.89762, 0.16, 4.52447, 0.00362689),
        (2.74272, 0.08, 4.70886, 0.0206453),
        (1.81984, -0.09, 4.62352, -0.000650273),
        (3.2135, 0.35, 4.48334, 0.00270337),
        (2.70207, -0.0070709, 4.78426, 0.0153284),
    ),
    covariances=(
        (
            (0.200371, 0.00151928, -0.000310973, -4.68585e-05),
            (0.00151928, 0.000225, -9.29647e-05, -5.734e-06),
            (-0.000310973, -9.29647e-05, 0.00330254, 6.6102e-05),
            (-4.68585e-05, -5.734e-06, 6.6102e-05, 1.6627e-05),
        ),
        (
            (0.202142, 0.00158629, 0.000503731, -0.000171378),
            (0.00158629, 0.000225, -6.19652e-05, -5.26092e-06),
            (0.000503731, -6.19652e-05, 0.00161527, 6.29503e-05),
            (-0.000171378, -5.26092e-06, 6.29503e-05, 1.68809e-05),
        ),
        (
            (0.183, 0.00067249, -0.000815287, -3.89276e-05),
            (0.00067249, 0.000144, -3.5195e-05, -2.26198e-06),
            (-0.000815287, -3.5195e-05, 0.0026881, 6.51181e-05),
            (-3.89276e-05, -2.26198e-06, 6.51181e-05, 1.63891e-05),
        ),
        (
            (0.12382, 0.00245664, -0.000717378, -3.30934e-05),
            (0.00245664, 0.0009, 6.75691e-06, 1.45425e-06),
            (-0.000717378, 6.75691e-06, 0.00233955, 5.65561e-05),
            (-3.30934e-05, 1.45425e-06, 5.65561e-05, 1.6294e-05),
        ),
        (
            (0.124433, 0.0051699, -0.000218617, 0.000148525),
            (0.0051699, 0.0025, 0.000307464, 3.1589e-05),
            (-0.000218617, 0.000307464, 0.00198516, 9.27229e-05),
            (0.000148525, 3.1589e-05, 9.27229e-05, 1.8391e-05),
        ),
        (
            (0.1676, 0.00710024, -0.00383414, -0.000361142),
            (0.00710024, 0.0025, -0.0021683, 9.09711e-05),
            (-0.00383414, -0.0021683, 0.00581624, 6.5684e-05),
            (-0.000361142, 9.09711e-05, 6.5684e-05, 8.51652e-05),
        ),
        (
            (0.311804, 0.0139602, 0.027741, 0.000488247),
            (0.0139602, 0.0036, 0.00223727, 0.000122212),
            (0.027741, 0.00223727, 0.0116399, 0.000378346),
            (0.000488247, 0.000122212, 0.000378346, 4.60382e-05),
        ),
        (
            (0.248082, 0.0239684, 0.000415248, 7.71881e-06),
            (0.0239684, 0.04, -0.000422268, 5.10593e-06),
            (0.000415248, -0.000422268, 0.00248682, 5.63874e-07),
            (7.71881e-06, 5.10593e-06, 5.63874e-07, 1.99445e-05),
        ),
        (
            (0.369205, 0.0178732, -0.00989304, -0.00107129),
            (0.0178732, 0.00619289, 0.00101603, 0.000659085),
            (-0.00989304, 0.00101603, 0.0140344, 0.0012697),
            (-0.00107129, 0.000659085, 0.0012697, 0.000889634),
        ),
    ),
    provenance=(
        "fitted on simulated cohort seed 202, not on patients: 25 passes of"
        " transforms.fitting.fit, platform effects known and taken off, from version"
        " simulated-202-2; the insulin slope of the first eight components held (mean, SD): two"
        " that do not climb .005, .015; shoulder .035, .012; climbing .09, .03 and .16, .05;"
        " climbing with rising glucose .08, .05; falling -.09, .06; steep .35, .20, so that a"
        " fast climb is believed when it is seen; the ninth, dysglycaemic, free"
    ),
    fitted_on="simulated, world base, 40,000 people, seed 202",
    people=39741,
    reviewed=_REVIEWED,
)
