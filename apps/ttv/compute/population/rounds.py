"""Importance draws of a posterior, and rounds of them that are weighed together.

The weight of a draw of several rounds is the posterior over the mean density of all rounds'
proposals (the balance heuristic: Veach & Guibas 1995, SIGGRAPH, 419). It is right for draws that no
proposal was fitted to. A proposal is too dense at draws that it was fitted to, and their weights
are too small: good enough to fit the next one, but not for the evidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.population.importance import kish
from apps.ttv.compute.population.proposal import Proposal

N_PART = 32
"""Independent parts of all draws, whose scatter tells errors. With 31 degrees of freedom a
difference of 4.0 errors of a normal distribution is 4.6; with 7 it would be 8.5."""

Array = NDArray[np.float64]


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
    """The draws of some rounds, each weighed by all their proposals together.

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


def _part(look: Look, number: int) -> Look:
    n = len(look.y) // N_PART
    where = slice(number * n, (number + 1) * n)
    return Look(look.y[where], look.logs[where], look.target[where])
