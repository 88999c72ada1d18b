"""The worth of a frame: the noise of its sky, and the width of its stars."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from work_generator.sky.noise import sky_noise

__all__ = ["FWHM_OF_SIGMA", "seeing", "sky_noise"]

Image = NDArray[np.float32]

_BRIGHT = 12.0
"""Sigma above the sky: a star's width is then known to a tenth."""
_REACH = 7
"""Pixels around a star that hold its light: six sigma of a star of 3 pixels FWHM."""
_MOST_STARS = 200
_LEAST_STARS = 5
FWHM_OF_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


def seeing(image: Image, noise: float, *, saturation: float = math.inf) -> float | None:
    """Return the median full width at half maximum of a frame's stars, pixels.

    Each star's is that of the Gaussian with its light and its peak, light = 2 pi sigma^2 peak.

    Parameters
    ----------
    image : ndarray
        float32 (ny, nx); NaN where masked.
    noise : float
        See `sky_noise`.
    saturation : float
        Stars with a peak at or above it are left out.

    Returns
    -------
    float or None
        None if there are fewer than five stars that are bright and alone.
    """
    level = float(np.median(image[np.isfinite(image)][::7]))
    peaks = _peaks(image, level + _BRIGHT * noise, saturation)
    widths = []
    for y, x in peaks:
        width = _width(image[y - _REACH : y + _REACH + 1, x - _REACH : x + _REACH + 1])
        if width is not None:
            widths.append(width)
        if len(widths) == _MOST_STARS:
            break
    return float(np.median(widths)) if len(widths) >= _LEAST_STARS else None


def _peaks(image: Image, least: float, most: float) -> list[tuple[int, int]]:
    """Return local maxima away from the edges, the brightest first: (y, x)."""
    ny, nx = image.shape
    if min(ny, nx) <= 2 * _REACH + 1:
        return []
    core = image[_REACH:-_REACH, _REACH:-_REACH]
    highest = (core > least) & (core < most)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if dy or dx:
                there = image[_REACH + dy : ny - _REACH + dy, _REACH + dx : nx - _REACH + dx]
                highest &= core >= there
    rows, columns = np.nonzero(highest)
    order = np.argsort(core[rows, columns], kind="stable")[::-1][: 10 * _MOST_STARS]
    return [(int(rows[i]) + _REACH, int(columns[i]) + _REACH) for i in order]


def _width(stamp: Image) -> float | None:
    """Return a star's FWHM; None if it is not alone, not whole, or a single hot pixel."""
    values = stamp.astype(np.float64)
    if not np.isfinite(values).all():
        return None
    edge = np.concatenate([values[0], values[-1], values[1:-1, 0], values[1:-1, -1]])
    star = values - np.median(edge)
    peak = star[_REACH, _REACH]
    inner = star[_REACH - 3 : _REACH + 4, _REACH - 3 : _REACH + 4]
    if star.max() > peak or np.abs(edge - np.median(edge)).max() > 0.3 * peak:
        return None
    neighbours = np.median(star[_REACH - 1 : _REACH + 2, _REACH - 1 : _REACH + 2])
    if neighbours < 0.1 * peak or inner.sum() <= 0:
        return None
    return (
        float(FWHM_OF_SIGMA * math.sqrt(star.sum() / (2 * math.pi * peak)))
        if star.sum() > 0
        else None
    )
