"""How often ephemerides are to be corrected; see `apps.ttv.compute.coordinates`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.coordinates import Coordinates
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population.importance import largest_power
from apps.ttv.compute.population.settings import Peaks
from apps.ttv.compute.population.target import Target

N_DRAW = 2000
"""Draws of the prior that are looked at."""
MOST = 4
"""More corrections than this were never worth their time; systems that would want them have long
tails of a few per cent that are only reached slowly."""

# Draws that a power of the likelihood leaves effective: the region that populations pass through.
_EFFECTIVE = 100.0
# Power below which the posterior is a small part of the prior around a peak, and has to be straight
# there; and below which the times are so good, and so far from a line, that corrections do not
# converge where the peak's approximation fails (Kepler-9).
_INFORMED, _WELL_INFORMED = 0.03, 1e-5
# Part of that region whose lines must be right to one standard error there.
_RIGHT = 0.9
# Draws around a peak, the share of them that must have a model, and the scatter that may be left
# beside what a polynomial of second degree straightens
# (`apps.ttv.compute.population.straightening`), in standard errors. On simulated pairs near
# resonances one correction left 1 to 5, two 0.03 to 1, three at most 0.2. A scatter of 0.37 has
# long tails: importance draws were worth 0.1 %, and 40 % with one correction more.
_AROUND, _POSSIBLE, _SCATTER = 400, 0.25, 0.1

Array = NDArray[np.float64]


def choose_corrections(posterior: Posterior, rng: np.random.Generator, peaks: Peaks) -> int:
    """Return the smallest number of corrections that straightens the way to the posterior.

    Where the data say little, the whole prior has to be straight: strong interactions then need
    several corrections. Where they say much, what lies around the best peak has to be.

    Parameters
    ----------
    posterior : Posterior
        Model, noise and priors.
    rng : Generator
        Decides the draws.
    peaks : Peaks
        That a search has found, best first.
    """
    random = np.random.RandomState(rng.bit_generator)
    best = Coordinates(posterior.problem, posterior.engine, posterior.observations, MOST + 2)
    if not best.timed:
        return 0
    y = Target(posterior, best).broad_draws(N_DRAW, random)
    y[:, list(best.timed)] = 0.0
    broad, densities = Target(posterior, best).evaluate(y)
    gains = np.where(np.isfinite(densities), densities - broad, -math.inf)
    if not np.isfinite(gains).any():
        return MOST
    power = largest_power(gains, min(_EFFECTIVE, 0.5 * float(np.isfinite(gains).sum())))
    if power < _INFORMED:
        number = _around(posterior, best, peaks, random)
        if number is not None:
            return number
        # A peak without a good normal approximation is bent, or cut by an edge of the priors.
        return 0 if power < _WELL_INFORMED else MOST
    weights = np.exp(power * (gains - gains.max()))
    points = best.to_points(y)
    possible = np.isfinite(points).all(axis=1) & np.isfinite(gains)
    for corrections in range(1, MOST):
        coordinates = Coordinates(
            posterior.problem, posterior.engine, posterior.observations, corrections
        )
        left = coordinates.from_points(points[possible])[:, list(best.timed)]
        # At this power the standard errors are larger by its square root.
        sizes = np.abs(left).max(axis=1) * math.sqrt(power)
        if float(weights[possible][sizes < 1.0].sum()) >= _RIGHT * float(weights.sum()):
            return corrections
    return MOST


def _around(
    posterior: Posterior, best: Coordinates, peaks: Peaks, random: np.random.RandomState
) -> int | None:
    """Return the number that makes the best peak straight; None if its approximation fails."""
    first = Peaks(peaks.points[:1], peaks.covariances[:1])
    (y,) = first.draws(best, _AROUND, random)
    timed = list(best.timed)
    y[:, timed] = 0.0
    _, densities = Target(posterior, best).evaluate(y)
    possible = np.isfinite(densities)
    if possible.mean() < _POSSIBLE:
        return None
    points = best.to_points(y[possible])
    known = _second_degree(np.delete(y[possible], timed, axis=1))
    for corrections in range(1, MOST):
        coordinates = Coordinates(
            posterior.problem, posterior.engine, posterior.observations, corrections
        )
        departures = coordinates.from_points(points)[:, timed]
        fitted = known @ np.linalg.lstsq(known, departures, rcond=None)[0]
        # Each column that is fitted takes a share of the scatter with it.
        free = max(1, len(known) - known.shape[1])
        scatter = np.sqrt(np.sum((departures - fitted) ** 2, axis=0) / free)
        if scatter.max() <= _SCATTER:
            return corrections
    return MOST


def _second_degree(y: Array) -> Array:
    """Return the columns of a polynomial of second degree in y, (n, 1 + k + k (k + 1) / 2)."""
    u = (y - y.mean(axis=0)) / y.std(axis=0)
    products = [u[:, i] * u[:, j] for i in range(u.shape[1]) for j in range(i, u.shape[1])]
    return np.stack([np.ones(len(u)), *u.T, *products], axis=1)
