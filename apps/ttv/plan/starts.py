"""Where a unit's walkers begin: at draws that are wider than the posterior."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.likelihood import Posterior
from boinc_project.errors import InputError

Array = NDArray[np.float64]


def starting_points(
    draws: Array, posterior: Posterior, n_walker: int, rng: np.random.Generator
) -> Array:
    """Return a chain's starting points, all with a finite posterior.

    Parameters
    ----------
    draws : ndarray
        float64 (n_draw, n_dim), wider than the posterior, of which as many are chosen as walkers
        are wanted: R-hat only means something if chains start apart.
    posterior : Posterior
        Of the unit.
    n_walker : int
        Points wanted.
    rng : Generator
        Of the unit's START stream.

    Returns
    -------
    ndarray
        float64 (n_walker, n_dim).

    Raises
    ------
    InputError
        If there are too few different draws.
    """
    different = np.unique(np.asarray(draws, dtype=np.float64), axis=0)
    different = different[rng.permutation(len(different))]
    # One of the posterior's own draws has a model; a few more stand in if one has not.
    looked = different[: 2 * n_walker]
    chosen = looked[np.isfinite(posterior.log_densities(looked))]
    if len(chosen) < n_walker:
        raise InputError(f"There are only {len(chosen)} different draws for {n_walker} walkers.")
    return np.asarray(chosen[:n_walker])
