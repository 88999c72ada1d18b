"""Clipping by known noise with numpy alone: the operations of ``kernel/noise.h`` in its order.

It stands in where the kernel was built without a compiler: the same bits, slower.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd.plain import match, mean_of_kept, pixel_weights

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Counts = NDArray[np.uint16]
Masks = NDArray[np.bool_]

FLOOR = 0.04
"""Least variance of a value, in variances of its frame's sky: interpolation leaves at least a
quarter of it, so that only variances that are 0 by mistake are raised."""
HALF_PI = 1.5707963267948966
"""Variance of a median over that of a mean, of many normal values."""


def centre(
    values: Floats, x: Doubles, surface: Doubles, scale: Doubles, weight: Doubles, factor: Doubles
) -> tuple[Floats, Floats, Floats]:
    """Return the middle of each pixel, the scatter about it over that of the sky, and its error.

    Arguments and results are those of `apps.images.merge.coadd.noise.centre_band`.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        matched = match(values, x, surface, scale)
        there = np.isfinite(matched)
        n = there.sum(axis=0)
        in_order = np.sort(matched, axis=0)  # NaN goes last
        place = np.maximum((n - 1) // 2, 0)
        middle = np.take_along_axis(in_order, place[np.newaxis], axis=0)[0]
        shortest = _shortest_half(in_order, n)
        density = np.zeros(n.shape)
        for k in range(len(matched)):
            density += np.where(there[k], np.sqrt(weight[k]), 0.0)
        excess = shortest * factor[n] * (density / n)
        error = np.where(n > 0, np.sqrt(HALF_PI * n) / density, np.nan)
    excess[n < 3] = 0.0
    return middle, excess.astype(np.float32), error.astype(np.float32)


def _shortest_half(in_order: Floats, n: NDArray[np.int64]) -> Doubles:
    """Return the length of the shortest interval that holds n // 2 + 1 of n values."""
    shortest = np.full(n.shape, np.inf)
    half = n // 2
    last = len(in_order) - 1
    for k in range(len(in_order)):
        upper = np.take_along_axis(in_order, np.minimum(k + half, last)[np.newaxis], axis=0)[0]
        length = upper.astype(np.float64) - in_order[k].astype(np.float64)
        shortest = np.where(k + half < n, np.minimum(shortest, length), shortest)
    return shortest


def stack(
    values: Floats,
    variance: Floats | None,
    x: Doubles,
    surface: Doubles,
    scale: Doubles,
    weight: Doubles,
    photon: Doubles,
    core: Doubles,
    middle: Floats,
    span: Floats,
    part: Floats,
    inflation: Floats,
    light: Floats,
    sigma: float,
    iterations: int,
) -> tuple[Floats, Floats, Floats | None, Counts, Counts, NDArray[np.uint8]]:
    """Stack one band; see `apps.images.merge.coadd.noise.stack_band`."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        matched = match(values, x, surface, scale)
        there = np.isfinite(matched)
        spread = _spread(there, variance, scale, weight, photon, inflation, light)
        kept, doubtful = _kept(
            matched.astype(np.float64), there, spread, core, middle, span, part, sigma, iterations
        )
        own = pixel_weights(matched.shape, variance, scale, weight)
        image, weights, light, count = mean_of_kept(matched, own, photon, kept)
    n = there.sum(axis=0).astype(np.uint16)
    return image, weights, None if variance is None else light, count, n - count, doubtful


def _spread(
    there: Masks,
    variance: Floats | None,
    scale: Doubles,
    weight: Doubles,
    photon: Doubles,
    inflation: Floats,
    light: Floats,
) -> Doubles:
    """Return the variance that each value is tested with, after scaling."""
    spread = np.empty(there.shape)
    for k in range(len(there)):
        sky = 1.0 / weight[k]
        known = np.full(there.shape[1:], sky)
        if variance is not None:
            stated = scale[k] * scale[k] * variance[k].astype(np.float64)
            known = np.where(stated - stated == 0.0, np.maximum(stated, FLOOR * sky), known)
        known = known + photon[k] * light.astype(np.float64)
        spread[k] = np.maximum(known, inflation.astype(np.float64) * sky)
    return spread


def _kept(
    value: Doubles,
    there: Masks,
    spread: Doubles,
    core: Doubles,
    middle: Floats,
    span: Floats,
    part: Floats,
    sigma: float,
    iterations: int,
) -> tuple[Masks, NDArray[np.uint8]]:
    """Return which values stay, and where it cannot be told which ones should."""
    n = there.sum(axis=0)
    kept = there.copy()
    few = n < 3
    wide, least = span.astype(np.float64), part.astype(np.float64)
    inverse = 1.0 / spread
    square = sigma * sigma
    for round_ in range(iterations):
        sums = _sums(value, kept, inverse, core, round_)
        alone = kept.sum(axis=0)
        new = np.zeros_like(kept)
        for k in range(len(value)):
            allowed, lonely = np.maximum(core[k], least), few
            if round_ == 0:
                against = middle.astype(np.float64)
                of_it = HALF_PI * n / (sums[1] * sums[1])
            else:
                own = np.where(kept[k], inverse[k], 0.0)
                moment = np.where(kept[k], value[k] * own, 0.0)
                of_it = 1.0 / (sums[1] - own)
                allowed = allowed + (sums[2] - core[k] * own) * of_it
                against = (sums[0] - moment) * of_it
                lonely = few | (alone - kept[k] == 0)
            off = np.maximum(np.abs(value[k] - against) - allowed * wide, 0.0)
            new[k] = there[k] & ((off * off <= square * (spread[k] + of_it)) | lonely)
        nothing = ~new.any(axis=0)
        kept = np.where(nothing, kept, new)
    doubtful = (2 * kept.sum(axis=0) <= n) & (n > 2)
    if iterations:
        apart, differs = _pairs(value, there, spread, core, wide, least, square)
        doubtful |= differs
        lower = np.where(there, value, np.inf).min(axis=0)
        kept &= ~apart | (value <= lower)
    return kept, doubtful.astype(np.uint8)


def _sums(
    value: Doubles, kept: Masks, inverse: Doubles, core: Doubles, round_: int
) -> tuple[Doubles, Doubles, Doubles]:
    """Return sums over what is kept: of weighted values, of weights, and of weighted parts.

    In the first round there are only weights, of a median: one over standard deviations.
    """
    total, weights, parts = (np.zeros(kept.shape[1:]) for _ in range(3))
    for k in range(len(value)):
        if round_ == 0:
            weights += np.where(kept[k], np.sqrt(inverse[k]), 0.0)
            continue
        total += np.where(kept[k], value[k] * inverse[k], 0.0)
        weights += np.where(kept[k], inverse[k], 0.0)
        parts += np.where(kept[k], core[k] * inverse[k], 0.0)
    return total, weights, parts


def _pairs(
    value: Doubles,
    there: Masks,
    spread: Doubles,
    core: Doubles,
    wide: Doubles,
    least: Doubles,
    square: float,
) -> tuple[Masks, Masks]:
    """Return where the brighter of two values goes, and where the two cannot both be right."""
    total, both = np.zeros(there.shape[1:]), np.zeros(there.shape[1:])
    sign = np.ones(there.shape[1:])
    most = np.zeros(there.shape[1:])
    for k in range(len(value)):
        total += np.where(there[k], sign * value[k], 0.0)
        both += np.where(there[k], spread[k], 0.0)
        most = np.where(there[k], np.maximum(most, np.maximum(core[k], least) * wide), most)
        sign = np.where(there[k], -sign, sign)
    apart = np.abs(total)
    off = np.maximum(apart - most, 0.0)
    differs = (there.sum(axis=0) == 2) & (off * off > square * both)
    return differs & (wide < 0.5 * apart), differs
