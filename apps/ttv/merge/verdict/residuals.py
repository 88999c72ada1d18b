"""Residuals of a posterior's draws in units in which the noise model is a standard normal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.built import load_kernel
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.noise import MINUTE
from apps.ttv.compute.settings import JITTER, Problem
from apps.ttv.compute.table import TransitTable
from apps.ttv.merge.verdict.significance import equivalent_errors

N_CHECKED = 200
"""Posterior draws whose residuals are looked at: probabilities are averages over them, and one of
them with a probability of 1/2 alone would lift the average above the limit of 1e-3."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Transit:
    """One measured transit."""

    planet: str
    epoch: int
    sigma: float
    """Standard error, days."""


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """How a table of transits lies about a posterior.

    Attributes
    ----------
    transits : tuple[Transit, ...]
        Planets in the model's order.
    scores : ndarray
        float64 (n_draw, n_transit): normal scores of (observed - model) / sigma at draws of the
        posterior, where sigma includes the jitter. They are independent and standard normal if the
        data are as the model says; for Gaussian noise they are the normalised residuals themselves
        (Dunn & Smyth 1996, J. Comput. Graph. Stat. 5, 236).
    best : ndarray
        float64 (n_transit,), those of the best draw.
    typical : ndarray
        float64 (n_transit,), medians over the draws of (observed - model) / sigma.
    n_effective : float
        Effective number of parameters, p_D of Spiegelhalter et al. (2002, JRSS B 64, 583): the
        average of -2 log L over the posterior less its value at the best draw, which stands for the
        mean because the mean of a curved posterior may lie outside of it. Between 0 and the number
        of parameters or of transits, the smaller one.
    """

    transits: tuple[Transit, ...]
    scores: Floats
    best: Floats
    typical: Floats
    n_effective: float

    def of(self, planet: str) -> NDArray[np.bool_]:
        """Return which transits are a planet's, bool (n_transit,)."""
        return np.array([transit.planet == planet for transit in self.transits])


def residuals_of(
    problem: Problem, table: TransitTable, draws: Floats, best: NDArray[np.float64]
) -> Residuals:
    """Compute the residuals of a posterior.

    Parameters
    ----------
    problem, table
        The posterior's definition and its data.
    draws : ndarray
        float64 (n, n_dim), equally weighted; evenly spaced ones are looked at.
    best : ndarray
        float64 (n_dim,), the draw of the highest density.

    Notes
    -----
    A draw without a model makes every number that depends on it NaN.
    """
    posterior = Posterior(problem, table, engine=None if load_kernel() else "ttvfast")
    chosen = draws[np.unique(np.linspace(0, len(draws) - 1, N_CHECKED).astype(np.int64))]
    points = np.concatenate([best[None], chosen])
    times, codes = posterior.engine.observed_times(points)
    logs = posterior.log_densities_at(points, times, codes) - posterior.log_priors(points)
    seen = posterior.observations
    scales = np.sqrt(seen.sigmas**2 + np.square(jitters_of(problem, points) * MINUTE)[:, None])
    normalised = (seen.times - times) / scales
    scores = _scores(problem, normalised)
    deviances = -2.0 * logs
    n_effective = float(deviances[1:].mean() - deviances.min())
    return Residuals(
        transits=_transits(problem, seen.first, seen.epochs, seen.sigmas),
        scores=scores[1:],
        best=scores[0],
        typical=np.median(normalised[1:], axis=0),
        n_effective=float(np.clip(n_effective, 0.0, min(problem.n_dim, times.shape[1]))),
    )


def jitters_of(problem: Problem, points: Floats) -> Floats:
    """Return the jitter of every point, minutes, (n,)."""
    jitter = problem.jitter
    if jitter is None:
        return np.zeros(len(points))
    if jitter.fixed is not None:
        return np.full(len(points), jitter.fixed)
    return points[:, problem.parameter_names.index(JITTER)]


def _scores(problem: Problem, normalised: Floats) -> Floats:
    if problem.noise.kind != "student_t":
        return normalised
    sizes = equivalent_errors(normalised, max(problem.noise.degrees, 1.0))
    return np.asarray(np.copysign(sizes, normalised))


def _transits(
    problem: Problem, first: NDArray[np.int64], epochs: NDArray[np.int64], sigmas: Floats
) -> tuple[Transit, ...]:
    counts = np.diff(first)
    names = np.repeat([planet.name for planet in problem.model.planets], counts).tolist()
    rows = zip(names, epochs.tolist(), sigmas.tolist(), strict=True)
    return tuple(Transit(*row) for row in rows)
