"""Proposals made again from their own weighted draws, and a last look that tells the evidence.

Population Monte Carlo (Cappe et al. 2004, J. Comput. Graph. Stat. 13, 907). A population may weigh
the parts of a posterior wrongly, because it comes from few ancestors, or miss one. Importance
weights put that right, if every proposal covers every part. So each peak that is known keeps a
share of all draws and is fitted by its own ones; otherwise a round whose weights are even, because
none of its draws lies at a part of the posterior, would pass for the best. While the weights at a
peak are poor they are tempered, so that a fit never follows two or three points of huge weight.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from apps.ttv.population.importance import kish, largest_power, picked
from apps.ttv.population.proposal import Proposal, fit_proposal

ROUND = 4
"""Draws of a round, for each point of the population."""
LAST = 10
"""Draws of a last look, likewise; nothing is fitted to them: they tell the evidence."""
MOST_LOOKS = 6
"""Such looks at most, of `ENOUGH` effective draws in all."""
ENOUGH = 1
"""Effective draws that are enough, for each point: with 2000 points widths are known to 2 %."""
DEFENSIVE = 0.1
"""Part of a proposal that covers wider draws: the weights of draws there are at most 10 times too
large, and a tenth of all draws is lost."""
SHARED = 0.2
"""Part of a proposal's draws that all known peaks have in equal parts, whatever they weigh."""
# Draws that a fit is made of, for each point.
_RESAMPLED = 5
# Effective draws per parameter that a fit needs, and to which weights are tempered.
_LEAST_EFFECTIVE = 30.0
# Rounds; a share of effective draws that is enough; rounds in a row without a gain that end it.
_MOST_ROUNDS, _GOOD, _PATIENCE = 12, 0.5, 3

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """The parts of a posterior that every proposal covers.

    Attributes
    ----------
    around : tuple of ndarray
        For each peak that is known, draws of an approximation, coordinates (n, n_dim); they stand
        for the peak as long as there are too few others.
    labels : Callable
        From coordinates (n, n_dim) to the number of the peak that each of them belongs to, (n,);
        zeros if no peak is known.
    wide : ndarray
        float64 (n, n_dim), coordinates wider than the posterior, because a part of it that no draw
        of a round has reached gets a huge weight in the next one (Hesterberg 1995, Technometrics
        37, 185); empty if there are none.
    """

    around: tuple[Array, ...]
    labels: Callable[[Array], NDArray[np.intp]]
    wide: Array


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Importance draws of a posterior.

    Attributes
    ----------
    y : ndarray
        float64 (n, n_dim), coordinates.
    logs : ndarray
        float64 (n,), log weights; -inf where there is no posterior.
    target : ndarray
        float64 (n,), log densities of the posterior in y.
    """

    y: Array
    logs: Array
    target: Array

    @property
    def effective(self) -> float:
        """Kish's effective size."""
        return kish(self.logs)


def joined(looks: Sequence[Look]) -> Look:
    """Return several looks as one."""
    return Look(
        np.concatenate([look.y for look in looks]),
        np.concatenate([look.logs for look in looks]),
        np.concatenate([look.target for look in looks]),
    )


class Densities(Protocol):
    """A posterior as looks ask for it."""

    def evaluate(self, y: Array) -> tuple[Array, Array]:
        """Return log densities of coordinates (n, n_dim); see `Target.evaluate`."""


def look_at(target: Densities, proposal: Proposal, n: int, random: np.random.RandomState) -> Look:
    """Return `n` draws of a proposal."""
    y = proposal.sample(n, random)
    _, densities = target.evaluate(y)
    logs = np.full(n, -math.inf)
    possible = np.isfinite(densities)
    # Points without a density are not looked at: a polynomial far from all draws may overflow.
    logs[possible] = densities[possible] - proposal.log_densities(y[possible])
    return Look(y, logs, densities)


def refine(
    target: Densities,
    proposal: Proposal,
    cover: Cover,
    order: Sequence[int],
    random: np.random.RandomState,
    n_point: int,
) -> Proposal:
    """Make a proposal again from its own weighted draws while that helps; return the best one.

    Parameters
    ----------
    target : Target
        The posterior.
    proposal : Proposal
        The first one.
    cover : Cover
        Of every proposal.
    order : sequence of int
        See `fit_proposal`.
    random : RandomState
        Decides the draws.
    n_point : int
        Points of the population.
    """
    best, best_size, idle = proposal, 0.0, 0
    for _ in range(_MOST_ROUNDS):
        look = look_at(target, proposal, ROUND * n_point, random)
        size = look.effective
        idle = 0 if size > 1.1 * best_size else idle + 1
        if size > best_size:
            best, best_size = proposal, size
        if size >= _GOOD * ROUND * n_point or idle == _PATIENCE or not size:
            break
        proposal = refitted(look, cover, order, _RESAMPLED * n_point, random)
    return best


def refitted(
    look: Look, cover: Cover, order: Sequence[int], n: int, random: np.random.RandomState
) -> Proposal:
    """Fit a proposal to weighted draws, each peak to its own ones.

    Parameters
    ----------
    look : Look
        Of which at least one draw has a weight.
    cover, order, random
        See `refine`.
    n : int
        Draws that each peak is fitted to, at most, with repetitions.
    """
    places = np.flatnonzero(np.isfinite(look.logs))
    of_peak = cover.labels(look.y[places])
    weights = np.exp(look.logs[places] - look.logs[places].max())
    groups, parts = [], []
    for peak in range(max(1, len(cover.around))):
        own = places[of_peak == peak]
        draws = _tempered(look.y[own], look.logs[own], n, random)
        if draws is None and cover.around:
            draws = cover.around[peak]
        if draws is not None:
            groups.append(draws)
            parts.append(float(weights[of_peak == peak].sum()))
    shares = (1.0 - SHARED) * np.array(parts) / sum(parts) + SHARED / len(parts)
    if not len(cover.wide):
        return fit_proposal(groups, shares, order)
    return fit_proposal([*groups, cover.wide], [*((1.0 - DEFENSIVE) * shares), DEFENSIVE], order)


def _tempered(y: Array, logs: Array, n: int, random: np.random.RandomState) -> Array | None:
    """Return draws by tempered weights, with repetitions; None if there are too few for a fit."""
    # Fewer draws would have a singular covariance.
    if len(y) <= 2 * y.shape[1]:
        return None
    power = largest_power(logs, min(_LEAST_EFFECTIVE * y.shape[1], 0.5 * len(y)))
    return y[picked(power * logs, n, random)]
