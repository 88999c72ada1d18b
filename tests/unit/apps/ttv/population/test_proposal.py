from __future__ import annotations

import math

import numpy as np

from apps.ttv.population.importance import kish
from apps.ttv.population.proposal import fit_proposal


def test_points_without_a_density_have_no_weight_however_far_they_are() -> None:
    draws = np.random.default_rng(1).normal(size=(500, 3))
    proposal = fit_proposal([draws], [1.0], (0, 1, 2))
    points = np.vstack([draws[:10], np.full((2, 3), 1e200), np.full((1, 3), np.nan)])
    logs = proposal.log_weights(points, np.array([0.0] * 10 + [-math.inf] * 3))
    assert np.array_equal(logs[:10], -proposal.log_densities(draws[:10]))
    assert (logs[10:] == -math.inf).all()
    assert kish(logs) > 1.0
