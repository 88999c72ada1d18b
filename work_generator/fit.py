"""Least squares from many starts at once, on the batch likelihood.

Levenberg-Marquardt (Marquardt 1963, J. SIAM 11, 431), several dampings tried at once:
every iteration evaluates the central differences of all starts in one batch, and the trial steps of
all starts and dampings in a second one. Starts that have converged or lead nowhere drop out, and
after some iterations only the better part goes on (successive halving: Jamieson & Talwalkar 2016,
AISTATS 51, 240), so that hundreds of starts cost as much as a few dozen complete fits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.likelihood import Posterior
from apps.ttv.noise import MINUTE
from apps.ttv.priors import HalfNormal, Normal, Prior, Rayleigh
from apps.ttv.settings import JITTER, Parameter, Problem

# Dampings tried at once, in units of each start's own.
_DAMPINGS = np.array([1e-3, 0.1, 1.0, 10.0, 100.0])
_FIRST_DAMPING, _SMALLEST_DAMPING, _LARGEST_DAMPING = 0.1, 1e-8, 1e6
# Steps of the central differences, in each parameter's scale.
_DIFFERENCE = 0.01
# A start has converged if this many iterations in a row gain less than this in chi2 each.
_GAIN, _PATIENCE = 1e-3, 3
# Fits are equal if their costs and all parameters, in units of their scales, differ by less.
_EQUAL_COST, _EQUAL = 0.1, 0.1

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Round:
    """One round of successive halving.

    Attributes
    ----------
    n_iteration : int
        At most so many iterations.
    keep : float
        Share of the starts, the best ones, that the round takes in.
    moving : str
        What moves: ``"timing"``, periods and t0 only, because with wrong phases everything else
        only smears the transits; ``"rest"``, everything but the periods and t0 of unseen planets,
        whose wrong masses would drive them out of their cells of a grid; or ``"all"``.
    """

    n_iteration: int
    keep: float = 1.0
    moving: str = "all"


class Fit:
    """The sum of squares of one posterior: data and pulling priors.

    Parameters
    ----------
    posterior : Posterior
        Model, noise and priors.

    Notes
    -----
    A residual is a signed deviance, sign(r) sqrt(-2 log L), so that the sum of squares is -2 log L
    whatever the noise; Gaussian noise has r itself. What a jitter costs, log(1 + (jitter/sigma)^2)
    for every transit, is a residual of its own: the root of a sum would jump where r changes sign.
    """

    def __init__(self, posterior: Posterior) -> None:
        self.posterior = posterior
        self.problem = posterior.problem
        self.low, self.high = bounds(self.problem)
        pulls = _pulls(self.problem)
        self._places = np.array([pull[0] for pull in pulls], dtype=np.intp)
        self._means = np.array([pull[1] for pull in pulls])
        self._sigmas = np.array([pull[2] for pull in pulls])
        timing = [name.endswith((".period", ".t0")) for name in self.problem.parameter_names]
        self.everything = np.ones(self.problem.n_dim, dtype=bool)
        unseen = {planet.name for planet in self.problem.model.planets if not planet.observed}
        hidden = [name.partition(".")[0] in unseen for name in self.problem.parameter_names]
        self._moving = {
            "timing": np.array(timing),
            "rest": ~(np.array(timing) & np.array(hidden)),
            "all": self.everything,
        }

    def residuals(self, points: Array) -> Array:
        """Return residuals of points (n, n_dim), (n, n_residual); NaN where there is no model."""
        data = self._deviances(points)
        pulls = (points[:, self._places] - self._means) / self._sigmas
        return np.concatenate([*data, pulls], axis=1)

    def deviances(self, points: Array) -> Array:
        """Return -2 log L of points (n, n_dim), (n,); chi^2 for Gaussian noise without jitter."""
        return _squares(np.concatenate(self._deviances(points), axis=1))

    def _deviances(self, points: Array) -> list[Array]:
        raw, _ = self.posterior.residuals_of(points)
        found = []
        jitter = self.problem.jitter
        if jitter is not None:
            names = self.problem.parameter_names
            minutes = (
                np.full(len(points), jitter.fixed)
                if jitter.fixed is not None
                else points[:, names.index(JITTER)]
            )
            wider = (
                1.0 + (minutes[:, np.newaxis] * MINUTE / self.posterior.observations.sigmas) ** 2
            )
            raw = raw / np.sqrt(wider)
            found.append(np.sqrt(np.log(wider)))
        noise = self.problem.noise
        if noise.kind == "student_t":
            degrees = noise.degrees
            raw = np.sign(raw) * np.sqrt((degrees + 1.0) * np.log1p(raw * raw / degrees))
        return [raw, *found]

    def costs(self, points: Array) -> Array:
        """Return sums of squares, (n,); inf where there is no model."""
        return _squares(self.residuals(points))

    def jacobians(self, points: Array, residuals: Array, moving: Mask) -> Array:
        """Return derivatives by each moving parameter's scale, (n, n_residual, n_moving).

        Where one side of a central difference has no model, the other side's is taken; where
        neither has, the derivative is zero.
        """
        n, n_dim = points.shape
        places = np.flatnonzero(moving)
        scale = scales(self.problem, points)
        sides = np.repeat(points[:, np.newaxis], 2 * len(places), axis=1)
        for k, place in enumerate(places.tolist()):
            step = _DIFFERENCE * scale[:, place]
            sides[:, 2 * k, place] = np.minimum(points[:, place] + step, self.high[place])
            sides[:, 2 * k + 1, place] = np.maximum(points[:, place] - step, self.low[place])
        found = self.residuals(sides.reshape(-1, n_dim)).reshape(n, len(places), 2, -1)
        columns = []
        for k, place in enumerate(places.tolist()):
            sizes = sides[:, 2 * k : 2 * k + 2, place]
            values = found[:, k]
            for side in (0, 1):
                lost = ~np.isfinite(values[:, side]).all(axis=1)
                values[lost, side] = residuals[lost]
                sizes[lost, side] = points[lost, place]
            width = sizes[:, 0] - sizes[:, 1]
            safe = np.where(width > 0.0, width, 1.0)[:, np.newaxis]
            columns.append((values[:, 0] - values[:, 1]) / safe * scale[:, place, np.newaxis])
        return np.stack(columns, axis=2)

    def covariance(self, point: Array) -> Array:
        """Return the covariance of the normal approximation at a point (n_dim,).

        Directions that the data leave open get ten units of scale.
        """
        points = point[np.newaxis]
        everything = np.ones(len(point), dtype=bool)
        jacobian = self.jacobians(points, self.residuals(points), everything)[0]
        scale = scales(self.problem, points)[0]
        values, vectors = np.linalg.eigh(jacobian.T @ jacobian)
        inverse = (vectors / np.maximum(values, 1.0e-2)) @ vectors.T
        return np.asarray(inverse * np.outer(scale, scale))

    def solve(
        self,
        starts: Array,
        rounds: tuple[Round, ...],
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[Array, Array]:
        """Fit from many starts.

        Parameters
        ----------
        starts : ndarray
            float64 (n, n_dim).
        rounds : tuple[Round, ...]
            One after the other.
        progress : Callable, optional
            Told the number of rounds done and of rounds in all.

        Returns
        -------
        points : ndarray
            float64 (n_left, n_dim), those of the last round with a model, best first.
        costs : ndarray
            Their sums of squares.
        """
        points = np.clip(starts, self.low, self.high)
        costs = self.costs(points)
        for number, one in enumerate(rounds):
            order = self._best(points, costs, one.keep)
            points, costs = points[order], costs[order]
            if len(points):
                moving = self._moving[one.moving]
                points, costs = self._round(points, costs, moving, one.n_iteration)
            if progress is not None:
                progress(number + 1, len(rounds))
        order = np.argsort(costs, kind="stable")
        return points[order], costs[order]

    def _best(self, points: Array, costs: Array, share: float) -> NDArray[np.intp]:
        """Return the best share of the points, best first, and besides whatever equals them.

        Equals are fits that have arrived, and cost nothing. Counted, they would crowd out the other
        minima: the widest basin often has more than half of all starts.
        """
        order = np.argsort(costs, kind="stable")
        order = order[np.isfinite(costs[order])]
        ranked, values = points[order], costs[order]
        size = _EQUAL * scales(self.problem, ranked)
        is_first = np.ones(len(order), dtype=bool)
        for place in range(1, len(order)):
            begin = int(np.searchsorted(values, values[place] - _EQUAL_COST))
            others = ranked[begin:place][is_first[begin:place]]
            is_first[place] = not (np.abs(others - ranked[place]) < size[place]).all(axis=1).any()
        return np.asarray(order[np.cumsum(is_first) <= math.ceil(share * len(order))])

    def not_eccentricity(self, planet: str) -> Mask:
        """Return what moves if a planet's eccentricity vector is held."""
        held = (f"{planet}.ecosw", f"{planet}.esinw")
        return np.array([name not in held for name in self.problem.parameter_names])

    def refine(self, points: Array, n_iteration: int, moving: Mask | None = None) -> Array:
        """Go on from points (n, n_dim), which stay in their order, with some parameters or all."""
        mask = self.everything if moving is None else moving
        return self._round(points, self.costs(points), mask, n_iteration)[0]

    def _round(self, points: Array, costs: Array, moving: Mask, n: int) -> tuple[Array, Array]:
        if not moving.any():
            return points, costs
        points, costs = points.copy(), costs.copy()
        damping = np.full(len(points), _FIRST_DAMPING)
        idle = np.zeros(len(points), dtype=np.int64)
        for _ in range(n):
            going = (idle < _PATIENCE) & (damping < _LARGEST_DAMPING) & np.isfinite(costs)
            active = np.flatnonzero(going)
            if not len(active):
                break
            found, values, used = self._step(points[active], moving, damping[active])
            gain = costs[active] - values
            better = gain > 0.0
            idle[active] = np.where(better & (gain > _GAIN), 0, idle[active] + better)
            damping[active] = np.where(
                better, np.maximum(used, _SMALLEST_DAMPING), damping[active] * 1e3
            )
            points[active[better]], costs[active[better]] = found[better], values[better]
        return points, costs

    def _step(self, points: Array, moving: Mask, damping: Array) -> tuple[Array, Array, Array]:
        """Return each start's best trial point, its cost and the damping that led there."""
        residuals = self.residuals(points)
        jacobians = self.jacobians(points, residuals, moving)
        gradient = np.einsum("nrd,nr->nd", jacobians, residuals)
        # Parameters at a bound that the gradient pushes outwards stay where they are.
        low, high = self.low[moving], self.high[moving]
        here = points[:, moving]
        held = ((here <= low) & (gradient > 0.0)) | ((here >= high) & (gradient < 0.0))
        jacobians[np.repeat(held[:, np.newaxis], jacobians.shape[1], axis=1)] = 0.0
        gradient[held] = 0.0
        curvature = np.einsum("nrd,nre->nde", jacobians, jacobians)
        diagonal = np.einsum("ndd->nd", curvature)
        # A parameter without effect would make the matrix singular.
        damped = np.maximum(diagonal, 1e-6 * diagonal.max(axis=1, keepdims=True) + 1e-12)
        tried = damping[:, np.newaxis] * _DAMPINGS
        matrices = curvature[:, np.newaxis] + (
            tried[:, :, np.newaxis, np.newaxis]
            * (damped[:, :, np.newaxis] * np.eye(damped.shape[1]))[:, np.newaxis]
        )
        matrices += 1e-12 * np.eye(damped.shape[1])
        right = np.repeat(-gradient[:, np.newaxis, :, np.newaxis], len(_DAMPINGS), axis=1)
        steps = np.linalg.solve(matrices, right)[..., 0]
        scale = scales(self.problem, points)[:, moving]
        trials = np.repeat(points[:, np.newaxis], len(_DAMPINGS), axis=1)
        trials[:, :, moving] = np.clip(
            here[:, np.newaxis] + steps * scale[:, np.newaxis], low, high
        )
        values = self.costs(trials.reshape(-1, points.shape[1])).reshape(trials.shape[:2])
        best = values.argmin(axis=1)
        rows = np.arange(len(points))
        return trials[rows, best], values[rows, best], tried[rows, best]


def bounds(problem: Problem) -> tuple[Array, Array]:
    """Return the lowest and highest value of each free parameter, (n_dim,) each."""
    low, high = np.empty(problem.n_dim), np.empty(problem.n_dim)
    for i, parameter in enumerate(problem.free):
        planet, _, element = parameter.name.partition(".")
        if parameter.prior is not None:
            low[i], high[i] = parameter.prior.support
        else:
            limit = min(problem.eccentricities[planet].prior.support[1], 0.999)
            low[i], high[i] = -limit, limit
        if element in ("mass", "period", "jitter"):
            low[i] = max(low[i], 1e-3 if element == "period" else 0.0)
    return low, high


def scales(problem: Problem, points: Array) -> Array:
    """Return the size of a change that matters a little, of each parameter of each point."""
    return np.stack(
        [_scale(parameter, points[:, i]) for i, parameter in enumerate(problem.free)], axis=1
    )


def _scale(parameter: Parameter, values: Array) -> Array:
    element = parameter.name.rpartition(".")[2]
    sizes = np.abs(values)
    if element == "mass":
        size = np.maximum(0.1 * sizes, 0.01)
    elif element == "period":
        size = 1e-4 * sizes
    else:
        size = np.full(
            len(values),
            {"ecosw": 0.01, "esinw": 0.01, "t0": 0.001, "jitter": 0.1}.get(element, 1.0),
        )
    return np.minimum(size, _width(parameter.prior))


def _width(prior: Prior | None) -> float:
    return math.inf if prior is None else prior.width


def _pulls(problem: Problem) -> list[tuple[int, float, float]]:
    """Return place, mean and sigma of every prior that pulls; flat priors only bound."""
    pulls = []
    names = problem.parameter_names
    for place, parameter in enumerate(problem.free):
        if isinstance(parameter.prior, Normal):
            pulls.append((place, parameter.prior.mean, parameter.prior.sigma))
        elif isinstance(parameter.prior, HalfNormal):
            pulls.append((place, 0.0, parameter.prior.sigma))
    for planet, eccentricity in problem.eccentricities.items():
        # Rayleigh in e is normal in both components.
        if isinstance(eccentricity.prior, Rayleigh | HalfNormal):
            for element in ("ecosw", "esinw"):
                place = names.index(f"{planet}.{element}")
                pulls.append((place, 0.0, eccentricity.prior.sigma))
    return pulls


def _squares(residuals: Array) -> Array:
    total = np.sum(residuals * residuals, axis=1)
    return np.asarray(np.where(np.isnan(total), math.inf, total))
