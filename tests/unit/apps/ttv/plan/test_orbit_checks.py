"""Inclinations at which a planet could not be seen to transit."""

from __future__ import annotations

import pytest

from apps.ttv.compute.settings import Problem
from apps.ttv.plan.orbit_checks import cannot_transit, remark_on_grazing
from tests.unit.apps.ttv.plan.timing_case import pair, uniform


def problem(low: float, high: float, period: float = 20.3) -> Problem:
    """Return a pair whose planet c has inclinations from `low` to `high`, degrees."""
    periods = uniform(0.999 * period, 1.001 * period)
    return pair("pair.csv", c_period=periods, c_inclination=uniform(low, high)).problem


@pytest.mark.parametrize(("low", "high"), [(20.0, 160.0), (0.0, 90.0), (89.0, 91.0)])
def test_priors_that_reach_ninety_degrees_are_right(low: float, high: float) -> None:
    assert cannot_transit(problem(low, high), "c") is None
    assert remark_on_grazing(problem(low, high), "c") is None


@pytest.mark.parametrize(("low", "high"), [(20.0, 70.0), (110.0, 160.0)])
def test_the_inclination_nearest_to_ninety_degrees_decides(low: float, high: float) -> None:
    """At 20 degrees from it c passes at 4.2 * 20.3^(2/3) * sin(20 deg) = 10.7 solar radii."""
    told = cannot_transit(problem(low, high), "c")
    assert told is not None
    assert "the middle of its star at 10.7 solar radii or more" in told
    assert remark_on_grazing(problem(low, high), "c") is None


def test_a_giant_s_planet_is_told() -> None:
    """At 8 degrees from 90: 4.3 solar radii, a giant's."""
    far = problem(70.0, 82.0)
    assert cannot_transit(far, "c") is None
    assert "at 4.3 solar radii or more: it transits only if" in str(remark_on_grazing(far, "c"))


def test_no_planet_transits_a_star_that_fills_its_orbit() -> None:
    """Half a day: a = 2.6 solar radii, so that no star is larger than 1.8."""
    assert "at 2.5 solar radii or more" in str(cannot_transit(problem(10.0, 20.0, 0.5), "c"))
    assert cannot_transit(problem(10.0, 50.0, 0.5), "c") is None
