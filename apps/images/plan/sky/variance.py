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

from apps.images.plan.sky.noise import find_step, tile_variances, typical
from apps.images.plan.sky.tiles import SAMPLES, Levels, expanded, filled
from apps.images.plan.sky.variance_map import (
    Light,
    find_light,
    is_right,
    known_variance,
    sky_of,
    without_light,
)

UNLIKE = 1.15
"""Ratio of the 95th to the 5th percentile of the variances of parts of a frame from which they
count as unlike. Measured in nine tiles of 4096 pixels each they scatter by 1.3 % by chance, so that
the ratio is 1.05; a weight that is wrong by 15 % costs 0.1 % of the noise of a stack of two."""
_FLAT_SCATTER = 0.03
"""Relative standard deviation of a flat below which it is the same everywhere."""
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
    light : Light or None
        The light that was taken out of a map.
    """

    noise: float
    plane: Image | None = None
    gain: float | None = None
    scale: float = 1.0
    light: Light | None = None


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
    plane = expanded(parts, values.shape)
    return SkyVariance(_quiet_noise(plane), _coarse(plane))


def _of_map(values: Image, stated: Image, step: float) -> SkyVariance | None:
    known = known_variance(values, stated)
    sample = known[np.isfinite(known)]
    if not len(sample):
        return None
    typical_variance = float(np.median(sample[:: max(1, len(sample) // 100_000)]))
    light, sky = values - Levels(values).all(), sky_of(Levels(known).all())
    lit = find_light(light, known, sky)
    variance = stated if lit is None else without_light(lit, light, known, sky)
    with np.errstate(invalid="ignore", divide="ignore"):
        normal = (light / np.sqrt(variance)).astype(np.float32)
    ratio = typical(tile_variances(normal), step / math.sqrt(typical_variance))
    if ratio is None:
        return None
    scale = ratio * ratio
    if is_right(scale, normal):
        scale = 1.0
    plane = variance * np.float32(scale)
    quiet = _quiet_noise(known_variance(values, plane))
    gain = None if lit is None else 1.0 / lit.slope / scale
    return SkyVariance(quiet, plane, gain, scale, lit)


def _of_flat(values: Image, flat: Image, step: float) -> SkyVariance | None:
    """Noise that the flat divided goes with its inverse (read noise), photons with its root."""
    level = Levels(values).all()
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
            factor = np.float32(noise**2) if parts is None else expanded(parts, values.shape)
            best = scatter, noise, (shape * factor).astype(np.float32)
    assert best is not None
    plane = best[2]
    known = known_variance(values, plane)
    if not _is_unlike(plane):
        return SkyVariance(best[1])
    plane[~np.isfinite(plane)] = np.float32(best[1] ** 2)
    return SkyVariance(_quiet_noise(known), _coarse(plane))


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
        return filled(smooth)
    rough = _smoothed(differences())
    with np.errstate(invalid="ignore", divide="ignore"):
        usual = float(np.nanmedian(smooth / rough))
    # The lower one of two measurements would be too low on average: only where they disagree.
    with np.errstate(invalid="ignore"):
        smooth = np.where(smooth > UNLIKE * usual * rough, usual * rough, smooth)
    return filled(smooth) if _are_unlike(smooth) else None


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
    sample = plane[::SAMPLES, ::SAMPLES]
    sample = sample[np.isfinite(sample)].astype(np.float64)
    return bool(len(sample) and sample.std() > _FLAT_SCATTER * sample.mean())


def _scatter(tiles: Doubles) -> float:
    """Return how unlike the variances of tiles are: the spread of their logarithms."""
    known = np.log(tiles[np.isfinite(tiles) & (tiles > 0)])
    if len(known) < 2:
        return 0.0
    low, high = np.percentile(known, (10, 90))
    return float(high - low)


def _coarse(plane: Image) -> Image:
    """Round to 0.4 %: the other bits say nothing, and would have to be sent to volunteers."""
    bits = np.ascontiguousarray(plane, np.float32).view(np.uint32)
    return ((bits + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(np.float32)


def _quiet_noise(plane: Image) -> float:
    sample = plane[::SAMPLES, ::SAMPLES]
    return math.sqrt(float(np.quantile(sample[np.isfinite(sample)], _QUIET)))
