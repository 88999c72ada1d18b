"""A population that goes from the prior to the posterior in small steps.

Sequential Monte Carlo (Del Moral, Doucet & Jasra 2006, J. R. Stat. Soc. B 68, 411): the likelihood
enters with a power that grows from 0 to 1, each time by as much as leaves half of the population
effective. After each step the population is resampled, straightened (`apps.ttv.population.straightening`), and
moved until it has forgotten where it was. It begins wider than the posterior and never narrower, so
that a ridge is filled from end to end: chains that begin around a peak fill it only slowly, and
look alike long before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.moves import log_mixture, sample_mixture
from apps.ttv.population.importance import largest_power
from apps.ttv.population.straightening import fit_shear
from apps.ttv.sampler_settings import Mixture
from apps.ttv.shear import Shear
from apps.ttv.population.fitting import fit_mixture

# Share of the population that a step leaves effective (Kish).
_EFFECTIVE = 0.5
# A population has forgotten a step's beginning when no parameter remembers it by more than this
# correlation; for 1000 points, chance alone gives 0.03. Pairs of moves at most.
_FORGOTTEN, _MOST = 0.1, 30
_FORGOTTEN_LAST, _MOST_LAST = 0.05, 60
# Normal distributions that are fitted to a population.
_COMPONENTS = 2
# Steps along differences of two others, in ter Braak's unit: scattered, so that some are short
# where the posterior is thin; some are whole, so that they lead from one part to another.
_SCATTER, _WHOLE = 0.3, 0.1
# Differences of the population alone would keep it on a lattice (ter Braak 2006, Stat. Comput. 16).
_NUDGE = 1e-5
HALF = 0.5
"""The power at which the population is kept for chains to begin with: 1.4 times the posterior's
width."""

Array = NDArray[np.float64]
LogDensity = Callable[[Array], Array]


@dataclass(frozen=True, slots=True, eq=False)
class Annealed:
    """Populations of one posterior.

    Attributes
    ----------
    points : ndarray
        float64 (n, n_dim), draws of the posterior.
    wide : ndarray
        float64 (n, n_dim), draws with the likelihood to the power `HALF`.
    forgotten : bool
        Whether the last moves went on until the population had forgotten where it was.
    """

    points: Array
    wide: Array
    forgotten: bool


@dataclass(slots=True, eq=False)
class _Population:
    """Points with their log likelihoods and log priors."""

    points: Array
    likelihoods: Array
    priors: Array

    def pick(self, chosen: NDArray[np.intp]) -> _Population:
        return _Population(self.points[chosen], self.likelihoods[chosen], self.priors[chosen])


class _Moves:
    """Moves of a population at one power of the likelihood."""

    def __init__(
        self,
        log_likelihoods: LogDensity,
        log_priors: LogDensity,
        shear: Shear,
        mixture: Mixture,
        random: np.random.RandomState,
    ) -> None:
        self.log_likelihoods, self.log_priors = log_likelihoods, log_priors
        self.shear, self.mixture, self.random = shear, mixture, random

    def independent(self, now: _Population, power: float) -> None:
        """Offer every point a draw of the mixture."""
        u = self.shear.straighten(now.points)
        offered = sample_mixture(self.mixture, len(u), self.random)
        factors = log_mixture(self.mixture, u) - log_mixture(self.mixture, offered)
        self._accept(now, np.arange(len(u)), offered, factors, power)

    def along_differences(self, now: _Population, power: float) -> None:
        """Move one half of the points along differences of the other half, then the other."""
        order = self.random.permutation(len(now.points))
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        for moving, others in (halves, halves[::-1]):
            u = self.shear.straighten(now.points)
            n, n_dim = len(moving), u.shape[1]
            first = self.random.randint(len(others), size=n)
            second = (first + 1 + self.random.randint(len(others) - 1, size=n)) % len(others)
            sizes = np.exp(_SCATTER * self.random.standard_normal(n)) * 2.38 / math.sqrt(2 * n_dim)
            sizes = np.where(self.random.rand(n) < _WHOLE, 1.0, sizes)
            offered = u[moving] + sizes[:, None] * (u[others[first]] - u[others[second]])
            offered += _NUDGE * self.random.standard_normal((n, n_dim))
            self._accept(now, moving, offered, np.zeros(n), power)

    def _accept(
        self,
        now: _Population,
        moving: NDArray[np.intp],
        offered: Array,
        factors: Array,
        power: float,
    ) -> None:
        points = self.shear.bend(offered)
        priors = self.log_priors(points)
        likelihoods = np.full(len(points), -math.inf)
        possible = np.flatnonzero(priors > -math.inf)
        likelihoods[possible] = self.log_likelihoods(points[possible])
        possible = np.flatnonzero(likelihoods > -math.inf)
        gains = np.full(len(points), -math.inf)
        old = moving[possible]
        gains[possible] = (
            power * (likelihoods[possible] - now.likelihoods[old])
            + (priors[possible] - now.priors[old])
            + factors[possible]
        )
        taken = np.log(1.0 - self.random.rand(len(points))) < gains
        now.points[moving[taken]] = points[taken]
        now.likelihoods[moving[taken]] = likelihoods[taken]
        now.priors[moving[taken]] = priors[taken]


def anneal(
    log_likelihoods: LogDensity,
    log_priors: LogDensity,
    points: Array,
    order: Sequence[int],
    rng: np.random.Generator,
    progress: Callable[[float], None] | None = None,
) -> Annealed:
    """Bring draws of the prior to the posterior.

    Parameters
    ----------
    log_likelihoods, log_priors : Callable
        Of points (n, n_dim), (n,); -inf where there is no model, never NaN.
    points : ndarray
        float64 (n, n_dim), draws of the prior that have a likelihood.
    order : sequence of int
        In which the parameters depend on each other; see `apps.ttv.population.straightening`.
    rng : Generator
        Decides the result.
    progress : Callable, optional
        Told the share of the way that is done, 0 to 1.
    """
    random = np.random.RandomState(rng.bit_generator)
    now = _Population(points.copy(), log_likelihoods(points), log_priors(points))
    power, forgotten = 0.0, True
    first = math.log(max(_next_power(now.likelihoods, 0.0), 1e-12))
    wide = points
    while power < 1.0:
        following = _next_power(now.likelihoods, power)
        if power < HALF < following:
            following = HALF
        now = now.pick(_resampled((following - power) * now.likelihoods, rng))
        power = following
        shear, mixture = _fitted(now.points, order)
        moves = _Moves(log_likelihoods, log_priors, shear, mixture, random)
        forgotten = _move(moves, now, power)
        if power == HALF:
            wide = now.points.copy()
        if progress is not None:
            progress(1.0 - math.log(power) / first if first < 0.0 else 1.0)
    return Annealed(now.points, wide, forgotten)


def _next_power(likelihoods: Array, power: float) -> float:
    """Return the power up to which half of the population stays effective."""
    left = 1.0 - power
    step = largest_power(likelihoods, _EFFECTIVE * len(likelihoods), left)
    # However alike the likelihoods, a step is a step.
    return 1.0 if step == left else power + max(step, 1e-15)


def _resampled(logs: Array, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return places by systematic resampling (Kitagawa 1996, J. Comput. Graph. Stat. 5, 1)."""
    weights = np.exp(logs - logs.max())
    edges = np.cumsum(weights / weights.sum())
    combs = (rng.random() + np.arange(len(logs))) / len(logs)
    return np.minimum(np.searchsorted(edges, combs), len(logs) - 1)


def _fitted(points: Array, order: Sequence[int]) -> tuple[Shear, Mixture]:
    shear = fit_shear(points, order)
    return shear, fit_mixture(shear.straighten(points), _COMPONENTS)


def _move(moves: _Moves, now: _Population, power: float) -> bool:
    """Move until the population has forgotten where it was, and tell whether it has."""
    before = now.points.copy()
    limit, most = (_FORGOTTEN, _MOST) if power < 1.0 else (_FORGOTTEN_LAST, _MOST_LAST)
    for _ in range(most):
        moves.independent(now, power)
        moves.along_differences(now, power)
        if _memory(before, now.points) < limit:
            return True
    return False


def _memory(before: Array, after: Array) -> float:
    """Return the largest correlation of a parameter with what it was."""
    a, b = before - before.mean(axis=0), after - after.mean(axis=0)
    scale = np.sqrt(np.sum(a * a, axis=0) * np.sum(b * b, axis=0))
    return float(np.max(np.sum(a * b, axis=0) / np.where(scale > 0.0, scale, math.inf)))
