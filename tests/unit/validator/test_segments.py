"""The judgement on one segment: growth, branches, and what is neither."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from validator.segments import N_DISTURBED, REACH, TOLERANCE, Fate, Purse, apart, fate


def judge(stored: float, disturbed: Sequence[float] | Callable[[int], float]) -> Fate:
    """Judge a segment of one number that comes out as 0 when computed again."""
    again = disturbed if callable(disturbed) else lambda i: disturbed[i % len(disturbed)]
    return fate(stored, 0.0, again, lambda one, other: abs(one - other))


def never(i: int) -> float:
    raise AssertionError("nothing needs to be computed again")


def test_what_comes_out_again_follows_and_costs_nothing_more() -> None:
    assert judge(0.0, never) is Fate.FOLLOWS
    assert judge(TOLERANCE, never) is Fate.FOLLOWS


def test_what_rounding_does_not_explain_departs() -> None:
    assert judge(2 * TOLERANCE, [1e-9, -1e-9]) is Fate.DEPARTS
    assert judge(0.1, [1e-9, -1e-9]) is Fate.DEPARTS
    assert judge(math.inf, [1e-9, -1e-9]) is Fate.DEPARTS


def test_growth_of_rounding_is_allowed_for_and_no_more() -> None:
    grown = [1e-5, -1e-5]
    assert judge(0.9 * REACH * 1e-5, grown) is Fate.FOLLOWS
    assert judge(1.1 * REACH * 1e-5, grown) is Fate.DEPARTS


def test_a_branch_that_rounding_leads_to_is_followed() -> None:
    branches = [1e-9, 1.0, 1.0 + 1e-9]
    assert judge(1.0, branches) is Fate.FOLLOWS
    assert judge(0.5, branches) is Fate.DEPARTS


def test_a_branch_met_once_tells_of_others_that_were_not_met() -> None:
    assert judge(0.5, lambda i: 1.0 if i == 3 else 1e-9) is Fate.UNSURE
    assert judge(0.5, lambda i: float(i + 1)) is Fate.UNSURE


def test_nan_is_never_a_pass() -> None:
    assert judge(math.nan, [0.0]) is Fate.UNSURE
    assert judge(0.5, lambda i: math.nan) is Fate.UNSURE


def test_an_honest_branch_is_misjudged_as_rarely_as_stated() -> None:
    """p (1 - p)^N is largest at p = 1 / (N + 1): 2.2 %."""
    p = np.linspace(0.0, 1.0, 10_001)
    assert (p * (1.0 - p) ** N_DISTURBED).max() == pytest.approx(0.0223, abs=1e-4)


def test_distances_are_in_units_of_each_parameter() -> None:
    first, second = np.zeros((4, 2)), np.zeros((4, 2))
    second[1] = [0.5, 3.0]
    assert apart(first, second, np.array([0.1, 10.0])) == 5.0
    second[2, 1] = math.nan
    assert math.isnan(apart(first, second, np.array([0.1, 10.0])))
    # A parameter that no walker differs in, and no recomputation either, is no distance.
    assert apart(first, first, np.array([0.0, 1.0])) == 0.0


def test_a_purse_has_always_something_for_one_part() -> None:
    purse = Purse(0.0, iter([0.0, 0.0, 5.0]).__next__)
    assert purse.has_for(0)
    assert not purse.has_for(1)


def test_a_purse_is_never_overdrawn_by_parts_of_one_price() -> None:
    """Set-up takes 2, a part 3: of 11 seconds three parts are paid, and the fourth is not begun."""
    now = 0.0
    purse = Purse(11.0, lambda: now)
    now, done = 2.0, 0
    while purse.has_for(done):
        now, done = now + 3.0, done + 1
    assert (done, now) == (3, 11.0)
