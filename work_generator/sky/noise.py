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

Image = NDArray[np.float32]
Doubles = NDArray[np.float64]

TILE = 64
"""Pixels; wider than a star, narrower than what the sky's level changes over."""
MOST_TILES = 1024
"""Tiles that are looked at; of more, every second or third each way. Sixteen of them together tell
a variance to 0.6 %."""
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
_BETA = float(
    math.erf(_HUBER / math.sqrt(2.0))
    - _HUBER * math.sqrt(2.0 / math.pi) * math.exp(-(_HUBER**2) / 2.0)
    + _HUBER**2 * math.erfc(_HUBER / math.sqrt(2.0))
)
"""Mean of min(z^2, k^2) of a standard normal z: 0.7785."""
_COARSE = 2.0
"""Standard deviations in steps below which the mean square is taken. Above, the mean of
min(r^2, k^2 s^2) of rounded values differs from that of normal ones by less than 1 %."""
_ROUNDS = 12
"""Each round of Huber's scale halves what is wrong: 1e-4 is left of a first guess off by 40 %."""


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
    if variance < (_COARSE * step) ** 2:
        # What rounding does depends on where the sky lies between two levels, in each tile.
        variance = float(known[known <= 2 * variance].mean())
    return math.sqrt(variance) if variance > 0 else None


def tile_variances(image: Image, step: float = 0.0) -> Doubles:
    """Return the variance of the sky in each tile, float64 (n_tile_y, n_tile_x).

    NaN where a tile was not looked at, or has too few known pixels.

    Parameters
    ----------
    image : ndarray
        float32 (ny, nx); NaN where masked.
    step : float
        Of stored values, in the image's unit; 0 if there is none.
    """
    ny, nx = image.shape
    shape = -(-ny // TILE), -(-nx // TILE)
    stride = math.ceil(math.sqrt(max(1.0, shape[0] * shape[1] / MOST_TILES)))
    variances = np.full(shape, np.nan)
    columns = np.arange(stride // 2 % shape[1], shape[1], stride)
    for row in range(stride // 2 % shape[0], shape[0], stride):
        padded = _row_of_tiles(image, row, columns)
        variances[row, columns] = _variances(padded, step)
    return variances


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
    least = np.finfo(np.float32).tiny
    return level, np.maximum(spread, least)


def _near_stars(padded: Image, level: Doubles, spread: Doubles) -> NDArray[np.bool_]:
    lit = np.zeros(padded.shape, np.uint8)
    for height, reach in _BRIGHT:
        limit = (level + height * spread).astype(np.float32)[:, None, None]
        bright = (padded > limit).astype(np.uint8)
        if bright.any():
            lit |= _grown(_grown(bright, reach, 1), reach, 2)
    return lit.astype(bool)


def near(marked: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Return which pixels are within so many columns and rows of a marked one, bool (ny, nx)."""
    stacked = marked.astype(np.uint8)[np.newaxis]
    return np.asarray(_grown(_grown(stacked, reach, 1), reach, 2)[0] != 0)


def _grown(marked: NDArray[np.uint8], reach: int, axis: int) -> NDArray[np.uint8]:
    """Return what is within so many pixels of a marked one along an axis."""
    grown = marked.copy()
    width = 1
    # A window of 2 reach + 1 pixels that begins at each pixel, by doubling.
    while width < 2 * reach + 1:
        step = min(width, 2 * reach + 1 - width)
        later = _shifted(grown, step, axis)
        grown |= later
        width += step
    return _shifted(grown, -reach, axis)


def _shifted(marked: NDArray[np.uint8], step: int, axis: int) -> NDArray[np.uint8]:
    """Return what is `step` pixels further on, 0 beyond the end."""
    moved = np.zeros_like(marked)
    source, target = [slice(None)] * 3, [slice(None)] * 3
    source[axis] = slice(step, None) if step > 0 else slice(None, step)
    target[axis] = slice(None, -step) if step > 0 else slice(-step, None)
    moved[tuple(target)] = marked[tuple(source)]
    return moved


def _flattened(rest: Image, quiet: NDArray[np.bool_], spread: Doubles) -> tuple[Image, Doubles]:
    """Take a plane away, fitted by least squares to what is within 3 standard deviations of it."""
    x = ((np.arange(TILE) - (TILE - 1) / 2) / TILE).astype(np.float32)
    for _ in range(2):
        limit = (3.0 * spread)[:, None, None].astype(np.float32)
        kept = (quiet & (np.abs(rest) <= limit)).astype(np.float32)
        taken = rest * kept
        matrix = _moments(kept, x)
        right = np.stack(
            [taken.sum(axis=(1, 2)), (taken.sum(axis=1) @ x), (taken.sum(axis=2) @ x)], axis=1
        ).astype(np.float64)
        # Tiles that are known along a line only have no plane: the ridge leaves them a level.
        matrix += 1e-6 * np.maximum(matrix[:, :1, :1], 1.0) * np.eye(3)
        plane = np.linalg.solve(matrix, right[:, :, None]).astype(np.float32)
        rest = rest - (
            plane[:, 0, :, None] + plane[:, 1, :, None] * x + plane[:, 2, :, None] * x[:, None]
        )
        rest[~quiet] = 0.0
        square = (np.minimum(np.abs(rest), limit) ** 2).sum(axis=(1, 2), dtype=np.float64)
        spread = np.sqrt(square / np.maximum(quiet.sum(axis=(1, 2)), 1))
        spread = np.maximum(spread, np.finfo(np.float32).tiny)
    return rest, spread


def _moments(kept: Image, x: Image) -> Doubles:
    """Return sums of products of 1, x and y over what is kept, float64 (n, 3, 3)."""
    columns, rows = kept.sum(axis=1), kept.sum(axis=2)
    n, sx, sy = columns.sum(axis=1), columns @ x, rows @ x
    sxx, syy = columns @ (x * x), rows @ (x * x)
    sxy = (kept @ x) @ x
    flat = np.stack([n, sx, sy, sx, sxx, sxy, sy, sxy, syy], axis=1)
    return flat.reshape(-1, 3, 3).astype(np.float64)


def _scale(rest: Image, quiet: NDArray[np.bool_], spread: Doubles, step: float) -> Doubles:
    """Return variances, float64 (n_tile)."""
    square = rest * rest
    count = quiet.sum(axis=(1, 2)).astype(np.float64)
    variance = spread * spread
    for _ in range(_ROUNDS):
        limit = (_HUBER**2 * variance)[:, None, None].astype(np.float32)
        bounded = np.minimum(square, limit).sum(axis=(1, 2), dtype=np.float64)
        variance = bounded / (_BETA * count)
    if step > 0.0:
        coarse = variance < (_COARSE * step) ** 2
        # 4.5 standard deviations, and what these are where Huber's scale is no good.
        far = np.maximum(4.5 * np.sqrt(variance), 2.7 * step)[coarse, None, None]
        kept = quiet[coarse] & (square[coarse] <= (far * far).astype(np.float32))
        total = np.where(kept, square[coarse], 0.0).sum(axis=(1, 2), dtype=np.float64)
        variance[coarse] = total / np.maximum(kept.sum(axis=(1, 2)), 1)
        # Rounding alone has this variance, and a sky on one level says no more.
        variance = np.maximum(variance, step * step / 12.0)
    return variance
