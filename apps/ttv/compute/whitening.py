"""Coordinates in which the prior is a standard normal distribution, or nearly.

A parameter x has the coordinate w of equal prior probability below it: Phi(w) = F(x). There a
parameter that the data do not constrain is normal, whatever its prior; a mass that may be 0.1 or
300 Earth masses has one scale; and no prior has an edge. Every sampler and every fit works in these
coordinates, because proposals that are good for a normal posterior then serve for a posterior that
is wide, or lies at an edge of the prior, too.

The plane of (e cos w, e sin w) is mapped along its rays, by a reference density that is even around
zero: the disc within the prior's upper limit, or the normal distribution of a Rayleigh or
half-normal prior. Near zero the map is linear. A map of equal prior probability would turn straight
relations between the planets' eccentricity vectors there into bent ones, because most priors have a
pole of 1/e at zero. What the prior and the reference differ by stays in the density.

Only the functions of `apps.ttv.compute.exact` and `apps.ttv.compute.normal`: equal units give
equal bytes.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute import exact, normal
from apps.ttv.compute.priors import HalfNormal, LogUniform, Normal, Prior, Rayleigh, Uniform
from apps.ttv.compute.settings import Problem

Array = NDArray[np.float64]

# Points beyond this are no prior's: the probability there is 1e-300.
_FARTHEST = normal.FARTHEST - 0.5
_LARGEST_ECCENTRICITY = 1.0 - 1e-9


class Whitening:
    """The map from parameters to whitened coordinates, and back.

    Parameters
    ----------
    problem : Problem
        Whose priors.
    without : collection of int, optional
        Places of parameters that stay as they are.
    """

    def __init__(self, problem: Problem, without: Collection[int] = ()) -> None:
        names = problem.parameter_names
        self.n_dim = problem.n_dim
        self._lines = [
            (place, parameter.prior)
            for place, parameter in enumerate(problem.free)
            if parameter.prior is not None and place not in without
        ]
        self._kept = sorted(without)
        self._planes = [
            (names.index(f"{planet}.ecosw"), names.index(f"{planet}.esinw"), _disc(prior.prior))
            for planet, prior in problem.eccentricities.items()
        ]

    def whiten(self, points: Array) -> Array:
        """Return the coordinates w of points x, both float64 (n, n_dim); x inside the priors."""
        w = np.empty_like(points)
        w[:, self._kept] = points[:, self._kept]
        for place, prior in self._lines:
            w[:, place] = _to_normal(prior, points[:, place])
        for first, second, disc in self._planes:
            x, y = points[:, first], points[:, second]
            stretch = disc.stretch(np.sqrt(x * x + y * y))
            w[:, first], w[:, second] = x * stretch, y * stretch
        return w

    def colour(self, w: Array) -> Array:
        """Return the points x of coordinates w, both float64 (n, n_dim).

        Coordinates that are not finite, or beyond all priors, are those of no point: NaN.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            inside = np.abs(w) < _FARTHEST
            inside[:, self._kept] = np.isfinite(w[:, self._kept])
            safe = np.where(inside, w, 0.0)
        points = np.empty_like(safe)
        points[:, self._kept] = safe[:, self._kept]
        for place, prior in self._lines:
            points[:, place] = _from_normal(prior, safe[:, place])
        for first, second, disc in self._planes:
            u, v = safe[:, first], safe[:, second]
            shrink = disc.shrink(np.sqrt(u * u + v * v))
            points[:, first], points[:, second] = u * shrink, v * shrink
        points[~inside.all(axis=1)] = math.nan
        return points

    def log_jacobians(self, points: Array, w: Array) -> Array:
        """Return log |dw / dx| at points that have the coordinates w, (n,)."""
        total = np.zeros(len(points))
        for place, prior in self._lines:
            total = total + prior.log_density(points[:, place]) - normal.log_density(w[:, place])
        for first, second, disc in self._planes:
            x, y = points[:, first], points[:, second]
            total = total + disc.log_density(np.sqrt(x * x + y * y))
            for place in (first, second):
                total = total - normal.log_density(w[:, place])
        return np.asarray(total)


@dataclass(frozen=True, slots=True)
class _Disc:
    """A density of a plane that is even around zero.

    Attributes
    ----------
    radius : float
        Beyond which it is zero; may be infinite if `sigma` is not.
    sigma : float
        Standard deviation of the normal distribution that is cut off at the radius; infinite if
        the density is the same everywhere in the disc.
    """

    radius: float
    sigma: float

    @property
    def _mass(self) -> float:
        """The probability that the normal distribution has inside."""
        return -math.expm1(-0.5 * (self.radius / self.sigma) ** 2)

    @property
    def _end(self) -> float:
        """The probability that the normal distribution has outside."""
        return math.exp(-0.5 * (self.radius / self.sigma) ** 2)

    def _left(self, tail: Array) -> Array:
        """Return the normal probability beyond the distances whose whitened ones have `tail`.

        A sum, because 1 minus what is inside has no digits beyond eight standard deviations.
        """
        return np.asarray(self._end + self._mass * tail)

    def shrink(self, r: Array) -> Array:
        """Return e / r of whitened distances r."""
        tail = exact.exp(-0.5 * r * r)
        inside = -_expm1_negative(0.5 * r * r, tail)
        if self.sigma == math.inf:
            e = self.radius * np.sqrt(inside)
            slope = self.radius / math.sqrt(2.0)
        else:
            e = self.sigma * np.sqrt(-2.0 * _log_left(self._mass * inside, self._left(tail)))
            e = np.minimum(e, self.radius)
            slope = self.sigma * math.sqrt(self._mass)
        return np.where(r > 1e-12, e / np.maximum(r, 1e-12), slope)

    def stretch(self, e: Array) -> Array:
        """Return r / e of distances e from zero."""
        e = np.minimum(e, self.radius)
        if self.sigma == math.inf:
            inside = (e / self.radius) ** 2
            outside = 1.0 - inside
            slope = math.sqrt(2.0) / self.radius
        else:
            half = 0.5 * (e / self.sigma) ** 2
            tail = exact.exp(-half)
            inside = -_expm1_negative(half, tail) / self._mass
            outside = (tail - self._end) / self._mass
            slope = 1.0 / (self.sigma * math.sqrt(self._mass))
        r = np.minimum(np.sqrt(-2.0 * _log_left(inside, outside)), _FARTHEST)
        return np.where(e > 1e-12 / slope, r / np.maximum(e, 1e-300), slope)

    def log_density(self, e: Array) -> Array:
        """Return log densities of the plane, (n,)."""
        if self.sigma == math.inf:
            return np.full_like(e, -math.log(math.pi * self.radius**2))
        norm = normal.LOG_2PI + 2.0 * math.log(self.sigma) + math.log(self._mass)
        return np.asarray(-0.5 * (e / self.sigma) ** 2 - norm)


def _disc(prior: Prior) -> _Disc:
    radius = min(prior.support[1], _LARGEST_ECCENTRICITY)
    if isinstance(prior, Rayleigh | HalfNormal):
        return _Disc(radius, prior.sigma)
    return _Disc(radius, math.inf)


def _to_normal(prior: Prior, x: Array) -> Array:
    """Return the coordinates of values of one parameter, (n,)."""
    if isinstance(prior, Normal) and math.isinf(prior.low) and math.isinf(prior.high):
        return np.asarray((x - prior.mean) / prior.sigma)
    if isinstance(prior, LogUniform):
        low, high, x = math.log(prior.low), math.log(prior.high), exact.log(x)
        below, above = (x - low) / (high - low), (high - x) / (high - low)
    elif isinstance(prior, Uniform):
        width = prior.high - prior.low
        below, above = (x - prior.low) / width, (prior.high - x) / width
    elif isinstance(prior, Normal):
        below, above = _shares(_standard(x, prior), _standard(prior.low, prior), _high(prior))
    elif isinstance(prior, HalfNormal):
        below, above = _shares(x / prior.sigma, 0.0, prior.high / prior.sigma)
    else:
        assert isinstance(prior, Rayleigh)
        half = 0.5 * (x / prior.sigma) ** 2
        tail, end = exact.exp(-half), math.exp(-0.5 * (prior.high / prior.sigma) ** 2)
        below, above = (1.0 - tail) / (1.0 - end), (tail - end) / (1.0 - end)
    z = normal.quantiles(np.clip(below, 0.0, 1.0), np.clip(above, 0.0, 1.0))
    return np.clip(z, -_FARTHEST, _FARTHEST)


def _from_normal(prior: Prior, w: Array) -> Array:
    """Return the values of one parameter, (n,)."""
    if isinstance(prior, Normal) and math.isinf(prior.low) and math.isinf(prior.high):
        return np.asarray(prior.mean + prior.sigma * w)
    below, above = normal.probability_below(w), normal.probability_below(-w)
    if isinstance(prior, LogUniform):
        low, high = math.log(prior.low), math.log(prior.high)
        x = exact.exp(_between(low, high, below, above))
    elif isinstance(prior, Uniform):
        x = _between(prior.low, prior.high, below, above)
    elif isinstance(prior, Normal):
        low, high = float(_standard(prior.low, prior)), _high(prior)
        x = prior.mean + prior.sigma * _cut_quantiles(low, high, below, above)
    elif isinstance(prior, HalfNormal):
        x = prior.sigma * _cut_quantiles(0.0, prior.high / prior.sigma, below, above)
    else:
        assert isinstance(prior, Rayleigh)
        end = math.exp(-0.5 * (prior.high / prior.sigma) ** 2)
        x = prior.sigma * np.sqrt(-2.0 * exact.log(above + end * below))
    return np.clip(x, *prior.support)


def _between(low: float, high: float, below: Array, above: Array) -> Array:
    """Return the places of probabilities of a uniform distribution, counted from the nearer end."""
    width = high - low
    return np.where(below < above, low + width * below, high - width * above)


def _standard(x: Array | float, prior: Normal) -> Array:
    return np.asarray((np.asarray(x) - prior.mean) / prior.sigma)


def _high(prior: Normal) -> float:
    return (prior.high - prior.mean) / prior.sigma


def _ends(low: float, high: float) -> tuple[float, float, float, float]:
    """Return the normal probabilities below and above the two ends of an interval."""
    ends = np.array([low, high])
    below, above = normal.probability_below(ends), normal.probability_below(-ends)
    return float(below[0]), float(above[0]), float(below[1]), float(above[1])


def _shares(z: Array, low: Array | float, high: float) -> tuple[Array, Array]:
    """Return the shares below and above z of a normal distribution cut off at both ends."""
    below_low, above_low, below_high, above_high = _ends(float(low), high)
    below, above = normal.probability_below(z), normal.probability_below(-z)
    # Differences of the smaller tails lose no digits.
    if float(low) > 0.0:
        mass = above_low - above_high
        return (above_low - above) / mass, (above - above_high) / mass
    mass = below_high - below_low
    return (below - below_low) / mass, (above - above_high) / mass


def _cut_quantiles(low: float, high: float, below: Array, above: Array) -> Array:
    """Return the quantiles of a normal distribution cut off at `low` and `high`."""
    below_low, above_low, below_high, above_high = _ends(low, high)
    return normal.quantiles(
        below_low * above + below_high * below, above_low * above + above_high * below
    )


def _expm1_negative(x: Array, tail: Array) -> Array:
    """Return exp(-x) - 1 for x >= 0, with all digits where x is small; `tail` is exp(-x)."""
    series = -x * (1.0 - x / 2.0 * (1.0 - x / 3.0 * (1.0 - x / 4.0 * (1.0 - x / 5.0))))
    return np.where(x < 1e-3, series, tail - 1.0)


def _log_left(x: Array, left: Array) -> Array:
    """Return log(1 - x) for 0 <= x <= 1, with all digits; `left` is 1 - x."""
    series = -x * (1.0 + x * (1.0 / 2.0 + x * (1.0 / 3.0 + x * (1.0 / 4.0 + x / 5.0))))
    safe = np.maximum(np.where(x < 0.5, 1.0 - x, left), np.finfo(np.float64).tiny)
    return np.where(x < 1e-3, series, exact.log(safe))
