"""Coordinates in which chains and populations move: whitened, and timed by the table.

Transit times fix the mean ephemeris of an observed planet far better than anything else, but its
osculating period and conjunction time follow from it only with all masses and eccentricities. So
the posterior is thin, and bent over the whole width of the other parameters: where the data say
little, no polynomial straightens it. Instead of period and t0 a planet therefore gets two numbers
that say by how many standard errors its times depart from the best line: given the other
parameters, the model is computed with the table's ephemeris, the residuals are fitted by a line,
and period and t0 are corrected by it, some times. That is a shift of both by a function of the
other parameters. Its Jacobian is a constant, and any number of corrections is right.

Corrections are accelerated by Anderson's method of depth one (Anderson 1965, J. ACM 12, 547),
because strong interactions make them converge slowly. All other parameters are whitened
(`apps.ttv.compute.whitening`). Sums are in a fixed order: equal units give equal bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute import normal
from apps.ttv.compute.engine import Engine, Observations
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.whitening import Whitening

TIMED_WIDTH = 3.0
"""Standard deviation of the timed coordinates in a broad distribution that begins a population:
the posterior's own is near 1 where the noise is as stated."""

# Anderson's factor beyond which two residuals say nothing of the next one.
_LARGEST_MIX = 5.0

Array = NDArray[np.float64]


class Coordinates:
    """The map from parameters x to coordinates y, and back.

    Parameters
    ----------
    problem : Problem
        Model and priors.
    engine : Engine
        Of the same problem and table.
    observations : Observations
        The measured transits.
    corrections : int
        How often the ephemerides are corrected; 0: every parameter is only whitened.

    Attributes
    ----------
    timed : tuple[int, ...]
        Places of the coordinates that are departures from a line, in standard errors.
    n_call : int
        Points that were integrated for the corrections so far.
    whitening : Whitening
        Of all parameters that are not timed.
    """

    def __init__(
        self, problem: Problem, engine: Engine, observations: Observations, corrections: int
    ) -> None:
        self.corrections = corrections
        self.n_call = 0
        self._engine = engine
        self._times = observations.times
        self._lines = _lines(problem, observations) if corrections else []
        self.timed = tuple(place for line in self._lines for place in line.places)
        self.whitening = Whitening(problem, without=self.timed)
        self._log_scale = math.fsum(math.log(size) for line in self._lines for size in line.sizes)
        self._widths = np.ones(problem.n_dim)
        self._widths[list(self.timed)] = TIMED_WIDTH

    def to_points(self, y: Array) -> Array:
        """Return the parameters of coordinates, (n, n_dim); NaN rows where there are none."""
        points = self.whitening.colour(y)
        if self._lines:
            centers = self._centers(points)
            for line in self._lines:
                line.move(centers, y[:, line.places])
            points[:, self.timed] = centers[:, self.timed]
        return points

    def from_points(self, points: Array) -> Array:
        """Return the coordinates of parameters inside the priors, (n, n_dim)."""
        y = self.whitening.whiten(points)
        if self._lines:
            centers = self._centers(points)
            for line in self._lines:
                y[:, line.places] = line.departures(points, centers)
        return y

    def log_jacobians(self, points: Array, y: Array) -> Array:
        """Return log |dy / dx| at points that have the coordinates y, (n,)."""
        return self.whitening.log_jacobians(points, y) - self._log_scale

    def widened(self, y: Array) -> Array:
        """Return standard normal numbers with the timed ones as wide as a broad distribution's."""
        return np.asarray(y * self._widths)

    def narrowed(self, y: Array) -> Array:
        """Return the numbers that `widened` has made y of."""
        return np.asarray(y / self._widths)

    def log_broad(self, y: Array) -> Array:
        """Return the log density in y of a distribution that is wide enough to begin with, (n,).

        It is normal, of width 1 and `TIMED_WIDTH`: the prior, but for what eccentricities have
        beside their reference (`apps.ttv.compute.whitening`), and for the timed coordinates.
        """
        total = np.zeros(len(y))
        for column in (y / self._widths).T:
            total = total + normal.log_density(column)
        return total - len(self.timed) * math.log(TIMED_WIDTH)

    def _centers(self, points: Array) -> Array:
        """Return points with the periods and t0 that fit best, given their other parameters."""
        centers = points.copy()
        for line in self._lines:
            line.begin(centers)
        possible = np.flatnonzero(np.isfinite(centers).all(axis=1))
        centers[possible] = self._corrected(centers[possible])
        return centers

    def _corrected(self, centers: Array) -> Array:
        place = np.zeros((len(centers), len(self.timed)))
        last_place, last_residual = place, place
        for number in range(self.corrections):
            residual = self._residuals(centers)
            step = residual
            if number:
                step = residual - _mix(residual, last_residual) * (
                    place - last_place + residual - last_residual
                )
            last_place, last_residual = place, residual
            place = place + step
            for k, line in enumerate(self._lines):
                line.move(centers, step[:, 2 * k : 2 * k + 2])
        return centers

    def _residuals(self, centers: Array) -> Array:
        """Return the departures of the table from the model's times, (n, n_timed)."""
        self.n_call += len(centers)
        times, _ = self._engine.observed_times(centers)
        residuals = self._times - times
        found = np.concatenate([line.fit(residuals) for line in self._lines], axis=1)
        # A point without a model keeps the period and t0 that it has.
        return np.where(np.isfinite(found).all(axis=1)[:, np.newaxis], found, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """The linear ephemeris of one observed planet, and what a departure from it is.

    Attributes
    ----------
    places : list of int
        Of period and t0 among the parameters.
    sizes : tuple of float
        Standard errors of the period and of the time in the middle, days.
    rows : slice
        The planet's transits.
    offsets, weights : ndarray
        Transit numbers from the middle, and inverse variances, (n_transit,).
    lever : float
        Number of the transit at t0, from the middle.
    period, t0 : float
        The table's.
    """

    places: list[int]
    sizes: tuple[float, float]
    rows: slice
    offsets: Array
    weights: Array
    lever: float
    period: float
    t0: float

    def begin(self, points: Array) -> None:
        """Put the table's ephemeris into points."""
        points[:, self.places] = (self.period, self.t0)

    def fit(self, residuals: Array) -> Array:
        """Return the departures of a line through the residuals, (n, 2)."""
        rows = residuals[:, self.rows] * self.weights
        slope = _sum(rows * self.offsets) * self.sizes[0]
        middle = _sum(rows) * self.sizes[1]
        return np.stack([slope, middle], axis=1)

    def move(self, points: Array, departures: Array) -> None:
        """Change period and t0 of points by departures, (n, 2)."""
        periods = self.sizes[0] * departures[:, 0]
        points[:, self.places[0]] += periods
        points[:, self.places[1]] += self.sizes[1] * departures[:, 1] + self.lever * periods

    def departures(self, points: Array, centers: Array) -> Array:
        """Return the departures that lead from centers to points, (n, 2)."""
        change = points[:, self.places] - centers[:, self.places]
        middle = change[:, 1] - self.lever * change[:, 0]
        return np.stack([change[:, 0] / self.sizes[0], middle / self.sizes[1]], axis=1)


def _lines(problem: Problem, observations: Observations) -> list[_Line]:
    """Return the lines of all planets with two different transits whose period and t0 are free."""
    names = problem.parameter_names
    priors = {parameter.name: parameter.prior for parameter in problem.free}
    lines = []
    for number, planet in enumerate(problem.model.planets):
        rows = slice(*observations.first[number : number + 2].tolist())
        period, t0 = f"{planet.name}.period", f"{planet.name}.t0"
        near = priors.get(t0)
        different = len(set(observations.epochs[rows].tolist()))
        if different < 2 or priors.get(period) is None or near is None:
            continue
        places = [names.index(period), names.index(t0)]
        lines.append(_line(places, rows, observations, near.quantile(0.5)))
    return lines


def _line(places: list[int], rows: slice, observations: Observations, near: float) -> _Line:
    epochs = observations.epochs[rows].tolist()
    times = observations.times[rows].tolist()
    weights = observations.sigmas[rows] ** -2.0
    total = math.fsum(weights)
    middle = math.fsum(w * n for w, n in zip(weights.tolist(), epochs, strict=True)) / total
    offsets = np.array(epochs, dtype=np.float64) - middle
    spread = math.fsum((weights * offsets * offsets).tolist())
    # The weighted line: sums that are rounded once are the same on every machine.
    centre = math.fsum(w * t for w, t in zip(weights.tolist(), times, strict=True)) / total
    slope = math.fsum((weights * offsets * (np.array(times) - centre)).tolist()) / spread
    number = round((near - centre) / slope + middle)
    return _Line(
        places=places,
        sizes=(spread**-0.5, total**-0.5),
        rows=rows,
        offsets=offsets,
        weights=np.asarray(weights),
        lever=number - middle,
        period=slope,
        t0=centre + slope * (number - middle),
    )


def _sum(rows: Array) -> Array:
    """Return sums over the last axis, one addend after the other."""
    return np.asarray(np.add.accumulate(rows, axis=1)[:, -1])


def _mix(residual: Array, before: Array) -> Array:
    """Return Anderson's factors of depth one, (n, 1)."""
    change = residual - before
    size = _sum(change * change)
    along = _sum(change * residual)
    factor = np.where(size > 0.0, along / np.where(size > 0.0, size, 1.0), 0.0)
    return np.clip(factor, -_LARGEST_MIX, _LARGEST_MIX)[:, np.newaxis]
