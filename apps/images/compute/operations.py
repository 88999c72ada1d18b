"""How many operations a reprojected pixel takes: the one home of every such constant.

Credit counts the arithmetic of the method, whatever computes it: + - * / as 1 each.
"""

from __future__ import annotations

import math

from apps.images.compute.engine import AREA_METHODS, TAPS

MAP_FLOP = 45
"""Operations a pixel for its place in the frame and the area there: four cubic polynomials of 6 and
two slopes of 5 operations, the determinant and its scale 5, splitting both coordinates 6."""
STORE_FLOP = 10
"""Rounding to steps, and the mean of the variance."""


CELL_FLOP = 40
"""Operations for each pixel of a frame that an output pixel covers: the area on the left of both of
its sides from two edges of 7 operations each, their difference and sign 2, and the sums 10."""
CORNER_FLOP = 36
"""Operations for the edges of an output pixel in each row of the frame: cutting three of them."""


def credit_flop(method: str, n_pixel: int, area: float = 1.0) -> float:
    """Return the operations that `n_pixel` output pixels of a method earn credit for.

    n taps each way: n^2 + n products and as many sums for the value, the same for the variance, and
    4 n for the weights and their squares of both axes. ``reproject`` is bilinear. An average over
    the area of output pixels meets (a^(1/2) + 1)^2 pixels of the frame, in a^(1/2) + 1 rows.

    Parameters
    ----------
    method : str
        Of a frame.
    n_pixel : int
        Pixels that hold something.
    area : float
        Pixels of the frame that one of them covers.
    """
    if method in AREA_METHODS:
        side = math.sqrt(area) + 1.0
        each = CELL_FLOP * side * side + CORNER_FLOP * side
    else:
        taps = TAPS.get(method, TAPS["bilinear"])
        each = 4.0 * (taps * taps + taps) + 8.0 * taps
    return n_pixel * (each + MAP_FLOP + STORE_FLOP)
