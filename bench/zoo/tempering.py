"""Parallel tempering from the prior to the posterior, with an evidence by stepping stones.

A ladder of powers b of the likelihood, 0 < b <= 1, is walked at once (Geyer 1991, Computing Science
and Statistics 23, 156). Neighbouring levels exchange points, and the lowest takes draws of the
prior itself, so that a mode is reached through the prior, not across a valley. Moves at a level are
steps along differences of an archive of its earlier points (ter Braak & Vrugt 2008, Stat. Comput.
18, 435) and draws of a Student t distribution fitted to the archive. Archives are frozen before
points count, which makes every move exact.

The evidence is the product of <L^(b' - b)> over neighbouring levels (stepping stones, Xie et al.
2011, Syst. Biol. 60, 150), which no campaign uses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bench.zoo.straight import Straight

Array = NDArray[np.float64]

DEGREES = 6.0
"""Degrees of freedom of the fitted distribution: tails heavier than the population's."""
# Shares of the moves. Whole differences lead from one mode of an archive to another.
_INDEPENDENT, _WHOLE = 0.4, 0.1
_SCATTER = 0.5
_NUDGE = 1e-6


class Target(Protocol):
    """The density to be sampled, in coordinates whose prior is about standard normal."""

    n_dim: int
    bent: tuple[int, ...]

    def log_terms(self, points: Array) -> tuple[Array, Array]:
        """Return log-likelihoods and log prior densities of points (n, n_dim), (n,) each."""

    def draw_prior(self, n: int, rng: np.random.Generator) -> Array:
        """Return independent draws of the prior, (n, n_dim)."""


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """The means of moving at each level, in straight coordinates.

    Attributes
    ----------
    straight : Straight
        The coordinates.
    archive : ndarray
        float64 (n_level, n_archive, n_dim).
    means, roots, inverses : ndarray
        Mean, Cholesky factor of the scale matrix, and its inverse, for each level.
    """

    straight: Straight
    archive: Array
    means: Array
    roots: Array
    inverses: Array

    @classmethod
    def fit(cls, points: Array, bent: tuple[int, ...]) -> Proposals:
        """Fit to populations (n_level, n_archive, n_dim) of the target's own coordinates."""
        straight = Straight.fit(points, bent)
        archive = straight.straighten(points)
        means = archive.mean(axis=1)
        off = archive - means[:, None]
        covariances = np.einsum("lpi,lpj->lij", off, off) / archive.shape[1]
        variances = np.einsum("lii->li", covariances)
        covariances = covariances + np.eye(points.shape[2]) * (1e-9 * variances + 1e-24)[:, None]
        roots = np.linalg.cholesky(covariances)
        return cls(straight, archive, means, roots, np.linalg.inv(roots))

    def log_density(self, u: Array) -> Array:
        """Return log densities of the fitted t distributions but for a constant of each level."""
        z = np.einsum("lij,lwj->lwi", self.inverses, u - self.means[:, None])
        d = u.shape[2]
        return np.asarray(-0.5 * (DEGREES + d) * np.log1p(np.sum(z * z, axis=2) / DEGREES))

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draw from them, (n_level, n, n_dim)."""
        n_level, n_dim = self.means.shape
        z = rng.standard_normal((n_level, n, n_dim))
        z /= np.sqrt(rng.chisquare(DEGREES, (n_level, n, 1)) / DEGREES)
        return np.asarray(self.means[:, None] + np.einsum("lij,lwj->lwi", self.roots, z))


@dataclass(slots=True, eq=False)
class Ladder:
    """Walkers at all levels.

    Attributes
    ----------
    powers : ndarray
        float64 (n_level,), rising, the last one 1.
    points : ndarray
        float64 (n_level, n_walker, n_dim).
    likelihoods, priors : ndarray
        Their log-likelihoods and log prior densities, (n_level, n_walker).
    proposals : Proposals
        Frozen while points count.
    pool, pool_likelihoods : ndarray
        Draws of the prior (n_pool, n_dim), and their log-likelihoods.
    n_call : int
        Likelihoods asked for.
    """

    powers: Array
    points: Array
    likelihoods: Array
    priors: Array
    proposals: Proposals
    pool: Array
    pool_likelihoods: Array
    n_call: int = 0

    def step(self, target: Target, rng: np.random.Generator) -> None:
        """Move every walker, then exchange points of neighbouring levels."""
        move(self, target, rng)
        self._exchange(rng)
        self._renew(target, rng)

    def stones(self) -> Array:
        """Return the logarithms of mean L^(b' - b) over the walkers of all levels but the last."""
        steps = np.diff(self.powers)[:, None] * self.likelihoods[:-1]
        return np.asarray(logsumexp(steps, axis=1) - math.log(steps.shape[1]))

    def first_stone(self) -> float:
        """Return the logarithm of the prior's mean of L^b at the lowest power b."""
        terms = self.powers[0] * self.pool_likelihoods
        return float(logsumexp(terms) - math.log(len(terms)))

    def _exchange(self, rng: np.random.Generator) -> None:
        n_level, n_walker = self.likelihoods.shape
        for parity in (0, 1):
            low = np.arange(parity, n_level - 1, 2)
            if not len(low):
                continue
            self._shuffle(low, rng)
            gains = (self.powers[low + 1] - self.powers[low])[:, None] * (
                self.likelihoods[low] - self.likelihoods[low + 1]
            )
            taken = np.log(1.0 - rng.random((len(low), n_walker))) < gains
            for array in (self.points, self.likelihoods, self.priors):
                below, above = array[low], array[low + 1]
                mask = taken[:, :, None] if array.ndim == 3 else taken
                array[low], array[low + 1] = (
                    np.where(mask, above, below),
                    np.where(mask, below, above),
                )

    def _shuffle(self, levels: NDArray[np.intp], rng: np.random.Generator) -> None:
        order = np.argsort(rng.random((len(levels), self.likelihoods.shape[1])), axis=1)
        for array in (self.points, self.likelihoods, self.priors):
            index = order[:, :, None] if array.ndim == 3 else order
            array[levels] = np.take_along_axis(array[levels], index, axis=1)

    def _renew(self, target: Target, rng: np.random.Generator) -> None:
        """Offer draws of the prior to the lowest level."""
        n_walker = self.likelihoods.shape[1]
        chosen = rng.integers(len(self.pool), size=n_walker)
        offered = self.pool_likelihoods[chosen]
        gains = self.powers[0] * (offered - self.likelihoods[0])
        taken = np.flatnonzero(np.log(1.0 - rng.random(n_walker)) < gains)
        if len(taken):
            points = self.pool[chosen[taken]]
            self.points[0][taken] = points
            self.likelihoods[0][taken] = offered[taken]
            self.priors[0][taken] = target.log_terms(points)[1]
            self.n_call += len(taken)


def move(ladder: Ladder, target: Target, rng: np.random.Generator) -> None:
    """Offer every walker of every level one move."""
    fitted = ladder.proposals
    n_level, n_walker, n_dim = ladder.points.shape
    u = fitted.straight.straighten(ladder.points)
    if rng.random() < _INDEPENDENT:
        offered = fitted.draw(n_walker, rng)
        factors = fitted.log_density(u) - fitted.log_density(offered)
    else:
        offered = u + _differences(fitted.archive, n_walker, rng)
        factors = np.zeros((n_level, n_walker))
    points = fitted.straight.bend(offered)
    flat = points.reshape(-1, n_dim)
    likelihoods, priors = (terms.reshape(n_level, n_walker) for terms in target.log_terms(flat))
    ladder.n_call += len(flat)
    possible = (likelihoods > -math.inf) & (priors > -math.inf)
    gains = np.full_like(factors, -math.inf)
    gains[possible] = (
        np.broadcast_to(ladder.powers[:, None], factors.shape)[possible]
        * (likelihoods[possible] - ladder.likelihoods[possible])
        + priors[possible]
        - ladder.priors[possible]
        + factors[possible]
    )
    taken = np.log(1.0 - rng.random(gains.shape)) < gains
    ladder.points[taken] = points[taken]
    ladder.likelihoods[taken], ladder.priors[taken] = likelihoods[taken], priors[taken]


def _differences(archive: Array, n_walker: int, rng: np.random.Generator) -> Array:
    """Return scaled differences of two points of each level's archive."""
    n_level, n_archive, n_dim = archive.shape
    first = rng.integers(n_archive, size=(n_level, n_walker))
    second = (first + 1 + rng.integers(n_archive - 1, size=first.shape)) % n_archive
    levels = np.arange(n_level)[:, None]
    between = archive[levels, first] - archive[levels, second]
    sizes = np.exp(_SCATTER * rng.standard_normal(first.shape)) * 1.7 / math.sqrt(2 * n_dim)
    sizes = np.where(rng.random(first.shape) < _WHOLE, 1.0, sizes)
    spread = archive.std(axis=1)[:, None]
    return np.asarray(
        sizes[:, :, None] * between + _NUDGE * spread * rng.standard_normal(between.shape)
    )
