"""How many errors a difference is, and how many chance allows; one rule for all rows.

Errors that come from the scatter of a few sub-chains are themselves known badly. A ratio of a
difference to such an error follows Student's t distribution, and is told as the number of errors
that is as improbable for a normal distribution.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

LEAST_LIMIT = 4.0
"""Errors below which nothing is said, however few numbers are compared: chance does it once in
16,000."""

FALSE_ALARM = 1e-3
"""Probability that chance alone fails one row, however many numbers are compared in it. A posterior
has at most eight rows that chance can fail, and so passes all of them with probability 0.992."""

FARTHEST = 37.0
"""Errors that are told at most: the probability there is the smallest double."""

Floats = NDArray[np.float64]


def equivalent_errors(ratios: ArrayLike, freedom: ArrayLike) -> Floats:
    """Return how many errors of a normal distribution are as improbable as ratios of Student's t.

    Parameters
    ----------
    ratios : array_like
        Differences over their errors.
    freedom : array_like
        Degrees of freedom of the errors; may be infinite. A ratio without any is NaN.
    """
    size = np.abs(np.asarray(ratios, dtype=np.float64))
    degrees = np.asarray(freedom, dtype=np.float64)
    usable = degrees >= 1.0
    tail = t.sf(size, np.where(usable, degrees, 1.0))
    errors = np.minimum(norm.isf(tail), FARTHEST)
    return np.where(usable & np.isfinite(size), errors, np.nan)


def allowed_errors(n_compared: int) -> float:
    """Return how many errors the largest of so many differences may be (Bonferroni)."""
    return max(LEAST_LIMIT, float(norm.isf(FALSE_ALARM / (2 * max(1, n_compared)))))


def student_errors(errors: float, freedom: float) -> float:
    """Return the ratio of Student's t that is as improbable as so many errors."""
    return float(t.isf(norm.sf(errors), freedom))
