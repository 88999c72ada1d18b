"""Proposals made again from weighted draws, and last draws that nothing is fitted to.

A population may weigh the parts of a posterior wrongly, because it comes from few ancestors, or
miss one. Importance weights put that right, if proposals cover every part. So each peak that is
known keeps a share of all draws and is fitted by its own ones. A proposal is made again from the
draws of all rounds before, each weighed by the mean density of all proposals (adaptive multiple
importance sampling: Cornuet, Marin, Mira & Robert 2012, Scand. J. Stat. 39, 798): a narrow part
that one round in ten reaches is not forgotten by the other nine, and no round is chosen because its
weights are even, as they are where none of its draws lies at a part of the posterior. While the
weights at a peak are poor they are tempered, so that a fit never follows two or three points of
huge weight.

The evidence comes from other draws. A proposal is too dense at draws that it was fitted to, so that
their weights are too small: by 7 % of the evidence for a mixture of eleven components, and ten
times the stated error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from apps.ttv.population.importance import kish, largest_power, picked
from apps.ttv.population.proposal import Proposal, fit_proposal

PER_POINT, MOST_DRAWS = 16, 8000
"""Draws of a round for each point of the population, and at most: a population of 500 points has
rounds as large as one of 2000, because it knows its posterior less well."""
N_PART = 32
"""Independent parts of all draws, whose scatter tells errors. With 31 degrees of freedom a
difference of 4.0 errors of a normal distribution is 4.7; with 7 it would be 8."""
ENOUGH = 2000.0
"""Effective draws that are enough: widths are known to 2 %."""
LOOK, MOST_LOOKS = 2, 6
"""Rounds that a look has as many draws as, and looks at most; a posterior of which there are still
too few effective draws then is said to be one."""
DEFENSIVE = 0.1
"""Part of a proposal that covers wider draws: the weights of draws there are at most 10 times too
large, and a tenth of all draws is lost."""
SHARED = 0.2
"""Part of a proposal's draws that all known peaks have in equal parts, whatever they weigh."""
# Draws that each peak is fitted to, for each draw of a round.
_RESAMPLED = 2
# Effective draws per parameter that a fit needs, and to which weights are tempered.
_LEAST_EFFECTIVE = 30.0
# Share of a round's draws that is effective, from which on a proposal is good enough; rounds in a
# row without a gain, after which it is not made better; rounds before the first look and before
# each of the others at least and at most. The first rounds follow the population alone.
_GOOD, _PATIENCE = 0.5, 3
_FIRST, _LATER = (3, 12), (2, 4)

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


@dataclass(slots=True, eq=False)
class Rounds:
    """The draws of all rounds, weighed by all their proposals together.

    A draw's weight is the posterior over the mean density of all draws' proposals (the balance
    heuristic: Veach & Guibas 1995, SIGGRAPH, 419).

    Attributes
    ----------
    looks, proposals : list
        A `Look` and its `Proposal` of each round.
    """

    looks: list[Look] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    # Of each round's draws: log of the sum of all proposals' densities, each times its draws.
    _mixed: list[Array] = field(default_factory=list)

    def add(self, look: Look, proposal: Proposal) -> None:
        """Add a round; of draws without a posterior only their number counts."""
        log_n = math.log(len(look.y))
        for earlier, mixed in zip(self.looks, self._mixed, strict=True):
            there = np.isfinite(earlier.logs)
            here = proposal.log_densities(earlier.y[there]) + log_n
            mixed[there] = np.logaddexp(mixed[there], here)
        there = np.isfinite(look.logs)
        mixed = np.full(len(look.y), math.inf)
        mixed[there] = look.target[there] - look.logs[there] + log_n
        for earlier, before in zip(self.looks, self.proposals, strict=True):
            here = before.log_densities(look.y[there]) + math.log(len(earlier.y))
            mixed[there] = np.logaddexp(mixed[there], here)
        self.looks.append(look)
        self.proposals.append(proposal)
        self._mixed.append(mixed)

    def all(self) -> Look:
        """Return all draws as one look."""
        return joined(self.each())

    def parts(self) -> tuple[Look, ...]:
        """Return all draws in `N_PART` independent parts of equal size, some of each round."""
        each = self.each()
        return tuple(joined([_part(look, number) for look in each]) for number in range(N_PART))

    def each(self) -> list[Look]:
        """Return the draws of each round, with their weights among all."""
        log_n = math.log(sum(len(look.y) for look in self.looks))
        weighed = []
        for look, mixed in zip(self.looks, self._mixed, strict=True):
            logs = np.full(len(look.y), -math.inf)
            there = np.isfinite(look.logs)
            logs[there] = look.target[there] - mixed[there] + log_n
            weighed.append(Look(look.y, logs, look.target))
        return weighed


def draws_of_round(n_point: int) -> int:
    """Return the draws of a round: those of each independent part are as many."""
    return N_PART * max(1, min(PER_POINT * n_point, MOST_DRAWS) // N_PART)


def conclude(
    target: Densities,
    proposal: Proposal,
    cover: Cover,
    order: Sequence[int],
    random: np.random.RandomState,
    n_point: int,
) -> tuple[Proposal, Rounds]:
    """Make a proposal good, and look with it, until enough draws of all looks are effective.

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

    Returns
    -------
    proposal : Proposal
        The last one.
    looks : Rounds
        Draws that no proposal was fitted to: `ENOUGH` of them are effective, or there have been
        `MOST_LOOKS`.
    """
    rounds, looks, size = Rounds(), Rounds(), draws_of_round(n_point)
    for fewest, most in (_FIRST, *[_LATER] * (MOST_LOOKS - 1)):
        proposal = refine(
            target, proposal, cover, order, random, rounds, size, fewest=fewest, most=most
        )
        looks.add(look_at(target, proposal, LOOK * size, random), proposal)
        if looks.all().effective >= ENOUGH:
            break
    return proposal, looks


def refine(
    target: Densities,
    proposal: Proposal,
    cover: Cover,
    order: Sequence[int],
    random: np.random.RandomState,
    rounds: Rounds,
    size: int,
    *,
    fewest: int,
    most: int,
) -> Proposal:
    """Make a proposal again from the weighted draws of all rounds, while that helps.

    Parameters
    ----------
    target, proposal, cover, order, random
        See `conclude`.
    rounds : Rounds
        Those of before; the new ones are added.
    size : int
        Draws of a round.
    fewest, most : int
        New rounds.
    """
    best, idle = 0.0, 0
    for n_round in range(1, most + 1):
        look = look_at(target, proposal, size, random)
        rounds.add(look, proposal)
        together = rounds.all()
        if together.effective:
            proposal = refitted(together, cover, order, _RESAMPLED * size, random)
        idle = 0 if look.effective > 1.1 * best else idle + 1
        best = max(best, look.effective)
        is_good = look.effective >= _GOOD * size or idle == _PATIENCE
        if n_round >= fewest and is_good:
            break
    return proposal


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


def _part(look: Look, number: int) -> Look:
    n = len(look.y) // N_PART
    where = slice(number * n, (number + 1) * n)
    return Look(look.y[where], look.logs[where], look.target[where])
