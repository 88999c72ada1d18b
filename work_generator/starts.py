"""Where a unit's walkers begin: around a mode, or at draws of an earlier posterior."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from apps.ttv.likelihood import Posterior
from apps.ttv.settings import Problem
from apps.ttv.table import TransitTable
from boinc_project.errors import InputError
from work_generator.modes import Mode

_TEMPERATURE = 2.0
# Candidates per starting point. With 20, and a normal approximation worth a tenth of its draws,
# two remain for each walker.
_CANDIDATES = 20
_ATTEMPTS = 60

Array = NDArray[np.float64]


def starting_points(
    source: Mode | Array,
    problem: Problem,
    n_walker: int,
    rng: np.random.Generator,
    *,
    table: TransitTable,
) -> Array:
    """Return a chain's starting points, all with a finite posterior.

    Parameters
    ----------
    source : Mode or ndarray
        A mode: points are drawn around it from the posterior at temperature 2, which is 1.4 times
        as wide as the posterior: R-hat only means something if chains start apart. Or draws of an
        earlier posterior, float64 (n_draw, n_dim): as many are chosen.
    problem : Problem
        Model and priors.
    n_walker : int
        Points wanted.
    rng : Generator
        Of the unit's START stream.
    table : TransitTable
        The measured transits.

    Returns
    -------
    ndarray
        float64 (n_walker, n_dim).

    Raises
    ------
    InputError
        If there are too few different draws, or the mode has no room inside the priors.
    """
    posterior = Posterior(problem, table)
    if isinstance(source, Mode):
        return _around(source, n_walker, rng, posterior.log_densities)
    draws = np.unique(np.asarray(source, dtype=np.float64), axis=0)
    draws = draws[rng.permutation(len(draws))]
    # One of the posterior's own draws has a model; a few more stand in if one has not.
    looked = draws[: 2 * n_walker]
    chosen = looked[np.isfinite(posterior.log_densities(looked))]
    if len(chosen) < n_walker:
        raise InputError(f"There are only {len(chosen)} different draws for {n_walker} walkers.")
    return chosen[:n_walker]


def _around(
    mode: Mode,
    n_walker: int,
    rng: np.random.Generator,
    log_densities: Callable[[Array], Array],
) -> Array:
    """Draw points of the posterior at temperature `_TEMPERATURE`, near one mode.

    Candidates come from the normal approximation and are then chosen by importance (sampling
    importance resampling: Rubin 1988, Bayesian Statistics 3, 395), so that they follow the
    posterior where it is curved. Where the approximation hardly overlaps with the posterior, the
    best candidates are taken.
    """
    factor = math.sqrt(_TEMPERATURE) * np.linalg.cholesky(mode.covariance)
    normal = rng.normal(size=(_CANDIDATES * n_walker, len(mode.params)))
    points = mode.params + normal @ factor.T
    densities = log_densities(points)
    # Where the normal approximation sticks out of the prior, go back towards the mode.
    for _ in range(_ATTEMPTS):
        outside = np.flatnonzero(densities == -math.inf)
        if not len(outside):
            break
        normal[outside] *= 0.7
        points[outside] = mode.params + normal[outside] @ factor.T
        densities[outside] = log_densities(points[outside])
    log_weights = densities / _TEMPERATURE + 0.5 * np.sum(normal**2, axis=1)
    if int(np.isfinite(log_weights).sum()) < n_walker:
        raise InputError("A mode lies on the edge of the priors: widen them.")
    # The largest keys of log weight plus Gumbel noise are a weighted sample without replacement.
    order = np.argsort(-(log_weights + rng.gumbel(size=len(points))))
    return np.asarray(points[order[:n_walker]])
