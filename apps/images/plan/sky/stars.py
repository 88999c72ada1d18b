"""Stars of a frame, and where each of them is: to a few hundredths of a pixel, at little cost.

Peaks are looked for in bands of rows, above the median of tiles of 64 x 64 pixels. The place of a
star is its windowed centroid, SExtractor's ``XWIN_IMAGE``: the mean under a Gaussian as wide as
the frame's stars, moved until it stays. For a Gaussian star of noise that is the sky's it is as
good as a fit of the profile, with the variance 8 pi noise^2 s^4 / flux^2 along each axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.noise import TILE
from apps.images.plan.sky.quality import FWHM_OF_SIGMA
from apps.images.plan.sky.rows import Rows

MOST_STARS = 600
"""The brightest are kept: they tell a shift to a thousandth of a pixel, and pairs of all with all
of another frame are still few."""
_BAND = 512
"""Rows that are looked at once; whole tiles."""
_HALF = 12
"""Pixels from a star's peak to the edge of its cut-out: 2.5 widths of stars of 5 pixels."""
_SAMPLES = 4
"""Every so many pixels each way are looked at for the level of a tile."""
_HEIGHT = 7.0
"""Peak over the level, in standard deviations: of white noise a million frames have one."""
_ROUNDED = 0.6
"""Steps of stored values up to which the median and the 16th percentile may be one level."""
_NEIGHBOURS = 0.2
"""Mean of the four neighbours over the peak below which a peak is a hot pixel or a cosmic ray: a
star of 1.2 pixels full width has 0.24 to 0.5, a pixel alone 0, and a pair 0.25 at most."""
_AROUND = 3.0
"""Standard deviations by which the eight pixels around a peak must stand out together. Warm pixels
are on the detector and not on the sky: as stars they would match, wherever a frame is pointed."""
_LESS = 0.5
"""A star's part in its neighbours over that of bright stars, below which it is a cosmic ray."""
_LEAST_BRIGHT = 10
_BESIDE = 0.4
"""Height of a second peak within the window over the star's, from which a place is a mixture."""
_LEAST_WIDTH, _MOST_WIDTH = 1.2, 2.0 * _HALF / 2.5
"""Pixels; FWHM of the windows that fit the cut-outs."""
_LEAST_WINDOW = 3.0
"""Pixels. Narrower windows see which part of a pixel a star is in: stars of 1.2 pixels were placed
to 0.10 pixels with one of their own width, and to 0.016 with this one."""
_ROUNDS = 6
"""Each halves, at least, what a window is away from its star."""

Image = NDArray[np.float32]
Doubles = NDArray[np.float64]

_Y, _X = np.mgrid[-_HALF : _HALF + 1, -_HALF : _HALF + 1]
_DISTANCE = np.hypot(_X, _Y)
_RINGS = np.rint(_DISTANCE).astype(np.int64)
_EDGE = np.flatnonzero(np.maximum(np.abs(_X), np.abs(_Y)) == _HALF)
_CORE = np.flatnonzero(np.less(_DISTANCE, 1.5))
_BESIDE_PEAK = np.flatnonzero(np.equal(_DISTANCE, 1.0))


@dataclass(frozen=True, slots=True, eq=False)
class Stars:
    """Stars of a frame, the brightest first.

    Attributes
    ----------
    x, y : ndarray
        Pixel coordinates from 0, float64 (n_star).
    error : ndarray
        Standard error along each axis by the noise of the sky, pixels.
    flux : ndarray
        Within the window, counts.
    neighbours : ndarray
        Mean of the four pixels beside the peak over the peak: 0.25 at most for two warm pixels,
        more for most stars of 1.1 pixels full width.
    fwhm : float
        Median full width at half maximum, pixels; NaN without stars.
    """

    x: Doubles
    y: Doubles
    error: Doubles
    flux: Doubles
    neighbours: Doubles
    fwhm: float

    def chosen(self, which: NDArray[np.bool_]) -> Stars:
        """Return some of them."""
        x, y, error, flux, neighbours = (
            column[which] for column in (self.x, self.y, self.error, self.flux, self.neighbours)
        )
        return Stars(x, y, error, flux, neighbours, self.fwhm)

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, slots=True, eq=False)
class _Peaks:
    """Peaks of a frame: their pixels, cut-outs (n, side, side), and the noise of the sky there."""

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    stamps: Image
    noise: Doubles

    def chosen(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> _Peaks:
        return _Peaks(self.x[which], self.y[which], self.stamps[which], self.noise[which])


def find_stars(values: Image | Rows, *, saturation: float = math.inf) -> Stars:
    """Return the brightest stars of a frame that are whole and not too near to others.

    Parameters
    ----------
    values : ndarray or Rows
        float32 (ny, nx); NaN where masked. Calibrated or not: a sky that is not flat moves no star.
    saturation : float
        Stars with a peak at or above it are left out.
    """
    ny = values.shape[0]
    n_band = -(-ny // _BAND)
    most = max(60, 2 * MOST_STARS // n_band)
    parts = [
        part
        for start in range(0, ny, _BAND)
        if (part := _peaks(values, start, most, saturation)) is not None
    ]
    if not parts:
        return _nothing()
    peaks = _Peaks(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in _Peaks.__slots__)
    )
    return _measured(peaks)


def _nothing() -> Stars:
    empty = np.empty(0)
    return Stars(empty, empty, empty, empty, empty, math.nan)


def _peaks(values: Image | Rows, start: int, most: int, saturation: float) -> _Peaks | None:
    """Return the highest peaks of a band of rows; None if it has none."""
    ny, nx = values.shape
    first, last = max(0, start - _HALF), min(ny, start + _BAND + _HALF)
    if last - first <= 2 * _HALF or nx <= 2 * _HALF:
        return None
    band = np.asarray(values[first:last], np.float32)
    top, bottom = max(start, _HALF) - first, min(start + _BAND, ny - _HALF) - first
    level, noise = _levels(band)
    if not np.isfinite(level).any():
        return None
    y, x = _above(band, level + _HEIGHT * noise, top, bottom)
    inside = (x >= _HALF) & (x < nx - _HALF)
    y, x = y[inside], x[inside]
    highest = _is_highest(band, y, x) & (band[y, x] < saturation)
    y, x = y[highest], x[highest]
    height = band[y, x] - level[y // TILE, x // TILE]
    order = np.argsort(-height, kind="stable")[:most]
    y, x = y[order], x[order]
    if not len(y):
        return None
    stamps = band[y[:, None, None] + _Y, x[:, None, None] + _X]
    return _Peaks(x, y + first, stamps, noise[y // TILE, x // TILE].astype(np.float64))


def _levels(band: Image) -> tuple[Image, Image]:
    """Return each tile's median, and its distance from the 16th percentile: (n_tile_y, n_tile_x).

    The noise is at least half of what it is in the usual tile, because tiles of a border, or of a
    few known pixels, have none.
    """
    side = TILE // _SAMPLES
    sample = band[::_SAMPLES, ::_SAMPLES]
    shape = tuple(-(-n // side) for n in sample.shape)
    padded = np.full((shape[0] * side, shape[1] * side), np.nan, np.float32)
    padded[: sample.shape[0], : sample.shape[1]] = sample
    padded[~np.isfinite(padded)] = np.nan
    tiles = padded.reshape(shape[0], side, shape[1], side).swapaxes(1, 2).reshape(*shape, -1)
    tiles = np.sort(tiles, axis=2)  # NaN goes last
    known = np.isfinite(tiles).sum(axis=2)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    level = np.where(known > 0, tiles[rows, columns, np.minimum(known // 2, known - 1)], np.nan)
    low = np.where(known > 0, tiles[rows, columns, (0.158655 * known).astype(np.int64)], np.nan)
    noise = level - low
    usual = noise[np.isfinite(noise) & (noise > 0)]
    least = 0.5 * float(np.median(usual)) if len(usual) else np.inf
    return level, np.maximum(noise, np.float32(least))


def _above(
    band: Image, limit: Image, top: int, bottom: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of the pixels between two rows that are above their tile's limit."""
    nx = band.shape[1]
    rows, columns = [], []
    for tile in range(len(limit)):
        begin, end = max(top, tile * TILE), min(bottom, (tile + 1) * TILE)
        if end > begin:
            y, x = np.nonzero(band[begin:end] > np.repeat(limit[tile], TILE)[:nx])
            rows.append(y + begin)
            columns.append(x)
    if not rows:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return np.concatenate(rows), np.concatenate(columns)


def _is_highest(band: Image, y: NDArray[np.int64], x: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which pixels are no lower than their eight neighbours, and higher than those before."""
    values = band[y, x]
    highest = np.ones(len(y), dtype=bool)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if (dy, dx) < (0, 0):
                highest &= values > band[y + dy, x + dx]
            elif (dy, dx) > (0, 0):
                highest &= values >= band[y + dy, x + dx]
    return highest


def _measured(peaks: _Peaks) -> Stars:
    """Return those peaks that are stars, and their places."""
    stars = peaks.stamps.astype(np.float64)
    whole = np.asarray(np.isfinite(stars).all(axis=(1, 2)))
    peaks, stars = peaks.chosen(whole), stars[whole]
    if not len(stars):
        return _nothing()
    flat = stars.reshape(len(stars), -1)
    stars = stars - np.median(flat[:, _EDGE], axis=1)[:, None, None]
    flat = stars.reshape(len(stars), -1)
    height = stars[:, _HALF, _HALF]
    neighbours = flat[:, _BESIDE_PEAK].mean(axis=1)
    flat_tops = (flat[:, _CORE] == height[:, None]).sum(axis=1) >= 3
    good = np.asarray(height > 0.7 * _HEIGHT * peaks.noise)
    good &= (neighbours > _NEIGHBOURS * height) & ~flat_tops
    light_around = flat[:, _CORE].sum(axis=1) - height
    good &= light_around > _AROUND * math.sqrt(8.0) * peaks.noise
    if not good.any():
        return _nothing()
    # The stars with most light around their peak: where warm pixels are many, they are faint.
    bright = np.flatnonzero(good)
    bright = bright[np.argsort(-light_around[bright], kind="stable")]
    bright = bright[: max(_LEAST_BRIGHT, len(bright) // 4)]
    good &= neighbours / height > _LESS * np.median((neighbours / height)[bright])
    peaks, flat, height = peaks.chosen(good), flat[good], height[good]
    width = _width(flat / height[:, None])
    alone = _is_alone(flat, height, width)
    peaks, flat = peaks.chosen(alone), flat[alone]
    return _centred(peaks, flat, width) if len(flat) else _nothing()


def _width(profiles: Doubles) -> float:
    """Return the FWHM of the median star, pixels, from mean heights in rings of a pixel."""
    counts = np.bincount(_RINGS.ravel())[: _HALF + 1]
    rings = np.zeros((_RINGS.size, _HALF + 1))
    inside = _RINGS.ravel() <= _HALF
    rings[np.flatnonzero(inside), _RINGS.ravel()[inside]] = 1.0
    radii = (_DISTANCE.ravel() @ rings) / counts
    median = np.median(profiles @ rings / counts, axis=0)
    below = np.flatnonzero(median < 0.5)
    if not len(below):
        return _MOST_WIDTH
    place = int(below[0])
    part = (median[place - 1] - 0.5) / (median[place - 1] - median[place])
    width = 2.0 * (radii[place - 1] + part * (radii[place] - radii[place - 1]))
    return float(np.clip(width, _LEAST_WIDTH, _MOST_WIDTH))


def _is_alone(flat: Doubles, height: Doubles, width: float) -> NDArray[np.bool_]:
    """Tell which stars are the highest of their core, without another one within the window."""
    is_core = np.less_equal(_DISTANCE, 1.2 * width)
    core = np.flatnonzero(is_core)
    around = np.flatnonzero(~is_core & np.less_equal(_DISTANCE, 2.5 * width))
    alone = flat[:, core].max(axis=1) <= height
    if len(around):
        alone &= flat[:, around].max(axis=1) < _BESIDE * height
    return np.asarray(alone)


def _centred(peaks: _Peaks, flat: Doubles, width: float) -> Stars:
    window = max(width, _LEAST_WINDOW)
    sigma = window / FWHM_OF_SIGMA
    # A mean under a window moves by s_w^2 / (s^2 + s_w^2) of what a star of width s is away.
    whole = 1.0 + (width / window) ** 2
    stamps = flat.reshape(len(flat), *_X.shape)
    axis = np.arange(-_HALF, _HALF + 1.0)
    at_x, at_y = np.zeros(len(flat)), np.zeros(len(flat))
    light = np.ones(len(flat))
    for _ in range(_ROUNDS):
        off_x, off_y = axis - at_x[:, None], axis - at_y[:, None]
        along = np.exp(-0.5 * (off_x / sigma) ** 2)
        across = np.exp(-0.5 * (off_y / sigma) ** 2)
        rows = np.einsum("nyx,nx->ny", stamps, along)
        light = (rows * across).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            step_y = whole * (rows * across * off_y).sum(axis=1) / light
            columns = np.einsum("nyx,ny->nx", stamps, across)
            step_x = whole * (columns * along * off_x).sum(axis=1) / light
        at_x = np.clip(np.nan_to_num(at_x + step_x), -_HALF / 2, _HALF / 2)
        at_y = np.clip(np.nan_to_num(at_y + step_y), -_HALF / 2, _HALF / 2)
    flux = whole * light
    good = (light > 0) & (np.hypot(at_x, at_y) < 0.5 + 0.5 * width)
    good &= np.hypot(step_x, step_y) < 0.05
    order = np.flatnonzero(good)
    order = order[np.argsort(-flux[order], kind="stable")][:MOST_STARS]
    error = whole * math.sqrt(2.0 * math.pi) * peaks.noise[order] * sigma**2 / flux[order]
    beside = flat[:, _BESIDE_PEAK].mean(axis=1) / stamps[:, _HALF, _HALF]
    x, y = peaks.x[order] + at_x[order], peaks.y[order] + at_y[order]
    return Stars(x, y, error, flux[order], beside[order], width)
