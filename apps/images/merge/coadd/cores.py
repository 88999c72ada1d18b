"""How far the cores of stars differ from frame to frame, as a part of the range around a pixel.

Seeing, focus, tracking, errors of the astrometry, and the phase of pixels too large for the stars:
all make a frame's stars differ from the others' by about the same part of their own steepness, and
no noise tells of it. So it is measured, from stars that are in many frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from apps.images.merge.coadd.noise import STEEP
from apps.images.merge.coadd.photometry import HALF, MIN_STARS, Cutouts

CORE = 5
"""Pixels, each way, of a star that are compared: in the core seeing shows most, in the wings it is
most of what is there."""
MOST_STARS = 80
"""Brightest stars that are compared: 72 kB a frame."""
BRIGHT = 10.0
"""Range around a pixel, in standard deviations of the frame's sky, from which a part of it is good
to a tenth once three of these are taken off."""
SHARE = 90.0
"""Percentile of the stars' parts that is taken, at each pixel of a star by itself: cosmic rays in
one star of ten spoil nothing."""
MARGIN = 1.5
"""Times that percentile is allowed: of Gaussian stars dithered at random, 1.3 pixels wide, the
largest part is 1.4 times it."""
LEAST = 0.05
"""Least part, that of two frames alike whose places differ by 0.03 pixels."""
UNKNOWN = 0.5
"""Part where too few stars tell: that of stars 3 and 4 pixels wide."""

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def core_squares(cutouts: Cutouts, levels: Doubles, growth: Doubles) -> Floats:
    """Return the cores of the first stars of one frame, above their local background.

    Parameters
    ----------
    cutouts : Cutouts
        Of the frame.
    levels : ndarray
        Its local backgrounds.
    growth : ndarray
        Its growth curves, which tell the stars that are whole.

    Returns
    -------
    ndarray
        float32 (n_star, 15, 15), in units of the frame; NaN for a star that is not whole.
    """
    reach = CORE + STEEP
    middle = slice(HALF - reach, HALF + reach + 1)
    whole = np.isfinite(growth[:MOST_STARS, 0])
    squares = cutouts.pixels[:MOST_STARS, middle, middle].copy()
    squares -= levels[:MOST_STARS, np.newaxis, np.newaxis].astype(np.float32)
    squares[~whole] = np.nan
    return squares


def core_parts(squares: Sequence[Floats], scale: Doubles, weight: Doubles) -> Doubles:
    """Return the part of the range around that each frame may differ by, float64 (n_frame).

    Parameters
    ----------
    squares : sequence of ndarray
        From `core_squares`, of the same stars in each frame.
    scale, weight : ndarray
        float64 (n_frame): flux scale, and inverse variance of the sky after scaling.
    """
    n_frame = len(squares)
    parts = np.full(n_frame, np.nan)
    if n_frame > 1 and len(squares[0]):
        stars = np.stack(squares).astype(np.float64) * scale[:, np.newaxis, np.newaxis, np.newaxis]
        parts = _parts(stars, 1 / np.sqrt(weight))
    known = parts[np.isfinite(parts)]
    parts[~np.isfinite(parts)] = max(UNKNOWN, float(known.max(initial=0.0)))
    return np.maximum(parts, LEAST)


def _parts(stars: Doubles, sigma: Doubles) -> Doubles:
    """Return `MARGIN` times the parts; NaN for a frame that has too few stars."""
    middle = _lower_median(stars)
    around = sliding_window_view(middle, (2 * STEEP + 1,) * 2, axis=(1, 2))
    span = around.max(axis=(3, 4)) - around.min(axis=(3, 4))
    inner = slice(STEEP, -STEEP)
    parts = np.full(len(stars), np.nan)
    for k, frame in enumerate(stars):
        off = np.abs(frame[:, inner, inner] - middle[:, inner, inner]) - 3 * sigma[k]
        with np.errstate(invalid="ignore"):
            share = np.where(span > BRIGHT * sigma[k], np.maximum(off, 0.0) / span, np.nan)
        enough = np.isfinite(share).sum(axis=0) >= MIN_STARS
        if enough.any():
            parts[k] = MARGIN * _percentiles(share[:, enough]).max()
    return parts


def _percentiles(share: Doubles) -> Doubles:
    """Return the percentile `SHARE` of the finite values of each column, linear between two.

    ``numpy.nanpercentile`` gives the same bits; it takes a Python call for each column.
    """
    n = np.isfinite(share).sum(axis=0)
    in_order = np.sort(share, axis=0)  # NaN goes last
    at = (n - 1) * (SHARE / 100)
    place = np.floor(at).astype(np.int64)
    part = at - place
    low, high = (
        np.take_along_axis(in_order, each[np.newaxis], axis=0)[0]
        for each in (place, np.minimum(place + 1, n - 1))
    )
    rise = high - low
    return np.asarray(np.where(part < 0.5, low + rise * part, high - rise * (1 - part)))


def _lower_median(stars: Doubles) -> Doubles:
    """Return the lower median of each pixel of each star over the frames that have it."""
    there = np.isfinite(stars).sum(axis=0)
    place = np.maximum((there - 1) // 2, 0)
    return np.take_along_axis(np.sort(stars, axis=0), place[np.newaxis], axis=0)[0]
