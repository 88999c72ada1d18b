"""What runs with a proposal begin in: the pilot's fit, improved where that was poor.

A pilot anneals a population from the prior to the posterior. Where a part of the prior explains the
data badly but is large, all of the population may end there, far from a peak that holds nearly all
of the posterior. The peaks are known from the search for modes: so the fit gets a normal component
for each of them, and is then made again from draws weighted by the posterior while that helps
(population Monte Carlo: Cappe et al. 2004, J. Comput. Graph. Stat. 13, 907), in the runs' own cube.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.nested.cube import CubeLikelihood
from apps.nested.proposal import parse_proposal
from apps.ttv.likelihood import Posterior
from apps.ttv.sampler_settings import COMPONENT_KEYS, MAX_COMPONENTS, Mixture
from work_generator import pilot
from work_generator.cores import cores_of
from work_generator.importance import kish, largest_power, log_mean, picked, relative_error
from work_generator.modes import Mode
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


@dataclass(frozen=True, slots=True, eq=False)
class Beginning:
    """What a campaign's runs begin in, and what importance sampling says of their target.

    Attributes
    ----------
    settings : dict
        ``settings["sampler"]["proposal"]`` of the units.
    log_z : float
        Logarithm of the evidence, without the likelihood's constant.
    log_z_error : float | None
        Its standard error; None where it is Laplace's approximation.
    """

    settings: dict[str, Any]
    log_z: float
    log_z_error: float | None


def beginning_of_runs(
    flown: pilot.Pilot,
    modes: Sequence[Mode],
    posterior: Posterior,
    share: float,
    rng: np.random.Generator,
) -> Beginning:
    """Return what runs begin in: the pilot's fit, if enough of its draws are effective.

    Parameters
    ----------
    flown : Pilot
        What the pilot found.
    modes : sequence of Mode
        All that were kept.
    posterior : Posterior
        The target.
    share : float
        Part of the cube that is the proposal's.
    rng : Generator
        Decides the result.
    """
    if flown.effective >= pilot.TRUSTED_EFFECTIVE:
        settings = proposal_settings(flown.proposal, share)
        return Beginning(settings, flown.log_z, flown.log_z_error)
    fit = _improved(_with_peaks(flown.proposal, modes, posterior, rng), posterior, share, rng)
    settings = proposal_settings(fit, share)
    logs = _last_look(fit, posterior, rng)
    if kish(logs) < pilot.TRUSTED_EFFECTIVE:
        return Beginning(settings, flown.log_z, None)
    return Beginning(settings, log_mean(logs), relative_error(logs))


def _last_look(fit: Proposal, posterior: Posterior, rng: np.random.Generator) -> Array:
    """Return log weights of new draws, of a fit that knows the prior's poles where it has any."""
    random = np.random.RandomState(rng.bit_generator)
    points = fit.sample(_LAST, random)
    logs = fit.log_weights(points, posterior.log_densities(points))
    if kish(logs) < pilot.TRUSTED_EFFECTIVE:
        return logs
    draws = picked(points, logs, _RESAMPLED, rng)
    cores = cores_of(posterior.problem, draws)
    if not cores:
        return logs
    order = dependence_order(posterior.problem.parameter_names)
    fit = fit_proposal([draws], [1.0], order, cores)
    points = fit.sample(_LAST, random)
    return fit.log_weights(points, posterior.log_densities(points))


def proposal_settings(fit: Proposal, share: float) -> dict[str, Any]:
    """Return a fit as settings; the tails of its components are the app's own."""
    raw = fit.to_json()
    components = {key: raw["mixture"][key] for key in COMPONENT_KEYS}
    return {"share": share, "shear": raw["shear"], **components}


def _improved(
    fit: Proposal, posterior: Posterior, share: float, rng: np.random.Generator
) -> Proposal:
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


def _with_peaks(
    fit: Proposal, modes: Sequence[Mode], posterior: Posterior, rng: np.random.Generator
) -> Proposal:
    """Return the fit with a component more for each peak, in its own coordinates."""
    laplace = np.array([pilot.log_laplace(mode, posterior) for mode in modes])
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
