"""R-hat of the reference's groups: rank-normalised, split and folded (Vehtari et al. 2021)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

Array = NDArray[np.float64]


def halves(draws: Array) -> Array:
    """Return the halves of each group's draws (n_group, n_draw, n_dim) as groups of their own."""
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, draws.shape[1] - half :]])


def rhats(draws: Array) -> Array:
    """Return R-hat of each parameter, (n_dim,), of independent groups (n_group, n_draw, n_dim)."""
    split = halves(draws)
    return np.array([_rhat(split[:, :, place]) for place in range(draws.shape[2])])


def _rhat(values: Array) -> float:
    folded = np.abs(values - np.median(values))
    return max(_of_ranks(values), _of_ranks(folded))


def _of_ranks(values: Array) -> float:
    ranks = (rankdata(values) - 0.375) / (values.size + 0.25)
    z = norm.ppf(ranks).reshape(values.shape)
    within = float(z.var(axis=1, ddof=1).mean())
    between = float(z.mean(axis=1).var(ddof=1))
    return math.sqrt(1.0 + between / within) if within > 0.0 else math.nan
