"""Frames to be co-added: what a reprojected frame offers, and their one order.

A frame covers a window of the reference grid. It is read in rows, so that no frame needs to be in
memory as a whole; tiled files are decoded a row of tiles at a time, into a scratch file
(`Spool`), so that each tile is decoded once however narrow the bands are that are stacked.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.observation import Observation
from boinc_project.parallel import parallel_map

Floats = NDArray[np.float32]


class Frame(Protocol):
    """One reprojected frame, as `apps.images.output.FrameOutput` offers it."""

    @property
    def name(self) -> str:
        """File name of the exposure, for people."""

    @property
    def x0(self) -> int:
        """First column of the frame's window in the grid, 0-based."""

    @property
    def y0(self) -> int:
        """First row of the window."""

    @property
    def nx(self) -> int:
        """Columns of the window."""

    @property
    def ny(self) -> int:
        """Rows of the window."""

    @property
    def noise(self) -> float:
        """Standard deviation of the sky in one *input* pixel, in units of the output."""

    @property
    def tile_digests(self) -> NDArray[np.uint8]:
        """SHA-256 of each tile's canonical bytes, uint8 (n_tile, 32)."""

    def rows(self, start: int, stop: int) -> tuple[Floats, Floats]:
        """Return pixels and variances of some rows of the window, float32 (n, nx); NaN: nothing.

        A variance is that of the sky in areas: of n pixels, n times it is the variance of the sum.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A frame, and what its exposure is known by.

    Attributes
    ----------
    frame : Frame
        Its pixels.
    gain : float or None
        Electrons for each unit of a pixel of the output; None if it is not known.
    seeing : float or None
        Full width of its stars at half maximum, arcseconds; None if it is not known.
    exposure : float
        Seconds; 0 if it is not known.
    saturation : float
        Pixel value from which a star's flux is not believed; infinite if it is not known.
    tile_rows : int
        Rows that are decoded together; 1 if any row costs the same.
    observation : Observation
        What its header says: for the header of the product.
    astrometry : Mapping or None
        What was measured of its coordinates, for the summary; None if they are its header's.
    """

    frame: Frame
    gain: float | None = None
    seeing: float | None = None
    exposure: float = 0.0
    saturation: float = float("inf")
    tile_rows: int = 1
    observation: Observation = field(default_factory=Observation)
    astrometry: Mapping[str, Any] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of window, noise, gain and tiles: equal frames have equal digests."""
        one = self.frame
        head = struct.pack("<4qdd", one.x0, one.y0, one.nx, one.ny, one.noise, self.gain or 0.0)
        return hashlib.sha256(head + one.tile_digests.tobytes()).hexdigest()


def in_order(sources: Sequence[Source]) -> list[Source]:
    """Return the sources in the order of their digests, the order of all additions."""
    return sorted(sources, key=lambda source: source.digest)


@dataclass(frozen=True, slots=True, eq=False)
class ArrayFrame:
    """A frame whose pixels are arrays, in memory or mapped from a file.

    Attributes
    ----------
    name, x0, y0, noise
        As `Frame` has them.
    pixels : ndarray
        float32 (ny, nx).
    variance : ndarray or None
        float32 (ny, nx); None stands for ``noise**2`` wherever there is a pixel.
    """

    name: str
    x0: int
    y0: int
    noise: float
    pixels: Floats
    variance: Floats | None = None

    @property
    def nx(self) -> int:
        """Columns of the window."""
        return int(self.pixels.shape[1])

    @property
    def ny(self) -> int:
        """Rows of the window."""
        return int(self.pixels.shape[0])

    @property
    def tile_digests(self) -> NDArray[np.uint8]:
        """One digest of all pixels, uint8 (1, 32): arrays have no tiles."""
        sha = hashlib.sha256()
        for start in range(0, self.ny, 256):
            sha.update(np.ascontiguousarray(self.pixels[start : start + 256]).tobytes())
        return np.frombuffer(sha.digest(), np.uint8).reshape(1, 32)

    def rows(self, start: int, stop: int) -> tuple[Floats, Floats]:
        """Return pixels and variances of some rows of the window."""
        pixels = np.asarray(self.pixels[start:stop])
        if self.variance is not None:
            return pixels, np.asarray(self.variance[start:stop])
        noise = np.float32(self.noise**2)
        return pixels, np.where(np.isnan(pixels), np.float32(np.nan), noise)


class Spool:
    """Rows of the grid of several frames, decoded once into a scratch file and read back in bands.

    Parameters
    ----------
    directory : Path
        Where the scratch file is. It has no name: it goes with the process, however that ends.
    sources : sequence of Source
        Their rows are put side by side.
    start, stop : int
        Rows of the grid.
    before : Spool, optional
        Of the rows that end at `start`: its last rows can be read, too.
    kept : int
        How many of them.
    jobs : int
        Frames that are decoded at once.
    """

    def __init__(
        self,
        directory: Path,
        sources: Sequence[Source],
        start: int,
        stop: int,
        before: Spool | None = None,
        kept: int = 0,
        jobs: int = 1,
    ) -> None:
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - closed by `close`
        self._places: list[tuple[int, int, int, int]] = []
        at = 0
        early = start - (kept if before is not None else 0)
        for source in sources:
            frame = source.frame
            first, last = max(early, frame.y0), min(stop, frame.y0 + frame.ny)
            self._places.append((at, first, max(first, last), frame.nx))
            at += 2 * max(0, last - first) * frame.nx * 4

        def planes(number: int) -> Floats | None:
            _, first, last, _ = self._places[number]
            if last <= first:
                return None
            return self._planes(sources[number], number, first, last, start, before)

        for made in parallel_map(planes, range(len(sources)), jobs):
            if made is not None:
                self._file.write(made.data)
        self._file.flush()

    @staticmethod
    def _planes(
        source: Source, number: int, first: int, last: int, start: int, before: Spool | None
    ) -> Floats:
        """Return pixels and variances of rows of a frame, those before `start` from `before`.

        They are float32 (2, n_row, nx).
        """
        frame = source.frame
        new = max(first, start)
        planes = np.empty((2, last - first, frame.nx), np.float32)
        if new < last:
            planes[0, new - first :], planes[1, new - first :] = frame.rows(
                new - frame.y0, last - frame.y0
            )
        if first < min(new, last) and before is not None:
            end = min(new, last)
            before.read(number, first, end, planes[0, : end - first], planes[1, : end - first])
        return planes

    def read(self, number: int, start: int, stop: int, to: Floats, variance: Floats | None) -> None:
        """Read rows of the grid of source `number` into arrays (n, nx) of its own columns."""
        at, first, last, nx = self._places[number]
        plane = (last - first) * nx * 4
        for offset, target in ((0, to), (plane, variance)):
            if target is None:
                continue
            is_whole = target.flags.c_contiguous
            wanted = target if is_whole else np.empty((stop - start, nx), np.float32)
            # Several threads read at once: each says where from.
            place = at + offset + (start - first) * nx * 4
            if os.preadv(self._file.fileno(), [wanted.data.cast("B")], place) != wanted.nbytes:
                raise OSError("The scratch file is shorter than it was.")
            if not is_whole:
                target[:] = wanted

    def close(self) -> None:
        """Let the scratch file go."""
        self._file.close()
