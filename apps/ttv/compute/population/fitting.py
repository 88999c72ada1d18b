"""A mixture of Student's t distributions, fitted to straightened draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.population import gaussian_mixture
from apps.ttv.compute.population.gaussian_mixture import Components
from apps.ttv.compute.sampler_settings import Mixture

DEGREES = 8.0
"""Tails of proposals: too light and walkers stick in the posterior's tail, too heavy and
likelihoods are wasted. On a long ridge, with 30, single draws of 16,000 had the weight of all
others; with 8 none had more than a fifteenth, and as many were effective."""
WIDENING = 1.05
"""By which fits are widened, for the same reason."""

Array = NDArray[np.float64]


def fit_mixture(u: Array, n_component: int) -> Mixture:
    """Fit a mixture to straightened draws, float64 (n_draw, n_dim), a little wider than they."""
    return with_tails(gaussian_mixture.fit(u, n_component))


def with_tails(parts: Components) -> Mixture:
    """Return a mixture of t distributions in place of normal ones."""
    factors = np.asarray(WIDENING * np.linalg.cholesky(parts.covariances))
    return Mixture(parts.weights, parts.means, factors, DEGREES)
