"""Last draws of a posterior with a neck, as masses that transit times hardly limit have one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from apps.ttv.population.importance import log_mean, relative_error
from apps.ttv.population.last_looks import ENOUGH, LAST, MOST_LOOKS, N_LOOK, look_last
from apps.ttv.population.proposal import fit_proposal
from apps.ttv.population.refining import Cover, Look, joined, refine

N_POINT = 300
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


def looked(seed: int) -> tuple[Look, tuple[Look, ...]]:
    """Return the last looks at a neck that the first proposal covers badly."""
    neck, random = Neck(), np.random.RandomState(seed)
    draws = random.standard_normal((1000, N_DIM))
    first = fit_proposal([draws], [1.0], range(N_DIM))
    proposal, rounds = refine(neck, first, NOWHERE, range(N_DIM), random, N_POINT)
    _, looks = look_last(neck, proposal, rounds, NOWHERE, range(N_DIM), random, N_POINT)
    return joined(looks), looks


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_neck_has_its_part_of_the_evidence(seed: int) -> None:
    """To five standard errors, a false-alarm rate of 6e-7 each where their sum is normal."""
    together, _ = looked(seed)
    error = relative_error(together.logs)
    assert error < 0.1
    assert abs(log_mean(together.logs)) < 5.0 * error
    assert together.effective >= ENOUGH * N_POINT
    weights = np.exp(together.logs - together.logs.max())
    deep = weights[together.y[:, 0] > 1.0].sum() / weights.sum()
    # The part of a normal distribution above 1, to five times the error of a part.
    assert deep == pytest.approx(0.1587, abs=5.0 * math.sqrt(0.1335 / together.effective))


def test_parts_are_independent_and_of_equal_size() -> None:
    """They scatter about the evidence as much as they say: chi2 of 8 parts, 1e-5 and 1 - 1e-5."""
    together, looks = looked(4)
    assert len(looks) == N_LOOK
    assert len({len(look.y) for look in looks}) == 1
    assert len(together.y) % (LAST * N_POINT // N_LOOK * N_LOOK) == 0
    assert len(together.y) <= MOST_LOOKS * LAST * N_POINT
    means = np.array([log_mean(look.logs) for look in looks])
    errors = np.array([relative_error(look.logs) for look in looks])
    chi2 = np.sum(((means - means.mean()) / errors) ** 2)
    assert 0.3 < chi2 < 35.0


def test_a_posterior_that_is_nowhere_ends() -> None:
    class Nowhere(Neck):
        def evaluate(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            broad, logs = super().evaluate(y)
            return broad, np.full_like(logs, -math.inf)

    nowhere, random = Nowhere(), np.random.RandomState(5)
    first = fit_proposal([random.standard_normal((1000, N_DIM))], [1.0], range(N_DIM))
    proposal, rounds = refine(nowhere, first, NOWHERE, range(N_DIM), random, N_POINT)
    _, looks = look_last(nowhere, proposal, rounds, NOWHERE, range(N_DIM), random, N_POINT)
    assert joined(looks).effective == 0.0
