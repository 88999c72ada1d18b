"""A polynomial map that straightens a posterior, so that proposals can be simple.

Transit times fix periods and phases far better than masses and eccentricities, but what they fix
them to depends on these: the posterior is a thin, bent sheet. Every coordinate is therefore shifted
by a quadratic polynomial of those before it, ::

    u_k = z_k - f_k(z_0, ..., z_(k-1)),    z = (x - center) / scale,

where f_k is the mean of z_k given the others, as fitted to earlier draws (a triangular transport
map: Marzouk, Moselhy, Parno & Spantini 2016, arXiv:1602.05023). Its Jacobian is a constant, so that
the density in u is the density in x: any proposal that is right in one is right in the other,
however poor the fit.

Only + - * / in a fixed order: equal units give equal bytes, and a point's image does not depend on
the points beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def n_feature(k: int) -> int:
    """Return the number of terms of a quadratic polynomial in `k` variables."""
    return 1 + k + k * (k + 1) // 2


@dataclass(frozen=True, slots=True, eq=False)
class Shear:
    """The map.

    Attributes
    ----------
    order : ndarray
        int64 (n_dim,): places of the parameters, in the order in which they depend on each other.
    center, scale : ndarray
        float64 (n_dim,), in that order.
    coefficients : tuple of ndarray
        One float64 (n_feature(k),) for each coordinate k. The terms are 1 and then, for each
        coordinate j before k, ``z_j, z_0 z_j, ..., z_j z_j``.
    """

    order: NDArray[np.int64]
    center: Array
    scale: Array
    coefficients: tuple[Array, ...]

    def straighten(self, points: Array) -> Array:
        """Return the coordinates u of points x, both float64 (n, n_dim)."""
        z = (points[:, self.order] - self.center) / self.scale
        u = np.empty_like(z)
        terms = _Terms(*z.shape)
        for k, coefficients in enumerate(self.coefficients):
            u[:, k] = z[:, k] - terms.polynomial(coefficients)
            terms.append(z[:, k])
        return u

    def bend(self, u: Array) -> Array:
        """Return the points x of coordinates u, both float64 (n, n_dim)."""
        x = np.empty_like(u)
        terms = _Terms(*u.shape)
        # Far from all draws a polynomial may overflow; such a point is outside of every prior.
        with np.errstate(over="ignore", invalid="ignore"):
            for k, coefficients in enumerate(self.coefficients):
                z = u[:, k] + terms.polynomial(coefficients)
                terms.append(z)
                x[:, self.order[k]] = self.center[k] + self.scale[k] * z
        return x


def terms_of(z: Array) -> Array:
    """Return all terms of a quadratic polynomial in z, float64 (n_feature(k), n) of (n, k)."""
    terms = _Terms(*z.shape)
    for column in z.T:
        terms.append(column)
    return terms.rows[: terms.n]


class _Terms:
    """The terms of the polynomials, a row for each, filled coordinate by coordinate."""

    def __init__(self, n_point: int, n_dim: int) -> None:
        self.rows = np.empty((n_feature(n_dim), n_point))
        self.rows[0] = 1.0
        self.n = 1
        self._z = np.empty((n_dim, n_point))
        self._k = 0

    def append(self, z: Array) -> None:
        k = self._k
        self._z[k] = z
        self.rows[self.n] = z
        self.rows[self.n + 1 : self.n + k + 2] = self._z[: k + 1] * z
        self.n += k + 2
        self._k += 1

    def polynomial(self, coefficients: Array) -> Array:
        products = coefficients[:, None] * self.rows[: self.n]
        # accumulate() adds one row after the other; sum() may pair them, as the shape falls.
        return np.asarray(np.add.accumulate(products, axis=0)[-1])
