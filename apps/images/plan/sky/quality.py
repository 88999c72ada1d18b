"""The worth of a frame: the noise of its sky, and the width of its stars."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.median import median
from apps.images.plan.sky.noise import sky_noise

__all__ = ["FWHM_OF_SIGMA", "seeing", "sky_noise"]

Image = NDArray[np.float32]
Doubles = NDArray[np.float64]

_BRIGHT = 12.0
"""Sigma above the sky: a star's width is then known to a tenth."""
_REACH = 7
"""Pixels around a star that hold its light: six sigma of a star of 3 pixels FWHM."""
_MOST_STARS = 200
_LEAST_STARS = 5
_AT_ONCE = 256
"""Peaks that are looked at together."""
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
    known = np.isfinite(image)
    level = median((image.ravel() if known.all() else image[known])[::7])
    assert level is not None  # who measured the noise has seen pixels
    rows, columns = _peaks(image, level + _BRIGHT * noise, saturation)
    widths: list[float] = []
    for start in range(0, len(rows), _AT_ONCE):
        some = np.s_[start : start + _AT_ONCE]
        widths += [*_widths(_stamps(image, rows[some], columns[some]))]
        if len(widths) >= _MOST_STARS:
            break
    widths = widths[:_MOST_STARS]
    return float(np.median(widths)) if len(widths) >= _LEAST_STARS else None


def _peaks(image: Image, least: float, most: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of local maxima away from the edges, the brightest first."""
    nothing = np.empty(0, np.int64)
    ny, nx = image.shape
    if min(ny, nx) <= 2 * _REACH + 1:
        return nothing, nothing
    core = image[_REACH:-_REACH, _REACH:-_REACH]
    # Few pixels are bright: their neighbours alone are looked at.
    rows, columns = (at + _REACH for at in np.nonzero((core > least) & (core < most)))
    heights = image[rows, columns]
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if dy or dx:
                highest = heights >= image[rows + dy, columns + dx]
                rows, columns, heights = rows[highest], columns[highest], heights[highest]
    order = np.argsort(heights, kind="stable")[::-1][: 10 * _MOST_STARS]
    return rows[order], columns[order]


def _stamps(image: Image, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Doubles:
    """Return the pixels around places, float64 (n, side, side)."""
    near = np.arange(-_REACH, _REACH + 1)
    at = rows[:, np.newaxis, np.newaxis] + near[:, np.newaxis]
    return np.asarray(image[at, columns[:, np.newaxis, np.newaxis] + near], np.float64)


def _widths(stamps: Doubles) -> Doubles:
    """Return the FWHM of stars that are alone, whole, and no single hot pixels; (at most n)."""
    stamps = stamps[np.isfinite(stamps).all(axis=(1, 2))]
    sides = (stamps[:, 0], stamps[:, -1], stamps[:, 1:-1, 0], stamps[:, 1:-1, -1])
    edge = np.concatenate(sides, axis=1)
    level = np.median(edge, axis=1)
    star = stamps - level[:, np.newaxis, np.newaxis]
    peak = star[:, _REACH, _REACH]
    inner = star[:, _REACH - 3 : _REACH + 4, _REACH - 3 : _REACH + 4]
    around = star[:, _REACH - 1 : _REACH + 2, _REACH - 1 : _REACH + 2].reshape(-1, 9)
    light = star.reshape(len(star), -1).sum(axis=1)
    is_star = (
        (star.max(axis=(1, 2)) <= peak)
        & (np.abs(edge - level[:, np.newaxis]).max(axis=1) <= 0.3 * peak)
        & (np.median(around, axis=1) >= 0.1 * peak)
        & (inner.sum(axis=(1, 2)) > 0)
        & (light > 0)
    )
    return np.asarray(FWHM_OF_SIGMA * np.sqrt(light[is_star] / (2 * math.pi * peak[is_star])))
