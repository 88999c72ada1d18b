from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from work_generator.modes import Mode
from work_generator.weights import Look, begin_at, one_by_one, together

N = 20_000
MODES = [Mode(np.array([at, 0.0]), 0.0, np.eye(2)) for at in (0.0, 20.0)]
PARTS = np.array([0.7, 0.3])


class TwoPeaks:
    """Two normal distributions far from each other, under a flat prior."""

    def log_densities(self, points: np.ndarray) -> np.ndarray:
        at = np.array([mode.params for mode in MODES])
        squares = ((points[:, None] - at) ** 2).sum(axis=2)
        return np.logaddexp(*(np.log(PARTS) - 0.5 * squares - math.log(2.0 * math.pi)).T)

    def log_priors(self, points: np.ndarray) -> np.ndarray:
        return np.zeros(len(points))

    def __call__(self, point: list[float]) -> float:
        return float(self.log_densities(np.array([point]))[0])


POSTERIOR: Any = TwoPeaks()


def draws(shares: tuple[float, float] = (0.5, 0.5), width: float = 1.5) -> Look:
    rng = np.random.default_rng(1)
    at = np.array([mode.params for mode in MODES])
    points = at[rng.choice(2, size=N, p=shares)] + width * rng.normal(size=(N, 2))
    squares = ((points[:, None] - at) ** 2).sum(axis=2) / width**2
    proposal = np.logaddexp(*(np.log(shares) - 0.5 * squares - math.log(2 * math.pi * width**2)).T)
    densities = POSTERIOR.log_densities(points)
    return Look(points, densities - proposal, densities)


def test_modes_have_the_parts_of_all_draws_that_are_theirs() -> None:
    """To within four of the stated errors, a false-alarm rate of 6e-5."""
    weighed = together(POSTERIOR, MODES, draws())
    for weight, part in zip(weighed.weights, PARTS, strict=True):
        assert weight.trusted
        assert weight.error is not None
        assert 0.001 < weight.error < 0.01
        assert abs(weight.weight - part) < 4.0 * weight.error
    assert weighed.log_z_error is not None
    assert abs(weighed.log_z) < 4.0 * weighed.log_z_error


def test_what_few_draws_have_met_is_not_trusted_and_neither_is_the_sum() -> None:
    weighed = together(POSTERIOR, MODES, draws((0.9999, 0.0001)))
    assert [one.trusted for one in weighed.weights] == [True, False]
    assert weighed.weights[1].error is None
    assert weighed.log_z_error is None


def test_a_mode_below_the_draws_that_are_its_own_is_none() -> None:
    beside = [Mode(np.array([2.0, 0.0]), 0.0, np.eye(2)), MODES[1]]
    weighed = together(POSTERIOR, beside, draws())
    assert [one.trusted for one in weighed.weights] == [False, True]


def test_chains_begin_more_widely_than_their_own_peak() -> None:
    """The likelihood to the power 1/2 is wider by sqrt(2); the other peak is not looked at."""
    points = begin_at(POSTERIOR, MODES, 1, draws(), 4000, np.random.default_rng(2))
    assert points is not None
    assert points.shape == (4000, 2)
    assert points.mean(axis=0) == pytest.approx([20.0, 0.0], abs=0.1)
    assert points.std(axis=0) == pytest.approx([math.sqrt(2.0)] * 2, abs=0.1)


def test_too_few_draws_are_nothing_to_begin_at() -> None:
    few = draws((0.9999, 0.0001))
    assert begin_at(POSTERIOR, MODES, 1, few, 100, np.random.default_rng(3)) is None


def test_evidences_of_each_make_the_parts() -> None:
    weighed = one_by_one([math.log(3.0), 0.0], [0.1, None], [None, None])
    assert [one.weight for one in weighed.weights] == pytest.approx([0.75, 0.25])
    assert [one.trusted for one in weighed.weights] == [True, False]
    assert weighed.log_z == pytest.approx(math.log(4.0))
    assert weighed.log_z_error is None
