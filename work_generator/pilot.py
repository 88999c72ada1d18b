"""The pilot: how much of the posterior each mode holds, what to propose from, where to begin.

Each mode by itself is annealed from the prior around it (`work_generator.anneal`), and a proposal
is fitted to that population. Draws of the proposal, weighted by the posterior, are better than the
population they came from, so that the fit is made again from them while that helps
(`work_generator.population`). The last draws, which nothing is fitted to, tell the mode's evidence
and its error. Then one proposal is fitted for all modes, and new draws of it are looked at. If they
are worth little, the populations may have missed a peak, and it is made again from the peaks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.likelihood import Posterior
from apps.ttv.population.importance import (
    TRUSTED_EFFECTIVE,
    log_mean,
    picked,
    relative_error,
)
from apps.ttv.population.straightening import dependence_order
from boinc_project.errors import InputError
from work_generator import region
from work_generator.anneal import HALF, anneal
from work_generator.cores import cores_of
from work_generator.modes import HOPELESS, Mode, log_laplace
from work_generator.population import (
    LAST,
    RESAMPLED,
    ROUND,
    Rounds,
    from_peaks,
    last_look,
    look_at,
    refit,
)
from work_generator.proposals import Proposal, fit_proposal
from work_generator.region import Region
from work_generator.weights import (
    MATTERS,
    Look,
    Weighed,
    Weight,
    begin_at,
    one_by_one,
    together,
)

LEAST_PART = 0.02
"""Part of the proposals that every mode gets, however little of the posterior it holds: what a
pilot has misjudged stays reachable for the chains."""

# Points of a population, per parameter and at least: the map that straightens it has 66 terms for
# the last of 10 parameters, and 5 draws are wanted for each.
_POPULATION, _LEAST_POPULATION = 100, 1000
# A fit to a population is near already: a few rounds, and each must be worth its draws.
_ROUNDS = Rounds(most=4, good=0.5, patience=2, gain=1.1)
# Part of the last draws that is effective where populations are where the posterior is: a quarter
# to three quarters for systems of the examples. Those that had missed Kepler-307's peak met it by a
# hundred or more of 20,000 draws, and 0.7 to 4 % of them were effective.
_GOOD = 0.1
# Steps back to the peak: 0.7^60 of a standard deviation is nothing.
_ATTEMPTS = 60

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Pilot:
    """What a pilot found.

    Attributes
    ----------
    weights : tuple[Weight, ...]
        Of each mode, in the order given.
    wide : tuple[ndarray, ...]
        For each mode, points to begin chains at, float64 (n, n_dim): draws of the posterior with
        the likelihood to the power `work_generator.anneal.HALF`.
    proposal : Proposal
        For the chains' first generation.
    log_z : float
        Logarithm of the evidence of all modes together, without the likelihood's constant.
    log_z_error : float | None
        Its standard error; None where it is Laplace's approximation for any mode that matters.
    settled : bool
        Whether every population moved until it had forgotten where it was.
    effective : float
        Kish's effective size of `n_call` draws of the proposal, with its poles (`cores_of`).
    n_call : int
        How many draws that was measured with.
    """

    weights: tuple[Weight, ...]
    wide: tuple[Array, ...]
    proposal: Proposal
    log_z: float
    log_z_error: float | None
    settled: bool
    effective: float
    n_call: int


@dataclass(frozen=True, slots=True, eq=False)
class _Explored:
    """One mode: draws of its posterior and wider ones, and a last look, if it was worth one."""

    draws: Array
    wide: Array
    look: Look | None
    settled: bool = True


def fly(
    posterior: Posterior,
    modes: Sequence[Mode],
    rng: np.random.Generator,
    progress: Callable[[float], None] | None = None,
) -> Pilot:
    """Weigh modes, find points to begin at, and fit the first generation's proposal.

    Parameters
    ----------
    posterior : Posterior
        With the campaign's step and engine.
    modes : Sequence[Mode]
        All that were kept.
    rng : Generator
        Decides the result.
    progress : Callable, optional
        Told the share of the work that is done, 0 to 1.

    Raises
    ------
    InputError
        If no mode lies inside the priors.
    """
    random = np.random.RandomState(rng.bit_generator)
    laplace = [log_laplace(mode, posterior) for mode in modes]
    if not math.isfinite(max(laplace)):
        raise InputError("The best fit lies outside of the priors: widen them.")
    explored: list[_Explored] = []
    for place in range(len(modes)):
        told = _share_of(progress, place, len(modes))
        hopeless = laplace[place] < max(laplace) - HOPELESS
        explored.append(
            _as_normal(posterior, modes[place], rng)
            if hopeless
            else _explore(posterior, modes, place, random, rng, told)
        )
    alone = _one_by_one(explored, laplace)
    order = dependence_order(posterior.problem.parameter_names)
    draws = [one.draws for one in explored]
    shares = np.maximum([one.weight for one in alone.weights], LEAST_PART)
    proposal = fit_proposal(draws, shares, order)
    cores = cores_of(posterior.problem, draws[int(shares.argmax())])
    joint = fit_proposal(draws, shares, order, cores) if cores else proposal
    last = look_at(posterior, joint, LAST, random)
    if last.effective < _GOOD * LAST:
        made_again = from_peaks(modes, posterior, rng)
        again = last_look(made_again, posterior, rng)
        if again.effective > last.effective or last.effective < TRUSTED_EFFECTIVE:
            return _begun_again(posterior, modes, explored, made_again, again, laplace, rng)
    # Draws of all modes together may be worth more than those of one by itself.
    known = all(one.look is None or _is_trusted(one.look) for one in explored)
    weighed = alone if known else together(posterior, modes, last)
    wide = tuple(one.wide for one in explored)
    settled = all(one.settled for one in explored)
    return _pilot(weighed, wide, proposal, settled=settled, last=last)


def _one_by_one(explored: Sequence[_Explored], laplace: Sequence[float]) -> Weighed:
    """Weigh modes by their own last looks, or their normal approximations."""
    looks = [one.look if one.look and _is_trusted(one.look) else None for one in explored]
    logs = [
        normal if look is None else log_mean(look.logs)
        for look, normal in zip(looks, laplace, strict=True)
    ]
    errors = [None if look is None else relative_error(look.logs) for look in looks]
    return one_by_one(logs, errors, [one.look for one in explored])


def _is_trusted(look: Look) -> bool:
    return look.effective >= TRUSTED_EFFECTIVE


def _begun_again(
    posterior: Posterior,
    modes: Sequence[Mode],
    explored: Sequence[_Explored],
    proposal: Proposal,
    last: Look,
    laplace: Sequence[float],
    rng: np.random.Generator,
) -> Pilot:
    """Return a pilot by draws that have met what the populations had missed.

    The sizes of what those told before mean nothing.
    """
    begins = [
        begin_at(posterior, modes, place, last, len(one.wide), rng)
        for place, one in enumerate(explored)
    ]
    wide = tuple(one.wide if at is None else at for at, one in zip(begins, explored, strict=True))
    if not _is_trusted(last):
        looks = [one.look for one in explored]
        weighed = one_by_one(laplace, [None] * len(modes), looks)
        return _pilot(weighed, wide, proposal, settled=False, last=last)
    weighed = together(posterior, modes, last)
    settled = all(
        at is not None
        for at, one in zip(begins, weighed.weights, strict=True)
        if one.weight > MATTERS
    )
    return _pilot(weighed, wide, proposal, settled=settled, last=last)


def _pilot(
    weighed: Weighed, wide: tuple[Array, ...], proposal: Proposal, *, settled: bool, last: Look
) -> Pilot:
    return Pilot(
        weighed.weights,
        wide,
        proposal,
        weighed.log_z,
        weighed.log_z_error,
        settled,
        last.effective,
        len(last.logs),
    )


def _share_of(
    progress: Callable[[float], None] | None, place: int, n: int
) -> Callable[[float], None] | None:
    if progress is None:
        return None
    return lambda share: progress((place + share) / n)


def _explore(
    posterior: Posterior,
    modes: Sequence[Mode],
    place: int,
    random: np.random.RandomState,
    rng: np.random.Generator,
    progress: Callable[[float], None] | None,
) -> _Explored:
    """Anneal a mode, and improve the fit to it by importance draws."""
    n_dim = posterior.problem.n_dim
    order = dependence_order(posterior.problem.parameter_names)
    n_point = max(_POPULATION * n_dim, _LEAST_POPULATION)
    near, points = region.draw(posterior, modes, place, n_point, rng)
    if len(points) < n_point // 2:
        return _as_normal(posterior, modes[place], rng)
    found = anneal(posterior.log_likelihoods, near.log_priors, points, order, rng, progress)
    cores = cores_of(posterior.problem, found.points)

    def draw(fit: Proposal) -> tuple[Array, Array]:
        look = _of_region(look_at(posterior, fit, ROUND, random), near)
        return look.points, look.logs

    first = fit_proposal([found.points], [1.0], order, cores)
    fit = refit(first, draw, order, _ROUNDS, rng)
    last = _of_region(look_at(posterior, fit, LAST, random), near)
    draws = found.points
    if last.effective > len(draws):
        draws = picked(last.points, last.logs, RESAMPLED, rng)
    return _Explored(draws, found.wide, last, found.forgotten)


def _as_normal(posterior: Posterior, mode: Mode, rng: np.random.Generator) -> _Explored:
    """Return a mode's normal approximation: for those that are not worth a population."""
    n_point = max(_POPULATION * len(mode.params), _LEAST_POPULATION)
    offsets = rng.normal(size=(n_point, len(mode.params))) @ np.linalg.cholesky(mode.covariance).T
    draws, wide = (
        _possible(posterior, mode.params, factor * offsets) for factor in (1.0, HALF**-0.5)
    )
    return _Explored(draws, wide, None)


def _possible(posterior: Posterior, center: Array, offsets: Array) -> Array:
    """Return points around a center; those without a density go back towards it.

    Raises
    ------
    InputError
        If some have none however near they are.
    """
    offsets = offsets.copy()
    for _ in range(_ATTEMPTS):
        outside = np.flatnonzero(~np.isfinite(posterior.log_densities(center + offsets)))
        if not len(outside):
            return np.asarray(center + offsets)
        offsets[outside] *= 0.7
    raise InputError("A mode lies on the edge of the priors: widen them.")


def _of_region(look: Look, near: Region) -> Look:
    """Leave out what belongs to other modes: nothing counts twice."""
    logs = np.where(near.contains(look.points), look.logs, -math.inf)
    return Look(look.points, logs, look.densities)
