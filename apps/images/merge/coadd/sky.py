"""Backgrounds: levels of the blocks of a frame, and surfaces that make all frames' levels agree.

Where two frames overlap, the difference of their levels must be the difference of their
backgrounds, since the sky behind is one. All overlaps are solved together (the way mosaics are
matched: Berriman et al. 2008, Montage, "background rectification"): with level y of frame i in
block b,  y_ib = S_b + P_i(b) + noise,  S_b free in each block, P_i a polynomial of low order that
is 0 for the reference. S_b is eliminated, so only the P_i are solved for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 64
"""Pixels along a block: a few hundred samples of sky even in a crowded field."""
STRIDE = 4
"""Every fourth pixel along each axis is looked at: 256 of a block, whose median is good to a
twelfth of the noise of a pixel; neighbours are correlated by interpolation."""
MIN_SHARE = 0.5
"""Share of a block that a frame must fill for the block to have a level: the middle of what it
fills is then not far from the middle of the block."""
MIN_BLOCKS = 12
"""Shared blocks below which a frame is given an offset only: four for each term of a plane."""
ROUNDS, FINAL_ROUNDS = 16, 4
"""Rounds of solving, and of those at the end that leave outliers out. Each of the others weighs
them less: of what an eighth of the blocks, all at one end, had moved a plane by, a third goes in
each round, so a hundredth is left of it after 12."""
OUTLIER = 4.0
"""Standard deviations at which a block is set apart: of 4096 blocks 0.3 by chance."""

MOST_EXACT = 600
"""Unknowns up to which singular values are looked at: 200 frames with planes, a second a round."""

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Surfaces:
    """Backgrounds relative to the reference.

    Attributes
    ----------
    coefficients : ndarray
        float64 (n_frame, 6): of 1, x, y, x**2, x y, y**2, in flux units of the reference; x and y
        run from -1 to 1 over the grid.
    n_block : ndarray
        int64 (n_frame): blocks each was matched on; 0 if it was not.
    """

    coefficients: Doubles
    n_block: NDArray[np.int64]


def centred(n: int) -> Doubles:
    """Return the coordinate of n pixels: -1 at the first, 1 at the last."""
    half = max(n - 1, 1) / 2.0
    return (np.arange(n, dtype=np.float64) - half) / half


def block_levels(rows: Floats, x0: int, n_block_x: int) -> Doubles:
    """Return the background level of each block of one row of blocks.

    Parameters
    ----------
    rows : ndarray
        float32 (at most BLOCK, nx): a frame's rows within the row of blocks.
    x0 : int
        The grid's column of the first of them.
    n_block_x : int
        Blocks in a row of the grid.

    Returns
    -------
    ndarray
        float64 (n_block_x): clipped medians; NaN where the frame fills too little of the block.
    """
    wide = np.full((len(rows), n_block_x * BLOCK), np.nan, np.float32)
    wide[:, x0 : x0 + rows.shape[1]] = rows
    thin = wide[::STRIDE].reshape(-1, n_block_x, BLOCK)[:, :, ::STRIDE]
    samples = np.sort(thin.transpose(1, 0, 2).reshape(n_block_x, -1), axis=1)
    count = np.isfinite(samples).sum(axis=1)
    levels = _clipped_medians(samples, count)
    return np.where(count >= MIN_SHARE * (BLOCK // STRIDE) ** 2, levels, np.nan)


def _clipped_medians(samples: Floats, count: NDArray[np.int64]) -> Doubles:
    """Medians of what is within 3 standard deviations of them, 3 rounds.

    `samples` is sorted along its rows, the first `count` of each being finite. The deviation is
    that of the lower quartile, which stars hardly touch: 0.6745 sigma in a normal distribution.
    """
    row = np.arange(len(samples))
    first, last = np.zeros_like(count), count.copy()
    for _ in range(3):
        centre = _medians(samples, first, last)
        quartile = samples[row, np.minimum(first + (last - first) // 4, samples.shape[1] - 1)]
        spread = 3 * (centre - quartile) / 0.6745
        below = (samples < (centre - spread)[:, np.newaxis]).sum(axis=1)
        within = (samples <= (centre + spread)[:, np.newaxis]).sum(axis=1)
        first, last = np.maximum(first, below), np.minimum(last, within)
    return _medians(samples, first, last)


def _medians(samples: Floats, first: NDArray[np.int64], last: NDArray[np.int64]) -> Doubles:
    row, most = np.arange(len(samples)), samples.shape[1] - 1
    low, high = (
        samples[row, np.clip(place, 0, most)].astype(np.float64)
        for place in ((first + last - 1) // 2, (first + last) // 2)
    )
    return 0.5 * (low + high)


def match_backgrounds(
    levels: Sequence[Doubles],
    size: tuple[int, int],
    scale: Doubles,
    weight: Doubles,
    reference: int,
    n_term: int,
) -> Surfaces:
    """Return the surfaces that make the levels agree.

    Parameters
    ----------
    levels : sequence of ndarray
        float64 (n_block_y, n_block_x) of each frame, in its own units; NaN where it has none.
    size : tuple[int, int]
        Rows and columns of the grid, pixels.
    scale : ndarray
        float64 (n_frame): flux of the reference over flux of the frame.
    weight : ndarray
        float64 (n_frame): inverse variance after scaling.
    reference : int
        Place of the frame that keeps its background.
    n_term : int
        Terms of a surface: 0, 1, 3 or 6.
    """
    n_frame = len(levels)
    coefficients = np.zeros((n_frame, 6))
    if n_term == 0:
        return Surfaces(coefficients, np.zeros(n_frame, np.int64))
    terms = block_terms(size)[:n_term]
    y = np.stack([one.ravel() for one in levels]) * scale[:, np.newaxis]
    there = np.isfinite(y)
    shared = there.sum(axis=0) > 1
    y, there, terms = y[:, shared], there[:, shared], terms[:, shared]
    y[~there] = 0.0
    n_block = there.sum(axis=1)
    reached = _reached(there, reference)
    free = _free_terms(n_block, reference, n_term) & reached[:, np.newaxis]
    trust = there.astype(np.float64)
    for round_ in range(ROUNDS):
        solved = _solve(y, trust * weight[:, np.newaxis], terms, free)
        trust = _trust(y - solved @ terms, there, last=round_ >= ROUNDS - FINAL_ROUNDS)
    coefficients[:, :n_term] = solved
    n_block[~reached] = 0
    return Surfaces(coefficients, n_block)


def block_middles(n: int) -> Doubles:
    """Return the coordinates of the blocks' middles along an axis of n pixels; see `centred`."""
    first = np.arange(0, n, BLOCK)
    last = np.minimum(first + BLOCK, n) - 1
    half = max(n - 1, 1) / 2.0
    return ((first + last) / 2.0 - half) / half


def block_terms(size: tuple[int, int]) -> Doubles:
    """Return 1, x, y, x**2, x y, y**2 at the blocks' middles, float64 (6, n_block)."""
    axes = np.meshgrid(*(block_middles(n) for n in size), indexing="ij")
    y, x = (axis.ravel() for axis in axes)
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y])


def _free_terms(n_block: NDArray[np.int64], reference: int, n_term: int) -> NDArray[np.bool_]:
    """Which terms of which frame are solved for, bool (n_frame, n_term)."""
    free = np.ones((len(n_block), n_term), dtype=bool)
    free[n_block < MIN_BLOCKS, 1:] = False
    free[reference] = False
    return free


def _solve(y: Doubles, weight: Doubles, terms: Doubles, free: NDArray[np.bool_]) -> Doubles:
    """Weighted least squares with the sky of each block eliminated."""
    n_frame, n_term = free.shape
    total = np.maximum(weight.sum(axis=0), np.finfo(np.float64).tiny)
    share = weight / total
    matrix = np.zeros((n_frame, n_term, n_frame, n_term))
    for a in range(n_term):
        for b in range(n_term):
            product = terms[a] * terms[b]
            block = -(weight * product) @ share.T
            block[np.diag_indices(n_frame)] += (weight * product).sum(axis=1)
            matrix[:, a, :, b] = block
    residual = weight * (y - (share * y).sum(axis=0))
    right = residual @ terms.T
    chosen = free.ravel()
    solution = np.zeros(n_frame * n_term)
    square = matrix.reshape(n_frame * n_term, -1)[np.ix_(chosen, chosen)]
    # Of hundreds of frames some term may be left without blocks; of thousands it takes too long.
    if len(square) <= MOST_EXACT:
        solution[chosen] = np.linalg.lstsq(square, right.ravel()[chosen], rcond=1e-10)[0]
    else:
        ridge = 1e-10 * float(np.diag(square).mean()) * np.eye(len(square))
        solution[chosen] = np.linalg.solve(square + ridge, right.ravel()[chosen])
    return solution.reshape(n_frame, n_term)


def _trust(rest: Doubles, there: NDArray[np.bool_], *, last: bool) -> Doubles:
    """How much each block of each frame counts, by how far its rest is from the others' there.

    At first as in Huber's M-estimate with a corner at one standard deviation, which blocks that are
    off at one end of a frame cannot lever away; in the `last` rounds all or nothing.
    """
    off = np.abs(rest - np.nanmedian(np.where(there, rest, np.nan), axis=0))
    trust = there.astype(np.float64)
    for number, one in enumerate(off):
        mine = one[there[number]]
        if len(mine) < MIN_BLOCKS:
            continue
        # The second term is for frames that agree exactly.
        spread = 1.4826 * float(np.median(mine)) + 1e-12 * float(np.abs(rest).max())
        far = mine / max(spread, np.finfo(np.float64).tiny)
        trust[number, there[number]] = far <= OUTLIER if last else 1 / np.maximum(far, 1.0)
    return trust


def _reached(there: NDArray[np.bool_], reference: int) -> NDArray[np.bool_]:
    """Which frames share blocks with the reference, or with one that does, and so on."""
    reached = np.zeros(len(there), dtype=bool)
    reached[reference] = True
    while True:
        blocks = there[reached].any(axis=0)
        more = reached | (there & blocks).any(axis=1)
        if (more == reached).all():
            return reached
        reached = more
