"""In which order tiles are computed, so that few rows of the frame are in memory at once.

Tiles of a grid that is much coarser than the frame need many of its rows: they are computed in
pieces, which have a tiling of their own, and put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from apps.images.compute.engine import MARGIN_ROWS
from apps.images.compute.frame import Frame
from apps.images.output_frame import Tiling

MAX_MAP_BYTES = 2**24
"""Largest map that is kept as a whole; of larger ones, dense maps, only the rows in use are."""
MOST_ROWS = 1024
"""Frame rows that a tile may need before it is cut: a tile of 256 pixels at twice the frame's scale
and turned by 45 degrees needs 730."""
LEAST_PIECE = 8
MOST_BYTES = 256 * 2**20
"""Bytes of rows in memory, from where on tiles are computed in stripes: those of a frame of 4096
columns never take as much, those of one of 20,000 columns if it is turned by more than 4 degrees. A
stripe reads rows again that others have read, which costs seconds."""
_BYTES = 6
"""Of a pixel in memory: its value and two flags; and 4 for a variance of its own."""


@dataclass(frozen=True, slots=True)
class Band:
    """Tiles that are computed together, and the frame rows that they need, up to `end`.

    `first_row` and `last_row` are the rows of the window that the tiles cover.
    """

    tiles: tuple[int, ...]
    first: int
    end: int
    first_row: int
    last_row: int


def bands(frame: Frame, tiling: Tiling) -> list[Band]:
    """Return all tiles, as rows or as columns of tiles, by the first frame row that they need.

    Of the two, the one that needs fewer rows at once: a frame that is turned by 90 degrees is done
    by columns. If that is too much for the memory, one stripe of tiles after the other.
    """
    down = -(-tiling.ny // tiling.tile)
    rows = [tuple(range(i * tiling.across, (i + 1) * tiling.across)) for i in range(down)]
    needs = [_needs(frame, tiling, row) for row in rows]
    by_tile = dict(pair for row, need in zip(rows, needs, strict=True)
                   for pair in zip(row, need, strict=True))  # fmt: skip

    def banded(groups: Iterable[tuple[int, ...]]) -> list[Band]:
        made = [_band(tiling, tiles, [by_tile[tile] for tile in tiles]) for tiles in groups]
        return sorted(made, key=lambda band: (band.first, band.tiles))

    choices = [banded(rows)]
    if frame.map_bytes <= MAX_MAP_BYTES:
        columns = (tuple(range(i, tiling.n_tile, tiling.across)) for i in range(tiling.across))
        choices.append(banded(columns))
    best = min(choices, key=_most_rows)
    width = tiling.across
    while row_bytes(frame, _most_rows(best)) > MOST_BYTES and width > 1:
        width = -(-width // 2)
        starts = range(0, tiling.across, width)
        best = [band for i in starts for band in banded(row[i : i + width] for row in rows)]
    return best


def cut(frame: Frame, tiling: Tiling, number: int | None = None) -> Tiling:
    """Return a tiling of pieces, each in one tile, that need few rows of the frame each.

    Parameters
    ----------
    frame : Frame
        The frame.
    tiling : Tiling
        Of its window.
    number : int, optional
        The only tile that is looked at; pieces of others may need more rows then.
    """
    across = tiling.across
    starts = range(0, tiling.n_tile, across)
    rows = (
        [tuple(range(first, first + across)) for first in starts] if number is None else [(number,)]
    )
    needs = [need for row in rows for need in _needs(frame, tiling, row)]
    piece, most = tiling.tile, max(end - first for first, end in needs)
    while most > MOST_ROWS and piece % (2 * LEAST_PIECE) == 0:
        piece, most = piece // 2, most // 2
    return Tiling(tiling.nx, tiling.ny, piece)


def row_bytes(frame: Frame, n_row: int) -> int:
    """Return the bytes that so many rows of a frame take in memory."""
    return n_row * frame.width * (_BYTES + 4 * frame.has_variance_plane)


def band_of(frame: Frame, tiling: Tiling, number: int) -> Band:
    """Return one tile alone."""
    return _band(tiling, (number,), _needs(frame, tiling, (number,)))


def capacity(frame: Frame, order: Sequence[Band]) -> int:
    """Return the frame rows that are in memory at once, and some, so that they move less often."""
    most = _most_rows(order) + frame.pixels.tile_shape[0]
    return min(most + most // 4, frame.height + 2 * MARGIN_ROWS)


def _most_rows(order: Sequence[Band]) -> int:
    return max(band.end - band.first for band in order)


def _band(tiling: Tiling, tiles: tuple[int, ...], needs: list[tuple[int, int]]) -> Band:
    # The kernel wants a row even where no tile meets the frame.
    wanted = [need for need in needs if need[0] < need[1]] or [(0, 1)]
    boxes = [tiling.box(tiles[0]), tiling.box(tiles[-1])]
    return Band(
        tiles,
        min(first for first, _ in wanted),
        max(end for _, end in wanted),
        boxes[0][1],
        boxes[1][1] + boxes[1][3] - 1,
    )


def _needs(frame: Frame, tiling: Tiling, tiles: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the frame rows that each tile of a row of tiles needs, as far as nodes tell.

    The surface bends little between nodes; what they do not tell is noticed by the kernel.
    """
    _, y, _, height = tiling.box(tiles[0])
    pixel_map, _ = frame.map_rows(y, y + height - 1)
    found = []
    for tile in tiles:
        x, _, width, _ = tiling.box(tile)
        columns = slice(x // frame.map_step, (x + width - 1) // frame.map_step + 4)
        places = pixel_map.nodes[:, :, columns]
        low, high = places.min(axis=(1, 2)), places.max(axis=(1, 2))
        is_out = high[0] < -1 or low[0] > frame.width or high[1] < -1 or low[1] > frame.height
        if is_out:
            found.append((0, 0))
            continue
        rows = np.clip([low[1], high[1]], -1.0, frame.height)
        first, last = int(np.floor(rows[0])), int(np.floor(rows[1]))
        found.append((first - MARGIN_ROWS, last + MARGIN_ROWS + 1))
    return found
