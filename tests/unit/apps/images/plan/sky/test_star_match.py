"""Stars of a frame and of the reference: which are the same, and how far off the frame is."""

from __future__ import annotations

import numpy as np
import pytest

from apps.images.plan.sky.displacement import CHANCE, Displacement
from apps.images.plan.sky.star_match import Measured, measure, vote
from bench.truth.star_lists import List, star_lists

SIDE = 1000
Lists = tuple[List, List]


def measured(these: Lists, radius: float = 100.0, limit: float = 0.06) -> Measured | None:
    return measure(*these, (SIDE, SIDE), radius=radius, limit=limit)


def moved(these: Lists, by: Displacement) -> Lists:
    (x, y, error), known = these
    off_x, off_y = by.of(x, y)
    return (x + off_x, y + off_y, error), known


@pytest.mark.parametrize("shift", [(0.3, 0.0), (-2.0, 1.0), (70.0, -90.0)])
@pytest.mark.parametrize(("n", "only"), [(12, 5), (300, 250)])
def test_shifts_are_found(shift: tuple[float, float], n: int, only: int) -> None:
    by = Displacement(SIDE, SIDE, 0, (shift[0],), (shift[1],))
    result = measured(moved(star_lists(n, np.random.default_rng(1), only=only), by))
    assert result is not None
    assert result.order == 0
    assert len(result.pairs) >= 0.9 * n
    assert result.displacement.x[0] == pytest.approx(shift[0], abs=5 * result.error)
    assert result.displacement.y[0] == pytest.approx(shift[1], abs=5 * result.error)
    assert result.error < 0.1 / np.sqrt(n)
    assert result.rms(0) < 0.2
    assert result.rms(-1) == pytest.approx(np.hypot(*shift), abs=0.1)


@pytest.mark.parametrize(("turn", "order"), [(0.002, -1), (0.02, 1), (0.3, 1)])
def test_turns_are_found_as_far_as_they_matter(turn: float, order: int) -> None:
    by = np.radians(turn) * SIDE / 2
    frame = moved(
        star_lists(300, np.random.default_rng(2), only=100),
        Displacement(SIDE, SIDE, 1, (0, 0, by), (0, -by, 0)),
    )
    result = measured(frame)
    assert result is not None
    assert result.order == order
    if order == 1:
        assert result.displacement.x[2] == pytest.approx(by, abs=0.03)
        assert result.rms(1) < 0.2


def test_distortions_that_a_header_does_not_know_are_found() -> None:
    by = Displacement(SIDE, SIDE, 2, (0.5, 0, 0, 2.0, 0, 0), (0, 0, 0, 0, 1.0, 0))
    result = measured(moved(star_lists(300, np.random.default_rng(3), only=100), by))
    assert result is not None
    assert result.order == 2
    assert result.displacement.x[3] == pytest.approx(2.0, abs=0.06)
    assert result.rms(2) < 0.2


def test_a_clustered_field_is_not_matched_by_its_cluster() -> None:
    """Stars of two clusters in the same place are no pairs."""
    rng = np.random.default_rng(4)
    n_match = 0
    for _ in range(100):
        x, y, u, v = rng.normal(SIDE / 2, 60, (4, 300))
        n_match += vote(x, y, u, v, (SIDE, SIDE), 100.0, 3.0) is not None
    assert n_match == 0


@pytest.mark.parametrize(("n", "m"), [(3, 3), (10, 10), (40, 40), (600, 600), (20, 1200)])
def test_stars_of_other_fields_are_not_matched(n: int, m: int) -> None:
    rng = np.random.default_rng(5)
    for _ in range(200 if n < 100 else 10):
        stars = (*rng.uniform(0, SIDE, (2, n)), np.full(n, 0.03))
        known = (*rng.uniform(0, SIDE, (2, m)), np.full(m, 0.03))
        assert measured((stars, known)) is None
        assert measured((stars, known), radius=12.0) is None


def test_frames_without_stars_are_not_measured() -> None:
    nobody = tuple(np.empty(0) for _ in range(3))
    stars, known = star_lists(20, np.random.default_rng(1))
    assert measured((nobody, known)) is None  # type: ignore[arg-type]
    assert measured((stars, nobody)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("n", "scatter", "n_frame"), [(3, 0.3, 800), (5, 0.05, 800), (8, 0.05, 800), (30, 0.3, 400)]
)
def test_headers_that_are_right_are_left_alone(n: int, scatter: float, n_frame: int) -> None:
    """Three orders are tried with a chance of 1e-4 each: of 800 frames more than three are moved
    with a probability of 1e-4.
    """
    rng = np.random.default_rng(6)
    n_moved = 0
    for _ in range(n_frame):
        result = measured(star_lists(n, rng, scatter=scatter, side=600), radius=12.0)
        n_moved += result is not None and result.order >= 0
    assert pytest.approx(1e-4) == CHANCE
    assert n_moved <= 3
