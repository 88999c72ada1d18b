"""Levels of blocks, and the surfaces that make the frames' levels agree."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from apps.images.merge.coadd.sky import (
    BLOCK,
    block_levels,
    block_middles,
    centred,
    match_backgrounds,
)

SIZE = (8 * BLOCK - 20, 8 * BLOCK - 20)


def levels_of(coefficients: NDArray[np.float64], sky: NDArray[np.float64]) -> NDArray[np.float64]:
    middles = (block_middles(n * BLOCK - 20) for n in sky.shape)
    y, x = np.meshgrid(*middles, indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y])
    return sky + np.tensordot(coefficients, terms, 1)


def test_blocks_have_their_middles_on_the_axis_of_pixels() -> None:
    n = 3 * BLOCK - 10
    pixels = centred(n)
    whole = block_middles(n)
    assert whole[0] == pytest.approx(pixels[:BLOCK].mean())
    assert whole[2] == pytest.approx(pixels[2 * BLOCK :].mean())


def test_a_level_is_the_sky_below_stars_and_holes() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(50, 3, (BLOCK, 3 * BLOCK)).astype(np.float32)
    rows[10:24, 5:30] += 500
    rows[30:50, 70:90] = np.nan
    rows[:, 2 * BLOCK + 12 :] = np.nan
    found = block_levels(rows, BLOCK, 5)
    # 256 samples: the median is good to 1.25 * 3 / 16 = 0.23.
    assert np.abs(found[1:3] - 50).max() < 1.0
    # Too little of the last block is filled, and the frame does not reach the others.
    assert np.isnan(found[[0, 3, 4]]).all()


@pytest.mark.parametrize("n_term", [1, 3, 6])
def test_surfaces_are_found_whatever_the_sky(n_term: int) -> None:
    rng = np.random.default_rng(n_term)
    sky = rng.normal(0, 100, (8, 9))
    true = np.zeros((4, 6))
    true[:, :n_term] = rng.normal(0, 10, (4, n_term))
    true[2] = 0
    scale = np.array([1.0, 2.0, 1.0, 0.5])
    levels = [levels_of(one, sky) / s for one, s in zip(true, scale, strict=True)]
    found = match_backgrounds(
        levels, (8 * BLOCK - 20, 9 * BLOCK - 20), scale, np.ones(4), 2, n_term
    )
    np.testing.assert_allclose(found.coefficients, true, atol=1e-6)
    assert (found.n_block == 72).all()


def test_blocks_that_are_off_do_not_move_a_surface() -> None:
    rng = np.random.default_rng(3)
    sky = rng.normal(0, 100, (8, 8))
    levels = [levels_of(np.zeros(6), sky) + rng.normal(0, 0.1, sky.shape) for _ in range(5)]
    levels[1][:2, :4] += 40  # a satellite's glare on an eighth of one frame
    found = match_backgrounds(levels, SIZE, np.ones(5), np.ones(5), 0, 3)
    assert np.abs(found.coefficients).max() < 0.2


def test_a_short_overlap_gives_an_offset_only() -> None:
    sky = np.zeros((8, 8))
    one, other = sky.copy(), sky + 7.0
    one[:, 5:] = np.nan
    other[:, :4] = np.nan
    other[0, 4] += 3.0
    found = match_backgrounds([one, other], SIZE, np.ones(2), np.ones(2), 0, 3)
    assert found.n_block.tolist() == [8, 8]
    assert found.coefficients[1, 0] == pytest.approx(7.0, abs=0.5)
    assert (found.coefficients[1, 1:] == 0).all()
