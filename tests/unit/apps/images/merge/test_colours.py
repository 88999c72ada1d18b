"""Previews in colours: which filter is which, and colours that do not depend on brightness."""

from __future__ import annotations

import numpy as np
import pytest

from apps.images.merge.colours import choose_channels, lupton, wavelength
from apps.images.merge.pictures import NOTHING


def chosen(*names: str) -> list[str]:
    return [one.name for one in choose_channels([(name, lambda: ()) for name in names])]


@pytest.mark.parametrize(
    ("names", "channels"),
    [
        (("B", "R", "V"), ["R", "V", "B"]),
        (("R", "G", "B"), ["R", "G", "B"]),
        (("g", "i", "r", "u", "z"), ["z", "r", "u"]),
        (("Ha", "OIII"), ["Ha", "OIII"]),
        (("SII", "Ha", "OIII"), ["SII", "Ha", "OIII"]),
        (("L", "R", "G", "B"), ["R", "G", "B"]),
        (("L", "Ha"), ["Ha", "L"]),
        (("F606W", "F814W", "F435W"), ["F814W", "F606W", "F435W"]),
        (("F160W", "F814W"), ["F160W", "F814W"]),
        (("F090W", "F150W", "F115W"), ["F150W", "F115W", "F090W"]),
        (("sloan_g", "sloan_i", "sloan_r"), ["sloan_i", "sloan_r", "sloan_g"]),
        (
            ("r DECam SDSS c0002", "g DECam SDSS c0001"),
            ["r DECam SDSS c0002", "g DECam SDSS c0001"],
        ),
        (("x", "y2", "B"), ["B", "x", "y2"]),
        (("V",), ["V"]),
    ],
)
def test_the_reddest_filter_is_red(names: tuple[str, ...], channels: list[str]) -> None:
    assert chosen(*names) == channels
    assert chosen(*names[::-1]) == channels


@pytest.mark.parametrize(
    ("name", "about"), [("r'", 620), ("F1130W", 1130), ("J", 1250), ("?", None)]
)
def test_wavelengths(name: str, about: float | None) -> None:
    assert wavelength(name) == about


def field(*ratios: float, size: int = 120) -> list[np.ndarray]:
    """Return stars of two colours over five magnitudes: grey ones, and one of unlike ratios."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[0:size, 0:size]
    stars = np.zeros((len(ratios), size, size))
    for number in range(1, 12):
        at = 10.0 * number
        star = 10 ** (0.35 * number + 1) * np.exp(-0.5 * ((x - at) ** 2 + (y - at) ** 2) / 4)
        stars += star * np.array([ratio if number % 2 else 1.0 for ratio in ratios])[:, None, None]
    return list(stars + rng.normal(50, 1, stars.shape))


def test_bright_pixels_are_grey_on_average_whatever_the_gains() -> None:
    grey = field(1.0, 1.0, 1.0)
    rgb = lupton([grey[0] * 0.05, grey[1] * 7, grey[2] * 1000]).astype(int)
    bright = rgb.max(axis=2) > 120
    assert bright.sum() > 50
    # Two counts are what rounding and the noise of pixels at 120 make.
    assert np.abs(np.ptp(rgb[bright], axis=1)).max() <= 12


def test_a_colour_is_the_same_at_any_brightness() -> None:
    rgb = lupton(field(2.0, 1.0, 0.5)).astype(float)
    ratios = []
    for number in (7, 9, 11):  # red stars, a factor of 5 between each
        red, _, blue = rgb[10 * number, 10 * number] if number < 12 else rgb[0, 0]
        ratios.append(red / blue)
    assert min(ratios) > 1.5
    assert max(ratios) / min(ratios) < 1.1


def test_a_hole_of_one_filter_is_filled_and_of_all_is_nothing() -> None:
    images = field(1.0, 1.0, 1.0)
    images[0][:10] = np.nan
    for one in images:
        one[20:25, 60:65] = np.nan
    rgb = lupton(images)
    assert (rgb[20:25, 60:65] == NOTHING).all()
    assert not (rgb[:10] == NOTHING).all(axis=2).any()
    assert lupton([np.full((5, 5), np.nan)] * 3).shape == (5, 5, 3)


def test_two_filters_have_their_mean_as_green() -> None:
    images = field(3.0, 1.0)
    rgb = lupton(images).astype(int)
    assert rgb.shape == (120, 120, 3)
    shown = rgb.min(axis=2) > 0  # below black nothing is left to be a mean
    assert shown.mean() > 0.5
    red, green, blue = rgb[shown].T
    assert (np.abs(green - (red + blue) / 2) <= 1).all()
