"""The sum of squares that fits of transit times minimise, in whitened coordinates.

In the coordinates w of `apps.ttv.compute.whitening` the prior is N(0, I): it pulls every parameter
with a residual of its own, w itself. So no fit needs a bound, none ends outside of the priors, and
directions that the data leave open have the prior's width.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute import normal
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.noise import MINUTE
from apps.ttv.compute.priors import Prior
from apps.ttv.compute.settings import JITTER, Parameter, Problem
from apps.ttv.compute.whitening import Whitening

# Steps of the central differences, in each parameter's scale; and the largest in w. There w bends
# x over a unit, so that a central difference over h is off by h^2 / 6 of itself: 1.5 %.
_DIFFERENCE, _LARGEST_DIFFERENCE = 0.01, 0.3
# Within this of the middle of a plane of eccentricity its map is linear, to 1e-12.
_CENTER = 1e-6
# Logarithm of the steepest dw/dx that is told from a vertical one.
_STEEPEST = 500.0
# A step is straight in x if it ends within this of the prior's median, in w.
_WELL_INSIDE = 3.0

CHUNK = 512
"""Points integrated between two looks at the client: some 20 to 500 ms."""
Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class SumOfSquares:
    """The sum of squares of one posterior: data and priors.

    Parameters
    ----------
    posterior : Posterior
        Model, noise and priors.
    poll : Callable
        Called before every `CHUNK` points; may raise to leave the computation.

    Attributes
    ----------
    n_call : int
        Points integrated so far.

    Notes
    -----
    A residual is a signed deviance, sign(r) sqrt(-2 log L), so that the sum of squares is -2 log L
    whatever the noise; Gaussian noise has r itself. What a jitter costs, log(1 + (jitter/sigma)^2)
    for every transit, is a residual of its own: the root of a sum would jump where r changes sign.

    The prior's residuals are the coordinates w. The sum of all squares is -2 log(posterior density
    in w), up to a constant and to the mild factor that a prior of eccentricity has beside the
    reference of its plane: that factor has a pole at zero, where a fit would end for no reason.
    """

    def __init__(self, posterior: Posterior, poll: Callable[[], None] = lambda: None) -> None:
        self.posterior = posterior
        self.n_call = 0
        self._poll = poll
        self.problem = posterior.problem
        self.whitening = Whitening(self.problem)
        names = self.problem.parameter_names
        self._planes = [
            [names.index(f"{planet}.{element}") for element in ("ecosw", "esinw")]
            for planet in self.problem.eccentricities
        ]
        # A prior of eccentricity that begins above zero leaves a hole in its plane.
        supports = [prior.prior.support for prior in self.problem.eccentricities.values()]
        self._holes = [
            (plane, low)
            for plane, (low, _) in zip(self._planes, supports, strict=True)
            if low > 0.0
        ]
        self.everything = np.ones(self.problem.n_dim, dtype=bool)
        self._discs = [min(high, 1.0) for _, high in supports]
        flat = [place for plane in self._planes for place in plane]
        self._lines = np.setdiff1d(np.arange(self.problem.n_dim), flat)

    def residuals(self, w: Array) -> Array:
        """Return the data's residuals at w (n, n_dim), (n, n_residual); NaN where no model is."""
        return self.residuals_of(self.whitening.colour(w))

    def residuals_of(self, points: Array) -> Array:
        """Return the same at points x (n, n_dim)."""
        possible = np.isfinite(points).all(axis=1)
        for plane, least in self._holes:
            possible &= np.hypot(*points[:, plane].T) >= least
        raw = np.full((len(points), self.posterior.table.n_transit), math.nan)
        rows = np.flatnonzero(possible)
        for begin in range(0, len(rows), CHUNK):
            self._poll()
            chunk = rows[begin : begin + CHUNK]
            raw[chunk] = self.posterior.residuals_of(points[chunk])[0]
        self.n_call += len(rows)
        return self._deviances(points, raw)

    def deviances(self, w: Array) -> Array:
        """Return -2 log L at w (n, n_dim), (n,); chi^2 for Gaussian noise without jitter."""
        return squares(self.residuals(w))

    def costs(self, w: Array) -> Array:
        """Return sums of squares, those of the prior included, (n,); inf where no model is."""
        return squares(self.residuals(w)) + squares(w)

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

    def _sizes(self, w: Array, points: Array) -> Array:
        """Return the size of a change in w that matters a little, (n, n_dim).

        It changes a parameter x by the parameter's scale, dw = (dw/dx) dx. For a line that is the
        ratio of the prior's density to the normal one's. In a plane a step changes x by no more
        than |x| / |w| of itself, because maps along the rays grow ever slower with the distance.
        """
        size = scales(self.problem, points)
        for place in self._lines.tolist():
            dense = self._line(place).log_density(points[:, place]) - normal.log_density(
                w[:, place]
            )
            size[:, place] *= np.exp(np.minimum(dense, _STEEPEST))
        for plane in self._planes:
            # At the very center any step will do: the map is linear over far more than one.
            e = np.maximum(np.hypot(*points[:, plane].T), _CENTER)
            stretch = np.maximum(np.hypot(*w[:, plane].T), _CENTER) / e
            size[:, plane] *= stretch[:, np.newaxis]
        return size

    def jacobians(
        self, w: Array, points: Array, residuals: Array, moving: Mask
    ) -> tuple[Array, Array]:
        """Return derivatives by moving coordinates.

        Where one side of a central difference has no model, the other side's is taken; where
        neither has, the data's derivative is zero.

        Parameters
        ----------
        w, points : ndarray
            float64 (n, n_dim), the same points in both coordinates.
        residuals : ndarray
            float64 (n, n_residual), of the data, there.
        moving : ndarray
            bool (n_dim,).

        Returns
        -------
        residuals : ndarray
            float64 (n, n_residual + n_moving, n_moving), of the data's residuals and, below them,
            of the prior's: the unit matrix.
        points : ndarray
            float64 (n, n_dim, n_dim), dx/dw: [i, j, k] of parameter j by coordinate k.
        """
        n, n_dim = w.shape
        places = np.flatnonzero(moving)
        steps = np.minimum(_DIFFERENCE * self._sizes(w, points), _LARGEST_DIFFERENCE)
        sides = self._sides(w, points, steps)
        moved = sides[:, places].reshape(-1, n_dim)
        values = self.residuals_of(moved).reshape(n, len(places), 2, -1)
        lost = np.asarray(~np.isfinite(values).all(axis=3))
        values = np.where(lost[..., np.newaxis], residuals[:, np.newaxis, np.newaxis], values)
        widths = steps[:, places] * (2.0 - lost.sum(axis=2))
        safe = np.where(widths > 0.0, widths, 1.0)
        data = (values[:, :, 0] - values[:, :, 1]) / safe[..., np.newaxis]
        prior = np.broadcast_to(np.eye(len(places)), (n, len(places), len(places)))
        slopes = (sides[:, :, 0] - sides[:, :, 1]) / (2.0 * steps)[..., np.newaxis]
        return np.concatenate([data.transpose(0, 2, 1), prior], axis=1), slopes.transpose(0, 2, 1)

    def _sides(self, w: Array, points: Array, steps: Array) -> Array:
        """Return the points on both sides of w along each coordinate, (n, n_dim, 2, n_dim).

        All lines are stepped along at once, and both coordinates of planes one after the other,
        because each of them moves its own parameters only.
        """
        n, n_dim = w.shape
        firsts = [plane[0] for plane in self._planes]
        seconds = [plane[1] for plane in self._planes]
        turns = [
            np.concatenate([self._lines, firsts]).astype(np.intp),
            np.array(seconds, dtype=np.intp),
        ]
        shifted = np.repeat(w[np.newaxis], 4, axis=0)
        for turn, places in enumerate(turns):
            shifted[2 * turn, :, places] += steps[:, places].T
            shifted[2 * turn + 1, :, places] -= steps[:, places].T
        coloured = self.whitening.colour(shifted.reshape(-1, n_dim)).reshape(4, n, n_dim)
        sides = np.broadcast_to(points[:, np.newaxis, np.newaxis], (n, n_dim, 2, n_dim)).copy()
        for side in (0, 1):
            sides[:, self._lines, side, self._lines] = coloured[side][:, self._lines]
            for plane in self._planes:
                for turn, place in enumerate(plane):
                    sides[:, place, side, plane] = coloured[2 * turn + side][:, plane]
        return sides

    def covariance(self, w: Array) -> Array:
        """Return the covariance of the normal approximation in w, (n_dim, n_dim), at w (n_dim,).

        The inverse of J^T J + I, by QR of J with the unit matrix below it and columns of one
        length: J^T J alone would lose what a prior says beside 1e9 sigmas of a transit time.
        """
        here = w[np.newaxis]
        points = self.whitening.colour(here)
        residuals = self.residuals_of(points)
        (jacobian,), _ = self.jacobians(here, points, residuals, self.everything)
        lengths = np.sqrt(np.sum(jacobian**2, axis=0))
        upper = np.linalg.qr(jacobian / lengths, mode="r")
        inverse = np.linalg.inv(upper) / lengths[:, np.newaxis]
        return np.asarray(inverse @ inverse.T)

    def straight(
        self, w: Array, points: Array, slopes: Array, moves: Array, moving: Mask
    ) -> tuple[Array, Array]:
        """Return where moves lead, in w and x: straight in x if that ends well inside the priors.

        Transit times are more linear in masses and eccentricity vectors than in the priors'
        probabilities. A move that is too long for that, and of one coordinate of a plane only, is
        straight in w.

        Parameters
        ----------
        w, points : ndarray
            float64 (n, n_dim), where to go from, in both coordinates.
        slopes : ndarray
            float64 (n, n_dim, n_dim), dx/dw there; see `jacobians`.
        moves : ndarray
            float64 (n, n_dim), in w.
        moving : ndarray
            bool (n_dim,).

        Returns
        -------
        w, points : ndarray
            float64 (n, n_dim) each; NaN in points where the priors end.
        """
        x = points + np.einsum("njk,nk->nj", slopes, moves)
        usable = np.zeros(x.shape, dtype=bool)
        for place in self._lines[moving[self._lines]].tolist():
            low, high = self._line(place).support
            usable[:, place] = (x[:, place] > low) & (x[:, place] < high)
        for plane, disc in zip(self._planes, self._discs, strict=True):
            inside = np.hypot(*x[:, plane].T) < disc
            usable[:, plane] = (inside & moving[plane].all())[:, np.newaxis]
        bent = self.whitening.whiten(np.where(usable, x, points))
        usable &= np.abs(bent) < _WELL_INSIDE
        ends = np.where(usable, bent, w + moves)
        reached = np.where(usable, x, points)
        others = np.flatnonzero((~usable & moving).any(axis=1))
        if len(others):
            reached[others] = self.whitening.colour(ends[others])
        return ends, reached

    def _line(self, place: int) -> Prior:
        prior = self.problem.free[place].prior
        assert prior is not None
        return prior


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


def squares(residuals: Array) -> Array:
    """Return sums of squares of residuals (n, n_residual), (n,); inf where one is NaN."""
    total = np.sum(residuals * residuals, axis=1)
    return np.asarray(np.where(np.isnan(total), math.inf, total))
