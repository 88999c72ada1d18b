"""Equally weighted draws from weighted ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def systematic(weights: Floats, n: int) -> Ints:
    """Return `n` places, each as often as its weight says, to within one; without chance."""
    edges = np.cumsum(weights)
    marks = (np.arange(n) + 0.5) / n * edges[-1]
    return np.asarray(np.searchsorted(edges, marks), dtype=np.int64)
