"""Planes of eccentricity whose density has a pole at zero, made flat.

A prior that does not vanish at e = 0 has a density of p(e) / (2 pi e) in the plane of
(e cos w, e sin w). Importance weights from a proposal that is smooth there have no finite variance:
the integral of 1 / e^2 over the plane diverges. Within a disc of radius R a point is therefore
moved from the distance r to r^2 / R, on its own ray. What was even in the disc has the pole then,
and the weights are bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.settings import Problem

# A posterior reaches zero if the hundredth draw is so much nearer to it than the middle one. Of an
# even density in a disc the ratio is 0.14, with the pole 0.02; four sigma off zero it is above 0.4.
_REACHES = 0.2
# The disc's radius, in standard deviations of the narrower component given all other parameters:
# the difference of two planets' vectors is known far better than either, and a wide disc would bend
# that relation.
_NARROW = 0.3
# A draw at zero itself is moved as if it were this far from it.
_SMALLEST = 1e-12

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Core:
    """A disc around zero in the plane of one planet's eccentricity vector.

    Attributes
    ----------
    places : tuple[int, int]
        Of e cos w and e sin w among the parameters.
    radius : float
        R.
    """

    places: tuple[int, int]
    radius: float

    def narrow(self, points: Array) -> Array:
        """Move points (n, n_dim) of an even density to one that has the pole."""
        return self._scaled(points, self._shares(points))

    def widen(self, points: Array) -> Array:
        """Move them back."""
        return self._scaled(points, self._shares(points) ** -0.5)

    def log_jacobian(self, points: Array) -> Array:
        """Return log(widened area / area) at points that have the pole, (n,)."""
        shares = self._shares(points)
        return np.where(shares < 1.0, -np.log(2.0 * shares), 0.0)

    def _shares(self, points: Array) -> Array:
        """Return distances from zero, in R and at most 1."""
        x, y = (points[:, place] for place in self.places)
        return np.clip(np.hypot(x, y) / self.radius, _SMALLEST, 1.0)

    def _scaled(self, points: Array, factors: Array) -> Array:
        moved = points.copy()
        moved[:, self.places] *= factors[:, np.newaxis]
        return moved


def cores_of(problem: Problem, draws: Array) -> tuple[Core, ...]:
    """Return a core for every planet whose posterior reaches a pole.

    Parameters
    ----------
    problem : Problem
        Model and priors.
    draws : ndarray
        float64 (n_draw, n_dim), of the posterior, about.
    """
    names, found = problem.parameter_names, []
    inverse = np.linalg.pinv(np.corrcoef(draws.T), hermitian=True)
    conditional = draws.std(axis=0) / np.sqrt(np.diag(inverse))
    for planet, eccentricity in problem.eccentricities.items():
        places = names.index(f"{planet}.ecosw"), names.index(f"{planet}.esinw")
        low, middle = np.quantile(np.hypot(*draws[:, places].T), [0.01, 0.5]).tolist()
        # Of a prior that vanishes at zero, as Rayleigh's, half as far is half as likely.
        near, nearer = eccentricity.prior.log_density(np.array([1e-6, 5e-7]) * middle)
        if nearer > near - 0.5 and low < _REACHES * middle:
            found.append(Core(places, _NARROW * float(conditional[list(places)].min())))
    return tuple(found)


def narrow(cores: Sequence[Core], points: Array) -> Array:
    """Move points in all planes; see `Core.narrow`."""
    for core in cores:
        points = core.narrow(points)
    return points


def widen(cores: Sequence[Core], points: Array) -> Array:
    """Move points back in all planes; see `Core.widen`."""
    for core in cores:
        points = core.widen(points)
    return points
