"""The variance of a frame's sky in each pixel: what pixels weigh by.

A weight must not depend on the light of the pixel itself: where photons of a star make a pixel
noisy, its weight would be low where the star happens to be bright, and the mean with it. So it is
the variance of the sky that is kept, and the photons of stars are added when the stack is made.

Where a map is given (weight, variance, error) it says how unlike pixels are; light in it is taken
out, and if it disagrees with the measured noise it is a relative one and is scaled. Where none is
given, the noise is measured in tiles of 64 x 64 pixels, over the flat if there is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from work_generator.sky.noise import (
    LEAST_PIXELS,
    TILE,
    find_step,
    near,
    tile_variances,
    typical,
)

UNLIKE = 1.15
"""Ratio of the 95th to the 5th percentile of the variances of parts of a frame from which they
count as unlike. Measured in nine tiles of 4096 pixels each they scatter by 1.3 % by chance, so that
the ratio is 1.05; a weight that is wrong by 15 % costs 0.1 % of the noise of a stack of two."""
BELIEVED = (0.9, 1.1)
"""Measured over stated variance between which a map is taken as it is."""
CORRELATED = (0.75, 1.35)
"""The same in squares of 8 x 8 pixels: a map whose image was resampled is right there, and not in
single pixels, which resampling has smoothed."""
_SQUARE = 8
CROWDED = (0.85, 1.15)
"""The same in second differences of pixels, along rows and columns, where stars leave no empty sky:
what lies between them is then taken for noise, but hardly bends over three pixels. Of six frames of
DECam, with the maps of their pipeline, tiles say 1.25 to 2.35 and second differences 0.96 to 1.10;
of simulated crowds of stars of 3 pixels FWHM or more, 1.9 to 12 and 0.99 to 1.06."""
_LIGHT = 10.0
"""Standard deviations over the sky from which a pixel tells if its variance holds its light."""
_LEAST_BRIGHT = 50
_LEAST_RISE = 0.2
"""Part of the sky's variance that light must add in most of the bright pixels to be seen."""
_BRIGHT = 5.0
"""Standard deviations from which the variance of a pixel is taken from its surroundings."""
_NEAR = 5
"""Pixels around such a pixel that are treated like it, because they may be lit, too."""
_FLAT_SCATTER = 0.03
"""Relative standard deviation of a flat below which it is the same everywhere."""
_SAMPLES = 4
"""Every so many pixels each way are looked at for the level of a tile: 256 tell a median to 0.08
standard deviations."""
_ROUNDED = 0.6
"""Standard deviations in steps of stored values up to which parts are not told apart: rounding then
makes the noise depend on where the sky lies between two levels, by 3 % at 0.6 and by a factor at
0.4, and that is no property of a part."""
_QUIET = 0.1
"""Of the pixels' variances the quantile that is a frame's noise: steps of the output must be fine
enough for the quietest part that is more than a corner."""

Image = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SkyVariance:
    """How noisy the sky of a frame is.

    Attributes
    ----------
    noise : float
        Standard deviation of a pixel; of the quieter ones where pixels are unlike.
    plane : ndarray or None
        float32 (ny, nx): variance of each pixel; None if ``noise**2`` is that of all.
    gain : float or None
        Electrons a count, as far as a map of variances tells.
    scale : float
        What a map was multiplied by; 1 if it was right.
    """

    noise: float
    plane: Image | None = None
    gain: float | None = None
    scale: float = 1.0


def sky_variance(
    values: Image, *, stated: Image | None = None, flat: Image | None = None
) -> SkyVariance | None:
    """Measure the variance of a frame's sky.

    Parameters
    ----------
    values : ndarray
        float32 (ny, nx): calibrated pixels; NaN where masked.
    stated : ndarray, optional
        float32 (ny, nx): variances that came with the frame, right but for a factor.
    flat : ndarray, optional
        float32 (ny, nx): the flat that was divided out, around 1.

    Returns
    -------
    SkyVariance or None
        None if nowhere enough pixels are known, or they do not differ.
    """
    step = find_step(values)
    if stated is not None:
        return _of_map(values, stated, step)
    if flat is not None and _is_unlike(flat):
        return _of_flat(values, flat, step)
    tiles = tile_variances(values, step)
    noise = typical(tiles, step)
    if noise is None:
        return None
    parts = None
    if noise > _ROUNDED * step:
        parts = _parts(tiles, lambda: tile_variances(_differences(values), step))
    if parts is None:
        return SkyVariance(noise)
    plane = _expanded(parts, values.shape)
    return SkyVariance(_quiet_noise(plane), _coarse(plane))


def _of_map(values: Image, stated: Image, step: float) -> SkyVariance | None:
    known = np.where(np.isfinite(values), stated, np.float32(np.nan))
    sample = known[np.isfinite(known)]
    if not len(sample):
        return None
    typical_variance = float(np.median(sample[:: max(1, len(sample) // 100_000)]))
    level = levels(values)
    light, gain = _light_in(values - level, known)
    variance = stated if light is None else light
    with np.errstate(invalid="ignore", divide="ignore"):
        normal = ((values - level) / np.sqrt(variance)).astype(np.float32)
    ratio = typical(tile_variances(normal), step / math.sqrt(typical_variance))
    if ratio is None:
        return None
    scale = ratio * ratio
    if _is_right(scale, normal):
        scale = 1.0
    plane = variance * np.float32(scale)
    quiet = _quiet_noise(np.where(np.isfinite(values), plane, np.float32(np.nan)))
    return SkyVariance(quiet, plane, None if gain is None else gain / scale, scale)


def _of_flat(values: Image, flat: Image, step: float) -> SkyVariance | None:
    """Noise that the flat divided goes with its inverse (read noise), photons with its root."""
    level = levels(values)
    best: tuple[float, float, Image] | None = None
    for power in (0, 1, 2):
        shape = flat**-power
        with np.errstate(invalid="ignore"):
            normal = ((values - level) / np.sqrt(shape)).astype(np.float32)
            tiles = tile_variances(normal, step)
        noise = typical(tiles, step)
        if noise is None:
            return None
        scatter = _scatter(tiles)
        if best is None or scatter < best[0]:
            parts = _parts(tiles)
            factor = np.float32(noise**2) if parts is None else _expanded(parts, values.shape)
            best = scatter, noise, (shape * factor).astype(np.float32)
    assert best is not None
    plane = best[2]
    known = np.where(np.isfinite(values), plane, np.float32(np.nan))
    if not _is_unlike(plane):
        return SkyVariance(best[1])
    plane[~np.isfinite(plane)] = np.float32(best[1] ** 2)
    return SkyVariance(_quiet_noise(known), _coarse(plane))


def levels(values: Image) -> Image:
    """Return the level of the sky at each pixel, float32: medians of tiles, linear in between."""
    ny, nx = values.shape
    shape = -(-ny // TILE), -(-nx // TILE)
    medians = np.full(shape, np.nan)
    for row in range(shape[0]):
        for column in range(shape[1]):
            part = values[
                row * TILE : (row + 1) * TILE : _SAMPLES,
                column * TILE : (column + 1) * TILE : _SAMPLES,
            ]
            part = part[np.isfinite(part)]
            if len(part) >= LEAST_PIXELS // _SAMPLES:
                medians[row, column] = np.median(part)
    if not np.isfinite(medians).any():
        medians[:] = np.median(values[np.isfinite(values)])
    medians = _filled(medians)
    rows, columns = (_interpolation(n, count) for n, count in zip(values.shape, shape, strict=True))
    return (rows @ medians @ columns.T).astype(np.float32)


def _interpolation(n: int, n_tile: int) -> Doubles:
    """Return weights of tiles at each of n places, float64 (n, n_tile): linear."""
    middles = np.arange(n_tile) * TILE + (TILE - 1) / 2.0
    at = np.interp(np.arange(n), middles, np.arange(n_tile))
    low = np.minimum(np.floor(at).astype(np.int64), max(n_tile - 2, 0))
    weights = np.zeros((n, n_tile))
    weights[np.arange(n), low] = 1.0 - (at - low)
    if n_tile > 1:
        weights[np.arange(n), low + 1] = at - low
    return weights


def _light_in(light: Image, variance: Image) -> tuple[Image | None, float | None]:
    """Take what goes with a pixel's own light out of its variance.

    Returns
    -------
    ndarray or None
        float32 (ny, nx): variances of the sky; None if the map holds no light.
    float or None
        Light over the variance that it adds: the gain.
    """
    sky = np.maximum(levels(variance), np.finfo(np.float32).tiny)
    deviation = np.sqrt(sky).astype(np.float32)
    with np.errstate(invalid="ignore"):
        bright = (light > _LIGHT * deviation) & np.isfinite(variance)
    if bright.sum() < _LEAST_BRIGHT:
        return None, None
    rise = (variance[bright] - sky[bright]).astype(np.float64)
    slopes = rise / light[bright]
    low, slope, high = np.percentile(slopes, (16, 50, 84))
    is_seen = np.median(rise / sky[bright]) > _LEAST_RISE
    if not (slope > 0 and is_seen and high - low < slope):
        return None, None
    rise_of_all = ((variance - sky) / deviation).astype(np.float32)
    own = _follows_noise((light / deviation).astype(np.float32), rise_of_all, float(slope))
    with np.errstate(invalid="ignore"):
        without = np.maximum(variance - np.float32(own) * light, np.float32(0.25) * sky)
        without = np.where(near(light > _BRIGHT * deviation, _NEAR), sky, without)
    unknown = ~np.isfinite(without)
    without[unknown] = sky[unknown]
    return without.astype(np.float32), 1.0 / float(slope)


def _follows_noise(light: Image, rise: Image, slope: float) -> float:
    """Return how much the variance of an empty pixel rises with its own noise: 0 to the slope.

    A pipeline that takes photons from the pixel itself has its noise in them; one that takes them
    from a model has not.

    Parameters
    ----------
    light, rise : ndarray
        Light, and variance over that of the sky, both over the deviation of the sky.
    slope : float
        Of bright pixels.
    """
    with np.errstate(invalid="ignore"):
        faint = (np.abs(light) < 3.0) & (np.abs(rise) < 6.0 * slope + 1e-12)
    x, y = light[faint].astype(np.float64), rise[faint].astype(np.float64)
    if len(x) < LEAST_PIXELS:
        return slope
    own = float(np.mean((x - x.mean()) * y) / np.var(x))
    return min(max(own, 0.0), slope)


def _is_right(scale: float, normal: Image) -> bool:
    """Whether a map is taken as it is.

    Parameters
    ----------
    scale : float
        Measured over stated variance.
    normal : ndarray
        float32 (ny, nx): light over the stated deviation.
    """
    if BELIEVED[0] <= scale <= BELIEVED[1]:
        return True
    return _is_right_in_squares(normal) if scale < 1 else _is_right_in_curvature(normal)


def _is_right_in_curvature(normal: Image) -> bool:
    """Whether second differences both ways scatter as a map says of independent pixels."""
    bent = np.full(normal.shape, np.nan, np.float32)
    along = normal[:, 2:] - 2 * normal[:, 1:-1] + normal[:, :-2]
    # The squares of the weights 1, -2, 1 add up to 6, each way.
    bent[1:-1, 1:-1] = (along[2:] - 2 * along[1:-1] + along[:-2]) / np.float32(6.0)
    ratio = typical(tile_variances(bent), 0.0)
    return ratio is not None and CROWDED[0] <= ratio * ratio <= CROWDED[1]


def _is_right_in_squares(normal: Image) -> bool:
    """Whether sums over squares of pixels scatter as a map says of independent pixels."""
    ny, nx = (n // _SQUARE * _SQUARE for n in normal.shape)
    squares = normal[:ny, :nx].reshape(ny // _SQUARE, _SQUARE, nx // _SQUARE, _SQUARE)
    sums = (squares.sum(axis=(1, 3)) / _SQUARE).astype(np.float32)
    ratio = typical(tile_variances(sums), 0.0)
    return ratio is not None and CORRELATED[0] <= ratio * ratio <= CORRELATED[1]


def _differences(values: Image) -> Image:
    """Return half differences of pixels two apart: as noisy as white noise, without its ground."""
    rest = np.full(values.shape, np.nan, np.float32)
    rest[:, 1:-1] = (values[:, 2:] - values[:, :-2]) * np.float32(math.sqrt(0.5))
    return rest


def _parts(tiles: Doubles, differences: Callable[[], Doubles] | None = None) -> Doubles | None:
    """Return the variance of each part of a frame, (n_tile_y, n_tile_x); None if all are alike.

    Parameters
    ----------
    tiles : ndarray
        Variances of tiles; NaN where they are not known.
    differences : Callable, optional
        Gives those of differences of pixels, which hardly know of galaxies and nebulae: a part is
        no noisier than its differences say.
    """
    smooth = _smoothed(tiles)
    if not _are_unlike(smooth):
        return None
    if differences is None:
        return _filled(smooth)
    rough = _smoothed(differences())
    with np.errstate(invalid="ignore", divide="ignore"):
        usual = float(np.nanmedian(smooth / rough))
    # The lower one of two measurements would be too low on average: only where they disagree.
    with np.errstate(invalid="ignore"):
        smooth = np.where(smooth > UNLIKE * usual * rough, usual * rough, smooth)
    return _filled(smooth) if _are_unlike(smooth) else None


def _smoothed(tiles: Doubles) -> Doubles:
    """Return medians of 3 x 3 tiles that were looked at: straight borders stay where they are."""
    rows = np.flatnonzero(np.isfinite(tiles).any(axis=1))
    columns = np.flatnonzero(np.isfinite(tiles).any(axis=0))
    wide = np.pad(tiles[np.ix_(rows, columns)], 1, constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(wide, (3, 3)).reshape(
        len(rows), len(columns), 9
    )
    smooth = np.full(tiles.shape, np.nan)
    some = np.isfinite(around).any(axis=2)
    medians = np.full(some.shape, np.nan)
    medians[some] = np.nanmedian(around[some], axis=1)
    medians[~np.isfinite(wide[1:-1, 1:-1])] = np.nan
    smooth[np.ix_(rows, columns)] = medians
    return smooth


def _are_unlike(variances: Doubles) -> bool:
    known = variances[np.isfinite(variances)]
    if len(known) < 2:
        return False
    low, high = np.percentile(known, (5, 95))
    return bool(high > UNLIKE * low)


def _is_unlike(plane: Image) -> bool:
    sample = plane[::_SAMPLES, ::_SAMPLES]
    sample = sample[np.isfinite(sample)].astype(np.float64)
    return bool(len(sample) and sample.std() > _FLAT_SCATTER * sample.mean())


def _scatter(tiles: Doubles) -> float:
    """Return how unlike the variances of tiles are: the spread of their logarithms."""
    known = np.log(tiles[np.isfinite(tiles) & (tiles > 0)])
    if len(known) < 2:
        return 0.0
    low, high = np.percentile(known, (10, 90))
    return float(high - low)


def _filled(tiles: Doubles) -> Doubles:
    """Give tiles that are not known the mean of their neighbours, from the known ones outwards."""
    tiles = tiles.copy()
    while np.isnan(tiles).any() and np.isfinite(tiles).any():
        wide = np.pad(tiles, 1, constant_values=np.nan)
        around = np.lib.stride_tricks.sliding_window_view(wide, (3, 3)).reshape(*tiles.shape, 9)
        known = np.isfinite(around)
        count = known.sum(axis=2)
        total = np.where(known, around, 0.0).sum(axis=2)
        reached = np.isnan(tiles) & (count > 0)
        tiles[reached] = total[reached] / count[reached]
    return tiles


def _expanded(tiles: Doubles, shape: tuple[int, ...]) -> Image:
    """Return each pixel's tile's value, float32 of `shape`."""
    rows, columns = (np.arange(n) // TILE for n in shape)
    return tiles.astype(np.float32)[rows[:, np.newaxis], columns]


def _coarse(plane: Image) -> Image:
    """Round to 0.4 %: the other bits say nothing, and would have to be sent to volunteers."""
    bits = np.ascontiguousarray(plane, np.float32).view(np.uint32)
    return ((bits + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(np.float32)


def _quiet_noise(plane: Image) -> float:
    sample = plane[::_SAMPLES, ::_SAMPLES]
    return math.sqrt(float(np.quantile(sample[np.isfinite(sample)], _QUIET)))
