"""A proposal's density is that of its draws, in the coordinates that it was fitted in."""

from __future__ import annotations

import math

import numpy as np
import pytest

from apps.ttv.compute.population.proposal import Proposal, fit_proposal, proposal_of


@pytest.fixture
def bent() -> np.ndarray:
    draws = np.random.default_rng(1).normal(size=(2000, 3))
    draws[:, 2] += 2.0 * draws[:, 0] ** 2
    return draws


def test_the_density_is_normalised(bent: np.ndarray) -> None:
    """The mean of a known density over the proposal's is 1, to within four standard errors."""
    proposal = fit_proposal([bent], [1.0], (0, 1, 2))
    y = proposal.sample(20_000, np.random.RandomState(2))
    known = -0.5 * (y[:, 0] ** 2 + y[:, 1] ** 2 + (y[:, 2] - 2.0 * y[:, 0] ** 2) ** 2)
    ratios = np.exp(known - 1.5 * math.log(2.0 * math.pi) - proposal.log_densities(y))
    assert abs(ratios.mean() - 1.0) < 4.0 * ratios.std() / math.sqrt(len(ratios))
    assert ratios.std() < 0.5


def test_it_survives_json(bent: np.ndarray) -> None:
    proposal = fit_proposal([bent, bent + 20.0], [0.3, 0.7], (0, 1, 2))
    again: Proposal = proposal_of(proposal.to_json())
    assert np.array_equal(again.log_densities(bent), proposal.log_densities(bent))
