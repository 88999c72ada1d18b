"""Rows of a frame in memory: a window that moves over it, so that no more is there at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.compute.engine import (
    MARGIN_AFTER,
    MARGIN_BEFORE,
    MARGIN_ROWS,
    Planes,
    find_windows,
    load,
)
from apps.images.compute.frame import Frame

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

CHUNK_ROWS = 32
"""Rows that are read at once where tiles do not say otherwise: with variances 1 MB of 4096 float32,
which the second cache of most processors holds."""
MOST_TILE_ROWS = 512
"""Tiles of no more rows are unpacked as a whole."""


class FrameRows:
    """The rows of a frame that are in memory.

    Rows outside of the frame are there, too, up to `MARGIN_ROWS` before and after it.

    Parameters
    ----------
    frame : Frame
        The frame.
    method : str
        How it is interpolated.
    capacity : int
        Rows that will be needed at once, as far as that is known: more memory is taken at need.
    """

    def __init__(self, frame: Frame, method: str, capacity: int = 0) -> None:
        self.frame = frame
        self._method = method
        self._stride = frame.width + MARGIN_BEFORE + MARGIN_AFTER
        self._base = self._first = self._end = 0  # base: frame row of the first row in memory
        self._values, self._flags, self._windows = self._room(capacity)

    def need(self, first: int, end: int) -> Planes:
        """Return planes that hold the rows from `first` up to `end`, as far as there are any.

        Parameters
        ----------
        first, end : int
            Frame rows; cut to what is in the frame and its margins.
        """
        height = self.frame.height
        first = min(max(first, -MARGIN_ROWS), height)
        end = max(min(end, height + MARGIN_ROWS), first)
        if self._first <= first and end <= self._end:
            return self._planes()
        tile = self.frame.pixels.tile_shape[0]
        if 0 < end <= height and tile <= MOST_TILE_ROWS:
            end = min(-(-end // tile) * tile, height)
        keep = range(max(first, self._first), max(first, self._first, min(end, self._end)))
        if keep and keep.start > first:
            keep = range(first, first)  # only windows that move forwards keep anything
        self._place(first, end, keep)
        start = keep.stop if keep else first
        self._first, self._end = first, end
        self._load(start, end)
        planes = self._planes()
        # Windows reach down from their row: those of rows that were there are known but for some.
        find_windows(planes, self._method, max(0, start - first - MARGIN_AFTER))
        return planes

    def _planes(self) -> Planes:
        held = slice(self._first - self._base, self._end - self._base)
        return Planes(
            self._values[held],
            self._flags[held],
            self._windows[held],
            self.frame.constant_variance,
            self._first,
            self._end - self._first,
            self.frame.width,
            self.frame.height,
        )

    def _place(self, first: int, end: int, keep: range) -> None:
        """Make room for rows up to `end`; those that are kept move to the front if they have to."""
        if keep and end - self._base <= len(self._values):
            return
        old = (self._values, self._flags, self._windows)
        if end - first > len(self._values):
            self._values, self._flags, self._windows = self._room(end - first)
        start, self._base = keep.start - self._base, first
        new = (self._values, self._flags, self._windows)
        if not keep or (start == 0 and new[0] is old[0]):
            return
        pairs: list[tuple[NDArray[Any], NDArray[Any]]] = list(zip(old, new, strict=True))
        for source, target in pairs:
            # In pieces that do not overlap with where they go.
            most = len(keep) if new[0] is not old[0] else start
            for at in range(0, len(keep), most):
                piece = min(most, len(keep) - at)
                target[at : at + piece] = source[start + at : start + at + piece]

    def _room(self, n_row: int) -> tuple[Floats, Bytes, Bytes]:
        shape = (n_row, self._stride)
        depth = 2 if self.frame.has_variance_plane else 1
        return (
            np.empty((*shape, depth), np.float32),
            np.empty(shape, np.uint8),
            np.empty(shape, np.uint8),
        )

    def _load(self, start: int, end: int) -> None:
        """Load frame rows; those outside of the frame repeat its edge, or are masked."""
        frame, planes = self.frame, self._planes()
        tile = frame.pixels.tile_shape[0]
        chunk = tile * max(1, CHUNK_ROWS // tile)
        at = start
        while at < end:
            if 0 <= at < frame.height:
                stop = min(end, frame.height, (at // chunk + 1) * chunk)
                load(frame.loading, frame.sources(at, stop), planes, at - self._first)
            else:
                stop = min(end, 0) if at < 0 else end
                rows = slice(at - self._first, stop - self._first)
                if frame.loading.repeat_edge:
                    edge = 0 if at < 0 else frame.height - 1
                    sources = frame.sources(edge, edge + 1)
                    for row in range(rows.start, rows.stop):
                        load(frame.loading, sources, planes, row)
                else:
                    planes.flags[rows], planes.values[rows] = 1, 0.0
            at = stop
