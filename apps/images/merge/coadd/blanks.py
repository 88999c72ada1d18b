"""What of a frame is left out before anything is averaged: cut stars and trails.

Blanks are drawn band by band. Where nothing but blanked values is left, they stay, and the pixel is
flagged: an image with a doubt is better than a hole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd.flags import Flag, Flags

Floats = NDArray[np.float32]
Counts = NDArray[np.uint16]
Masks = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CutStar:
    """A star whose core a frame has lost: all pixels within `reach` of a box, of the grid.

    Attributes
    ----------
    y0, y1, x0, x1 : int
        First and last row and column of the box.
    reach : float
        Pixels beyond it that have the star's light.
    """

    y0: int
    y1: int
    x0: int
    x1: int
    reach: float

    def draw(self, start: int, mask: Masks) -> None:
        """Set the star's pixels in a mask of rows of the grid that begin at `start`."""
        reach = int(np.ceil(self.reach))
        top, bottom = max(start, self.y0 - reach), min(start + len(mask), self.y1 + reach + 1)
        left, right = max(0, self.x0 - reach), min(mask.shape[1], self.x1 + reach + 1)
        if top >= bottom or left >= right:
            return
        rows, columns = np.arange(top, bottom), np.arange(left, right)
        dy = np.maximum(np.maximum(self.y0 - rows, rows - self.y1), 0)[:, np.newaxis]
        dx = np.maximum(np.maximum(self.x0 - columns, columns - self.x1), 0)
        mask[top - start : bottom - start, left:right] |= dy**2 + dx**2 <= self.reach**2


@dataclass(frozen=True, slots=True)
class Trail:
    """A straight trail in a frame.

    Attributes
    ----------
    y, x : float
        A point of it, pixels of the grid.
    angle : float
        Radians from the rows' direction towards higher rows.
    half_width : float
        Pixels to either side that have its light.
    low, high : float
        Where it begins and ends, pixels along it from the point.
    """

    y: float
    x: float
    angle: float
    half_width: float
    low: float
    high: float

    def draw(self, start: int, mask: Masks) -> None:
        """Set the trail's pixels in a mask of rows of the grid that begin at `start`."""
        sine, cosine = np.sin(self.angle), np.cos(self.angle)
        rows = np.arange(start, start + len(mask)) - self.y
        columns = np.arange(mask.shape[1]) - self.x
        across = cosine * rows[:, np.newaxis] - sine * columns
        along = sine * rows[:, np.newaxis] + cosine * columns
        near = np.abs(across) <= self.half_width
        mask |= near & (along >= self.low) & (along <= self.high)


@dataclass(frozen=True, slots=True)
class Blanks:
    """What is left out of each frame.

    Attributes
    ----------
    stars, trails : tuple
        Of each frame, in the order of the sources.
    """

    stars: tuple[tuple[CutStar, ...], ...] = ()
    trails: tuple[tuple[Trail, ...], ...] = ()

    def counts(self, n_frame: int) -> list[tuple[int, int]]:
        """Return how many cut stars and trails each of the frames has."""
        nothing = ((),) * n_frame
        each = zip(self.stars or nothing, self.trails or nothing, strict=True)
        return [(len(stars), len(trails)) for stars, trails in each]

    def apply(self, values: Floats, places: tuple[int, ...], start: int) -> Blanked:
        """Make NaN of what is left out of a band, in place.

        Parameters
        ----------
        values : ndarray
            float32 (n_frame, n_row, n_x).
        places : tuple of int
            Which frames these are.
        start : int
            The grid's row of the first row.
        """
        shape = values.shape[1:]
        blanked = Blanked(np.zeros(shape, np.uint16), np.zeros(shape, np.uint16))
        drawn: list[tuple[int, Masks]] = []
        touched = np.zeros(shape, dtype=bool)
        for number, place in enumerate(places):
            for shapes, flag in ((self.stars, Flag.INEXACT_PSF), (self.trails, Flag.STREAK)):
                mask = np.zeros(shape, dtype=bool)
                for drawing in shapes[place] if shapes else ():
                    drawing.draw(start, mask)
                if mask.any():
                    drawn.append((number, mask))
                    touched |= mask
                    blanked.flags[mask] |= flag.value
        if drawn:
            self._blank(values, drawn, touched, blanked)
        return blanked

    @staticmethod
    def _blank(
        values: Floats, drawn: list[tuple[int, Masks]], touched: Masks, blanked: Blanked
    ) -> None:
        rows, columns = np.divmod(np.flatnonzero(touched), touched.shape[1])
        there = np.isfinite(values[:, rows, columns])
        left = there.copy()
        for number, mask in drawn:
            left[number] &= ~mask[rows, columns]
        # Where no frame is left the values stay, with a doubt.
        alone = ~left.any(axis=0)
        gone = there & ~left & ~alone
        for number in {number for number, _ in drawn}:
            at = gone[number]
            values[number, rows[at], columns[at]] = np.nan
        blanked.n_gone[rows, columns] = gone.sum(axis=0)
        flags = blanked.flags[rows, columns]
        star = (flags & Flag.INEXACT_PSF.value) != 0
        flags[alone & star] ^= (Flag.INEXACT_PSF | Flag.SAT).value
        flags[alone & ~star] |= Flag.SUSPECT.value
        blanked.flags[rows, columns] = flags


@dataclass(frozen=True, slots=True, eq=False)
class Blanked:
    """What was left out of a band: flags, and how many values; uint16 (n_row, n_x) each."""

    flags: Flags
    n_gone: Counts
