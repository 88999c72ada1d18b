"""Fit the map that straightens a posterior; see `apps.ttv.compute.shear`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.shear import Shear, n_feature, terms_of

# Loosest first. Transit times fix a planet's period and t0 best, given the rest; what they say of
# eccentricities depends on the masses.
_KINDS = ("mass", "jitter", "ecosw", "esinw", "inclination", "node", "period", "t0")
# Draws are this much noise in every term of a fit: it only keeps terms apart that are the same.
_RIDGE = 1e-6
# Draws for each coefficient of a fit; with fewer, the polynomial is of degree 1, or a constant.
_DRAWS_PER_TERM = 5.0

Array = NDArray[np.float64]


def dependence_order(names: Sequence[str]) -> list[int]:
    """Return the places of parameters in the order in which they depend on each other."""
    kinds = [_KINDS.index(name.rpartition(".")[2]) for name in names]
    return sorted(range(len(names)), key=lambda place: (kinds[place], place))


def fit_shear(draws: Array, order: Sequence[int]) -> Shear:
    """Fit every coordinate as a quadratic polynomial of those before it, by least squares.

    Parameters
    ----------
    draws : ndarray
        float64 (n_draw, n_dim).
    order : sequence of int
        As `dependence_order` returns it.
    """
    places = np.asarray(order, dtype=np.int64)
    center = draws.mean(axis=0)[places]
    scale = draws.std(axis=0)[places]
    scale = np.where(scale > 0.0, scale, 1.0)
    z = (draws[:, places] - center) / scale
    terms = terms_of(z)
    coefficients = [_fit(terms, z[:, k], k) for k in range(z.shape[1])]
    return Shear(places, center, scale, tuple(coefficients))


def _fit(terms: Array, target: Array, k: int) -> Array:
    found = np.zeros(n_feature(k))
    degree_one = _linear_terms(k)
    chosen = np.arange(n_feature(k))
    if len(target) < _DRAWS_PER_TERM * len(chosen):
        chosen = degree_one
    if k == 0 or len(target) < _DRAWS_PER_TERM * len(chosen):
        return found
    rows = terms[chosen]
    normal = rows @ rows.T + _RIDGE * len(target) * np.eye(len(chosen))
    found[chosen] = np.linalg.solve(normal, rows @ target)
    return found


def _linear_terms(k: int) -> NDArray[np.int64]:
    """Return where the constant and the linear terms stand; see `Shear.coefficients`."""
    return np.array([0, *(n_feature(j) for j in range(k))], dtype=np.int64)


def to_json(shear: Shear) -> dict[str, Any]:
    """Return ``settings["sampler"]["shear"]``."""
    return {
        "order": shear.order.tolist(),
        "center": shear.center.tolist(),
        "scale": shear.scale.tolist(),
        "coefficients": [row.tolist() for row in shear.coefficients],
    }
