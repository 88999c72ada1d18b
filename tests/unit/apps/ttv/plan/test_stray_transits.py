"""Single transits far from their neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from apps.ttv.compute.table import PlanetTransits
from apps.ttv.plan.stray_transits import remark_on_stray

SIGMA = 0.001


def transits(late: np.ndarray, epochs: np.ndarray | None = None) -> PlanetTransits:
    numbers = np.arange(len(late)) if epochs is None else epochs
    return PlanetTransits("b", numbers, 10.0 * numbers + late, np.full(len(late), SIGMA))


def noise(n: int, seed: int) -> np.ndarray:
    return SIGMA * np.random.default_rng(seed).normal(size=n)


@pytest.mark.parametrize("place", [1, 7, 38])
def test_a_mistyped_digit_is_named_and_its_neighbours_are_not(place: int) -> None:
    late = noise(40, 1)
    late[place] += 0.1
    told = str(remark_on_stray(transits(late)))
    assert f"between their neighbours: {place} (0.1 days). Correct" in told


def test_the_worst_three_of_many_are_named() -> None:
    late = noise(60, 2)
    late[[5, 15, 25, 35, 45]] += np.array([0.1, 0.5, 0.2, 0.3, 0.4])
    told = str(remark_on_stray(transits(late)))
    assert "15 (0.5 days), 45 (0.4 days), 35 (0.3 days) and 2 more" in told


def test_perturbations_are_nothing_stray() -> None:
    numbers = np.sort(np.random.default_rng(3).choice(400, 120, replace=False))
    for amplitude, length in ((0.5, 60.0), (0.05, 11.0), (0.02, 3.3)):
        late = amplitude * np.sin(2.0 * np.pi * numbers / length) + noise(120, 4)
        assert remark_on_stray(transits(late, numbers)) is None


def test_noise_with_wide_tails_is_told_rarely() -> None:
    """Student noise of 4 degrees: one table of 4000 is told; more than 2 of 200: 2e-5."""
    told = [
        remark_on_stray(transits(SIGMA * np.random.default_rng(seed).standard_t(4, size=100)))
        for seed in range(200)
    ]
    assert sum(sentence is not None for sentence in told) <= 2


def test_few_transits_have_no_typical_distance() -> None:
    assert remark_on_stray(transits(np.array([0.0, 0.0, 0.5, 0.0, 0.0, 0.0]))) is None
