"""The neighbourhood of a mode: a box that is far wider than the mode, and the prior inside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.likelihood import Posterior
from apps.ttv.population.importance import picked
from apps.ttv.priors import EccentricityPrior, Prior
from work_generator.modes import Mode, nearest

# Half the box's width in the mode's own standard deviations. Along a bent ridge the curvature at
# the peak can say a tenth of the posterior's real width; three times that is no limit.
_WIDTH = 30.0
# Tries per point: where hardly any part of the box has a model, it is halved.
_TRIES = 20
_HALVINGS = 6
# Points in the plane of (e cos w, e sin w) for each one that is drawn of them.
_PLANE = 50

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A box around one mode, without what is nearer to another mode.

    Attributes
    ----------
    posterior : Posterior
        Of the whole problem.
    modes : sequence of Mode
        All modes.
    place : int
        Which of them.
    low, high : ndarray
        float64 (n_dim,), the box.
    """

    posterior: Posterior
    modes: Sequence[Mode]
    place: int
    low: Array
    high: Array

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Tell which of the points (n, n_dim) are inside."""
        inside = np.all((points >= self.low) & (points <= self.high), axis=1)
        if len(self.modes) > 1:
            inside &= nearest(self.modes, points) == self.place
        return np.asarray(inside)

    def log_priors(self, points: Array) -> Array:
        """Return the log prior densities of points, (n,); -inf outside."""
        return np.where(self.contains(points), self.posterior.log_priors(points), -math.inf)


def around(posterior: Posterior, modes: Sequence[Mode], place: int, width: float) -> Region:
    """Return the region of one mode, `width` standard deviations to both sides of it."""
    mode = modes[place]
    half = width * np.sqrt(np.diag(mode.covariance))
    return Region(posterior, modes, place, mode.params - half, mode.params + half)


def draw(
    posterior: Posterior,
    modes: Sequence[Mode],
    place: int,
    n: int,
    rng: np.random.Generator,
) -> tuple[Region, Array]:
    """Draw points of the prior in the region of one mode that have a likelihood.

    Returns
    -------
    region : Region
        Halved as often as it had too few such points.
    points : ndarray
        float64 (at most n, n_dim); fewer only if even the smallest region has too few.
    """
    width = _WIDTH
    for _ in range(_HALVINGS):
        region = around(posterior, modes, place, width)
        points = _with_likelihood(region, n, rng)
        if len(points) >= n:
            break
        width *= 0.5
    return region, points


def _with_likelihood(region: Region, n: int, rng: np.random.Generator) -> Array:
    found: list[Array] = []
    for _ in range(_TRIES):
        points = _of_prior(region, n, rng)
        points = points[region.contains(points)]
        points = points[np.isfinite(region.posterior.log_densities(points))]
        found.append(points)
        if sum(map(len, found)) >= n:
            break
    return np.concatenate(found)[:n]


def _of_prior(region: Region, n: int, rng: np.random.Generator) -> Array:
    """Draw points of the prior cut off at the box."""
    problem = region.posterior.problem
    points = np.empty((n, problem.n_dim))
    for place, parameter in enumerate(problem.free):
        if parameter.prior is not None:
            limits = float(region.low[place]), float(region.high[place])
            points[:, place] = _between(parameter.prior, *limits, rng.random(n))
    names = problem.parameter_names
    for planet, prior in problem.eccentricities.items():
        places = [names.index(f"{planet}.ecosw"), names.index(f"{planet}.esinw")]
        points[:, places] = _in_plane(prior, region.low[places], region.high[places], n, rng)
    return points


def _between(prior: Prior, low: float, high: float, shares: Array) -> Array:
    """Return quantiles of a prior cut off at `low` and `high`."""
    first, last = _level(prior, low), _level(prior, high)
    return np.array([prior.quantile(first + share * (last - first)) for share in shares.tolist()])


def _level(prior: Prior, value: float) -> float:
    """Return the probability below a value, by bisection of the quantiles."""
    low, high = 1e-12, 1.0 - 1e-12
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if prior.quantile(middle) < value else (low, middle)
    return 0.5 * (low + high)


def _in_plane(
    prior: EccentricityPrior, low: Array, high: Array, n: int, rng: np.random.Generator
) -> Array:
    """Draw (e cos w, e sin w) in a rectangle, by the weights of evenly spread points."""
    edge = min(prior.prior.quantile(1.0 - 1e-9), 1.0)
    low, high = np.maximum(low, -edge), np.minimum(high, edge)
    points = low + (high - low) * rng.random((_PLANE * n, 2))
    logs = prior.log_density(points[:, 0], points[:, 1])
    if not np.isfinite(logs).any():
        return np.asarray(points[:n])  # none has a density: the region is halved
    return picked(points, logs, n, rng)
