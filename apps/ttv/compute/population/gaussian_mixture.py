"""Fit a few normal distributions to draws, by expectation maximisation.

Dempster, Laird & Rubin 1977, J. R. Stat. Soc. B 39, 1. Begun on the first principal axis, without
randomness: the same draws give the same fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ITERATIONS = 60
# Draws of the whole covariance that every component's own is mixed with, per parameter: it keeps a
# component of few draws from collapsing.
_PRIOR_DRAWS = 0.3

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Normal distributions: weights (n,), means (n, n_dim), covariances (n, n_dim, n_dim)."""

    weights: Array
    means: Array
    covariances: Array


def fit(draws: Array, n_component: int) -> Components:
    """Fit `n_component` normal distributions to draws, float64 (n_draw, n_dim).

    There must be more draws than parameters, and they must span all directions.
    """
    whole = np.atleast_2d(np.cov(draws.T))
    parts = _begin(draws, whole, n_component)
    for _ in range(_ITERATIONS if n_component > 1 else 1):
        fitted = _maximise(draws, _shares(draws, parts), whole)
        change = np.abs(fitted.weights - parts.weights).max()
        parts = fitted
        if change < 1e-4:
            break
    return parts


def _begin(draws: Array, whole: Array, n: int) -> Components:
    values, vectors = np.linalg.eigh(whole)
    axis = vectors[:, -1] * math.sqrt(values[-1])
    places = np.linspace(-1.0, 1.0, n) if n > 1 else np.zeros(1)
    means = draws.mean(axis=0) + places[:, None] * axis
    return Components(np.full(n, 1.0 / n), means, np.tile(whole, (n, 1, 1)))


def _shares(draws: Array, parts: Components) -> Array:
    """Return each component's share of each draw, (n_component, n_draw)."""
    logs = np.stack(
        [
            math.log(weight) + _log_normal(draws - mean, covariance)
            for weight, mean, covariance in zip(
                parts.weights, parts.means, parts.covariances, strict=True
            )
        ]
    )
    shares = np.exp(logs - logs.max(axis=0))
    return np.asarray(shares / shares.sum(axis=0))


def _maximise(draws: Array, shares: Array, whole: Array) -> Components:
    n_draw, n_dim = draws.shape
    held = _PRIOR_DRAWS * n_dim
    sums = shares.sum(axis=1) + 1e-9
    means = (shares @ draws) / sums[:, None]
    covariances = np.empty((len(sums), n_dim, n_dim))
    for place, mean in enumerate(means):
        offsets = draws - mean
        scatter = (shares[place] * offsets.T) @ offsets
        covariances[place] = (scatter + held * whole) / (sums[place] + held)
    return Components(sums / n_draw, means, covariances)


def _log_normal(offsets: Array, covariance: Array) -> Array:
    factor = np.linalg.cholesky(covariance)
    white = np.linalg.solve(factor, offsets.T)
    return np.asarray(-0.5 * np.sum(white * white, axis=0) - np.log(np.diag(factor)).sum())
