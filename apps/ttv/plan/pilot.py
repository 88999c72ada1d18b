"""The pilot: what a preparation's population says, and what is fitted to it.

The importance draws of the preparation's unit (`apps.ttv.compute.population`) weigh the modes,
tell the evidence, give the chains their starting points and the proposal of their first generation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.coordinates import Coordinates
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population.importance import TRUSTED_EFFECTIVE, kish, picked
from apps.ttv.compute.population.proposal import Proposal, fit_proposal
from apps.ttv.compute.population.rounds import look_at
from apps.ttv.compute.population.settings import Peaks
from apps.ttv.compute.population.straightening import dependence_order
from apps.ttv.compute.population.target import Target
from apps.ttv.compute.search.mode import Mode, log_laplace, nearest
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.whitening import Whitening
from apps.ttv.plan.weights import Look, Weight, by_laplace, together
from apps.ttv.plan.wide_points import APART, Draws, wide_points
from apps.ttv.population_output import PopulationOutput

# Share of effective importance draws from which on a population that has lost a part of the
# posterior on its way does no harm. Such draws fit what they cover, and chains then begin at them;
# what they do not cover is for the second opinion to find, whose search and population are others.
_TELLING = 0.1
KEPT = 0.1
"""Part of the proposals that is fitted to where chains begin."""
# Part of a plain proposal's draws that must be effective for its number to be believed.
_USEFUL = 0.05
# Draws that tell what a proposal without corrections is worth.
_COMPARED = 8_000
# Draws that proposals for chains are fitted to.
_FITTED = 8_000

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
        Of the chains' coordinates; see `apps.ttv.compute.coordinates`.
    log_z, log_z_error : float, float | None
        Logarithm of the evidence, without the likelihood's constant, and its standard error; None
        if too few draws were effective.
    settled : bool
        Whether what chains begin at is of the whole posterior; see `is_settled`.
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
    draws = Draws.of(posterior, output)
    effective = kish(draws.logs)
    trusted = effective >= TRUSTED_EFFECTIVE
    weighed = (
        together(posterior, modes, _look(posterior, draws))
        if trusted
        else by_laplace([log_laplace(mode, posterior) for mode in modes])
    )
    log_z = weighed.log_z
    labelled = _nearest(modes, posterior)
    wide = wide_points(draws, output, log_z, random)
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
        settled=trusted and is_settled(islands, log_z, effective / len(draws.logs)),
        effective=effective,
        n_draw=len(draws.logs),
        island_log_z=islands,
    )


def is_settled(islands: Sequence[float], log_z: float, share: float) -> bool:
    """Tell whether populations and importance draws know the same posterior.

    A population whose evidence is the larger one has seen a part that the importance draws miss.
    One whose evidence is smaller has lost a part on its way; that is no reason to doubt draws that
    fit the posterior well.

    Parameters
    ----------
    islands : sequence of float
        Log evidences of the populations.
    log_z : float
        That of the importance draws.
    share : float
        Effective importance draws, as a part of all.
    """
    if max(islands) > log_z + APART:
        return False
    return share >= _TELLING or min(islands) >= log_z - APART


def _look(posterior: Posterior, draws: Draws) -> Look:
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
    posterior: Posterior, draws: Draws, wide: Array, random: np.random.RandomState
) -> tuple[int, Proposal]:
    """Return the corrections of the chains' coordinates, and a proposal in these.

    It is fitted to the posterior, and with a small part to where chains begin: from there a walker
    must get away. Each correction costs an integration a step more, so that the numbers of
    effective draws for each integration are compared; but where hardly any plain draw is worth
    something, its number means little.
    """
    points = draws.points[picked(draws.logs, _FITTED, random)]
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
