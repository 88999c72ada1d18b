"""Mixtures of multivariate Student t distributions: draws, and densities."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute import exact
from apps.ttv.compute.sampler_settings import Mixture

Vector = NDArray[np.float64]


def sample_mixture(mixture: Mixture, n: int, random: np.random.RandomState) -> Vector:
    """Draw `n` points, (n, n_dim), from a mixture of multivariate t distributions."""
    edges = np.cumsum(mixture.weights)
    chosen = np.minimum(np.searchsorted(edges, random.rand(n)), len(edges) - 1)
    normal = random.standard_normal(size=(n, mixture.means.shape[1]))
    radius = np.sqrt(mixture.degrees / random.chisquare(mixture.degrees, size=n))
    offsets = np.sum(mixture.choleskys[chosen] * normal[:, None, :], axis=2)
    return np.asarray(mixture.means[chosen] + radius[:, None] * offsets)


def log_mixture(mixture: Mixture, points: Vector) -> Vector:
    """Return the log density of the mixture at `points`, (n,)."""
    terms = np.stack(
        [
            math.log(weight) + _log_t(points - mean, cholesky, mixture.degrees)
            for weight, mean, cholesky in zip(
                mixture.weights, mixture.means, mixture.choleskys, strict=True
            )
        ]
    )
    peak = np.max(terms, axis=0)
    return np.asarray(peak + exact.log(np.sum(exact.exp(terms - peak), axis=0)))


def _log_t(offsets: Vector, cholesky: Vector, degrees: float) -> Vector:
    """Return the log density of a multivariate t distribution centred on zero, (n,)."""
    n_dim = len(cholesky)
    whitened = np.empty_like(offsets)
    for i in range(n_dim):  # forward substitution
        known = np.sum(whitened[:, :i] * cholesky[i, :i], axis=1)
        whitened[:, i] = (offsets[:, i] - known) / cholesky[i, i]
    distance2 = np.sum(whitened * whitened, axis=1)
    norm = (
        math.lgamma(0.5 * (degrees + n_dim))
        - math.lgamma(0.5 * degrees)
        - 0.5 * n_dim * math.log(degrees * math.pi)
        - math.fsum(math.log(cholesky[i, i]) for i in range(n_dim))
    )
    return np.asarray(norm - 0.5 * (degrees + n_dim) * exact.log1p(distance2 / degrees))
