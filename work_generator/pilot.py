"""The pilot: what a preparation's population says, and what is fitted to it.

The importance draws of the preparation's unit (`apps.ttv.population`) weigh the modes, tell the
evidence, give the chains their starting points and the proposal of their first generation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.coordinates import Coordinates
from apps.ttv.likelihood import Posterior
from apps.ttv.population.importance import TRUSTED_EFFECTIVE, kish
from apps.ttv.population.proposal import Proposal, fit_proposal
from apps.ttv.population.refining import look_at, picked
from apps.ttv.population.settings import Peaks
from apps.ttv.population.straightening import dependence_order
from apps.ttv.population.target import Target
from apps.ttv.search.mode import Mode, log_laplace, nearest
from apps.ttv.settings import Problem
from apps.ttv.whitening import Whitening
from boinc_project.population_output import PopulationOutput
from work_generator.weights import Look, Weight, by_laplace, together

MOST_WIDE = 1000
"""Points kept for chains to begin at: they take some tens of them."""

# Nats by which the evidence of a population may differ from that of its importance draws: at
# temperatures where half of a population dies, errors of one and a half were seen where all of the
# posterior was there.
_SETTLED = 3.0
KEPT = 0.1
"""Part of the proposals that is fitted to where chains begin."""
# Part of a plain proposal's draws that must be effective for its number to be believed.
_USEFUL = 0.05
# Draws that tell what a proposal without corrections is worth.
_COMPARED = 8_000
# Draws that proposals for chains are fitted to.
_FITTED = 8_000

# Largest factor that a draw far out is chosen more often by.
_FARTHEST_OUT = 20.0

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Pilot:
    """What a pilot found.

    Attributes
    ----------
    weights : tuple[Weight, ...]
        Of each mode, in the order given.
    wide : ndarray
        float64 (n, n_dim), points to begin chains at: wider than the posterior.
    proposal : Proposal
        For the chains' first generation, in coordinates of `corrections`.
    corrections : int
        Of the chains' coordinates; see `apps.ttv.coordinates`.
    log_z, log_z_error : float, float | None
        Logarithm of the evidence, without the likelihood's constant, and its standard error; None
        if too few draws were effective.
    settled : bool
        Whether the population's evidence is that of the importance draws, but for its own error.
    effective : float
        Kish's effective size of `n_draw` importance draws.
    n_draw : int
        How many they were.
    island_log_z : tuple[float, ...]
        Evidences by the populations themselves.
    """

    weights: tuple[Weight, ...]
    wide: Array
    proposal: Proposal
    corrections: int
    log_z: float
    log_z_error: float | None
    settled: bool
    effective: float
    n_draw: int
    island_log_z: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Draws:
    """All importance draws of a unit, one after the other.

    Attributes
    ----------
    coordinates : Coordinates
        Of the unit's populations.
    points, y : ndarray
        float64 (n, n_dim), parameters, and the same in these coordinates.
    logs : ndarray
        float64 (n,), log weights.
    gains : ndarray
        float64 (n,), log densities of the posterior over those of the broad distribution.
    peaks : Peaks
        That the search has given.
    """

    coordinates: Coordinates
    points: Array
    y: Array
    logs: Array
    gains: Array
    peaks: Peaks

    @classmethod
    def of(cls, posterior: Posterior, output: PopulationOutput) -> _Draws:
        coordinates = Coordinates(
            posterior.problem, posterior.engine, posterior.observations, output.corrections
        )
        points = output.points.reshape(-1, output.points.shape[2])
        y = coordinates.from_points(points)
        densities = output.log_density.ravel() - coordinates.log_jacobians(points, y)
        return cls(
            coordinates,
            points,
            y,
            output.log_weight.ravel(),
            densities - coordinates.log_broad(y),
            Peaks(output.peaks, output.peak_covariances),
        )


def read_pilot(
    posterior: Posterior,
    modes: Sequence[Mode],
    output: PopulationOutput,
    seed: np.random.SeedSequence,
) -> Pilot:
    """Say what the output of a preparation's unit is worth, and fit what chains begin with.

    Parameters
    ----------
    posterior : Posterior
        With the step of the output, and the unit's engine.
    modes : Sequence[Mode]
        Of the output.
    output : PopulationOutput
        Of the unit.
    seed : SeedSequence
        Decides the result.
    """
    random = np.random.RandomState(np.random.PCG64(seed))
    draws = _Draws.of(posterior, output)
    effective = kish(draws.logs)
    trusted = effective >= TRUSTED_EFFECTIVE
    weighed = (
        together(posterior, modes, _look(posterior, draws))
        if trusted
        else by_laplace([log_laplace(mode, posterior) for mode in modes])
    )
    log_z = weighed.log_z
    labelled = _nearest(modes, posterior)
    wide = _wide(draws, output, log_z, random)
    if trusted:
        parts = np.array([weight.weight for weight in weighed.weights])
        wide = _as_many(wide, labelled(wide), parts, random)
    corrections, proposal = _for_chains(posterior, draws, wide, random)
    islands = tuple(output.island_log_z.tolist())
    return Pilot(
        weights=weighed.weights,
        wide=wide,
        proposal=proposal,
        corrections=corrections,
        log_z=log_z,
        log_z_error=weighed.log_z_error,
        settled=trusted and max(abs(log - log_z) for log in islands) <= _SETTLED,
        effective=effective,
        n_draw=len(draws.logs),
        island_log_z=islands,
    )


def _look(posterior: Posterior, draws: _Draws) -> Look:
    """Return all draws with their likelihoods; those without weight have none."""
    possible = np.isfinite(draws.logs)
    likelihoods = np.full(len(draws.logs), -math.inf)
    likelihoods[possible] = posterior.log_likelihoods(draws.points[possible])
    return Look(draws.points, draws.logs, likelihoods)


def _nearest(modes: Sequence[Mode], posterior: Posterior) -> Callable[[Array], NDArray[np.intp]]:
    whitening = Whitening(posterior.problem)
    return lambda points: nearest(modes, whitening.whiten(points))


def _as_many(
    wide: Array, labels: NDArray[np.intp], parts: Array, random: np.random.RandomState
) -> Array:
    """Return points of which each mode has as many as is its part of the posterior.

    At half the power small modes have more than that, and walkers that begin in them stay, because
    proposals of the other modes hardly ever lead there, nor back.
    """
    present = np.bincount(labels, minlength=len(parts))
    weights = np.where(present > 0, parts / np.maximum(present, 1), 0.0)[labels]
    if not weights.sum() > 0.0:
        return wide
    chosen = random.choice(len(wide), size=len(wide), p=weights / weights.sum())
    different = np.unique(chosen)
    # Points twice are no use to an ensemble: those that were chosen, once.
    return np.asarray(wide[random.permutation(different)])


def _for_chains(
    posterior: Posterior, draws: _Draws, wide: Array, random: np.random.RandomState
) -> tuple[int, Proposal]:
    """Return the corrections of the chains' coordinates, and a proposal in these.

    It is fitted to the posterior, and with a small part to where chains begin: from there a walker
    must get away. Each correction costs an integration a step more, so that the numbers of
    effective draws for each integration are compared; but where hardly any plain draw is worth
    something, its number means little.
    """
    points = draws.points[picked(draws.y, draws.logs, _FITTED, random)]
    worth = []
    fits = []
    for corrections in sorted({0, draws.coordinates.corrections}):
        frame = Coordinates(
            posterior.problem, posterior.engine, posterior.observations, corrections
        )
        fit = _fit(posterior.problem, frame, points, wide, draws.peaks)
        look = look_at(Target(posterior, frame), fit, _COMPARED, random)
        worth.append(look.effective / _COMPARED)
        fits.append((corrections, fit))
    if len(fits) == 1:
        return fits[0]
    plain_is_better = worth[0] * (1.0 + fits[1][0]) > worth[1]
    return fits[0] if plain_is_better and worth[0] > _USEFUL else fits[1]


def _fit(
    problem: Problem, frame: Coordinates, points: Array, wide: Array, peaks: Peaks
) -> Proposal:
    labels = peaks.nearest(Whitening(problem), points)
    y = frame.from_points(points)
    groups = [y[labels == place] for place in np.unique(labels)]
    large = [group for group in groups if len(np.unique(group, axis=0)) > 2 * y.shape[1]]
    sizes = [(1.0 - KEPT) * len(group) / len(y) for group in large]
    order = dependence_order(problem.parameter_names)
    return fit_proposal([*large, frame.from_points(wide)], [*sizes, KEPT], order)


def _wide(
    draws: _Draws, output: PopulationOutput, log_z: float, random: np.random.RandomState
) -> Array:
    """Return points to begin chains at: wider than the posterior in every parameter.

    One half is of the posterior to the power 1/2, which the population passed on its way, if its
    evidence says that it has found the posterior; else importance draws are weighed by it, or by a
    larger one. At that power the prior may draw parameters to one side, so that they are narrower
    than the posterior. The other half are therefore importance draws of the posterior, chosen the
    more often the farther out one of their parameters lies, if enough of them are effective.
    """
    possible = np.isfinite(draws.logs)
    y, points, logs = draws.y[possible], draws.points[possible], draws.logs[possible]
    half = _of_half_power(output, log_z, random)
    if half is None:
        gains = draws.gains[possible]
        for power in (0.5, 0.75, 1.0):
            tempered = logs - (1.0 - power) * gains
            if kish(tempered) >= TRUSTED_EFFECTIVE or power == 1.0:
                half = points[picked(y, tempered, MOST_WIDE, random)]
                break
    assert half is not None
    if kish(logs) < TRUSTED_EFFECTIVE:
        return half
    outer = _outer(draws.coordinates.whitening.whiten(points), logs)
    others = points[picked(y, outer, MOST_WIDE // 2, random)]
    joined = np.concatenate([half[: MOST_WIDE - len(others)], others])
    return np.asarray(joined[random.permutation(len(joined))])


def _outer(w: Array, logs: Array) -> Array:
    """Return log weights of draws, (n,), that are larger the farther out a parameter lies.

    The factor is 1 + z^2 with the largest z of a draw, the distance from the median of a
    coordinate of `w`, (n, n_dim), in half-widths between 16 and 84 %. Draws far out along a bent
    ridge are on the ridge, where a larger covariance would lead away from it.
    """
    weights = np.exp(logs - logs.max())
    farthest = np.zeros(len(w))
    for column in w.T:
        order = np.argsort(column, kind="stable")
        below = np.cumsum(weights[order])
        shares = np.array([0.158655, 0.5, 0.841345]) * below[-1]
        low, middle, high = column[order][np.searchsorted(below, shares)]
        farthest = np.maximum(farthest, np.abs(column - middle) / (0.5 * (high - low)))
    return np.asarray(logs + np.log(np.minimum(1.0 + farthest**2, _FARTHEST_OUT)))


def _of_half_power(
    output: PopulationOutput, log_z: float, random: np.random.RandomState
) -> Array | None:
    """Return points of the islands that have arrived, in any order; None if none has."""
    sound = np.abs(output.island_log_z - log_z) <= _SETTLED
    if not sound.any():
        return None
    wide = output.wide[sound].reshape(-1, output.wide.shape[2])
    return np.asarray(wide[random.permutation(len(wide))[:MOST_WIDE]])
