"""How often ephemerides are to be corrected; see `apps.ttv.coordinates`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from apps.ttv.coordinates import Coordinates
from apps.ttv.likelihood import Posterior
from apps.ttv.population.importance import largest_power
from apps.ttv.population.target import Target

N_DRAW = 2000
"""Draws of the prior that are looked at."""
MOST = 4
"""More corrections than this were never worth their time; systems that would want them have long
tails of a few per cent that are only reached slowly."""

# Draws that a power of the likelihood leaves effective: the region that populations pass through.
_EFFECTIVE = 100.0
# Powers below which the data decide nearly everything: the posterior is then so small a part of the
# prior that one correction, or none, makes it straight enough; every further one only costs time.
_INFORMED, _WELL_INFORMED = 0.03, 1e-5
# Part of that region whose lines must be right to one standard error there.
_RIGHT = 0.9

Array = NDArray[np.float64]


def choose_corrections(posterior: Posterior, rng: np.random.Generator) -> int:
    """Return the smallest number of corrections that straightens the way to the posterior.

    Where the data say little, the whole prior has to be straight: strong interactions then need
    several corrections. Where they say much, the posterior is small, and one is enough.

    Parameters
    ----------
    posterior : Posterior
        Model, noise and priors.
    rng : Generator
        Decides the draws.
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
        return 1 if power >= _WELL_INFORMED else 0
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
