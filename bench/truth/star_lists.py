"""Lists of stars whose headers are right, without pixels: how often a frame is moved all the same.

A hundred thousand lists are needed for a rate of 1e-4, which is minutes, and would be days of
frames that are painted and searched.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.solution import make_solution
from apps.images.plan.sky.star_places import Places, compare
from apps.images.plan.sky.stars import Stars
from bench.truth.sky import header

N_STARS = (3, 4, 5, 6, 8, 10, 20, 50, 200)
SCATTERS = (0.03, 0.1, 0.3)
"""Pixels along an axis, beyond the stars' errors."""
SIDE = 1000
FWHM = 3.0
Doubles = NDArray[np.float64]
List = tuple[Doubles, Doubles, Doubles]
"""Pixel coordinates of stars, and their standard errors along an axis."""


def star_lists(
    n: int, rng: np.random.Generator, *, scatter: float = 0.05, only: int = 0, side: int = SIDE
) -> tuple[List, List]:
    """Return stars and known places of `n` common stars, and of `only` more in each list alone.

    Parameters
    ----------
    n, only : int
        Numbers of stars.
    rng : Generator
        Source of the places, errors and order.
    scatter : float
        Of common stars along an axis, pixels; noise of 0.005 to 0.1 pixels, as their errors say
        it, is added.
    side : int
        Of the square that the stars lie in, pixels.
    """
    u, v = rng.uniform(0, side, (2, n))
    x, y = u + rng.normal(0, scatter, n), v + rng.normal(0, scatter, n)
    error = 10 ** rng.uniform(-2.3, -1, n)
    x, y = x + rng.normal(0, error), y + rng.normal(0, error)
    other = rng.uniform(0, side, (4, only))
    order = rng.permutation(n + only)
    stars = (
        np.append(x, other[0])[order],
        np.append(y, other[1])[order],
        np.append(error, np.full(only, 0.03))[order],
    )
    known = np.append(u, other[2]), np.append(v, other[3]), np.full(n + only, 0.005)
    return stars, known


def moved_although_right(n_star: int, scatter: float, n_frame: int, seed: int) -> int:
    """Return how many of `n_frame` frames are moved, although their headers are right.

    Parameters
    ----------
    n_star : int
        Stars that a frame shares with the reference.
    scatter : float
        As in `star_lists`, pixels of one arcsecond.
    n_frame : int
        Frames that are drawn.
    seed : int
        Seed of the draws.
    """
    rng = np.random.default_rng([seed, n_star, round(1000 * scatter)])
    solution = make_solution(header(SIDE, 1.0), SIDE, SIDE, "a frame")
    n_moved = 0
    for _ in range(n_frame):
        (x, y, error), (u, v, known_error) = star_lists(n_star, rng, scatter=scatter)
        alike = np.ones(n_star)
        stars = Stars(x, y, error, alike, alike, FWHM)
        known = Places(*solution.sky(u, v), known_error, FWHM)
        measured, _ = compare(stars, solution, known, solution.scale)
        n_moved += measured is not None and measured.order >= 0
    return n_moved
