"""Maps of variances that come with frames: the light in them, and whether they are right.

A pipeline's variance of a pixel has the photons of its stars in it. They are found by how the
variance rises with the light of bright pixels, and taken out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.noise import LEAST_PIXELS, near, tile_variances, typical
from apps.images.plan.sky.rows import Rows
from apps.images.plan.sky.tiles import Levels

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

Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Light:
    """The light in a map of variances.

    Attributes
    ----------
    slope : float
        Variance that a count adds: one over the gain.
    own : float
        The same of a faint pixel's own noise: 0 to the slope. A pipeline that takes photons from
        the pixel itself has its noise in them; one that takes them from a model has not.
    """

    slope: float
    own: float


def find_light(light: Image, variance: Image, sky: Image) -> Light | None:
    """Find what goes with pixels' light in a map of their variances; None if there is nothing.

    Parameters
    ----------
    light, variance, sky : ndarray
        float32 (ny, nx): values over the level of the sky, their variances, and the level of these.
    """
    deviation = np.sqrt(sky).astype(np.float32)
    with np.errstate(invalid="ignore"):
        bright = (light > _LIGHT * deviation) & np.isfinite(variance)
    if bright.sum() < _LEAST_BRIGHT:
        return None
    rise = (variance[bright] - sky[bright]).astype(np.float64)
    slopes = rise / light[bright]
    low, slope, high = np.percentile(slopes, (16, 50, 84))
    is_seen = np.median(rise / sky[bright]) > _LEAST_RISE
    if not (slope > 0 and is_seen and high - low < slope):
        return None
    rise_of_all = ((variance - sky) / deviation).astype(np.float32)
    own = _follows_noise((light / deviation).astype(np.float32), rise_of_all, float(slope))
    return Light(float(slope), own)


def without_light(lit: Light, light: Image, variance: Image, sky: Image) -> Image:
    """Return variances of the sky, float32 (ny, nx); see `find_light`."""
    deviation = np.sqrt(sky).astype(np.float32)
    with np.errstate(invalid="ignore"):
        without = np.maximum(variance - np.float32(lit.own) * light, np.float32(0.25) * sky)
        without = np.where(near(light > _BRIGHT * deviation, _NEAR), sky, without)
    unknown = ~np.isfinite(without)
    without[unknown] = sky[unknown]
    return without.astype(np.float32)


def rows_without_light(lit: Light, values: Rows, variance: Rows) -> Rows:
    """Return variances of the sky of a large frame, read when they are asked for.

    Parameters
    ----------
    found : Light
        As a sample of the frame tells it.
    values, variance : Rows
        float32 (ny, nx): calibrated, NaN where masked; and as stated.
    """
    known = Rows(
        values.shape,
        np.float32,
        lambda start, stop: known_variance(values[start:stop], variance[start:stop]),
    )
    level, sky = Levels(values), Levels(known)

    def read(start: int, stop: int) -> Image:
        first, last = max(0, start - _NEAR), min(values.shape[0], stop + _NEAR)
        light = values[first:last] - level.rows(first, last)
        without = without_light(lit, light, known[first:last], sky_of(sky.rows(first, last)))
        return without[start - first : stop - first]

    return Rows(values.shape, np.float32, read)


def known_variance(values: Image, variance: Image) -> Image:
    """Return variances, NaN where values are not known."""
    return np.where(np.isfinite(values), variance, np.float32(np.nan))


def sky_of(level: Image) -> Image:
    """Return the level of a map, above 0 everywhere."""
    return np.maximum(level, np.finfo(np.float32).tiny)


def _follows_noise(light: Image, rise: Image, slope: float) -> float:
    """Return how much the variance of an empty pixel rises with its own noise: see `Light`.

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


def is_right(scale: float, normal: Image) -> bool:
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
