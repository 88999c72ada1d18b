"""The noise in areas over that of single pixels, of images whose noise is made to be so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apps.images.merge.noise import correlation
from tests.made_stack import planes_of, stars

NOISE = 5.0
SIZE = 320


def smoothed(seed: int) -> np.ndarray:
    """Return noise of NOISE in areas, whose pixels are means of 2 x 2: they scatter by half."""
    white = np.random.default_rng(seed).normal(0.0, NOISE, (SIZE + 1, SIZE + 1))
    return (white[1:, 1:] + white[:-1, 1:] + white[1:, :-1] + white[:-1, :-1]) / 4


@pytest.mark.parametrize(("is_smooth", "expected"), [(False, 1.0), (True, 2.0)])
def test_smoothed_noise_is_told_from_white(
    tmp_path: Path, is_smooth: bool, expected: float
) -> None:
    white = np.random.default_rng(1).normal(0.0, NOISE, (SIZE, SIZE))
    image = 100.0 + (smoothed(1) if is_smooth else white)
    # The median of 20 squares of 4096 pixels is good to 1 % and a bit; 5 % are five of that.
    assert correlation(planes_of(image, tmp_path)) == pytest.approx(expected, rel=0.05)


def test_stars_and_holes_change_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    places = [(*rng.uniform(10, SIZE - 10, 2), 10 ** rng.uniform(3, 5)) for _ in range(100)]
    image = 100.0 + smoothed(2) + stars(SIZE, SIZE, places)
    image[rng.random(image.shape) < 0.2] = np.nan
    assert correlation(planes_of(image, tmp_path)) == pytest.approx(2.0, rel=0.1)


def test_an_image_of_next_to_nothing_has_none(tmp_path: Path) -> None:
    image = np.full((SIZE, SIZE), np.nan)
    image[::2, ::3] = 1.0
    assert correlation(planes_of(image, tmp_path)) is None
    small = np.random.default_rng(3).normal(0.0, NOISE, (40, 50))
    assert correlation(planes_of(small, tmp_path)) is None
