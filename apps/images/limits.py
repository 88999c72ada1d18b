"""How large images, maps and outputs may be: one home for planner, app, uploads and merge.

What a planner accepts must be computed, uploaded, checked and merged, so that every other limit
follows from these.
"""

from __future__ import annotations

import math

from boinc_project.fits.files import Limits

MAX_PIXELS = 400_000_000
"""Pixels of a frame, and of a grid: 20,000 a side. A compressed image has a heap of at most 2^31
bytes, because its descriptors are of 32 bits (FITS Standard 4.0, section 10.1.3); float32 pixels
that cannot be compressed take 4.25 bytes each, 1.7e9 in all."""
MAX_SIDE = 65_535
"""Columns or rows of a frame and of a grid: more is a broken header, not a camera."""
MAX_DENSE_PIXELS = 100_000_000
"""Pixels of a window each of which has its place in the map: 16 bytes each."""
MAX_FRAMES = 100
"""Frames of a unit."""
MAX_TILE = 4096
"""Pixels of a tile of an output, each way."""
MOST_BYTES = {"steps": 4.5, "float": 8.5}
"""Bytes of a pixel that cannot be compressed at all, variance included, by the kind of output."""
OVERHEAD = 100_000
"""Bytes of headers of an output."""
_TILE_BYTES = 128
"""Of a tile's digest, count and descriptors."""

OUTPUT_LIMITS = Limits(
    max_bytes=2**32, max_hdu=3 * MAX_FRAMES + 1, max_pixels=MAX_PIXELS, max_tiles=2**20
)
"""Uploads larger than this are not read. The largest frame as float32 takes 3.4e9 bytes at most."""
INPUT_LIMITS = Limits(max_bytes=2**33, max_pixels=MAX_PIXELS, max_tile_pixels=2**24)
"""Frames of units. Pixels, variance, mask and a dense map take 5.4e9 bytes at most, and bias, dark
and flat as much."""


def most_output_bytes(n_pixel: int, kind: str, n_tile: int = 0) -> int:
    """Return the largest output that a unit can have.

    Parameters
    ----------
    n_pixel, n_tile : int
        Pixels of the windows of all its frames, and their tiles.
    kind : str
        ``steps`` or ``float``.
    """
    return math.ceil(MOST_BYTES[kind] * n_pixel) + _TILE_BYTES * n_tile + OVERHEAD


def most_frames(n_pixel: int, kind: str, tile: int) -> int:
    """Return how many frames with windows of so many pixels an output can hold, at least 1.

    Parameters
    ----------
    n_pixel : int
        Pixels of the largest window.
    kind : str
        ``steps`` or ``float``.
    tile : int
        Pixels of a tile, each way; tiles at the edges are counted as whole ones.
    """
    n_tile = 4 * (n_pixel // tile**2 + 1)
    each = most_output_bytes(n_pixel, kind, n_tile)
    return max(1, min(MAX_FRAMES, OUTPUT_LIMITS.max_bytes // each))
