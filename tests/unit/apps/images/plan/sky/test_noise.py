"""Noise of rounded and of quiet frames, with stars, gradients and parts of unlike noise."""

from __future__ import annotations

import numpy as np
import pytest

from apps.images.plan.sky.noise import (
    PLAIN,
    find_step,
    levels,
    sky_noise,
    tile_variances,
)
from tests.unit.apps.images.plan.sky.test_quality import field


def rounded(sigma: float, step: float, phase: float, *, seed: int = 1) -> np.ndarray:
    """Return a sky of so many steps of noise, at a level so far from one of its steps."""
    values = np.random.default_rng(seed).normal(100 + phase, sigma, (384, 384))
    return (np.round(values) * step).astype(np.float32)


@pytest.mark.parametrize("step", [1.0, 16.0, 0.25, 1 / 3])
@pytest.mark.parametrize("sigma", [0.3, 0.5, 0.74, 1.0, 1.9, 2.1, 2.35, 8.0])
@pytest.mark.parametrize("phase", [0.0, 0.25, 0.5])
def test_noise_of_rounded_values_is_their_deviation(
    step: float, sigma: float, phase: float
) -> None:
    """147,456 pixels tell a deviation to 0.2 %: the limit of 2 % is ten times that."""
    image = rounded(sigma, step, phase)
    assert sky_noise(image) == pytest.approx(image.astype(float).std(), rel=0.02)
    assert find_step(image) == pytest.approx(step, rel=1e-4)


@pytest.mark.parametrize("sigma", [0.3, 0.6, 2.0])
def test_a_gradient_under_rounded_values_is_not_noise(sigma: float) -> None:
    """Over a gradient every phase occurs, and rounding adds a twelfth of a step squared."""
    rng = np.random.default_rng(2)
    image = np.round(rng.normal(100, sigma, (384, 384)) + 0.02 * np.arange(384))
    expected = (sigma**2 + 1 / 12) ** 0.5
    assert sky_noise(image.astype(np.float32)) == pytest.approx(expected, rel=0.02)


def test_a_sky_on_one_level_has_the_noise_of_rounding() -> None:
    image = rounded(0.02, 1.0, 0.0)
    image[10:20, 10:20] = 101.0
    assert sky_noise(image) == pytest.approx(12**-0.5)


def test_stars_of_rounded_frames_do_not_count() -> None:
    """Of 400 x 400 pixels 60 stars light up 3 %."""
    image = field(3.0, n_star=60).astype(np.float32)
    assert sky_noise(image) == pytest.approx(4.0, rel=0.01)
    assert sky_noise(np.round(image)) == pytest.approx((16 + 1 / 12) ** 0.5, rel=0.01)
    coarse = np.round(image / 16) * 16
    # Bins of four sigma: the level of the sky is 200 = 12.5 bins, so that half are 192, half 208.
    assert sky_noise(coarse) == pytest.approx(8.0, rel=0.02)


def test_a_saturated_pixel_off_the_lattice_does_not_hide_the_step() -> None:
    image = rounded(1.0, 16.0, 0.0)
    image[5, 5] = 65535.0
    assert find_step(image) == 16.0


@pytest.mark.parametrize("offset", [0.0, 1000.0, -32768.0])
def test_floats_have_no_step(offset: float) -> None:
    values = np.random.default_rng(5).normal(offset, 3.0, (300, 300)).astype(np.float32)
    assert find_step(values) == 0.0
    assert sky_noise(values) == pytest.approx(3.0, rel=0.01)


def test_hot_and_cold_pixels_hardly_count() -> None:
    rng = np.random.default_rng(6)
    image = rng.normal(50.0, 2.0, (256, 256)).astype(np.float32)
    places = rng.integers(0, 256, (2, 600))  # 1 % of the pixels
    image[places[0], places[1]] += rng.choice([-40.0, 40.0], 600).astype(np.float32)
    assert sky_noise(image) == pytest.approx(2.0, rel=0.02)


def test_parts_of_a_frame_have_their_own_noise() -> None:
    rng = np.random.default_rng(7)
    image = rng.normal(0.0, 1.0, (256, 320)).astype(np.float32)
    image[:, 128:] *= 4
    variances = tile_variances(image)
    assert variances.shape == (4, 5)
    # Of a tile of 4096 pixels to 2.4 %: five times that.
    assert variances[:, :2] == pytest.approx(np.full((4, 2), 1.0), rel=0.12)
    assert variances[:, 2:] == pytest.approx(np.full((4, 3), 16.0), rel=0.12)


def test_all_levels_give_the_same_bits() -> None:
    rng = np.random.default_rng(20261130)
    for number in range(12):
        ny, nx = rng.integers(30, 300, 2)
        image = rng.normal(100, rng.uniform(0.3, 20), (ny, nx)) + 0.05 * np.arange(nx)
        image[rng.random((ny, nx)) < 2e-3] += 10 ** rng.uniform(0, 4)
        if number % 3 == 0:
            image = np.rint(image)
        image = image.astype(np.float32)
        if number % 4 == 0:
            image[rng.random((ny, nx)) < rng.uniform(0, 0.97)] = np.nan
        if number % 5 == 0:
            image[:, : nx // 2] = np.inf
        step = find_step(image)
        expected = tile_variances(image, step, PLAIN)
        for level in levels():
            assert tile_variances(image, step, level).tobytes() == expected.tobytes(), level
