"""Draws of a posterior with a neck, as masses that transit times hardly limit have one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from apps.ttv.compute.population.importance import log_mean, relative_error
from apps.ttv.compute.population.proposal import Proposal, fit_proposal
from apps.ttv.compute.population.refining import LOOK, MOST_LOOKS, Cover, Refiner, draws_of_round
from apps.ttv.compute.population.rounds import N_PART, Rounds, look_at

N_POINT = 500
N_DIM = 5
NOWHERE = Cover((), lambda y: np.zeros(len(y), dtype=np.intp), np.empty((0, N_DIM)))


class Neck:
    """A funnel (Neal 2003, Ann. Stat. 31, 705): the larger the first number, the narrower it is.

    Its evidence is 1.
    """

    def evaluate(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        spread = np.exp(-0.8 * y[:, :1])
        logs = -0.5 * np.sum(np.column_stack([y[:, :1], y[:, 1:] / spread]) ** 2, axis=1)
        logs -= (N_DIM - 1) * np.log(spread[:, 0]) + 0.5 * N_DIM * math.log(2.0 * math.pi)
        return np.zeros(len(y)), logs


def begun(seed: int) -> tuple[Refiner, Proposal]:
    """Return a proposal that a population of few points was fitted by, and who makes it better."""
    random = np.random.RandomState(seed)
    first = random.standard_normal(N_POINT)
    others = np.exp(-0.8 * first[:, np.newaxis]) * random.standard_normal((N_POINT, N_DIM - 1))
    population = np.column_stack([first, others])
    cover = Cover((), lambda y: np.zeros(len(y), dtype=np.intp), 1.4 * population)
    refiner = Refiner(Neck(), cover, range(N_DIM), random, draws_of_round(N_POINT))
    return refiner, fit_proposal([population], [1.0], range(N_DIM))


def looked(seed: int) -> Rounds:
    refiner, proposal = begun(seed)
    return refiner.conclude(proposal)[1]


def test_draws_that_proposals_were_fitted_to_weigh_too_little() -> None:
    """Over six seeds by five standard errors; other draws of the last proposals are right."""
    own, other = [], []
    for seed in range(1, 7):
        refiner, proposal = begun(seed)
        refiner, rounds = replace(refiner, size=1184), Rounds()
        last = refiner.refined(proposal, rounds, 5, 5)
        own.append(rounds.all().logs)
        other.append(look_at(refiner.target, last, 8000, refiner.random).logs)
    assert abs(significance(other)) < 5.0
    assert significance(own) < -5.0


def significance(looks: list[np.ndarray]) -> float:
    """Return by how many standard errors the mean log evidence differs from 0."""
    errors = np.array([relative_error(logs) for logs in looks])
    return float(sum(log_mean(logs) for logs in looks) / np.sqrt(np.sum(errors**2)))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_neck_has_its_part_of_the_evidence(seed: int) -> None:
    """To five standard errors, a false-alarm rate of 6e-7 each where their sum is normal."""
    together = looked(seed).all()
    error = relative_error(together.logs)
    assert error < 0.01
    assert abs(log_mean(together.logs)) < 5.0 * error
    weights = np.exp(together.logs - together.logs.max())
    deep = weights[together.y[:, 0] > 1.0].sum() / weights.sum()
    # The part of a normal distribution above 1.
    assert deep == pytest.approx(0.1587, abs=5.0 * math.sqrt(0.1335 / together.effective))


def test_parts_are_independent_and_of_equal_size() -> None:
    """They scatter about the evidence as much as they say: chi2 of 32 parts, 1e-4 on each side."""
    rounds = looked(4)
    parts = rounds.parts()
    assert len(parts) == N_PART
    assert len({len(look.y) for look in parts}) == 1
    together = rounds.all()
    assert sum(len(look.y) for look in parts) == len(together.y)
    assert len(together.y) % (LOOK * draws_of_round(N_POINT)) == 0
    assert np.sort(np.concatenate([look.logs for look in parts])) == pytest.approx(
        np.sort(together.logs)
    )
    means = np.array([log_mean(look.logs) for look in parts])
    errors = np.array([relative_error(look.logs) for look in parts])
    chi2 = np.sum(((means - means.mean()) / errors) ** 2)
    assert 9.0 < chi2 < 75.0


def test_a_posterior_that_is_nowhere_ends() -> None:
    class Nowhere(Neck):
        def evaluate(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            broad, logs = super().evaluate(y)
            return broad, np.full_like(logs, -math.inf)

    random = np.random.RandomState(5)
    first = fit_proposal([random.standard_normal((1000, N_DIM))], [1.0], range(N_DIM))
    refiner = Refiner(Nowhere(), NOWHERE, range(N_DIM), random, draws_of_round(N_POINT))
    proposal, looks = refiner.conclude(first)
    assert proposal is first
    assert len(looks.looks) == MOST_LOOKS
    assert looks.all().effective == 0.0
