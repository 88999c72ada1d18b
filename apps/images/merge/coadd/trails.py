"""Trails of satellites and aircraft: straight lines of light that one frame has and the others not.

A trail too faint to show in any pixel shows in the mean along it. Of each frame's residuals in bins
(`apps.images.merge.coadd.bins`) all lines are summed (`apps.images.merge.coadd.radon`), and what
stands out is followed: its place, how wide it is, where it ends. Then its surroundings are
searched again, until nothing stands out any more. Nir, Zackay & Ofek (2018, AJ 156, 229) find
streaks so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd.bins import BIN
from apps.images.merge.coadd.blanks import Trail
from apps.images.merge.coadd.radon import Line, line_of, line_sums

SIDE = 128
"""Bins along a side in which lines are looked for first; finer bins are put together."""
THRESHOLD = 7.0
"""Standard deviations above the lines beside it from which a line is a trail. Of the 10^5 lines of
a frame the largest is 4 of nothing but normal noise; the rest is for the residuals of stars."""
MOST_SIGMA = 4.0
"""What a bin counts at most, in standard deviations: a star, a cosmic ray or a hot pixel is no
line."""
SMOOTH = 17
"""Bins of SIDE, across, whose mean is taken off: what is left of the sky is wider than a trail."""
BESIDE = 4
"""Bins of SIDE to the lines on either side that a line is compared with."""
SHORTEST = 24
"""Bins of SIDE that a line must have within the frame: shorter ones are few stars."""
MOST_TRAILS = 12
"""Trails of a frame; more of them are something else, and cost time."""
WIDEST = 12.0
"""Bins, to either side, that a trail's light is looked for."""
FADED = 3.0
"""Standard deviations of the mean along a trail at which its light ends, across and along."""
LENGTH = 32
"""Bins along a trail that are averaged to find its ends."""
SPARE = 1.0
"""Bins that are left out on either side beyond the last that has light."""

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def find_trails(bins: Floats) -> tuple[Trail, ...]:
    """Return the trails of a frame.

    Parameters
    ----------
    bins : ndarray
        float32 (n_row, n_x): its residuals in standard deviations; NaN where nothing is known.
    """
    trails: list[Trail] = []
    left = _limited(bins)
    while len(trails) < MOST_TRAILS:
        line = _strongest(left)
        if line is None:
            break
        trail = _follow(left, line)
        mask = np.zeros(left.shape, dtype=bool)
        _in_bins(trail).draw(0, mask)
        if not (mask & np.isfinite(left)).any():
            break
        left[mask] = np.nan
        trails.append(trail)
    return tuple(trails)


def _limited(bins: Floats) -> Floats:
    """Return residuals whose own scatter is 1, none of them above `MOST_SIGMA`."""
    known = bins[np.isfinite(bins)].astype(np.float64)
    if not len(known):
        return bins.copy()
    middle = float(np.median(known))
    spread = 1.4826 * float(np.median(np.abs(known - middle)))
    scaled = (bins - np.float32(middle)) / np.float32(max(spread, 1.0))
    return np.clip(scaled, -MOST_SIGMA, MOST_SIGMA)


def _coarse(bins: Floats) -> tuple[Floats, int]:
    """Return bins put together into at most SIDE x SIDE, their scatter 1, and how many a side."""
    factor = -(-max(bins.shape) // SIDE)
    wide = np.full((SIDE * factor, SIDE * factor), np.nan, np.float32)
    wide[: bins.shape[0], : bins.shape[1]] = bins
    blocks = wide.reshape(SIDE, factor, SIDE, factor)
    there = np.isfinite(blocks)
    count = there.sum(axis=(1, 3))
    total = np.where(there, blocks, np.float32(0)).sum(axis=(1, 3))
    with np.errstate(invalid="ignore", divide="ignore"):
        made = np.where(count * 2 >= factor * factor, total / np.sqrt(count), np.nan)
    return made.astype(np.float32), factor


def _flattened(made: Floats) -> Floats:
    """Take the mean of a wide box off; bins of nothing stay so."""
    there = np.isfinite(made)
    total = _box_sum(np.where(there, made, 0).astype(np.float64))
    part = _box_sum(there.astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(there, made - total / part, np.nan).astype(np.float32)


def _box_sum(plane: Doubles) -> Doubles:
    """Return the sum of the SMOOTH x SMOOTH bins around each; beyond the edge there is nothing."""
    half = SMOOTH // 2
    total = np.pad(plane, ((half + 1, half),) * 2).cumsum(axis=0).cumsum(axis=1)
    rows = total[SMOOTH:] - total[:-SMOOTH]
    return np.asarray(rows[:, SMOOTH:] - rows[:, :-SMOOTH])


def _strongest(bins: Floats) -> Line | None:
    """Return the line that stands out most, in bins; None if none does."""
    made, factor = _coarse(bins)
    flat = _flattened(made)
    there = np.isfinite(flat)
    if there.sum() < SHORTEST:
        return None
    # What bins put together scatter more than apart is no noise: neither is what lines are of.
    spread = max(1.0, 1.4826 * float(np.median(np.abs(flat[there]))))
    flat = np.clip(flat / np.float32(spread), -MOST_SIGMA, MOST_SIGMA)
    planes = np.stack([np.where(there, flat, np.float32(0)), there.astype(np.float32)])
    best, line = THRESHOLD, None
    for quadrant, (total, count) in enumerate(line_sums(planes)):
        strength = _strength(total, count)
        at = int(np.argmax(strength))
        if strength.flat[at] > best:
            best = float(strength.flat[at])
            place, shift = np.unravel_index(at, strength.shape)
            line = line_of(quadrant, int(place), int(shift), SIDE)
    if line is None:
        return None
    ends = (line.y0, line.x0, line.y1, line.x1)
    return Line(*((one + 0.5) * factor - 0.5 for one in ends))


def _strength(total: Floats, count: Floats) -> Floats:
    """Return by how much each line is above the lines on both sides of it, in errors.

    Above both, because beside a dark line a line is above one. Without one of them it is none:
    along the edges the sky's own slope would look like a trail.
    """
    strength = np.zeros_like(total)
    inner, before, after = slice(BESIDE, -BESIDE), slice(-2 * BESIDE), slice(2 * BESIDE, None)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, error = total / count, 1 / count
        least = np.minimum.reduce(
            [
                (mean[inner] - mean[side]) / np.sqrt(error[inner] + error[side])
                for side in (before, after)
            ]
        )
    enough = count >= SHORTEST
    strength[inner] = np.where(enough[inner] & enough[before] & enough[after], least, 0.0)
    return strength


def _follow(bins: Floats, line: Line) -> Trail:
    """Return the trail along a line: its exact place, its width and its ends."""
    factor = -(-max(bins.shape) // SIDE)
    line = _shifted(bins, line, np.arange(-2 * factor, 2 * factor + 0.1, 0.5))
    across = np.arange(-WIDEST, WIDEST + 0.1, 0.5)
    values, along = _beside(bins, line, across)
    count = np.isfinite(values).sum(axis=1)
    profile = np.nansum(values, axis=1) / np.maximum(count, 1)
    floor = float(np.median(profile))
    noise = 1 / np.sqrt(np.maximum(count, 1))
    middle = len(across) // 2
    bright = profile - floor > FADED * noise
    low, high = middle, middle
    while low > 0 and bright[low - 1]:
        low -= 1
    while high < len(across) - 1 and bright[high + 1]:
        high += 1
    half = max(-across[low], across[high]) + SPARE
    first, last = _ends(values[low : high + 1] - floor, along)
    angle = float(np.arctan2(line.y1 - line.y0, line.x1 - line.x0))
    y, x = (BIN * (one + 0.5) - 0.5 for one in (line.y0, line.x0))
    return Trail(y, x, angle, float(half * BIN), first * BIN, last * BIN)


def _shifted(bins: Floats, line: Line, shifts: Doubles) -> Line:
    """Return the line of the largest mean among those whose ends are shifted across it."""
    length = float(np.hypot(line.y1 - line.y0, line.x1 - line.x0))
    normal = (line.x1 - line.x0) / length, -(line.y1 - line.y0) / length
    best, chosen = -np.inf, line
    for first in shifts:
        for last in shifts:
            tried = Line(
                line.y0 + first * normal[0], line.x0 + first * normal[1],
                line.y1 + last * normal[0], line.x1 + last * normal[1],
            )  # fmt: skip
            values, _ = _beside(bins, tried, np.zeros(1))
            count = int(np.isfinite(values).sum())
            strength = float(np.nansum(values)) / np.sqrt(max(count, 1))
            if strength > best:
                best, chosen = strength, tried
    return chosen


def _beside(bins: Floats, line: Line, across: Doubles) -> tuple[Floats, Doubles]:
    """Return the bins at distances across a line, (n_across, n_along), and places along it."""
    length = float(np.hypot(line.y1 - line.y0, line.x1 - line.x0))
    sine, cosine = (line.y1 - line.y0) / length, (line.x1 - line.x0) / length
    along = np.arange(0.0, length + 0.5)
    y = line.y0 + along * sine + across[:, np.newaxis] * cosine
    x = line.x0 + along * cosine - across[:, np.newaxis] * sine
    row, column = np.rint(y).astype(np.int64), np.rint(x).astype(np.int64)
    inside = (row >= 0) & (row < bins.shape[0]) & (column >= 0) & (column < bins.shape[1])
    values = np.full(row.shape, np.nan, np.float32)
    values[inside] = bins[row[inside], column[inside]]
    return values, along


def _ends(values: Floats, along: Doubles) -> tuple[float, float]:
    """Return where the light along a trail begins and ends, in bins; without end at an edge."""
    known = np.isfinite(values)
    total = np.nansum(np.where(known, values, 0), axis=0, dtype=np.float64)
    count = known.sum(axis=0).astype(np.float64)
    size = min(LENGTH, len(along))
    window = np.ones(size)
    light, part = (np.convolve(one, window, mode="same") for one in (total, count))
    seen = np.flatnonzero(light > FADED * np.sqrt(np.maximum(part, 1.0)))
    there = np.flatnonzero(count > 0)
    if not len(seen) or not len(there):
        return -np.inf, np.inf
    low, high = seen[0] - size // 2, seen[-1] + size // 2
    first = -np.inf if low <= there[0] + size else float(along[low])
    last = np.inf if high >= there[-1] - size else float(along[high])
    return first, last


def _in_bins(trail: Trail) -> Trail:
    """Return a trail in bins instead of pixels."""
    y, x = ((one + 0.5) / BIN - 0.5 for one in (trail.y, trail.x))
    return Trail(y, x, trail.angle, trail.half_width / BIN, trail.low / BIN, trail.high / BIN)
