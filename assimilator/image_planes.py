"""The planes of a stack on the disk: written band by band, read back row by row."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from assimilator.coadd.clip import Stacked
from assimilator.coadd.measure import Grid

PLANES: dict[str, np.dtype[Any]] = {
    "image": np.dtype("<f4"),
    "weight": np.dtype("<f4"),
    "variance": np.dtype("<f4"),
    "count": np.dtype("<u2"),
    "rejected": np.dtype("<u2"),
}
"""What a stack has for each pixel of the grid; see `assimilator.coadd.clip.Stacked`."""
ROWS = 256
"""Rows that are read at once: a row of tiles."""


@dataclass(slots=True, weakref_slot=True)
class Planes:
    """A sink of `assimilator.coadd.stack.coadd` that keeps the planes as files.

    Attributes
    ----------
    directory : Path
        Where they are; it must be there.
    grid : Grid
        Their size.
    """

    directory: Path
    grid: Grid
    _files: dict[str, BinaryIO] = field(default_factory=dict)
    _digests: dict[str, Any] = field(
        default_factory=lambda: {name: hashlib.sha256() for name in PLANES}
    )

    @classmethod
    def temporary(cls, grid: Grid) -> Planes:
        """Return planes in a new directory (below ``TMPDIR``) that goes when they are let go."""
        planes = cls(Path(tempfile.mkdtemp(prefix="openastro-stack-")), grid)
        weakref.finalize(planes, shutil.rmtree, planes.directory, ignore_errors=True)
        return planes

    def write(self, start: int, band: Stacked) -> None:
        """Append a band; bands must come in order."""
        if start == 0:
            self._files = {name: self._path(name).open("wb") for name in PLANES}
        for name, dtype in PLANES.items():
            data = np.ascontiguousarray(getattr(band, name), dtype)
            self._files[name].write(data.data)
            self._digests[name].update(data.data)

    def close(self) -> None:
        """Finish writing."""
        for file in self._files.values():
            file.close()

    @property
    def digest(self) -> str:
        """SHA-256 of the SHA-256 of each plane, in hexadecimal, however they came in bands."""
        each = "".join(self._digests[name].hexdigest() for name in PLANES)
        return hashlib.sha256(each.encode()).hexdigest()

    def rows(self, name: str) -> Iterator[NDArray[Any]]:
        """Yield a plane in pieces of `ROWS` rows, the last one shorter."""
        dtype = PLANES[name]
        with self._path(name).open("rb") as file:
            for start in range(0, self.grid.ny, ROWS):
                n = min(ROWS, self.grid.ny - start) * self.grid.nx
                yield np.fromfile(file, dtype, n).reshape(-1, self.grid.nx)

    def whole(self, name: str) -> NDArray[Any]:
        """Return a plane, mapped from its file."""
        shape = (self.grid.ny, self.grid.nx)
        return np.memmap(self._path(name), PLANES[name], mode="r", shape=shape)

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.raw"
