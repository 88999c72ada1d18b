"""Variances of tiles by numpy, where the kernel was built without a compiler: the same bits.

``kernel/level.c`` does the same operations in the same order: sums over a tile have an accumulator
for each column, and the columns are added by halves.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

TILE = 64
"""Pixels; wider than a star, narrower than what the sky's level changes over."""
LEAST_PIXELS = 100
"""Pixels of a tile without which it says nothing."""
_LEAST_SHARE = 0.2
"""Share of a tile's known pixels that must be away from stars; else all of them are taken."""
_BRIGHT = ((4.5, 6), (60.0, 12))
"""Sigma above the sky, and pixels around such a pixel that are left out: a Gaussian star of 3
pixels full width is below 0.1 sigma after 6 pixels if its peak has 60 sigma, after 7 if 10,000;
the wings of real stars are wider."""
_PAD = 12
_HUBER = 1.5
BETA = float(
    math.erf(_HUBER / math.sqrt(2.0))
    - _HUBER * math.sqrt(2.0 / math.pi) * math.exp(-(_HUBER**2) / 2.0)
    + _HUBER**2 * math.erfc(_HUBER / math.sqrt(2.0))
)
"""Mean of min(z^2, k^2) of a standard normal z: 0.7785."""
COARSE = 2.0
"""Standard deviations in steps below which the mean square is taken. Above, the mean of
min(r^2, k^2 s^2) of rounded values differs from that of normal ones by less than 1 %."""
_ROUNDS = 12
"""Each round of Huber's scale halves what is wrong: 1e-4 is left of a first guess off by 40 %."""
_FLAT_ROUNDS = 2
_PLACES = 2 * np.arange(TILE) - (TILE - 1)
"""Of 128 times the distance from the middle, in tiles: integers, whose sums are exact."""

Image = NDArray[np.float32]
Doubles = NDArray[np.float64]
Masks = NDArray[np.bool_]


def row_variances(image: Image, row: int, columns: NDArray[np.int64], step: float) -> Doubles:
    """Return the variances of some tiles of one row of tiles; NaN of those that say nothing.

    Parameters
    ----------
    image : ndarray
        float32 (ny, nx); not finite where nothing is known.
    row : int
        Of tiles.
    columns : ndarray
        int64 (n_tile): which of them.
    step : float
        Of stored values, in the image's unit; 0 if there is none.
    """
    return _variances(_row_of_tiles(image, row, columns), step)


def grown(marked: NDArray[np.uint8], reach: int, axis: int) -> NDArray[np.uint8]:
    """Return what is within so many pixels of a marked one along an axis of three."""
    wide = marked.copy()
    width = 1
    # A window of 2 reach + 1 pixels that begins at each pixel, by doubling.
    while width < 2 * reach + 1:
        step = min(width, 2 * reach + 1 - width)
        later = _shifted(wide, step, axis)
        wide |= later
        width += step
    return _shifted(wide, -reach, axis)


def _row_of_tiles(image: Image, row: int, columns: NDArray[np.int64]) -> Image:
    """Return tiles with what is around them, float32 (n, side, side); NaN beyond the image."""
    ny, nx = image.shape
    side = TILE + 2 * _PAD
    first, last = max(0, row * TILE - _PAD), min(ny, (row + 1) * TILE + _PAD)
    tiles = np.full((len(columns), side, side), np.nan, np.float32)
    top = first - (row * TILE - _PAD)
    for number, column in enumerate(columns):
        begin, end = max(0, column * TILE - _PAD), min(nx, (column + 1) * TILE + _PAD)
        left = begin - (column * TILE - _PAD)
        part = image[first:last, begin:end]
        tiles[number, top : top + last - first, left : left + end - begin] = part
    tiles[~np.isfinite(tiles)] = np.nan
    # A tile ends where the image does; what is around it is there for the stars in it.
    return tiles


def _variances(padded: Image, step: float) -> Doubles:
    inner = np.s_[:, _PAD : _PAD + TILE, _PAD : _PAD + TILE]
    tiles = padded[inner]
    known = np.isfinite(tiles)
    n_known = known.sum(axis=(1, 2))
    variances = np.full(len(tiles), np.nan)
    enough = n_known >= LEAST_PIXELS
    if not enough.any():
        return variances
    padded, tiles, known, n_known = (part[enough] for part in (padded, tiles, known, n_known))
    level, spread = _first_guess(tiles, n_known, step)
    quiet = known & ~_near_stars(padded, level, spread)[inner]
    crowded = quiet.sum(axis=(1, 2)) < np.maximum(_LEAST_SHARE * n_known, LEAST_PIXELS / 2)
    quiet[crowded] = known[crowded]
    rest = np.where(quiet, tiles - level[:, None, None].astype(np.float32), np.float32(0.0))
    rest, spread = _flattened(rest, quiet, spread)
    variances[enough] = _scale(rest, quiet, spread, step)
    return variances


def _first_guess(tiles: Image, n_known: NDArray[np.int64], step: float) -> tuple[Doubles, Doubles]:
    """Return each tile's median, and its distance from the 16th percentile: stars hardly count."""
    in_order = np.sort(tiles.reshape(len(tiles), -1), axis=1)  # NaN goes last
    each = np.arange(len(tiles))
    level = in_order[each, n_known // 2].astype(np.float64)
    low = in_order[each, (0.158655 * n_known).astype(np.int64)].astype(np.float64)
    # Both may be one level up to a deviation of 0.6 steps.
    spread = np.maximum(level - low, 0.6 * step)
    return level, np.maximum(spread, np.finfo(np.float32).tiny)


def _near_stars(padded: Image, level: Doubles, spread: Doubles) -> Masks:
    lit = np.zeros(padded.shape, np.uint8)
    for height, reach in _BRIGHT:
        limit = (level + height * spread).astype(np.float32)[:, None, None]
        bright = (padded > limit).astype(np.uint8)
        if bright.any():
            lit |= grown(grown(bright, reach, 1), reach, 2)
    return lit.astype(bool)


def _shifted(marked: NDArray[np.uint8], step: int, axis: int) -> NDArray[np.uint8]:
    """Return what is `step` pixels further on, 0 beyond the end."""
    moved = np.zeros_like(marked)
    source, target = [slice(None)] * 3, [slice(None)] * 3
    source[axis] = slice(step, None) if step > 0 else slice(None, step)
    target[axis] = slice(None, -step) if step > 0 else slice(-step, None)
    moved[tuple(target)] = marked[tuple(source)]
    return moved


def _columns(tiles: Image | Doubles) -> Doubles:
    """Return the sums of columns, float64 (n, TILE), rows added in order."""
    total = np.zeros((len(tiles), TILE))
    for row in range(TILE):
        total += tiles[:, row]
    return total


def _folded(columns: Doubles) -> Doubles:
    """Return the sums over columns, added by halves, float64 (n)."""
    while columns.shape[1] > 1:
        half = columns.shape[1] // 2
        columns = columns[:, :half] + columns[:, half:]
    return columns[:, 0]


def _flattened(rest: Image, quiet: Masks, spread: Doubles) -> tuple[Image, Doubles]:
    """Take a plane away, fitted by least squares to what is within 3 standard deviations of it."""
    places = _PLACES.astype(np.float32) / np.float32(128)
    n_quiet = quiet.sum(axis=(1, 2)).astype(np.float64)
    for _ in range(_FLAT_ROUNDS):
        limit = (3.0 * spread)[:, None, None].astype(np.float32)
        level, along_x, along_y = _plane(rest, quiet & (np.abs(rest) <= limit))
        plane = (level[:, None, None] + along_x[:, None, None] * places) + (
            along_y[:, None] * places
        )[:, :, None]
        rest = np.where(quiet, rest - plane, np.float32(0.0))
        size = np.minimum(np.abs(rest), limit)
        spread = np.sqrt(_folded(_columns(size * size)) / n_quiet)
        spread = np.maximum(spread, np.finfo(np.float32).tiny)
    return rest, spread


def _plane(rest: Image, kept: Masks) -> tuple[Image, Image, Image]:
    """Return level and slopes of the least squares to what is kept, float32 (n) each."""
    taken = np.where(kept, rest.astype(np.float64), 0.0)
    places = _PLACES / 128.0
    right = _columns(taken)
    b0, b1 = _folded(right), _folded(right * places)
    b2 = _folded(_columns(taken * places[:, np.newaxis]))
    a00, a01, a02, a11, a12, a22 = _moments(kept)
    # Tiles that are known along a line only have no plane: the ridge leaves them a level.
    ridge = 1e-6 * np.maximum(a00, 1.0)
    a00, a11, a22 = a00 + ridge, a11 + ridge, a22 + ridge
    l1, l2 = a01 / a00, a02 / a00
    c11, c12, d1 = a11 - l1 * a01, a12 - l1 * a02, b1 - l1 * b0
    c22, d2, l3 = a22 - l2 * a02, b2 - l2 * b0, c12 / c11
    y = (d2 - l3 * d1) / (c22 - l3 * c12)
    x = (d1 - c12 * y) / c11
    level = (b0 - a01 * x - a02 * y) / a00
    return level.astype(np.float32), x.astype(np.float32), y.astype(np.float32)


def _moments(kept: Masks) -> tuple[Doubles, ...]:
    """Return sums of 1, x, y, x x, x y and y y over what is kept, float64 (n) each; exact."""
    whole = kept.astype(np.int64)
    columns, rows = whole.sum(axis=1), whole.sum(axis=2)
    sums = (
        (columns.sum(axis=1), 1.0), (columns @ _PLACES, 128.0), (rows @ _PLACES, 128.0),
        (columns @ _PLACES**2, 16384.0), ((whole @ _PLACES) @ _PLACES, 16384.0),
        (rows @ _PLACES**2, 16384.0),
    )  # fmt: skip
    return tuple(total / unit for total, unit in sums)


def _scale(rest: Image, quiet: Masks, spread: Doubles, step: float) -> Doubles:
    """Return variances, float64 (n_tile)."""
    square = rest * rest
    count = quiet.sum(axis=(1, 2)).astype(np.float64)
    variance = spread * spread
    for _ in range(_ROUNDS):
        limit = (_HUBER**2 * variance)[:, None, None].astype(np.float32)
        variance = _folded(_columns(np.minimum(square, limit))) / (BETA * count)
    if step > 0.0:
        coarse = variance < COARSE**2 * (step * step)
        # 4.5 standard deviations, and what these are where Huber's scale is no good.
        far = np.maximum(4.5 * np.sqrt(variance), 2.7 * step)[coarse, None, None]
        kept = quiet[coarse] & (square[coarse] <= (far * far).astype(np.float32))
        total = _folded(_columns(np.where(kept, square[coarse], np.float32(0.0))))
        variance[coarse] = total / np.maximum(kept.sum(axis=(1, 2)), 1)
        # Rounding alone has this variance, and a sky on one level says no more.
        variance = np.maximum(variance, step * step / 12.0)
    return variance
