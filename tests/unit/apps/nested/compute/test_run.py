"""Segments: what dies, what follows from what, and when a run ends."""

from __future__ import annotations

import math

import numpy as np
import pytest

from apps.nested.compute.run import MAX_BLOCKS, is_complete, log_left
from boinc_project.errors import UnitError
from tests import nested_targets as targets
from tests.nested_targets import Likely, gaussian, sampler, settings


def test_points_die_from_the_worst_and_are_born_above_it() -> None:
    output = targets.run(gaussian(3, 0.05), settings())
    assert (np.diff(output.dead_logl) >= 0).all()
    assert (output.dead_logl > output.dead_birth).all()
    assert (output.live_logl > output.live_birth).all()
    assert output.live_logl.min() >= output.dead_logl[-1]


def test_a_segment_follows_from_its_live_points_alone() -> None:
    """Whatever was done before: this is what makes every boundary a mark."""
    chosen = settings()
    output = targets.run(gaussian(3, 0.05), chosen)
    for number in (0, 3, output.n_segment - 1):
        live_u, live_logl = output.live_at(number * chosen.segment)
        again = sampler(gaussian(3, 0.05), chosen).segment(
            live_u, live_logl, float(output.scales[number]), number
        )
        dead = slice(number * chosen.segment, (number + 1) * chosen.segment)
        np.testing.assert_array_equal(again.dead_u, output.dead_u[dead])
        np.testing.assert_array_equal(again.dead_logl, output.dead_logl[dead])
        np.testing.assert_array_equal(again.dead_slot, output.dead_slot[dead])
        assert again.scale == output.scales[number + 1]
        live_u, live_logl = output.live_at((number + 1) * chosen.segment)
        np.testing.assert_array_equal(again.live_u, live_u)
        np.testing.assert_array_equal(again.live_logl, live_logl)


def test_a_segment_leaves_the_live_points_given_alone() -> None:
    nested = sampler(gaussian(2, 0.1), settings())
    found = nested.begin()
    before = found.live_u.copy(), found.live_logl.copy()
    nested.segment(found.live_u, found.live_logl, 1.0, 0)
    np.testing.assert_array_equal(found.live_u, before[0])
    np.testing.assert_array_equal(found.live_logl, before[1])


def test_an_interrupted_segment_has_no_effect() -> None:
    target = gaussian(2, 0.1)
    nested = sampler(target, settings())
    found = nested.begin()

    def interrupt(cube: np.ndarray) -> np.ndarray:
        raise KeyboardInterrupt

    target.log_likelihoods = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        nested.advance(found)
    assert (found.n_segment, len(found.scales)) == (0, 1)


def test_other_seeds_give_other_runs() -> None:
    one, other = (sampler(gaussian(2, 0.1), settings(), index).begin() for index in (0, 1))
    assert not np.isin(one.live_u, other.live_u).any()


def test_points_without_a_model_are_counted() -> None:
    def half(cube: np.ndarray) -> np.ndarray:
        return np.where(cube[:, 0] > 0.25, -np.inf, -cube[:, 0])

    found = sampler(Likely(2, half), settings()).begin()
    assert len(found.live_u) == 100
    assert (found.live_u[:, 0] <= 0.25).all()
    # A negative binomial number with mean 400 and standard deviation 35.
    assert abs(found.n_drawn - 400) < 5 * 35


def test_a_prior_without_models_is_refused() -> None:
    target = Likely(2, lambda cube: np.full(len(cube), -np.inf))
    with pytest.raises(UnitError, match="make the priors narrower"):
        sampler(target, settings()).begin()
    assert target.n_call == MAX_BLOCKS * 100


def test_a_flat_likelihood_is_refused() -> None:
    nested = sampler(Likely(2, lambda cube: np.zeros(len(cube))), settings())
    with pytest.raises(UnitError, match="equally likely"):
        nested.advance(nested.begin())


def test_what_is_left_is_bounded_by_the_best_live_point() -> None:
    """With all likelihoods equal, found and left are the volumes outside and inside."""
    left = log_left(np.zeros(150), np.zeros(100), 100)
    inside = math.exp(-1.5)
    assert math.exp(left) == pytest.approx(inside / (1.0 - inside))
    # Points of the prior without a model change both alike.
    assert log_left(np.zeros(150), np.zeros(100), 400) == pytest.approx(left)


def test_a_run_ends_at_its_limit() -> None:
    output = targets.run(gaussian(2, 0.01), settings(max_segments=3))
    assert output.n_segment == 3


def test_a_run_ends_at_the_first_boundary_where_little_is_left() -> None:
    chosen = settings()
    output = targets.run(gaussian(2, 0.05), chosen)
    limit = math.log(math.expm1(chosen.dlogz))
    assert log_left(output.dead_logl, output.live_logl, output.n_drawn) < limit
    before = len(output.dead_logl) - chosen.segment
    live = output.live_at(before)[1]
    assert log_left(output.dead_logl[:before], live, output.n_drawn) >= limit


def test_a_new_run_is_not_complete() -> None:
    nested = sampler(gaussian(2, 0.05), settings())
    assert not is_complete(nested.begin(), nested.settings)
