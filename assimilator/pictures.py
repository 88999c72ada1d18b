"""Pictures of an image product: the stack with a stretch that eyes like, and its coverage."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from assimilator import plots

LARGEST = 1000
"""Pixels along the longer side of a picture."""
BLACK = 2.0
"""Standard deviations below the sky at which black begins: the noise is just to be seen."""
SOFT = 4.0
"""Standard deviations over which the stretch is linear; above it is logarithmic."""
WHITE = 99.8
"""Percentile that is white: the cores of the brightest stars only."""
NOTHING = (38, 44, 58)
"""Colour where there is nothing: unlike any grey of the sky."""

Floats = NDArray[np.float64]


def shrink(pieces: Iterable[NDArray[Any]], nx: int, ny: int) -> Floats:
    """Return the means of squares of pixels, so many that `LARGEST` is not exceeded; NaN: nothing.

    Parameters
    ----------
    pieces : iterable of ndarray
        Rows of the plane in order, each piece (n, nx).
    nx, ny : int
        Its size.
    """
    side = max(1, -(-max(nx, ny) // LARGEST))
    shape = (-(-ny // side), -(-nx // side))
    total, count = np.zeros(shape), np.zeros(shape)
    columns = np.arange(0, nx, side)
    row = 0
    for piece in pieces:
        there = np.isfinite(piece)
        values = np.where(there, piece, 0.0)
        place = np.arange(row, row + len(piece)) // side
        np.add.at(total, place, np.add.reduceat(values, columns, axis=1, dtype=np.float64))
        np.add.at(count, place, np.add.reduceat(there, columns, axis=1, dtype=np.float64))
        row += len(piece)
    return np.divide(total, count, out=np.full(shape, np.nan), where=count > 0)


def stretch(image: Floats) -> NDArray[np.uint8]:
    """Return RGB, uint8 (ny, nx, 3): sky and noise dark, faint things visible, stars not burnt out.

    The inverse hyperbolic sine of Lupton et al. (2004), PASP 116, 133, its softening taken from
    the image's own noise.
    """
    there = np.isfinite(image)
    rgb = np.empty((*image.shape, 3), np.uint8)
    rgb[:] = NOTHING
    if not there.any():
        return rgb
    values = image[there]
    sky = float(np.median(values))
    noise = 1.4826 * float(np.median(np.abs(values - sky))) or float(np.ptp(values)) or 1.0
    black = sky - BLACK * noise
    white = max(float(np.percentile(values, WHITE)), sky + 2 * SOFT * noise)
    soft = SOFT * noise
    part = np.arcsinh((values - black) / soft) / np.arcsinh((white - black) / soft)
    rgb[there] = np.round(255 * np.clip(part, 0.0, 1.0)).astype(np.uint8)[:, np.newaxis]
    return rgb


def png(rgb: NDArray[np.uint8]) -> bytes:
    """Return a picture as PNG, the first row at the bottom, as FITS images are shown."""
    height, width, _ = rgb.shape
    lines = np.zeros((height, 1 + 3 * width), np.uint8)  # each begins with filter 0: none
    lines[:, 1:] = rgb[::-1].reshape(height, -1)
    head = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", head),
            (b"IDAT", zlib.compress(lines.tobytes(), 6)),
            (b"IEND", b""),
        )
    )


def preview(image: Floats) -> bytes:
    """Return a shrunk stack as PNG."""
    return png(stretch(image))


def coverage_plot(count: Floats, title: str, size: tuple[int, int]) -> bytes:
    """Return a plot of how many frames each pixel is made of, as PNG.

    Parameters
    ----------
    count : ndarray
        Shrunk counts.
    title : str
        The campaign's.
    size : tuple[int, int]
        Columns and rows of the grid, pixels.
    """
    with mpl.rc_context({**plots.STYLE, "axes.spines.top": True, "axes.spines.right": True}):
        figure = Figure(figsize=(7.2, 6.4), layout="constrained")
        axes = figure.subplots()
        shown = axes.imshow(
            count, origin="lower", cmap="viridis", vmin=0, interpolation="nearest",
            extent=(-0.5, size[0] - 0.5, -0.5, size[1] - 0.5),
        )  # fmt: skip
        axes.set_title(title)
        axes.set_xlabel("column of the grid, pixels")
        axes.set_ylabel("row of the grid, pixels")
        figure.colorbar(shown, ax=axes, label="frames in the mean", shrink=0.85)
        return plots.png(figure)
