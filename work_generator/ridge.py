"""A mixture of normal distributions along one curved ridge, fitted to draws of a posterior.

Transit times fix some combinations of masses and eccentricities far better than others. Along the
loose direction the posterior is so long that the tight ones bend: a banana, for which a single
normal distribution is a poor proposal. Here the direction that bends the others most is found, the
others are fitted as parabolas of it, and normal distributions are set like beads along the curve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS_PER_DIMENSION = 50
"""Draws per parameter from which a fit is better than nothing."""

# Beads along the ridge, in its standard deviations; 0.5 wide, so that neighbours 0.8 apart blend.
_BEADS = np.linspace(-2.4, 2.4, 7)
_BEAD_WIDTH = 0.5
# No bead without weight: where earlier draws have not been, later ones must be able to go.
_SMALLEST_WEIGHT = 0.01
# Residual scatter is widened by this: too wide costs a few acceptances, too narrow makes walkers
# stick in the tail.
_WIDENING = 1.05

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Normal distributions: weights (n,), means (n, n_dim), covariances (n, n_dim, n_dim)."""

    weights: Array
    means: Array
    covariances: Array


def fit_ridge(draws: Array) -> Components:
    """Fit beads along the most curved direction of `draws`, float64 (n_draw, n_dim).

    There must be at least ``DRAWS_PER_DIMENSION * n_dim`` draws that span all directions.
    """
    mean = draws.mean(axis=0)
    factor = np.linalg.cholesky(np.cov(draws.T))
    white = np.linalg.solve(factor, (draws - mean).T).T
    rotation = _curvature_directions(white)
    along, across = white @ rotation[:, 0], white @ rotation[:, 1:]
    basis = np.stack([np.ones_like(along), along, along**2], axis=1)
    parabola = np.asarray(np.linalg.lstsq(basis, across, rcond=None)[0], dtype=np.float64)
    # Of (n_dim - 1) coordinates across: parabola is (3, n_dim - 1).
    scatter = np.cov((across - basis @ parabola).T).reshape(across.shape[1], -1) * _WIDENING**2
    frame = np.asarray(factor @ rotation, dtype=np.float64)
    return Components(
        _weights(along),
        np.array([mean + frame @ _on_curve(parabola, bead) for bead in _BEADS.tolist()]),
        np.array([frame @ _spread(parabola, scatter, bead) @ frame.T for bead in _BEADS.tolist()]),
    )


def _curvature_directions(white: Array) -> Array:
    """Return an orthonormal basis, (n_dim, n_dim), most curving direction first.

    Each whitened coordinate is fitted as a quadratic form of all. The squares of the forms'
    matrices add up to one whose largest eigenvector is the direction that bends the others most.
    """
    n_dim = white.shape[1]
    rows, columns = np.triu_indices(n_dim)
    products = white[:, rows] * white[:, columns] - (rows == columns)
    coefficients = np.linalg.lstsq(products, white, rcond=None)[0]
    total = np.zeros((n_dim, n_dim))
    for one in coefficients.T:
        form = np.zeros((n_dim, n_dim))
        form[rows, columns] = 0.5 * one
        form = form + form.T
        total += form @ form
    return np.asarray(np.linalg.eigh(total)[1][:, ::-1])


def _on_curve(parabola: Array, bead: float) -> Array:
    # A bead's own width along the parabola shifts its mean by the curvature.
    powers = np.array([1.0, bead, bead**2 + _BEAD_WIDTH**2])
    return np.concatenate([[bead], powers @ parabola])


def _spread(parabola: Array, scatter: Array, bead: float) -> Array:
    tangent = np.concatenate([[1.0], parabola[1] + 2.0 * bead * parabola[2]])
    spread = _BEAD_WIDTH**2 * np.outer(tangent, tangent)
    spread[1:, 1:] += scatter
    return spread


def _weights(along: Array) -> Array:
    """Return each bead's share of the draws: that of its neighbourhood."""
    edges = 0.5 * (_BEADS[1:] + _BEADS[:-1])
    counts = np.bincount(np.searchsorted(edges, along), minlength=len(_BEADS))
    weights = np.maximum(counts / len(along), _SMALLEST_WEIGHT)
    return np.asarray(weights / math.fsum(weights))
