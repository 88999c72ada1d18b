"""Nested runs with a proposal: right evidences and posteriors, whether that is right or wrong.

As in `tests.science.test_known_evidence`: independent runs, Student's t, a false-alarm rate of 1e-4
for every mean; seeds are fixed.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from apps.nested.compute.proposal import Proposal
from apps.nested.merge.canonical import insertion_probability
from apps.nested.output import NestedOutput
from apps.nested.weights import information, insertion_ranks, merge_points, weigh
from tests import nested_targets
from tests.nested_targets import Likely, Proposed, gaussian, round_proposal, settings
from tests.science.test_known_evidence import FALSE_ALARM, N_RUN, assert_mean_is, log_evidences

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SIGMA = 0.02
N_DIM = 3
GOOD = round_proposal(N_DIM, SIGMA, 0.5)

PROPOSALS = {
    "right": GOOD,
    "too wide": round_proposal(N_DIM, 3.0 * SIGMA, 0.5),
    "too narrow": round_proposal(N_DIM, SIGMA / 3.0, 0.5),
    "shifted": round_proposal(N_DIM, SIGMA, 0.5 + 3.0 * SIGMA),
    "half outside of the prior": round_proposal(N_DIM, 0.2, 0.9),
    "bent, and nearly all of the cube": round_proposal(N_DIM, SIGMA, 0.5, share=0.99, bend=4.0),
}


def runs(target: Likely, proposal: Proposal, **changes: object) -> list[NestedOutput]:
    chosen = settings(**({"n_live": 64, "segment": 32} | changes))
    return [nested_targets.run(Proposed(target, proposal), chosen, k) for k in range(N_RUN)]


@pytest.mark.parametrize("name", PROPOSALS)
def test_the_evidence_does_not_depend_on_the_proposal(name: str) -> None:
    target = gaussian(N_DIM, SIGMA)
    found = runs(target, PROPOSALS[name])
    assert_mean_is(log_evidences(found), 0.0)
    means, spreads = [], []
    for one in found:
        points = merge_points([one])
        weights = weigh(points).weights
        values = Proposed(target, PROPOSALS[name]).values(points.cube)
        means.append(float(weights @ values[:, -1]))
        spreads.append(float(weights @ np.square(values[:, 0] - 0.5)))
    assert_mean_is(means, 0.5)
    assert_mean_is(spreads, SIGMA**2)


def test_a_right_proposal_leaves_little_to_learn() -> None:
    """All that is left: the proposal's share, and the shape of its tails, 0.01 a coordinate."""
    found = runs(gaussian(N_DIM, SIGMA), GOOD)
    assert insertion_probability([insertion_ranks(one) for one in found]) > FALSE_ALARM
    points = merge_points(found)
    expected = -math.log(0.8) + 0.0105 * N_DIM
    error = math.sqrt(expected / points.n_thread)
    assert abs(information(points, weigh(points)) - expected) < 4.0 * error
    plain = merge_points([nested_targets.run(gaussian(N_DIM, SIGMA), settings())])
    assert information(plain, weigh(plain)) > 20.0 * expected


def test_a_mode_that_the_proposal_misses_is_found() -> None:
    """Three tenths of the evidence in a mode that only the prior's share leads to."""
    at, widths = np.array([[0.3] * 3, [0.7] * 3]), np.array([0.03, 0.1])

    def log_likelihood(cube: np.ndarray) -> np.ndarray:
        squares = (((cube[:, None] - at) / widths[:, None]) ** 2).sum(axis=2)
        logs = np.log([0.7, 0.3]) - 3 * np.log(widths * math.sqrt(2 * math.pi))
        return np.logaddexp(*(logs - 0.5 * squares).T)

    target, proposal = Likely(3, log_likelihood), round_proposal(3, 0.03, 0.3)
    found = runs(target, proposal, n_live=100, segment=50)
    # A thousandth of the second mode is outside of the cube, a hundredth of it at each wall.
    inside = math.erf(0.3 / 0.1 / math.sqrt(2.0)) / 2.0 + 0.5
    assert_mean_is([math.exp(one) for one in log_evidences(found)], 0.7 + 0.3 * inside**3)
    shares = []
    for one in found:
        points = merge_points([one])
        far = Proposed(target, proposal).values(points.cube)[:, 0] > 0.45
        shares.append(float(weigh(points).weights[far].sum()))
    assert_mean_is(shares, 0.3 * inside**3 / (0.7 + 0.3 * inside**3))
