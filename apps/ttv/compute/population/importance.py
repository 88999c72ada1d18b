"""Weights of draws, given by their logarithms: what they are worth, and draws by them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

TRUSTED_EFFECTIVE = 100.0
"""Effective draws (Kish) below which a mode's evidence is not trusted: with 100 its error is about
10 %, if the proposal has been everywhere; with few it often has not."""

Array = NDArray[np.float64]


def kish(logs: Array) -> float:
    """Return the effective size of weights (Kish 1965, Survey Sampling); 0 if there are none."""
    if not np.isfinite(logs).any():
        return 0.0
    weights = np.exp(logs - logs.max())
    return float(weights.sum() ** 2 / np.sum(weights**2))


def largest_power(logs: Array, effective: float, limit: float = 1.0) -> float:
    """Return the largest power of the weights, up to `limit`, that leaves so many effective."""
    finite = logs[np.isfinite(logs)]
    if kish(limit * finite) >= effective:
        return limit
    low, high = 0.0, limit
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if kish(middle * finite) >= effective else (low, middle)
    return low


def log_mean(logs: Array) -> float:
    """Return the logarithm of the mean weight."""
    peak = float(logs.max())
    return peak + math.log(float(np.exp(logs - peak).mean()))


def relative_error(logs: Array) -> float:
    """Return the standard error of the mean weight, relative to it."""
    weights = np.exp(logs - logs.max())
    return float(weights.std() / (weights.mean() * math.sqrt(len(weights))))


def picked(logs: Array, n: int, random: np.random.RandomState) -> NDArray[np.intp]:
    """Return places of `n` draws by their weights, each as often as its weight says.

    Systematic resampling (Kitagawa 1996, J. Comput. Graph. Stat. 5, 1).
    """
    edges = np.cumsum(np.exp(logs - logs.max()))
    marks = (random.rand() + np.arange(n)) / n * edges[-1]
    return np.minimum(np.searchsorted(edges, marks, side="right"), len(logs) - 1)
