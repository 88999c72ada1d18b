"""How the noise of a stack is correlated.

Weights are one over the variance of areas: of n pixels, n / weight is the variance of their sum.
Interpolation has smoothed single pixels, so that these scatter less. Who measures the noise in
pixels must multiply by the correlation factor (Casertano et al. 2000, AJ 120, 2747, appendix A).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.planes import Planes

_SIDE = 64
"""Pixels along the squares in which the scatter is measured: the sky is level there."""
_MOST = 1024
"""Squares that are looked at."""
_LEAST_SHARE = 0.5
"""Share of a square that must be known."""
_FAR, _BRIGHT = 4.0, 2.0
"""Deviations from the level within which values count: of those below it, and for the level."""
_ROUNDS = 6


def correlation(planes: Planes) -> float | None:
    """Return the noise in areas over that of single pixels of a stack; None if it has no sky.

    The scatter is that of the values below the sky's level, which stars do not raise.
    """
    grid = planes.grid
    n_square = max(1, (grid.nx // _SIDE) * (grid.ny // _SIDE))
    every = -(-n_square // _MOST)
    ratios, number = [], 0
    for image, weight in zip(planes.rows("image"), planes.rows("weight"), strict=True):
        normal = image * np.sqrt(weight)
        for y in range(0, len(normal) - _SIDE + 1, _SIDE):
            for x in range(0, grid.nx - _SIDE + 1, _SIDE):
                number += 1
                if number % every == 0:
                    ratios.append(_scatter(normal[y : y + _SIDE, x : x + _SIDE]))
    known = np.array([ratio for ratio in ratios if ratio is not None and ratio > 0])
    return float(1.0 / np.median(known)) if len(known) else None


def _scatter(square: NDArray[np.float32]) -> float | None:
    """Return the standard deviation of a square's values below the level of its sky."""
    values = square[np.isfinite(square)]
    if len(values) < _LEAST_SHARE * square.size:
        return None
    in_order = np.sort(values).astype(np.float64)
    level, scatter = _median(in_order), np.inf
    for _ in range(_ROUNDS):
        before = level, scatter
        low, high = level - _FAR * scatter, level + _BRIGHT * scatter
        below = _between(in_order, low, level) - level
        scatter = math.sqrt(float(np.mean(below * below)))
        level = _median(_between(in_order, level - _BRIGHT * scatter, high))
        if (level, scatter) == before:
            break
    return scatter


def _between(in_order: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Return which of the values that are sorted are from `low` to `high`."""
    first, last = np.searchsorted(in_order, low, "left"), np.searchsorted(in_order, high, "right")
    return in_order[first:last]


def _median(in_order: NDArray[np.float64]) -> float:
    """Return the median of values that are sorted; NaN if there are none."""
    n = len(in_order)
    return float(in_order[(n - 1) // 2 : n // 2 + 1].mean()) if n else math.nan
