"""The pilot: a population of the posterior before the first chain, and what is fitted to it.

One unit of populations (`apps.ttv.population`) is computed with the campaign's own seed. It goes
from the prior to the posterior, and ends with importance draws: these weigh the modes, tell the
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
from apps.ttv.population.computing import Archipelago, Computer, Conclusion
from apps.ttv.population.importance import TRUSTED_EFFECTIVE, kish
from apps.ttv.population.proposal import Proposal, fit_proposal
from apps.ttv.population.refining import look_at, picked
from apps.ttv.population.settings import Peaks, PopulationUnit
from apps.ttv.population.straightening import dependence_order
from apps.ttv.population.target import Target
from apps.ttv.whitening import Whitening
from work_generator.corrections import choose_corrections
from work_generator.modes import Mode, log_laplace, nearest
from work_generator.weights import Look, Weight, by_laplace, together

N_ISLAND = 1
"""Populations of a unit. The evidence of one with twice the points is better than that of two."""
POINTS_PER_PARAMETER, LEAST_POINTS = 200, 2000
"""Points of a population. With 1000 of 10 parameters the ends of a long ridge had too few ancestors
(widths 20 % too small); with 2000 the importance draws put them right."""
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
    unit : PopulationUnit
        What was computed.
    n_call : int
        Likelihood calls that it took.
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
    unit: PopulationUnit
    n_call: int


def fly(
    posterior: Posterior,
    modes: Sequence[Mode],
    seed: np.random.SeedSequence,
    progress: Callable[[float], None] | None = None,
) -> Pilot:
    """Compute the pilot of a campaign.

    Parameters
    ----------
    posterior : Posterior
        With the campaign's step and engine.
    modes : Sequence[Mode]
        All that were kept.
    seed : SeedSequence
        Decides the result.
    progress : Callable, optional
        Told the share of the work that is done, 0 to 1.
    """
    n_dim = posterior.problem.n_dim
    unit = PopulationUnit(
        posterior.problem,
        n_island=N_ISLAND,
        n_point=max(LEAST_POINTS, POINTS_PER_PARAMETER * n_dim),
        corrections=choose_corrections(posterior, np.random.default_rng(seed)),
        calls=1,
        peaks=Peaks(
            np.array([mode.params for mode in modes]),
            np.array([mode.covariance for mode in modes]),
        ),
    )
    computer, state = Computer(unit, posterior, seed), Archipelago()
    while not computer.is_complete(state):
        if progress is not None:
            progress(computer.fraction(state))
        computer.advance(state)
    conclusion = computer.conclude(state)
    return _pilot(posterior, modes, unit, computer, conclusion, seed)


def _pilot(
    posterior: Posterior,
    modes: Sequence[Mode],
    unit: PopulationUnit,
    computer: Computer,
    conclusion: Conclusion,
    seed: np.random.SeedSequence,
) -> Pilot:
    random = np.random.RandomState(np.random.PCG64(seed))
    trusted = conclusion.effective >= TRUSTED_EFFECTIVE
    logs = conclusion.logs
    weighed = (
        together(posterior, modes, _joined(computer, conclusion))
        if trusted
        else by_laplace([log_laplace(mode, posterior) for mode in modes])
    )
    log_z = weighed.log_z
    islands = tuple(island.log_z for island in conclusion.islands)
    labelled = _nearest(modes, posterior)
    wide = _wide(computer, conclusion, log_z, random)
    if trusted:
        parts = np.array([weight.weight for weight in weighed.weights])
        wide = _as_many(wide, labelled(wide), parts, random)
    corrections, proposal = _for_chains(posterior, computer, conclusion, wide, random)
    return Pilot(
        weights=weighed.weights,
        wide=wide,
        proposal=proposal,
        corrections=corrections,
        log_z=log_z,
        log_z_error=weighed.log_z_error,
        settled=trusted and max(abs(log - log_z) for log in islands) <= _SETTLED,
        effective=conclusion.effective,
        n_draw=len(logs),
        island_log_z=islands,
        unit=unit,
        n_call=conclusion.n_call,
    )


def _joined(computer: Computer, conclusion: Conclusion) -> Look:
    """Return all importance draws as parameters; those without a model are at another's place."""
    y = np.concatenate([look.y for look in conclusion.looks])
    logs = conclusion.logs
    points = computer.coordinates.to_points(y)
    possible = np.isfinite(logs)
    points[~possible] = points[np.flatnonzero(possible)[0]]
    likelihoods = np.full(len(y), -math.inf)
    likelihoods[possible] = computer.target.posterior.log_likelihoods(points[possible])
    return Look(points, logs, likelihoods)


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
    posterior: Posterior,
    computer: Computer,
    conclusion: Conclusion,
    wide: Array,
    random: np.random.RandomState,
) -> tuple[int, Proposal]:
    """Return the corrections of the chains' coordinates, and a proposal in these.

    It is fitted to the posterior, and with a small part to where chains begin: from there a walker
    must get away. Each correction costs two integrations a step more, so that the numbers of
    effective draws for each integration are compared; but where hardly any plain draw is worth
    something, its number means little.
    """
    logs = conclusion.logs
    if not np.isfinite(logs).any():
        return computer.settings.corrections, conclusion.proposal
    y = np.concatenate([look.y for look in conclusion.looks])
    draws = computer.coordinates.to_points(y[picked(y, logs, _FITTED, random)])
    worth = []
    fits = []
    for corrections in sorted({0, computer.settings.corrections}):
        frame = Coordinates(
            posterior.problem, posterior.engine, posterior.observations, corrections
        )
        fit = _fit(frame, draws, wide, computer)
        look = look_at(Target(posterior, frame), fit, _COMPARED, random)
        worth.append(look.effective / _COMPARED)
        fits.append((corrections, fit))
    if len(fits) == 1:
        return fits[0]
    plain_is_better = worth[0] * (1.0 + 2.0 * fits[1][0]) > worth[1]
    return fits[0] if plain_is_better and worth[0] > _USEFUL else fits[1]


def _fit(frame: Coordinates, draws: Array, wide: Array, computer: Computer) -> Proposal:
    peaks = computer.settings.peaks
    assert peaks is not None
    order = dependence_order(computer.settings.problem.parameter_names)
    labels = peaks.nearest(Whitening(computer.settings.problem), draws)
    y = frame.from_points(draws)
    groups = [y[labels == place] for place in np.unique(labels)]
    large = [group for group in groups if len(np.unique(group, axis=0)) > 2 * y.shape[1]]
    sizes = [(1.0 - KEPT) * len(group) / len(y) for group in large]
    return fit_proposal([*large, frame.from_points(wide)], [*sizes, KEPT], order)


def _wide(
    computer: Computer, conclusion: Conclusion, log_z: float, random: np.random.RandomState
) -> Array:
    """Return points to begin chains at: of the posterior to the power 1/2, if that can be had.

    The population passed that power on its way, if its evidence says that it has found the
    posterior. Else importance draws are weighed by it, or by a larger one.
    """
    sound = [island for island in conclusion.islands if abs(island.log_z - log_z) <= _SETTLED]
    if sound:
        wide = np.concatenate([island.wide for island in sound])
        chosen = random.permutation(len(wide))[:MOST_WIDE]
        return np.asarray(wide[chosen])
    y = np.concatenate([look.y for look in conclusion.looks])
    logs, densities = conclusion.logs, np.concatenate([look.target for look in conclusion.looks])
    possible = np.isfinite(logs)
    y, logs, densities = y[possible], logs[possible], densities[possible]
    gains = densities - computer.coordinates.log_broad(y)
    for power in (0.5, 0.75, 1.0):
        tempered = logs - (1.0 - power) * gains
        if kish(tempered) >= TRUSTED_EFFECTIVE or power == 1.0:
            chosen = picked(y, tempered, MOST_WIDE, random)
            return computer.coordinates.to_points(y[chosen])
    raise AssertionError("the last power is taken in any case")
