"""Where a frame lies in the grid: its output window, and the exact transform into it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.displacement import places
from apps.images.plan.sky.pixel_map import Transform
from apps.images.plan.sky.solution import Solution

_SAMPLES = 65
"""Places along a side: between two of them an edge of a 4k frame bends by far less than a pixel."""
_DERIVATIVES = 33
"""Places along a side at which a transform is differentiated."""
_MARGIN = 2
"""Pixels around, for that bend and for the half pixel at the edge."""


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of the grid: its first pixel, from 0, and its size."""

    x0: int
    y0: int
    nx: int
    ny: int


def find_window(grid: Solution, frame: Solution) -> Window | None:
    """Return the smallest rectangle of the grid that holds all that it shares with a frame.

    Returns
    -------
    Window or None
        None if they share nothing.
    """
    # Frame to grid: exact at the frame's edges; grid to frame: for frames larger than the grid.
    x, y = _places(frame.nx, frame.ny, -0.5)
    inside_x, inside_y = grid.pixel(*frame.sky(x, y))
    mapped_x, mapped_y = _places(grid.nx, grid.ny, 0.0)
    there_x, there_y = transform(grid, frame, Window(0, 0, grid.nx, grid.ny))(mapped_x, mapped_y)
    seen = _within(there_x, there_y, frame.nx, frame.ny)
    all_x = np.concatenate([inside_x.ravel(), mapped_x[seen]])
    all_y = np.concatenate([inside_y.ravel(), mapped_y[seen]])
    known = np.isfinite(all_x) & np.isfinite(all_y)
    if not known.any():
        return None
    x0, x1 = _clipped(all_x[known], grid.nx)
    y0, y1 = _clipped(all_y[known], grid.ny)
    if x1 <= x0 or y1 <= y0:
        return None
    window = Window(x0, y0, x1 - x0, y1 - y0)
    # Two rectangles can have meeting bounding boxes and nothing in common: look.
    look_x, look_y = _places(window.nx, window.ny, 0.0)
    if _within(*transform(grid, frame, window)(look_x, look_y), frame.nx, frame.ny).any():
        return window
    return None


def transform(grid: Solution, frame: Solution, window: Window) -> Transform:
    """Return the exact transform from pixels of a window of the grid to pixels of a frame."""

    def exact(
        x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return frame.pixel(*grid.sky(x + window.x0, y + window.y0))

    return exact


def coverage(grid: Solution, frame: Solution) -> float:
    """Return which part of a frame's area lies on the grid, 0 to 1."""
    x, y = places(frame.nx, frame.ny)
    return float(_within(*grid.pixel(*frame.sky(x, y)), grid.nx, grid.ny).mean())


def mean_scale(
    exact: Transform, window: tuple[int, int], frame: tuple[int, int]
) -> tuple[float, float]:
    """Return how large a pixel of the grid is in the frame.

    Parameters
    ----------
    exact : Transform
        From the window to the frame.
    window, frame : tuple[int, int]
        Their sizes, (nx, ny).

    Returns
    -------
    area : float
        How many pixels of the frame it covers, on average where both are.
    stretch : float
        How many of them lie along it, where and in which direction these are most: the largest
        singular value of the transform's derivative.
    """
    x, y = np.meshgrid(*(np.linspace(0, length - 1, _DERIVATIVES) for length in window))
    right, left = exact(x + 0.5, y), exact(x - 0.5, y)
    upper, lower = exact(x, y + 0.5), exact(x, y - 0.5)
    along, across = np.subtract(right, left), np.subtract(upper, lower)
    areas = np.abs(along[0] * across[1] - along[1] * across[0])
    here = _within(*exact(x, y), *frame) & np.isfinite(areas)
    if not here.any():
        return 1.0, 1.0
    # Of a matrix with squares summing to s and determinant d: ((s + 2 d)^.5 + (s - 2 d)^.5) / 2.
    squares = (along**2 + across**2).sum(axis=0)
    stretches = (np.sqrt(squares + 2 * areas) + np.sqrt(np.maximum(squares - 2 * areas, 0))) / 2
    return float(areas[here].mean()), float(stretches[here].max())


def _places(nx: int, ny: int, edge: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = np.linspace(edge, nx - 1 - edge, min(_SAMPLES, nx + 1))
    y = np.linspace(edge, ny - 1 - edge, min(_SAMPLES, ny + 1))
    grid_x, grid_y = np.meshgrid(x, y)
    return grid_x, grid_y


def _within(x: NDArray[np.float64], y: NDArray[np.float64], nx: int, ny: int) -> NDArray[np.bool_]:
    return np.asarray((x >= -0.5) & (x <= nx - 0.5) & (y >= -0.5) & (y <= ny - 0.5))


def _clipped(values: NDArray[np.float64], length: int) -> tuple[int, int]:
    low, high = float(values.min()), float(values.max())
    # Clip as floats first: a place far away may not fit an integer.
    start = int(max(np.floor(low) - _MARGIN, 0.0))
    stop = int(min(np.ceil(high) + _MARGIN + 1, float(length)))
    return min(start, length), max(stop, 0)
