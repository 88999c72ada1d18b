"""The noise of a frame's sky: of the frame as a whole, and of its parts.

The noise of a pixel is the standard deviation of the values as they are stored, rounding included:
that is what a mean of frames has to be weighted by. It is measured in tiles of 64 x 64 pixels.
Pixels near to anything bright are left out, a plane is taken away, and the scale of the rest is
Huber's (1964, Ann. Math. Stat. 35, 73, proposal 2): a value counts with at most 1.5 standard
deviations, so that faint stars and cosmic rays hardly touch it. Where the noise is not much wider
than the step between two stored values, their distribution is no normal one, and the variance is
the mean square itself.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.built import load_kernel
from apps.images.plan.sky.plain_noise import BETA, COARSE, LEAST_PIXELS, TILE, grown, row_variances

__all__ = [
    "LEAST_PIXELS", "TILE", "find_step", "levels", "near", "sky_noise", "tile_variances",
    "typical",
]  # fmt: skip

Image = NDArray[np.float32]
Doubles = NDArray[np.float64]

_kernel = load_kernel()

PLAIN = "numpy"
"""Name of the level that needs no compiled kernel: the same bits, some ten times slower."""
MOST_TILES = 1024
"""Tiles that are looked at; of more, every second or third each way. Sixteen of them together tell
a variance to 0.6 %."""


def levels() -> list[str]:
    """Return the levels that this processor has, the fastest first; the last needs no kernel."""
    return [PLAIN] if _kernel is None else [*_kernel.levels(), PLAIN]


def find_step(image: Image) -> float:
    """Return the step between stored values, in the image's unit; 0 if there is none.

    A camera of 12 bits whose numbers are stored times 16 has a step of 16. The levels within the
    middle 98 % of the pixels are looked at, because a saturated pixel may be off the lattice.

    Parameters
    ----------
    image : ndarray
        float32 (ny, nx); NaN where masked.
    """
    sample = image.ravel()[:: max(1, image.size // 200_000)]
    sample = np.sort(sample[np.isfinite(sample)]).astype(np.float64)
    if len(sample) < LEAST_PIXELS:
        return 0.0
    levels = np.unique(sample[len(sample) // 100 : -(len(sample) // 100) or None])
    # The levels of floats are nearly as many as the pixels.
    if len(levels) > len(sample) // 4:
        return 0.0
    if len(levels) < 2:
        levels = np.unique(sample)
    if len(levels) < 2:
        return 0.0
    gaps = np.diff(levels)
    # float32 rounds levels by 6e-8 of themselves: smaller gaps are none.
    gaps = gaps[gaps > 1e-6 * float(np.abs(levels).max())]
    step = float(gaps.min()) if len(gaps) else 0.0
    if step == 0.0:
        return 0.0
    for gap in gaps[:1000]:
        step = _common(step, float(gap), 1e-3 * step)
        if step == 0.0:
            return 0.0
    return step


def _common(a: float, b: float, tolerance: float) -> float:
    """Return the greatest common divisor of two lengths; 0 if it is below 50 tolerances."""
    while b > tolerance:
        rest = math.fmod(a, b)
        a, b = b, (0.0 if b - rest <= tolerance else rest)
    return a if a > 50 * tolerance else 0.0


def sky_noise(image: Image, step: float | None = None) -> float | None:
    """Return the standard deviation of a frame's sky, in its own unit.

    Parameters
    ----------
    image : ndarray
        float32 (ny, nx); NaN where masked.
    step : float, optional
        Of stored values, in the image's unit; looked for in the image if it is not given.

    Returns
    -------
    float or None
        None if nowhere enough pixels are known, or they do not differ.
    """
    step = find_step(image) if step is None else step
    return typical(tile_variances(image, step), step)


def typical(variances: Doubles, step: float) -> float | None:
    """Return the standard deviation that tiles' variances tell; None if they tell nothing."""
    known = variances[np.isfinite(variances)]
    if not len(known):
        return None
    variance = float(np.median(known))
    if variance < (COARSE * step) ** 2:
        # What rounding does depends on where the sky lies between two levels, in each tile.
        variance = float(known[known <= 2 * variance].mean())
    return math.sqrt(variance) if variance > 0 else None


def tile_variances(image: Image, step: float = 0.0, level: str | None = None) -> Doubles:
    """Return the variance of the sky in each tile, float64 (n_tile_y, n_tile_x).

    NaN where a tile was not looked at, or has too few known pixels.

    Parameters
    ----------
    image : ndarray
        float32 (ny, nx); NaN where masked.
    step : float
        Of stored values, in the image's unit; 0 if there is none.
    level : str, optional
        One of `levels`; the fastest if not given. All give the same bits.
    """
    level = level or levels()[0]
    image = np.ascontiguousarray(image, np.float32)
    ny, nx = image.shape
    shape = -(-ny // TILE), -(-nx // TILE)
    stride = math.ceil(math.sqrt(max(1.0, shape[0] * shape[1] / MOST_TILES)))
    variances = np.full(shape, np.nan)
    columns = np.arange(stride // 2 % shape[1], shape[1], stride)
    for row in range(stride // 2 % shape[0], shape[0], stride):
        if level == PLAIN:
            of_row = row_variances(image, row, columns, step)
        else:
            of_row = np.empty(len(columns))
            _kernel.measure(level, (ny, nx), image, row, columns, step, BETA, of_row)
        variances[row, columns] = of_row
    return variances


def near(marked: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Return which pixels are within so many columns and rows of a marked one, bool (ny, nx)."""
    stacked = marked.astype(np.uint8)[np.newaxis]
    return np.asarray(grown(grown(stacked, reach, 1), reach, 2)[0] != 0)
