"""Proposals made again from their own weighted draws, and a last look that tells the evidence.

Population Monte Carlo (Cappe et al. 2004, J. Comput. Graph. Stat. 13, 907). A population may weigh
the parts of a posterior wrongly, because it comes from few ancestors; its fit then still covers
them, and importance weights put it right. While the weights are poor they are tempered, so that a
fit never follows two or three points of huge weight.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from apps.ttv.population.importance import kish, largest_power
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
# Draws that a fit is made of, for each point.
_RESAMPLED = 5
# Effective draws per parameter that a fit needs, and to which weights are tempered.
_LEAST_EFFECTIVE = 30.0
# Rounds; a share of effective draws that is enough; rounds in a row without a gain that end it.
_MOST_ROUNDS, _GOOD, _PATIENCE = 12, 0.5, 3

Array = NDArray[np.float64]
Labels = Callable[[Array], NDArray[np.intp]]
"""From coordinates (n, n_dim) to the group that each of them belongs to, (n,)."""


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
    labels: Labels,
    order: Sequence[int],
    random: np.random.RandomState,
    n_point: int,
    wide: Array | None = None,
) -> Proposal:
    """Make a proposal again from its own weighted draws while that helps; return the best one.

    Parameters
    ----------
    target : Target
        What is looked at.
    proposal : Proposal
        The first one.
    labels : Callable
        See `Labels`.
    order : sequence of int
        See `fit_proposal`.
    random : RandomState
        Decides the draws.
    n_point : int
        Points of the population.
    wide : ndarray, optional
        float64 (n, n_dim), coordinates that every proposal covers in its tails, because a part of
        the posterior that no draw of a round has reached gets a huge weight in the next one
        (Hesterberg 1995, Technometrics 37, 185).
    """
    best, best_size, idle = proposal, 0.0, 0
    for _ in range(_MOST_ROUNDS):
        look = look_at(target, proposal, ROUND * n_point, random)
        size = look.effective
        idle = 0 if size > 1.1 * best_size else idle + 1
        if size > best_size:
            best, best_size = proposal, size
        draws = _tempered(look, _RESAMPLED * n_point, random)
        if size >= _GOOD * ROUND * n_point or idle == _PATIENCE or draws is None:
            break
        proposal = fit_groups(draws, labels, order, wide)
    return best


def fit_groups(
    draws: Array, labels: Labels, order: Sequence[int], wide: Array | None = None
) -> Proposal:
    """Fit a proposal to draws, each group of them by itself if it is large enough."""
    of_group = labels(draws)
    groups = [draws[of_group == group] for group in np.unique(of_group)]
    # A group of few draws would have a singular covariance; it goes to the largest one.
    large = [group for group in groups if len(np.unique(group, axis=0)) > 2 * draws.shape[1]]
    groups = large or [draws]
    sizes = np.array([len(group) for group in groups], dtype=np.float64)
    shares = sizes / sizes.sum()
    if wide is None or not len(wide):
        return fit_proposal(groups, shares, order)
    return fit_proposal([*groups, wide], [*((1.0 - DEFENSIVE) * shares), DEFENSIVE], order)


def picked(y: Array, logs: Array, n: int, random: np.random.RandomState) -> NDArray[np.intp]:
    """Return places of `n` draws by their weights, systematically: as often as the weight says."""
    weights = np.exp(logs - logs.max())
    edges = np.cumsum(weights)
    marks = (random.rand() + np.arange(n)) / n * edges[-1]
    return np.minimum(np.searchsorted(edges, marks, side="right"), len(y) - 1)


def _tempered(look: Look, n: int, random: np.random.RandomState) -> Array | None:
    """Return draws by tempered weights, with repetitions; None if there are too few points."""
    wanted = _LEAST_EFFECTIVE * look.y.shape[1]
    if np.isfinite(look.logs).sum() < wanted:
        return None
    power = largest_power(look.logs, wanted)
    logs = np.where(np.isfinite(look.logs), power * look.logs, -math.inf)
    return look.y[picked(look.y, logs, n, random)]
