"""Tiles: computed, rounded to steps, digested and coded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.reprojection.engine import (
    Interpolation,
    Map,
    Planes,
    Steps,
    coarsen,
    quantise,
    resample,
)
from apps.reprojection.frame import Frame
from apps.reprojection.order import band_of, bands, capacity
from apps.reprojection.rows import FrameRows
from boinc_project.fits.writing import GZIP, RICE, encode_tile
from boinc_project.reprojection_frame import CANONICAL_NAN, Tiling, tile_digest

Floats = NDArray[np.float32]


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
    order = bands(frame, work.tiling)
    rows = FrameRows(frame, work.how.method, capacity(frame, order))
    for band in order:
        wanted = [number for number in band.tiles if skip is None or not skip(number)]
        if not wanted:
            continue
        planes = rows.need(band.first, band.end)
        pixel_map, start = frame.map_rows(band.first_row, band.last_row)
        for number in wanted:
            yield _tile(work, rows, planes, pixel_map, start, number)


def compute_tile(frame: Frame, work: Work, number: int) -> Tile:
    """Return one tile of a frame."""
    band = band_of(frame, work.tiling, number)
    rows = FrameRows(frame, work.how.method)
    planes = rows.need(band.first, band.end)
    pixel_map, start = frame.map_rows(band.first_row, band.last_row)
    return _tile(work, rows, planes, pixel_map, start, number)


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


def _tile(
    work: Work, rows: FrameRows, planes: Planes, pixel_map: Map, start: int, number: int
) -> Tile:
    x, y, nx, ny = work.tiling.box(number)
    values, variance = np.empty((ny, nx), np.float32), np.empty((ny, nx), np.float32)
    box = (x, y - start, nx, ny)
    if resample(work.level, pixel_map, planes, work.how, box, values, variance):
        # The nodes did not tell that these rows are needed: take them all.
        everything = FrameRows(rows.frame, work.how.method).need(-(2**30), 2**30)
        resample(work.level, pixel_map, everything, work.how, box, values, variance)
    return finish_tile(work.steps, work.level, number, values, variance)
