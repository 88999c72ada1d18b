"""Co-add frames: match them, then stack them band by band, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from assimilator.coadd.clip import Matching, Stacked, stack_band
from assimilator.coadd.frames import Source, Spool, in_order
from assimilator.coadd.measure import Grid, Matched, match
from assimilator.coadd.options import Options
from assimilator.coadd.sky import centred

MEMORY = 32 << 20
"""Bytes for the pixels of a band, whatever the number of frames: more makes nothing faster."""

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class Sink(Protocol):
    """Takes the bands of a stack."""

    def write(self, start: int, band: Stacked) -> None:
        """Take the rows of the grid from `start` on; bands come in order and leave nothing out."""


@dataclass(frozen=True, slots=True, eq=False)
class Coadded:
    """What was co-added.

    Attributes
    ----------
    sources : tuple[Source, ...]
        In the order in which they were added.
    matched : Matched
        How each was matched, in the same order.
    """

    sources: tuple[Source, ...]
    matched: Matched


@dataclass(frozen=True, slots=True, eq=False)
class _Band:
    """The rows of the grid that are stacked at once, and the frames that have some of them."""

    start: int
    stop: int
    places: tuple[int, ...]


def coadd(
    sources: Sequence[Source],
    grid: Grid,
    options: Options,
    sink: Sink,
    *,
    scratch: Path,
    memory: int = MEMORY,
    with_variance: bool = True,
    level: str | None = None,
) -> Coadded:
    """Co-add frames of one grid; the order in which they are given does not matter.

    Parameters
    ----------
    sources : sequence of Source
        At least one.
    grid : Grid
        What they are on.
    options : Options
        How they are matched and clipped.
    sink : Sink
        Takes the result, band by band.
    scratch : Path
        A directory for a file of the rows of tiles that are worked on.
    memory : int
        Bytes for the pixels of a band.
    with_variance : bool
        Whether the frames' variances are propagated.
    level : str, optional
        See `assimilator.coadd.clip.levels`.
    """
    ordered = in_order(sources)
    matched = match(ordered, grid, options)
    tile_rows = max(source.tile_rows for source in ordered)
    step = grid.ny if tile_rows == 1 else tile_rows
    for start in range(0, grid.ny, step):
        stop = min(start + step, grid.ny)
        with ExitStack() as stack:
            spool = None
            if tile_rows > 1:
                spool = stack.enter_context(closing(Spool(scratch, ordered, start, stop)))
            for band in _bands(ordered, grid, start, stop, memory):
                pixels = _gather(ordered, grid, band, spool, with_variance)
                sink.write(band.start, _stack(grid, matched, options, band, pixels, level))
    return Coadded(tuple(ordered), matched)


def _bands(
    sources: Sequence[Source], grid: Grid, start: int, stop: int, memory: int
) -> Iterator[_Band]:
    """Cut rows of the grid into bands that fit the memory; at least one row each."""
    while start < stop:
        here = _present(sources, start, stop)
        # 4 bytes for a pixel and 4 for its variance.
        height = max(1, memory // (max(1, len(here)) * grid.nx * 8))
        end = min(stop, start + height)
        yield _Band(start, end, _present(sources, start, end))
        start = end


def _present(sources: Sequence[Source], start: int, stop: int) -> tuple[int, ...]:
    return tuple(
        place
        for place, source in enumerate(sources)
        if source.frame.y0 < stop and source.frame.y0 + source.frame.ny > start
    )


def _gather(
    sources: Sequence[Source], grid: Grid, band: _Band, spool: Spool | None, with_variance: bool
) -> tuple[Floats, Floats | None]:
    """Return pixels and variances of a band, float32 (n_frame, n_row, nx)."""
    shape = (len(band.places), band.stop - band.start, grid.nx)
    values = np.empty(shape, np.float32)
    variance = np.empty(shape if with_variance else (0, 0, 0), np.float32)
    for number, place in enumerate(band.places):
        frame = sources[place].frame
        first, last = max(band.start, frame.y0), min(band.stop, frame.y0 + frame.ny)
        whole = (last - first, frame.nx) == shape[1:]
        if not whole:
            values[number] = np.nan
            if with_variance:
                variance[number] = np.nan
        part = np.s_[number, first - band.start : last - band.start, frame.x0 : frame.x0 + frame.nx]
        if spool is None:
            pixels, spread = frame.rows(first - frame.y0, last - frame.y0)
            values[part] = pixels
            if with_variance:
                variance[part] = spread
        else:
            spool.read(place, first, last, values[part], variance[part] if with_variance else None)
    return values, variance if with_variance else None


def _stack(
    grid: Grid,
    matched: Matched,
    options: Options,
    band: _Band,
    pixels: tuple[Floats, Floats | None],
    level: str | None,
) -> Stacked:
    if not band.places:
        return _nothing((band.stop - band.start, grid.nx), pixels[1] is not None)
    places = list(band.places)
    matching = Matching(
        x=centred(grid.nx),
        surface=_rows_of_surfaces(matched, places, centred(grid.ny)[band.start : band.stop]),
        scale=matched.scale[places],
        weight=matched.weight[places],
    )
    return stack_band(pixels[0], pixels[1], matching, options.clip, level)


def _rows_of_surfaces(matched: Matched, places: list[int], y: Doubles) -> Doubles:
    """Polynomials in x of each frame's rows, in the frame's units: float64 (n_frame, n_row, 3)."""
    one, x, y1, xx, xy, yy = (matched.surfaces.coefficients[places] / matched.scale[places, None]).T
    rows = [
        one[:, None] + y * (y1[:, None] + y * yy[:, None]),
        x[:, None] + y * xy[:, None],
        xx[:, None] + 0.0 * y,
    ]
    return np.stack(rows, axis=2)


def _nothing(shape: tuple[int, int], with_variance: bool) -> Stacked:
    """Return a band that no frame has anything of."""
    empty = np.full(shape, np.nan, np.float32)
    zero, none = np.zeros(shape, np.float32), np.zeros(shape, np.uint16)
    return Stacked(empty, zero, empty if with_variance else None, none, none)
