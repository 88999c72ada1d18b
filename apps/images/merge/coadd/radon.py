"""The fast Radon transform: sums of an image along all straight lines, in n**2 log n additions.

Goetz & Druck (1995, Pattern Recognition 29, 711) and Brady (1998, SIAM J. Comput. 27, 107); for
trails of satellites Nir, Zackay & Ofek (2018, AJ 156, 229). Lines of strips of 2**m rows are put
together of two lines of half as many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Line:
    """A line across an image, from the middle of one pixel to that of another: row and column."""

    y0: float
    x0: float
    y1: float
    x1: float


def line_sums(planes: Floats) -> list[Floats]:
    """Return sums along the lines of four quadrants.

    Parameters
    ----------
    planes : ndarray
        float32 (n_plane, n, n), n a power of two.

    Returns
    -------
    list of ndarray
        float32 (n_plane, 2 n, n) for each of the four quadrants: place x, shift h of a line from
        column x - n of the first row to column x - n + h of the last one. Quadrants are the image,
        mirrored, transposed, and transposed and mirrored.
    """
    turned = np.swapaxes(planes, 1, 2)
    return [_steep(each) for each in (planes, planes[:, :, ::-1], turned, turned[:, :, ::-1])]


def line_of(quadrant: int, place: int, shift: int, n: int) -> Line:
    """Return the line that a place and a shift of a quadrant of `line_sums` stand for."""
    first, last = float(place - n), float(place - n + shift)
    if quadrant % 2:
        first, last = n - 1 - first, n - 1 - last
    if quadrant < 2:
        return Line(0.0, first, n - 1.0, last)
    return Line(first, 0.0, last, n - 1.0)


def _steep(planes: Floats) -> Floats:
    n_plane, n, _ = planes.shape
    # Lines enter up to n columns to the left of the image, where there is nothing.
    sums = np.zeros((n_plane, n, 1, 3 * n), np.float32)
    sums[:, :, 0, n : 2 * n] = planes
    half = 1
    while half < n:
        upper, lower = sums[:, 0::2], sums[:, 1::2]
        made = np.empty((n_plane, n // (2 * half), 2 * half, 3 * n), np.float32)
        for shift in range(2 * half):
            a, b = shift // 2, (shift + 1) // 2
            made[:, :, shift, : 3 * n - b] = upper[:, :, a, : 3 * n - b] + lower[:, :, a, b:]
            made[:, :, shift, 3 * n - b :] = upper[:, :, a, 3 * n - b :]
        sums, half = made, 2 * half
    return np.ascontiguousarray(np.swapaxes(sums[:, 0, :, : 2 * n], 1, 2))
