"""Importance draws, and rounds of them that are weighed together."""

from __future__ import annotations

import math

import numpy as np
import pytest

from apps.ttv.compute.population.importance import log_mean, relative_error
from apps.ttv.compute.population.proposal import Proposal, fit_proposal
from apps.ttv.compute.population.rounds import Look, Rounds, joined, look_at
from apps.ttv.compute.population.target import Target
from tests.unit.apps.ttv.compute.population import toy

ORDER = range(4)


@pytest.fixture(scope="module")
def target() -> Target:
    return toy.target_of(toy.Normal())


@pytest.fixture(scope="module")
def poor() -> Proposal:
    return toy.poor_proposal()


def test_weighed_draws_tell_the_evidence(target: Target, poor: Proposal) -> None:
    """To five standard errors, a false-alarm rate of 6e-7 where their sum is normal."""
    look = look_at(target, poor, 20_000, np.random.RandomState(2))
    error = relative_error(look.logs)
    assert error < 0.1
    assert abs(log_mean(look.logs) - toy.LOG_Z) < 5.0 * error


def test_looks_are_joined_in_their_order() -> None:
    first = Look(np.zeros((2, 1)), np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    second = Look(np.ones((1, 1)), np.array([4.0]), np.array([5.0]))
    both = joined([first, second])
    assert both.y.tolist() == [[0.0], [0.0], [1.0]]
    assert both.logs.tolist() == [0.0, 1.0, 4.0]
    assert both.target.tolist() == [2.0, 3.0, 5.0]


def test_rounds_weigh_each_draw_by_all_proposals(target: Target, poor: Proposal) -> None:
    """Draws of a poor and of a good proposal, of unlike numbers: the weights of one mixture."""
    draws = toy.MEAN + toy.SPREAD * np.random.default_rng(18).standard_normal((4000, 4))
    good = fit_proposal([draws], [1.0], ORDER)
    random = np.random.RandomState(19)
    rounds = Rounds()
    for proposal, n in ((poor, 3000), (good, 1000), (poor, 500)):
        rounds.add(look_at(target, proposal, n, random), proposal)
    together = rounds.all()
    mixed = np.log(
        (3500.0 * np.exp(poor.log_densities(together.y)) + 1000.0 * np.exp(
            good.log_densities(together.y))) / 4500.0
    )  # fmt: skip
    assert together.logs == pytest.approx(together.target - mixed, abs=1e-9)
    error = relative_error(together.logs)
    assert abs(log_mean(together.logs) - toy.LOG_Z) < 5.0 * error


def test_draws_without_a_posterior_count_in_rounds(target: Target, poor: Proposal) -> None:
    look = look_at(target, poor, 1000, np.random.RandomState(20))
    gone = np.arange(1000) % 2 == 0
    half = Look(look.y, np.where(gone, -math.inf, look.logs), look.target)
    rounds = Rounds()
    rounds.add(half, poor)
    rounds.add(half, poor)
    assert np.isneginf(rounds.all().logs).sum() == 1000
    assert log_mean(rounds.all().logs) == pytest.approx(log_mean(half.logs))
