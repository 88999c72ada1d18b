"""The level at which the pixels of a frame stop, from the pixels alone.

Few headers say it, and a star that some frames have lost the top of biases flux scales and stack
without a word. Two traces are looked for, at the peaks of what is bright:

- *Equal tops.* A camera's own counts stop at one number, and noise makes it unlikely that several
  of the highest pixels of a frame are equal otherwise.
- *Flat tops.* Division by a flat makes unlike numbers of it, but the top of such a star stays
  flatter than that of any star of the frame's seeing.

Either is believed only if it holds of most of the peaks that are at least as bright: a level with
whole stars above it is none. So stars in few bits, which
have equal pixels at any height, are no plateaus; nor are galaxies, whose tops are flat, but not
their edges as steep as a star's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BRIGHT = 50.0
"""Standard deviations above the sky from which pixels are looked at: their noise is then a fiftieth
of them or, of photons, far below what stars' profiles differ by from pixel to pixel."""
CELL = 16
"""Pixels a side of the cells of which each has one peak at most."""
FEWEST = 3
"""Pixels of equal value, or stars of flat tops, that are no chance."""
MOST = 0.5
"""Share of the peaks of a level or higher that have to stop there."""
CALM = 0.25
"""Share of what the third by third pixels around a star's peak usually fall by, below which a top
is flat. The fifth of them falls by 27 to 46 % for stars of 3 pixels, as their middle lies."""
SHARP = 0.3
"""Share of the usual fifth pixel below which a peak is a hot pixel's or a cosmic ray's."""
ROUND = 0.9
"""Fifth pixel over the peak from which stars are so wide that equal pixels say nothing."""
USUAL = 0.6
"""Fifth pixel over the peak of stars 3 pixels wide, where too few peaks tell."""
ENOUGH = 8
"""Peaks of which the fainter half tells what is usual."""
AWAY = 12
"""Pixels beside a peak within which light falls to half of it."""
BELOW = 0.98
"""Of the lowest flat top, since a flat's pixels differ by a percent or two."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Peaks:
    """Peaks above the sky, the brightest first: value, the fifth of 3 x 3 pixels, and edge.

    `level` is the sky's, which is added to what is found. `edge` is in how many pixels the light
    falls from nine tenths of the peak to half of it.
    """

    level: float
    value: Floats
    fifth: Floats
    edge: Floats

    @property
    def share(self) -> Floats:
        """The fifth pixel over the peak."""
        return self.fifth / self.value

    def chosen(self, which: NDArray[np.bool_]) -> _Peaks:
        """Return some of the peaks."""
        return _Peaks(self.level, self.value[which], self.fifth[which], self.edge[which])


def find_plateau(counts: Floats) -> float | None:
    """Return the level from which pixels are saturated; None if none is.

    Parameters
    ----------
    counts : ndarray
        float32 (ny, nx): as the camera or its pipeline wrote them; NaN where masked.
    """
    peaks = _peaks(counts)
    if peaks is None:
        return None
    usual = _usual(peaks)
    stars = peaks.chosen(peaks.share >= SHARP * usual)
    equal = _equal_tops(stars, usual)
    lower = stars if equal is None else stars.chosen(stars.value < equal)
    flat = _flat_tops(lower, usual)
    lowest = equal if flat is None else flat
    return None if lowest is None else float(np.float32(lowest + peaks.level))


def _peaks(counts: Floats) -> _Peaks | None:
    """Return the peaks of a frame; None if nothing is bright."""
    sample = counts[::5, ::7]
    sample = sample[np.isfinite(sample)]
    if min(counts.shape) <= 2 * AWAY or not len(sample):
        return None
    level = float(np.median(sample))
    noise = 1.4826 * float(np.median(np.abs(sample - level)))
    inner = counts[AWAY:-AWAY, AWAY:-AWAY]
    with np.errstate(invalid="ignore"):
        places = np.flatnonzero(inner > level + BRIGHT * noise)
    if not len(places):
        return None
    rows, columns = np.divmod(places, inner.shape[1])
    n_x = counts.shape[1]
    at = (rows + AWAY) * n_x + columns + AWAY
    flat = np.ascontiguousarray(counts).reshape(-1)
    value = flat[at]
    # Level by level of the 3 x 3 pixels, because most of what is bright is no peak.
    for shift in (1, -1, n_x, -n_x, n_x + 1, n_x - 1, 1 - n_x, -1 - n_x):
        highest = value >= flat[at + shift]
        at, value = at[highest], value[highest]
    if not len(at):
        return None
    square = [dy * n_x + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    fifth = np.sort(flat[at[:, np.newaxis] + square], axis=1)[:, 4]
    order = np.lexsort((at, -fifth, -value))
    cell = (at // n_x // CELL) * (n_x // CELL + 1) + at % n_x // CELL
    first = np.sort(np.unique(cell[order], return_index=True)[1])
    order = order[first]
    zero = np.float32(level)
    value, fifth = value[order] - zero, fifth[order] - zero
    steps = np.arange(1, AWAY + 1)
    along = np.stack([steps, -steps, steps * n_x, -steps * n_x])
    share = (flat[at[order, np.newaxis, np.newaxis] + along] - zero) / value[:, None, None]
    return _Peaks(level, value, fifth, _edges(share))


def _edges(share: Floats) -> Floats:
    """Return in how many pixels light falls from 0.9 to 0.5, the median of all directions."""
    places = []
    for part in (0.9, 0.5):
        below = share < part
        first = below.argmax(axis=2)[:, :, np.newaxis]
        low = np.take_along_axis(share, first, axis=2)
        high = np.take_along_axis(share, np.maximum(first - 1, 0), axis=2)
        high = np.where(first == 0, np.float32(1), high)
        with np.errstate(divide="ignore", invalid="ignore"):  # where it falls nowhere
            place = (first + (high - part) / (high - low))[:, :, 0]
        places.append(np.where(below.any(axis=2), place, np.inf))
    with np.errstate(invalid="ignore"):
        fall = np.where(np.isfinite(places[1]), places[1] - places[0], np.inf)
    return np.asarray(np.median(fall, axis=1), np.float32)


def _usual(peaks: _Peaks) -> float:
    """Return the fifth pixel over the peak of stars, from the fainter half of the peaks."""
    share = peaks.share[len(peaks.value) // 2 :]
    share = share[share > SHARP * USUAL]
    return float(np.median(share)) if len(share) >= ENOUGH // 2 else USUAL


def _equal_tops(stars: _Peaks, usual: float) -> float | None:
    """Return the lowest value at which tops are equal, above the sky."""
    lowest = None
    above = np.inf
    values, counts = np.unique(stars.value, return_counts=True)
    for value, count in zip(values[::-1], counts[::-1], strict=True):
        here = stars.value == value
        # A single star whose five highest pixels are equal is three equal pixels and more.
        alone = usual < ROUND and bool((stars.fifth[here] == value).any())
        if count < FEWEST and not alone:
            continue
        between = int(((stars.value >= value) & (stars.value < above)).sum())
        if count < MOST * between or (usual >= ROUND and lowest is not None):
            break
        lowest = above = float(value)
    return lowest


def _flat_tops(stars: _Peaks, usual: float) -> float | None:
    """Return a value below all flat tops, above the sky."""
    # The fifth pixel is one from the middle: a Gaussian star of which it has the share u falls from
    # 0.9 to 0.5 in 0.72 deviations of 1 / sqrt(-2 ln u); of few pixels that is good to 0.4.
    widest = 0.4 + 0.72 / np.sqrt(-2.0 * np.log(min(usual, 0.99)))
    flat = (stars.edge <= widest) & (1 - stars.share < CALM * (1 - usual))
    many = np.cumsum(flat) >= MOST * np.arange(1, len(flat) + 1)
    last = np.flatnonzero(flat & many & (np.cumsum(flat) >= FEWEST))
    if not len(last):
        return None
    within = np.flatnonzero(flat)
    return BELOW * float(stars.fifth[within[within <= last[-1]]].min())
