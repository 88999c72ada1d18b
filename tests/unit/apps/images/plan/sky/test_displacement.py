"""Displacements of a frame's pixels: their polynomials, and when one is taken."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import f as f_distribution

from apps.images.plan.sky.displacement import (
    CHANCE,
    LEAST_STARS,
    Displacement,
    chance_of,
    choose_order,
    fit,
    highest_order,
    nothing,
    places,
)
from apps.images.plan.sky.solution import make_solution
from tests.unit.apps.images.plan.sky.headers import tan

SIZE = (1200, 900)
SHIFT = Displacement(*SIZE, 0, (0.8,), (-0.3,))
LINEAR = Displacement(*SIZE, 1, (0.8, 0.2, 0.4), (-0.3, -0.4, 0.2))
QUADRATIC = Displacement(
    *SIZE, 2, (0.8, 0.2, 0.4, 1.0, 0.1, -0.3), (-0.3, -0.4, 0.2, 0.0, 0.7, 0.0)
)


@pytest.mark.parametrize("ratio", [0.3, 1.0, 4.0, 30.0])
@pytest.mark.parametrize("n_new", [2, 4, 6])
@pytest.mark.parametrize("freedom", [4, 11, 600])
def test_chances_are_those_of_fishers_distribution(ratio: float, n_new: int, freedom: int) -> None:
    expected = f_distribution.sf(ratio, n_new, freedom)
    assert chance_of(ratio, n_new, freedom) == pytest.approx(expected, rel=1e-9, abs=1e-300)
    assert chance_of(0.0, n_new, freedom) == 1.0


@pytest.mark.parametrize("shape", [nothing(*SIZE), SHIFT, LINEAR, QUADRATIC])
def test_there_and_back_is_the_same_place(shape: Displacement) -> None:
    u, v = places(*SIZE)
    u, v = np.append(u, (-300.0, np.nan, 1e7)), np.append(v, (1500.0, 3.0, -1e7))
    back_u, back_v = shape.unmoved(*shape.moved(u, v))
    np.testing.assert_allclose(back_u, u, atol=1e-8)
    np.testing.assert_allclose(back_v[np.isfinite(u)], v[np.isfinite(u)], atol=1e-8)


def test_the_first_coefficients_are_the_mean_over_the_frame() -> None:
    x, y = (one.ravel() for one in np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1])))
    off_x, off_y = QUADRATIC.of(x.astype(float), y.astype(float))
    assert off_x.mean() == pytest.approx(0.8, abs=1e-4)
    assert off_y.mean() == pytest.approx(-0.3, abs=1e-4)


def test_coordinates_are_displaced_both_ways() -> None:
    solution = make_solution(tan(nx=SIZE[0], ny=SIZE[1]), *SIZE, "a frame")
    refined = solution.refined(QUADRATIC)
    x, y = places(*SIZE)
    ra, dec = refined.sky(x, y)
    np.testing.assert_allclose(refined.pixel(ra, dec), (x, y), atol=1e-7)
    u, v = solution.pixel(ra, dec)
    np.testing.assert_allclose(QUADRATIC.moved(u, v), (x, y), atol=1e-7)
    assert solution.displacement is None


@pytest.mark.parametrize("shape", [SHIFT, LINEAR, QUADRATIC])
def test_what_is_there_is_found(shape: Displacement) -> None:
    rng = np.random.default_rng(8)
    u, v = rng.uniform(0, SIZE[0], 200), rng.uniform(0, SIZE[1], 200)
    off = np.column_stack(shape.of(u, v)) + rng.normal(0, 0.05, (200, 2))
    fits = [fit(u, v, off, np.full(200, 7.0), SIZE, order) for order in range(-1, 3)]
    assert choose_order(fits, 200, SIZE, 0.06) == shape.order
    best = fits[shape.order + 1].displacement
    np.testing.assert_allclose(best.x, shape.x, atol=0.05)
    np.testing.assert_allclose(best.y, shape.y, atol=0.05)
    # A displacement that is significant and does not matter is not taken.
    assert choose_order(fits, 200, SIZE, 9.0) == -1


def test_stars_along_a_line_do_not_tell_of_the_whole_frame() -> None:
    rng = np.random.default_rng(9)
    u, v = rng.uniform(0, SIZE[0], 40), rng.uniform(0, 15, 40)
    true = Displacement(*SIZE, 1, (0.5, 0.3, 0.0), (0.0, 0.0, 0.0))
    off = np.column_stack(true.of(u, v)) + rng.normal(0, 0.05, (40, 2))
    fits = [fit(u, v, off, np.ones(40), SIZE, order) for order in range(-1, 2)]
    ratio = (fits[1].square - fits[2].square) / 4 / (fits[2].square / 74)
    assert chance_of(ratio, 4, 74) < CHANCE  # it is seen, where the stars are
    assert choose_order(fits, 40, SIZE, 0.06) == 0


def test_few_stars_tell_a_shift_alone() -> None:
    assert [highest_order(n) for n in (0, 2, 3, 5, 6, 19, 20, 500)] == [-1, -1, 0, 0, 1, 1, 2, 2]
    assert LEAST_STARS[1] > 5
