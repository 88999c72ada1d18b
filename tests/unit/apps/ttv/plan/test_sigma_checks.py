"""Standard errors of another unit than days, and those that only look like it."""

from __future__ import annotations

import numpy as np
import pytest

from apps.ttv.compute.table import PlanetTransits
from apps.ttv.plan.sigma_checks import remark_on_quiet, wrong_unit

PERIOD = 10.0


def transits(late: np.ndarray, sigmas: np.ndarray | float) -> PlanetTransits:
    """Return transits of a planet, later than a line by `late` days."""
    n = len(late)
    numbers = np.arange(n)
    return PlanetTransits("b", numbers, 105.0 + PERIOD * numbers + late, np.full(n, 1.0) * sigmas)


def noise(n: int, size: float) -> np.ndarray:
    """Return Gaussian noise of a standard deviation, days."""
    return size * np.random.default_rng(2).normal(size=n)


@pytest.mark.parametrize(("name", "factor"), [("hours", 24), ("minutes", 1440), ("seconds", 86400)])
def test_the_unit_is_told_that_makes_sigmas_of_the_scatter(name: str, factor: int) -> None:
    size = 2e-5 if name == "seconds" else 0.001
    told = wrong_unit(transits(noise(30, size), factor * size))
    assert told is not None
    assert told.endswith(f"write days; if they are {name}, divide them by {factor}.")


def test_sigmas_as_large_as_the_scatter_are_refused_beyond_a_twentieth_of_the_period() -> None:
    assert wrong_unit(transits(noise(30, 0.4), 0.4)) is None
    told = wrong_unit(transits(noise(30, 0.6), 0.6))
    assert told is not None
    assert "sigma_days of b is 0.6 in the middle, 6 % of its period" in told


def test_a_scatter_that_is_small_by_chance_is_no_reason() -> None:
    """One degree of freedom: a five-hundredth of a sigma is what one table of 500 has."""
    few = transits(np.array([0.0, 1e-4, 0.0]), 0.02)
    assert wrong_unit(few) is None
    assert remark_on_quiet(few) is None


def test_small_sigmas_of_a_model_s_times_are_told_and_not_refused() -> None:
    """Times that a model has made scatter by its rounding; their sigmas are a telescope's."""
    made = transits(noise(30, 5e-5), 0.001)
    assert wrong_unit(made) is None
    assert "they may be too large" in str(remark_on_quiet(made))


def test_sigmas_that_are_right_are_not_told() -> None:
    sound = transits(noise(30, 0.001), 0.001)
    assert wrong_unit(sound) is None
    assert remark_on_quiet(sound) is None


def test_times_between_neighbours_are_compared_by_their_own_sigmas() -> None:
    """A slow variation; the first transit was measured twice, so that rows are no transits."""
    n = 30
    slow = 0.5 * np.sin(2.0 * np.pi * np.arange(n) / 300.0)
    own = transits(slow + noise(n, 1e-3), np.where(np.arange(n) % 3 == 1, 0.05, 1e-4))
    twice = PlanetTransits(
        "b",
        np.insert(own.epochs, 0, 0),
        np.insert(own.times, 0, own.times[0]),
        np.insert(own.sigmas, 0, own.sigmas[0]),
    )
    for table in (own, twice):
        assert "about the chords of their neighbours" in str(remark_on_quiet(table))
