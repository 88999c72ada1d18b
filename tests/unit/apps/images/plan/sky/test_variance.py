"""The variance of the sky in each pixel: from maps, flats, and the frame itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from apps.images.plan.sky.tiles import Levels
from apps.images.plan.sky.variance import SkyVariance, sky_variance

NY, NX = 256, 320
Y, X = np.mgrid[0:NY, 0:NX]


def stars(fwhm: float = 3.0) -> np.ndarray:
    """Sixty stars of 2,000 to 60,000 counts."""
    rng = np.random.default_rng(3)
    light = np.zeros((NY, NX))
    sigma = fwhm / 2.3548
    for at_x, at_y, flux in rng.uniform((12, 12, 2e3), (NX - 12, NY - 12, 6e4), (60, 3)):
        light += (
            flux
            * np.exp(-0.5 * ((X - at_x) ** 2 + (Y - at_y) ** 2) / sigma**2)
            / (2 * np.pi * sigma**2)
        )
    return light


LIGHT = stars()


def frame(variance: np.ndarray, *, sky: np.ndarray | float = 300.0, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (NY, NX)) * np.sqrt(variance)
    return (sky + LIGHT + noise).astype(np.float32)


def measured(*args: np.ndarray, **planes: np.ndarray) -> SkyVariance:
    result = sky_variance(*args, **{name: one.astype(np.float32) for name, one in planes.items()})
    assert result is not None
    return result


def test_a_frame_that_is_alike_everywhere_has_one_variance() -> None:
    result = measured(frame(np.full((NY, NX), 25.0), sky=300 + 0.2 * X))
    assert result.plane is None
    assert result.noise == pytest.approx(5.0, rel=0.01)


def test_parts_of_unlike_noise_have_their_own_variances() -> None:
    """Two amplifiers, of 4 and 6 counts; the border is that of two tiles."""
    truth = np.where(X < 128, 16.0, 36.0)
    result = measured(frame(truth))
    assert result.plane is not None
    assert result.noise == pytest.approx(4.0, rel=0.02)
    for part in (X < 128, X >= 128):
        # Of 32,768 pixels and more a variance is known to 0.8 %.
        assert result.plane[part].mean() == pytest.approx(truth[part].mean(), rel=0.03)


def test_a_galaxy_is_no_noise() -> None:
    """An exponential disk of 200 counts over 5 of noise, its middle out of the tiles' middles."""
    disk = 200 * np.exp(-np.hypot(X - 150, Y - 120) / 25.0)
    result = measured(frame(np.full((NY, NX), 25.0), sky=300 + disk))
    assert result.noise == pytest.approx(5.0, rel=0.02)
    if result.plane is not None:
        assert result.plane.max() < 25 * 1.3


@pytest.mark.parametrize("factor", [1.0, 1 / 7.0, 30.0])
def test_a_map_is_right_or_is_scaled_to_the_noise(factor: float) -> None:
    truth = 25.0 * (1 + 0.8 * np.sin(X / 40.0) * np.cos(Y / 50.0))
    result = measured(frame(truth), stated=truth * factor)
    assert result.plane is not None
    assert result.scale == pytest.approx(1 / factor, rel=0.02)
    np.testing.assert_allclose(result.plane, truth, rtol=0.02)


@pytest.mark.parametrize("from_pixels", [False, True])
def test_the_light_in_a_map_is_taken_out_and_tells_the_gain(from_pixels: bool) -> None:
    """A pipeline's variances: read noise, photons of the sky and, at 2 electrons a count, stars.

    They are counted in the pixel itself, with its noise, or come from a model.
    """
    sky = 25.0 * (1 + X / NX)
    image = frame(sky + LIGHT / 2.0)
    light = image - 300.0 if from_pixels else LIGHT
    result = measured(image, stated=sky + light / 2.0)
    assert result.plane is not None
    assert result.gain == pytest.approx(2.0, rel=0.02)
    np.testing.assert_allclose(result.plane, sky, rtol=0.06)


def test_a_map_without_light_tells_no_gain() -> None:
    sky = 25.0 * (1 + X / NX)
    result = measured(frame(sky), stated=sky)
    assert result.gain is None
    assert result.scale == 1.0


def test_a_map_of_a_resampled_image_stays_as_it_is() -> None:
    """Means of 2 x 2 pixels at every pixel: half the noise in a pixel, the same in squares."""
    white = np.random.default_rng(5).normal(0, 10.0, (NY + 1, NX + 1))
    smooth = (white[1:, 1:] + white[:-1, 1:] + white[1:, :-1] + white[:-1, :-1]) / 4
    result = measured(smooth.astype(np.float32), stated=np.full((NY, NX), 100.0))
    assert result.scale == 1.0
    assert result.noise == 10.0


def crowd(fwhm: float, n_star: int, seed: int) -> np.ndarray:
    """Stars of 200 to 20,000 counts, most of them faint, that leave no empty sky between them."""
    rng = np.random.default_rng(seed)
    light, sigma = np.zeros((NY, NX)), fwhm / 2.3548
    places = rng.uniform((0, 0), (NY - 1, NX - 1), (n_star, 2)).astype(int)
    np.add.at(light, tuple(places.T), 200 * rng.power(1, n_star) ** -0.8)
    return np.asarray(gaussian_filter(np.minimum(light, 20_000), sigma))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("fwhm", "n_star"), [(3.0, 3000), (4.0, 3000), (6.0, 2000)])
def test_crowded_stars_do_not_make_a_right_map_wrong(fwhm: float, n_star: int, seed: int) -> None:
    light = crowd(fwhm, n_star, seed)
    noise = np.random.default_rng(seed).normal(0, 5.0, (NY, NX))
    image = (300 + light + noise).astype(np.float32)
    alone = measured(image)
    assert alone.noise > 1.1 * 5.0  # the crowd is taken for noise where nothing says otherwise
    assert measured(image, stated=np.full((NY, NX), 25.0)).scale == 1.0


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_a_wrong_map_of_a_crowded_field_is_not_believed(factor: float) -> None:
    image = (300 + crowd(4.0, 3000, 1)).astype(np.float32)
    image += np.random.default_rng(1).normal(0, 5.0, (NY, NX)).astype(np.float32)
    assert measured(image, stated=np.full((NY, NX), 25.0 * factor)).scale != 1.0


@pytest.mark.parametrize("power", [1, 2])
def test_noise_follows_the_flat_as_the_frame_says(power: int) -> None:
    """Photons of the sky go with the root of the flat, read noise with the flat itself."""
    flat = 1.1 - 0.5 * ((X - NX / 2) ** 2 + (Y - NY / 2) ** 2) / (NX / 2) ** 2
    truth = 25.0 / flat**power
    result = measured(frame(truth), flat=flat)
    assert result.plane is not None
    np.testing.assert_allclose(result.plane, truth, rtol=0.08)
    assert np.mean(result.plane / truth) == pytest.approx(1.0, rel=0.02)


def test_masked_pixels_and_stars_do_not_move_the_level() -> None:
    image = frame(np.full((NY, NX), 25.0), sky=100 + 0.5 * Y)
    image[40:80, 50:90] = np.nan
    rest = Levels(image).all() - (100 + 0.5 * Y)
    assert np.abs(rest[40:-40, 40:-40]).max() < 5.0


def test_nothing_known_is_nothing() -> None:
    assert sky_variance(np.full((NY, NX), np.nan, np.float32)) is None
    empty = np.full((NY, NX), np.nan, np.float32)
    assert sky_variance(empty, stated=np.ones((NY, NX), np.float32)) is None
