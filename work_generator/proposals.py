"""What the ``mixture`` move proposes from, fitted to all that is known before a generation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.likelihood import Posterior
from apps.ttv.moves import log_mixture, sample_mixture
from apps.ttv.settings import Mixture, Problem
from apps.ttv.table import TransitTable
from work_generator.modes import Mode, distances
from work_generator.ridge import DRAWS_PER_DIMENSION, Components, fit_ridge

# Tails of the proposals: Student's t. For Kepler-9 (10 parameters) 1000 draws of the normal
# approximation were worth 250 of the posterior with 30 degrees of freedom and 110 with 8 (Kish);
# fewer waste likelihoods, many more let a walker stick in the posterior's tail.
_DEGREES = 30.0
# Likelihoods per parameter in each round of the pilot. For Kepler-9 the first round's proposals
# were accepted in 27 % of cases, the second's in 61 % and the result's in 67 %; more does not help.
_PILOT_ROUNDS = (250, 150)
# Below so many effective draws per parameter a fit follows the noise.
_LEAST_EFFECTIVE = 10.0
_RESAMPLED = 10_000

Array = NDArray[np.float64]


def proposal(
    modes: Sequence[Mode], weights: Sequence[float], draws: Array | None = None
) -> dict[str, Any]:
    """Return ``settings["sampler"]["mixture"]`` from modes, or from draws of an earlier posterior.

    Every mode is a normal approximation, or, where there are enough draws nearest to it, a row of
    normal distributions along the ridge that they follow; see `work_generator.ridge`.

    Parameters
    ----------
    modes : Sequence[Mode]
        Modes that matter.
    weights : Sequence[float]
        Their parts of the posterior, summing to 1.
    draws : ndarray, optional
        float64 (n_draw, n_dim), of all modes together.

    Returns
    -------
    dict
        Plain JSON values; see `apps.ttv.settings.Mixture`.
    """
    parts = np.asarray(weights, dtype=np.float64)
    if draws is None:
        fits = [_normal(mode) for mode in modes]
    else:
        nearest = np.stack([distances(mode, draws) for mode in modes]).argmin(axis=0)
        fits = [_fitted(mode, draws[nearest == i]) for i, mode in enumerate(modes)]
        # A mode without draws yet stays reachable.
        parts = 0.9 * np.bincount(nearest, minlength=len(modes)) / len(draws) + 0.1 * parts
    all_weights = np.concatenate(
        [part * fit.weights for part, fit in zip(parts, fits, strict=True)]
    )
    covariances = np.concatenate([fit.covariances for fit in fits])
    return {
        "weights": (all_weights / math.fsum(all_weights)).tolist(),
        "means": np.concatenate([fit.means for fit in fits]).tolist(),
        "choleskys": np.linalg.cholesky(covariances).tolist(),
        "degrees": _DEGREES,
    }


def pilot_proposal(
    problem: Problem,
    table: TransitTable,
    modes: Sequence[Mode],
    weights: Sequence[float],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return the proposal of the first generation, learned from a few thousand likelihoods here.

    Population Monte Carlo (Cappe et al. 2004, J. Comput. Graph. Stat. 13, 907): draw from the
    proposal so far, weight by the posterior, fit the next proposal. Weights are truncated (Ionides
    2008, J. Comput. Graph. Stat. 17, 295), because a fit to two or three points of huge weight is
    worse than a biased one. The move corrects whatever is wrong with its proposal.

    Parameters
    ----------
    problem : Problem
        Model and priors, with the step of the campaign.
    table : TransitTable
        The measured transits.
    modes, weights
        See `proposal`.
    rng : Generator
        Decides the result.
    """
    posterior = Posterior(problem, table)
    best = proposal(modes, weights)
    for per_dimension in _PILOT_ROUNDS:
        draws = _weighted_draws(posterior, best, per_dimension * problem.n_dim, rng)
        if draws is None:
            break
        best = proposal(modes, weights, draws)
    return best


def _weighted_draws(
    posterior: Posterior, raw: dict[str, Any], n: int, rng: np.random.Generator
) -> Array | None:
    """Return about a posterior sample, with repetitions; None if nearly all weights are zero."""
    mixture = Mixture(
        np.array(raw["weights"]),
        np.array(raw["means"]),
        np.array(raw["choleskys"]),
        raw["degrees"],
    )
    points = sample_mixture(mixture, n, np.random.RandomState(rng.bit_generator))
    logs = np.array([posterior(point.tolist()) for point in points]) - log_mixture(mixture, points)
    if not np.isfinite(logs).any():
        return None
    importance = np.exp(logs - logs.max())
    importance = np.minimum(importance, np.sort(importance)[-math.isqrt(n)])
    total = float(importance.sum())
    effective = total**2 / float(np.sum(importance**2)) if total > 0.0 else 0.0
    if effective < _LEAST_EFFECTIVE * points.shape[1]:
        return None
    return np.asarray(points[rng.choice(n, size=_RESAMPLED, p=importance / total)])


def _normal(mode: Mode) -> Components:
    return Components(np.ones(1), mode.params[np.newaxis], mode.covariance[np.newaxis])


def _fitted(mode: Mode, draws: Array) -> Components:
    n_dim = draws.shape[1]
    if n_dim < 2 or len(np.unique(draws, axis=0)) < DRAWS_PER_DIMENSION * n_dim:
        return _normal(mode)
    return fit_ridge(draws)
