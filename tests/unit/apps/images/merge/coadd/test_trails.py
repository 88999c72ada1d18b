"""Trails: all lines of an image at once, what is found, and how rarely of nothing."""

from __future__ import annotations

import numpy as np
import pytest

from apps.images.merge.coadd.bins import BIN, BinFile, Bins
from apps.images.merge.coadd.blanks import Trail
from apps.images.merge.coadd.measure import Grid
from apps.images.merge.coadd.radon import line_of, line_sums
from apps.images.merge.coadd.sky import Surfaces
from apps.images.merge.coadd.trails import find_trails

LINES = [(0, 10, 127, 90), (0, 100, 127, 30), (20, 0, 70, 127), (120, 0, 60, 127)]


@pytest.mark.parametrize("ends", LINES)
def test_the_sum_along_a_line_is_the_largest(ends: tuple[int, int, int, int]) -> None:
    image = np.zeros((1, 128, 128), np.float32)
    for part in np.linspace(0, 1, 1000):
        y, x = (ends[i] + part * (ends[i + 2] - ends[i]) for i in (0, 1))
        image[0, round(y), round(x)] = 1
    sums = line_sums(image)
    quadrant = max(range(4), key=lambda one: sums[one].max())
    place, shift = np.unravel_index(np.argmax(sums[quadrant][0]), sums[quadrant][0].shape)
    assert sums[quadrant].max() >= 110  # of 128: the transform's lines are broken ones
    line = line_of(quadrant, int(place), int(shift), 128)
    assert np.abs(np.array([line.y0, line.x0, line.y1, line.x1]) - ends).max() <= 2


def test_lines_hold_all_that_is_there() -> None:
    image = np.random.default_rng(1).uniform(0, 1, (2, 16, 16)).astype(np.float32)
    for sums in line_sums(image):
        # Lines of one shift are parallel and leave nothing out.
        np.testing.assert_allclose(sums.sum(axis=1), image.sum((1, 2))[:, None] + 0 * sums[:, 0],
                                   rtol=1e-5)  # fmt: skip


def noise(seed: int, size: int = 128) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (size, size)).astype(np.float32)


def with_trail(bins: np.ndarray, trail: Trail, height: float) -> np.ndarray:
    """Return bins with a trail of one bin's width, `height` standard deviations of a bin."""
    mask = np.zeros(bins.shape, dtype=bool)
    trail.draw(0, mask)
    return bins + np.where(mask, np.float32(height), np.float32(0))


def test_of_noise_there_are_no_trails() -> None:
    """At 7 standard deviations of 10^5 lines: none in 40 frames, nor with stars' residuals."""
    for seed in range(40):
        bins = noise(seed)
        rng = np.random.default_rng(1000 + seed)
        stars = rng.integers(0, 128, (60, 2))
        bins[stars[:, 0], stars[:, 1]] += rng.normal(0, 60, 60).astype(np.float32)
        assert find_trails(bins) == ()


@pytest.mark.parametrize("angle", [0.05, 0.6, 1.2, 1.56, 2.2, 3.0])
def test_a_faint_trail_is_found_where_it_is(angle: float) -> None:
    """1.5 standard deviations of a bin: a fifth of the noise of a pixel."""
    true = Trail(64.0, 64.0, angle, 0.6, -np.inf, np.inf)
    (found,) = find_trails(with_trail(noise(3), true, 1.5))
    wanted, drawn = (np.zeros((128 * BIN, 128 * BIN), dtype=bool) for _ in range(2))
    Trail(64.5 * BIN - 0.5, 64.5 * BIN - 0.5, angle, 2.0, -np.inf, np.inf).draw(0, wanted)
    found.draw(0, drawn)
    assert (wanted & drawn).sum() > 0.97 * wanted.sum()
    assert drawn.sum() < 40 * 1.5 * 128 * BIN


def test_crossing_trails_are_both_found() -> None:
    bins = noise(4)
    for angle in (0.4, 1.9):
        bins = with_trail(bins, Trail(60.0, 70.0, angle, 0.6, -np.inf, np.inf), 3.0)
    found = find_trails(bins)
    assert sorted(round(one.angle % np.pi, 1) for one in found) == [0.4, 1.9]


def test_a_trail_that_ends_is_left_out_as_far_as_it_goes() -> None:
    true = Trail(64.0, 64.0, 0.5, 0.6, -70.0, 0.0)
    (found,) = find_trails(with_trail(noise(5), true, 4.0))
    mask = np.zeros((128 * BIN, 128 * BIN), dtype=bool)
    found.draw(0, mask)
    assert mask[:, : 60 * BIN].any()
    assert not mask[:, 100 * BIN :].any()


def test_darkness_and_slopes_are_no_trails() -> None:
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    dark = with_trail(noise(6), Trail(64.0, 64.0, 0.5, 0.6, -np.inf, np.inf), -3.0)
    assert find_trails(dark) == ()
    assert find_trails((noise(7) + 3 * x * x + 4 * x * y + 2 * y).astype(np.float32)) == ()
    assert find_trails(np.full((20, 20), np.nan, np.float32)) == ()


def test_bins_are_means_of_whole_bins_and_compared_with_the_others(tmp_path) -> None:
    grid = Grid(70, 50)
    rng = np.random.default_rng(1)
    file = BinFile(tmp_path, 3, grid)
    scale = np.array([1.0, 0.5, 2.0])
    for number, factor in enumerate(scale):
        frame = ((100 + rng.normal(0, 0.1, (50, 70))) / factor).astype(np.float32)
        frame[10:20, 8:16] += np.float32(8 / factor if number == 1 else 0)
        bins = Bins(grid)
        for start in range(0, 50, 13):
            bins.add(frame[start : start + 13], start, 0)
        file.planes[number] = bins.means()
    assert np.isnan(file.planes[0, -1]).all()  # 2 of 8 rows
    file.compare(Surfaces(np.zeros((3, 6)), np.zeros(3, np.int64)), scale, np.full(3, 100.0))
    assert file.planes[1, 1, 1] == pytest.approx(8 * 6 / 8 / 0.1 * 8, rel=0.05)
    assert np.nanmax(np.abs(file.planes[0])) < 8
    file.close()
