"""Ensembles with a known distribution and a known autocorrelation, instead of a sampler's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]


def ar1(
    rng: np.random.Generator,
    n_draw: int,
    n_walker: int,
    n_dim: int,
    phi: float,
    couple: float = 0.0,
) -> Floats:
    """Return stationary AR(1) walkers with standard normal marginals, (n_draw, n_walker, n_dim).

    `couple` is the correlation between the walkers of one ensemble.
    """
    shape = (n_draw, n_walker, n_dim)
    own = rng.standard_normal(shape)
    common = rng.standard_normal((n_draw, 1, n_dim))
    noise = np.sqrt(1 - couple) * own + np.sqrt(couple) * common
    noise[1:] *= np.sqrt(1 - phi**2)
    return np.asarray(lfilter([1.0], [1.0, -phi], noise, axis=0))


def gaussian_log_prob(draws: Floats) -> Floats:
    """Return the log density of the standard normal distribution."""
    return np.asarray(-0.5 * (draws**2).sum(axis=2))
