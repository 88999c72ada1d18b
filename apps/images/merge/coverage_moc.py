"""The footprint of a stack as a Multi-Order Coverage map (IVOA MOC 2.0), by mocpy."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import math
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.sky_grid import SkyGrid

MOC_FILE = "coverage.moc.fits"
MOST_POINTS = 512
"""Points of the grid along its longer side that the footprint is made of."""
MAX_ORDER = 29
"""Of HEALPix in 64 bits."""
_LIBRARY = "mocpy.mocpy"
_CELL = math.degrees(math.sqrt(math.pi / 3)) * 3600.0
"""Side of a HEALPix cell of order 0, arcseconds: the sphere has twelve of them."""


def covered_points(
    counts: Iterable[NDArray[Any]], nx: int, ny: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return the middles of squares of pixels in which a frame has something, and their side.

    Parameters
    ----------
    counts : iterable of ndarray
        Frames in each pixel: rows of the grid in order, each piece (n, nx).
    nx, ny : int
        Size of the grid.
    """
    side = max(1, -(-max(nx, ny) // MOST_POINTS))
    covered = np.zeros((-(-ny // side), -(-nx // side)), dtype=bool)
    columns = np.arange(0, nx, side)
    row = 0
    for piece in counts:
        there = np.logical_or.reduceat(piece > 0, columns, axis=1)
        np.logical_or.at(covered, np.arange(row, row + len(piece)) // side, there)
        row += len(piece)
    rows, places = np.nonzero(covered)
    x = np.minimum(places * side + (side - 1) / 2, nx - 1)
    y = np.minimum(rows * side + (side - 1) / 2, ny - 1)
    return x.astype(np.float64), y.astype(np.float64), side


def order_of(step: float) -> int:
    """Return the finest order whose cells are at least twice as wide as a step in arcseconds.

    Each cell within the footprint then has a point in it, so that the map has no holes.
    """
    return int(np.clip(math.floor(math.log2(_CELL / (2 * step))), 0, MAX_ORDER))


def write_moc(
    path: Path, counts: Iterable[NDArray[Any]], size: tuple[int, int], grid: SkyGrid, scale: float
) -> None:
    """Write the footprint of a stack.

    Parameters
    ----------
    path : Path
        Where to.
    counts : iterable of ndarray
        See `covered_points`.
    size : tuple[int, int]
        Columns and rows of the grid.
    grid : SkyGrid
        Its world coordinates.
    scale : float
        Side of its pixels, arcseconds.
    """
    library = _library()
    x, y, side = covered_points(counts, *size)
    ra, dec = grid.sky(x, y)
    known = np.isfinite(ra) & np.isfinite(dec)
    moc = library.from_lonlat(order_of(side * scale), ra[known], dec[known])
    path.write_bytes(library.to_fits_raw(moc, False))


@cache
def _library() -> Any:
    """Return the compiled part of mocpy, without the package around it.

    The package imports matplotlib, which takes longer than all that is done here. The package's
    ``MOC.from_lonlat`` and ``MOC.save`` make the same bytes of the same calls.
    """
    if _LIBRARY in sys.modules:  # as where somebody has imported the package
        return sys.modules[_LIBRARY]
    package = importlib.util.find_spec("mocpy")
    places = [] if package is None else package.submodule_search_locations or []
    spec = importlib.machinery.PathFinder.find_spec(_LIBRARY, [*places])
    if spec is None or spec.loader is None:
        raise ImportError("mocpy is not installed", name="mocpy")
    library = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(library)
    return library
