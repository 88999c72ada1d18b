"""The level of the sky in a stack: what the light of stars is counted from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd.sky import BLOCK, Surfaces, block_terms

_ROUNDS = 20
_LEAST_BLOCKS = 12
"""Blocks without which the sky is a level: four for each term of a plane."""

Doubles = NDArray[np.float64]


def stack_levels(
    levels: Sequence[Doubles], size: tuple[int, int], scale: Doubles, surfaces: Surfaces
) -> Doubles:
    """Return the level of the sky of each block of a stack, float64 (n_block_y, n_block_x).

    A plane through the medians of the frames' levels, matched as their pixels are. What is above
    it, halos and galaxies, is light.

    Parameters
    ----------
    levels : sequence of ndarray
        Of each frame, in its own units; NaN where it has none.
    size : tuple[int, int]
        Rows and columns of the grid, pixels.
    scale : ndarray
        float64 (n_frame): flux of the reference over flux of the frame.
    surfaces : Surfaces
        Backgrounds relative to the reference.
    """
    shape = levels[0].shape
    terms = block_terms(size)
    matched = np.stack([level.ravel() for level in levels]) * scale[:, np.newaxis]
    matched -= surfaces.coefficients @ terms
    there = np.isfinite(matched)
    some = there.any(axis=0)
    if not some.any():
        return np.zeros(shape)
    medians = np.nanmedian(matched[:, some], axis=0)
    return _plane_below(medians, terms[:3, some]).dot(terms[:3]).reshape(shape)


def _plane_below(levels: Doubles, terms: Doubles) -> Doubles:
    """Return coefficients of a plane through levels, those far above it left out, float64 (3)."""
    kept = np.ones(len(levels), bool)
    plane: Doubles = np.zeros(3)
    for _ in range(_ROUNDS):
        if kept.sum() < _LEAST_BLOCKS:
            plane = np.array([float(np.median(levels[kept])), 0.0, 0.0])
        else:
            solved = np.linalg.lstsq(terms[:, kept].T, levels[kept], rcond=1e-10)[0]
            plane = np.asarray(solved, np.float64)
        rest = levels - plane @ terms
        below = rest[rest <= np.median(rest[kept])]
        spread = float(np.sqrt(np.mean((below - np.median(rest[kept])) ** 2)))
        new = rest <= np.median(rest[kept]) + 2.0 * spread
        if (new == kept).all():
            break
        kept = new
    return plane


def sky_rows(blocks: Doubles, size: tuple[int, int], start: int, stop: int) -> Doubles:
    """Return the level of the sky in rows of the grid, float64 (stop - start, nx).

    Linear between the middles of blocks.
    """
    ny, nx = size
    low, part = _between(np.arange(start, stop), ny, blocks.shape[0])
    high = np.minimum(low + 1, blocks.shape[0] - 1)
    rows = blocks[low] * (1 - part)[:, np.newaxis] + blocks[high] * part[:, np.newaxis]
    low, part = _between(np.arange(nx), nx, blocks.shape[1])
    high = np.minimum(low + 1, blocks.shape[1] - 1)
    return np.asarray(rows[:, low] * (1 - part) + rows[:, high] * part)


def _between(places: NDArray[np.int64], n: int, n_block: int) -> tuple[NDArray[np.int64], Doubles]:
    """Return the block whose middle is before each place, and how far behind it that is."""
    first = np.arange(n_block) * BLOCK
    middles = (first + np.minimum(first + BLOCK, n) - 1) / 2.0
    at = np.interp(places, middles, np.arange(n_block))
    low = np.floor(at).astype(np.int64)
    return low, at - low
