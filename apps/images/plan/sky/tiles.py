"""Numbers of tiles of 64 x 64 pixels, brought to each pixel; and the level of the sky by them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.noise import LEAST_PIXELS, TILE
from apps.images.plan.sky.rows import Rows

SAMPLES = 4
"""Every so many pixels each way are looked at for the level of a tile: 256 tell a median to 0.08
standard deviations."""

Image = NDArray[np.float32]
Doubles = NDArray[np.float64]


class Levels:
    """The level of a frame at each pixel: medians of tiles, linear in between.

    Parameters
    ----------
    values : ndarray or Rows
        float32 (ny, nx); NaN where masked. Some pixel must be known.
    """

    def __init__(self, values: Image | Rows) -> None:
        self.shape = values.shape
        self._low, self._weight = _neighbours(self.shape[0])
        low, weight = _neighbours(self.shape[1])
        self._across = _between(_medians(values).T, low, weight).T

    def rows(self, start: int, stop: int) -> Image:
        """Return the level in rows, float32 (n, nx)."""
        level = _between(self._across, self._low[start:stop], self._weight[start:stop])
        return level.astype(np.float32)

    def all(self) -> Image:
        """Return the level in all pixels."""
        return np.asarray(Rows(self.shape, np.float32, self.rows))


def _medians(values: Image | Rows) -> Doubles:
    """Return the median of each tile, float64 (n_tile_y, n_tile_x)."""
    ny, nx = values.shape
    medians = np.full((-(-ny // TILE), -(-nx // TILE)), np.nan)
    for row, column in np.ndindex(*medians.shape):
        part = values[
            row * TILE : (row + 1) * TILE : SAMPLES, column * TILE : (column + 1) * TILE : SAMPLES
        ]
        part = part[np.isfinite(part)]
        if len(part) >= LEAST_PIXELS // SAMPLES:
            medians[row, column] = np.median(part)
    if not np.isfinite(medians).any():
        whole = np.asarray(values)
        medians[:] = np.median(whole[np.isfinite(whole)])
    return filled(medians)


def _neighbours(n: int) -> tuple[NDArray[np.int64], Doubles]:
    """Return for n places the tile whose middle is before each, and the weight of the next one."""
    n_tile = -(-n // TILE)
    middles = np.arange(n_tile) * TILE + (TILE - 1) / 2.0
    at = np.interp(np.arange(n), middles, np.arange(n_tile))
    low = np.minimum(np.floor(at).astype(np.int64), max(n_tile - 2, 0))
    return low, at - low


def _between(tiles: Doubles, low: NDArray[np.int64], weight: Doubles) -> Doubles:
    """Return rows between two rows of tiles."""
    high = np.minimum(low + 1, len(tiles) - 1)
    after = weight[:, np.newaxis]
    return np.asarray(tiles[low] * (1.0 - after) + tiles[high] * after)


def filled(tiles: Doubles) -> Doubles:
    """Give tiles that are not known the mean of their neighbours, from the known ones outwards."""
    tiles = tiles.copy()
    while np.isnan(tiles).any() and np.isfinite(tiles).any():
        wide = np.pad(tiles, 1, constant_values=np.nan)
        around = np.lib.stride_tricks.sliding_window_view(wide, (3, 3)).reshape(*tiles.shape, 9)
        known = np.isfinite(around)
        count = known.sum(axis=2)
        total = np.where(known, around, 0.0).sum(axis=2)
        reached = np.isnan(tiles) & (count > 0)
        tiles[reached] = total[reached] / count[reached]
    return tiles


def expanded(tiles: Doubles, shape: tuple[int, ...]) -> Image:
    """Return each pixel's tile's value, float32 of `shape`."""
    rows, columns = (np.arange(n) // TILE for n in shape)
    return tiles.astype(np.float32)[rows[:, np.newaxis], columns]
