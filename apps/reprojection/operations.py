"""How many operations a reprojected pixel takes: the one home of every such constant.

Credit counts the arithmetic of the method, whatever computes it: + - * / as 1 each.
"""

from __future__ import annotations

from apps.reprojection.engine import TAPS

MAP_FLOP = 45
"""Operations a pixel for its place in the frame and the area there: four cubic polynomials of 6 and
two slopes of 5 operations, the determinant and its scale 5, splitting both coordinates 6."""
STORE_FLOP = 10
"""Rounding to steps, and the mean of the variance."""


def credit_flop(method: str, n_pixel: int) -> float:
    """Return the operations that `n_pixel` output pixels of a method earn credit for.

    n taps each way: n^2 + n products and as many sums for the value, the same for the variance, and
    4 n for the weights and their squares of both axes. ``reproject`` is bilinear.
    """
    taps = TAPS.get(method, TAPS["bilinear"])
    return n_pixel * (4.0 * (taps * taps + taps) + 8.0 * taps + MAP_FLOP + STORE_FLOP)
