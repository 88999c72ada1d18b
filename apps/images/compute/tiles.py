"""Tiles: computed, rounded to steps, digested and coded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.compute.engine import (
    Interpolation,
    Map,
    Planes,
    Steps,
    coarsen,
    quantise,
    resample,
)
from apps.images.compute.frame import Frame
from apps.images.compute.order import Band, band_of, bands, capacity, cut
from apps.images.compute.rows import FrameRows
from apps.images.output_frame import CANONICAL_NAN, Tiling, tile_digest
from boinc_project.fits.writing import GZIP, RICE, encode_tile

Floats = NDArray[np.float32]

_MORE_ROWS = (256, 2**30)


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A finished tile.

    Attributes
    ----------
    number : int
        Along rows of tiles first.
    pixels, variance : ndarray
        As stored: int32 steps and int16 codes, or float32.
    count : int
        Pixels that hold something.
    """

    number: int
    pixels: NDArray[Any]
    variance: NDArray[Any]
    count: int

    def digest(self) -> bytes:
        """Return the SHA-256 of what is stored."""
        return tile_digest(self.pixels, self.variance)

    def codes(self) -> tuple[bytes, bytes]:
        """Return pixels and variance, compressed."""
        method = RICE if self.pixels.dtype.kind == "i" else GZIP
        return encode_tile(self.pixels, method), encode_tile(self.variance, method)


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What is done with a frame.

    Attributes
    ----------
    tiling : Tiling
        Of its window.
    how : Interpolation
        The kernel's part.
    steps : Steps | None
        None: values stay float32.
    level : str
        Of the kernel.
    """

    tiling: Tiling
    how: Interpolation
    steps: Steps | None
    level: str


def compute_tiles(
    frame: Frame, work: Work, *, skip: Callable[[int], bool] | None = None
) -> Iterator[Tile]:
    """Yield the tiles of a frame, band by band.

    Parameters
    ----------
    frame : Frame
        The frame.
    work : Work
        What to do.
    skip : Callable[[int], bool]
        Tells which tiles are not wanted.
    """
    parts = _Parts(work, cut(frame, work.tiling))
    order = bands(frame, parts.tiling)
    wanted = [
        replace(band, tiles=tuple(
            piece for piece in band.tiles if skip is None or not skip(parts.tile_of(piece))
        ))
        for band in order
    ]  # fmt: skip
    yield from parts.compute(frame, [band for band in wanted if band.tiles])


def compute_tile(frame: Frame, work: Work, number: int) -> Tile:
    """Return one tile of a frame."""
    parts = _Parts(work, cut(frame, work.tiling, number))
    order = [band_of(frame, parts.tiling, piece) for piece in parts.pieces_of(number)]
    return next(parts.compute(frame, sorted(order, key=lambda band: band.first)))


def finish_tile(
    steps: Steps | None, level: str, number: int, values: Floats, variance: Floats
) -> Tile:
    """Return a tile as it is stored, of its values and variances."""
    nothing = np.isnan(values)
    count = values.size - int(np.count_nonzero(nothing))
    if steps is not None:
        return Tile(number, quantise(level, steps, values), coarsen(level, variance), count)
    # One NaN for all: which of its 2^24 bit patterns arithmetic gives differs between processors.
    for array in (values, variance):
        array.view(np.uint32)[np.isnan(array)] = CANONICAL_NAN
    return Tile(number, values, variance, count)


class _Parts:
    """Tiles that are put together from pieces; mostly each tile is one piece.

    Parameters
    ----------
    work : Work
        What is done.
    tiling : Tiling
        Of the pieces.
    """

    def __init__(self, work: Work, tiling: Tiling) -> None:
        self.work, self.tiling = work, tiling
        self._ratio = work.tiling.tile // tiling.tile
        self._begun: dict[int, tuple[Floats, Floats]] = {}
        self._left: dict[int, int] = {}

    def tile_of(self, piece: int) -> int:
        """Return the tile that a piece is in."""
        down, across = divmod(piece, self.tiling.across)
        return down // self._ratio * self.work.tiling.across + across // self._ratio

    def pieces_of(self, tile: int) -> list[int]:
        """Return the pieces of a tile."""
        x, y, nx, ny = self.work.tiling.box(tile)
        side, across = self.tiling.tile, self.tiling.across
        return [
            row * across + column
            for row in range(y // side, -(-(y + ny) // side))
            for column in range(x // side, -(-(x + nx) // side))
        ]

    def compute(self, frame: Frame, order: Sequence[Band]) -> Iterator[Tile]:
        """Yield tiles as their last piece is done."""
        if not order:
            return
        how = self.work.how
        rows = FrameRows(frame, how.method, capacity(frame, order))
        for band in order:
            planes = rows.need(band.first, band.end)
            # The lower corners of a row of pixels may lie in the cells before it.
            first = max(band.first_row - how.is_area, 0)
            pixel_map, start = frame.map_rows(first, band.last_row)
            for piece in band.tiles:
                x, y, nx, ny = self.tiling.box(piece)
                box = (x, y - start, nx, ny)
                values, variance = _resampled(self.work, rows, planes, band, pixel_map, box)
                whole = self._add(piece, values, variance)
                if whole is not None:
                    steps, level = self.work.steps, self.work.level
                    yield finish_tile(steps, level, self.tile_of(piece), *whole)

    def _add(self, piece: int, values: Floats, variance: Floats) -> tuple[Floats, Floats] | None:
        """Put a piece into its tile, and return the tile if that is complete."""
        if self._ratio == 1:
            return values, variance
        tile = self.tile_of(piece)
        left, lower, nx, ny = self.work.tiling.box(tile)
        if tile not in self._begun:
            self._begun[tile] = np.empty((ny, nx), np.float32), np.empty((ny, nx), np.float32)
            self._left[tile] = len(self.pieces_of(tile))
        x, y, width, height = self.tiling.box(piece)
        place = np.s_[y - lower : y - lower + height, x - left : x - left + width]
        for whole, part in zip(self._begun[tile], (values, variance), strict=True):
            whole[place] = part
        self._left[tile] -= 1
        return None if self._left[tile] else self._begun.pop(tile)


def _resampled(
    work: Work,
    rows: FrameRows,
    planes: Planes,
    band: Band,
    pixel_map: Map,
    box: tuple[int, int, int, int],
) -> tuple[Floats, Floats]:
    _, _, nx, ny = box
    values, variance = np.empty((ny, nx), np.float32), np.empty((ny, nx), np.float32)
    missing = resample(work.level, pixel_map, planes, work.how, box, values, variance)
    for more in _MORE_ROWS if missing else ():
        # The nodes did not tell that these rows are needed: take more, and at last all of them.
        planes = FrameRows(rows.frame, work.how.method).need(band.first - more, band.end + more)
        if not resample(work.level, pixel_map, planes, work.how, box, values, variance):
            break
    return values, variance
