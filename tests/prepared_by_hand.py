"""What a preparation finds, stated by hand: a mode, wide points, a proposal, a second opinion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.population.proposal import fit_proposal
from apps.ttv.compute.population.straightening import dependence_order
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.whitening import Whitening

POPULATION = {"n_start": 4, "n_island": 1, "n_point": 200, "corrections": 0, "calls": 300_000}
"""The second opinion of a cheap campaign: ten seconds of computing, and enough draws."""


def whitened_covariance(
    problem: Problem, params: NDArray[np.float64], widths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the covariance in whitened coordinates of a normal of these widths in x."""
    whitening = Whitening(problem)
    sides = np.diag(1e-3 * widths)
    change = whitening.whiten(params + sides) - whitening.whiten(params - sides)
    jacobian = change.T / (2e-3 * widths)
    return np.asarray(jacobian @ np.diag(widths**2) @ jacobian.T)


def prepared_by_hand(
    settings: Mapping[str, Any],
    problem: Problem,
    params: NDArray[np.float64],
    widths: NDArray[np.float64],
    wide: NDArray[np.float64],
    *,
    chi2: float = 0.0,
) -> dict[str, Any]:
    """Return settings with one mode, as a preparation leaves them."""
    whitening = Whitening(problem)
    covariance = whitened_covariance(problem, params, widths).tolist()
    y = whitening.whiten(wide)
    proposal = fit_proposal([y], [1.0], dependence_order(problem.parameter_names))
    mode = {
        "params": params.tolist(),
        "coords": whitening.whiten(params[np.newaxis])[0].tolist(),
        "chi2": chi2,
        "covariance": covariance,
        "n_found": 1,
        "weight": 1.0,
        "weight_error": 0.0,
        "trusted": True,
    }
    return {
        **settings,
        "modes": [mode],
        "wide": wide.tolist(),
        "pilot": {"effective": 1000.0, "n_call": 2000, "settled": True, "island_log_z": [0.0]},
        "population": dict(POPULATION),
        "importance": {"log_z": 0.0, "error": 0.1},
        "proposal": {"coordinates": {"corrections": 0}, **proposal.to_json()},
    }
