"""Normal probabilities for the compiled loops: many at a time, without a branch.

What stands here is inlined into loops over :data:`transforms.shapes.LANES` terms at once, which the
compiler turns into vector instructions. That needs arithmetic alone: the exponential is therefore
a polynomial and not the library's, and where a probability is below 1e-12 it is cut off instead of
going another way. Nothing is reordered for speed: narrow or wide, instructions give the same bits.
"""

from __future__ import annotations

from math import sqrt

from transforms.compiling import inlined

Three = tuple[float, float, float]
Four = tuple[float, float, float, float]
Six = tuple[float, float, float, float, float, float]
Ten = tuple[float, float, float, float, float, float, float, float, float, float]

FARTHEST = 7.07
"""SDs at which a normal is cut off: beyond lies less than 1e-12."""
PEAK = 0.3989422804014327
"""Density of the standard normal at 0."""


@inlined
def decay(x: float) -> float:
    """exp(-x) for x from 0 to 40: the 256th power of a Taylor series; relative error below 1e-10.

    Up to 25 it is below 1e-12.
    """
    h = x * (-1 / 256)
    power = h * (1 / 40320) + 1 / 5040
    power = ((power * h + 1 / 720) * h + 1 / 120) * h + 1 / 24
    power = (((power * h + 1 / 6) * h + 1 / 2) * h + 1) * h + 1
    power *= power
    power *= power
    power *= power
    power *= power
    power *= power
    power *= power
    power *= power
    return power * power


@inlined
def below(z: float) -> tuple[float, float]:
    """P(standard normal < z), and exp(-z^2 / 2); z is cut off at :data:`FARTHEST` SDs.

    Hart 1968, Computer Approximations, algorithm 5666, as given by West 2005 (Wilmott Magazine).
    """
    x = min(abs(z), FARTHEST)
    over = 3.52624965998911e-02 * x + 0.700383064443688
    over = ((over * x + 6.37396220353165) * x + 33.912866078383) * x + 112.079291497871
    over = (over * x + 221.213596169931) * x + 220.206867912376
    under = 8.83883476483184e-02 * x + 1.75566716318264
    under = ((under * x + 16.064177579207) * x + 86.7807322029461) * x + 296.564248779674
    under = ((under * x + 637.333633378831) * x + 793.826512519948) * x + 440.413735824752
    top = decay(0.5 * x * x)
    tail = top * over / under
    return (tail if z < 0 else 1 - tail), top


@inlined
def truncated(limit: float) -> Three:
    """A standard normal kept below ``limit``: P, how far it moves down, the variance it loses."""
    p, top = below(limit)
    shift = PEAK * top / p
    return p, shift, min(max(shift * (shift + max(limit, -FARTHEST)), 0.0), 1.0)


@inlined
def joint(climbs: float, low: float, steady: float, c: Ten) -> tuple[float, float]:
    """P(low and steady), P(all three) of normals so many SDs within their limits.

    Condition on one event, take the rest as normal with the moments that remain, go on.
    ``c``: covariance of level and slope of insulin, level and slope of glucose, by rows.
    """
    of_b, of_a, of_s = 1 / sqrt(c[2]), 1 / sqrt(c[5]), 1 / sqrt(c[9])
    r_cl, r_cs, r_ls = -c[4] * of_b * of_a, -c[7] * of_b * of_s, c[8] * of_a * of_s
    p_low, shift, shrink = truncated(low)
    rest = 1 / sqrt(1 - r_ls * r_ls * shrink)
    left = 1 / sqrt(1 - r_cl * r_cl * shrink)
    r_cs = (r_cs - r_cl * r_ls * shrink) * left * rest
    climbs = (climbs + r_cl * shift) * left
    p_steady, shift, shrink = truncated((steady + r_ls * shift) * rest)
    climbs = (climbs + r_cs * shift) / sqrt(1 - r_cs * r_cs * shrink)
    both = p_low * p_steady
    return both, both * below(climbs)[0]


@inlined
def factor(p: Ten, h: Four) -> tuple[Six, Four, Four]:
    """``L D L'`` of a precision (by rows): L below its unit diagonal; 1/D; L^-1 h."""
    a00, a10, a11, a20, a21, a22, a30, a31, a32, a33 = p
    r0 = 1 / a00
    l10, l20, l30 = a10 * r0, a20 * r0, a30 * r0
    r1 = 1 / (a11 - l10 * a10)
    u21, u31 = a21 - l20 * a10, a31 - l30 * a10
    l21, l31 = u21 * r1, u31 * r1
    r2 = 1 / (a22 - l20 * a20 - l21 * u21)
    u32 = a32 - l30 * a20 - l31 * u21
    l32 = u32 * r2
    r3 = 1 / (a33 - l30 * a30 - l31 * u31 - l32 * u32)
    z1 = h[1] - l10 * h[0]
    z2 = h[2] - l20 * h[0] - l21 * z1
    z3 = h[3] - l30 * h[0] - l31 * z1 - l32 * z2
    return (l10, l20, l21, l30, l31, l32), (r0, r1, r2, r3), (h[0], z1, z2, z3)


@inlined
def moments(p: Ten, h: Four) -> tuple[Four, Ten]:
    """Mean and covariance (by rows), from the precision and precision x mean."""
    f, r, z = factor(p, h)
    m10, m21, m32 = -f[0], -f[2], -f[5]
    m20 = -f[1] - f[2] * m10
    m31 = -f[4] - f[5] * m21
    m30 = -f[3] - f[4] * m10 - f[5] * m20
    s0, s1, s2, s3 = r[0] * z[0], r[1] * z[1], r[2] * z[2], r[3] * z[3]
    mean = s0 + m10 * s1 + m20 * s2 + m30 * s3, s1 + m21 * s2 + m31 * s3, s2 + m32 * s3, s3
    covariance = (
        r[0] + r[1] * m10 * m10 + r[2] * m20 * m20 + r[3] * m30 * m30,
        r[1] * m10 + r[2] * m20 * m21 + r[3] * m30 * m31,
        r[1] + r[2] * m21 * m21 + r[3] * m31 * m31,
        r[2] * m20 + r[3] * m30 * m32,
        r[2] * m21 + r[3] * m31 * m32,
        r[2] + r[3] * m32 * m32,
        r[3] * m30,
        r[3] * m31,
        r[3] * m32,
        r[3],
    )
    return mean, covariance
