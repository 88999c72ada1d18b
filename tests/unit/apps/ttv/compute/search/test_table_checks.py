"""Sentences on tables and priors that contradict each other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from apps.ttv.compute.search.table_checks import (
    allowed,
    misnumbered,
    osculating,
    renumbered,
    uncertainty,
    variation,
    why_unmatched,
    wrong_period,
    wrong_t0,
)
from apps.ttv.compute.table import PlanetTransits
from tests.unit.apps.ttv.plan.timing_case import pair, uniform

PERIOD, START = 20.3, 108.0
NUMBERS = np.array([0, 1, 2, 3, 6, 7, 8, 12, 13, 14])


def transits(
    numbers: np.ndarray = NUMBERS, late: np.ndarray | float = 0.0, period: float = PERIOD
) -> PlanetTransits:
    """Return transits on a line, later than it by `late` days."""
    times = START + period * NUMBERS + late
    return PlanetTransits("c", numbers, times, np.full(len(times), 0.001))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2])
def test_transits_of_one_line_and_its_variations_have_right_numbers(share: float) -> None:
    """No planet is known to vary by more than a tenth of its period."""
    late = share * PERIOD * np.sin(2.0 * math.pi * NUMBERS / 11.0)
    assert misnumbered(transits(late=late)) is None


def test_two_transits_contradict_nothing() -> None:
    two = PlanetTransits("c", np.array([0, 7]), np.array([1.0, 2.0]), np.array([0.1, 0.1]))
    assert misnumbered(two) is None


@pytest.mark.parametrize("shift", [-1, 1, 2])
def test_the_first_transit_with_a_wrong_number_is_named_with_the_right_one(shift: int) -> None:
    shifted = NUMBERS + shift * (NUMBERS >= 6)
    told = misnumbered(transits(shifted))
    assert told is not None
    assert f"transit {6 + shift} of c comes 3.00 periods of 20.3000 days" in told
    assert "after transit 3: give it the number 6," in told


@pytest.mark.parametrize(("share", "comes"), [(-0.7, "0.30"), (-0.45, "1.55"), (0.6, "1.60")])
def test_a_time_between_two_transits_is_given_no_number(share: float, comes: str) -> None:
    """Any number would be as wrong as the time is."""
    late = share * PERIOD * (NUMBERS == 7)
    if share == -0.45:
        late = late + 0.1 * PERIOD * (NUMBERS == 8)
    told = misnumbered(transits(late=late))
    assert told is not None
    assert f" comes {comes} periods of 20.3000 days after transit " in told
    assert told.endswith(": correct the time of one of the two, or leave it out.")


def test_times_of_another_zero_point_are_told_as_such() -> None:
    """Two years of BKJD, and eight years later BTJD."""
    numbers = np.concatenate([np.arange(10), np.arange(150, 160)])
    times = START + PERIOD * numbers - 2167.0 * (numbers >= 150)
    told = misnumbered(PlanetTransits("c", numbers, times, np.full(20, 0.001)))
    assert told is not None
    assert "From transit 150 of c on" in told
    assert "add 2167 to make them BKJD" in told


def test_a_period_outside_of_its_prior_is_told_with_both_numbers() -> None:
    told = wrong_period(transits(), (21.1, 21.5))
    assert told is not None
    assert "20.3000 days in the table, but 21.1 to 21.5 days" in told
    assert wrong_period(transits(), (20.2, 20.4)) is None
    assert "but 20.1 days" in str(wrong_period(transits(), (20.1, 20.1)))


def test_a_number_is_told_where_the_allowed_periods_leave_no_other() -> None:
    shifted = transits(NUMBERS + (NUMBERS >= 6))
    told = renumbered(shifted, (20.2, 20.4))
    assert told == "give transit 7 the number 6, and change those after it"
    assert renumbered(shifted, (12.0, 30.0)) is None  # the gap may have two to five transits
    assert renumbered(shifted, (100.0, 110.0)) is None  # longer than the intervals are
    assert renumbered(transits(), (20.2, 20.4)) is None


def test_a_period_that_the_line_does_not_tell_from_the_allowed_ones_is_right() -> None:
    """Its standard error is what transits vary by over the root of sum(n - mean)^2."""
    varying = transits(late=np.where(NUMBERS % 2, 1.0, -1.0))
    line = varying.linear_ephemeris()
    assert line is not None
    error = variation(varying) / math.sqrt(np.sum((NUMBERS - NUMBERS.mean()) ** 2))
    room = uncertainty(varying)
    assert room == pytest.approx(error / line[1])
    for offset, is_right in ((0.9, True), (1.1, False), (-0.9, True), (-1.1, False)):
        period = line[1] + offset * error
        assert (wrong_period(varying, (period, period), room=room) is None) == is_right
    alone = PlanetTransits("c", np.array([3, 3]), np.array([1.0, 1.1]), np.array([0.1, 0.1]))
    assert uncertainty(alone) == 0.0


@pytest.mark.parametrize("count", [-2, 0, 3])
def test_any_transit_of_the_line_may_be_t0(count: int) -> None:
    t0 = START + count * PERIOD
    assert wrong_t0(transits(), (t0 - 0.1, t0 + 0.1), epoch=0.0) is None


def test_t0_between_transits_is_told_with_the_nearest_one() -> None:
    told = wrong_t0(transits(), (118.0, 119.0), epoch=104.0)
    assert told is not None
    assert "nearest is at 128.300" in told
    assert wrong_t0(transits(), (104.0, 130.0), epoch=104.0) is None


def test_t0_of_a_heavily_perturbed_planet_lies_beside_its_transits() -> None:
    """The unperturbed orbit is half a period's share of 0.05 behind in the period it begins in."""
    line = transits()
    start, period = line.linear_ephemeris() or (0.0, 0.0)
    limits = (start + 0.02 * period, start + 0.03 * period)
    assert wrong_t0(line, limits, epoch=start) is not None
    assert wrong_t0(line, limits, epoch=start, share=0.05) is None
    assert wrong_t0(line, limits, epoch=start, share=0.05, strict=True) is not None


def test_t0_before_the_model_begins_is_told_with_the_same_later() -> None:
    told = wrong_t0(transits(), (87.5, 87.9), epoch=104.0, strict=True)
    assert told is not None
    assert "the same one period later, 107.8 to 108.2" in told
    twice = wrong_t0(transits(), (67.2, 67.6), epoch=104.0, strict=True)
    assert "the same 2 periods later, 107.8 to 108.2" in str(twice)
    # A model that begins a little later still has the transit near t0.
    assert wrong_t0(transits(), (107.8, 108.2), epoch=108.5, strict=True) is None


def test_limits_are_a_prior_s_or_a_fixed_value() -> None:
    problem = pair("pair.csv", c_period={"kind": "normal", "mean": 20.3, "sigma": 0.1}).problem
    assert allowed(problem, "b.period") == (9.9, 10.1)
    assert allowed(problem, "c.period") == pytest.approx((20.3 - 0.475, 20.3 + 0.475), abs=0.01)
    assert allowed(problem, "b.inclination") == (90.0, 90.0)
    assert allowed(problem, "b.ecosw") == (-math.inf, math.inf)


def test_heavy_neighbours_make_a_period_swing_more() -> None:
    """60 Earth masses at e = 0.2: one and a half of sqrt(16/3 1.8e-4 0.2) = 1.4 %."""
    light = osculating(pair("pair.csv", mass=uniform(0.0, 60.0)).problem, "b")
    assert light == pytest.approx(0.0208, abs=0.0002)
    heavy = osculating(pair("pair.csv", mass=uniform(0.0, 240.0)).problem, "b")
    assert heavy == pytest.approx(2.0 * light)
    assert osculating(pair("pair.csv", mass=uniform(0.0, 1e5)).problem, "b") == 0.1


def test_every_planet_gets_one_sentence_at_most() -> None:
    sound = pair("pair.csv")
    assert why_unmatched(sound.problem, sound.table) == []
    wrong = pair("pair.csv", b_period=uniform(11.0, 12.0), c_t0=uniform(113.0, 115.0))
    first, second = why_unmatched(wrong.problem, wrong.table)
    assert first.startswith("The period of b is")
    assert second.startswith("t0 of c is 113 to 115")
