"""Points that chains may begin at: wider than the posterior in every parameter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.coordinates import Coordinates
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population.importance import TRUSTED_EFFECTIVE, kish, picked
from apps.ttv.compute.population.settings import Peaks
from apps.ttv.population_output import PopulationOutput

MOST_WIDE = 1000
"""Points kept for chains to begin at: they take some tens of them."""
APART = 3.0
"""Nats by which the evidence of a population may differ from that of its importance draws: at
temperatures where half of a population dies, errors of one and a half were seen where all of the
posterior was there."""

# Largest factor that a draw far out is chosen more often by.
_FARTHEST_OUT = 20.0

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """All importance draws of a unit, one after the other.

    Attributes
    ----------
    coordinates : Coordinates
        Of the unit's populations.
    points, y : ndarray
        float64 (n, n_dim), parameters, and the same in these coordinates.
    logs : ndarray
        float64 (n,), log weights.
    gains : ndarray
        float64 (n,), log densities of the posterior over those of the broad distribution.
    peaks : Peaks
        That the search has given.
    """

    coordinates: Coordinates
    points: Array
    y: Array
    logs: Array
    gains: Array
    peaks: Peaks

    @classmethod
    def of(cls, posterior: Posterior, output: PopulationOutput) -> Draws:
        """Read the draws of a unit's output, of which `posterior` is the target."""
        coordinates = Coordinates(
            posterior.problem, posterior.engine, posterior.observations, output.corrections
        )
        points = output.points.reshape(-1, output.points.shape[2])
        y = coordinates.from_points(points)
        densities = output.log_density.ravel() - coordinates.log_jacobians(points, y)
        return cls(
            coordinates,
            points,
            y,
            output.log_weight.ravel(),
            densities - coordinates.log_broad(y),
            Peaks(output.peaks, output.peak_covariances),
        )


def wide_points(
    draws: Draws, output: PopulationOutput, log_z: float, random: np.random.RandomState
) -> Array:
    """Return points to begin chains at, float64 (at most `MOST_WIDE`, n_dim).

    One half is of the posterior to the power 1/2. At that power the prior may draw parameters to
    one side, so that they are narrower than the posterior. The other half are therefore importance
    draws of the posterior, chosen the more often the farther out one of their parameters lies, if
    enough of them are effective.

    Parameters
    ----------
    draws : Draws
        Of the output.
    output : PopulationOutput
        With the populations at the power 1/2.
    log_z : float
        Logarithm of the evidence by the draws.
    random : RandomState
        Decides the choice.
    """
    half = _of_populations(output, log_z, random)
    if half is None:
        half = _of_draws(draws, random)
    possible = np.isfinite(draws.logs)
    points, logs = draws.points[possible], draws.logs[possible]
    if kish(logs) < TRUSTED_EFFECTIVE:
        return half
    outer = outer_weights(draws.coordinates.whitening.whiten(points), logs)
    others = points[picked(outer, MOST_WIDE // 2, random)]
    joined = np.concatenate([half[: MOST_WIDE - len(others)], others])
    return np.asarray(joined[random.permutation(len(joined))])


def _of_populations(
    output: PopulationOutput, log_z: float, random: np.random.RandomState
) -> Array | None:
    """Return what populations passed on their way, of those that have found the posterior."""
    sound = np.abs(output.island_log_z - log_z) <= APART
    if not sound.any():
        return None
    wide = output.wide[sound].reshape(-1, output.wide.shape[2])
    return np.asarray(wide[random.permutation(len(wide))[:MOST_WIDE]])


def _of_draws(draws: Draws, random: np.random.RandomState) -> Array:
    """Return importance draws of the least power of the posterior, from 1/2, that they can tell."""
    possible = np.isfinite(draws.logs)
    logs, gains = draws.logs[possible], draws.gains[possible]
    tempered = logs
    for power in (0.5, 0.75):
        lower = logs - (1.0 - power) * gains
        if kish(lower) >= TRUSTED_EFFECTIVE:
            tempered = lower
            break
    return np.asarray(draws.points[possible][picked(tempered, MOST_WIDE, random)])


def outer_weights(w: Array, logs: Array) -> Array:
    """Return log weights of draws, (n,), that are larger the farther out a parameter lies.

    The factor is 1 + z^2 with the largest z of a draw, the distance from the median of a
    coordinate of `w`, (n, n_dim), in half-widths between 16 and 84 %. Draws far out along a bent
    ridge are on the ridge, where a larger covariance would lead away from it.
    """
    weights = np.exp(logs - logs.max())
    farthest = np.zeros(len(w))
    for column in w.T:
        order = np.argsort(column, kind="stable")
        below = np.cumsum(weights[order])
        shares = np.array([0.158655, 0.5, 0.841345]) * below[-1]
        low, middle, high = column[order][np.searchsorted(below, shares)]
        farthest = np.maximum(farthest, np.abs(column - middle) / (0.5 * (high - low)))
    return np.asarray(logs + np.log(np.minimum(1.0 + farthest**2, _FARTHEST_OUT)))
