"""Least squares from many starts at once, on the batch likelihood.

Levenberg-Marquardt (Marquardt 1963, J. SIAM 11, 431), several dampings tried at once:
every iteration evaluates the central differences of all starts in one batch, and the trial steps of
all starts and dampings in a second one. Starts that have converged or lead nowhere drop out, and
after some iterations only the better part goes on (successive halving: Jamieson & Talwalkar 2016,
AISTATS 51, 240), so that hundreds of starts cost as much as a few dozen complete fits.

Fits live in the coordinates w of `apps.ttv.whitening`, where the prior is N(0, I): it pulls every
parameter with a residual of its own, w itself. So no fit needs a bound, none ends outside of the
priors, and what the data leave open has the prior's width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from apps.ttv import normal
from apps.ttv.likelihood import Posterior
from apps.ttv.noise import MINUTE
from apps.ttv.priors import Prior
from apps.ttv.settings import JITTER, Parameter, Problem
from apps.ttv.whitening import Whitening

# Dampings tried at once, in units of each start's own.
_DAMPINGS = np.array([1e-3, 0.1, 1.0, 10.0, 100.0])
_FIRST_DAMPING, _SMALLEST_DAMPING, _LARGEST_DAMPING = 0.1, 1e-8, 1e6
# Steps of the central differences, in each parameter's scale; and the largest in w. There w bends
# x over a unit, so that a central difference over h is off by h^2 / 6 of itself: 1.5 %.
_DIFFERENCE, _LARGEST_DIFFERENCE = 0.01, 0.3
# Within this of the middle of a plane of eccentricity its map is linear, to 1e-12.
_CENTER = 1e-6
# A start has converged if this many iterations in a row gain less than this in cost each.
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
    """The sum of squares of one posterior: data and priors.

    Parameters
    ----------
    posterior : Posterior
        Model, noise and priors.

    Notes
    -----
    A residual is a signed deviance, sign(r) sqrt(-2 log L), so that the sum of squares is -2 log L
    whatever the noise; Gaussian noise has r itself. What a jitter costs, log(1 + (jitter/sigma)^2)
    for every transit, is a residual of its own: the root of a sum would jump where r changes sign.

    The prior's residuals are the coordinates w. The sum of all squares is -2 log(posterior density
    in w), up to a constant and to the mild factor that a prior of eccentricity has beside the
    reference of its plane: that factor has a pole at zero, where a fit would end for no reason.
    """

    def __init__(self, posterior: Posterior) -> None:
        self.posterior = posterior
        self.problem = posterior.problem
        self.whitening = Whitening(self.problem)
        names = self.problem.parameter_names
        self._planes = [
            [names.index(f"{planet}.{element}") for element in ("ecosw", "esinw")]
            for planet in self.problem.eccentricities
        ]
        timing = [name.endswith((".period", ".t0")) for name in names]
        self.everything = np.ones(self.problem.n_dim, dtype=bool)
        unseen = {planet.name for planet in self.problem.model.planets if not planet.observed}
        hidden = [name.partition(".")[0] in unseen for name in names]
        self._moving = {
            "timing": np.array(timing),
            "rest": ~(np.array(timing) & np.array(hidden)),
            "all": self.everything,
        }

    def residuals(self, w: Array) -> Array:
        """Return the data's residuals at w (n, n_dim), (n, n_residual); NaN where no model is."""
        points = self.whitening.colour(w)
        raw = np.full((len(w), self.posterior.table.n_transit), math.nan)
        # A prior of eccentricity may begin above zero: there is a hole in its plane.
        possible = np.isfinite(self.posterior.log_priors(points))
        if possible.any():
            raw[possible] = self.posterior.residuals_of(points[possible])[0]
        return self._deviances(points, raw)

    def deviances(self, w: Array) -> Array:
        """Return -2 log L at w (n, n_dim), (n,); chi^2 for Gaussian noise without jitter."""
        return _squares(self.residuals(w))

    def costs(self, w: Array) -> Array:
        """Return sums of squares, those of the prior included, (n,); inf where no model is."""
        return self.deviances(w) + _squares(w)

    def _deviances(self, points: Array, raw: Array) -> Array:
        jitter = self.problem.jitter
        extra = []
        if jitter is not None:
            place = self.problem.parameter_names.index(JITTER) if jitter.is_free else None
            minutes = np.full(len(points), jitter.fixed) if place is None else points[:, place]
            ratio = minutes[:, np.newaxis] * MINUTE / self.posterior.observations.sigmas
            wider = 1.0 + ratio**2
            raw = raw / np.sqrt(wider)
            extra.append(np.sqrt(np.log(wider)))
        noise = self.problem.noise
        if noise.kind == "student_t":
            degrees = noise.degrees
            raw = np.sign(raw) * np.sqrt((degrees + 1.0) * np.log1p(raw * raw / degrees))
        return np.concatenate([raw, *extra], axis=1)

    def sizes(self, w: Array) -> Array:
        """Return the size of a change in w that matters a little, (n, n_dim).

        It changes a parameter x by the parameter's scale, dw = (dw/dx) dx. For a line that is the
        ratio of the prior's density to the normal one's. In a plane a step changes x by no more
        than |x| / |w| of itself, because maps along the rays grow ever slower with the distance.
        """
        safe = w.copy()
        for first, second in self._planes:
            center = np.hypot(w[:, first], w[:, second]) < _CENTER
            safe[center, first] = _CENTER
        points = self.whitening.colour(safe)
        size = scales(self.problem, points)
        for place, parameter in enumerate(self.problem.free):
            if parameter.prior is not None:
                log_slope = parameter.prior.log_density(points[:, place]) - normal.log_density(
                    safe[:, place]
                )
                size[:, place] *= np.exp(np.minimum(log_slope, 500.0))
        for plane in self._planes:
            stretch = np.hypot(*safe[:, plane].T) / np.hypot(*points[:, plane].T)
            size[:, plane] *= stretch[:, np.newaxis]
        return size

    def jacobians(self, w: Array, residuals: Array, moving: Mask) -> Array:
        """Return derivatives of the data's residuals and of the prior's by moving coordinates.

        Where one side of a central difference has no model, the other side's is taken; where
        neither has, the data's derivative is zero.

        Returns
        -------
        ndarray
            float64 (n, n_residual + n_moving, n_moving); the last rows are the unit matrix.
        """
        n, n_dim = w.shape
        places = np.flatnonzero(moving)
        steps = np.minimum(_DIFFERENCE * self.sizes(w)[:, places], _LARGEST_DIFFERENCE)
        sides = np.repeat(w[:, np.newaxis], 2 * len(places), axis=1)
        for k, place in enumerate(places.tolist()):
            sides[:, 2 * k, place] += steps[:, k]
            sides[:, 2 * k + 1, place] -= steps[:, k]
        values = self.residuals(sides.reshape(-1, n_dim)).reshape(n, len(places), 2, -1)
        lost = ~np.isfinite(values).all(axis=3)
        values = np.where(lost[..., np.newaxis], residuals[:, np.newaxis, np.newaxis], values)
        widths = np.stack([sides[:, 2 * k, p] - sides[:, 2 * k + 1, p] for k, p in enumerate(places)], axis=1)
        widths *= 1.0 - 0.5 * lost.sum(axis=2)
        safe = np.where(widths > 0.0, widths, 1.0)
        data = (values[:, :, 0] - values[:, :, 1]) / safe[..., np.newaxis]
        prior = np.broadcast_to(np.eye(len(places)), (n, len(places), len(places)))
        return np.concatenate([data.transpose(0, 2, 1), prior], axis=1)

    def covariance(self, w: Array) -> Array:
        """Return the covariance of the normal approximation in w, (n_dim, n_dim), at w (n_dim,).

        The inverse of J^T J + I, by QR of J with the unit matrix below it and columns of one
        length: J^T J alone would lose what a prior says beside 1e9 sigmas of a transit time.
        """
        points = w[np.newaxis]
        jacobian = self.jacobians(points, self.residuals(points), self.everything)[0]
        lengths = np.sqrt(np.sum(jacobian**2, axis=0))
        upper = np.linalg.qr(jacobian / lengths, mode="r")
        inverse = solve_triangular(upper, np.eye(len(w))) / lengths[:, np.newaxis]
        return np.asarray(inverse @ inverse.T)

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
            float64 (n, n_dim), in w.
        rounds : tuple[Round, ...]
            One after the other.
        progress : Callable, optional
            Told the number of rounds done and of rounds in all.

        Returns
        -------
        w : ndarray
            float64 (n_left, n_dim), those of the last round with a model, best first.
        costs : ndarray
            Their sums of squares.
        """
        w, costs = starts, self.costs(starts)
        for number, one in enumerate(rounds):
            order = self._best(w, costs, one.keep)
            w, costs = w[order], costs[order]
            if len(w):
                w, costs = self._round(w, costs, self._moving[one.moving], one.n_iteration)
            if progress is not None:
                progress(number + 1, len(rounds))
        order = np.argsort(costs, kind="stable")
        return w[order], costs[order]

    def _best(self, w: Array, costs: Array, share: float) -> NDArray[np.intp]:
        """Return the best share of the starts, best first, and besides whatever equals them.

        Equals are fits that have arrived, and cost nothing. Counted, they would crowd out the other
        minima: the widest basin often has more than half of all starts.
        """
        order = np.argsort(costs, kind="stable")
        order = order[np.isfinite(costs[order])]
        ranked, values = self.whitening.colour(w[order]), costs[order]
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

    def refine(self, w: Array, n_iteration: int, moving: Mask | None = None) -> Array:
        """Go on from w (n, n_dim), which stay in their order, with some coordinates or all."""
        mask = self.everything if moving is None else moving
        return self._round(w, self.costs(w), mask, n_iteration)[0]

    def _round(self, w: Array, costs: Array, moving: Mask, n: int) -> tuple[Array, Array]:
        if not moving.any():
            return w, costs
        w, costs = w.copy(), costs.copy()
        damping = np.full(len(w), _FIRST_DAMPING)
        idle = np.zeros(len(w), dtype=np.int64)
        for _ in range(n):
            going = (idle < _PATIENCE) & (damping < _LARGEST_DAMPING) & np.isfinite(costs)
            active = np.flatnonzero(going)
            if not len(active):
                break
            found, values, used = self._step(w[active], moving, damping[active])
            gain = costs[active] - values
            better = gain > 0.0
            idle[active] = np.where(better & (gain > _GAIN), 0, idle[active] + better)
            damping[active] = np.where(
                better, np.maximum(used, _SMALLEST_DAMPING), damping[active] * 1e3
            )
            w[active[better]], costs[active[better]] = found[better], values[better]
        return w, costs

    def _step(self, w: Array, moving: Mask, damping: Array) -> tuple[Array, Array, Array]:
        """Return each start's best trial point, its cost and the damping that led there."""
        residuals = self.residuals(w)
        jacobians = self.jacobians(w, residuals, moving)
        everything = np.concatenate([residuals, w[:, moving]], axis=1)
        gradient = np.einsum("nrd,nr->nd", jacobians, everything)
        curvature = np.einsum("nrd,nre->nde", jacobians, jacobians)
        # In units of each coordinate's own curvature, which is 1 or more: timing and the rest are
        # orders of magnitude apart.
        unit = np.sqrt(np.einsum("ndd->nd", curvature))
        curvature /= unit[:, :, np.newaxis] * unit[:, np.newaxis]
        tried = damping[:, np.newaxis] * _DAMPINGS
        identity = np.eye(unit.shape[1])
        matrices = curvature[:, np.newaxis] + (
            (tried + 1e-12)[:, :, np.newaxis, np.newaxis] * identity
        )
        right = np.repeat(-(gradient / unit)[:, np.newaxis, :, np.newaxis], len(_DAMPINGS), axis=1)
        steps = np.linalg.solve(matrices, right)[..., 0] / unit[:, np.newaxis]
        trials = np.repeat(w[:, np.newaxis], len(_DAMPINGS), axis=1)
        trials[:, :, moving] += steps
        values = self.costs(trials.reshape(-1, w.shape[1])).reshape(trials.shape[:2])
        best = values.argmin(axis=1)
        rows = np.arange(len(w))
        return trials[rows, best], values[rows, best], tried[rows, best]


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


def _squares(residuals: Array) -> Array:
    total = np.sum(residuals * residuals, axis=1)
    return np.asarray(np.where(np.isnan(total), math.inf, total))
