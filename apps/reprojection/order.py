"""In which order tiles are computed, so that few rows of the frame are in memory at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apps.reprojection.engine import MARGIN_ROWS
from apps.reprojection.frame import Frame
from boinc_project.reprojection_frame import Tiling

MAX_MAP_BYTES = 2**24
"""Largest map that is kept as a whole; of larger ones, dense maps, only the rows in use are."""


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
    by columns.
    """
    down = -(-tiling.ny // tiling.tile)
    rows = [tuple(range(i * tiling.across, (i + 1) * tiling.across)) for i in range(down)]
    needs = [_needs(frame, tiling, row) for row in rows]
    choices = [[_band(tiling, row, need) for row, need in zip(rows, needs, strict=True)]]
    if frame.map_bytes <= MAX_MAP_BYTES:
        columns = [tuple(range(i, tiling.n_tile, tiling.across)) for i in range(tiling.across)]
        by_tile = dict(pair for row, need in zip(rows, needs, strict=True)
                       for pair in zip(row, need, strict=True))  # fmt: skip
        choices.append([_band(tiling, one, [by_tile[tile] for tile in one]) for one in columns])
    best = min(choices, key=lambda choice: max(band.end - band.first for band in choice))
    return sorted(best, key=lambda band: (band.first, band.tiles))


def band_of(frame: Frame, tiling: Tiling, number: int) -> Band:
    """Return one tile alone."""
    return _band(tiling, (number,), _needs(frame, tiling, (number,)))


def capacity(frame: Frame, order: list[Band]) -> int:
    """Return the frame rows that are in memory at once, and some, so that they move less often."""
    most = max(band.end - band.first for band in order) + frame.pixels.tile_shape[0]
    return min(most + most // 4, frame.height + 2 * MARGIN_ROWS)


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
