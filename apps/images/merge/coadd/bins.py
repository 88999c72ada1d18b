"""Frames in bins of 8 x 8 pixels, and what each has that the others have not."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd.sky import Surfaces, centred

if TYPE_CHECKING:
    from apps.images.merge.coadd.measure import Grid

BIN = 8
"""Pixels along a bin: about what a trail is wide, so that little else is in it."""
FULLEST = 0.5
"""Part of a bin that a frame must fill for the bin to have a value."""
_ROWS = 32
"""Rows of bins that are compared at once: 13 MB for a hundred frames of 4096 columns."""

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class Bins:
    """The bins of one frame, filled while its rows go by.

    Parameters
    ----------
    grid : Grid
        Size of the grid.
    """

    def __init__(self, grid: Grid) -> None:
        shape = -(-grid.ny // BIN), -(-grid.nx // BIN)
        self._sum, self._count = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def add(self, rows: Floats, y0: int, x0: int) -> None:
        """Take rows of the frame, the first pixel of which is at (y0, x0) of the grid."""
        top, left = y0 // BIN, x0 // BIN
        bottom, right = -(-(y0 + len(rows)) // BIN), -(-(x0 + rows.shape[1]) // BIN)
        wide = np.full(((bottom - top) * BIN, (right - left) * BIN), np.nan, np.float32)
        at = y0 - top * BIN, x0 - left * BIN
        wide[at[0] : at[0] + len(rows), at[1] : at[1] + rows.shape[1]] = rows
        there = np.isfinite(wide)
        shape = (bottom - top, BIN, right - left, BIN)
        part = np.s_[top:bottom, left:right]
        self._sum[part] += np.where(there, wide, np.float32(0)).reshape(shape).sum(axis=(1, 3))
        # Of bytes, column by column first: a tenth of the time of sums of 64 booleans each.
        columns = there.view(np.uint8).reshape(bottom - top, BIN, -1).sum(axis=1, dtype=np.uint8)
        self._count[part] += columns.reshape(bottom - top, -1, BIN).sum(axis=2, dtype=np.uint8)

    def means(self) -> Floats:
        """Return the mean of each bin, float32; NaN where the frame fills too little of it."""
        filled = self._count >= FULLEST * BIN * BIN
        return np.where(filled, self._sum / np.maximum(self._count, 1), np.float32(np.nan))


class BinFile:
    """The bins of all frames in a scratch file without a name, which goes with the process.

    Parameters
    ----------
    directory : Path
        Where to.
    n_frame : int
        How many frames.
    grid : Grid
        Size of the grid.
    """

    def __init__(self, directory: Path, n_frame: int, grid: Grid) -> None:
        self._grid = grid
        shape = (n_frame, -(-grid.ny // BIN), -(-grid.nx // BIN))
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - goes with the object
        self._file.truncate(int(np.prod(shape)) * 4)
        self.planes: Floats = np.memmap(self._file, np.float32, mode="r+", shape=shape)

    def close(self) -> None:
        """Let the scratch file go."""
        self._file.close()

    def compare(self, surfaces: Surfaces, scale: Doubles, weight: Doubles) -> None:
        """Replace each bin by its distance from the median of all frames.

        It is in standard deviations of the frame's sky in a bin; NaN where one frame is alone.

        Parameters
        ----------
        surfaces, scale, weight
            How the frames were matched; see `apps.images.merge.coadd.measure.Matched`.
        """
        y, x = (
            centred(n)[np.minimum(np.arange(BIN // 2, -(-n // BIN) * BIN, BIN), n - 1)]
            for n in (self._grid.ny, self._grid.nx)
        )
        sigma = 1 / np.sqrt(weight) / BIN
        for start in range(0, len(y), _ROWS):
            part = np.s_[start : start + _ROWS]
            band = self.planes[:, part].astype(np.float64)
            for k, terms in enumerate(surfaces.coefficients):
                band[k] = band[k] * scale[k] - _surface(terms, y[part], x)
            off = (band - _median(band)) / sigma[:, np.newaxis, np.newaxis]
            off[:, np.isfinite(band).sum(axis=0) < 2] = np.nan
            self.planes[:, part] = off


def _surface(terms: Doubles, y: Doubles, x: Doubles) -> Doubles:
    """Return a surface's values, float64 (n_y, n_x); see `Surfaces.coefficients`."""
    c, cx, cy, cxx, cxy, cyy = terms
    rows = (c + y * (cy + y * cyy))[:, np.newaxis]
    return np.asarray(rows + x * (cx + cxy * y[:, np.newaxis] + cxx * x))


def _median(band: Doubles) -> Doubles:
    """Return the median over the frames of what is finite; NaN where nothing is."""
    n = np.isfinite(band).sum(axis=0)
    in_order = np.sort(band, axis=0)
    low, high = (
        np.take_along_axis(in_order, np.maximum(place, 0)[np.newaxis], axis=0)[0]
        for place in ((n - 1) // 2, n // 2)
    )
    return 0.5 * (low + np.where(n > 0, high, np.nan))
