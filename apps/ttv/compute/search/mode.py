"""A mode of a posterior: a place, its normal approximation, and what is nearest to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute import normal
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.whitening import Whitening

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Mode:
    """A local maximum of the posterior.

    Attributes
    ----------
    params : ndarray
        float64 (n_dim,), the free parameters in the problem's order.
    coords : ndarray
        float64 (n_dim,), the same point in the whitened coordinates w of
        `apps.ttv.compute.whitening`.
    chi2 : float
        -2 log(likelihood) of the transit times: for Gaussian noise without jitter the sum of
        squared residuals in units of sigma.
    covariance : ndarray
        float64 (n_dim, n_dim), in w, of the normal approximation there, priors included.
    n_found : int
        Starts that ended here.
    """

    params: Vector
    coords: Vector
    chi2: float
    covariance: Vector
    n_found: int = 1


def log_laplace(mode: Mode, posterior: Posterior) -> float:
    """Return the log evidence of a mode by Laplace's approximation (MacKay 2003, chapter 27).

    Up to the likelihood's constant: the density in w at the peak times the volume of its normal.
    """
    log_determinant = 2.0 * float(np.sum(np.log(np.diag(np.linalg.cholesky(mode.covariance)))))
    peak = -0.5 * mode.chi2 + _log_prior(mode, posterior)
    return peak + 0.5 * (len(mode.coords) * normal.LOG_2PI + log_determinant)


def _log_prior(mode: Mode, posterior: Posterior) -> float:
    """Return the log prior density in w around a mode.

    It is the normal one's but for a factor of each eccentricity, about 1 / (2 e), whose pole is no
    property of the mode. Over a normal distribution of variances v1, v2 around w it has about the
    mean that it has at the distance r, r^2 = |w|^2 + (v1 + v2) / pi: exact at the center, where the
    mean of 1/r is sqrt(pi / 2) / sigma, and far away.
    """
    coords = mode.coords.copy()
    names = posterior.problem.parameter_names
    for planet in posterior.problem.eccentricities:
        plane = [names.index(f"{planet}.{element}") for element in ("ecosw", "esinw")]
        variance = float(mode.covariance[plane, plane].sum())
        own = coords[plane] if coords[plane].any() else np.array([1e-9, 0.0])
        coords[plane] = own * math.sqrt(1.0 + variance / math.pi / float(own @ own))
    whitening = Whitening(posterior.problem)
    w = coords[np.newaxis]
    point = whitening.colour(w)
    density = posterior.log_priors(point) - whitening.log_jacobians(point, w)
    factor = float(density[0]) - float(normal.log_density(coords).sum())
    return float(normal.log_density(mode.coords).sum()) + factor


def distances(mode: Mode, w: Vector) -> Vector:
    """Return the distances of w (n, n_dim) in the norm of the mode's covariance, (n,)."""
    lower = np.linalg.cholesky(mode.covariance)
    offsets = np.linalg.solve(lower, (w - mode.coords).T)
    return np.asarray(np.sqrt(np.sum(offsets**2, axis=0)))


def nearest(modes: Sequence[Mode], w: Vector) -> NDArray[np.intp]:
    """Return which mode each w (n, n_dim) belongs to, in its own norm, (n,)."""
    return np.asarray(np.stack([distances(mode, w) for mode in modes]).argmin(axis=0))
