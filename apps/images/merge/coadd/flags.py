"""The flags of a stack's pixels: a plane of bits, named as the LSST pipelines name theirs.

The first nine numbers are those of LSST's ``afw.image.Mask`` (bits that a stack has no use for are
left out); the others follow them, with LSST's names for planes of co-added images (``CLIPPED``,
``STREAK``, ``INEXACT_PSF``; Bosch et al. 2018, PASJ 70, S5, sections 3.3 and 4.1). The header of
``flags.fits`` names them: ``BIT01 = 'SAT'`` says that bit 1, of value 2, is ``SAT``.
"""

from __future__ import annotations

from dataclasses import replace
from enum import IntFlag
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd.clip import Stacked

if TYPE_CHECKING:
    from apps.images.merge.coadd.blanks import Blanked

NEAR = 2
"""Pixels from an edge of a frame that are flagged: as far as interpolation reaches."""

Flags = NDArray[np.uint16]
Counts = NDArray[np.uint16]
Masks = NDArray[np.bool_]


class Flag(IntFlag):
    """What a pixel of a stack should be known for."""

    BAD = 1 << 0
    SAT = 1 << 1
    EDGE = 1 << 4
    SUSPECT = 1 << 7
    NO_DATA = 1 << 8
    CLIPPED = 1 << 9
    STREAK = 1 << 10
    INEXACT_PSF = 1 << 11


MEANINGS = {
    Flag.BAD: "a frame has nothing inside its area",
    Flag.SAT: "star whose core is lost in all frames",
    Flag.EDGE: "an edge of a frame passes here",
    Flag.SUSPECT: "cannot be told which values are right",
    Flag.NO_DATA: "no frame has anything",
    Flag.CLIPPED: "a value was clipped",
    Flag.STREAK: "a frame has a trail",
    Flag.INEXACT_PSF: "star, only of frames that have it whole",
}
"""What each bit means, as the header's comments say it."""


def spans(values: NDArray[np.float32]) -> Counts:
    """Return how many frames have a pixel within their area, uint16 (n_row, n_x).

    A frame's area is, in each row, from its first to its last pixel that has something: a turned
    frame is convex, so what lacks in between is a hole.
    """
    n_row, n_x = values.shape[1:]
    change = np.zeros((n_row, n_x + 1), np.int32)
    rows = np.arange(n_row)
    for frame in values:
        there = np.isfinite(frame)
        first = there.argmax(axis=1)
        some = there[rows, first]
        last = n_x - 1 - there[:, ::-1].argmax(axis=1)
        np.add.at(change, (rows[some], first[some]), 1)
        np.add.at(change, (rows[some], last[some] + 1), -1)
    return np.cumsum(change[:, :-1], axis=1).astype(np.uint16)


def edges(covered: Counts, start: int, stop: int) -> Masks:
    """Return where the number of frames that cover changes within `NEAR` pixels.

    Parameters
    ----------
    covered : ndarray
        uint16 (n_row, n_x): from `spans`, with `NEAR` rows beyond those that are asked for.
    start, stop : int
        Which rows of these are asked for.
    """
    low, high = max(0, start - NEAR), min(len(covered), stop + NEAR)
    smallest = largest = covered[low:high]
    for axis in (0, 1):
        smallest = _near(smallest, np.minimum, axis)
        largest = _near(largest, np.maximum, axis)
    return (smallest != largest)[start - low : stop - low]


def _near(plane: Counts, choose: np.ufunc, axis: int) -> Counts:
    """Return the least or the most along an axis within `NEAR` pixels; edges are repeated."""
    width = [(NEAR, NEAR) if each == axis else (0, 0) for each in (0, 1)]
    wide = np.moveaxis(np.pad(plane, width, mode="edge"), axis, 0)
    n = plane.shape[axis]
    chosen = wide[:n]
    for shift in range(1, 2 * NEAR + 1):
        chosen = choose(chosen, wide[shift : shift + n])
    return np.moveaxis(chosen, 0, axis)


def flagged(stacked: Stacked, blanked: Blanked, edge: Masks, covered: Counts) -> Stacked:
    """Return a band with its flags, and with what was left out among the rejected values.

    Parameters
    ----------
    stacked : Stacked
        As it was averaged.
    blanked : Blanked
        What was left out before.
    edge, covered : ndarray
        Of the same rows: from `edges` and `spans`.
    """
    flags = blanked.flags.copy()
    there = stacked.count + stacked.rejected + blanked.n_gone
    for flag, where in (
        (Flag.BAD, there < covered),
        (Flag.EDGE, edge),
        (Flag.NO_DATA, stacked.count == 0),
        (Flag.CLIPPED, stacked.rejected > 0),
        (Flag.SUSPECT, stacked.doubtful),
    ):
        if where is not None:
            flags[where != 0] |= flag.value
    return replace(stacked, rejected=stacked.rejected + blanked.n_gone, flags=flags)
