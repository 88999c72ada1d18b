"""Coordinates of the reference run in which the posterior is straight, one set for each level.

Periods and phases of observed planets are measured from a quadratic polynomial of all other
coordinates, because transit times fix them far better than the others, but to what depends on the
others. The map is triangular with ones on its diagonal, so that its Jacobian is 1, and any
coefficients are right for sampling. It shares no code with the campaigns' own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_RIDGE = 1e-6
"""Added to the normal equations of standardised coordinates, for populations that are flat."""
_POINTS_A_COEFFICIENT = 3
"""With fewer points the polynomial is linear, because a quadratic one would fit the noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Straight:
    """The maps of all levels.

    Attributes
    ----------
    bent, others : tuple[int, ...]
        Places of the coordinates that are measured from the polynomial, and of its arguments.
    centres, scales : ndarray
        float64 (n_level, n_other), by which the arguments are standardised.
    coefficients : ndarray
        float64 (n_level, n_term, n_bent).
    """

    bent: tuple[int, ...]
    others: tuple[int, ...]
    centres: Array
    scales: Array
    coefficients: Array

    @classmethod
    def fit(cls, points: Array, bent: tuple[int, ...]) -> Self:
        """Fit the maps to populations (n_level, n_point, n_dim)."""
        _, n_point, n_dim = points.shape
        others = tuple(place for place in range(n_dim) if place not in bent)
        arguments = points[:, :, others]
        centres = arguments.mean(axis=1)
        scales = np.maximum(arguments.std(axis=1), 1e-12)
        quadratic = _n_term(len(others)) * _POINTS_A_COEFFICIENT <= n_point
        terms = _terms((arguments - centres[:, None]) / scales[:, None], quadratic=quadratic)
        targets = points[:, :, bent]
        normal = np.einsum("lpi,lpj->lij", terms, terms) / n_point
        normal = normal + _RIDGE * np.eye(terms.shape[2])
        right = np.einsum("lpi,lpj->lij", terms, targets) / n_point
        return cls(bent, others, centres, scales, np.linalg.solve(normal, right))

    def straighten(self, points: Array) -> Array:
        """Return the straight coordinates of points, both (n_level, n_point, n_dim)."""
        return self._moved(points, -1.0)

    def bend(self, straight: Array) -> Array:
        """Return the points that have these straight coordinates."""
        return self._moved(straight, 1.0)

    def _moved(self, points: Array, sign: float) -> Array:
        if not self.bent:
            return points.copy()
        arguments = points[:, :, self.others]
        arguments = (arguments - self.centres[:, None]) / self.scales[:, None]
        quadratic = self.coefficients.shape[1] > 1 + len(self.others)
        terms = _terms(arguments, quadratic=quadratic)
        moved = points.copy()
        moved[:, :, self.bent] += sign * np.matmul(terms, self.coefficients)
        return moved


def _n_term(n: int) -> int:
    return 1 + n + n * (n + 1) // 2


def _terms(arguments: Array, *, quadratic: bool) -> Array:
    """Return 1, every argument and, if wanted, every product of two, along the last axis."""
    n = arguments.shape[2]
    parts = [np.ones_like(arguments[:, :, :1]), arguments]
    if quadratic:
        first, second = np.triu_indices(n)
        parts.append(arguments[:, :, first] * arguments[:, :, second])
    return np.concatenate(parts, axis=2)
