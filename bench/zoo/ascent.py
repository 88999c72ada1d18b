"""The way from the prior to a ladder: powers, and a population for the archive of each level.

A population of the prior is brought to the posterior in steps that leave a stated share of it
effective. It only decides where levels stand, what proposals look like and where walkers begin; all
of it is forgotten before points count.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bench.zoo.tempering import Ladder, Proposals, Target, move

Array = NDArray[np.float64]

_EFFECTIVE = 0.4
"""Kish's effective share that a step of the power leaves: neighbours then exchange a third or more
of their points."""
_N_POPULATION, _N_POOL = 1000, 20_000
_N_MOVE = 16


def build(target: Target, n_walker: int, rng: np.random.Generator) -> Ladder:
    """Return a ladder whose walkers stand at populations of all levels.

    Raises
    ------
    RuntimeError
        If hardly any draw of the prior has a likelihood.
    """
    pool = target.draw_prior(_N_POOL, rng)
    pool_likelihoods, pool_priors = target.log_terms(pool)
    usable = np.flatnonzero(pool_likelihoods > -math.inf)
    if len(usable) < _N_POPULATION // 10:
        raise RuntimeError("hardly any draw of the prior has a likelihood")
    n_call = _N_POOL
    # The first step is made from the whole pool, which is a larger sample of the prior.
    now = Ladder(
        np.zeros(1),
        pool[None, usable],
        pool_likelihoods[None, usable],
        pool_priors[None, usable],
        Proposals.fit(pool[None, usable[:_N_POPULATION]], target.bent),
        pool,
        pool_likelihoods,
    )
    powers: list[float] = []
    populations: list[Array] = []
    power = 0.0
    while power < 1.0:
        following = _next_power(now.likelihoods[0], power)
        logs = (following - power) * now.likelihoods[0]
        chosen = _resampled(logs, _N_POPULATION, rng)
        points = now.points[:, chosen]
        power = following
        now = Ladder(
            np.array([power]),
            points,
            now.likelihoods[:, chosen],
            now.priors[:, chosen],
            Proposals.fit(points, target.bent),
            pool,
            pool_likelihoods,
        )
        for _ in range(_N_MOVE):
            move(now, target, rng)
        n_call += now.n_call
        powers.append(power)
        populations.append(now.points[0].copy())
    return _ladder(target, np.array(powers), np.array(populations), now, n_walker, n_call)


def _ladder(
    target: Target, powers: Array, populations: Array, last: Ladder, n_walker: int, n_call: int
) -> Ladder:
    points = np.ascontiguousarray(populations[:, :n_walker])
    n_level, _, n_dim = points.shape
    likelihoods, priors = target.log_terms(points.reshape(-1, n_dim))
    return Ladder(
        powers,
        points,
        likelihoods.reshape(n_level, n_walker),
        priors.reshape(n_level, n_walker),
        Proposals.fit(populations, target.bent),
        last.pool,
        last.pool_likelihoods,
        n_call + n_level * n_walker,
    )


def _next_power(likelihoods: Array, power: float) -> float:
    """Return the power up to which the population stays effective, by bisection."""
    low, high = 0.0, 1.0 - power
    if _effective(high * likelihoods) >= _EFFECTIVE:
        return 1.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        if _effective(middle * likelihoods) >= _EFFECTIVE:
            low = middle
        else:
            high = middle
    return power + max(low, 1e-12)


def _effective(logs: Array) -> float:
    weights = np.exp(logs - logs.max())
    return float(weights.sum() ** 2 / np.sum(weights**2) / len(weights))


def _resampled(logs: Array, n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return places by systematic resampling, in random order."""
    weights = np.exp(logs - logs.max())
    edges = np.cumsum(weights / weights.sum())
    places = np.searchsorted(edges, (rng.random() + np.arange(n)) / n)
    return rng.permutation(np.minimum(places, len(logs) - 1))
