"""Stars of a frame: where they are, and what is taken for none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import erf

from apps.images.plan.sky.rows import Rows
from apps.images.plan.sky.stars import MOST_STARS, Stars, find_stars

SIDE = 400
SKY, NOISE = 300.0, 8.0


def frame(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    flux: NDArray[np.float64],
    *,
    fwhm: float = 3.0,
    shape: tuple[int, int] = (SIDE, SIDE),
    seed: int = 1,
) -> NDArray[np.float32]:
    """Return Gaussian stars, integrated over pixels, on a sky with noise."""
    image = np.random.default_rng(seed).normal(SKY, NOISE, shape)
    width, reach = fwhm / 2.3548 * np.sqrt(2), int(3 * fwhm) + 3
    on = (np.abs(x - shape[1] / 2) < shape[1] / 2) & (np.abs(y - shape[0] / 2) < shape[0] / 2)
    for at_x, at_y, light in zip(x[on], y[on], flux[on], strict=True):
        parts = []
        for place, n in ((at_y, shape[0]), (at_x, shape[1])):
            low, high = max(0, int(place) - reach), min(n, int(place) + reach + 1)
            edges = np.arange(low, high + 1) - 0.5 - place
            parts.append((slice(low, high), np.diff(erf(edges / width)) / 2))
        (rows, down), (columns, along) = parts
        image[rows, columns] += light * np.outer(down, along)
    return image.astype(np.float32)


def lattice(pitch: int = 40, seed: int = 3, side: int = SIDE) -> tuple[np.ndarray, ...]:
    """Return places and fluxes of stars that are apart from each other."""
    rng = np.random.default_rng(seed)
    at = np.arange(pitch, side - pitch / 2, pitch, dtype=float)
    x, y = (one.ravel() for one in np.meshgrid(at, at))
    x, y = (one + rng.uniform(-5, 5, one.shape) for one in (x, y))
    return x, y, 10 ** rng.uniform(4, 5.5, x.shape)


def off(stars: Stars, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each star's true one, and how far it is from there along both axes."""
    distance = np.hypot(stars.x[:, None] - x, stars.y[:, None] - y)
    true = distance.argmin(axis=1)
    return true, np.column_stack([stars.x - x[true], stars.y - y[true]])


@pytest.mark.parametrize(
    ("fwhm", "scatter"), [(1.2, 0.03), (2.0, 0.02), (3.0, 0.02), (6.0, 0.05), (9.0, 0.12)]
)
def test_places_are_right_to_hundredths_of_a_pixel(fwhm: float, scatter: float) -> None:
    x, y, flux = lattice()
    stars = find_stars(frame(x, y, flux, fwhm=fwhm))
    true, apart = off(stars, x, y)
    assert len(np.unique(true)) == len(stars) >= 0.9 * len(x)
    assert 1.4826 * np.median(np.abs(apart)) < scatter
    assert np.abs(apart).max() < 8 * scatter
    assert np.abs(apart.mean(axis=0)).max() < 4 * apart.std() / np.sqrt(len(stars))
    assert stars.fwhm == pytest.approx(np.hypot(fwhm, 0.9), rel=0.15)
    assert (np.diff(stars.flux) <= 0).all()


def test_errors_are_those_of_the_noise() -> None:
    """The errors' own scatter is 1 within 15 %: of 81 stars and two axes it is known to 6 %."""
    x, y, _ = lattice()
    flux = np.full(len(x), 3000.0)
    stars = find_stars(frame(x, y, flux))
    _, apart = off(stars, x, y)
    assert (apart / stars.error[:, None]).std() == pytest.approx(1.0, abs=0.15)


def test_hot_pixels_and_saturated_stars_are_no_stars() -> None:
    x, y, flux = lattice()
    image = frame(x, y, flux)
    rng = np.random.default_rng(5)
    hot = rng.integers(15, SIDE - 15, (300, 2))
    image[hot[:, 0], hot[:, 1]] += 4000
    full = np.minimum(image, np.float32(9000))
    assert (full == 9000).sum() > 20
    # Where the limit is not known, a top that is flat over three pixels tells.
    for limit, most in ((9000.0, 0), (np.inf, 2)):
        stars = find_stars(full, saturation=limit)
        assert len(stars) > 20
        _, apart = off(stars, x, y)
        assert np.hypot(*apart.T).max() < 0.3
        for at_x, at_y in np.rint(np.column_stack([stars.x, stars.y])).astype(int):
            assert (full[at_y - 1 : at_y + 2, at_x - 1 : at_x + 2] == 9000).sum() <= most


def test_masked_stars_are_left_out_and_the_others_stay() -> None:
    x, y, flux = lattice()
    image = frame(x, y, flux)
    everything = find_stars(image)
    image[:, :200] = np.nan
    stars = find_stars(image)
    assert stars.x.min() > 200
    right = everything.x > 200 + 13
    assert len(stars) == pytest.approx(right.sum(), abs=4)


@pytest.mark.parametrize("fill", [np.nan, 0.0, 1000.0])
def test_frames_without_stars_have_none(fill: float) -> None:
    assert len(find_stars(np.full((200, 200), fill, np.float32))) == 0
    noise = np.random.default_rng(2).normal(SKY, NOISE, (600, 600)).astype(np.float32)
    assert len(find_stars(noise)) == 0
    assert len(find_stars(noise[:20, :20])) == 0
    noise[:, 300:] = fill  # a border
    assert len(find_stars(noise)) == 0


def test_rows_that_are_read_when_asked_for_give_the_same_stars() -> None:
    x, y, flux = lattice(side=1100)
    image = frame(x, y, flux, shape=(1100, 1100))
    rows = Rows(image.shape, np.float32, lambda start, stop: image[start:stop])
    whole, read = find_stars(image), find_stars(rows)
    assert len(whole) > 400
    for name in ("x", "y", "error", "flux"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(read, name))
    # Bands of rows overlap: no star is there twice, none is missing at a seam.
    true, _ = off(whole, x, y)
    assert len(np.unique(true)) == len(true)
    assert ((whole.y > 500) & (whole.y < 524)).any()


def test_of_a_crowded_field_the_brightest_are_taken() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.uniform(0, SIDE, (2, 3000))
    flux = 10 ** rng.uniform(3, 5.5, 3000)
    stars = find_stars(frame(x, y, flux, fwhm=2.5))
    assert 50 < len(stars) <= MOST_STARS
    _, apart = off(stars, x, y)
    assert np.median(np.hypot(*apart.T)) < 0.1
