"""Inverses of displacements, which have no closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

SETTLED = 1e-10
"""Pixels; a millionth of what a pixel map is allowed to be wrong by."""

Doubles = NDArray[np.float64]


def solve(
    shift: Callable[[Doubles, Doubles], tuple[Doubles, Doubles]],
    u: Doubles,
    v: Doubles,
    rounds: int,
) -> tuple[Doubles, Doubles, Doubles]:
    """Solve p + f(p) = (u, v) for p by p <- (u, v) - f(p), as f changes by little a pixel.

    Parameters
    ----------
    shift : Callable
        The displacement f of pixel coordinates, pixels.
    u, v : ndarray
        Displaced pixel coordinates, any shape.
    rounds : int
        After so many it ends, whether or not the coordinates have settled.

    Returns
    -------
    x, y : ndarray
        Coordinates that are displaced to these.
    change : ndarray
        Of each in the last round along the axis that changed more, pixels.
    """
    x, y = u, v
    change = np.full(np.shape(u), np.inf)
    for _ in range(rounds):
        shift_x, shift_y = shift(x, y)
        new_x, new_y = u - shift_x, v - shift_y
        change = np.maximum(np.abs(new_x - x), np.abs(new_y - y))
        x, y = new_x, new_y
        known = change[np.isfinite(change)]
        if not known.size or known.max() < SETTLED:
            break
    return x, y, change
