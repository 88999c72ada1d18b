"""Proposals made again from their own weighted draws, and begun at the known peaks.

A pilot anneals a population from the prior to the posterior. Where a part of the prior explains the
data badly but is large, all of the population may end there, far from a peak that holds nearly all
of the posterior. The peaks are known from the search for modes: a fit to their normal
approximations is made again from its draws, weighted by the posterior, while that helps
(population Monte Carlo: Cappe et al. 2004, J. Comput. Graph. Stat. 13, 907). These draws are those
of the cube of nested runs: a part of them comes from the prior.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.nested.cube import CubeLikelihood
from apps.nested.proposal import parse_proposal
from apps.ttv.likelihood import Posterior
from apps.ttv.population.importance import TRUSTED_EFFECTIVE, kish, largest_power, picked
from apps.ttv.population.straightening import dependence_order
from apps.ttv.sampler_settings import MAX_COMPONENTS
from work_generator.cores import cores_of
from work_generator.modes import HOPELESS, Mode, log_laplace
from work_generator.proposals import Proposal, fit_proposal
from work_generator.weights import Look

ROUND = 8_000
"""Draws of a round. A likelihood takes some 50 us: a round is half a second."""
LAST = 20_000
"""Draws of a last look, which nothing is fitted to: they tell the evidence."""
RESAMPLED = 10_000
"""Draws, with repetitions, that a fit is made of."""

# Effective draws per parameter that a fit needs, and to which weights are tempered.
_LEAST_EFFECTIVE = 30.0
# Draws of a peak's normal approximation that the first fit is made of, and by how much they are
# widened: bent posteriors reach farther than the curvature at their top says.
_PEAK_DRAWS, _PEAK_WIDTH = 3_000, 2.0
# Part of the draws that are not the prior's.
_SHARE = 0.8

Array = NDArray[np.float64]
Draw = Callable[[Proposal], tuple[Array, Array]]
"""From a proposal to draws of it, (n, n_dim), and their log weights, (n,)."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """When to stop making a fit again.

    Attributes
    ----------
    most : int
        Rounds.
    good : float
        Part of the draws of a round that is enough if it is effective.
    patience : int
        So many rounds in a row that were no better than the best one by the factor `gain`.
    gain : float
        See above.
    """

    most: int
    good: float
    patience: int
    gain: float = 1.0


# The first rounds tell by a few draws of huge weight: their sizes scatter from 1 to 100 until the
# fit is where the posterior is, and grow tenfold in three rounds then (Kepler-307: after 5 to 13).
_FROM_PEAKS = Rounds(most=40, good=0.4, patience=12)


def refit(
    fit: Proposal,
    draw: Draw,
    order: Sequence[int],
    rounds: Rounds,
    rng: np.random.Generator,
) -> Proposal:
    """Make a fit again from its own weighted draws while that helps; return the best one.

    While the weights are poor they are tempered, to the power that leaves a stated number of
    effective draws, so that a fit never follows two or three points of huge weight.

    Parameters
    ----------
    fit : Proposal
        To begin with.
    draw : Callable
        Draws of a fit.
    order : sequence of int
        See `work_generator.proposals.fit_proposal`.
    rounds : Rounds
        When to stop.
    rng : Generator
        Decides which draws are taken.
    """
    best, best_size, idle = fit, 0.0, 0
    for _ in range(rounds.most):
        points, logs = draw(fit)
        size = kish(logs)
        idle = 0 if size > rounds.gain * best_size else idle + 1
        if size > best_size:
            best, best_size = fit, size
        resampled = _resampled(points, logs, rng)
        if size >= rounds.good * len(logs) or idle == rounds.patience or resampled is None:
            break
        fit = fit_proposal([resampled], [1.0], order, fit.cores)
    return best


def from_peaks(modes: Sequence[Mode], posterior: Posterior, rng: np.random.Generator) -> Proposal:
    """Return a fit that begins at all peaks, made again while its draws become worth more.

    Parameters
    ----------
    modes : sequence of Mode
        All that were kept.
    posterior : Posterior
        The target.
    rng : Generator
        Decides the result.
    """

    def draw(fit: Proposal) -> tuple[Array, Array]:
        proposal = parse_proposal(fit.for_cube(_SHARE), posterior.problem.n_dim)
        target = CubeLikelihood(posterior, proposal)
        cube = rng.random((ROUND, target.n_dim))
        return target.transform(cube), target.log_likelihoods(cube)

    order = dependence_order(posterior.problem.parameter_names)
    return refit(_of_peaks(modes, posterior, rng), draw, order, _FROM_PEAKS, rng)


def look_at(posterior: Posterior, fit: Proposal, n: int, random: np.random.RandomState) -> Look:
    """Return `n` draws of a fit."""
    points = fit.sample(n, random)
    densities = posterior.log_densities(points)
    return Look(points, fit.log_weights(points, densities), densities)


def last_look(fit: Proposal, posterior: Posterior, rng: np.random.Generator) -> Look:
    """Return new draws, of a fit that knows the prior's poles if there are any."""
    random = np.random.RandomState(rng.bit_generator)
    look = look_at(posterior, fit, LAST, random)
    if look.effective < TRUSTED_EFFECTIVE:
        return look
    draws = picked(look.points, look.logs, RESAMPLED, rng)
    cores = cores_of(posterior.problem, draws)
    if not cores:
        return look
    order = dependence_order(posterior.problem.parameter_names)
    return look_at(posterior, fit_proposal([draws], [1.0], order, cores), LAST, random)


def _of_peaks(modes: Sequence[Mode], posterior: Posterior, rng: np.random.Generator) -> Proposal:
    """Return a fit to the normal approximations of all modes that may matter, widened."""
    laplace = np.array([log_laplace(mode, posterior) for mode in modes])
    chosen = [modes[one] for one in np.flatnonzero(laplace > laplace.max() - HOPELESS).tolist()]
    draws = [
        mode.params
        + _PEAK_WIDTH
        * (rng.normal(size=(_PEAK_DRAWS, len(mode.params))) @ np.linalg.cholesky(mode.covariance).T)
        for mode in chosen[:MAX_COMPONENTS]
    ]
    order = dependence_order(posterior.problem.parameter_names)
    return fit_proposal(draws, [1.0 / len(draws)] * len(draws), order)


def _resampled(points: Array, logs: Array, rng: np.random.Generator) -> Array | None:
    """Return draws by the tempered weights, with repetitions; None if there are too few points."""
    target = _LEAST_EFFECTIVE * points.shape[1]
    if np.isfinite(logs).sum() < target:
        return None
    power = largest_power(logs, target)
    tempered = np.where(np.isfinite(logs), power * logs, -math.inf)
    return picked(points, tempered, RESAMPLED, rng)
