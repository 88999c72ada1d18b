"""The planes of a stack on the disk: written band by band, read back row by row."""

from __future__ import annotations

import hashlib
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd.clip import Stacked
from apps.images.merge.coadd.measure import Grid

PLANES: dict[str, np.dtype[Any]] = {
    "image": np.dtype("<f4"),
    "weight": np.dtype("<f4"),
    "variance": np.dtype("<f4"),
    "count": np.dtype("<u2"),
    "rejected": np.dtype("<u2"),
    "flags": np.dtype("<u2"),
}
"""Values of a stack for each pixel of the grid; see `apps.images.merge.coadd.clip.Stacked`."""
ROWS = 256
"""Rows that are read at once: a row of tiles."""


class Planes:
    """A sink of `apps.images.merge.coadd.stack.coadd` that keeps the planes as files without names.

    They lie in `directory` and go with this object, or with the process, however that ends.

    Parameters
    ----------
    grid : Grid
        Their size.
    directory : Path
        On a disk that has room for 18 bytes a pixel.
    """

    def __init__(self, grid: Grid, directory: Path) -> None:
        self.grid = grid
        self._files = {
            name: tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - closed at the end
            for name in PLANES
        }
        self._digests = {name: hashlib.sha256() for name in PLANES}
        weakref.finalize(self, _close, tuple(self._files.values()))

    def write(self, start: int, band: Stacked) -> None:  # noqa: ARG002 - bands come in order
        """Append a band; bands must come in order."""
        for name, dtype in PLANES.items():
            data = np.ascontiguousarray(getattr(band, name), dtype)
            self._files[name].write(data.data)
            self._digests[name].update(data.data)

    @property
    def digest(self) -> str:
        """SHA-256 of the SHA-256 of each plane, in hexadecimal, however they came in bands."""
        each = "".join(self._digests[name].hexdigest() for name in PLANES)
        return hashlib.sha256(each.encode()).hexdigest()

    def rows(self, name: str) -> Iterator[NDArray[Any]]:
        """Yield a plane in pieces of `ROWS` rows, the last one shorter."""
        for start in range(0, self.grid.ny, ROWS):
            stop = min(start + ROWS, self.grid.ny)
            yield self.box(name, np.s_[start:stop, 0 : self.grid.nx])

    def box(self, name: str, box: tuple[slice, slice]) -> NDArray[Any]:
        """Return a copy of a rectangle of a plane, of rows and columns from one up to another."""
        rows, columns = box
        dtype, file = PLANES[name], self._files[name]
        band = np.empty((rows.stop - rows.start, self.grid.nx), dtype)
        file.seek(rows.start * self.grid.nx * dtype.itemsize)
        if file.readinto(band.data.cast("B")) != band.nbytes:
            raise OSError("The scratch file of a stack is shorter than it should be.")
        is_whole = (columns.start, columns.stop) == (0, self.grid.nx)
        return band if is_whole else band[:, columns].copy()

    def whole(self, name: str) -> NDArray[Any]:
        """Return a plane, mapped from its file."""
        self._files[name].flush()
        shape = (self.grid.ny, self.grid.nx)
        return np.memmap(self._files[name], PLANES[name], mode="r", shape=shape)


def _close(files: tuple[BinaryIO, ...]) -> None:
    for file in files:
        file.close()
