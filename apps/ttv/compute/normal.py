"""The standard normal distribution, with the same bits on every machine.

Of + - * /, sqrt and the functions of `apps.ttv.compute.exact` only, because libm and numpy give
other last bits on other systems. Accurate to 2e-15; relative to a small probability, to 1e-12.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute import exact

Array = NDArray[np.float64]

LOG_2PI = math.log(2.0 * math.pi)
FARTHEST = 37.5
"""The probability beyond this many standard deviations is the smallest normal double."""

# erf and erfc as quotients of polynomials (Moshier 1989, Methods and Programs for Mathematical
# Functions, ndtr.c), highest power first.
_ERF = (
    (
        9.60497373987051638749e0,
        9.00260197203842689217e1,
        2.23200534594684319226e3,
        7.00332514112805075473e3,
        5.55923013010394962768e4,
    ),
    (
        1.0,
        3.35617141647503099647e1,
        5.21357949780152679795e2,
        4.59432382970980127987e3,
        2.26290000613890934246e4,
        4.92673942608635921086e4,
    ),
)
_ERFC_NEAR = (
    (
        2.46196981473530512524e-10,
        5.64189564831068821977e-1,
        7.46321056442269912687e0,
        4.86371970985681366614e1,
        1.96520832956077098242e2,
        5.26445194995477358631e2,
        9.34528527171957607540e2,
        1.02755188689515710272e3,
        5.57535335369399327526e2,
    ),
    (
        1.0,
        1.32281951154744992508e1,
        8.67072140885989742329e1,
        3.54937778887819891062e2,
        9.75708501743205489753e2,
        1.82390916687909736289e3,
        2.24633760818710981792e3,
        1.65666309194161350182e3,
        5.57535340817727675546e2,
    ),
)
_ERFC_FAR = (
    (
        5.64189583547755073984e-1,
        1.27536670759978104416e0,
        5.01905042251180477414e0,
        6.16021097993053585195e0,
        7.40974269950448939160e0,
        2.97886665372100240670e0,
    ),
    (
        1.0,
        2.26052863220117276590e0,
        9.39603524938001434673e0,
        1.20489539808096656605e1,
        1.70814450747565897222e1,
        9.60896809063285878198e0,
        3.36907645100081516050e0,
    ),
)
# Quantiles (Wichura 1988, Applied Statistics 37, 477, algorithm AS 241), highest power first.
_MIDDLE = (
    (
        2509.0809287301226727,
        33430.575583588128105,
        67265.770927008700853,
        45921.953931549871457,
        13731.693765509461125,
        1971.5909503065514427,
        133.14166789178437745,
        3.387132872796366608,
    ),
    (
        5226.495278852854561,
        28729.085735721942674,
        39307.89580009271061,
        21213.794301586595867,
        5394.1960214247511077,
        687.1870074920579083,
        42.313330701600911252,
        1.0,
    ),
)
_TAIL = (
    (
        7.7454501427834140764e-4,
        0.0227238449892691845833,
        0.24178072517745061177,
        1.27045825245236838258,
        3.64784832476320460504,
        5.7694972214606914055,
        4.6303378461565452959,
        1.42343711074968357734,
    ),
    (
        1.05075007164441684324e-9,
        5.475938084995344946e-4,
        0.0151986665636164571966,
        0.14810397642748007459,
        0.68976733498510000455,
        1.6763848301838038494,
        2.05319162663775882187,
        1.0,
    ),
)
_FAR_TAIL = (
    (
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        0.0012426609473880784386,
        0.026532189526576123093,
        0.29656057182850489123,
        1.7848265399172913358,
        5.4637849111641143699,
        6.6579046435011037772,
    ),
    (
        2.04426310338993978564e-15,
        1.4215117583164458887e-7,
        1.8463183175100546818e-5,
        7.868691311456132591e-4,
        0.0148753612908506148525,
        0.13692988092273580531,
        0.59983220655588793769,
        1.0,
    ),
)

_Quotient = tuple[Sequence[float], Sequence[float]]


def log_density(z: Array) -> Array:
    """Return log densities of the standard normal distribution."""
    return np.asarray(-0.5 * z * z - 0.5 * LOG_2PI)


def probability_below(z: Array) -> Array:
    """Return the probability below z, of the standard normal distribution."""
    x = np.abs(np.clip(z, -FARTHEST, FARTHEST)) / math.sqrt(2.0)
    small = np.minimum(x, 1.0)
    inner = 0.5 * small * _quotient(_ERF, small * small)
    tail = 0.5 * exact.exp(-x * x)
    near, far = np.clip(x, 1.0, 8.0), np.maximum(x, 8.0)
    outer = tail * np.where(x < 8.0, _quotient(_ERFC_NEAR, near), _quotient(_ERFC_FAR, far))
    positive = z > 0.0
    within = np.where(positive, 0.5 + inner, 0.5 - inner)
    beyond = np.where(positive, 1.0 - outer, outer)
    return np.asarray(np.where(x < 1.0, within, beyond))


def quantiles(below: Array, above: Array) -> Array:
    """Return the z with these probabilities below and above it.

    Parameters
    ----------
    below, above : ndarray
        float64 (n,), summing to 1. Both are wanted because the smaller one has all the digits.
    """
    tail = np.minimum(below, above)
    q = 0.5 - tail
    middle = q * _quotient(_MIDDLE, 0.180625 - q * q)
    r = np.sqrt(-exact.log(np.maximum(tail, np.finfo(np.float64).tiny)))
    outer = np.where(
        r <= 5.0,
        _quotient(_TAIL, np.minimum(r, 5.0) - 1.6),
        _quotient(_FAR_TAIL, np.maximum(r, 5.0) - 5.0),
    )
    size = np.where(q <= 0.425, middle, outer)
    return np.asarray(np.where(below < above, -size, size))


def _quotient(polynomials: _Quotient, x: Array) -> Array:
    return np.asarray(_polynomial(polynomials[0], x) / _polynomial(polynomials[1], x))


def _polynomial(coefficients: Sequence[float], x: Array) -> Array:
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total
