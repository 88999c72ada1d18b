"""A population that goes from a broad distribution to the posterior in small steps.

Sequential Monte Carlo (Del Moral, Doucet & Jasra 2006, J. R. Stat. Soc. B 68, 411) along
q^(1-b) p^b: the power b grows from 0 to 1, each time by as much as leaves half of the population
effective. After each step the population is resampled, straightened, and moved by proposals that
are fitted to itself. The mean weights of all steps give the evidence.

Step s draws all its random numbers from a stream of (key, s), so that a population can stop after
any step and go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.mixture import log_mixture, sample_mixture
from apps.ttv.compute.population.fitting import fit_mixture
from apps.ttv.compute.population.importance import largest_power, log_mean, picked
from apps.ttv.compute.population.straightening import fit_shear
from apps.ttv.compute.population.target import Target
from apps.ttv.compute.sampler_settings import Mixture
from apps.ttv.compute.shear import Shear
from boinc_project.errors import UnitError
from boinc_project.seeds import step_bits

HALF = 0.5
"""The power at which the population is kept for chains to begin with: 1.4 times as wide as the
posterior where that is normal."""

# Share of the population that a step leaves effective (Kish).
_EFFECTIVE = 0.5
# Draws of the broad distribution for each point of the population: most of a wide prior has no
# model, or one that is far off, and a population of few ancestors has a poor evidence.
_FIRST_DRAWS = 8
# Pairs of moves of a step. With 5, evidences and widths of the simulated systems were those of 30
# pairs, and what they cost is better spent on more points. The last population moves until no
# parameter remembers its place by more than this correlation.
_PAIRS, _LAST_PAIRS, _FORGOTTEN = 5, 30, 0.05
# Normal distributions that are fitted to a population, and points that each needs, a parameter.
_COMPONENTS, _POINTS_PER_PARAMETER = 6, 20
# Steps along differences of two others, in ter Braak's unit: scattered, so that some are short
# where the posterior is thin; some are whole, so that they lead from one part to another.
_SCATTER, _WHOLE = 0.5, 0.1
# Differences of the population alone would keep it on a lattice (ter Braak 2006, Stat. Comput. 16).
_NUDGE = 1e-5
_MOST_STEPS = 400

Array = NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Annealing:
    """A population after some steps.

    Attributes
    ----------
    points : ndarray
        float64 (n, n_dim), coordinates.
    broad, target : ndarray
        float64 (n,), log densities there; see `Target.evaluate`.
    power : float
        Of the posterior.
    log_z : float
        Logarithm of the evidence up to this power.
    n_step : int
        Steps done.
    wide : ndarray
        float64 (n, n_dim), the population at the power `HALF`; empty before.
    memory : float
        Largest correlation of a parameter with what it was before the last moves.
    powers : list of float
        After each step.
    """

    points: Array
    broad: Array
    target: Array
    power: float
    log_z: float
    n_step: int
    wide: Array
    memory: float = 1.0
    powers: list[float] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        """Whether the population is the posterior's."""
        return self.power >= 1.0


class Annealer:
    """Moves a population of one target.

    Parameters
    ----------
    target : Target
        From where to where.
    n_point : int
        Points of the population.
    order : sequence of int
        In which the parameters depend on each other; see
        `apps.ttv.compute.population.straightening`.
    key : tuple[int, int]
        Of the random stream; see `boinc_project.seeds.stream_key`.
    """

    def __init__(
        self, target: Target, n_point: int, order: Sequence[int], key: tuple[int, int]
    ) -> None:
        self.target, self.n_point = target, n_point
        self._order, self._key = order, key

    def begin(self) -> Annealing:
        """Return a population of the broad distribution.

        Raises
        ------
        UnitError
            If none of its draws has a model.
        """
        random = np.random.RandomState(step_bits(self._key, 0))
        points = self.target.broad_draws(_FIRST_DRAWS * self.n_point, random)
        broad, target = self.target.evaluate(points)
        known = np.isfinite(broad) & np.isfinite(target)
        if not known.any():
            raise UnitError("No point of the priors has a model with the table's transits.")
        return Annealing(points, broad, target, 0.0, 0.0, 0, np.empty((0, points.shape[1])))

    def advance(self, now: Annealing) -> None:
        """Do one step; if an exception interrupts it, `now` stays as it was."""
        random = np.random.RandomState(step_bits(self._key, now.n_step + 1))
        power = _next_power(now, self.n_point)
        gains = _gains(now)
        logs = (power - now.power) * np.where(np.isfinite(gains), gains, 0.0)
        logs[~np.isfinite(gains)] = -math.inf
        chosen = picked(logs, self.n_point, random)
        moving = _Moving(now.points[chosen], now.broad[chosen], now.target[chosen], power)
        memory = self._move(moving, random)
        now.log_z += log_mean(logs)
        now.points, now.broad, now.target = moving.points, moving.broad, moving.target
        now.power, now.memory, now.n_step = power, memory, now.n_step + 1
        now.powers.append(power)
        if power == HALF:
            now.wide = now.points.copy()

    def fraction(self, now: Annealing) -> float:
        """Return the share of the way that is done, 0 to 1: powers grow by factors."""
        if not now.powers or now.is_done:
            return float(now.is_done)
        first = min(math.log(now.powers[0]), -1e-9)
        return 1.0 - math.log(now.power) / first if now.n_step > 1 else 0.02

    def _move(self, moving: _Moving, random: np.random.RandomState) -> float:
        shear = fit_shear(moving.points, self._order)
        n_component = max(
            1, min(_COMPONENTS, self.n_point // (_POINTS_PER_PARAMETER * self.target.n_dim))
        )
        mixture = fit_mixture(shear.straighten(moving.points), n_component)
        moves = _Moves(self.target.evaluate, shear, mixture, random)
        before, memory = moving.points.copy(), 1.0
        most = _PAIRS if moving.power < 1.0 else _LAST_PAIRS
        for number in range(most):
            moves.independent(moving)
            moves.along_differences(moving)
            memory = _memory(before, moving.points)
            if memory < _FORGOTTEN and number:
                break
        return memory


@dataclass(slots=True, eq=False)
class _Moving:
    """Points at one power, with the log densities that they have."""

    points: Array
    broad: Array
    target: Array
    power: float


class _Moves:
    """Moves of a population at one power of the posterior."""

    def __init__(
        self,
        evaluate: Callable[[Array], tuple[Array, Array]],
        shear: Shear,
        mixture: Mixture,
        random: np.random.RandomState,
    ) -> None:
        self._evaluate, self._random = evaluate, random
        self._shear, self._mixture = shear, mixture

    def independent(self, now: _Moving) -> None:
        """Offer every point a draw of the mixture."""
        u = self._shear.straighten(now.points)
        offered = sample_mixture(self._mixture, len(u), self._random)
        factors = log_mixture(self._mixture, u) - log_mixture(self._mixture, offered)
        self._accept(now, np.arange(len(u)), offered, factors)

    def along_differences(self, now: _Moving) -> None:
        """Move one half of the points along differences of the other half, then the other."""
        order = self._random.permutation(len(now.points))
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        for moving, others in (halves, halves[::-1]):
            u = self._shear.straighten(now.points)
            n, n_dim = len(moving), u.shape[1]
            first = self._random.randint(len(others), size=n)
            second = (first + 1 + self._random.randint(len(others) - 1, size=n)) % len(others)
            sizes = np.exp(_SCATTER * self._random.standard_normal(n))
            sizes *= 2.38 / math.sqrt(2 * n_dim)
            sizes = np.where(self._random.rand(n) < _WHOLE, 1.0, sizes)
            offered = u[moving] + sizes[:, None] * (u[others[first]] - u[others[second]])
            offered += _NUDGE * self._random.standard_normal((n, n_dim))
            self._accept(now, moving, offered, np.zeros(n))

    def _accept(
        self, now: _Moving, moving: NDArray[np.intp], offered: Array, factors: Array
    ) -> None:
        points = self._shear.bend(offered)
        broad, target = self._evaluate(points)
        possible = np.flatnonzero(np.isfinite(broad) & np.isfinite(target))
        old = moving[possible]
        gains = np.full(len(points), -math.inf)
        gains[possible] = (
            now.power * (target[possible] - now.target[old])
            + (1.0 - now.power) * (broad[possible] - now.broad[old])
            + factors[possible]
        )
        taken = np.log(1.0 - self._random.rand(len(points))) < gains
        now.points[moving[taken]] = points[taken]
        now.broad[moving[taken]] = broad[taken]
        now.target[moving[taken]] = target[taken]


def _gains(now: Annealing) -> Array:
    """Return log posterior over log broad density, -inf where there is no model."""
    known = np.isfinite(now.broad) & np.isfinite(now.target)
    gains = np.full(len(now.points), -math.inf)
    gains[known] = now.target[known] - now.broad[known]
    return gains


def _next_power(now: Annealing, n_point: int) -> float:
    """Return the power up to which half of the population stays effective."""
    gains = _gains(now)
    left = 1.0 - now.power
    wanted = _EFFECTIVE * min(n_point, int(np.isfinite(gains).sum()))
    step = largest_power(gains, wanted, left)
    following = 1.0 if step == left or now.n_step >= _MOST_STEPS else now.power + max(step, 1e-15)
    return HALF if now.power < HALF < following else following


def _memory(before: Array, after: Array) -> float:
    """Return the largest correlation of a parameter with what it was."""
    a, b = before - before.mean(axis=0), after - after.mean(axis=0)
    scale = np.sqrt(np.sum(a * a, axis=0) * np.sum(b * b, axis=0))
    return float(np.max(np.sum(a * b, axis=0) / np.where(scale > 0.0, scale, math.inf)))
