"""Pixel maps: where each pixel of the grid lies in a frame, at the nodes of a coarse grid.

The exact transform costs far more than a pixel, and needs world coordinates and libm. So it is
evaluated at every `step`-th pixel, and the app interpolates with cubic polynomials. How wrong
that is, is measured off the nodes, and the step halved until it is nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.images.limits import MAX_DENSE_PIXELS
from boinc_project.errors import InputError

Floats = NDArray[np.float64]
Transform = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""From pixel coordinates of the output window to those of the frame, both from 0; NaN: nowhere."""

FIRST_STEP = 128
"""20 KB a frame of 4096 pixels, and already exact to 1e-6 pixels for usual optics."""
TOLERANCE = 1e-4
"""Pixels. A star of 3 pixels FWHM loses 1e-9 of its peak by that."""
OUTSIDE = -1e9
"""Pixel coordinate of what is nowhere in the frame."""
PAD = 4.0
"""Pixels around a frame whose place must be right: the kernels reach three beyond its edge."""
_OFFSETS = ((0.5, 0.5), (0.5, 0.0), (0.0, 0.5), (0.23, 0.71), (0.81, 0.36))
_MOST_TESTED = 100_000
_BLOCK = 500_000


@dataclass(frozen=True, slots=True)
class PixelMap:
    """Where the pixels of an output window lie in a frame.

    Attributes
    ----------
    step : int
        Pixels between nodes; 1 for a dense map.
    nodes : ndarray
        float64 (2, n_row, n_col): x and y in the frame of the pixel ``((j - 1) * step,
        (i - 1) * step)`` of the window.
    nx, ny : int
        Size of the window.
    error : float
        Largest error found off the nodes, pixels; 0 for a dense map.
    """

    step: int
    nodes: Floats
    nx: int
    ny: int
    error: float


def make_map(
    transform: Transform,
    window: tuple[int, int],
    frame: tuple[int, int],
    *,
    tolerance: float = TOLERANCE,
    first: int = FIRST_STEP,
) -> PixelMap:
    """Return the coarsest map that is right to `tolerance`.

    Parameters
    ----------
    transform : Transform
        The exact one.
    window, frame : tuple[int, int]
        Size of the output window and of the frame, (nx, ny).
    tolerance : float
        Pixels.
    first : int
        Step to begin with; a power of two.

    Raises
    ------
    InputError
        If no step is right, and the window is too large for a dense map.
    """
    step = first
    while step > 1:
        nodes = _fill(_evaluate(transform, window, step))
        error = measure(transform, nodes, step, window, frame)
        if error < tolerance:
            return PixelMap(step, nodes, *window, error)
        step //= 2
    if window[0] * window[1] > MAX_DENSE_PIXELS:
        raise InputError(
            f"Each of {window[0]} x {window[1]} pixels needs its place in the map, as no coarser "
            f"one is right to {tolerance:g} pixels; at most {MAX_DENSE_PIXELS:,} can have it: "
            "choose a smaller grid, or correct the distortion in the header."
        )
    nodes = _evaluate(transform, window, 1)
    nodes[:, ~np.isfinite(nodes).all(axis=0)] = OUTSIDE
    return PixelMap(1, nodes, *window, 0.0)


def node_count(length: int, step: int) -> int:
    """Return the nodes along a side of `length` pixels: cells, their ends, and one on each side."""
    return (length - 1) // step + 4


def interpolate(nodes: Floats, step: int, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Interpolate a map by cubic Lagrange polynomials in 4 x 4 nodes, as the app does.

    Parameters
    ----------
    nodes : ndarray
        See `PixelMap`.
    step : int
        Pixels between nodes.
    x, y : ndarray
        Pixel coordinates in the window, (n,).
    """
    column, row = np.floor(x / step).astype(int), np.floor(y / step).astype(int)
    along, across = _weights(x / step - column), _weights(y / step - row)
    found = np.zeros((2, x.size))
    for i in range(4):
        for j in range(4):
            found += across[i] * along[j] * nodes[:, row + i, column + j]
    return found[0], found[1]


def measure(
    transform: Transform,
    nodes: Floats,
    step: int,
    window: tuple[int, int],
    frame: tuple[int, int],
) -> float:
    """Return the largest error of a map off its nodes, pixels.

    Only places count that are in the frame or within `PAD` of it, by the exact transform or by the
    map: elsewhere nothing is interpolated. A place that is nowhere, but in the frame by the map, is
    an infinite error.
    """
    x, y = _between(window, step)
    true_x, true_y = transform(x, y)
    mapped_x, mapped_y = interpolate(nodes, step, x, y)
    exact = np.isfinite(true_x) & np.isfinite(true_y)
    near = _near(mapped_x, mapped_y, frame)
    if (near & ~exact).any():
        return math.inf
    counts = near | (exact & _near(true_x, true_y, frame))
    if not counts.any():
        return 0.0
    off = np.maximum(np.abs(mapped_x - true_x), np.abs(mapped_y - true_y))
    return float(off[counts].max())


def _weights(t: Floats) -> Floats:
    """Return Lagrange's weights of the nodes at -1, 0, 1 and 2, (4, n)."""
    return np.stack(
        [
            -t * (t - 1) * (t - 2) / 6,
            (t + 1) * (t - 1) * (t - 2) / 2,
            -(t + 1) * t * (t - 2) / 2,
            (t + 1) * t * (t - 1) / 6,
        ]
    )


def _evaluate(transform: Transform, window: tuple[int, int], step: int) -> Floats:
    columns, rows = (node_count(length, step) for length in window)
    nodes = np.empty((2, rows, columns))
    x = (np.arange(columns) - 1.0) * step
    block = max(1, _BLOCK // columns)
    for start in range(0, rows, block):
        y = (np.arange(start, min(start + block, rows)) - 1.0) * step
        grid_x, grid_y = np.meshgrid(x, y)
        nodes[0, start : start + block], nodes[1, start : start + block] = transform(grid_x, grid_y)
    return nodes


def _between(window: tuple[int, int], step: int) -> tuple[Floats, Floats]:
    """Return places off the nodes, over all cells or, where there are too many, over some."""
    columns, rows = ((length - 1) // step + 1 for length in window)
    stride = max(1, math.ceil(math.sqrt(columns * rows * len(_OFFSETS) / _MOST_TESTED)))
    column, row = np.meshgrid(np.arange(0, columns, stride), np.arange(0, rows, stride))
    x = np.concatenate([(column.ravel() + offset) * step for offset, _ in _OFFSETS])
    y = np.concatenate([(row.ravel() + offset) * step for _, offset in _OFFSETS])
    return x, y


def _near(x: Floats, y: Floats, frame: tuple[int, int]) -> NDArray[np.bool_]:
    nx, ny = frame
    return np.asarray((x > -PAD) & (x < nx - 1 + PAD) & (y > -PAD) & (y < ny - 1 + PAD))


def _fill(nodes: Floats) -> Floats:
    """Continue a map smoothly to nodes that are nowhere; right or not, that is measured later."""
    for plane in nodes:
        for _ in range(sum(plane.shape)):
            unknown = ~np.isfinite(plane)
            if not unknown.any():
                break
            before = int(unknown.sum())
            for axis in (0, 1):
                for way in (1, -1):
                    _continue_along(plane, axis, way)
            if int((~np.isfinite(plane)).sum()) == before:
                plane[~np.isfinite(plane)] = OUTSIDE
    return nodes


def _continue_along(plane: Floats, axis: int, way: int) -> None:
    if plane.shape[axis] < 3:
        return
    lines = np.moveaxis(plane, axis, 0)[::way]
    guess = 2 * lines[1:-1] - lines[:-2]
    here = ~np.isfinite(lines[2:]) & np.isfinite(guess)
    lines[2:][here] = guess[here]
