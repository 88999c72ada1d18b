"""The level at which pixels stop, found from frames whose level is known."""

from __future__ import annotations

import numpy as np
import pytest

from apps.images.plan.sky.plateau import find_plateau
from bench.truth.sky import paint

SIDE, SKY, NOISE, GAIN = 400, 300.0, 15.0, 1.5


def frame(
    seed: int, fwhm: float = 3.0, faintest: float = 3e3, brightest: float = 1e6, count: int = 90
) -> np.ndarray:
    """Return a frame of stars with photon noise, float64 (SIDE, SIDE)."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, SIDE, (2, count))
    light = paint(SIDE, places, np.exp(rng.uniform(*np.log([faintest, brightest]), count)), fwhm)
    return SKY + light + rng.normal(0, 1, light.shape) * np.sqrt(NOISE**2 + light / GAIN)


@pytest.mark.parametrize("fwhm", [1.5, 3.0, 6.0])
@pytest.mark.parametrize("rounded", [False, True])
def test_counts_that_stop_at_a_level_say_it(fwhm: float, *, rounded: bool) -> None:
    for seed in range(4):
        cut = np.minimum(frame(seed, fwhm), 12_000.0)
        counts = (np.round(cut) if rounded else cut).astype(np.float32)
        assert find_plateau(counts) == 12_000.0


def test_a_single_star_is_enough() -> None:
    light = paint(SIDE, np.array([[200.3], [199.8]]), np.array([2e6]), 3.0)
    noise = np.random.default_rng(1).normal(0, NOISE, light.shape)
    counts = np.minimum(SKY + light + noise, 65_535.0).round().astype(np.float32)
    assert find_plateau(counts) == 65_535.0


def test_defects_above_the_level_do_not_hide_it() -> None:
    """Blocks of 65535, as of bad columns, and cosmic rays beyond the level of the stars."""
    counts = np.minimum(frame(3), 20_000.0).round()
    counts[50:60, 80:84] = 65_535.0
    counts[[100, 200, 300], [300, 210, 50]] = 30_000.0, 33_000.0, 41_000.0
    assert find_plateau(counts.astype(np.float32)) == 20_000.0


@pytest.mark.parametrize("fwhm", [2.4, 3.0, 4.5])
def test_tops_that_a_flat_has_made_unlike_are_below_its_level(fwhm: float) -> None:
    for seed in range(4):
        rng = np.random.default_rng((seed, 1))
        flat = 1 + 0.1 * np.linspace(-1, 1, SIDE) ** 2 + rng.normal(0, 0.01, (SIDE, SIDE))
        raw = frame(seed, fwhm)
        level = find_plateau((np.minimum(raw, 8000.0) / flat).astype(np.float32))
        assert level is not None
        assert 0.8 * 8000 < level < 8000


@pytest.mark.parametrize("fwhm", [1.3, 2.0, 3.0, 5.0, 9.0])
def test_whole_stars_have_none(fwhm: float) -> None:
    for seed in range(10):
        counts = frame(seed, fwhm)
        assert find_plateau(counts.astype(np.float32)) is None
        assert find_plateau(counts.round().astype(np.float32)) is None


def test_stars_of_few_bits_have_none() -> None:
    """Eight bits, stars 9 pixels wide: equal pixels at the top of every star."""
    for seed in range(5):
        counts = np.round(frame(seed, 9.0) / 64).clip(0, 230)
        counts[counts >= counts.max()] = counts.max() - 1  # the highest are equal by chance
        level = find_plateau(counts.astype(np.float32))
        assert level is None or level >= counts.max()


@pytest.mark.parametrize("width", [4.0, 5.0, 8.0, 20.0, 60.0])
@pytest.mark.parametrize("count", [1, 6])
def test_galaxies_have_none(width: float, count: int) -> None:
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    for seed in range(4):
        rng = np.random.default_rng((seed, 2))
        counts = frame(seed, brightest=2e5)
        for _ in range(count):
            away = np.hypot(x - rng.uniform(50, 350), y - rng.uniform(50, 350))
            light = 40_000 * np.exp(-((away / width) ** 2))
            counts += light + rng.normal(0, 1, light.shape) * np.sqrt(light / GAIN)
        assert find_plateau(counts.astype(np.float32)) is None
        assert find_plateau(counts.round().astype(np.float32)) is None


@pytest.mark.parametrize("value", [np.nan, 0.0, 65_535.0])
def test_frames_of_nothing_have_none(value: float) -> None:
    assert find_plateau(np.full((64, 64), value, np.float32)) is None
    assert find_plateau(np.full((8, 8), value, np.float32)) is None
