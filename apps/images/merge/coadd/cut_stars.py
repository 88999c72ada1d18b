"""Stars whose core a frame has lost: saturated, masked, or beyond the frame's edge.

If the core of a star comes from some frames and its wings from all, frames of unlike seeing give a
star of neither flux: 3 % too faint, 12 % at worst, where the sharpest frames are saturated. So such
a star is taken as a whole from the frames that have it whole (`apps.images.merge.coadd.blanks`).
The cause of a hole does not matter, and reprojected frames do not tell it: what matters is that the
brightest pixels that are left of the star are beside the hole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd.blanks import CutStar

BRIGHT = 10.0
"""Standard deviations of the sky above which a pixel beside a hole belongs to a star that matters:
of a fainter one the part that a hole can bias is below the noise of its flux."""
NEAR = 8
"""Pixels around the bright rim of a hole in which a brighter star would be the hole's own."""
DEEP = 4
"""Pixels of a hole beside its rim that belong to it: holes of saturated stars are up to eight wide
before their rim is bright all around."""
PART = 0.5
"""Part of the brightest pixel near by that the rim must have: less, and the core is there."""
FARTHEST = 48
"""Pixels at which a star's light is taken to end at last."""
RING = 2
"""Pixels, width of the rings in which the light is followed outwards."""
FAINT = 0.5
"""Standard deviations of a pixel's noise, of the median of a ring, below which the light ends: of
the 60 pixels and more of a ring the median is good to a sixth."""

Floats = NDArray[np.float32]
Masks = NDArray[np.bool_]

_MARGIN = FARTHEST + NEAR


class CutStars:
    """Finds the cut stars of one frame while its rows go by.

    Parameters
    ----------
    noise : float
        Standard deviation of the sky in a pixel of the grid, in units of the frame.
    x0 : int
        First column of the frame's window in the grid.
    """

    def __init__(self, noise: float, x0: int) -> None:
        self._noise, self._x0 = noise, x0
        self._rows: Floats = np.empty((0, 0), np.float32)
        self._start = self._done = 0
        self._stars: list[CutStar] = []

    def add(self, rows: Floats, y0: int) -> None:
        """Take the next rows of the frame, which begin at row `y0` of the grid."""
        if not len(self._rows):
            self._rows, self._start, self._done = rows, y0, y0
        else:
            self._rows = np.concatenate([self._rows, rows])
        self._look(y0 + len(rows) - _MARGIN)

    def finish(self) -> tuple[CutStar, ...]:
        """Return all cut stars; no more rows come."""
        if len(self._rows):
            self._look(self._start + len(self._rows))
        return tuple(self._stars)

    def _look(self, ready: int) -> None:
        """Find the stars whose first row is before `ready`."""
        if ready <= self._done:
            return
        bright = self._rim()
        # Of a sharp star's rim two sides may be too faint: the hole between them holds it together.
        for box in clusters(bright | self._hole(bright)):
            if not bright[box].any():  # a hole apart from that which the rim is around
                continue
            if self._done <= box[0].start + self._start < ready:
                star = self._star(box, bright)
                if star is not None:
                    self._stars.append(star)
        self._done = ready
        keep = max(self._start, ready - _MARGIN)
        self._rows = self._rows[keep - self._start :].copy()
        self._start = keep

    def _rim(self) -> Masks:
        """Return the bright pixels beside pixels that hold nothing."""
        beside = np.zeros(self._rows.shape, dtype=bool)
        sample = self._rows[::4, ::4]
        sample = sample[np.isfinite(sample)]
        if not len(sample):
            return beside
        with np.errstate(invalid="ignore"):
            bright = self._rows > float(np.median(sample)) + BRIGHT * self._noise
        # Few pixels are bright: their neighbours alone are looked at.
        places = np.flatnonzero(bright & (self._rows < np.inf))
        rows, columns = np.divmod(places, bright.shape[1])
        wide = np.pad(self._rows, 1)
        n_wide = wide.shape[1]
        corner = rows * n_wide + columns
        lacks = np.zeros(len(places), dtype=bool)
        for shift in (dy * n_wide + dx for dy in (0, 1, 2) for dx in (0, 1, 2)):
            lacks |= ~np.isfinite(np.take(wide, corner + shift))
        beside.ravel()[places[lacks]] = True
        return beside

    def _hole(self, bright: Masks) -> Masks:
        """Return the pixels without a value within `DEEP` pixels of the rim."""
        hole = np.zeros(bright.shape, dtype=bool)
        rows, columns = np.divmod(np.flatnonzero(bright), bright.shape[1])
        for dy in range(-DEEP, DEEP + 1):
            for dx in range(-DEEP, DEEP + 1):
                y, x = rows + dy, columns + dx
                inside = (y >= 0) & (x >= 0) & (y < bright.shape[0]) & (x < bright.shape[1])
                y, x = y[inside], x[inside]
                lacks = ~np.isfinite(self._rows[y, x])
                hole[y[lacks], x[lacks]] = True
        return hole

    def _star(self, box: tuple[slice, slice], bright: Masks) -> CutStar | None:
        """Return the star of the bright rim in a box; None if its core is there."""
        top, left = box[0].start, box[1].start
        bottom, right = box[0].stop - 1, box[1].stop - 1
        near = tuple(slice(max(0, side.start - NEAR), side.stop + NEAR) for side in box)
        around = self._rows[near]
        rim = float(self._rows[box][bright[box]].max())
        wide = tuple(slice(max(0, side.start - FARTHEST), side.stop + FARTHEST) for side in box)
        rows, columns = (
            np.arange(side.start, min(side.stop, n))
            for side, n in zip(wide, self._rows.shape, strict=True)
        )
        dy = np.maximum(np.maximum(top - rows, rows - bottom), 0)[:, np.newaxis]
        dx = np.maximum(np.maximum(left - columns, columns - right), 0)
        distance = np.hypot(dy, dx)
        light = self._rows[wide].astype(np.float64)
        level = _middle(light[distance > FARTHEST - 4 * RING])
        if rim - level < PART * (float(np.nanmax(around)) - level):
            return None
        return CutStar(
            top + self._start,
            bottom + self._start,
            left + self._x0,
            right + self._x0,
            self._reach(light - level, distance),
        )

    def _reach(self, light: NDArray[np.float64], distance: NDArray[np.float64]) -> float:
        """Return how far a star's light reaches beyond the rim of its hole, pixels."""
        for inner in range(0, FARTHEST, RING):
            ring = light[(distance > inner) & (distance <= inner + RING)]
            if not _middle(ring) > FAINT * self._noise:
                return float(inner + RING)
        return float(FARTHEST)


def clusters(mask: Masks) -> list[tuple[slice, slice]]:
    """Return the boxes of the clusters of a mask: pixels in squares of 3 that touch each other."""
    # Places of few pixels in rows laid end to end are had ten times faster than in two axes.
    rows, columns = np.divmod(np.flatnonzero(mask), mask.shape[1])
    cells: dict[tuple[int, int], list[int]] = {}
    for number, cell in enumerate(zip((rows // 3).tolist(), (columns // 3).tolist(), strict=True)):
        cells.setdefault(cell, []).append(number)
    boxes = []
    while cells:
        border = [next(iter(cells))]
        members = cells.pop(border[0])
        while border:
            y, x = border.pop()
            for near in [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]:
                if near in cells:
                    members += cells.pop(near)
                    border.append(near)
        boxes.append((_extent(rows[members]), _extent(columns[members])))
    return boxes


def _extent(places: NDArray[np.int64]) -> slice:
    return slice(int(places.min()), int(places.max()) + 1)


def _middle(values: NDArray[np.float64]) -> float:
    """Return the median of what is finite; 0 of nothing."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else 0.0
