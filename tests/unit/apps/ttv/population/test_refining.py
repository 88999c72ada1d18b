"""Proposals that are made again from their own draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from apps.ttv.population.importance import log_mean, relative_error
from apps.ttv.population.proposal import Proposal, fit_proposal
from apps.ttv.population.refining import Look, fit_groups, joined, look_at, refine
from apps.ttv.population.target import Target
from tests.unit.apps.ttv.population import toy

N_POINT = 200
ORDER = range(4)


def no_labels(y: np.ndarray) -> np.ndarray:
    return np.zeros(len(y), dtype=np.intp)


@pytest.fixture(scope="module")
def target() -> Target:
    return toy.target_of(toy.Normal())


@pytest.fixture(scope="module")
def poor() -> Proposal:
    """A proposal that is too wide, and beside the posterior."""
    draws = toy.MEAN + 0.5 + 3.0 * toy.SPREAD * np.random.default_rng(1).standard_normal((2000, 4))
    return fit_proposal([draws], [1.0], ORDER)


def test_weighed_draws_tell_the_evidence(target: Target, poor: Proposal) -> None:
    """To five standard errors, a false-alarm rate of 6e-7 where their sum is normal."""
    look = look_at(target, poor, 20_000, np.random.RandomState(2))
    error = relative_error(look.logs)
    assert error < 0.1
    assert abs(log_mean(look.logs) - toy.LOG_Z) < 5.0 * error


def test_refining_makes_a_poor_proposal_a_good_one(target: Target, poor: Proposal) -> None:
    random = np.random.RandomState(3)
    before = look_at(target, poor, 4000, random).effective
    better = refine(target, poor, no_labels, ORDER, random, N_POINT)
    after = look_at(target, better, 4000, random)
    assert before < 0.2 * 4000
    assert after.effective > 0.5 * 4000
    error = relative_error(after.logs)
    assert abs(log_mean(after.logs) - toy.LOG_Z) < 5.0 * error


def test_refining_never_returns_a_worse_proposal(target: Target) -> None:
    """One that is good already comes back as it is."""
    draws = toy.MEAN + toy.SPREAD * np.random.default_rng(4).standard_normal((4000, 4))
    good = fit_proposal([draws], [1.0], ORDER)
    assert refine(target, good, no_labels, ORDER, np.random.RandomState(5), N_POINT) is good


def test_the_same_random_numbers_give_the_same_proposal(target: Target, poor: Proposal) -> None:
    twice = [
        refine(target, poor, no_labels, ORDER, np.random.RandomState(6), N_POINT) for _ in range(2)
    ]
    assert twice[0].to_json() == twice[1].to_json()


def test_a_flat_likelihood_has_an_evidence_of_one() -> None:
    """To five standard errors."""
    target = toy.target_of(toy.Flat())
    draws = target.broad_draws(3000, np.random.RandomState(7))
    first = fit_proposal([draws], [1.0], range(10))
    random = np.random.RandomState(8)
    look = look_at(target, refine(target, first, no_labels, range(10), random, 400), 8000, random)
    error = relative_error(look.logs)
    assert error < 0.03
    assert abs(log_mean(look.logs)) < 5.0 * error


def test_a_posterior_that_is_nowhere_leaves_the_proposal(poor: Proposal) -> None:
    class Nowhere(toy.Normal):
        def log_densities(self, points: np.ndarray) -> np.ndarray:
            return np.full(len(points), -math.inf)

    target = toy.target_of(Nowhere())
    assert refine(target, poor, no_labels, ORDER, np.random.RandomState(9), N_POINT) is poor
    assert look_at(target, poor, 50, np.random.RandomState(9)).effective == 0.0


def test_groups_have_their_parts_and_few_draws_are_no_group() -> None:
    rng = np.random.default_rng(10)
    draws = np.concatenate(
        [rng.normal(-5.0, 0.1, (700, 2)), rng.normal(5.0, 0.1, (300, 2)), [[50.0, 50.0]]]
    )

    def labels(y: np.ndarray) -> np.ndarray:
        return np.asarray((y[:, 0] > 0.0).astype(np.intp) + (y[:, 0] > 20.0))

    sample = fit_groups(draws, labels, range(2)).sample(4000, np.random.RandomState(11))
    # Five standard errors of the share.
    assert np.mean(sample[:, 0] < 0.0) == pytest.approx(0.7, abs=5.0 * math.sqrt(0.21 / 4000))
    assert (np.abs(sample) < 10.0).all()


def test_looks_are_joined_in_their_order() -> None:
    first = Look(np.zeros((2, 1)), np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    second = Look(np.ones((1, 1)), np.array([4.0]), np.array([5.0]))
    both = joined([first, second])
    assert both.y.tolist() == [[0.0], [0.0], [1.0]]
    assert both.logs.tolist() == [0.0, 1.0, 4.0]
    assert both.target.tolist() == [2.0, 3.0, 5.0]
