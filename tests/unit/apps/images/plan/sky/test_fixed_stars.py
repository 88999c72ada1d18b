"""Warm pixels are in the same place of all frames; stars may be, too."""

from __future__ import annotations

import numpy as np
import pytest

from apps.images.plan.sky.fixed_stars import without_fixed
from apps.images.plan.sky.solution import Solution, make_solution
from apps.images.plan.sky.stars import Stars, find_stars
from tests.unit.apps.images.plan.sky.headers import tan
from tests.unit.apps.images.plan.sky.test_stars import SIDE, frame, lattice


def solution(shift: float) -> Solution:
    header = tan(nx=SIDE, ny=SIDE)
    header["CRPIX1"] += shift
    return make_solution(header, SIDE, SIDE, "a frame")


def pairs_of_pixels(image: np.ndarray) -> np.ndarray:
    """Add 200 pairs of warm pixels beside each other, always the same ones."""
    rng = np.random.default_rng(12)
    y, x = rng.integers(20, SIDE - 20, (2, 200))
    image[y, x] += np.float32(1000)
    image[y, x + 1] += np.float32(950)
    return image


def exposed(shift: float, seed: int, *, warm: bool, fwhm: float = 3.0, n: int = 9) -> Stars:
    x, y, flux = (one[::n] for one in lattice())
    image = frame(x + shift, y, flux, fwhm=fwhm, seed=seed)
    return find_stars(pairs_of_pixels(image) if warm else image)


def test_warm_pixels_of_dithered_frames_are_taken_out() -> None:
    shifts = (0.0, 6.0, -9.0)
    frames = [
        (exposed(shift, number, warm=True, fwhm=1.5), solution(shift))
        for number, shift in enumerate(shifts)
    ]
    assert len(frames[0][0]) > 50
    x, y, _ = (one[::9] for one in lattice())
    for shift, stars in zip(shifts, without_fixed(frames), strict=True):
        distance = np.hypot(stars.x[:, None] - x - shift, stars.y[:, None] - y).min(axis=1)
        assert (distance < 0.5).sum() >= 6
        assert (distance > 0.5).sum() <= 2


@pytest.mark.parametrize("fwhm", [1.2, 3.0])
def test_stars_of_frames_that_are_not_dithered_stay(fwhm: float) -> None:
    frames = [
        (exposed(0.0, number, warm=False, fwhm=fwhm, n=1), solution(wrong))
        for number, wrong in enumerate((0.0, 4.0, -3.0))
    ]
    for (stars, _), kept in zip(frames, without_fixed(frames), strict=True):
        assert len(kept) == len(stars) > 60


def test_frames_at_one_place_or_without_stars_are_left_as_they_are() -> None:
    frames = [(exposed(0.0, number, warm=True), solution(0.3 * number)) for number in range(3)]
    nothing = find_stars(np.zeros((100, 100), np.float32))
    for (stars, _), kept in zip(frames, without_fixed(frames), strict=True):
        assert len(kept) == len(stars)
    for kept in without_fixed([(nothing, solution(0)), (nothing, solution(9))]):
        assert len(kept) == 0
    assert len(without_fixed([frames[0]])[0]) == len(frames[0][0])
