"""Proposals begun at the known peaks, and made again from their own weighted draws.

A pilot anneals a population from the prior to the posterior. Where a part of the prior explains the
data badly but is large, all of the population may end there, far from a peak that holds nearly all
of the posterior. The peaks are known from the search for modes: so the fit gets a normal component
for each of them, and is then made again from draws weighted by the posterior while that helps
(population Monte Carlo: Cappe et al. 2004, J. Comput. Graph. Stat. 13, 907). The draws are those of
the cube of nested runs: a part of them comes from the prior.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.nested.cube import CubeLikelihood
from apps.nested.proposal import parse_proposal
from apps.ttv.likelihood import Posterior
from apps.ttv.sampler_settings import COMPONENT_KEYS, MAX_COMPONENTS, Mixture
from work_generator.cores import cores_of
from work_generator.importance import TRUSTED_EFFECTIVE, kish, largest_power, picked
from work_generator.modes import Mode, log_laplace
from work_generator.proposals import WIDENING, Proposal, fit_proposal
from work_generator.shear import dependence_order

# Draws of a round, and rounds at most. They end when so much of a draw is effective, or when so
# many in a row were no better than the best one.
_ROUND, _ROUNDS = 8_000, 40
_GOOD, _PATIENCE = 0.4, 5
# Draws of the last look, which nothing is fitted to: they tell the evidence.
_LAST = 20_000
# Effective draws per parameter that a fit needs, and to which weights are tempered.
_LEAST_EFFECTIVE = 30.0
_RESAMPLED = 10_000
# Draws of a peak's normal approximation that its component is fitted to, and the part of the
# mixture that all peaks have together.
_PEAK_DRAWS, _PEAK_PART = 1_000, 0.5
# Peaks of which Laplace's approximation says that they hold less than e^-25 of the best one's
# evidence are left out; see `work_generator.pilot`.
_HOPELESS = 25.0

Array = NDArray[np.float64]


def improved(
    fit: Proposal,
    modes: Sequence[Mode],
    posterior: Posterior,
    rng: np.random.Generator,
    *,
    share: float = 0.8,
) -> Proposal:
    """Return a fit that knows all peaks, made again while its draws become worth more.

    Parameters
    ----------
    fit : Proposal
        To begin with.
    modes : sequence of Mode
        All that were kept.
    posterior : Posterior
        The target.
    rng : Generator
        Decides the result.
    share : float, optional
        Part of the draws that are the proposal's; the others are the prior's.
    """
    fit = _with_peaks(fit, modes, posterior, rng)
    order = dependence_order(posterior.problem.parameter_names)
    best, best_size, idle = fit, 0.0, 0
    for _ in range(_ROUNDS):
        points, logs = _draw(posterior, proposal_settings(fit, share), rng)
        size = kish(logs)
        idle = 0 if size > best_size else idle + 1
        if size > best_size:
            best, best_size = fit, size
        is_over = size >= _GOOD * _ROUND or idle == _PATIENCE
        if is_over or np.isfinite(logs).sum() < _LEAST_EFFECTIVE * points.shape[1]:
            break
        fit = fit_proposal([_resampled(points, logs, rng)], [1.0], order)
    return best


def last_look(fit: Proposal, posterior: Posterior, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return new draws and their log weights, of a fit that knows the prior's poles if any."""
    random = np.random.RandomState(rng.bit_generator)
    points = fit.sample(_LAST, random)
    logs = fit.log_weights(points, posterior.log_densities(points))
    if kish(logs) < TRUSTED_EFFECTIVE:
        return points, logs
    draws = picked(points, logs, _RESAMPLED, rng)
    cores = cores_of(posterior.problem, draws)
    if not cores:
        return points, logs
    order = dependence_order(posterior.problem.parameter_names)
    fit = fit_proposal([draws], [1.0], order, cores)
    points = fit.sample(_LAST, random)
    return points, fit.log_weights(points, posterior.log_densities(points))


def proposal_settings(fit: Proposal, share: float) -> dict[str, Any]:
    """Return a fit as settings; the tails of its components are the app's own."""
    raw = fit.to_json()
    components = {key: raw["mixture"][key] for key in COMPONENT_KEYS}
    return {"share": share, "shear": raw["shear"], **components}


def _with_peaks(
    fit: Proposal, modes: Sequence[Mode], posterior: Posterior, rng: np.random.Generator
) -> Proposal:
    """Return the fit with a component more for each peak, in its own coordinates."""
    laplace = np.array([log_laplace(mode, posterior) for mode in modes])
    chosen = np.flatnonzero(laplace > laplace.max() - _HOPELESS)
    mixture = fit.mixture
    chosen = chosen[: MAX_COMPONENTS - len(mixture.weights)]
    means, factors = [mixture.means], [mixture.choleskys]
    for place in chosen.tolist():
        mode = modes[place]
        normal = rng.normal(size=(_PEAK_DRAWS, len(mode.params)))
        draws = mode.params + normal @ np.linalg.cholesky(mode.covariance).T
        straight = fit.shear.straighten(draws)
        means.append(straight.mean(axis=0)[None])
        factors.append(np.asarray(WIDENING * np.linalg.cholesky(np.cov(straight.T)))[None])
    parts = np.full(len(chosen), _PEAK_PART / len(chosen))
    weights = np.concatenate([(1.0 - _PEAK_PART) * mixture.weights, parts])
    together = Mixture(weights, np.concatenate(means), np.concatenate(factors), mixture.degrees)
    return Proposal(fit.shear, together)


def _draw(
    posterior: Posterior, settings: Mapping[str, Any], rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return random points of a proposal's cube, and the logarithms of their weights."""
    proposal = parse_proposal(settings, posterior.problem.n_dim)
    target = CubeLikelihood(posterior, proposal)
    cube = rng.random((_ROUND, target.n_dim))
    return target.transform(cube), target.log_likelihoods(cube)


def _resampled(points: Array, logs: Array, rng: np.random.Generator) -> Array:
    power = largest_power(logs, _LEAST_EFFECTIVE * points.shape[1])
    tempered = np.where(np.isfinite(logs), power * logs, -math.inf)
    return picked(points, tempered, _RESAMPLED, rng)
