"""Proposals that are made again from their own draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from apps.ttv.compute.population.importance import log_mean, relative_error
from apps.ttv.compute.population.proposal import Proposal, fit_proposal
from apps.ttv.compute.population.refining import SHARED, Cover, Refiner, draws_of_round, refitted
from apps.ttv.compute.population.rounds import Look, look_at
from apps.ttv.compute.population.target import Target
from tests.unit.apps.ttv.compute.population import toy

SIZE = draws_of_round(200)
ORDER = range(4)


NOTHING = Cover((), lambda y: np.zeros(len(y), dtype=np.intp), np.empty((0, 4)))
"""No peak is known, and nothing wider than the posterior."""


def right_of_zero(y: np.ndarray) -> np.ndarray:
    return np.asarray(y[:, 0] > 0.0, dtype=np.intp)


@pytest.fixture(scope="module")
def target() -> Target:
    return toy.target_of(toy.Normal())


@pytest.fixture(scope="module")
def poor() -> Proposal:
    return toy.poor_proposal()


def test_refining_makes_a_poor_proposal_a_good_one(target: Target, poor: Proposal) -> None:
    random = np.random.RandomState(3)
    before = look_at(target, poor, 4000, random).effective
    better, _ = Refiner(target, NOTHING, ORDER, random, SIZE).conclude(poor)
    after = look_at(target, better, 4000, random)
    assert before < 0.2 * 4000
    assert after.effective > 0.5 * 4000
    error = relative_error(after.logs)
    assert abs(log_mean(after.logs) - toy.LOG_Z) < 5.0 * error


def test_a_proposal_that_is_good_already_stays_good(target: Target) -> None:
    draws = toy.MEAN + toy.SPREAD * np.random.default_rng(4).standard_normal((4000, 4))
    good = fit_proposal([draws], [1.0], ORDER)
    random = np.random.RandomState(5)
    fitted, _ = Refiner(target, NOTHING, ORDER, random, SIZE).conclude(good)
    assert look_at(target, fitted, 4000, random).effective > 0.8 * 4000


def test_the_same_random_numbers_give_the_same_proposal(target: Target, poor: Proposal) -> None:
    twice = [
        Refiner(target, NOTHING, ORDER, np.random.RandomState(6), SIZE).conclude(poor)[0]
        for _ in range(2)
    ]
    assert twice[0].to_json() == twice[1].to_json()


def test_a_flat_likelihood_has_an_evidence_of_one() -> None:
    """To five standard errors."""
    target = toy.target_of(toy.Flat())
    draws = target.broad_draws(3000, np.random.RandomState(7))
    first = fit_proposal([draws], [1.0], range(10))
    random = np.random.RandomState(8)
    better, _ = Refiner(target, NOTHING, range(10), random, draws_of_round(400)).conclude(first)
    look = look_at(target, better, 8000, random)
    error = relative_error(look.logs)
    assert error < 0.03
    assert abs(log_mean(look.logs)) < 5.0 * error


def test_a_posterior_that_is_nowhere_leaves_the_proposal(poor: Proposal) -> None:
    class Nowhere(toy.Normal):
        def log_densities(self, points: np.ndarray) -> np.ndarray:
            return np.full(len(points), -math.inf)

    target = toy.target_of(Nowhere())
    same, _ = Refiner(target, NOTHING, ORDER, np.random.RandomState(9), SIZE).conclude(poor)
    assert same is poor
    assert look_at(target, poor, 50, np.random.RandomState(9)).effective == 0.0


class TwoPeaks(toy.Normal):
    """Two narrow likelihoods in a standard normal prior: two thirds of the evidence on the left."""

    CENTERS = (np.array([-1.5, 0.0, 0.0, 0.0]), np.array([1.5, 0.0, 0.0, 0.0]))
    PARTS = (2.0 / 3.0, 1.0 / 3.0)

    def log_densities(self, points: np.ndarray) -> np.ndarray:
        squares = [np.sum((points - center) ** 2, axis=1) for center in self.CENTERS]
        logs = [
            math.log(part) - 0.5 * square / toy.WIDTH**2
            for part, square in zip(self.PARTS, squares, strict=True)
        ]
        return self._prior.log_densities(points) + np.logaddexp(*logs)


def test_a_peak_that_the_population_has_missed_keeps_its_part() -> None:
    """Only its approximation is known, three times too wide in one direction, too narrow in others.

    Without it the weights would be even, and the evidence two thirds of what it is. To five
    standard errors.
    """
    target = toy.target_of(TwoPeaks())
    rng = np.random.default_rng(10)
    left, right = (
        center / (1.0 + toy.WIDTH**2) + toy.SPREAD * rng.standard_normal((2000, 4))
        for center in TwoPeaks.CENTERS
    )
    poor = right.mean(axis=0) + toy.SPREAD * np.array([3.0, 0.4, 0.4, 0.4]) * (
        rng.standard_normal((1000, 4))
    )
    cover = Cover((left[:1000], poor), right_of_zero, np.empty((0, 4)))
    first = fit_proposal([left, *cover.around], [0.5, 0.25, 0.25], ORDER)
    random = np.random.RandomState(11)
    better, _ = Refiner(target, cover, ORDER, random, SIZE).conclude(first)
    look = look_at(target, better, 20_000, random)
    assert look.effective > 0.3 * 20_000
    log_z = toy.LOG_Z - toy.PEAK_LOG - 0.5 * (1.5**2 - np.sum(toy.CENTER**2)) / (1.0 + toy.WIDTH**2)
    error = relative_error(look.logs)
    assert abs(log_mean(look.logs) - log_z) < 5.0 * error
    weights = np.exp(look.logs - look.logs.max())
    on_the_right = weights[look.y[:, 0] > 0.0].sum() / weights.sum()
    assert on_the_right == pytest.approx(1.0 / 3.0, abs=5.0 * error)


def test_each_peak_has_its_part_and_a_share_of_all() -> None:
    rng = np.random.default_rng(12)
    y = np.concatenate([rng.normal(-5.0, 0.1, (700, 2)), rng.normal(5.0, 0.1, (3, 2))])
    around = (rng.normal(-5.0, 1.0, (500, 2)), rng.normal(5.0, 1.0, (500, 2)))
    cover = Cover(around, right_of_zero, np.empty((0, 2)))
    look = Look(y, np.zeros(703), np.zeros(703))
    fit = refitted(look, cover, range(2), 1000, np.random.RandomState(13))
    sample = fit.sample(20_000, np.random.RandomState(14))
    right = sample[sample[:, 0] > 0.0]
    part = (1.0 - SHARED) * 3.0 / 703.0 + SHARED / 2.0
    # Five standard errors of the share.
    assert len(right) / 20_000 == pytest.approx(part, abs=5.0 * math.sqrt(part / 20_000))
    # Three draws are too few for a fit: what is known of the peak stands for them.
    assert right.std(axis=0) == pytest.approx([1.0, 1.0], rel=0.3)


def test_wider_draws_have_a_tenth() -> None:
    rng = np.random.default_rng(15)
    y, wide = rng.normal(0.0, 0.1, (1000, 2)), rng.normal(20.0, 0.1, (1000, 2))
    cover = Cover((), NOTHING.labels, wide)
    look = Look(y, np.zeros(1000), np.zeros(1000))
    fit = refitted(look, cover, range(2), 1000, np.random.RandomState(16))
    sample = fit.sample(20_000, np.random.RandomState(17))
    # Five standard errors of the share.
    assert np.mean(sample[:, 0] > 10.0) == pytest.approx(0.1, abs=5.0 * math.sqrt(0.09 / 20_000))
