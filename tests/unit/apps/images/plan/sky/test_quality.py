"""Noise of the sky and width of stars, on images whose noise and stars are known."""

from __future__ import annotations

import numpy as np
import pytest

from apps.images.plan.sky.frame import find_images
from apps.images.plan.sky.noise import sky_noise
from apps.images.plan.sky.pixels import physical, read_raw
from apps.images.plan.sky.quality import FWHM_OF_SIGMA, seeing
from tests.real_images import real_image


def field(fwhm: float, *, n_star: int = 40, nx: int = 400, gradient: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:nx, 0:nx]
    image = rng.normal(200.0, 4.0, (nx, nx)) + gradient * x
    sigma = fwhm / FWHM_OF_SIGMA
    for at_x, at_y, peak in rng.uniform((20, 20, 300), (nx - 20, nx - 20, 3000), (n_star, 3)):
        image += peak * np.exp(-0.5 * ((x - at_x) ** 2 + (y - at_y) ** 2) / sigma**2)
    return image.astype(np.float32)


def test_noise_is_that_of_the_sky_and_not_of_stars_or_gradients() -> None:
    assert sky_noise(field(3.0)) == pytest.approx(4.0, rel=0.03)
    assert sky_noise(field(3.0, gradient=0.05)) == pytest.approx(4.0, rel=0.05)


def test_masked_pixels_say_nothing_of_the_noise() -> None:
    image = field(3.0)
    image[:, :300] = np.nan
    assert sky_noise(image) == pytest.approx(4.0, rel=0.06)
    image[:] = np.nan
    assert sky_noise(image) is None
    assert sky_noise(np.full((100, 100), 3.0, np.float32)) is None


@pytest.mark.parametrize("fwhm", [2.0, 3.0, 4.5])
def test_seeing_is_the_width_of_the_stars(fwhm: float) -> None:
    assert seeing(field(fwhm), 4.0) == pytest.approx(fwhm, rel=0.08)


def test_hot_pixels_saturated_stars_and_empty_fields_are_not_stars() -> None:
    empty = np.random.default_rng(3).normal(0, 1, (300, 300)).astype(np.float32)
    assert seeing(empty, 1.0) is None
    hot = empty.copy()
    hot[20:280:20, 20:280:20] = 500.0
    assert seeing(hot, 1.0) is None
    assert seeing(field(3.0), 4.0, saturation=300.0) is None


def test_a_real_frame() -> None:
    (image,) = find_images(real_image("goto_virgo_1.fits"))
    values = physical(read_raw(image), image.scaling)
    noise = sky_noise(values)
    assert noise is not None
    width = seeing(values, noise)
    assert width is not None
    assert 1.5 < width < 5.0
