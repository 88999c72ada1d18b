"""The stack of a band with numpy alone: the kernel's operations in the kernel's order.

It stands in where the kernel was built without a compiler: the same bits, some ten times slower.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Counts = NDArray[np.uint16]
Integers = NDArray[np.int64]


def stack(
    values: Floats,
    variance: Floats | None,
    x: Doubles,
    surface: Doubles,
    scale: Doubles,
    weight: Doubles,
    photon: Doubles,
    sigma: float,
    iterations: int,
) -> tuple[Floats, Floats, Floats | None, Counts, Counts]:
    """Stack one band; arguments and results as in `apps.images.merge.coadd.clip.stack_band`."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        matched = match(values, x, surface, scale)
        lower, upper = _bounds(matched, sigma, iterations)
        kept = (matched >= lower) & (matched <= upper)
        weights = pixel_weights(matched.shape, variance, scale, weight)
        image, total, light, count = mean_of_kept(matched, weights, photon, kept)
    there = np.isfinite(matched).sum(axis=0).astype(np.uint16)
    return image, total, None if variance is None else light, count, there - count


def match(values: Floats, x: Doubles, surface: Doubles, scale: Doubles) -> Floats:
    """Return pixels with their backgrounds off and their fluxes to scale; NaN for nothing."""
    matched = np.empty(values.shape, np.float32)
    for k, frame in enumerate(values):
        s0, s1, s2 = (surface[k, :, power, np.newaxis] for power in range(3))
        background = s0 + x * (s1 + x * s2)
        matched[k] = (frame.astype(np.float64) - background) * scale[k]
    matched[~np.isfinite(matched)] = np.nan
    return matched


def _bounds(matched: Floats, sigma: float, iterations: int) -> tuple[Doubles, Doubles]:
    shape = matched.shape[1:]
    lower, upper = np.full(shape, -np.inf), np.full(shape, np.inf)
    if not iterations:
        return lower, upper
    in_order = np.sort(matched, axis=0)  # NaN goes last
    begin = np.zeros(shape, np.int64)
    end = np.isfinite(matched).sum(axis=0)
    for _ in range(iterations):
        n = (end - begin).astype(np.float64)
        mean = _sum(in_order, begin, end) / n
        std = np.sqrt(_sum(in_order, begin, end, mean) / n)
        median = 0.5 * (_at(in_order, (begin + end - 1) // 2) + _at(in_order, (begin + end) // 2))
        lower, upper = median - sigma * std, median + sigma * std
        place = np.arange(len(in_order)).reshape(-1, 1, 1)
        within = (place >= begin) & (place < end)
        below = (within & (in_order < lower)).sum(axis=0)
        above = (within & (in_order > upper)).sum(axis=0)
        begin, end = begin + below, end - above
        if not (below.any() or above.any()):
            break
    return lower, upper


def _sum(
    in_order: Floats, begin: Integers, end: Integers, centre: Doubles | None = None
) -> Doubles:
    total = np.zeros(begin.shape)
    for k, plane in enumerate(in_order):
        term = plane.astype(np.float64)
        if centre is not None:
            term = (term - centre) * (term - centre)
        total += np.where((k >= begin) & (k < end), term, 0.0)
    return total


def _at(in_order: Floats, place: Integers) -> Doubles:
    inside = np.clip(place, 0, len(in_order) - 1)
    return np.take_along_axis(in_order, inside[np.newaxis], axis=0)[0].astype(np.float64)


def pixel_weights(
    shape: tuple[int, ...], variance: Floats | None, scale: Doubles, weight: Doubles
) -> Doubles:
    """Return each value's weight, float64 of `shape`: one over its variance after scaling.

    A frame's own weight stands in where a pixel has no variance.
    """
    weights = np.broadcast_to(weight[:, np.newaxis, np.newaxis], shape)
    if variance is None:
        return weights
    square = (scale * scale)[:, np.newaxis, np.newaxis]
    inverse = 1.0 / (square * variance.astype(np.float64))
    return np.where((inverse > 0.0) & (inverse < np.inf), inverse, weights)


def mean_of_kept(
    matched: Floats, weight: Doubles, photon: Doubles, kept: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats, Counts]:
    """Return the weighted mean of the values that are kept, and what is known of it.

    Parameters
    ----------
    matched, weight, kept : ndarray
        (n_frame, n_row, n_x): values, their weights, and which are kept.
    photon : ndarray
        (n_frame): variance that a unit of light adds to a value.

    Returns
    -------
    image, weights, light : ndarray
        float32 (n_row, n_x): mean, sum of weights, and variance that a unit of light adds.
    count : ndarray
        uint16 (n_row, n_x): values.
    """
    shape = matched.shape[1:]
    total, weights, square = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    count = np.zeros(shape, np.uint16)
    for k, frame in enumerate(matched):
        total += np.where(kept[k], weight[k] * frame.astype(np.float64), 0.0)
        weights += np.where(kept[k], weight[k], 0.0)
        square += np.where(kept[k], weight[k] * weight[k] * photon[k], 0.0)
        count += kept[k].astype(np.uint16)
    image = np.where(count > 0, total / weights, np.nan).astype(np.float32)
    light = np.where(count > 0, square / (weights * weights), np.nan).astype(np.float32)
    return image, weights.astype(np.float32), light, count
