"""Co-add frames: match them, then stack them band by band, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd import clip, noise
from apps.images.merge.coadd.blanks import Blanked
from apps.images.merge.coadd.clip import Matching, Stacked
from apps.images.merge.coadd.cores import UNKNOWN
from apps.images.merge.coadd.flags import Flag, edges, flagged, spans
from apps.images.merge.coadd.frames import Source, Spool, in_order
from apps.images.merge.coadd.light import sky_rows
from apps.images.merge.coadd.measure import Grid, Matched, match
from apps.images.merge.coadd.noise import REACH, Centre, Surroundings, centre_band, surroundings
from apps.images.merge.coadd.options import Options
from apps.images.merge.coadd.sky import centred
from boinc_project.parallel import parallel_map

MEMORY = 32 << 20
"""Bytes for the pixels of a band, whatever the number of frames: more makes nothing faster."""
STEP = 256
"""Rows of the grid that are looked at together if frames are not in tiles."""
CHUNK = 64
"""Rows whose surroundings are computed together: some 30 MB of them on a grid of 4096 columns."""

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
    jobs: int = 1,
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
        Whether pixels weigh by their own variances, and that of the mean is computed.
    level : str, optional
        See `apps.images.merge.coadd.clip.levels`.
    jobs : int
        Processors that are used; the bytes are the same.
    """
    ordered = in_order(sources)
    matched = match(ordered, grid, options, scratch, jobs)
    rows = _Rows(ordered, grid, options, matched, scratch, memory, level, jobs)
    tile_rows = max(source.tile_rows for source in ordered)
    step = STEP if tile_rows == 1 else tile_rows
    spool: Spool | None = None
    with ExitStack() as stack:
        for start in range(0, grid.ny, step):
            stop = min(start + step, grid.ny)
            if tile_rows > 1:
                before, spool = spool, Spool(scratch, ordered, start, stop, spool, REACH, jobs)
                stack.callback(spool.close)
                if before is not None:
                    before.close()
            for first, band in rows.take(spool, start, stop, with_variance=with_variance):
                sink.write(first, band)
    return Coadded(tuple(ordered), matched)


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """Rows of the grid from `start` on, as far as they are known before they are stacked."""

    start: int
    around: Surroundings | None
    edge: NDArray[np.bool_]
    covered: NDArray[np.uint16]


@dataclass(slots=True, eq=False)
class _Rows:
    """Rows of the grid, stacked as soon as their surroundings are known: `REACH` rows later."""

    sources: Sequence[Source]
    grid: Grid
    options: Options
    matched: Matched
    scratch: Path
    memory: int
    level: str | None
    jobs: int = 1
    done: int = 0
    first: int = 0
    centre: Centre | None = None
    covered: NDArray[np.uint16] = field(default_factory=lambda: np.empty((0, 0), np.uint16))

    @property
    def _by_noise(self) -> bool:
        """Whether values are clipped by known noise: else nobody asks for their surroundings."""
        return self.options.clip == "noise"

    def take(
        self, spool: Spool | None, start: int, stop: int, *, with_variance: bool
    ) -> Iterator[tuple[int, Stacked]]:
        """Yield the bands that can be stacked now that the rows from start to stop are there."""
        centre = self._look(spool, start, stop)
        ready = stop if stop == self.grid.ny else stop - REACH
        while self.done < ready:
            until = min(ready, self.done + CHUNK)
            part = self.done - self.first, until - self.first
            known = _Known(
                start=self.done,
                around=surroundings(centre, *part) if self._by_noise else None,
                edge=edges(self.covered, *part),
                covered=self.covered[slice(*part)],
            )
            stacked = partial(self._stacked, spool, known, with_variance=with_variance)
            yield from parallel_map(stacked, self._bands(self.done, until), self.jobs)
            self.done = until
        keep = max(self.first, self.done - REACH)
        self.centre = centre.rows(keep - self.first, stop - self.first)
        self.covered = self.covered[keep - self.first :]
        self.first = keep

    def _stacked(
        self, spool: Spool | None, known: _Known, band: _Band, *, with_variance: bool
    ) -> tuple[int, Stacked]:
        """Return the first row of a band, and the band with its flags."""
        here = slice(band.start - known.start, band.stop - known.start)
        values, variance = _gather(
            self.sources, self.grid, band, spool, with_variance=with_variance
        )
        blanked = self.matched.blanks.apply(values, band.places, band.start)
        near = None
        if known.around is not None:
            near = allowing(known.around.rows(here.start, here.stop), blanked)
        made = self._stack(band, values, variance, near)
        return band.start, flagged(made, blanked, known.edge[here], known.covered[here])

    def _bands(self, start: int, stop: int) -> Iterator[_Band]:
        """Cut rows into bands, at least one for each processor; each has its part of the memory."""
        most = -(-(stop - start) // self.jobs)
        return _bands(self.sources, self.grid, start, stop, self.memory // self.jobs, most)

    def _look(self, spool: Spool | None, start: int, stop: int) -> Centre:
        """Look at new rows; return the middles of these and of the rows that were kept."""
        new = Centre.empty(stop - start, self.grid.nx)
        covered = np.zeros((stop - start, self.grid.nx), np.uint16)

        def look(band: _Band) -> None:
            if not band.places:
                return
            here = slice(band.start - start, band.stop - start)
            values, _ = _gather(self.sources, self.grid, band, spool, with_variance=False)
            covered[here] = spans(values)
            if self._by_noise:
                self.matched.blanks.apply(values, band.places, band.start)
                made = centre_band(values, self._matching(band), self.level)
                new.middle[here], new.excess[here] = made.middle, made.excess
                new.error[here] = made.error

        bands = self._bands(start, stop)
        for _ in parallel_map(look, bands, self.jobs):
            pass
        if self.centre is None:
            self.covered = covered
            return new
        self.covered = np.concatenate([self.covered, covered])
        return self.centre.followed_by(new)

    def _stack(
        self, band: _Band, values: Floats, variance: Floats | None, around: Surroundings | None
    ) -> Stacked:
        """Stack a band, by known noise if its surroundings are given, else by scatter."""
        if not band.places:
            return _nothing((band.stop - band.start, self.grid.nx), variance is not None)
        matching, limits = self._matching(band), self.options.limits
        size = (self.grid.ny, self.grid.nx)
        level = sky_rows(self.matched.light, size, band.start, band.stop)
        if around is None:
            made = clip.stack_band(values, variance, matching, limits, self.level)
        else:
            core = self.matched.core[list(band.places)]
            lit = around.over(level)
            made = noise.stack_band(values, variance, matching, core, lit, limits, self.level)
        return made.with_photons(level)

    def _matching(self, band: _Band) -> Matching:
        places = list(band.places)
        return Matching(
            x=centred(self.grid.nx),
            surface=_rows_of_surfaces(
                self.matched, places, centred(self.grid.ny)[band.start : band.stop]
            ),
            scale=self.matched.scale[places],
            weight=self.matched.weight[places],
            photon=self.matched.photon[places],
        )


def allowing(around: Surroundings, blanked: Blanked) -> Surroundings:
    """Return surroundings with more allowed for where only some frames have a star.

    What a frame may differ by was measured against all frames; of the few that are left it may be
    any part up to `UNKNOWN`.
    """
    some = (blanked.flags & Flag.INEXACT_PSF.value) != 0
    if not some.any():
        return around
    return replace(around, part=np.where(some, np.float32(UNKNOWN), around.part))


def _bands(
    sources: Sequence[Source], grid: Grid, start: int, stop: int, memory: int, most: int
) -> Iterator[_Band]:
    """Cut rows of the grid into bands of `most` rows that fit the memory; at least one row each."""
    while start < stop:
        here = _present(sources, start, stop)
        # 4 bytes for a pixel and 4 for its variance.
        height = max(1, memory // (max(1, len(here)) * grid.nx * 8))
        end = min(stop, start + min(height, most))
        yield _Band(start, end, _present(sources, start, end))
        start = end


def _present(sources: Sequence[Source], start: int, stop: int) -> tuple[int, ...]:
    return tuple(
        place
        for place, source in enumerate(sources)
        if source.frame.y0 < stop and source.frame.y0 + source.frame.ny > start
    )


def _gather(
    sources: Sequence[Source], grid: Grid, band: _Band, spool: Spool | None, *, with_variance: bool
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
    doubtful = np.zeros(shape, np.uint8)
    return Stacked(empty, zero, empty if with_variance else None, none, none.copy(), doubtful)
