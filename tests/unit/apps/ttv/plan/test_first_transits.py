"""Priors on t0 outside of what is integrated, moved by whole periods."""

from __future__ import annotations

import numpy as np
import pytest

from apps.ttv.compute.table import PlanetTransits
from apps.ttv.plan.first_transits import move_of

NUMBERS = np.arange(1, 21)


def transits(varies: float) -> PlanetTransits:
    """Return transits of 10 days from 110 on, earlier and later by `varies` days in turn."""
    late = varies * np.where(NUMBERS % 2, 1.0, -1.0)
    return PlanetTransits("b", NUMBERS, 100.0 + 10.0 * NUMBERS + late, np.full(20, 0.001))


@pytest.mark.parametrize(
    ("varies", "t0", "periods"),
    [
        (0.0, 110.0, None),
        (0.0, 300.0, None),
        (0.0, 100.0, None),
        (0.0, 90.0, 1),
        (0.0, 320.0, -22),
        (0.9, 100.0, 1),
        (0.9, 110.0, None),
    ],
)
def test_t0_is_moved_to_the_first_transit_that_is_surely_integrated(
    varies: float, t0: float, periods: int | None
) -> None:
    """The model begins half a day before transit 0, which a variation may bring earlier."""
    move = move_of(transits(varies), t0, epoch=99.5, end=311.0)
    assert (None if move is None else move.periods) == periods
    if move is not None:
        assert move.is_sure
        assert move.days == pytest.approx(move.periods * 10.0, abs=0.1 * abs(move.periods))


def test_a_way_longer_than_the_line_is_known_is_not_sure() -> None:
    """A tenth of a period, in steps of 0.9 days over the root of sum(n - mean)^2 = 665."""
    steps = 1.0 / (0.9 / 665.0**0.5)
    near = move_of(transits(0.9), 100.0 - 10.0 * round(0.8 * steps), epoch=99.5, end=311.0)
    far = move_of(transits(0.9), 100.0 - 10.0 * round(1.2 * steps), epoch=99.5, end=311.0)
    assert near is not None
    assert near.is_sure
    assert far is not None
    assert not far.is_sure


def test_a_planet_without_a_line_is_not_moved() -> None:
    alone = PlanetTransits("b", np.array([0]), np.array([105.0]), np.array([0.001]))
    assert move_of(alone, -500.0, epoch=99.5, end=311.0) is None
